//! What a person may want of a run, and what does not depend on its owner.

use std::ops::Range;

use super::{Reason, Run, RunFailure, RunState, Spot, StepRun, StepState, Word};
use crate::definition::{Task, Workflow};
use crate::id::KeyHash;
use crate::journal::{Entry, Kind};
use crate::json::Json;
use crate::outcome::Failure;

impl StepRun {
    /// A step that waits for another try will not get one any more.
    pub(super) fn give_up_waiting(&mut self) {
        if matches!(self.state, StepState::Waiting | StepState::Items) {
            self.state = StepState::Pending;
        }
        self.due_ms = None;
    }

    /// Whether it waits for something that may come, and has not come.
    #[must_use]
    pub fn parked(&self) -> bool {
        let waits = matches!(self.state, StepState::Waiting | StepState::Running);
        waits && self.until_ms.is_some()
    }

    /// Whether it waited for a time that has come.
    pub(super) fn woken(&self, now_ms: i64) -> bool {
        self.state == StepState::Waiting && self.due_ms.is_some_and(|due| due <= now_ms)
    }

    /// As before its first attempt, unless it is over. Its list stays: an item keeps its keys.
    fn begin_again(&mut self) {
        if !self.over() {
            let mut items = std::mem::take(&mut self.items);
            items.iter_mut().for_each(Self::begin_again);
            *self = Self { generation: self.generation, items, ..Self::PENDING };
        }
    }

    /// Has it look at once for what it waits for.
    fn hurry(&mut self, now_ms: i64) {
        if self.state == StepState::Waiting {
            self.due_ms = Some(now_ms);
        }
    }
}

