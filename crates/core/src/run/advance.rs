//! How a run goes from state to state under its owner.

use std::ops::Range;

use super::{
    Advance, Effect, Input, Reason, Report, Run, RunFailure, RunState, Spot, StepRun, StepState,
    Word,
};
use crate::definition::{Step, Workflow};
use crate::journal::{Entry, Kind};
use crate::outcome::{Failure, Outcome};
use crate::problem;

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
        Input::Intent { spot } | Input::Called { spot, .. } | Input::Ended { spot, .. } => {
            owned && next.run.at(*spot).is_some_and(StepRun::open)
        }
        Input::Resumed { spot, .. } => owned && next.run.at(*spot).is_some_and(StepRun::parked),
        Input::Cancel(_) => owned && next.run.cancelling.is_none(),
    };
    if !heard {
        return next;
    }
    if let Input::Called { report, .. } | Input::Ended { report, .. } = &input {
        next.run.dry |= report.dry;
    }
    match input {
        Input::Start => next.start(workflow, now_ms),
        Input::Tick => {}
        Input::Intent { spot } => next.intent(workflow, spot, now_ms),
        Input::Called { spot, report, call, output } => {
            let mut entry = next.entry(Kind::Called, workflow, spot, report, now_ms);
            entry.call = Some(call);
            entry.output = Some(output);
            next.entries.push(entry);
        }
        Input::Ended { spot, outcome, chance, report } => {
            next.ended(workflow, spot, outcome, chance, report, now_ms);
        }
        Input::Resumed { spot, output, by } => {
            let entry = next.run.resumed(&workflow.steps[spot.step].id, spot, output, &by, now_ms);
            next.entries.extend(entry);
        }
        Input::Cancel(word) => next.cancel(workflow, word, now_ms),
    }
    next.proceed(workflow, now_ms);
    next
}

