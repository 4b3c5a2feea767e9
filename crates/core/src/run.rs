//! The run state machine. A run is one workflow at work on one event; [`advance`] takes it from
//! state to state and says, as data, what its owner has to do next. The transition table is drawn
//! in `docs/runs.md`.
//!
//! Invariants, kept by property tests: a run that has ended changes only by a person's word; no
//! step is tried more often than its policy allows; a due time is present exactly while a run
//! waits for its turn; a step that is done is never called again; a call that may not be repeated
//! blindly and whose answer was lost is `unknown`, whatever took the answer away.

use serde::{Deserialize, Serialize};

use crate::definition::Mode;
use crate::id::{DefinitionHash, EventId, RunId};
use crate::journal::{Entry, Excerpt, Unsent};
use crate::json::Json;
use crate::outcome::{Failure, Outcome};

mod admission;
mod advance;
mod orders;
mod spot;

pub use admission::Admission;
pub use advance::advance;
pub use spot::Spot;
pub(crate) use spot::label;

/// One workflow at work on one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The event it works on.
    pub event: EventId,
    /// The workflow's name.
    pub workflow: String,
    /// The version of the workflow it started with and keeps.
    pub definition: DefinitionHash,
    /// What idempotency keys of its calls derive from: the key the sender gave, or the run's id.
    pub key: String,
    /// Where it stands.
    pub state: RunState,
    /// When it was written down, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it is to be worked on; present exactly in `queued` and `sleeping`.
    pub due_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// Where each step stands, in the order of the definition; empty before the first start.
    pub steps: Vec<StepRun>,
    /// What ended it, or is ending it while the steps of `on_failure` run.
    pub failure: Option<RunFailure>,
    /// How often a person has sent it out again.
    pub redrives: u32,
    /// Whether it acts, whatever its workflow says: one that a dry run has called does not.
    #[serde(default, skip_serializing_if = "Mode::is_live")]
    pub mode: Mode,
    /// Something of it was planned instead of done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry: bool,
    /// When it has to be at its end, if its workflow bounds that and it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<i64>,
    /// Somebody wants it to end; it does once no call is under way that must not be cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling: Option<Box<Word>>,
    /// By what the policies of its workflow know it until it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Box<Admission>>,
}

/// Who steps in, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Who.
    pub actor: String,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Written down, not started.
    Queued,
    /// At work under an owner.
    Running,
    /// Waiting for a time: a retry, or a limit that says when.
    Sleeping,
    /// Every step ended well.
    Succeeded,
    /// In the dead-letter office.
    Dead,
    /// Ended by a person.
    Cancelled,
}

impl RunState {
    /// Every state, in the order of its number in the store.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Sleeping, Self::Succeeded, Self::Dead, Self::Cancelled];

    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead | Self::Cancelled)
    }

    /// The word used in the API, metrics and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not started.
    Pending,
    /// An attempt is under way.
    Running,
    /// An attempt that must not be repeated blindly is under way.
    Intent,
    /// Waiting for its due time.
    Waiting,
    /// The items of its list are at work.
    Items,
    /// Ended well.
    Done,
    /// Its condition was false.
    Skipped,
    /// Failed for good.
    Failed,
    /// Its answer was lost.
    Unknown,
}

impl StepState {
    /// The word used in the API and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Intent => "intent",
            Self::Waiting => "waiting",
            Self::Items => "items",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Where one step of a run stands, or one item of a step that is carried out for each item of a
/// list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRun {
    /// Its state.
    pub state: StepState,
    /// Attempts started so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Counts refusals. Providers answer a refused key with the same refusal, so what is sent
    /// after one gets new idempotency keys; after anything else the keys stay.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// When to try again, or to look again, while waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<i64>,
    /// Until when it waits for a time, an event, a person or another run, once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// Its items, once the list is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<StepRun>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl StepRun {
    /// Not started.
    pub const PENDING: Self = Self {
        state: StepState::Pending,
        attempts: 0,
        generation: 0,
        due_ms: None,
        until_ms: None,
        items: Vec::new(),
    };
}

/// What ended a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// Why, from a closed list.
    pub reason: Reason,
    /// The step, unless the run could not even start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The last failure.
    pub failure: Failure,
}

/// Why runs die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The provider or the engine refused, and the same request would be refused again.
    Refused,
    /// Every attempt failed.
    Exhausted,
    /// A call was sent and its answer lost; a person decides.
    Unknown,
    /// A condition or policy could not be evaluated.
    Unroutable,
    /// It was not at its end when its workflow's `timeout` was over.
    Timeout,
}

impl Reason {
    /// The word used in the API, metrics and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Unknown => "unknown",
            Self::Unroutable => "unroutable",
            Self::Timeout => "timeout",
        }
    }
}

/// What happens to a run under its owner.
#[derive(Clone, Debug)]
pub enum Input {
    /// An owner took it: at first, when due, or after the last owner was lost.
    Start,
    /// Time passed while the owner held it.
    Tick,
    /// A call is about to be made to a provider that honours no key.
    Intent {
        /// The step.
        spot: Spot,
    },
    /// One call of a step that makes several succeeded.
    Called {
        /// The step.
        spot: Spot,
        /// What to write down; kind and step are filled in.
        report: Report,
        /// The call's id.
        call: String,
        /// Its result, which a resumed step goes on with.
        output: Json,
    },
    /// An attempt ended.
    Ended {
        /// The step.
        spot: Spot,
        /// How.
        outcome: Outcome,
        /// A random number between 0 and 1 for the retry delay.
        chance: f64,
        /// What to write down beside the outcome.
        report: Report,
    },
    /// What a step waits for has come.
    Resumed {
        /// The step.
        spot: Spot,
        /// What it comes to.
        output: Json,
        /// Who brought it.
        by: Word,
    },
    /// Somebody wants it to end.
    Cancel(Word),
}

/// Facts about an attempt that the journal keeps and no decision depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How long it took.
    pub took_ms: Option<u64>,
    /// Method and URL without secrets, and the idempotency key.
    pub request: Option<String>,
    /// The sandbox answered.
    pub sandbox: bool,
    /// Something was planned instead of done, here or in a call before.
    pub dry: bool,
    /// What was planned.
    pub planned: Option<Box<Unsent>>,
    /// The call that failed, of an action that makes several.
    pub call: Option<String>,
    /// What the provider answered to the call that failed.
    pub answer: Option<Excerpt>,
    /// The run that the step waits for.
    pub child: Option<RunId>,
    /// What a person is asked.
    pub ask: Option<String>,
}

/// What the owner has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Try the step.
    Call {
        /// The step.
        spot: Spot,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// Cut the attempt off that is under way.
    Abort {
        /// The step.
        spot: Spot,
    },
}

/// The result of [`advance`].
#[derive(Clone, Debug)]
pub struct Advance {
    /// The run as it is now. In state `running` its owner keeps it, else gives it back.
    pub run: Run,
    /// What to do.
    pub effects: Vec<Effect>,
    /// What to write down.
    pub entries: Vec<Entry>,
}
