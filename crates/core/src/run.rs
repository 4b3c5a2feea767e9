//! The run state machine. A run is one workflow at work on one event; [`advance`] takes it from
//! state to state and says, as data, what its owner has to do next. The transition table is drawn
//! in `docs/runs.md`.
//!
//! Invariants, kept by property tests: a run that has ended changes only when a person sends it
//! out again; no step is tried more often than its policy allows; a due time is present exactly
//! while a run waits for its turn.

use serde::{Deserialize, Serialize};

use crate::definition::{Step, Workflow};
use crate::id::{DefinitionHash, EventId, KeyHash, RunId};
use crate::journal::{Entry, Kind};
use crate::json::Json;
use crate::outcome::{Failure, Outcome};

/// One workflow at work on one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The event it works on.
    pub event: EventId,
    /// The workflow's name.
    pub workflow: String,
    /// The version of the workflow it started with and keeps.
    pub definition: DefinitionHash,
    /// What idempotency keys of its calls derive from: the key the sender gave, or the run's id.
    pub key: String,
    /// Where it stands.
    pub state: RunState,
    /// When it was written down, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it is to be worked on; present exactly in `queued` and `sleeping`.
    pub due_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// Where each step stands, in the order of the definition; empty before the first start.
    pub steps: Vec<StepRun>,
    /// What ended it, or is ending it while the steps of `on_failure` run.
    pub failure: Option<RunFailure>,
    /// How often a person has sent it out again.
    pub redrives: u32,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Written down, not started.
    Queued,
    /// At work under an owner.
    Running,
    /// Waiting for a time: a retry, or a limit that says when.
    Sleeping,
    /// Every step ended well.
    Succeeded,
    /// In the dead-letter office.
    Dead,
    /// Ended by a person.
    Cancelled,
}

impl RunState {
    /// Every state, in the order of its number in the store.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Sleeping,
        Self::Succeeded,
        Self::Dead,
        Self::Cancelled,
    ];

    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead | Self::Cancelled)
    }

    /// The word used in the API, metrics and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not started.
    Pending,
    /// An attempt is under way.
    Running,
    /// An attempt that must not be repeated blindly is under way.
    Intent,
    /// Waiting for its due time.
    Waiting,
    /// Ended well.
    Done,
    /// Its condition was false.
    Skipped,
    /// Failed for good.
    Failed,
    /// Its answer was lost.
    Unknown,
}

/// Where one step of a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRun {
    /// Its state.
    pub state: StepState,
    /// Attempts started so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Counts corrected requests: a new one gets new idempotency keys.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// When to try again, while waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<i64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl StepRun {
    const PENDING: Self =
        Self { state: StepState::Pending, attempts: 0, generation: 0, due_ms: None };
}

/// What ended a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// Why, from a closed list.
    pub reason: Reason,
    /// The step, unless the run could not even start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The last failure.
    pub failure: Failure,
}

/// Why runs die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The provider or the engine refused, and the same request would be refused again.
    Refused,
    /// Every attempt failed.
    Exhausted,
    /// A call was sent and its answer lost; a person decides.
    Unknown,
    /// A condition or policy could not be evaluated.
    Unroutable,
}

impl Reason {
    /// The word used in the API, metrics and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Unknown => "unknown",
            Self::Unroutable => "unroutable",
        }
    }
}

/// What happens to a run under its owner.
#[derive(Clone, Debug)]
pub enum Input {
    /// An owner took it: at first, when due, or after the last owner was lost.
    Start,
    /// Time passed while the owner held it.
    Tick,
    /// A call is about to be made to a provider that honours no key.
    Intent {
        /// The step.
        step: usize,
    },
    /// One call of a step that makes several succeeded.
    Called {
        /// The step.
        step: usize,
        /// What to write down; kind and step are filled in.
        report: Report,
        /// The call's id.
        call: String,
        /// Its result, which a resumed step goes on with.
        output: Json,
    },
    /// An attempt ended.
    Ended {
        /// The step.
        step: usize,
        /// How.
        outcome: Outcome,
        /// A random number between 0 and 1 for the retry delay.
        chance: f64,
        /// What to write down beside the outcome.
        report: Report,
    },
}

