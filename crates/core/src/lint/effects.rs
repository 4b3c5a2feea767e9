//! `lint/no-idempotency` and `lint/unguarded-destructive`: what a step does to the world, and what
//! stands between.

use super::Linter;
use crate::definition::{Mode, Step, Task};
use crate::problem::{self, Problem};
use crate::typecheck::found::Place;

impl Linter<'_> {
    pub(super) fn unrepeatable(&mut self, index: usize) {
        let step = &self.workflow.steps[index];
        let decided = self.effects[index].as_ref().and_then(|it| it.unrepeatable.as_ref());
        let (Some(act), Some(decided)) = (step.act(), decided) else { return };
        if self.workflow.mode == Mode::Dry {
            return;
        }
        let uses = act.uses.to_string();
        let detail = format!(
            "step `{}` cannot be repeated safely: `{uses}` honours no idempotency key and cannot \
             look up what it did",
            step.id
        );
        let crash = "if the process dies or the answer is lost during the call, the run stops as \
                     `unknown` and waits for a person";
        let hint = match decided.as_slice() {
            [] => crash.to_owned(),
            inputs => format!("{crash}; `{}` of `with` may change that", inputs.join("` or `")),
        };
        self.at_uses(index, &uses, Problem::new(&problem::NO_IDEMPOTENCY, detail).hint(hint));
    }

    pub(super) fn unguarded(&mut self, index: usize) {
        let step = &self.workflow.steps[index];
        let effects = self.effects[index].as_ref();
        let Some(act) = step.act().filter(|_| effects.is_some_and(|it| it.destructive)) else {
            return;
        };
        if self.guarded(index) {
            return;
        }
        let uses = act.uses.to_string();
        let detail = format!("step `{}` is destructive and nothing guards it: `{uses}`", step.id);
        let hint = format!(
            "let it need an `approve` step, give the workflow `mode: dry`, or add a test whose \
             `expect.requests` names it (`step: {}`), so that its request is known before it is \
             sent",
            step.id
        );
        self.at_uses(
            index,
            &uses,
            Problem::new(&problem::UNGUARDED_DESTRUCTIVE, detail).hint(hint),
        );
    }

    /// Whether somebody looked at what a step would do, or will before it does it.
    fn guarded(&self, index: usize) -> bool {
        let steps = &self.workflow.steps;
        // What is only planned does nothing.
        if self.workflow.mode == Mode::Dry {
            return true;
        }
        let asks =
            |(step, before): (&Step, &bool)| *before && matches!(step.task, Task::Approve(_));
        steps.iter().zip(&self.before[index]).any(asks)
            || (self.known.rehearsed)(self.workflow, &steps[index])
    }

    pub(super) fn at_uses(&mut self, index: usize, uses: &str, problem: Problem) {
        let place = Place::nth(self.workflow, index).below("uses");
        self.reporter.whole(problem, &place, uses.len());
    }
}
