//! How a run goes from state to state under its owner.

use std::ops::Range;

use super::{
    Advance, Effect, Input, Reason, Report, Run, RunFailure, RunState, StepRun, StepState,
};
use crate::definition::{Step, Workflow};
use crate::journal::{Entry, Kind};
use crate::outcome::{Failure, Outcome};

/// Takes a run one input further. An ended run takes no input, and one that nobody owns takes
/// only `Start`: it comes back as it was. So does a run that hears of a step that is not under
/// way.
#[must_use]
pub fn advance(run: Run, workflow: &Workflow, input: Input, now_ms: i64) -> Advance {
    let mut next = Advance { run, effects: Vec::new(), entries: Vec::new() };
    let owned = next.run.state == RunState::Running;
    let heard = match &input {
        Input::Start => !next.run.state.ended(),
        Input::Tick => owned,
        Input::Intent { step } | Input::Called { step, .. } | Input::Ended { step, .. } => {
            owned && next.open(*step)
        }
    };
    if !heard {
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
                        "the process stopped between sending the request and keeping its answer",
                    )
                    .with_hint("look at the provider whether it took effect before you redrive");
                    self.fail(workflow, index, Reason::Unknown, failure, Report::default(), now_ms);
                }
                _ => {}
            }
        }
        if self.run.failure.is_none() {
            for step in &mut self.run.steps[workflow.main_steps..] {
                *step = StepRun { generation: step.generation, ..StepRun::PENDING };
            }
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
        // Another step has failed meanwhile: this one is not tried again.
        let last = self.run.failure.is_some() && step < workflow.main_steps;
        let state = &mut self.run.steps[step];
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
            Outcome::Retry { after_ms, failure } if state.attempts < policy.attempts && !last => {
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
                let generation = &mut self.run.steps[step].generation;
                *generation = generation.saturating_add(1);
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
        let phase = if failing {
            for step in &mut self.run.steps[..workflow.main_steps] {
                step.give_up_waiting();
            }
            workflow.main_steps..workflow.steps.len()
        } else {
            0..workflow.main_steps
        };
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

    fn under_way(&self, mut steps: Range<usize>) -> bool {
        steps.any(|step| self.open(step))
    }

    /// Whether an attempt of the step is under way.
    fn open(&self, step: usize) -> bool {
        let state = self.run.steps.get(step).map(|step| step.state);
        matches!(state, Some(StepState::Running | StepState::Intent))
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
        entry.call = report.call;
        entry.answer = report.answer;
        entry
    }
}
