//! An engine whose store, clock and transport a test holds in its hands. The store is the model: it
//! loses answers, and holds calls back until the test lets them go.
#![allow(dead_code, reason = "no single test program needs all of the stage")]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postroom_adapters::{Catalog, HttpRequest, HttpResponse};
use postroom_core::definition::{Defaults, Stored};
use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, Entry, EventId, Json, Run, RunId, parse};
use postroom_engine::clock::{Clock, SystemClock};
use postroom_engine::outbound::{Answered, Purpose, Sent, Transport};
use postroom_engine::secrets::Fixed;
use postroom_engine::{Arriving, Bell, Engine, Parts, Project, Settings};
use postroom_store::model::Model;
use postroom_store::{
    Arrival, Claimed, Command, Committed, Count, Counted, Error, EventFilter, EventRow, Fence,
    History, Order, Ordered, Page, Pruned, Recorded, Reply, Retention, RunFilter, Stats, Store,
    Transition,
};
use tokio::sync::{Notify, watch};

/// The model behind a line that loses what comes back, and sometimes what goes out.
pub struct Losing {
    model: Arc<Model>,
    /// Answers still to be lost; every second one before the request has arrived.
    pub lose: AtomicU32,
    /// A run has ended.
    pub ended: Notify,
    /// How often each call has been made.
    calls: watch::Sender<BTreeMap<String, u32>>,
    /// The call that does not arrive.
    held: watch::Sender<Option<String>>,
}

impl Losing {
    fn new(model: Arc<Model>) -> Arc<Self> {
        let (lose, ended) = (AtomicU32::new(0), Notify::new());
        let (calls, held) = (watch::Sender::default(), watch::Sender::default());
        Arc::new(Self { model, lose, ended, calls, held })
    }

    /// Holds a call back, and every one like it.
    pub fn hold(&self, call: &str) {
        self.held.send_replace(Some(call.to_owned()));
    }

    /// Lets go what is held back.
    pub fn release(&self) {
        self.held.send_replace(None);
    }

    /// Waits until a call has been made so often.
    pub async fn seen(&self, call: &str, count: u32) {
        let mut calls = self.calls.subscribe();
        let often = |calls: &BTreeMap<String, u32>| calls.get(call) >= Some(&count);
        soon(call, calls.wait_for(often)).await.expect("the store is there");
    }

    /// How often a call has been made.
    pub fn count(&self, call: &str) -> u32 {
        self.calls.borrow().get(call).copied().unwrap_or_default()
    }

    fn note(&self, call: &str) {
        self.calls.send_modify(|calls| *calls.entry(call.to_owned()).or_default() += 1);
    }

    async fn pass(&self, call: String) {
        self.note(&call);
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| *held != Some(call.clone())).await;
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
        Box::pin(async move {
            let claimed = self.model.claim(limit, lease_ms, now_ms).await?;
            for lease in &claimed.leases {
                self.note(&format!("claim {}", lease.run.workflow));
            }
            Ok(claimed)
        })
    }
    fn extend(&self, held: Vec<(RunId, Fence)>, ms: i64, now_ms: i64) -> Reply<'_, Vec<bool>> {
        Box::pin(async move {
            let extended = self.model.extend(held, ms, now_ms).await;
            self.note("extend");
            extended
        })
    }
    fn commit(&self, transitions: Vec<Transition>) -> Reply<'_, Vec<Committed>> {
        let ended = transitions.iter().any(|transition| transition.run.state.ended());
        Box::pin(async move {
            for transition in &transitions {
                self.pass(format!("commit {}", transition.run.workflow)).await;
            }
            let committed = self.send(self.model.commit(transitions)).await?;
            if ended {
                self.ended.notify_one();
            }
            Ok(committed)
        })
    }
    fn reap(&self, now_ms: i64) -> Reply<'_, u64> {
        Box::pin(async move {
            let reaped = self.model.reap(now_ms).await;
            self.note("reap");
            reaped
        })
    }
    fn control(&self, order: Order) -> Reply<'_, Ordered> {
        Box::pin(async move {
            let command = match &order.command {
                Command::Resume { .. } => "resume",
                Command::Redrive { .. } => "redrive",
                _ => "end",
            };
            self.pass(format!("control {command}")).await;
            self.model.control(order).await
        })
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
        Box::pin(async move {
            let state = filter.state.map_or("any", RunState::name);
            self.pass(format!("runs {state}")).await;
            self.model.runs(filter).await
        })
    }
    fn stats(&self) -> Reply<'_, Stats> {
        self.model.stats()
    }
    fn prune(&self, retention: Retention, now_ms: i64) -> Reply<'_, Pruned> {
        self.model.prune(retention, now_ms)
    }
}

/// A clock that turns by itself, or whose hands a test moves.
pub enum Hands {
    Turning,
    Still(watch::Sender<i64>),
}

impl Hands {
    pub fn still() -> Self {
        Self::Still(watch::Sender::new(SystemClock.now_ms()))
    }

    pub fn move_by(&self, ms: i64) {
        let Self::Still(now_ms) = self else { panic!("it turns by itself") };
        now_ms.send_modify(|now_ms| *now_ms += ms);
    }
}

