//! A store under test with a clock held still, and short ways to say what a case needs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use postroom_core::definition::{Defaults, Mode, Stored};
use postroom_core::id::KeyHash;
use postroom_core::journal::Kind;
use postroom_core::run::{Reason, RunFailure, RunState, Spot, StepRun, StepState};
use postroom_core::trigger::Start;
use postroom_core::{DefinitionHash, Entry, Event, EventId, Failure, Json, Run, RunId};
use postroom_store::model::Model;
use postroom_store::sqlite::Sqlite;
use postroom_store::{
    Arrival, Claimed, Command, Committed, Count, Counted, Error, EventFilter, Fence, Lease, Order,
    Ordered, Pruned, Recorded, Retention, RunFilter, Store, Transition, Wake,
};

/// Counts the hints a store gives.
#[derive(Default)]
pub struct Hints(AtomicU64);

impl Hints {
    pub fn given(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Hints {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// How one kind of store comes to be.
pub trait Backend {
    /// Opens the store, again if it was open before: what was acknowledged is there, owners are
    /// lost.
    fn open(&mut self, hints: Arc<Hints>, now_ms: i64) -> Arc<dyn Store>;
    /// Where it keeps its data, if it has a place.
    fn folder(&self) -> Option<&Path>;
}

/// The oracle. It outlives its closing; its owners do not.
#[derive(Default)]
pub struct InMemory(Option<Arc<Model>>);

impl Backend for InMemory {
    fn open(&mut self, hints: Arc<Hints>, now_ms: i64) -> Arc<dyn Store> {
        let model = Arc::clone(self.0.get_or_insert_with(|| Arc::new(Model::new(hints))));
        model.lose_owners(now_ms);
        model
    }
    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// The embedded store in a folder of its own.
pub struct OnDisk(tempfile::TempDir);

impl OnDisk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

impl Backend for OnDisk {
    fn open(&mut self, hints: Arc<Hints>, now_ms: i64) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(self.0.path(), hints, now_ms).unwrap())
    }
    fn folder(&self) -> Option<&Path> {
        Some(self.0.path())
    }
}

/// Where the clock of every case starts.
pub const START_MS: i64 = 1_800_000_000_000;
/// How long rights are given.
pub const LEASE_MS: i64 = 30_000;

pub struct World {
    store: Option<Arc<dyn Store>>,
    backend: Box<dyn Backend>,
    runtime: tokio::runtime::Runtime,
    pub hints: Arc<Hints>,
    pub now_ms: i64,
    made: u64,
    /// The last transition written under each right.
    written: RefCell<BTreeMap<(RunId, Fence), u32>>,
}

impl World {
    pub fn new(mut backend: Box<dyn Backend>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hints = Arc::new(Hints::default());
        let store = {
            let _inside = runtime.enter();
            backend.open(Arc::clone(&hints), START_MS)
        };
        let (now_ms, made, written) = (START_MS, 0, RefCell::default());
        Self { store: Some(store), backend, runtime, hints, now_ms, made, written }
    }

    /// Drops the store and opens it again, a second later.
    pub fn reopen(&mut self) {
        self.now_ms += 1_000;
        self.reopen_now();
    }

    /// Drops the store.
    pub fn close(&mut self) {
        self.store = None;
    }

    /// Where the store keeps its data.
    pub fn folder(&self) -> &Path {
        self.backend.folder().unwrap()
    }

    /// Makes its runtime the present one.
    pub fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Drops the store and opens it again.
    pub fn reopen_now(&mut self) {
        self.close();
        let _inside = self.runtime.enter();
        self.store = Some(self.backend.open(Arc::clone(&self.hints), self.now_ms));
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().unwrap())
    }

    pub fn wait<T>(&self, reply: impl Future<Output = Result<T, Error>>) -> T {
        self.runtime.block_on(reply).unwrap()
    }

    pub fn try_wait<T>(&self, reply: impl Future<Output = T>) -> T {
        self.runtime.block_on(reply)
    }

    /// A new event at the present time.
    pub fn event(&mut self) -> Event {
        self.made += 1;
        event(self.made, self.now_ms)
    }

    pub fn arrival(&mut self) -> Arrival {
        arrival(self.event())
    }

    /// Records one event that starts `workflow`; gives the run.
    pub fn start(&mut self, workflow: &str) -> RunId {
        let arrival = self.arrival().starting(workflow);
        let id = arrival.starts[0].run.id;
        self.record(vec![arrival]);
        id
    }

    /// Records one event that starts a run at work only while fewer than `limit` with `key` are.
    pub fn start_gated(&mut self, key: &str, limit: u32) -> RunId {
        let mut arrival = self.arrival().starting("w");
        arrival.starts[0].concurrency = Some((KeyHash::of(&["gate"], key), limit));
        let id = arrival.starts[0].run.id;
        self.record(vec![arrival]);
        id
    }

    pub fn record(&self, arrivals: Vec<Arrival>) -> Vec<Recorded> {
        self.wait(self.store().record(arrivals))
    }

    pub fn claim(&self, limit: usize) -> Claimed {
        self.wait(self.store().claim(limit, LEASE_MS, self.now_ms))
    }

    /// The runs that are due now, in order.
    pub fn claimed_ids(&self, limit: usize) -> Vec<RunId> {
        self.claim(limit).leases.iter().map(|lease| lease.run.id).collect()
    }

    /// The one run that is due.
    pub fn claim_one(&self) -> Lease {
        let mut leases = self.claim(2).leases;
        assert_eq!(leases.len(), 1);
        leases.remove(0)
    }

    /// Commits; a transition without a number is the next one.
    pub fn commit(&self, mut transition: Transition) -> Committed {
        let right = (transition.run.id, transition.fence);
        let mut written = self.written.borrow_mut();
        let last = written.entry(right).or_default();
        if transition.seq == 0 {
            transition.seq = *last + 1;
        }
        let seq = transition.seq;
        let answers = self.wait(self.store().commit(vec![transition]));
        assert_eq!(answers.len(), 1);
        if answers[0] == Committed::Written {
            *last = seq;
        }
        answers[0]
    }

    /// Ends a run well.
    pub fn succeed(&self, lease: &Lease) {
        let transition = to(lease, RunState::Succeeded, self.now_ms);
        assert_eq!(self.commit(transition), Committed::Written);
    }

    pub fn order(&self, run: RunId, command: Command) -> Ordered {
        let note = Some("because".to_owned());
        let order = Order { run, command, actor: "ann".into(), note, now_ms: self.now_ms };
        self.wait(self.store().control(order))
    }

    pub fn cancel(&self, run: RunId) -> Ordered {
        self.order(run, Command::Cancel)
    }

    pub fn redrive(&self, run: RunId) -> Ordered {
        self.order(run, Command::Redrive { definition: None })
    }

    pub fn resume(&self, run: RunId) -> Ordered {
        let (step, output) = ("pay".to_owned(), Json::parse("{\"ok\":true}".to_owned()).unwrap());
        self.order(run, Command::Resume { step, spot: Spot::step(0), output })
    }

    pub fn reap(&self) -> u64 {
        self.wait(self.store().reap(self.now_ms))
    }

    pub fn run(&self, id: RunId) -> Option<postroom_store::History> {
        self.wait(self.store().run(id))
    }

    pub fn state(&self, id: RunId) -> RunState {
        self.run(id).unwrap().0.state
    }

    pub fn kinds(&self, id: RunId) -> Vec<Kind> {
        self.run(id).unwrap().2.iter().map(|entry| entry.kind).collect()
    }

    pub fn runs(&self, filter: RunFilter) -> (Vec<RunId>, bool) {
        let page = self.wait(self.store().runs(filter));
        (page.rows.iter().map(|(run, _)| run.id).collect(), page.more)
    }

    pub fn events(&self, filter: EventFilter) -> (Vec<EventId>, bool) {
        let page = self.wait(self.store().events(filter));
        (page.rows.iter().map(|row| row.event.id).collect(), page.more)
    }

    pub fn count(&self, key: &str, add: i64, at_most: Option<i64>, until_ms: i64) -> Counted {
        let count = Count { key: key.into(), add, at_most, until_ms };
        self.wait(self.store().counters(vec![count], self.now_ms))
    }

    pub fn pruned(&self, retention: Retention) -> Pruned {
        self.wait(self.store().prune(retention, self.now_ms))
    }

    /// How many runs and events went.
    pub fn prune(&self, retention: Retention) -> u64 {
        let pruned = self.pruned(retention);
        pruned.runs + pruned.events
    }

    pub fn at_work(&self) -> u64 {
        self.wait(self.store().stats()).at_work
    }

    pub fn count_of(&self, state: RunState) -> u64 {
        self.wait(self.store().stats()).runs[&state]
    }
}

/// An event with a number, below 4096 in the order of its number.
pub fn event(n: u64, now_ms: i64) -> Event {
    let mut random = [0; 10];
    // Also where the order of ids of one millisecond is decided: by number, as they are made.
    random[..2].copy_from_slice(&n.to_be_bytes()[6..]);
    random[2..].copy_from_slice(&n.to_be_bytes());
    Event {
        id: EventId::from_parts(u64::try_from(now_ms).unwrap(), random),
        source: "test".into(),
        kind: "E".into(),
        time_ms: now_ms - 5,
        received_ms: now_ms,
        correlation: format!("c{n}"),
        subject: None,
        key: None,
        cause: None,
        data: Json::parse(format!("{{\"n\": {n}}}")).unwrap(),
    }
}

pub fn arrival(event: Event) -> Arrival {
    let dedupe_until_ms = event.received_ms + 60_000;
    Arrival { event: event.into(), dedupe: None, dedupe_until_ms, starts: Vec::new() }
}

/// Short ways to say what an arrival is like.
pub trait Like: Sized {
    fn starting(self, workflow: &str) -> Self;
    fn keyed(self, key: &str) -> Self;
    /// The key of the runs that were added so far.
    fn run_keyed(self, key: &str) -> Self;
    /// The event, to be changed.
    fn event_mut(&mut self) -> &mut Event;
}

impl Like for Arrival {
    fn event_mut(&mut self) -> &mut Event {
        Arc::make_mut(&mut self.event)
    }
    fn starting(mut self, workflow: &str) -> Self {
        let run = new_run(&self.event, workflow);
        self.starts.push(Start { run, dedupe: None, dedupe_until_ms: None, concurrency: None });
        self
    }
    fn keyed(mut self, key: &str) -> Self {
        self.dedupe = Some(KeyHash::of(&["event"], key));
        self
    }
    fn run_keyed(mut self, key: &str) -> Self {
        for start in &mut self.starts {
            start.dedupe = Some(KeyHash::of(&["run", &start.run.workflow], key));
        }
        self
    }
}

pub fn new_run(event: &Event, workflow: &str) -> Run {
    let id = RunId::derive(event.id, workflow);
    Run {
        id,
        event: event.id,
        workflow: workflow.into(),
        definition: DefinitionHash([7; 16]),
        key: id.to_string(),
        state: RunState::Queued,
        created_ms: event.received_ms,
        due_ms: Some(event.received_ms),
        finished_ms: None,
        steps: Vec::new(),
        failure: None,
        redrives: 0,
        deadline_ms: None,
        cancelling: None,
        mode: Mode::Live,
        dry: false,
        admission: None,
    }
}

/// The how-manieth transition under its fence it is.
pub fn nth(seq: u32, transition: Transition) -> Transition {
    Transition { seq, ..transition }
}

/// A transition of a claimed run to a state, with one entry and no number yet.
pub fn to(lease: &Lease, state: RunState, now_ms: i64) -> Transition {
    let mut run = lease.run.clone();
    let step = |state| StepRun { state, attempts: 1, ..StepRun::PENDING };
    run.state = state;
    run.due_ms = None;
    run.finished_ms = state.ended().then_some(now_ms);
    let kind = match state {
        RunState::Succeeded => Kind::Succeeded,
        RunState::Dead => Kind::Dead,
        RunState::Cancelled => Kind::Cancelled,
        RunState::Queued | RunState::Sleeping => Kind::Retry,
        RunState::Running => Kind::Intent,
    };
    run.steps =
        vec![step(if state == RunState::Dead { StepState::Failed } else { StepState::Done })];
    if state == RunState::Dead {
        let failure = Failure::new("card_declined", "no").with_status(402);
        let step = Some("pay".to_owned());
        run.failure = Some(RunFailure { reason: Reason::Refused, step, failure });
    }
    let entries = vec![Entry::new(kind, now_ms).step("pay", 1)];
    Transition { run, fence: lease.fence, seq: 0, entries, emits: Vec::new() }
}

/// The same, waiting until `due_ms`.
pub fn sleep(lease: &Lease, due_ms: i64, now_ms: i64) -> Transition {
    let mut transition = to(lease, RunState::Sleeping, now_ms);
    transition.run.due_ms = Some(due_ms);
    transition.run.steps[0].state = StepState::Waiting;
    transition.run.steps[0].due_ms = Some(due_ms);
    transition.run.steps[0].until_ms = Some(due_ms);
    transition
}

pub fn definition(text: &str) -> Stored {
    Stored::new("w.yaml".into(), text.into(), Defaults::default())
}

/// Nothing may be forgotten.
pub const KEEP: Retention = Retention {
    ended_count: None,
    dead_count: None,
    ended_before_ms: None,
    dead_before_ms: None,
    events_before_ms: None,
    limit: 100,
};
