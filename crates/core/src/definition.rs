//! A checked workflow: triggers, policies and steps, expressions compiled. Immutable; identified
//! by its name and the hash of its stored text.

use postroom_expr::{Expr, Mapping, Template};
use serde::{Deserialize, Serialize};

use crate::id::DefinitionHash;
use crate::policy::Policies;
use crate::problem::{self, Problem};
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
    /// When, and whether, its runs start.
    pub policies: Policies,
    /// The most hops of an event it emits, if not the engine's own bound.
    pub max_hops: Option<u16>,
    /// How long a run may take from its start to its end, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether its runs act.
    pub mode: Mode,
    /// Steps of the run in the order written, then the steps of `on_failure`.
    pub steps: Vec<Step>,
    /// How many of `steps` belong to the run itself.
    pub main_steps: usize,
}

/// Whether something acts, or only plans what it would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It acts.
    #[default]
    Live,
    /// What would change something outside is written down instead of done.
    Dry,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Live, Self::Dry];

    /// The word of files and the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Dry => "dry",
        }
    }

    /// Whether it acts.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
    pub fn is_live(&self) -> bool {
        *self == Self::Live
    }

    /// The mode of a word.
    ///
    /// # Errors
    /// What is wrong with the word, under the name of the setting it was written for.
    pub fn of_word(word: &str, setting: &str) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|mode| mode.word() == word);
        found.ok_or_else(|| {
            let detail = format!("`{setting}` is `{word}`");
            let hint = "write `dry`, so that nothing is changed outside, or `live`";
            Problem::new(&problem::BAD_VALUE, detail).hint(hint)
        })
    }
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

/// One node of a workflow.
#[derive(Debug)]
pub struct Step {
    /// Its name, unique in the workflow.
    pub id: String,
    /// What it does.
    pub task: Task,
    /// The list for each item of which it does it, if it has one.
    pub each: Option<Each>,
    /// Skipped when this is false.
    pub condition: Option<Expr>,
    /// Indices of the steps that must have ended.
    pub needs: Vec<usize>,
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
}

/// A list, for each item of which a step is carried out.
#[derive(Debug)]
pub struct Each {
    /// The list.
    pub list: Mapping,
    /// How many items may be at work at once, at least 1.
    pub concurrency: usize,
}

/// The most items of a list.
pub const MAX_ITEMS: usize = 1_000;

/// What a step does. Only an action calls anybody outside.
#[derive(Debug)]
pub enum Task {
    /// Performs an action of an adapter.
    Action(Act),
    /// Writes down another event, which may start other runs.
    Emit(Emit),
    /// Starts a run of another workflow.
    Call(Call),
    /// Waits for a time.
    Wait(Wait),
    /// Waits for an event.
    Await(Await),
    /// Asks a person.
    Approve(Approve),
    /// Says what the run comes to: the step that `return:` of a workflow stands for.
    Return(Mapping),
    /// Gives the event of the run to runs that wait for it. No file says this: it is the one step
    /// of the workflow that the engine has of its own.
    Wake,
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Action(act) => write!(f, "{}", act.uses),
            Self::Emit(emit) => write!(f, "emit {}", emit.event),
            Self::Call(call) => write!(f, "call {}", call.workflow),
            Self::Wait(_) => f.write_str("wait"),
            Self::Await(wait) => write!(f, "wait for {}", wait.event),
            Self::Approve(_) => f.write_str("approve"),
            Self::Return(_) => f.write_str(RETURN),
            Self::Wake => f.write_str("wake"),
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

/// Another workflow to be run.
#[derive(Debug)]
pub struct Call {
    /// Its name.
    pub workflow: String,
    /// The type of the event that its run works on: `call.` and its name.
    pub event: String,
    /// The event's data, an object.
    pub with: Mapping,
    /// Whether the step waits for the run and has its output, or goes on at once.
    pub waits: bool,
    /// How long it waits at the most, in milliseconds.
    pub timeout_ms: u64,
}

impl Call {
    /// The source of every event by which a workflow is called.
    pub const SOURCE: &'static str = "call";

