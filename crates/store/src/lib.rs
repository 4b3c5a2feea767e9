//! Durable truth: events, runs, journals, dead letters and the queue that orders them.
//!
//! [`Store`] says what a backend must do; every operation is one transaction. [`sqlite::Sqlite`] is
//! the embedded backend, [`model::Model`] the in-memory oracle that the others are compared with.
//! No driver type and no SQL leaves this crate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use postroom_core::definition::Stored;
use postroom_core::id::KeyHash;
use postroom_core::run::{Spot, StepRun, Word};
use postroom_core::trigger::Start;
use postroom_core::{DefinitionHash, Entry, Event, EventId, Json, Run, RunId};

mod counters;
pub mod filter;
mod hash;
pub mod model;
mod schedule;
pub mod sqlite;
pub mod stats;

pub use filter::{EventFilter, EventRow, Page, RunFilter};
pub use stats::Stats;

/// What went wrong, by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing was written; the disk is full, read-only or failing. Try again later.
    #[error("the store cannot write: {reason}")]
    Unavailable {
        /// The backend's own words.
        reason: String,
    },
    /// Whether it was written is not known, because the answer was lost. Repeat the same call.
    #[error("whether the store wrote it is not known: {reason}")]
    Lost {
        /// The backend's own words.
        reason: String,
    },
    /// Another process works on the same data.
    #[error("another Postroom process works on {path}")]
    Locked {
        /// The data it works on.
        path: String,
    },
    /// The data was written by a newer version.
    #[error("the data has schema version {found}, this build knows up to {known}")]
    Newer {
        /// The version of the data.
        found: u32,
        /// The newest version this build knows.
        known: u32,
    },
    /// What was read back is not what was written.
    #[error("the store holds data that cannot be read: {reason}")]
    Corrupt {
        /// What, and where.
        reason: String,
    },
    /// The store was closed, or has broken down for good. There is nobody left to ask what became
    /// of calls that were under way.
    #[error("the store is closed")]
    Closed,
}

/// What every operation of [`Store`] returns.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// An event about to be written down, with the runs it starts.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The event, shared with whoever asks again and with the runs that are kept in memory.
    pub event: Arc<Event>,
    /// Another event with this hash before its time is the same event.
    pub dedupe: Option<KeyHash>,
    /// Until when repetitions of the event are recognised, and of its runs that do not say
    /// otherwise, in milliseconds since 1970.
    pub dedupe_until_ms: i64,
    /// The runs it starts.
    pub starts: Vec<Start>,
}

/// What became of an [`Arrival`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It was written down.
    New {
        /// The runs that were started, dead ones included.
        runs: Vec<RunId>,
        /// Workflows that had a run with the same key already, and that run.
        deduplicated: Vec<(String, RunId)>,
    },
    /// It had been written down before; nothing was written now.
    Duplicate {
        /// The first event.
        event: EventId,
        /// The first event's correlation id.
        correlation: String,
    },
}

/// A right to work on a run. Grows with every claim, so that a late owner is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// A run with the right to work on it.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The run as last committed.
    pub run: Run,
    /// The right.
    pub fence: Fence,
    /// The event it works on.
    pub event: Arc<Event>,
    /// What it has written down so far; empty for a run that never started.
    pub journal: Vec<Entry>,
    /// How often an owner of it was lost since its last commit; 0 again after a person's order. A
    /// backend of one process counts from when it was opened.
    pub losses: u32,
}

/// The answer to a claim.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Runs to work on.
    pub leases: Vec<Lease>,
    /// If it handed out fewer than asked for: when the next run falls due that no concurrency key
    /// keeps back, later than now; or now, where it stopped before it had handed out all that was
    /// due.
    pub next_due_ms: Option<i64>,
}

/// A run's next state, with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The run as it shall be. Any state but `running` gives it back.
    pub run: Run,
    /// The right under which it is written.
    pub fence: Fence,
    /// The how-manieth commit under this right it is, from 1. A repetition has the same number.
    pub seq: u32,
    /// What is written into its journal.
    pub entries: Vec<Entry>,
    /// Events that follow from it.
    pub emits: Vec<Arrival>,
}

/// What became of a [`Transition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It was written, now or when it was sent before.
    Written,
    /// The right had passed to somebody else, or its number does not follow; nothing was written.
    Stale,
}