impl Clock for Hands {
    fn now_ms(&self) -> i64 {
        match self {
            Self::Turning => SystemClock.now_ms(),
            Self::Still(now_ms) => *now_ms.borrow(),
        }
    }

    fn sleep_until(&self, due_ms: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let Self::Still(now_ms) = self else { return SystemClock.sleep_until(due_ms) };
        let mut now_ms = now_ms.subscribe();
        Box::pin(async move {
            if now_ms.wait_for(|now_ms| *now_ms >= due_ms).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// A transport that writes down where requests go, and answers them once it is open.
pub struct Desk {
    asked: watch::Sender<Vec<String>>,
    open: watch::Sender<bool>,
}

impl Desk {
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits for so many requests; where they went.
    pub async fn asked(&self, count: usize) -> Vec<String> {
        let mut asked = self.asked.subscribe();
        let asked = soon("a request", asked.wait_for(|asked| asked.len() >= count)).await;
        asked.expect("the desk is there").clone()
    }
}

impl Transport for Desk {
    fn send<'a>(&'a self, request: HttpRequest, _: u64, _: Purpose<'a>) -> Sent<'a> {
        self.asked.send_modify(|asked| asked.push(request.url));
        let mut open = self.open.subscribe();
        Box::pin(async move {
            let _ = open.wait_for(|open| *open).await;
            let response = HttpResponse { status: 201, headers: Vec::new(), body: Vec::new() };
            Ok(Answered::Response(response))
        })
    }
}

/// Gives up loudly on what never happens.
pub async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let happened = tokio::time::timeout(Duration::from_secs(30), happens).await;
    happened.unwrap_or_else(|_| panic!("it did not happen: {what}"))
}

/// An engine with the parts that a test holds.
pub struct Stage {
    pub engine: Engine,
    pub store: Arc<Losing>,
    pub clock: Arc<Hands>,
    pub desk: Arc<Desk>,
    model: Arc<Model>,
    bell: Arc<Bell>,
    text: String,
    settings: Settings,
}

impl Stage {
    /// An engine over these workflows, not started yet.
    pub async fn with(text: &str, hands: Hands, settings: Settings) -> Self {
        let bell = Arc::new(Bell::default());
        let model = Arc::new(Model::new(Arc::clone(&bell) as _));
        Self::over(model, bell, Arc::new(hands), text.to_owned(), settings).await
    }

    async fn over(
        model: Arc<Model>,
        bell: Arc<Bell>,
        clock: Arc<Hands>,
        text: String,
        settings: Settings,
    ) -> Self {
        let store = Losing::new(Arc::clone(&model));
        let (asked, open) = (watch::Sender::default(), watch::Sender::default());
        let desk = Arc::new(Desk { asked, open });
        let parts = Parts {
            store: Arc::clone(&store) as _,
            bell: Arc::clone(&bell),
            clock: Arc::clone(&clock) as _,
            secrets: Arc::new(Fixed::default()),
            transport: Arc::clone(&desk) as _,
            tokens: None,
            settings,
        };
        let engine = Engine::new(parts, project(&text)).await.expect("an engine");
        Self { engine, store, clock, desk, model, bell, text, settings }
    }

    /// The engine ends as with its process; another one begins with what is on disk.
    pub async fn killed(self) -> Self {
        self.engine.stop(Duration::ZERO).await;
        self.model.lose_owners(self.engine.now_ms());
        Self::over(self.model, self.bell, self.clock, self.text, self.settings).await
    }

    pub async fn send(&self, event: &str, data: &str) -> EventId {
        self.engine.ingest(arriving(event, data)).await.expect("it is taken").event
    }

    /// The newest run of a workflow.
    pub async fn run(&self, workflow: &str) -> Run {
        let workflow = Some(workflow.to_owned());
        let filter = RunFilter { workflow, limit: 1, ..RunFilter::default() };
        self.model.runs(filter).await.expect("runs").rows.remove(0).0
    }

    pub async fn journal(&self, run: RunId) -> Vec<Entry> {
        self.model.run(run).await.expect("it can be read").expect("a run").2
    }

    /// Waits until a workflow's newest run fits. Whatever changes it is a task beside this one.
    pub async fn until(&self, workflow: &str, what: &str, fits: impl Fn(&Run) -> bool) -> Run {
        let look = async {
            loop {
                let run = self.run(workflow).await;
                if fits(&run) {
                    return run;
                }
                tokio::task::yield_now().await;
            }
        };
        soon(what, look).await
    }
}

fn project(text: &str) -> Project {
    let read = |text: &str| {
        let file = "workflows/w.yaml".to_owned();
        let stored = Stored::new(file, text.to_owned(), Defaults::default());
        let workflow = parse::workflow(&stored).expect("a workflow");
        (stored, workflow)
    };
    let workflows = text.split("---\n").map(read).collect();
    let catalog = Arc::new(Catalog::builtin());
    Project::new(workflows, catalog, BTreeMap::new()).expect("a project")
}

pub fn arriving(event: &str, data: &str) -> Arriving {
    Arriving {
        source: "ingest".to_owned(),
        kind: event.to_owned(),
        data: Json::parse(data.to_owned()).expect("JSON"),
        key: None,
        correlation: None,
        subject: None,
        time_ms: None,
    }
}
