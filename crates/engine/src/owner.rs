//! The owner of a run: takes it from state to state, starts its steps, writes down what became of
//! them before anything follows from it, and gives it back.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use postroom_core::journal::Kind;
use postroom_core::run::{self, Effect, Input, Report, RunState, advance};
use postroom_core::{Entry, Event, Json, Outcome, Run};
use postroom_store::{Arrival, Committed, Error, Fence, Lease, Transition};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{info, warn};

use crate::dispatch::Known;
use crate::step::{self, Attempt, Calling, Ended};
use crate::{Inner, unowned};

/// Room for a run.
pub(crate) struct Place {
    /// Held until a worker is free.
    pub ahead: OwnedSemaphorePermit,
    /// Held until the last commit is on disk.
    pub slot: OwnedSemaphorePermit,
}

/// Told once it is on disk.
type Written = oneshot::Sender<()>;

/// What an attempt wants written down while it goes on.
pub(crate) enum Note {
    /// A call that must not be repeated blindly is about to be made.
    Intent { step: usize, written: Written },
    /// One of several calls succeeded.
    Called { step: usize, call: String, output: Json, report: Report, written: Written },
}

/// A run lost to somebody else; what was not written is not to be done.
struct Lost;

/// The right to a run, with all that its owner knows of it.
pub(crate) struct Owner {
    inner: Arc<Inner>,
    known: Arc<Known>,
    event: Arc<Event>,
    fence: Fence,
    /// Transitions written under the fence.
    seq: u32,
    run: Run,
    /// Outputs of steps that are done.
    outputs: Vec<Option<Json>>,
    /// Results of calls already made by steps that are not done.
    called: Vec<Vec<(String, Json)>>,
    entries: Vec<Entry>,
    /// Events that steps have emitted, with the runs they start; written with `entries`.
    emits: Vec<Arrival>,
}

/// Works on a run whose definition is not in memory.
pub(crate) async fn fetch(inner: Arc<Inner>, lease: Lease, place: Place) {
    match inner.definitions.get(&inner, lease.run.definition).await {
        Ok(Ok(known)) => {
            let (owner, callings) = Owner::take_up(inner, known, lease);
            owner.work(callings, place).await;
        }
        Ok(Err(why)) => undefined(&inner, lease, why).await,
        Err(error) => {
            warn!(run = %lease.run.id, %error, "cannot read a definition; the run comes back");
            unowned::hand_back_later(&inner, lease.run.id, lease.fence).await;
        }
    }
}

/// Gives runs back that have come to rest: ended, or asleep until a time.
pub(crate) async fn give_back(mut owners: Vec<Owner>, slots: OwnedSemaphorePermit) {
    let written = Owner::write_all(&mut owners).await;
    for (owner, written) in owners.iter().zip(written) {
        if written.is_ok() {
            owner.report();
        }
    }
    drop(slots);
}

impl Owner {
    /// Takes a run as far as it goes without calling anybody. What has to be called comes back
    /// with it; if that is nothing, the run is at rest and is to be given back.
    pub fn take_up(inner: Arc<Inner>, known: Arc<Known>, lease: Lease) -> (Self, Vec<Calling>) {
        let workflow = &known.workflow;
        let mut outputs = vec![None; workflow.steps.len()];
        let mut called = vec![Vec::new(); workflow.steps.len()];
        for entry in lease.journal {
            let Some(step) = entry.step.as_deref().and_then(|id| workflow.step(id)) else {
                // A refused request that is sent out again may be a corrected one: its calls are
                // made anew. The keys of those that succeeded make the provider answer the same.
                if entry.kind == Kind::Redriven {
                    called.iter_mut().for_each(Vec::clear);
                }
                continue;
            };
            match (entry.kind, entry.call) {
                (Kind::Done, _) => outputs[step] = entry.output,
                (Kind::Called, Some(call)) => called[step].extend(entry.output.map(|o| (call, o))),
                _ => {}
            }
        }
        let (run, event, fence) = (lease.run, lease.event, lease.fence);
        let (seq, entries, emits) = (0, Vec::new(), Vec::new());
        let mut owner =
            Self { inner, known, event, fence, seq, run, outputs, called, entries, emits };
        let callings = owner.proceed(Input::Start);
        (owner, callings)
    }