/// What somebody wants of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// End it, or give up on it if it is a dead letter.
    Cancel,
    /// End it because a person refuses what one of its steps asks. Refused while somebody works on
    /// the run, and once the step asks no more.
    Reject {
        /// Where the step stands.
        spot: Spot,
    },
    /// Send it out again, on the definition it has or on another.
    Redrive {
        /// The definition to go on with, if not the one it has. Whoever orders this makes sure
        /// that both have the same steps in the same order
        /// ([`Workflow::same_steps`](postroom_core::Workflow::same_steps)).
        definition: Option<DefinitionHash>,
    },
    /// Give it what one of its steps waits for. Refused while somebody works on the run.
    Resume {
        /// The step's id.
        step: String,
        /// Where it stands.
        spot: Spot,
        /// What the step comes to.
        output: Json,
    },
}

/// A [`Command`] about a run, with who and why.
#[derive(Debug, Clone)]
pub struct Order {
    /// The run.
    pub run: RunId,
    /// What to do.
    pub command: Command,
    /// Who wants it.
    pub actor: String,
    /// Why, in that person's words.
    pub note: Option<String>,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

impl Order {
    /// The run as it is once this is carried out, with what is written down; `None` if its state
    /// does not allow it. `held` says whether somebody works on it. Backends share this.
    pub(crate) fn carry_out(&self, mut run: Run, held: bool) -> Option<(Run, Entry)> {
        let note = self.note.as_deref();
        match &self.command {
            Command::Cancel => run.cancel(&self.actor, note, self.now_ms),
            _ if held => None,
            Command::Reject { spot } => {
                let asks = run.at(*spot).is_some_and(StepRun::parked);
                asks.then(|| run.cancel(&self.actor, note, self.now_ms)).flatten()
            }
            Command::Redrive { definition } => {
                run.definition = definition.unwrap_or(run.definition);
                run.redrive(&self.actor, note, self.now_ms)
            }
            Command::Resume { step, spot, output } => {
                let by = Word { actor: self.actor.clone(), note: self.note.clone() };
                run.resume(step, *spot, output.clone(), &by, self.now_ms)
            }
        }
    }
}

/// What became of an [`Order`].
#[derive(Debug, Clone, PartialEq)]
pub enum Ordered {
    /// It was carried out; the run as it is now.
    Done(Box<Run>),
    /// The run's state does not allow it; the run as it is.
    Refused(Box<Run>),
    /// There is no such run.
    Missing,
}

/// A change of a shared number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The number's name. A name not seen, or past its time, counts from 0.
    pub key: String,
    /// Added to it.
    pub add: i64,
    /// The highest it may become by being added to. Taking away is always possible.
    pub at_most: Option<i64>,
    /// When it is forgotten, in milliseconds since 1970; kept from the change that made it.
    pub until_ms: i64,
}

/// What became of changes that were asked for together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Whether they were made: all of them, or none.
    pub added: bool,
    /// The numbers after each change, in order; as they are, if none was made.
    pub values: Vec<i64>,
}

/// What may be forgotten. Runs that have not ended and events of kept runs are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Keep at most this many succeeded and cancelled runs.
    pub ended_count: Option<u64>,
    /// Keep at most this many dead letters.
    pub dead_count: Option<u64>,
    /// Remove ended runs that ended before this.
    pub ended_before_ms: Option<i64>,
    /// Remove dead letters that died before this.
    pub dead_before_ms: Option<i64>,
    /// Remove events that arrived before this and have no runs left.
    pub events_before_ms: Option<i64>,
    /// Remove at most this many by each of the rules above in one call.
    pub limit: u32,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs removed.
    pub runs: u64,
    /// Events removed.
    pub events: u64,
    /// Whether a rule stopped at its limit, so that another call may find more.
    pub more: bool,
}

/// A run with the event it works on and what it has written down.
pub type History = (Run, Arc<Event>, Vec<Entry>);

/// A hint that a run may have fallen due. May be lost, may be false; costs at most delay.
pub trait Wake: Send + Sync + 'static {
    /// Gives the hint. Never blocks.
    fn wake(&self);
}