/// Facts about an attempt that the journal keeps and no decision depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How long it took.
    pub took_ms: Option<u64>,
    /// Method and URL without secrets, and the idempotency key.
    pub request: Option<String>,
    /// The sandbox answered.
    pub sandbox: bool,
}

/// What the owner has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Try the step.
    Call {
        /// The step.
        step: usize,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
}

/// The result of [`advance`].
#[derive(Clone, Debug)]
pub struct Advance {
    /// The run as it is now. In state `running` its owner keeps it, else gives it back.
    pub run: Run,
    /// What to do.
    pub effects: Vec<Effect>,
    /// What to write down.
    pub entries: Vec<Entry>,
}

/// Takes a run one input further. An ended run takes no input: it comes back as it was.
#[must_use]
pub fn advance(run: Run, workflow: &Workflow, input: Input, now_ms: i64) -> Advance {
    let mut next = Advance { run, effects: Vec::new(), entries: Vec::new() };
    if next.run.state.ended() {
        return next;
    }
    match input {
        Input::Start => next.start(workflow, now_ms),
        Input::Tick => {}
        Input::Intent { step } => next.intent(workflow, step, now_ms),
        Input::Called { step, report, call, output } => {
            let mut entry = next.entry(Kind::Called, workflow, step, report, now_ms);
            entry.call = Some(call);
            entry.output = Some(output);
            next.entries.push(entry);
        }
        Input::Ended { step, outcome, chance, report } => {
            next.ended(workflow, step, outcome, chance, report, now_ms);
        }
    }
    next.proceed(workflow, now_ms);
    next
}

impl Advance {
    fn start(&mut self, workflow: &Workflow, now_ms: i64) {
        self.run.state = RunState::Running;
        self.run.due_ms = None;
        self.run.steps.resize(workflow.steps.len(), StepRun::PENDING);
        for index in 0..self.run.steps.len() {
            let step = &mut self.run.steps[index];
            match step.state {
                // The last owner was lost in the middle of a call that may be made again.
                StepState::Running => {
                    step.state = StepState::Pending;
                    step.attempts = step.attempts.saturating_sub(1);
                }
                StepState::Intent => {
                    let failure = Failure::new(
                        "call/owner-lost",
                        "the process stopped between sending the request and writing down its answer",
                    )
                    .with_hint("look at the provider whether it took effect before you redrive");
                    self.fail(workflow, index, Reason::Unknown, failure, Report::default(), now_ms);
                }
                _ => {}
            }
        }
        if self.run.failure.is_none() {
            self.run.steps[workflow.main_steps..].fill(StepRun::PENDING);
        }
    }

    fn intent(&mut self, workflow: &Workflow, step: usize, now_ms: i64) {
        if self.run.steps[step].state == StepState::Running {
            self.run.steps[step].state = StepState::Intent;
            let entry = self.entry(Kind::Intent, workflow, step, Report::default(), now_ms);
            self.entries.push(entry);
        }
    }

