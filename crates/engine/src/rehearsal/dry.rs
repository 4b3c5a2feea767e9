//! Dry runs: rehearsals for a server that runs, of the project as it has it now. They take nothing
//! from the engine but the project and the time, so nothing can be written or sent. Because
//! anybody who may send events may ask for one, they are bounded: so many at once, so large.

use std::sync::Arc;

use postroom_store::Store;
use tokio::sync::Semaphore;
use tracing::Dispatch;
use tracing::dispatcher::with_default;

use super::{Bounds, Error, Plan, Script, Stage, rehearse_within};
use crate::{Arriving, Bell, Engine, Project};

/// Makes an empty store that lives in memory and rings a bell.
pub type EmptyStore = fn(Arc<Bell>) -> Arc<dyn Store>;

/// Dry runs at once; one more is refused, not kept waiting.
const AT_ONCE: usize = 2;

/// How far a dry run goes.
const BOUNDS: Bounds = Bounds { taken_up: 1_000, bytes: 8 << 20 };

/// Room for dry runs.
pub struct DryRuns {
    empty: EmptyStore,
    room: Arc<Semaphore>,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum Unplayed {
    /// As many dry runs as there may be are under way.
    Busy,
    /// The engine is stopping.
    Stopping,
    /// It was played and did not come to an end, or could not begin.
    Failed(Error),
    /// It broke; the log says how.
    Broken,
}

impl DryRuns {
    /// Room for dry runs, each on a store of its own.
    #[must_use]
    pub fn new(empty: EmptyStore) -> Self {
        Self { empty, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Plays an event through the engine's project as it is now, on a thread that may block. Goes
    /// on to its end if nobody waits for it any more, and keeps its place until then.
    ///
    /// # Errors
    /// Why there is no plan; failures of steps are part of one.
    pub async fn play(&self, engine: &Engine, event: Arriving) -> Result<Plan, Unplayed> {
        if engine.stopping() {
            return Err(Unplayed::Stopping);
        }
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return Err(Unplayed::Busy);
        };
        let (project, now_ms, empty) = (engine.project(), engine.now_ms(), self.empty);
        let played = tokio::task::spawn_blocking(move || {
            let bell = Arc::new(Bell::default());
            let stage = Stage {
                store: empty(Arc::clone(&bell)),
                bell,
                project: Project::clone(&project),
                now_ms,
                script: Script { approve: true, ..Script::default() },
                only: None,
            };
            // Its log would tell of calls and dead letters as if there were any.
            let rehearsed =
                with_default(&Dispatch::none(), || rehearse_within(stage, event, None, BOUNDS));
            let plan = rehearsed.map(|rehearsed| Plan::of(rehearsed, &project));
            drop(place);
            plan
        });
        match played.await {
            Ok(plan) => plan.map_err(Unplayed::Failed),
            Err(_) => Err(Unplayed::Broken),
        }
    }
}