/// Durable truth. Frozen since 2026-11-25 by `docs/decisions/0008-the-store-trait-is-frozen.md`:
/// backends are written against it, so it changes only with another decision.
///
/// Each element of a batch is atomic: an event with its runs, a run's transition with its entries
/// and the events it emits. What an operation answered with `Ok` is on disk. An error other than
/// [`Error::Lost`] means that nothing of any element was written; a backend that splits a batch and
/// fails in its midst answers `Lost`. Then the same call is repeated, and each operation says what
/// a repetition does.
///
/// All times are the callers', in milliseconds since 1970.
pub trait Store: Send + Sync + 'static {
    /// Writes down events and the runs they start, each event with its runs atomically, and
    /// recognises repetitions. Repeating it is safe: ids are the caller's, so an event written
    /// before is a duplicate of itself.
    fn record(&self, arrivals: Vec<Arrival>) -> Reply<'_, Vec<Recorded>>;

    /// Hands out up to `limit` runs that are due, each to one owner until `now_ms + lease_ms`,
    /// never more at once than a concurrency key allows. The order is oldest first, as far as one
    /// claim sees. It may hand out fewer than are due: rows under another claim are passed over,
    /// and a backend may stop at a bound on bytes. Whoever gets nothing looks again after a bounded
    /// time. A lost reply costs a lease time of delay.
    fn claim(&self, limit: usize, lease_ms: i64, now_ms: i64) -> Reply<'_, Claimed>;

    /// Prolongs rights until `now_ms + lease_ms`. If `lease_ms` is not above 0 it gives them back
    /// at once: the runs are due as after a reap, and no owner of theirs was lost. Says for each
    /// whether it was still held. Safe to repeat; what was given back is no longer held then.
    fn extend(&self, held: Vec<(RunId, Fence)>, lease_ms: i64, now_ms: i64)
    -> Reply<'_, Vec<bool>>;

    /// Writes the next states of runs: state, journal, due time and emitted events of each run
    /// atomically, and only under a right that still holds. Safe to repeat: a transition whose
    /// `seq` is that of the last one written under its fence is answered `Written` and writes
    /// nothing, also when it gave the run back, until the run is handed out again, ordered by a
    /// person or forgotten. The store tells by run, fence and number alone, so a repetition must be
    /// the same transition.
    fn commit(&self, transitions: Vec<Transition>) -> Reply<'_, Vec<Committed>>;

    /// Makes runs whose owner was lost due again, and counts the loss. Returns how many. Safe to
    /// repeat.
    fn reap(&self, now_ms: i64) -> Reply<'_, u64>;

    /// Carries out a person's word about a run; takes it from its owner. Repeating it after a
    /// lost reply is refused, because the state has changed, and shows the run as ordered.
    fn control(&self, order: Order) -> Reply<'_, Ordered>;

    /// Takes or prolongs the leadership of a role until `until_ms`; false if another holder has
    /// it. Safe to repeat.
    fn lead<'a>(
        &'a self,
        role: &'a str,
        holder: &'a str,
        until_ms: i64,
        now_ms: i64,
    ) -> Reply<'a, bool>;

    /// Changes shared numbers: all of them, or none if one would be lifted over its bound. They are
    /// limits, not truth: repeating it counts twice, and the last second may be forgotten when a
    /// machine fails.
    fn counters(&self, counts: Vec<Count>, now_ms: i64) -> Reply<'_, Counted>;

    /// Keeps a definition for as long as runs may need it. Safe to repeat: one of the same hash is
    /// kept as it first came, with the time at which it was first seen.
    fn put_definition(&self, name: String, definition: Stored) -> Reply<'_, DefinitionHash>;

    /// The definitions with these hashes, as far as they are kept; all that are kept for `None`.
    fn definitions(&self, hashes: Option<Vec<DefinitionHash>>) -> Reply<'_, Vec<(String, Stored)>>;

    /// An event with what became of it.
    fn event(&self, id: EventId) -> Reply<'_, Option<EventRow>>;

    /// Events, newest first, without their data.
    fn events(&self, filter: EventFilter) -> Reply<'_, Page<EventRow>>;

    /// A run with its event and journal.
    fn run(&self, id: RunId) -> Reply<'_, Option<History>>;

    /// Runs, newest first, with the correlation id of their event.
    fn runs(&self, filter: RunFilter) -> Reply<'_, Page<(Run, String)>>;

    /// Counts and timings.
    fn stats(&self) -> Reply<'_, Stats>;

    /// Removes what may be forgotten, oldest first, and the keys and shared numbers whose time is
    /// over. Old events that have runs left do not keep it from younger ones that have none. Safe
    /// to repeat, and to be repeated while there is `more`.
    fn prune(&self, retention: Retention, now_ms: i64) -> Reply<'_, Pruned>;
}