    fn ended(
        &mut self,
        workflow: &Workflow,
        step: usize,
        outcome: Outcome,
        chance: f64,
        report: Report,
        now_ms: i64,
    ) {
        let policy = workflow.steps[step].retry;
        let state = &mut self.run.steps[step];
        if !matches!(state.state, StepState::Running | StepState::Intent) {
            return;
        }
        match outcome {
            Outcome::Done { output } => {
                state.state = StepState::Done;
                let mut entry = self.entry(Kind::Done, workflow, step, report, now_ms);
                entry.output = Some(output);
                self.entries.push(entry);
            }
            Outcome::Skipped => {
                state.state = StepState::Skipped;
                let entry = self.entry(Kind::Skipped, workflow, step, report, now_ms);
                self.entries.push(entry);
            }
            Outcome::Wait { until_ms } => {
                state.state = StepState::Waiting;
                state.attempts = state.attempts.saturating_sub(1);
                state.due_ms = Some(until_ms);
            }
            Outcome::Retry { after_ms, failure } if state.attempts < policy.attempts => {
                let delay_ms = policy.delay_ms(state.attempts, chance, after_ms);
                let due_ms = now_ms.saturating_add(i64::try_from(delay_ms).unwrap_or(i64::MAX));
                state.state = StepState::Waiting;
                state.due_ms = Some(due_ms);
                let mut entry = self.entry(Kind::Retry, workflow, step, report, now_ms);
                entry.failure = Some(failure);
                entry.due_ms = Some(due_ms);
                self.entries.push(entry);
            }
            Outcome::Retry { failure, .. } => {
                self.fail(workflow, step, Reason::Exhausted, failure, report, now_ms);
            }
            Outcome::Refused { failure } => {
                self.fail(workflow, step, Reason::Refused, failure, report, now_ms);
            }
            Outcome::Unknown { failure } => {
                self.fail(workflow, step, Reason::Unknown, failure, report, now_ms);
            }
        }
    }

    fn fail(
        &mut self,
        workflow: &Workflow,
        step: usize,
        reason: Reason,
        failure: Failure,
        report: Report,
        now_ms: i64,
    ) {
        let (state, kind) = match reason {
            Reason::Unknown => (StepState::Unknown, Kind::Unknown),
            _ => (StepState::Failed, Kind::Failed),
        };
        self.run.steps[step].state = state;
        let mut entry = self.entry(kind, workflow, step, report, now_ms);
        entry.failure = Some(failure.clone());
        self.entries.push(entry);
        // The first failure is the one that ends the run; those of `on_failure` are only noted.
        if self.run.failure.is_none() {
            let step = Some(workflow.steps[step].id.clone());
            self.run.failure = Some(RunFailure { reason, step, failure });
        }
    }

    /// Starts what can start; if nothing is under way then, the run sleeps or ends.
    fn proceed(&mut self, workflow: &Workflow, now_ms: i64) {
        let failing = self.run.failure.is_some();
        let phase = if failing { workflow.main_steps..workflow.steps.len() } else { 0..workflow.main_steps };
        // Main steps under way when another failed are waited for before `on_failure` begins.
        if !(failing && self.under_way(0..workflow.main_steps)) {
            for index in phase.clone() {
                if self.ready(&workflow.steps[index], index, failing, now_ms) {
                    let step = &mut self.run.steps[index];
                    step.state = StepState::Running;
                    step.due_ms = None;
                    step.attempts += 1;
                    self.effects.push(Effect::Call { step: index, attempt: step.attempts });
                }
            }
        }
        if self.under_way(0..workflow.steps.len()) {
            return;
        }
        let due = self.run.steps[phase].iter().filter_map(|step| step.due_ms).min();
        if let Some(due_ms) = due {
            self.run.state = RunState::Sleeping;
            self.run.due_ms = Some(due_ms);
            return;
        }
        let (state, kind) = match failing {
            true => (RunState::Dead, Kind::Dead),
            false => (RunState::Succeeded, Kind::Succeeded),
        };
        self.run.end(state, now_ms);
        self.entries.push(Entry::new(kind, now_ms));
    }

    fn under_way(&self, mut steps: std::ops::Range<usize>) -> bool {
        steps.any(|n| matches!(self.run.steps[n].state, StepState::Running | StepState::Intent))
    }

    fn ready(&self, step: &Step, index: usize, failing: bool, now_ms: i64) -> bool {
        let settled = |need: &usize| match self.run.steps[*need].state {
            StepState::Done | StepState::Skipped => true,
            StepState::Failed | StepState::Unknown => failing,
            _ => false,
        };
        match self.run.steps[index].state {
            StepState::Pending => step.needs.iter().all(settled),
            StepState::Waiting => self.run.steps[index].due_ms.is_some_and(|due| due <= now_ms),
            _ => false,
        }
    }

