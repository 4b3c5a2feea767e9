//! A dress rehearsal: an event goes through the real engine, its owners and the interpreter of the
//! manifests, on a store in memory, with a clock that jumps, credentials that are their own names
//! and a transport that writes down instead of sending. Nothing is sent, nothing waits, and the
//! same rehearsal comes out the same every time.
//!
//! Runs are played one after the other; one that sleeps is taken up again when its time has come.

mod clock;
mod dry;
mod people;
mod plan;
mod player;
mod recorder;
mod script;
mod watched;

use std::collections::HashMap;
use std::sync::Arc;

use postroom_core::trigger::{Router, Verdict};
use postroom_core::{Entry, Event, EventId, Run, RunId, Workflow};
use postroom_expr::Limits;
use postroom_store::{RunFilter, Store};

use crate::project::Settings;
use crate::secrets::{Secret, Secrets};
use crate::{Arriving, Bell, Engine, Parts, Project};

use clock::{Idle, Jumping};
pub use dry::{DryRuns, EmptyStore, Unplayed};
use people::People;
pub use plan::{Assumed, Plan, PlannedRequest, PlannedRun, PlannedStep};
use player::Player;
use recorder::Recorder;
pub use recorder::{Made, Origin};
pub use script::{Answer, Cue, Gives, Later, Like, Line, Said, Script};
pub use watched::Emitted;
use watched::Watched;

/// The most runs whose end is told.
const RUNS: usize = 10_000;

/// What a rehearsal is made of.
pub struct Stage {
    /// An empty store, and the bell it rings.
    pub store: Arc<dyn Store>,
    /// The bell the store rings.
    pub bell: Arc<Bell>,
    /// What is rehearsed.
    pub project: Project,
    /// When it begins.
    pub now_ms: i64,
    /// What providers answer.
    pub script: Script,
    /// Events start only this workflow, as if there were no other.
    pub only: Option<String>,
}

/// What came of a rehearsal.
#[derive(Debug)]
pub struct Rehearsed {
    /// The event as it would have been written down.
    pub event: Event,
    /// What each workflow made of it, in the order of the project.
    pub verdicts: Vec<Verdict>,
    /// The runs, in the order in which they were written down.
    pub runs: Vec<Played>,
    /// Every request, in order.
    pub requests: Vec<Made>,
    /// Every event that a step emitted or by which it called a workflow, in order.
    pub emits: Vec<Emitted>,
}

/// A run and what it wrote down.
#[derive(Debug)]
pub struct Played {
    /// The run as it was in the end.
    pub run: Run,
    /// Its workflow.
    pub workflow: Arc<Workflow>,
    /// Its journal.
    pub journal: Vec<Entry>,
}

/// How far a rehearsal goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How often runs are taken up, at the start and after each time they slept.
    pub taken_up: usize,
    /// Bytes of requests, and of what runs write down.
    pub bytes: usize,
}

impl Bounds {
    const NONE: Self = Self { taken_up: usize::MAX, bytes: usize::MAX };
}

/// Why there was no rehearsal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the event cannot be used.
    #[error("{0}")]
    Event(String),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] postroom_store::Error),
    /// Something waits for what never happens.
    #[error("the rehearsal waits for something that never happens")]
    Stuck,
    /// It goes on and on.
    #[error("the rehearsal does not come to an end")]
    Endless,
    /// It goes beyond its bounds.
    #[error("the rehearsal goes beyond {0}")]
    Beyond(String),
}

/// Plays an event through a project. `id` is its id if it had one before, so that everything that
/// follows from ids is as it was then.
///
/// # Errors
/// Why it could not be played to the end; failures of steps are part of what came of it.
pub fn rehearse(stage: Stage, event: Arriving, id: Option<EventId>) -> Result<Rehearsed, Error> {
    rehearse_within(stage, event, id, Bounds::NONE)
}

/// The span that everything stands in which a rehearsal logs: nothing of it happens.
pub const SPAN: &str = "rehearsal";