    /// Works on the run until it is at rest or lost.
    pub async fn work(mut self, mut callings: Vec<Calling>, place: Place) {
        let worker = match callings.is_empty() {
            true => None,
            false => match self.worker().await {
                Some(worker) => Some(worker),
                None => return,
            },
        };
        drop(place.ahead);
        let (notes, mut noted) = mpsc::channel(8);
        let mut attempts = FuturesUnordered::new();
        while self.run.state == RunState::Running {
            if !self.entries.is_empty() && self.write().await.is_err() {
                return;
            }
            for calling in callings.drain(..) {
                attempts.push(step::finish(calling, notes.clone()));
            }
            let next_due_ms = self.run.next_due_ms().unwrap_or(i64::MAX);
            tokio::select! {
                // What happens first is told first, the same way every time.
                biased;
                Some(ended) = attempts.next() => callings = self.settle(ended),
                Some(note) = noted.recv() => {
                    if self.note(*note).await.is_err() {
                        return;
                    }
                }
                () = self.inner.clock.sleep_until(next_due_ms) => {
                    callings = self.proceed(Input::Tick);
                }
                () = self.heartbeat() => {
                    if !self.extend().await {
                        return;
                    }
                }
            }
        }
        // The worker is free for others while the last commit is on its way.
        drop(worker);
        give_back(vec![self], place.slot).await;
    }

    /// Waits for a free worker. `None` if the right to the run was lost meanwhile, or the engine
    /// stops; the run is given back then.
    async fn worker(&self) -> Option<OwnedSemaphorePermit> {
        let inner = &*self.inner;
        let claimed_ms = inner.clock.now_ms();
        let worker = tokio::select! {
            biased;
            () = inner.stopping.cancelled() => {
                unowned::hand_back(inner, self.run.id, self.fence).await;
                return None;
            }
            worker = Arc::clone(&inner.workers).acquire_owned() => worker.ok()?,
        };
        if inner.clock.now_ms() - claimed_ms < inner.settings.lease_ms / 3 {
            return Some(worker);
        }
        // It waited long enough for somebody else to have it by now.
        self.extend().await.then_some(worker)
    }

    fn settle(&mut self, ended: Ended) -> Vec<Calling> {
        let input = self.ended(ended);
        self.proceed(input)
    }

    fn ended(&mut self, ended: Ended) -> Input {
        if let Outcome::Done { output } = &ended.outcome {
            self.outputs[ended.step] = Some(output.clone());
        }
        self.emits.extend(ended.emits);
        Input::Ended {
            step: ended.step,
            outcome: ended.outcome,
            chance: self.inner.entropy.chance(),
            report: ended.report,
        }
    }

    /// Takes the run an input further, and on through every step that calls nobody.
    fn proceed(&mut self, input: Input) -> Vec<Calling> {
        let mut callings = Vec::new();
        let mut effects = VecDeque::from(self.advance(input));
        while let Some(Effect::Call { step, attempt }) = effects.pop_front() {
            match step::begin(self.attempt(step, attempt)) {
                Ok(at_once) => {
                    let input = self.ended(at_once);
                    effects.extend(self.advance(input));
                }
                Err(calling) => callings.push(*calling),
            }
        }
        callings
    }

    fn advance(&mut self, input: Input) -> Vec<Effect> {
        let now_ms = self.inner.clock.now_ms();
        let next = advance(self.run.take(), &self.known.workflow, input, now_ms);
        self.run = next.run;
        self.entries.extend(next.entries);
        next.effects
    }

    fn attempt(&self, step: usize, attempt: u32) -> Attempt {
        Attempt {
            inner: Arc::clone(&self.inner),
            known: Arc::clone(&self.known),
            event: Arc::clone(&self.event),
            run: self.run.clone(),
            outputs: self.outputs.clone(),
            called: self.called[step].clone(),
            step,
            attempt,
        }
    }