    /// The type of the event by which a workflow is called.
    #[must_use]
    pub fn event_of(workflow: &str) -> String {
        format!("{}.{workflow}", Self::SOURCE)
    }
}

/// A time to wait for.
#[derive(Debug)]
pub enum Wait {
    /// So long, as a duration in text.
    For(Template),
    /// Until then: text in RFC 3339 or milliseconds since 1970.
    Until(Template),
}

/// An event to wait for.
#[derive(Debug)]
pub struct Await {
    /// Its type.
    pub event: String,
    /// What must be true of it; it is `arrived` there.
    pub condition: Option<Expr>,
    /// How long to wait at the most; a duration, evaluated when the step begins to wait.
    pub timeout: Template,
}

/// A question to a person.
#[derive(Debug)]
pub struct Approve {
    /// The question.
    pub ask: Template,
    /// How long there is to answer, in milliseconds.
    pub timeout_ms: u64,
    /// What silence means.
    pub silence_approves: bool,
    /// After a refusal the run goes on, instead of ending as cancelled.
    pub goes_on: bool,
}

/// The longest that a step waits for anything, in milliseconds: 366 days.
pub const MAX_WAIT_MS: u64 = 366 * 86_400_000;

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
            _ => None,
        }
    }

    /// The type and source of the event it writes down, if it writes one down.
    #[must_use]
    pub fn emitted(&self) -> Option<(&str, &'static str)> {
        match &self.task {
            Task::Emit(emit) => Some((&emit.event, Emit::SOURCE)),
            Task::Call(call) => Some((&call.event, Call::SOURCE)),
            _ => None,
        }
    }

    /// What it does and to what, for metrics and people: an adapter and an action, or a kind of
    /// step and an event type.
    #[must_use]
    pub fn labels(&self) -> (&str, &str) {
        match &self.task {
            Task::Action(act) => (&act.uses.adapter, &act.uses.action),
            Task::Emit(emit) => (Emit::SOURCE, &emit.event),
            Task::Call(call) => (Call::SOURCE, &call.workflow),
            Task::Wait(_) => ("wait", ""),
            Task::Await(wait) => ("wait", &wait.event),
            Task::Approve(_) => ("approve", ""),
            Task::Return(_) => (RETURN, ""),
            Task::Wake => ("wake", ""),
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

impl ActionRef {
    /// Reads `adapter/action` or `adapter/action@2`; `None` where a text is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (adapter, rest) = text.split_once('/')?;
        let (action, version) = match rest.split_once('@') {
            Some((action, version)) => (action, Some(version.parse::<u32>().ok()?)),
            None => (rest, None),
        };
        let fits = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        let (adapter, action) = (adapter.to_owned(), action.to_owned());
        (fits(&adapter) && fits(&action)).then_some(Self { adapter, action, version })
    }
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
    /// When a store first kept it, in milliseconds since 1970; none before it was, and of those
    /// that were kept before this was noted. A store keeps the first value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen_ms: Option<i64>,
}

impl Stored {
    /// A definition in the newest form, not kept anywhere yet.
    #[must_use]
    pub fn new(file: String, text: String, defaults: Defaults) -> Self {
        Self { v: 1, file, text, defaults, first_seen_ms: None }
    }

    /// The definition's hash: of everything that decides what a run does, not of where the file
    /// lies or when it was seen.
    #[must_use]
    pub fn hash(&self) -> DefinitionHash {
        let defaults = serde_json::to_string(&self.defaults).unwrap_or_default();
        DefinitionHash::of(&format!("{}\n{defaults}\n{}", self.v, self.text))
    }
}

impl Workflow {
    /// Whether a run of this workflow can go on with `other`: the same steps in the same order,
    /// with a list or without, whatever else about them has changed. Where steps stand is kept by
    /// their number.
    #[must_use]
    pub fn same_steps(&self, other: &Self) -> bool {
        let ids = |workflow: &'_ Self| -> Vec<(String, bool)> {
            workflow.steps.iter().map(|step| (step.id.clone(), step.each.is_some())).collect()
        };
        self.name == other.name && self.main_steps == other.main_steps && ids(self) == ids(other)
    }

    /// The workflow that the engine has of its own: it gives an event to runs that wait for it.
    #[must_use]
    pub fn wake() -> Self {
        let step = Step {
            id: "wake".to_owned(),
            task: Task::Wake,
            each: None,
            condition: None,
            needs: Vec::new(),
            retry: RetryPolicy::default(),
            timeout_ms: 60_000,
        };
        Self {
            name: Self::WAKE.to_owned(),
            hash: DefinitionHash::of(Self::WAKE),
            file: String::new(),
            triggers: Vec::new(),
            policies: Policies::default(),
            max_hops: None,
            mode: Mode::Live,
            timeout_ms: None,
            steps: vec![step],
            main_steps: 1,
        }
    }

    /// The name of that workflow. No file can take a name that begins like this.
    pub const WAKE: &'static str = "postroom.wake";

    /// Whether other workflows may call it.
    #[must_use]
    pub fn callable(&self) -> bool {
        let event = Call::event_of(&self.name);
        self.triggers.iter().any(|trigger| trigger.fits(&event, Call::SOURCE))
    }

    /// The index of a step.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}
