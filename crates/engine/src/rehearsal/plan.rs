//! What came of a rehearsal as a document: what `plan --json` prints and a dry run answers. Both
//! ways of the JSON are here, so that whoever asks a server reads what the server wrote. Fields are
//! only ever added.

use std::collections::BTreeSet;

use postroom_core::definition::Step;
use postroom_core::journal::Kind;
use postroom_core::run::{RunFailure, RunState, StepRun, StepState};
use postroom_core::trigger::Verdict;
use postroom_core::{Entry, Event, RunId};
use serde::{Deserialize, Serialize};

use super::{Emitted, Gives, Made, Origin, Played, Rehearsed};
use crate::Project;

/// What an event would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The event as it would be written down.
    pub event: Event,
    /// What each workflow makes of it, in the order of the project.
    pub workflows: Vec<Verdict>,
    /// The runs, in the order in which they would be written down.
    pub runs: Vec<PlannedRun>,
    /// Every request, in order.
    pub requests: Vec<PlannedRequest>,
    /// Every event that a step emits, or by which it calls a workflow, in order.
    #[serde(default)]
    pub emits: Vec<Emitted>,
}

/// What a run would come to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Its id, which the live run has only if it follows from an id that was there before.
    pub id: RunId,
    /// Its workflow.
    pub workflow: String,
    /// How it ends.
    pub state: RunState,
    /// What ends it, if it does not end well.
    pub failure: Option<RunFailure>,
    /// Its steps, in the order of the definition.
    pub steps: Vec<PlannedStep>,
}

/// What becomes of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name.
    pub id: String,
    /// Where it ends.
    pub state: StepState,
    /// How often it is tried.
    pub attempts: u32,
    /// Why it comes to that; empty where there is nothing to say.
    pub why: String,
}

/// A request as it would be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedRequest {
    /// When, by the clock of the rehearsal.
    pub at_ms: i64,
    /// By which run.
    pub run: RunId,
    /// The run's workflow.
    pub workflow: String,
    /// By which step.
    pub step: String,
    /// By which call of the step's action.
    pub call: String,
    /// Whether the action makes several calls.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,
    /// In which attempt, from 1.
    pub attempt: u32,
    /// The method.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// The headers. In place of credentials stand their names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The key that the provider honours.
    pub idempotency_key: Option<String>,
    /// A live run would only plan it, by `mode: dry`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry: bool,
    /// What is assumed to come back.
    pub assumed: Assumed,
}

/// An answer that is assumed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assumed {
    /// Where it is taken from.
    pub from: Origin,
    /// The answer in a word: a status, `result`, or how it is lost.
    pub answer: String,
}

impl Plan {
    /// The document of a rehearsal of a project.
    #[must_use]
    pub fn of(rehearsed: Rehearsed, project: &Project) -> Self {
        let Rehearsed { event, verdicts, runs, requests, emits } = rehearsed;
        let runs = runs.into_iter().map(|played| PlannedRun {
            id: played.run.id,
            workflow: played.run.workflow.clone(),
            state: played.run.state,
            steps: steps(&played, &requests, project),
            failure: played.run.failure,
        });
        let runs = runs.collect();
        let requests = requests.into_iter().map(PlannedRequest::from).collect();
        Self { event, workflows: verdicts, runs, requests, emits }
    }
}

impl From<Made> for PlannedRequest {
    fn from(made: Made) -> Self {
        Self {
            at_ms: made.at_ms,
            run: made.run,
            workflow: made.workflow,
            step: made.step,
            call: made.call,
            several: made.several,
            attempt: made.attempt,
            method: made.request.method,
            url: made.request.url,
            headers: made.request.headers,
            body: String::from_utf8_lossy(&made.request.body).into_owned(),
            idempotency_key: made.request.idempotency_key,
            dry: made.dry,
            assumed: Assumed { from: made.origin, answer: answer(&made.gives) },
        }
    }
}

fn answer(gives: &Gives) -> String {
    match gives {
        Gives::Response(response) => response.status.to_string(),
        Gives::Result(_) => "result".to_owned(),
        Gives::Lost(lost) => lost.word().to_owned(),
    }
}

fn steps(played: &Played, requests: &[Made], project: &Project) -> Vec<PlannedStep> {
    let known = played.workflow.steps.iter().zip(&played.run.steps).enumerate();
    let step = |(index, (step, at)): (usize, (&Step, &StepRun))| PlannedStep {
        id: step.id.clone(),
        state: at.state,
        attempts: at.attempts,
        why: why(played, index, at.state, || unmade(played, step, requests, project)),
    };
    known.map(step).collect()
}

/// Why a step came to its state. `unmade` tells of calls it did not make.
fn why(
    played: &Played,
    index: usize,
    state: StepState,
    unmade: impl Fn() -> Option<String>,
) -> String {
    let step = &played.workflow.steps[index];
    let source = step.condition.as_ref().map_or("", |condition| condition.source());
    match state {
        StepState::Skipped => format!("its `if` is false: {source}"),
        StepState::Pending if index >= played.workflow.main_steps => "no step failed".to_owned(),
        StepState::Pending => {
            match played.run.failure.as_ref().and_then(|failure| failure.step.as_deref()) {
                Some(failed) => format!("not reached: `{failed}` failed"),
                None => "not reached".to_owned(),
            }
        }
        StepState::Failed | StepState::Unknown => {
            let failure = last(played, &step.id).and_then(|entry| entry.failure.as_ref());
            failure.map_or_else(String::new, |f| format!("{}: {}", f.code, f.message))
        }
        _ => {
            let holds = (!source.is_empty()).then(|| format!("its `if` is true: {source}"));
            [holds, unmade()].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
    }
}

/// The last failure of a step.
fn last<'a>(played: &'a Played, step: &str) -> Option<&'a Entry> {
    let ended = [Kind::Failed, Kind::Unknown];
    let mut entries = played.journal.iter().rev();
    entries.find(|entry| entry.step.as_deref() == Some(step) && ended.contains(&entry.kind))
}

/// The calls of a step that ended well without making them all.
fn unmade(played: &Played, step: &Step, requests: &[Made], project: &Project) -> Option<String> {
    let (_, action) = project.catalog.action(&step.act()?.uses).ok()?;
    let own = requests.iter().filter(|made| made.run == played.run.id && made.step == step.id);
    let made: BTreeSet<&str> = own.map(|made| made.call.as_str()).collect();
    let calls = action.performer().calls.iter().map(|call| call.id.as_str());
    let unmade: Vec<&str> = calls.filter(|call| !made.contains(call)).collect();
    (!unmade.is_empty())
        .then(|| format!("without the call {}: its `if` is false", unmade.join(", ")))
}