    async fn note(&mut self, note: Note) -> Result<(), Lost> {
        let written = match note {
            Note::Intent { step, written } => {
                self.advance(Input::Intent { step });
                written
            }
            Note::Called { step, call, output, report, written } => {
                self.called[step].push((call.clone(), output.clone()));
                self.advance(Input::Called { step, report, call, output });
                written
            }
        };
        self.write().await?;
        // The attempt may have run out of time meanwhile.
        let _ = written.send(());
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Lost> {
        Self::write_all(std::slice::from_mut(self)).await.pop().unwrap_or(Err(Lost))
    }

    /// Writes runs down. Goes on trying while the store cannot write: what a step has done must not
    /// be forgotten. Says of each whether it was still held.
    async fn write_all(owners: &mut [Self]) -> Vec<Result<(), Lost>> {
        let Some(inner) = owners.first().map(|owner| Arc::clone(&owner.inner)) else {
            return Vec::new();
        };
        loop {
            let transitions = owners.iter().map(Self::transition).collect();
            let error = match inner.store.commit(transitions).await {
                Ok(committed) => {
                    let each = owners.iter_mut().zip(committed);
                    return each.map(|(owner, committed)| owner.committed(committed)).collect();
                }
                Err(Error::Closed) => return owners.iter().map(|_| Err(Lost)).collect(),
                Err(error) => error,
            };
            for owner in &*owners {
                warn!(
                    run = %owner.run.id,
                    correlation_id = owner.event.correlation,
                    %error,
                    "cannot write the run down; trying again"
                );
                let _ = owner.extend().await;
            }
            inner.clock.sleep_until(inner.clock.now_ms() + 500).await;
        }
    }

    fn transition(&self) -> Transition {
        Transition {
            run: self.run.clone(),
            fence: self.fence,
            seq: self.seq + 1,
            entries: self.entries.clone(),
            emits: self.emits.clone(),
        }
    }

    fn committed(&mut self, committed: Committed) -> Result<(), Lost> {
        self.entries.clear();
        self.emits.clear();
        self.seq += 1;
        if committed == Committed::Written {
            return Ok(());
        }
        info!(
            run = %self.run.id,
            workflow = self.run.workflow,
            correlation_id = self.event.correlation,
            "the run was taken by somebody else; what it was doing is not written"
        );
        Err(Lost)
    }

    /// Counts and logs what a run came to, once that is on disk.
    fn report(&self) {
        if self.run.state.ended() {
            self.known.signals.finished(self.run.state).inc();
        }
        if let (Some(failure), RunState::Dead) = (&self.run.failure, self.run.state) {
            self.inner.signals.died(&self.run);
            warn!(
                run = %self.run.id,
                workflow = self.run.workflow,
                correlation_id = self.event.correlation,
                step = failure.step,
                reason = failure.reason.name(),
                code = failure.failure.code,
                "the run is a dead letter: {}",
                failure.failure.message
            );
        }
    }

    async fn heartbeat(&self) {
        let beat_ms = self.inner.settings.lease_ms / 3;
        self.inner.clock.sleep_until(self.inner.clock.now_ms() + beat_ms).await;
    }

    async fn extend(&self) -> bool {
        let (now_ms, lease_ms) = (self.inner.clock.now_ms(), self.inner.settings.lease_ms);
        let held = vec![(self.run.id, self.fence)];
        let held = self.inner.store.extend(held, lease_ms, now_ms).await;
        // A store that cannot answer has not said that the run is lost.
        held.map_or(true, |held| held.first().copied().unwrap_or(true))
    }
}

/// A run whose definition cannot be had dies visibly.
async fn undefined(inner: &Inner, lease: Lease, why: String) {
    let now_ms = inner.clock.now_ms();
    let mut run = lease.run;
    let failure = postroom_core::Failure::new("run/definition-missing", why)
        .with_hint("redrive it onto the newest version of its workflow");
    run.fail_at_birth(failure.clone(), now_ms);
    if let Some(dead) = &mut run.failure {
        dead.reason = run::Reason::Refused;
    }
    let mut entry = Entry::new(Kind::Dead, now_ms);
    entry.failure = Some(failure);
    let (id, fence) = (run.id, lease.fence);
    let transition = Transition { run, fence, seq: 1, entries: vec![entry], emits: Vec::new() };
    if let Err(error) = inner.store.commit(vec![transition]).await {
        warn!(run = %id, %error, "cannot write a run down; it comes back");
        unowned::hand_back_later(inner, id, fence).await;
    }
}