impl Advance {
    fn start(&mut self, workflow: &Workflow, now_ms: i64) {
        if self.run.state == RunState::Running {
            self.run.look_again(workflow, now_ms);
        }
        self.run.state = RunState::Running;
        self.run.due_ms = None;
        if self.run.deadline_ms.is_none() {
            let whole = workflow.timeout_ms.and_then(|ms| i64::try_from(ms).ok());
            self.run.deadline_ms = whole.map(|ms| now_ms.saturating_add(ms));
        }
        self.run.steps.resize(workflow.steps.len(), StepRun::PENDING);
        for spot in self.run.spots() {
            let Some(step) = self.run.at_mut(spot) else { continue };
            match step.state {
                // The last owner was lost in the middle of a call that may be made again.
                StepState::Running => {
                    step.state = StepState::Pending;
                    step.attempts = step.attempts.saturating_sub(1);
                }
                StepState::Intent => {
                    let failure = Failure::new(
                        problem::OWNER_LOST.code,
                        "the process stopped between sending the request and keeping its answer",
                    )
                    .with_hint("look at the provider whether it took effect before you redrive");
                    self.fail(workflow, spot, Reason::Unknown, failure, Report::default(), now_ms);
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

    fn intent(&mut self, workflow: &Workflow, spot: Spot, now_ms: i64) {
        if let Some(step) = self.run.at_mut(spot)
            && step.state == StepState::Running
        {
            step.state = StepState::Intent;
            let entry = self.entry(Kind::Intent, workflow, spot, Report::default(), now_ms);
            self.entries.push(entry);
        }
    }

    fn ended(
        &mut self,
        workflow: &Workflow,
        spot: Spot,
        outcome: Outcome,
        chance: f64,
        report: Report,
        now_ms: i64,
    ) {
        let policy = workflow.steps[spot.step].retry;
        // Another step has failed meanwhile, or somebody ends the run: this one is not tried again.
        let failing = self.run.failure.is_some() && spot.step < workflow.main_steps;
        let last = failing || self.run.cancelling.is_some() || self.run.steps[spot.step].failed();
        let Some(state) = self.run.at_mut(spot) else { return };
        match outcome {
            Outcome::Done { output } => {
                state.state = StepState::Done;
                let mut entry = self.entry(Kind::Done, workflow, spot, report, now_ms);
                entry.output = Some(output);
                self.entries.push(entry);
            }
            Outcome::Skipped => {
                state.state = StepState::Skipped;
                let entry = self.entry(Kind::Skipped, workflow, spot, report, now_ms);
                self.entries.push(entry);
            }
            Outcome::Items { count } => {
                state.state = StepState::Items;
                state.items = vec![StepRun::PENDING; count];
            }
            Outcome::Wait { until_ms } => {
                state.state = StepState::Waiting;
                state.attempts = state.attempts.saturating_sub(1);
                state.due_ms = Some(until_ms);
            }
            Outcome::Park { until_ms, look_ms } => {
                self.park(workflow, spot, until_ms, look_ms, report, now_ms);
            }
            Outcome::Retry { after_ms, failure } if state.attempts < policy.attempts && !last => {
                let delay_ms = policy.delay_ms(state.attempts, chance, after_ms);
                let due_ms = now_ms.saturating_add(i64::try_from(delay_ms).unwrap_or(i64::MAX));
                state.state = StepState::Waiting;
                state.due_ms = Some(due_ms);
                let mut entry = self.entry(Kind::Retry, workflow, spot, report, now_ms);
                entry.failure = Some(failure);
                entry.due_ms = Some(due_ms);
                self.entries.push(entry);
            }
            Outcome::Retry { failure, .. } => {
                self.fail(workflow, spot, Reason::Exhausted, failure, report, now_ms);
            }
            Outcome::Refused { failure } => {
                state.generation = state.generation.saturating_add(1);
                self.fail(workflow, spot, Reason::Refused, failure, report, now_ms);
            }
            Outcome::Unknown { failure } => {
                self.fail(workflow, spot, Reason::Unknown, failure, report, now_ms);
            }
            Outcome::Cancel(word) => {
                state.state = StepState::Pending;
                self.cancel(workflow, word, now_ms);
            }
        }
    }

    fn park(
        &mut self,
        workflow: &Workflow,
        spot: Spot,
        until_ms: i64,
        look_ms: i64,
        report: Report,
        now_ms: i64,
    ) {
        let Some(step) = self.run.at_mut(spot) else { return };
        step.state = StepState::Waiting;
        step.attempts = step.attempts.saturating_sub(1);
        step.due_ms = Some(look_ms.min(until_ms));
        if step.until_ms.replace(until_ms).is_none() {
            let mut entry = self.entry(Kind::Waits, workflow, spot, report, now_ms);
            entry.due_ms = Some(until_ms);
            self.entries.push(entry);
        }
    }

    /// Calls that may be repeated are cut off; for others the answer is waited for.
    fn cancel(&mut self, workflow: &Workflow, word: Word, now_ms: i64) {
        self.abort(workflow, now_ms);
        for step in &mut self.run.steps {
            step.each_mut(StepRun::give_up_waiting);
        }
        let entry = Run::acted(Kind::Cancelling, &word.actor, word.note.as_deref(), now_ms);
        self.run.cancelling = Some(Box::new(word));
        if self.under_way(0..workflow.steps.len()) {
            self.entries.push(entry);
        }
    }

    fn abort(&mut self, workflow: &Workflow, now_ms: i64) {
        for spot in self.run.spots() {
            let Some(step) = self.run.at_mut(spot).filter(|s| s.state == StepState::Running) else {
                continue;
            };
            step.state = StepState::Pending;
            let entry = self.entry(Kind::Aborted, workflow, spot, Report::default(), now_ms);
            self.entries.push(entry);
            self.effects.push(Effect::Abort { spot });
        }
    }

    /// Ends a run whose time is over like one of which a step failed.
    fn expire(&mut self, workflow: &Workflow, now_ms: i64) {
        self.abort(workflow, now_ms);
        let failure = Failure::new(
            problem::RUN_TIMEOUT.code,
            "the run was not at its end when the `timeout` of its workflow was over",
        )
        .with_hint("see where it stood, and redrive it: it gets the whole time again");
        self.run.failure = Some(RunFailure { reason: Reason::Timeout, step: None, failure });
    }

    fn fail(
        &mut self,
        workflow: &Workflow,
        spot: Spot,
        reason: Reason,
        failure: Failure,
        report: Report,
        now_ms: i64,
    ) {
        let (state, kind) = match reason {
            Reason::Unknown => (StepState::Unknown, Kind::Unknown),
            _ => (StepState::Failed, Kind::Failed),
        };
        for at in [spot, Spot::step(spot.step)] {
            // What is unknown of one item stays what is said of them all.
            if let Some(step) = self.run.at_mut(at).filter(|s| s.state != StepState::Unknown) {
                step.state = state;
            }
        }
        let mut entry = self.entry(kind, workflow, spot, report, now_ms);
        entry.failure = Some(failure.clone());
        self.entries.push(entry);
        // The first failure is the one that ends the run; those of `on_failure` are only noted.
        if self.run.failure.is_none() {
            let step = Some(workflow.steps[spot.step].id.clone());
            self.run.failure = Some(RunFailure { reason, step, failure });
        }
    }

    /// Starts what can start; if nothing is under way then, the run sleeps or ends.
    fn proceed(&mut self, workflow: &Workflow, now_ms: i64) {
        if let Some(word) = self.run.cancelling.clone() {
            if !self.under_way(0..workflow.steps.len()) {
                self.run.end(RunState::Cancelled, now_ms);
                let note = word.note.as_deref();
                self.entries.push(Run::acted(Kind::Cancelled, &word.actor, note, now_ms));
            }
            return;
        }
        if self.run.failure.is_none() && self.run.deadline_ms.is_some_and(|due| due <= now_ms) {
            self.expire(workflow, now_ms);
        }
        let failing = self.run.failure.is_some();
        for step in self.run.steps.iter_mut().filter(|step| step.failed()) {
            step.items.iter_mut().for_each(StepRun::give_up_waiting);
        }
        let phase = if failing {
            for step in &mut self.run.steps[..workflow.main_steps] {
                step.each_mut(StepRun::give_up_waiting);
            }
            workflow.main_steps..workflow.steps.len()
        } else {
            0..workflow.main_steps
        };
        // Main steps under way when another failed are waited for before `on_failure` begins.
        if !(failing && self.under_way(0..workflow.main_steps)) {
            for index in phase.clone() {
                self.set_off(&workflow.steps[index], index, failing, now_ms);
            }
        }
        if self.under_way(0..workflow.steps.len()) {
            return;
        }
        if let Some(due_ms) = self.run.next_due_in(phase, !failing) {
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

    /// Starts a step, or those of its items that have room, if it is their turn.
    fn set_off(&mut self, step: &Step, index: usize, failing: bool, now_ms: i64) {
        if self.ready(step, index, failing, now_ms) {
            match self.run.steps[index].items.is_empty() {
                true => self.call(Spot::step(index)),
                false => self.run.steps[index].state = StepState::Items,
            }
        }
        if self.run.steps[index].state != StepState::Items {
            return;
        }
        let items = &self.run.steps[index].items;
        if items.iter().all(StepRun::over) {
            return self.call(Spot::step(index));
        }
        let room = step.each.as_ref().map_or(1, |each| each.concurrency);
        let busy = items.iter().filter(|i| i.open() || i.state == StepState::Waiting).count();
        let mut free = room.saturating_sub(busy);
        for item in 0..items.len() {
            let at = &self.run.steps[index].items[item];
            let fresh = at.state == StepState::Pending && free > 0;
            if fresh || at.woken(now_ms) {
                free -= usize::from(fresh);
                self.call(Spot::item(index, item));
            }
        }
    }

    fn call(&mut self, spot: Spot) {
        if let Some(step) = self.run.at_mut(spot) {
            step.state = StepState::Running;
            step.due_ms = None;
            // Gathering what the items came to is no further attempt.
            step.attempts += u32::from(step.items.is_empty());
            let attempt = step.attempts;
            self.effects.push(Effect::Call { spot, attempt });
        }
    }

    fn under_way(&self, steps: Range<usize>) -> bool {
        self.run.steps.get(steps).is_some_and(|steps| steps.iter().any(StepRun::at_work))
    }

    fn ready(&self, step: &Step, index: usize, failing: bool, now_ms: i64) -> bool {
        let settled = |need: &usize| match self.run.steps[*need].state {
            StepState::Done | StepState::Skipped => true,
            StepState::Failed | StepState::Unknown => failing,
            _ => false,
        };
        match self.run.steps[index].state {
            StepState::Pending => step.needs.iter().all(settled),
            _ => self.run.steps[index].woken(now_ms),
        }
    }

    fn entry(
        &self,
        kind: Kind,
        workflow: &Workflow,
        spot: Spot,
        report: Report,
        now_ms: i64,
    ) -> Entry {
        let attempts = self.run.at(spot).map_or(0, |step| step.attempts);
        let mut entry = Entry::new(kind, now_ms).step(&workflow.steps[spot.step].id, attempts);
        entry.item = spot.item;
        entry.took_ms = report.took_ms;
        entry.request = report.request;
        entry.sandbox = report.sandbox;
        entry.dry = report.dry;
        entry.planned = report.planned;
        entry.call = report.call;
        entry.answer = report.answer;
        entry.child = report.child;
        entry.ask = report.ask;
        entry
    }
}
