//! Where a run comes from, and what came of what it emitted.

use postroom_core::journal::Kind;
use postroom_core::run::RunState;
use postroom_core::{Entry, EventId, Run, RunId, Workflow, problem};
use postroom_store::{Error, RunFilter};

use crate::{Engine, RunDetails};

/// How far back a line of events is followed.
const BACK: usize = 50;

/// Emitted events of a run that are looked up, and runs of each.
const AHEAD: usize = 100;

/// What belongs to a run by events.
#[derive(Debug, Default)]
pub struct Lineage {
    /// What its event follows from, nearest first: what is right before it or, where too many
    /// hops ended the run, the whole line up to a bound.
    pub causes: Vec<Ancestor>,
    /// What its steps emitted and called, in order, up to a bound.
    pub emitted: Vec<Consequence>,
}

/// An event that another one follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct Ancestor {
    /// The event.
    pub event: EventId,
    /// Its type, if it is still kept.
    pub kind: Option<String>,
    /// How many events lie between it and the first of its line.
    pub hops: u16,
    /// The run on it that emitted the next event; none where a person replayed it.
    pub run: Option<RunId>,
    /// That run's workflow and state, if it is still kept.
    pub of: Option<(String, RunState)>,
}

/// An event that a step emitted, or by which it called a workflow.
#[derive(Debug)]
pub struct Consequence {
    /// The event.
    pub event: EventId,
    /// Its type, if it is known.
    pub kind: Option<String>,
    /// The step.
    pub step: String,
    /// Whether it is there. It is not if it repeated another one by its key, or was removed since.
    pub kept: bool,
    /// The runs it started.
    pub runs: Vec<Run>,
}

impl Engine {
    /// Where a run comes from, and what came of what it emitted.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn lineage(&self, of: &RunDetails) -> Result<Lineage, Error> {
        let failure = of.run.failure.as_ref().map(|found| found.failure.code.as_str());
        let back = if failure == Some(problem::TOO_MANY_HOPS.code) { BACK } else { 1 };
        Ok(Lineage { causes: self.causes(of, back).await?, emitted: self.emitted(of).await? })
    }

    async fn causes(&self, of: &RunDetails, most: usize) -> Result<Vec<Ancestor>, Error> {
        let store = &self.inner.store;
        let mut causes = Vec::new();
        let mut next = of.event.cause.clone();
        while let Some(cause) = next.take().filter(|_| causes.len() < most) {
            let row = store.event(cause.event).await?;
            let run = match cause.run {
                Some(run) => store.run(run).await?,
                None => None,
            };
            causes.push(Ancestor {
                event: cause.event,
                kind: row.as_ref().map(|row| row.event.kind.clone()),
                hops: cause.hops.saturating_sub(1),
                run: cause.run,
                of: run.map(|(run, ..)| (run.workflow, run.state)),
            });
            next = row.and_then(|row| row.event.cause);
        }
        Ok(causes)
    }

    async fn emitted(&self, of: &RunDetails) -> Result<Vec<Consequence>, Error> {
        let mut emitted: Vec<Consequence> = Vec::new();
        for entry in &of.journal {
            if emitted.len() >= AHEAD {
                break;
            }
            let known = |run: &RunId| emitted.iter().any(|e| e.runs.iter().any(|r| r.id == *run));
            let found = match entry.child.filter(|run| !known(run)) {
                Some(run) => self.called(entry, run).await?,
                None => self.announced(of, entry).await?,
            };
            emitted.extend(found);
        }
        Ok(emitted)
    }

    /// The run that a step has called, if it is still kept.
    async fn called(&self, entry: &Entry, run: RunId) -> Result<Option<Consequence>, Error> {
        let found = self.inner.store.run(run).await?;
        Ok(found.map(|(run, event, _)| Consequence {
            event: event.id,
            kind: Some(event.kind.clone()),
            step: entry.label(),
            kept: true,
            runs: vec![run],
        }))
    }

    /// The event that the output of a step names, if it is one that the step emitted.
    async fn announced(
        &self,
        of: &RunDetails,
        entry: &Entry,
    ) -> Result<Option<Consequence>, Error> {
        let inner = &self.inner;
        let Some(event) = named(entry) else { return Ok(None) };
        let row = inner.store.event(event).await?;
        let known = inner.definitions.get(inner, of.run.definition).await?.ok();
        let said = known.as_ref().and_then(|known| said(&known.workflow, entry.step.as_deref()?));
        let cause = row.as_ref().and_then(|row| row.event.cause.as_ref());
        let kept = cause.is_some_and(|cause| cause.run == Some(of.run.id));
        // An output may name an event without being that of a step that emits.
        if !kept && (row.is_some() || said.is_none()) {
            return Ok(None);
        }
        let filter = RunFilter { event: Some(event), limit: AHEAD, ..RunFilter::default() };
        let runs = if kept { inner.store.runs(filter).await?.rows } else { Vec::new() };
        Ok(Some(Consequence {
            event,
            kind: row.map(|row| row.event.kind).or(said),
            step: entry.label(),
            kept,
            runs: runs.into_iter().map(|(run, _)| run).collect(),
        }))
    }
}

/// The event that an output names, as that of a step that emits does.
fn named(entry: &Entry) -> Option<EventId> {
    // What was only planned, by `mode: dry`, was never written down.
    let done = entry.kind == Kind::Done && entry.planned.is_none();
    let output = entry.output.as_ref().filter(|_| done)?;
    output.view().get("event")?.as_str()?.parse().ok()
}

/// The type of the event that a step emits, if it emits one.
fn said(workflow: &Workflow, step: &str) -> Option<String> {
    let step = &workflow.steps[workflow.step(step)?];
    step.emitted().map(|(kind, _)| kind.to_owned())
}
