//! What a person may want of a run, and what does not depend on its owner.

use super::{Reason, Run, RunFailure, RunState, StepRun, StepState};
use crate::id::KeyHash;
use crate::journal::{Entry, Kind};
use crate::outcome::Failure;

impl StepRun {
    /// A step that waits for another try will not get one any more.
    pub(super) fn give_up_waiting(&mut self) {
        if self.state == StepState::Waiting {
            self.state = StepState::Pending;
        }
        self.due_ms = None;
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
        let sleeping = self.state == RunState::Sleeping;
        for step in &mut self.steps {
            match step.state {
                StepState::Done | StepState::Skipped => {}
                StepState::Waiting if sleeping => step.due_ms = Some(now_ms),
                // What sleeps beside them is decided already.
                _ if sleeping => {}
                _ => *step = StepRun { generation: step.generation, ..StepRun::PENDING },
            }
        }
        if !sleeping {
            self.state = RunState::Queued;
            self.failure = None;
            self.redrives += 1;
        }
        self.due_ms = Some(now_ms);
        self.finished_ms = None;
        Some((self, Self::acted(Kind::Redriven, actor, note, now_ms)))
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
        let unknown = self.steps.iter().any(|step| step.state == StepState::Intent);
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
        let mut key = format!("{}:{}:{step}", self.workflow, self.key);
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
            step.give_up_waiting();
            match step.state {
                StepState::Running => step.state = StepState::Pending,
                StepState::Intent => step.state = StepState::Unknown,
                _ => {}
            }
        }
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
