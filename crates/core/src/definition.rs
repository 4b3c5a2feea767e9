//! A checked workflow: triggers, policies and steps, expressions compiled. Immutable; identified
//! by its name and the hash of its stored text.

use postroom_expr::{Expr, Mapping, Template};
use serde::{Deserialize, Serialize};

use crate::id::DefinitionHash;
use crate::retry::RetryPolicy;

/// A workflow that passed every check.
#[derive(Debug)]
pub struct Workflow {
    /// Its name, unique in a project.
    pub name: String,
    /// The hash of [`Stored`] it was read from.
    pub hash: DefinitionHash,
    /// The file it came from, relative to the project.
    pub file: String,
    /// What starts it; any of them.
    pub triggers: Vec<Trigger>,
    /// Runs with the same value of this are one run.
    pub dedupe: Option<Template>,
    /// How many runs with the same key may be at work at once.
    pub concurrency: Option<Concurrency>,
    /// The most hops of an event it emits, if not the engine's own bound.
    pub max_hops: Option<u16>,
    /// Steps of the run in the order written, then the steps of `on_failure`.
    pub steps: Vec<Step>,
    /// How many of `steps` belong to the run itself.
    pub main_steps: usize,
}

/// What starts a workflow.
#[derive(Debug)]
pub struct Trigger {
    /// An event type, or the start of one followed by `*`.
    pub event: String,
    /// Only events of this source, if given.
    pub source: Option<String>,
    /// Only events for which this is true.
    pub condition: Option<Expr>,
}

impl Trigger {
    /// Whether the type fits, whatever the source.
    #[must_use]
    pub fn takes(&self, kind: &str) -> bool {
        match self.event.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => self.event == kind,
        }
    }

    /// Whether type and source fit; the condition is not looked at.
    #[must_use]
    pub fn fits(&self, kind: &str, source: &str) -> bool {
        self.takes(kind) && self.source.as_deref().is_none_or(|wanted| wanted == source)
    }
}

/// A bound on runs at work at once.
#[derive(Debug)]
pub struct Concurrency {
    /// Runs whose key has the same value share the bound.
    pub key: Template,
    /// The bound, at least 1.
    pub limit: u32,
}

/// One node of a workflow.
#[derive(Debug)]
pub struct Step {
    /// Its name, unique in the workflow.
    pub id: String,
    /// What it does.
    pub task: Task,
    /// Skipped when this is false.
    pub condition: Option<Expr>,
    /// Indices of the steps that must have ended.
    pub needs: Vec<usize>,
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
}

/// What a step does. Only an action calls anybody.
#[derive(Debug)]
pub enum Task {
    /// Performs an action of an adapter.
    Action(Act),
    /// Writes down another event, which may start other runs.
    Emit(Emit),
    /// Says what the run comes to: the step that `return:` of a workflow stands for.
    Return(Mapping),
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Action(act) => write!(f, "{}", act.uses),
            Self::Emit(emit) => write!(f, "emit {}", emit.event),
            Self::Return(_) => f.write_str(RETURN),
        }
    }
}

/// An action with what it is given.
#[derive(Debug)]
pub struct Act {
    /// The action.
    pub uses: ActionRef,
    /// The connection it uses, if not the adapter's only one.
    pub connection: Option<String>,
    /// The action's input.
    pub with: Mapping,
}

/// An event to be written down.
#[derive(Debug)]
pub struct Emit {
    /// Its type.
    pub event: String,
    /// Its data, an object.
    pub with: Mapping,
    /// The key by which a repetition is recognised within source and type.
    pub key: Option<Template>,
}

impl Emit {
    /// The source of every event that a step emits.
    pub const SOURCE: &'static str = "emit";
}

/// The id of the step that `return:` stands for.
pub const RETURN: &str = "return";

impl Step {
    /// The action it performs, if it performs one.
    #[must_use]
    pub fn act(&self) -> Option<&Act> {
        match &self.task {
            Task::Action(act) => Some(act),
            Task::Emit(_) | Task::Return(_) => None,
        }
    }

    /// The event it writes down, if it writes one down.
    #[must_use]
    pub fn emit(&self) -> Option<&Emit> {
        match &self.task {
            Task::Emit(emit) => Some(emit),
            Task::Action(_) | Task::Return(_) => None,
        }
    }

    /// What it does and to what, for metrics and people: an adapter and an action, or a kind of
    /// step and an event type.
    #[must_use]
    pub fn labels(&self) -> (&str, &str) {
        match &self.task {
            Task::Action(act) => (&act.uses.adapter, &act.uses.action),
            Task::Emit(emit) => (Emit::SOURCE, &emit.event),
            Task::Return(_) => (RETURN, ""),
        }
    }
}

/// An action by name: `stripe/create_invoice` or `stripe/create_invoice@2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionRef {
    /// The adapter.
    pub adapter: String,
    /// The action of that adapter.
    pub action: String,
    /// The contract version; the newest when not given.
    pub version: Option<u32>,
}

impl std::fmt::Display for ActionRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.adapter, self.action)?;
        self.version.map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

/// What a project gives every step that does not say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Defaults {
    /// How often a step is tried.
    pub retry: RetryPolicy,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), timeout_ms: 60_000 }
    }
}

/// The form in which a definition is kept, so that a run can go on with what it started with:
/// the text of the file and the defaults it was read under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Version of this form.
    pub v: u32,
    /// The file it came from, for messages.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// The defaults in force when it was read.
    pub defaults: Defaults,
}

impl Stored {
    /// The definition's hash: of everything that decides what a run does, not of where the file
    /// lies.
    #[must_use]
    pub fn hash(&self) -> DefinitionHash {
        let defaults = serde_json::to_string(&self.defaults).unwrap_or_default();
        DefinitionHash::of(&format!("{}\n{defaults}\n{}", self.v, self.text))
    }
}

impl Workflow {
    /// Whether a run of this workflow can go on with `other`: the same steps in the same order,
    /// whatever else about them has changed. Where steps stand is kept by their number.
    #[must_use]
    pub fn same_steps(&self, other: &Self) -> bool {
        let ids = |workflow: &'_ Self| -> Vec<String> {
            workflow.steps.iter().map(|step| step.id.clone()).collect()
        };
        self.name == other.name && self.main_steps == other.main_steps && ids(self) == ids(other)
    }

    /// The index of a step.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}
