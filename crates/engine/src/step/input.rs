//! What a step's expressions see, and what they come to.

use postroom_core::definition::{Each, MAX_ITEMS, Step};
use postroom_core::run::{Run, StepState};
use postroom_core::scope::{self, RunFacts, StepResult};
use postroom_core::trigger::condition_value;
use postroom_core::{Event, Failure, Json, Outcome, Workflow, problem};
use postroom_expr::{Expr, Fault, Limits, Mapping, Scope, Template};

use super::refused;

/// What the expressions of a step see.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub event: &'a Event,
    pub run: &'a Run,
    pub workflow: &'a Workflow,
    /// Outputs of steps that are done.
    pub outputs: &'a [Option<Json>],
    /// The item it is about, with its place in the list.
    pub item: Option<(&'a Json, usize)>,
    /// The event that may be the one it waits for.
    pub arrived: Option<&'a Event>,
}

impl View<'_> {
    /// Evaluates expressions of a step; `reads` tells which roots they read.
    pub fn read<T>(
        &self,
        step: usize,
        reads: impl Fn(&str) -> bool,
        what: impl FnOnce(&Reader<'_, '_>) -> T,
    ) -> T {
        let failure = self.run.failure.as_ref();
        let facts = RunFacts {
            id: self.run.id,
            workflow: &self.workflow.name,
            created_ms: self.run.created_ms,
            failure: failure.map(|f| (f.failure.code.as_str(), f.failure.message.as_str())),
        };
        let mut scope = scope::of_step(self.event, &facts, self.results(), reads);
        if let Some((item, index)) = self.item {
            scope = scope::with_item(scope, item, index);
        }
        if let Some(arrived) = self.arrived {
            scope = scope::with_arrived(scope, arrived);
        }
        what(&Reader { scope, step: &self.workflow.steps[step] })
    }

    /// The list that a step is carried out for, or what is wrong with it.
    pub fn list(&self, step: usize, each: &Each) -> Result<Vec<Json>, Outcome> {
        let list = self.read(
            step,
            |name| each.list.reads_name(name),
            |reader| reader.render(&each.list, "each"),
        )?;
        let wrong = |detail: String| {
            let message = format!("`each` of step `{}` {detail}", self.workflow.steps[step].id);
            refused(Failure::new(problem::BAD_LIST.code, message))
        };
        let items = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(list.text())
            .map_err(|_| wrong("came to something that is no list".to_owned()))?;
        if items.len() > MAX_ITEMS {
            return Err(wrong(format!("has {} items, but {MAX_ITEMS} at the most", items.len())));
        }
        Ok(items.into_iter().map(Json::from_raw).collect())
    }

    fn results(&self) -> impl Iterator<Item = StepResult<'_>> {
        self.workflow.steps.iter().enumerate().map(|(index, step)| StepResult {
            id: &step.id,
            status: match self.run.steps.get(index).map(|step| step.state) {
                Some(StepState::Done) => "done",
                Some(StepState::Skipped) => "skipped",
                Some(StepState::Failed | StepState::Unknown) => "failed",
                _ => "pending",
            },
            output: self.outputs.get(index).and_then(Option::as_ref),
        })
    }
}

/// A step with all that its expressions see.
pub(crate) struct Reader<'a, 's> {
    scope: Scope<'s>,
    step: &'a Step,
}

impl Reader<'_, '_> {
    fn faulted(&self, what: &str, fault: &Fault) -> Outcome {
        let message = format!("`{what}` of step `{}`: {}", self.step.id, fault.message);
        let mut failure = Failure::new(fault.code, message);
        failure.hint.clone_from(&fault.hint);
        refused(failure)
    }

    /// Whether a condition holds.
    pub fn holds(&self, condition: &Expr, what: &str) -> Result<bool, Outcome> {
        let limits = Limits::default();
        let holds = condition.eval(&self.scope, limits).and_then(|value| condition_value(&value));
        holds.map_err(|fault| self.faulted(what, &fault))
    }

    /// What a mapping comes to.
    pub fn render(&self, mapping: &Mapping, what: &str) -> Result<Json, Outcome> {
        let rendered = mapping.render(&self.scope, Limits::default());
        let rendered = rendered.map_err(|fault| fault.under(what));
        let text = rendered.map_err(|fault| self.faulted(&fault.path, &fault.fault))?;
        Json::parse(text).map_err(|error| {
            refused(Failure::new("internal", format!("the input is not JSON: {error}")))
        })
    }

    /// What a template comes to as text; `None` if it is null.
    pub fn text(&self, template: &Template, what: &str) -> Result<Option<String>, Outcome> {
        let text = || -> Result<Option<String>, Fault> {
            let value = template.eval(&self.scope, Limits::default())?;
            if value.is_null() { Ok(None) } else { value.to_text().map(Some) }
        };
        text().map_err(|fault| self.faulted(what, &fault))
    }
}
