//! A store whose answers get lost, and owners that are lost: nothing is written twice, and a run that
//! ends its owners is not handed out for ever.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use postroom_adapters::Catalog;
use postroom_core::definition::{Defaults, Stored};
use postroom_core::journal::Kind;
use postroom_core::run::{Reason, RunState};
use postroom_core::{DefinitionHash, EventId, Json, Run, RunId, parse};
use postroom_engine::clock::SystemClock;
use postroom_engine::outbound::Http;
use postroom_engine::secrets::Fixed;
use postroom_engine::{Arriving, Bell, Engine, Parts, Project, Rejected, Settings};
use postroom_store::model::Model;
use postroom_store::{
    Arrival, Claimed, Committed, Count, Counted, Error, EventFilter, EventRow, Fence, History,
    Order, Ordered, Page, Pruned, Recorded, Reply, Retention, RunFilter, Stats, Store, Transition,
};
use tokio::sync::Notify;

/// The model behind a line that loses what comes back, and sometimes what goes out.
struct Losing {
    model: Model,
    /// Answers still to be lost; every second one before the request has arrived.
    lose: AtomicU32,
    /// A run has ended.
    ended: Notify,
}

impl Losing {
    fn new(bell: &Arc<Bell>) -> Arc<Self> {
        let model = Model::new(Arc::clone(bell) as _);
        Arc::new(Self { model, lose: AtomicU32::new(0), ended: Notify::new() })
    }

    async fn send<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let less = |left: u32| left.checked_sub(1);
        let lost = Err(Error::Lost { reason: "the line broke".to_owned() });
        match self.lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(left) if left % 2 == 0 => lost,
            Ok(_) => call.await.and(lost),
            Err(_) => call.await,
        }
    }
}

impl Store for Losing {
    fn record(&self, arrivals: Vec<Arrival>) -> Reply<'_, Vec<Recorded>> {
        Box::pin(self.send(self.model.record(arrivals)))
    }
    fn claim(&self, limit: usize, lease_ms: i64, now_ms: i64) -> Reply<'_, Claimed> {
        self.model.claim(limit, lease_ms, now_ms)
    }
    fn extend(&self, held: Vec<(RunId, Fence)>, ms: i64, now_ms: i64) -> Reply<'_, Vec<bool>> {
        self.model.extend(held, ms, now_ms)
    }
    fn commit(&self, transitions: Vec<Transition>) -> Reply<'_, Vec<Committed>> {
        let ended = transitions.iter().any(|transition| transition.run.state.ended());
        Box::pin(async move {
            let committed = self.send(self.model.commit(transitions)).await?;
            if ended {
                self.ended.notify_one();
            }
            Ok(committed)
        })
    }
    fn reap(&self, now_ms: i64) -> Reply<'_, u64> {
        self.model.reap(now_ms)
    }
    fn control(&self, order: Order) -> Reply<'_, Ordered> {
        self.model.control(order)
    }
    fn lead<'a>(&'a self, role: &'a str, by: &'a str, until: i64, now: i64) -> Reply<'a, bool> {
        self.model.lead(role, by, until, now)
    }
    fn counters(&self, counts: Vec<Count>, now_ms: i64) -> Reply<'_, Counted> {
        self.model.counters(counts, now_ms)
    }
    fn put_definition(&self, name: String, definition: Stored) -> Reply<'_, DefinitionHash> {
        self.model.put_definition(name, definition)
    }
    fn definitions(&self, of: Option<Vec<DefinitionHash>>) -> Reply<'_, Vec<(String, Stored)>> {
        self.model.definitions(of)
    }
    fn event(&self, id: EventId) -> Reply<'_, Option<EventRow>> {
        self.model.event(id)
    }
    fn events(&self, filter: EventFilter) -> Reply<'_, Page<EventRow>> {
        self.model.events(filter)
    }
    fn run(&self, id: RunId) -> Reply<'_, Option<History>> {
        self.model.run(id)
    }
    fn runs(&self, filter: RunFilter) -> Reply<'_, Page<(Run, String)>> {
        self.model.runs(filter)
    }
    fn stats(&self) -> Reply<'_, Stats> {
        self.model.stats()
    }
    fn prune(&self, retention: Retention, now_ms: i64) -> Reply<'_, Pruned> {
        self.model.prune(retention, now_ms)
    }
}

