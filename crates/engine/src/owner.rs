//! The owner of a run: takes it from state to state, starts its steps, writes down what became of
//! them before anything follows from it, and gives it back.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use postroom_core::journal::Kind;
use postroom_core::run::{self, Effect, Input, Report, RunState, advance};
use postroom_core::{Entry, Event, Json, Run, Workflow};
use postroom_store::{Committed, Error, Fence, Lease, Transition};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{info, warn};

use crate::Inner;
use crate::signals::{DeadLabels, RunLabels};
use crate::step::{self, Attempt, Ended};

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

struct Owner {
    inner: Arc<Inner>,
    workflow: Arc<Workflow>,
    event: Arc<Event>,
    fence: Fence,
    run: Run,
    /// Outputs of steps that are done.
    outputs: Vec<Option<Json>>,
    /// Results of calls already made by steps that are not done.
    called: Vec<Vec<(String, Json)>>,
    entries: Vec<Entry>,
}

/// Works on a run until it has ended, sleeps, or is lost.
pub(crate) async fn run(inner: Arc<Inner>, lease: Lease, place: Place) {
    let Some(worker) = worker(&inner, &lease).await else { return };
    drop(place.ahead);
    let workflow = match inner.definitions.get(&inner, lease.run.definition).await {
        Ok(Ok(workflow)) => workflow,
        Ok(Err(why)) => return undefined(&inner, lease, why).await,
        // The lease ends by itself and the run comes back.
        Err(error) => return warn!(run = %lease.run.id, %error, "cannot read a definition"),
    };
    Owner::new(inner, workflow, lease).work(worker, place.slot).await;
}

/// Waits for a free worker. `None` if the right to the run was lost meanwhile, or the engine
/// stops; the run is given back then.
async fn worker(inner: &Inner, lease: &Lease) -> Option<OwnedSemaphorePermit> {
    let claimed_ms = inner.clock.now_ms();
    let worker = tokio::select! {
        biased;
        () = inner.stopping.cancelled() => {
            // Given back by ending the lease; if that fails it ends by itself.
            let _ = inner.store.extend(vec![(lease.run.id, lease.fence)], claimed_ms).await;
            return None;
        }
        worker = Arc::clone(&inner.workers).acquire_owned() => worker.ok()?,
    };
    let now_ms = inner.clock.now_ms();
    if now_ms - claimed_ms < inner.settings.lease_ms / 3 {
        return Some(worker);
    }
    // It waited long enough for somebody else to have it by now.
    let until_ms = now_ms + inner.settings.lease_ms;
    let held = inner.store.extend(vec![(lease.run.id, lease.fence)], until_ms).await;
    (held.ok()?.first() == Some(&true)).then_some(worker)
}

impl Owner {
    fn new(inner: Arc<Inner>, workflow: Arc<Workflow>, lease: Lease) -> Self {
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
        Self { inner, workflow, event, fence, run, outputs, called, entries: Vec::new() }
    }

    async fn work(mut self, worker: OwnedSemaphorePermit, slot: OwnedSemaphorePermit) {
        // Made when the first call is: runs that call nobody need none.
        let mut notes: Option<Notes> = None;
        let mut attempts = FuturesUnordered::new();
        let mut ended = VecDeque::new();
        let mut effects = self.advance(Input::Start);
        loop {
            if self.run.state != RunState::Running {
                // The worker is free for others while the last commit is on its way.
                drop(worker);
                self.give_back().await;
                drop(slot);
                return;
            }
            if !self.entries.is_empty() && self.write().await.is_err() {
                return;
            }
            for Effect::Call { step, attempt } in effects.drain(..) {
                match step::begin(self.attempt(step, attempt)) {
                    Ok(at_once) => ended.push_back(at_once),
                    Err(calling) => {
                        let (notes, _) = notes.get_or_insert_with(|| mpsc::channel(8));
                        attempts.push(step::finish(calling, notes.clone()));
                    }
                }
            }
            if let Some(ended) = ended.pop_front() {
                effects = self.ended(ended);
                continue;
            }
            let next_due_ms = self.run.next_due_ms().unwrap_or(i64::MAX);
            tokio::select! {
                // What happens first is told first, the same way every time.
                biased;
                Some(ended) = attempts.next() => effects = self.ended(ended),
                Some(note) = next_note(&mut notes) => {
                    if self.note(*note).await.is_err() {
                        return;
                    }
                }
                () = self.inner.clock.sleep_until(next_due_ms) => {
                    effects = self.advance(Input::Tick);
                }
                () = self.heartbeat() => {
                    if !self.extend().await {
                        return;
                    }
                }
            }
        }
    }