    fn entry(
        &self,
        kind: Kind,
        workflow: &Workflow,
        step: usize,
        report: Report,
        now_ms: i64,
    ) -> Entry {
        let mut entry =
            Entry::new(kind, now_ms).step(&workflow.steps[step].id, self.run.steps[step].attempts);
        entry.took_ms = report.took_ms;
        entry.request = report.request;
        entry.sandbox = report.sandbox;
        entry
    }
}

impl Run {
    /// When the owner has to look again although nothing ended: the earliest retry that is due
    /// while other steps are under way.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.steps.iter().filter_map(|step| step.due_ms).min()
    }

    /// Ends the run by a person's word: one that has not ended, or a dead letter given up on.
    /// `None` if the run has ended otherwise.
    #[must_use]
    pub fn cancel(mut self, actor: &str, note: Option<&str>, now_ms: i64) -> Option<(Self, Entry)> {
        if matches!(self.state, RunState::Succeeded | RunState::Cancelled) {
            return None;
        }
        self.end(RunState::Cancelled, now_ms);
        Some((self, Self::acted(Kind::Cancelled, actor, note, now_ms)))
    }

    /// Sends the run out again: steps that are done stay done, failed ones get all their attempts
    /// back. A request that was refused gets new idempotency keys, since providers answer a
    /// refused key with the same refusal; one whose answer was lost keeps its keys. A sleeping
    /// run goes at once. `None` for a run that is queued, at work or succeeded.
    #[must_use]
    pub fn redrive(mut self, actor: &str, note: Option<&str>, now_ms: i64) -> Option<(Self, Entry)> {
        if !matches!(self.state, RunState::Dead | RunState::Cancelled | RunState::Sleeping) {
            return None;
        }
        let unroutable = self.failure.as_ref().is_some_and(|f| f.reason == Reason::Unroutable);
        let refused = self.failure.as_ref().is_some_and(|f| f.reason == Reason::Refused);
        if unroutable {
            return None;
        }
        for step in &mut self.steps {
            match step.state {
                StepState::Done | StepState::Skipped => {}
                StepState::Waiting if self.state == RunState::Sleeping => step.due_ms = Some(now_ms),
                StepState::Failed if refused => {
                    *step = StepRun { generation: step.generation + 1, ..StepRun::PENDING };
                }
                _ => *step = StepRun { generation: step.generation, ..StepRun::PENDING },
            }
        }
        if self.state != RunState::Sleeping {
            self.state = RunState::Queued;
            self.failure = None;
            self.redrives += 1;
        }
        self.due_ms = Some(now_ms);
        self.finished_ms = None;
        Some((self, Self::acted(Kind::Redriven, actor, note, now_ms)))
    }

    /// Makes a new run dead before it starts, because whether or how to start it is not known.
    pub fn fail_at_birth(&mut self, failure: Failure, now_ms: i64) {
        self.failure = Some(RunFailure { reason: Reason::Unroutable, step: None, failure });
        self.end(RunState::Dead, now_ms);
    }

    /// The idempotency key of a step's calls: the same in every attempt, so that a provider that
    /// honours it acts once. Readable where the parts allow it, else hashed; at most 200 bytes.
    #[must_use]
    pub fn idempotency_key(&self, step: &str, generation: u32) -> String {
        let mut key = format!("{}:{}:{step}", self.workflow, self.key);
        if key.len() > 180 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let hash = KeyHash::of(&["idempotency", &self.workflow, step], &self.key);
            let hex: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
            key = format!("postroom:{hex}");
        }
        if generation > 0 {
            key = format!("{key}:{generation}");
        }
        key
    }

    fn end(&mut self, state: RunState, now_ms: i64) {
        self.state = state;
        self.due_ms = None;
        self.finished_ms = Some(now_ms);
    }

    fn acted(kind: Kind, actor: &str, note: Option<&str>, now_ms: i64) -> Entry {
        let mut entry = Entry::new(kind, now_ms);
        entry.actor = Some(actor.to_owned());
        entry.note = note.map(str::to_owned);
        entry
    }
}
