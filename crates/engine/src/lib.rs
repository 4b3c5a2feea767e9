//! The only asynchronous logic: events in, runs through their steps, calls out.
//!
//! [`Engine`] is built from parts (a store, a clock, secrets, a transport) and a checked
//! [`Project`]. It names no backend, no provider, no configuration file and no HTTP server.

mod adopt;
mod approval;
pub mod clock;
mod dispatch;
mod entropy;
mod ingest;
mod janitor;
mod limit;
mod lineage;
pub mod oauth;
mod orders;
pub mod outbound;
mod owner;
mod policy;
pub mod project;
mod query;
mod redaction;
pub mod rehearsal;
mod runs;
pub mod secrets;
pub mod signals;
pub mod source;
mod step;
mod unowned;
mod versions;
mod wake;
mod workers;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::RwLock;
use postroom_store::{Store, Wake};

/// What the engine's own interface speaks of; whoever uses the engine needs no store.
pub use postroom_store::{
    Command, Error as StoreError, EventFilter, EventRow, Ordered, Page, RunFilter, Stats,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use approval::{Answer, Asked, Silence, Unasked};
pub use clock::Clock;
pub use ingest::{Accepted, Arriving, Rejected};
pub use lineage::{Ancestor, Consequence, Lineage};
pub use orders::{Bulk, BulkProgress, Selection};
pub use outbound::{Purpose, Transport};
pub use project::{Connection, Project, Retention, Settings};
pub use query::{EventDetails, RunDetails};
pub use redaction::{Redaction, Redactor};
pub use secrets::{Secret, Secrets};
pub use signals::Signals;
pub use source::Source;
pub use versions::{Version, Versions};

/// Runs that may be claimed ahead of the workers, at least.
const CLAIM_AHEAD: usize = 512;

/// What an engine is made of.
pub struct Parts {
    /// Durable truth.
    pub store: Arc<dyn Store>,
    /// The bell the store rings.
    pub bell: Arc<Bell>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Credentials by reference.
    pub secrets: Arc<dyn Secrets>,
    /// How requests leave.
    pub transport: Arc<dyn Transport>,
    /// Where tokens of connections are kept, if anywhere.
    pub tokens: Option<oauth::Folder>,
    /// Bounds and modes.
    pub settings: Settings,
}

/// The engine. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What every part of the engine shares.
struct Inner {
    store: Arc<dyn Store>,
    bell: Arc<Bell>,
    clock: Arc<dyn Clock>,
    secrets: Arc<dyn Secrets>,
    redaction: Redaction,
    accounts: oauth::Accounts,
    transport: Arc<dyn Transport>,
    settings: Settings,
    project: RwLock<Arc<Project>>,
    definitions: dispatch::Definitions,
    owned: owner::Owned,
    waits: wake::Waits,
    /// The workflow that gives events to runs which wait for them.
    wake: Arc<postroom_core::Workflow>,
    limits: limit::Limits,
    lines: policy::Lines,
    entropy: entropy::Entropy,
    signals: Signals,
    /// Room for runs at work.
    workers: workers::Workers,
    /// Room for runs that were claimed and wait for a worker.
    ahead: Arc<Semaphore>,
    /// Room for runs in memory, those whose last commit is under way included.
    slots: Arc<Semaphore>,
    /// Arrivals waiting to be written.
    arriving: AtomicUsize,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// A hint that work may be due, from the store to the dispatcher. Rung without anyone listening,
/// it is heard once by the next listener.
#[derive(Debug, Default)]
pub struct Bell(Notify);

impl Wake for Bell {
    fn wake(&self) {
        self.0.notify_one();
    }
}

impl Engine {
    /// Builds an engine and keeps the project's definitions in the store, so that runs can go on
    /// with what they started with. Starts nothing yet.
    ///
    /// # Errors
    /// The store's, if it cannot write.
    pub async fn new(parts: Parts, project: Project) -> Result<Self, postroom_store::Error> {
        adopt::keep(&*parts.store, &project, parts.clock.now_ms()).await?;
        let waits = wake::Waits::load(&*parts.store).await?;
        let settings = parts.settings;
        let (accounts, secrets) = oauth::Accounts::with(parts.tokens, parts.secrets);
        let project = Arc::new(project);
        let signals = Signals::new();
        let wake = Arc::new(postroom_core::Workflow::wake());
        let inner = Inner {
            definitions: dispatch::Definitions::new(&project, &wake, &signals),
            owned: owner::Owned::default(),
            waits,
            wake,
            limits: limit::Limits::new(&project),
            lines: policy::Lines::default(),
            project: RwLock::new(project),
            entropy: entropy::Entropy::new(settings.seed),
            signals,
            workers: workers::Workers::new(settings.concurrency),
            ahead: Arc::new(Semaphore::new(settings.concurrency.max(CLAIM_AHEAD))),
            slots: Arc::new(Semaphore::new(settings.concurrency + settings.commits_in_flight)),
            arriving: AtomicUsize::new(0),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store: parts.store,
            bell: parts.bell,
            clock: parts.clock,
            redaction: Redaction::new(Arc::clone(&secrets)),
            secrets,
            accounts,
            transport: parts.transport,
            settings,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts to work on what is due.
    pub fn start(&self) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(dispatch::run(inner));
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(janitor::run(inner));
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(janitor::probe(inner));
    }

    /// Takes nothing new, lets what is at work come to an end for at most `grace`, and leaves the
    /// rest to the next start. Returns how many runs were left at work.
    pub async fn stop(&self, grace: std::time::Duration) -> usize {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        // The dispatcher and the janitor are tasks too and end by themselves at once.
        let ended = tokio::time::timeout(grace, self.inner.tasks.wait()).await;
        if ended.is_ok() { 0 } else { self.inner.tasks.len() }
    }

    /// Whether the engine is stopping.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.inner.stopping.is_cancelled()
    }

    /// The project as it is now.
    #[must_use]
    pub fn project(&self) -> Arc<Project> {
        Arc::clone(&self.inner.project.read())
    }

    /// The engine's metrics.
    #[must_use]
    pub fn signals(&self) -> &Signals {
        &self.inner.signals
    }

    /// Takes secrets out of what leaves.
    #[must_use]
    pub fn redaction(&self) -> &Redaction {
        &self.inner.redaction
    }

    /// The engine's clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }
}