impl Run {
    /// When the owner has to look again although nothing ended: the earliest retry that is due
    /// while other steps are under way, or the end of its time.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.next_due_in(0..self.steps.len(), self.failure.is_none() && self.cancelling.is_none())
    }

    /// The same of some of its steps. A run without anything due has come to its end, whatever
    /// time it has left.
    pub(super) fn next_due_in(&self, steps: Range<usize>, bounded: bool) -> Option<i64> {
        let dues = self.steps.get(steps)?.iter().flat_map(StepRun::dues).min();
        let deadline = self.deadline_ms.filter(|_| bounded);
        match dues {
            Some(due) => Some(deadline.map_or(due, |deadline| deadline.min(due))),
            None => deadline.filter(|_| self.steps.iter().any(StepRun::at_work)),
        }
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
    /// back. A request that was refused gets new idempotency keys, any other keeps its keys (see
    /// [`StepRun::generation`]). A sleeping run goes at once. `None` for a run that is queued, at
    /// work or succeeded, or that could not even start.
    #[must_use]
    pub fn redrive(
        mut self,
        actor: &str,
        note: Option<&str>,
        now_ms: i64,
    ) -> Option<(Self, Entry)> {
        if !matches!(self.state, RunState::Dead | RunState::Cancelled | RunState::Sleeping) {
            return None;
        }
        let unroutable = self.failure.as_ref().is_some_and(|f| f.reason == Reason::Unroutable);
        if unroutable {
            return None;
        }
        if self.state == RunState::Sleeping {
            // What else there is beside what waits is decided already.
            self.steps.iter_mut().for_each(|step| step.each_mut(|step| step.hurry(now_ms)));
        } else {
            self.steps.iter_mut().for_each(StepRun::begin_again);
            self.state = RunState::Queued;
            self.failure = None;
            self.cancelling = None;
            self.deadline_ms = None;
            self.redrives += 1;
        }
        self.due_ms = Some(now_ms);
        self.finished_ms = None;
        Some((self, Self::acted(Kind::Redriven, actor, note, now_ms)))
    }

    /// Gives a sleeping run what one of its steps waits for; it goes on at once. `None` if the step
    /// does not wait for anything that could be given to it.
    #[must_use]
    pub fn resume(
        mut self,
        id: &str,
        spot: Spot,
        output: Json,
        by: &Word,
        now_ms: i64,
    ) -> Option<(Self, Entry)> {
        if self.state != RunState::Sleeping || !self.at(spot).is_some_and(StepRun::parked) {
            return None;
        }
        let entry = self.resumed(id, spot, output, by, now_ms)?;
        self.due_ms = Some(now_ms);
        Some((self, entry))
    }

    /// Has every step that waits for an event look once more whether it has come. Whoever gives
    /// events to those that wait may have passed the run over while it went to work or came back.
    pub fn look_again(&mut self, workflow: &Workflow, now_ms: i64) {
        for (at, step) in self.steps.iter_mut().zip(&workflow.steps) {
            if at.parked() && at.state == StepState::Waiting && matches!(step.task, Task::Await(_))
            {
                at.due_ms = Some(now_ms);
                self.due_ms = self.due_ms.map(|_| now_ms);
            }
        }
    }

    pub(super) fn resumed(
        &mut self,
        id: &str,
        spot: Spot,
        output: Json,
        by: &Word,
        now_ms: i64,
    ) -> Option<Entry> {
        let step = self.at_mut(spot)?;
        step.state = StepState::Done;
        step.due_ms = None;
        step.attempts = step.attempts.max(1);
        let mut entry = Self::acted(Kind::Done, &by.actor, by.note.as_deref(), now_ms);
        entry.step = Some(id.to_owned());
        entry.item = spot.item;
        entry.attempt = Some(step.attempts);
        entry.output = Some(output);
        Some(entry)
    }

    /// Takes the run out. What stays behind has no name, key and steps, and is of no use until a
    /// run is put in its place.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let husk = Self {
            workflow: String::new(),
            key: String::new(),
            steps: Vec::new(),
            failure: None,
            cancelling: None,
            admission: None,
            ..*self
        };
        std::mem::replace(self, husk)
    }

    /// Makes a new run dead before it starts, because whether or how to start it is not known.
    pub fn fail_at_birth(&mut self, failure: Failure, now_ms: i64) {
        self.failure = Some(RunFailure { reason: Reason::Unroutable, step: None, failure });
        self.end(RunState::Dead, now_ms);
    }

    /// Ends a run that cannot be worked on to its end, as a dead letter; gives what to write down.
    /// The first failure stays the reason, if a step has failed before. A call that may not be
    /// repeated blindly stays visible as `unknown`, which is the reason then.
    pub fn give_up(&mut self, failure: Failure, now_ms: i64) -> Entry {
        let intent = |step: &StepRun| step.state == StepState::Intent;
        let unknown = self.steps.iter().any(|step| intent(step) || step.items.iter().any(intent));
        let reason = if unknown { Reason::Unknown } else { Reason::Exhausted };
        let mut entry = Entry::new(Kind::Dead, now_ms);
        entry.failure = Some(failure.clone());
        self.failure.get_or_insert(RunFailure { reason, step: None, failure });
        self.end(RunState::Dead, now_ms);
        entry
    }

    /// The idempotency key of a step's calls: the same in every attempt, so that a provider that
    /// honours it acts once. Readable where the parts allow it, else hashed; at most 200 bytes.
    #[must_use]
    pub fn idempotency_key(&self, step: &str, generation: u32) -> String {
        let mut key = [&self.workflow, ":", &self.key, ":", step].concat();
        if key.len() > 180 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let hash = KeyHash::of(&["idempotency", &self.workflow, step], &self.key);
            let hex: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
            key = format!("postroom:{hex}");
        }
        if generation > 0 {
            // No name holds a `#`, so this is never the key of another step.
            key = format!("{key}#{generation}");
        }
        key
    }

    /// Ends the run. A call that may not be repeated blindly stays visible as `unknown`.
    pub(super) fn end(&mut self, state: RunState, now_ms: i64) {
        for step in &mut self.steps {
            if step.items.iter().any(|item| item.state == StepState::Intent) {
                step.state = StepState::Intent;
            }
            step.each_mut(|step| {
                step.give_up_waiting();
                match step.state {
                    StepState::Running => step.state = StepState::Pending,
                    StepState::Intent => step.state = StepState::Unknown,
                    _ => {}
                }
            });
        }
        self.state = state;
        self.due_ms = None;
        self.finished_ms = Some(now_ms);
    }

    pub(super) fn acted(kind: Kind, actor: &str, note: Option<&str>, now_ms: i64) -> Entry {
        let mut entry = Entry::new(kind, now_ms);
        entry.actor = Some(actor.to_owned());
        entry.note = note.map(str::to_owned);
        entry
    }
}