/// The same within bounds.
///
/// # Errors
/// The same, and that it went beyond the bounds.
pub fn rehearse_within(
    stage: Stage,
    event: Arriving,
    id: Option<EventId>,
    bounds: Bounds,
) -> Result<Rehearsed, Error> {
    let _in = tracing::info_span!(SPAN).entered();
    let clock = Arc::new(Jumping::from(stage.now_ms));
    match clock.play(play(stage, event, id, bounds, Arc::clone(&clock))) {
        Ok(rehearsed) => rehearsed,
        Err(Idle::Stuck) => Err(Error::Stuck),
        Err(Idle::Endless) => Err(Error::Endless),
    }
}

async fn play(
    stage: Stage,
    event: Arriving,
    id: Option<EventId>,
    bounds: Bounds,
    clock: Arc<Jumping>,
) -> Result<Rehearsed, Error> {
    let people = People::of(&stage.script);
    let mut later = stage.script.later.clone();
    later.sort_by_key(|later| later.after_ms);
    let recorder = Recorder::new(stage.script, Arc::clone(&clock), bounds.bytes);
    let recorder = Arc::new(recorder);
    let watched = Arc::new(Watched::new(stage.store, Arc::clone(&recorder)));
    let mut project = stage.project;
    if let Some(only) = &stage.only {
        // What it calls by name is still there.
        let workflows = project.workflows.iter().map(|(_, workflow)| Arc::clone(workflow));
        let left = workflows.filter(|workflow| workflow.name == *only);
        project.router = Router::new(left.collect());
    }
    let parts = Parts {
        store: Arc::clone(&watched) as _,
        bell: stage.bell,
        clock,
        secrets: Arc::new(Names),
        transport: Arc::clone(&recorder) as _,
        tokens: None,
        settings: Settings { concurrency: 1, seed: Some(0), ..Settings::default() },
    };
    let engine = Engine::new(parts, project).await?;
    let inner = &engine.inner;
    let event = inner.named(event, id).map_err(Error::Event)?;
    let verdicts = engine.project().router.verdicts(&event, Limits::default());
    inner.store.record(vec![inner.routed(event.clone())]).await?;
    let mut player = Player::new(&engine, people, &recorder, bounds);
    for Later { after_ms, event } in later {
        let at_ms = stage.now_ms.saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX));
        player.work(Some(at_ms)).await?;
        let event = inner.named(event, None).map_err(Error::Event)?;
        inner.store.record(vec![inner.routed(event)]).await?;
    }
    player.work(None).await?;
    let filter = RunFilter { limit: RUNS, ..RunFilter::default() };
    let workflows = &engine.project().workflows;
    let mut runs = Vec::new();
    for (run, _) in inner.store.runs(filter).await?.rows {
        let known = workflows.iter().find(|(_, workflow)| workflow.hash == run.definition);
        let Some((_, workflow)) = known else { continue };
        let workflow = Arc::clone(workflow);
        let history = inner.store.run(run.id).await?;
        runs.extend(history.map(|(run, _, journal)| Played { run, workflow, journal }));
    }
    let seen = watched.take();
    let places = seen.runs.iter().enumerate().map(|(place, run)| (*run, place));
    let places: HashMap<RunId, usize> = places.collect();
    runs.sort_by_key(|played: &Played| places.get(&played.run.id).copied());
    let mut emits = Vec::new();
    for (mut emitted, starts) in seen.emits {
        let there = |id: &RunId| runs.iter().any(|played| played.run.id == *id);
        let names = emitted.starts.into_iter().zip(&starts).filter(|(_, id)| there(id));
        emitted.starts = names.map(|(name, _)| name).collect();
        emitted.repetition = inner.store.event(emitted.event.id).await?.is_none();
        emits.push(emitted);
    }
    Ok(Rehearsed { event, verdicts, runs, requests: recorder.take(), emits })
}

/// Every credential is there, and is its own name.
struct Names;

impl Secrets for Names {
    fn get(&self, name: &str) -> Option<Secret> {
        Some(Secret::new(name))
    }

    fn all(&self) -> Vec<Secret> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
