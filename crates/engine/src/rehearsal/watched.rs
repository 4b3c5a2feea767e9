//! The store of a rehearsal: notes which events steps emit and in what order runs are written
//! down, and hands everything on.

use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::definition::{Call, Stored};
use postroom_core::journal::Kind;
use postroom_core::{DefinitionHash, Entry, Event, EventId, RunId};
use postroom_store::{
    Arrival, Claimed, Committed, Count, Counted, EventFilter, EventRow, Fence, History, Order,
    Ordered, Page, Pruned, Recorded, Reply, Retention, RunFilter, Stats, Store, Transition,
};
use serde::{Deserialize, Serialize};

use super::recorder::Recorder;

/// An event that a step emitted, or by which it called a workflow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emitted {
    /// How many requests were made before it.
    #[serde(rename = "after_requests")]
    pub after: usize,
    /// By which run.
    pub run: RunId,
    /// The run's workflow.
    pub workflow: String,
    /// By which step.
    pub step: String,
    /// The event.
    pub event: Event,
    /// The workflows that it starts.
    pub starts: Vec<String>,
    /// It repeats another one by its key, so it is not written down.
    pub repetition: bool,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    /// Events, in the order in which they were emitted, each with the runs meant to follow.
    pub emits: Vec<(Emitted, Vec<RunId>)>,
    /// Runs, in the order in which they were written down.
    pub runs: Vec<RunId>,
}

/// A store that is watched.
pub(super) struct Watched {
    store: Arc<dyn Store>,
    recorder: Arc<Recorder>,
    seen: Mutex<Seen>,
}

impl Watched {
    pub fn new(store: Arc<dyn Store>, recorder: Arc<Recorder>) -> Self {
        Self { store, recorder, seen: Mutex::default() }
    }

    /// What was seen so far.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock())
    }

    fn note(&self, transition: &Transition) {
        let mut seen = self.seen.lock();
        for arrival in &transition.emits {
            let starts: Vec<RunId> = arrival.starts.iter().map(|start| start.run.id).collect();
            seen.runs.extend(&starts);
            let emitted = Emitted {
                after: self.recorder.count(),
                run: transition.run.id,
                workflow: transition.run.workflow.clone(),
                step: step_of(&transition.entries, &arrival.event),
                event: Event::clone(&arrival.event),
                starts: arrival.starts.iter().map(|s| s.run.workflow.clone()).collect(),
                repetition: false,
            };
            seen.emits.push((emitted, starts));
        }
    }
}

/// The step that emitted an event: a call says it of itself, else an output names the event.
fn step_of(entries: &[Entry], event: &Event) -> String {
    if event.source == Call::SOURCE {
        return event.subject.clone().unwrap_or_default();
    }
    let id = event.id.to_string();
    let names = |entry: &&Entry| {
        let output = entry.output.as_ref().filter(|_| entry.kind == Kind::Done);
        let named = output.and_then(|output| output.view().get("event"));
        named.and_then(|named| named.as_str()).is_some_and(|named| named == id)
    };
    entries.iter().find(names).and_then(|entry| entry.step.clone()).unwrap_or_default()
}

impl Store for Watched {
    fn record(&self, arrivals: Vec<Arrival>) -> Reply<'_, Vec<Recorded>> {
        let starts = arrivals.iter().flat_map(|arrival| &arrival.starts);
        self.seen.lock().runs.extend(starts.map(|start| start.run.id));
        self.store.record(arrivals)
    }

    fn claim(&self, limit: usize, lease_ms: i64, now_ms: i64) -> Reply<'_, Claimed> {
        self.store.claim(limit, lease_ms, now_ms)
    }

    fn extend(
        &self,
        held: Vec<(RunId, Fence)>,
        lease_ms: i64,
        now_ms: i64,
    ) -> Reply<'_, Vec<bool>> {
        self.store.extend(held, lease_ms, now_ms)
    }

    fn commit(&self, transitions: Vec<Transition>) -> Reply<'_, Vec<Committed>> {
        transitions.iter().for_each(|transition| self.note(transition));
        self.store.commit(transitions)
    }

    fn reap(&self, now_ms: i64) -> Reply<'_, u64> {
        self.store.reap(now_ms)
    }

    fn control(&self, order: Order) -> Reply<'_, Ordered> {
        self.store.control(order)
    }

    fn lead<'a>(
        &'a self,
        role: &'a str,
        holder: &'a str,
        until_ms: i64,
        now_ms: i64,
    ) -> Reply<'a, bool> {
        self.store.lead(role, holder, until_ms, now_ms)
    }

    fn counters(&self, counts: Vec<Count>, now_ms: i64) -> Reply<'_, Counted> {
        self.store.counters(counts, now_ms)
    }

    fn put_definition(&self, name: String, definition: Stored) -> Reply<'_, DefinitionHash> {
        self.store.put_definition(name, definition)
    }

    fn definitions(&self, hashes: Option<Vec<DefinitionHash>>) -> Reply<'_, Vec<(String, Stored)>> {
        self.store.definitions(hashes)
    }

    fn event(&self, id: EventId) -> Reply<'_, Option<EventRow>> {
        self.store.event(id)
    }

    fn events(&self, filter: EventFilter) -> Reply<'_, Page<EventRow>> {
        self.store.events(filter)
    }

    fn run(&self, id: RunId) -> Reply<'_, Option<History>> {
        self.store.run(id)
    }

    fn runs(&self, filter: RunFilter) -> Reply<'_, Page<(postroom_core::Run, String)>> {
        self.store.runs(filter)
    }

    fn stats(&self) -> Reply<'_, Stats> {
        self.store.stats()
    }

    fn prune(&self, retention: Retention, now_ms: i64) -> Reply<'_, Pruned> {
        self.store.prune(retention, now_ms)
    }
}