    fn ended(&mut self, ended: Ended) -> Vec<Effect> {
        if let postroom_core::Outcome::Done { output } = &ended.outcome {
            self.outputs[ended.step] = Some(output.clone());
        }
        self.advance(Input::Ended {
            step: ended.step,
            outcome: ended.outcome,
            chance: self.inner.entropy.chance(),
            report: ended.report,
        })
    }

    fn advance(&mut self, input: Input) -> Vec<Effect> {
        let now_ms = self.inner.clock.now_ms();
        let next = advance(self.run.clone(), &self.workflow, input, now_ms);
        self.run = next.run;
        self.entries.extend(next.entries);
        next.effects
    }

    fn attempt(&self, step: usize, attempt: u32) -> Attempt {
        Attempt {
            inner: Arc::clone(&self.inner),
            workflow: Arc::clone(&self.workflow),
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

    /// Writes the run down and keeps it. Goes on trying while the store cannot write: what a step
    /// has done must not be forgotten.
    async fn write(&mut self) -> Result<(), Lost> {
        let entries = std::mem::take(&mut self.entries);
        loop {
            let (run, fence, entries) = (self.run.clone(), self.fence, entries.clone());
            let transition = Transition { run, fence, entries, emits: Vec::new() };
            match self.inner.store.commit(vec![transition]).await.map(|mut c| c.pop()) {
                Ok(Some(Committed::Written)) => return Ok(()),
                Ok(_) => {
                    info!(
                        run = %self.run.id,
                        workflow = self.run.workflow,
                        correlation_id = self.event.correlation,
                        "the run was taken by somebody else; what it was doing is not written"
                    );
                    return Err(Lost);
                }
                Err(Error::Closed) => return Err(Lost),
                Err(error) => {
                    warn!(
                        run = %self.run.id,
                        correlation_id = self.event.correlation,
                        %error,
                        "cannot write the run down; trying again"
                    );
                    let _ = self.extend().await;
                    self.inner.clock.sleep_until(self.inner.clock.now_ms() + 500).await;
                }
            }
        }
    }

    async fn give_back(mut self) {
        if self.write().await.is_err() {
            return;
        }
        let signals = &self.inner.signals;
        if self.run.state.ended() {
            let labels =
                RunLabels { workflow: self.run.workflow.clone(), state: self.run.state.name() };
            signals.runs_finished.get_or_create(&labels).inc();
        }
        if let (Some(failure), RunState::Dead) = (&self.run.failure, self.run.state) {
            let workflow = self.run.workflow.clone();
            let labels = DeadLabels { workflow, reason: failure.reason.name() };
            signals.dead_letters.get_or_create(&labels).inc();
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
        let until_ms = self.inner.clock.now_ms() + self.inner.settings.lease_ms;
        let held = self.inner.store.extend(vec![(self.run.id, self.fence)], until_ms).await;
        // A store that cannot answer has not said that the run is lost.
        held.map_or(true, |held| held.first().copied().unwrap_or(true))
    }
}

type Notes = (mpsc::Sender<Box<Note>>, mpsc::Receiver<Box<Note>>);

/// The next note of an attempt; never, while there is none that could send one.
async fn next_note(notes: &mut Option<Notes>) -> Option<Box<Note>> {
    match notes {
        Some((_, noted)) => noted.recv().await,
        None => std::future::pending().await,
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
    let transition =
        Transition { run, fence: lease.fence, entries: vec![entry], emits: Vec::new() };
    if let Err(error) = inner.store.commit(vec![transition]).await {
        warn!(%error, "cannot write a run down; it comes back when its lease ends");
    }
}