const ECHO: &str = "
workflow: echo
on: [{event: A}]
steps:
  - { id: say, uses: local/echo, with: { n: \"${{ event.data.n }}\" } }
";

/// An engine over a store that loses nothing yet.
async fn engine(settings: Settings) -> (Engine, Arc<Losing>) {
    let bell = Arc::new(Bell::default());
    let store = Losing::new(&bell);
    let parts = Parts {
        store: Arc::clone(&store) as _,
        bell,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(Fixed::default()),
        transport: Arc::new(Http::default()),
        settings,
    };
    let file = "workflows/echo.yaml".to_owned();
    let stored = Stored::new(file, ECHO.to_owned(), Defaults::default());
    let workflow = parse::workflow(&stored).unwrap();
    let catalog = Arc::new(Catalog::builtin().unwrap());
    let project = Project::new(vec![(stored, workflow)], catalog, BTreeMap::new()).unwrap();
    (Engine::new(parts, project).await.unwrap(), store)
}

fn arriving(key: Option<&str>) -> Arriving {
    Arriving {
        source: "ingest".to_owned(),
        kind: "A".to_owned(),
        data: Json::parse(r#"{"n":1}"#.to_owned()).unwrap(),
        key: key.map(str::to_owned),
        correlation: None,
        subject: None,
        time_ms: None,
    }
}

async fn runs(store: &Losing) -> Vec<Run> {
    let filter = RunFilter { limit: 9, ..RunFilter::default() };
    store.runs(filter).await.unwrap().rows.into_iter().map(|(run, _)| run).collect()
}

#[tokio::test]
async fn an_event_whose_answer_is_lost_is_written_down_once() {
    for lost in 1..=3 {
        let (engine, store) = engine(Settings::default()).await;
        store.lose.store(lost, Ordering::SeqCst);
        let accepted = engine.ingest(arriving(None)).await.unwrap();
        assert_eq!((accepted.duplicate, accepted.runs), (false, 1), "{lost}");
        assert_eq!(runs(&store).await.len(), 1, "{lost}");
    }
}

#[tokio::test]
async fn a_sender_that_is_told_nothing_certain_may_send_again() {
    let (engine, store) = engine(Settings::default()).await;
    store.lose.store(4, Ordering::SeqCst);
    let rejected = engine.ingest(arriving(Some("k"))).await.unwrap_err();
    assert_eq!(rejected, Rejected::Lost("the line broke".to_owned()));
    let accepted = engine.ingest(arriving(Some("k"))).await.unwrap();
    assert!(accepted.duplicate);
    assert_eq!(runs(&store).await.len(), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_repeated_as_it_was() {
    for lost in [1, 2] {
        let (engine, store) = engine(Settings::default()).await;
        engine.ingest(arriving(None)).await.unwrap();
        store.lose.store(lost, Ordering::SeqCst);
        engine.start();
        store.ended.notified().await;
        let run = runs(&store).await.remove(0);
        assert_eq!(run.state, RunState::Succeeded, "{lost}");
        let (_, _, journal) = store.run(run.id).await.unwrap().unwrap();
        let kinds: Vec<Kind> = journal.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Done, Kind::Succeeded], "{lost}");
    }
}

#[tokio::test]
async fn a_run_whose_owners_are_lost_again_and_again_is_a_dead_letter() {
    for losses in [2, 3] {
        let (engine, store) = engine(Settings { losses: 3, ..Settings::default() }).await;
        engine.ingest(arriving(None)).await.unwrap();
        for _ in 0..losses {
            let claimed = store.claim(1, 1, engine.now_ms()).await.unwrap();
            assert_eq!(claimed.leases.len(), 1);
            assert_eq!(store.reap(engine.now_ms() + 1).await.unwrap(), 1);
        }
        engine.start();
        store.ended.notified().await;
        let run = runs(&store).await.remove(0);
        if losses < 3 {
            assert_eq!(run.state, RunState::Succeeded);
            continue;
        }
        assert_eq!(run.state, RunState::Dead);
        let failure = run.failure.unwrap();
        assert_eq!((failure.reason, failure.step), (Reason::Exhausted, None));
        assert_eq!(failure.failure.code, "run/owners-lost");
        assert!(failure.failure.hint.unwrap().contains("redrive"));
        let (_, _, journal) = store.run(run.id).await.unwrap().unwrap();
        let kinds: Vec<Kind> = journal.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Dead]);
        // A person's word gives it all its owners back.
        let command = postroom_engine::Command::Redrive { definition: None };
        engine.order(run.id, command, "ann", None).await.unwrap();
        store.ended.notified().await;
        assert_eq!(runs(&store).await.remove(0).state, RunState::Succeeded);
    }
}
