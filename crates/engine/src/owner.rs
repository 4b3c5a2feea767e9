//! The owner of a run: takes it from state to state, starts its steps, writes down what became of
//! them before anything follows from it, and gives it back.

mod memory;
mod registry;
mod room;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use postroom_core::journal::Kind;
use postroom_core::run::{self, Effect, Input, Report, RunState, Spot, StepRun, Word, advance};
use postroom_core::{Entry, Event, Json, Outcome, Run};
use postroom_store::{Arrival, Committed, Error, Fence, Lease, Transition};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{debug, info, warn};

use crate::dispatch::Known;
use crate::step::{self, Attempt, Ended, Work};
use crate::{Inner, policy, unowned};

pub(crate) use memory::{Child, Memory};
pub(crate) use registry::Owned;

/// Room for a run.
pub(crate) struct Place {
    /// Held until a worker is free.
    pub ahead: OwnedSemaphorePermit,
    /// Held until the last commit is on disk.
    pub slot: OwnedSemaphorePermit,
}

/// Told once it is on disk.
type Written = oneshot::Sender<()>;

/// Told what became of the run once that is on disk; never told if it came too late.
type Told = oneshot::Sender<Run>;

/// What an owner is told while steps are under way.
pub(crate) enum Note {
    /// A call that must not be repeated blindly is about to be made.
    Intent { spot: Spot, written: Written },
    /// One of several calls succeeded.
    Called { spot: Spot, call: String, output: Json, report: Report, written: Written },
    /// What a step waits for has come.
    Resume { spot: Spot, output: Json, by: Word, told: Told },
    /// Somebody ends the run; only while a step asks, if it is an answer to that.
    Cancel { word: Word, asked: Option<Spot>, told: Told },
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
    /// Where it stands among those that wait for a worker.
    place_ms: i64,
    run: Run,
    memory: Memory,
    entries: Vec<Entry>,
    /// Events that steps have emitted, with the runs they start; written with `entries`.
    emits: Vec<Arrival>,
    /// Attempts that are to be cut off.
    aborts: Vec<Spot>,
    /// Who is told once the next commit is on disk.
    told: Vec<Told>,
}

/// Works on a run whose definition is not in memory, or about whose start policies have a say.
pub(crate) async fn fetch(
    inner: Arc<Inner>,
    lease: Lease,
    place: Place,
    turn: Option<policy::Turn>,
) {
    match inner.definitions.get(&inner, lease.run.definition).await {
        Ok(Ok(known)) => {
            let Some(lease) = policy::admit(&inner, &known, lease, turn).await else { return };
            let (owner, work) = Owner::take_up(inner, known, lease);
            owner.work(work, place).await;
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
    for owner in &mut owners {
        // It was written down as at work meanwhile, and then found neither there nor asleep.
        if owner.seq > 0 && owner.run.state == RunState::Sleeping {
            let now_ms = owner.inner.clock.now_ms();
            owner.run.look_again(&owner.known.workflow, now_ms);
        }
    }
    let written = Owner::write_all(&mut owners).await;
    drop(slots);
    for (owner, written) in owners.iter().zip(written) {
        if written.is_ok() {
            owner.report();
            owner.inner.tell_caller(&owner.run, &owner.event).await;
        }
    }
}

impl Owner {
    /// Takes a run as far as it goes without calling anybody. What is left to do comes back with
    /// it; if that is nothing, the run is at rest and is to be given back.
    pub fn take_up(inner: Arc<Inner>, known: Arc<Known>, lease: Lease) -> (Self, Vec<Work>) {
        let memory = Memory::of(&known.workflow, lease.journal);
        let (run, event, fence) = (lease.run, lease.event, lease.fence);
        let (seq, place_ms, entries, emits) = (0, run.place_ms(), Vec::new(), Vec::new());
        let (aborts, told) = (Vec::new(), Vec::new());
        let mut owner = Self {
            inner,
            known,
            event,
            fence,
            seq,
            place_ms,
            run,
            memory,
            entries,
            emits,
            aborts,
            told,
        };
        let work = owner.proceed(Input::Start);
        (owner, work)
    }

    /// Works on the run until it is at rest or lost.
    pub async fn work(mut self, mut work: Vec<Work>, place: Place) {
        let (notes, mut noted) = mpsc::channel(8);
        let owned = self.inner.owned.enter(self.run.id, self.fence, notes.clone());
        let Ok(worker) = self.worker(&mut work, &mut noted).await else { return };
        drop(place.ahead);
        let mut attempts = FuturesUnordered::new();
        let mut handles: BTreeMap<Spot, AbortHandle> = BTreeMap::new();
        while self.run.state == RunState::Running {
            if !self.entries.is_empty() && self.write().await.is_err() {
                return;
            }
            for spot in self.aborts.drain(..) {
                handles.remove(&spot).inspect(AbortHandle::abort);
            }
            for work in work.drain(..) {
                let (handle, registration) = AbortHandle::new_pair();
                handles.insert(work.spot(), handle);
                attempts.push(Abortable::new(step::finish(work, notes.clone()), registration));
            }
            let next_due_ms = self.run.next_due_ms().unwrap_or(i64::MAX);
            tokio::select! {
                // What happens first is told first, the same way every time.
                biased;
                // What was cut off has nothing to say.
                Some(ended) = attempts.next() => if let Ok(ended) = ended {
                    work = self.settle(ended);
                },
                Some(note) = noted.recv() => match self.note(*note).await {
                    Ok(follows) => work = follows,
                    Err(Lost) => return,
                },
                () = self.inner.clock.sleep_until(next_due_ms) => {
                    work = self.proceed(Input::Tick);
                }
                () = self.heartbeat() => {
                    if !self.extend().await {
                        return;
                    }
                }
            }
        }
        drop(owned);
        // The worker is free for others while the last commit is on its way.
        drop(worker);
        give_back(vec![self], place.slot).await;
    }

    fn settle(&mut self, ended: Ended) -> Vec<Work> {
        let input = self.ended(ended);
        self.proceed(input)
    }

    fn ended(&mut self, ended: Ended) -> Input {
        let Ended { spot, outcome, report, emits, list } = ended;
        if let Outcome::Done { output } = &outcome {
            self.memory.done(spot, Some(output.clone()));
        }
        if let Some(list) = list {
            self.memory.keep_list(spot.step, list);
        }
        if let Some(child) = report.child {
            self.memory.waits_for(spot, Child { run: child, dry: report.dry });
        }
        self.emits.extend(emits);
        Input::Ended { spot, outcome, chance: self.inner.entropy.chance(), report }
    }

    /// Takes the run an input further, and on through every step that calls nobody.
    fn proceed(&mut self, input: Input) -> Vec<Work> {
        let mut work: Vec<Work> = Vec::new();
        let mut effects = VecDeque::from(self.advance(input));
        while let Some(effect) = effects.pop_front() {
            let (spot, attempt) = match effect {
                // It was cut off before it began.
                Effect::Call { spot, .. } if !self.run.at(spot).is_some_and(StepRun::open) => {
                    continue;
                }
                Effect::Call { spot, attempt } => (spot, attempt),
                Effect::Abort { spot } => {
                    work.retain(|work| work.spot() != spot);
                    self.aborts.push(spot);
                    continue;
                }
            };
            let begun = self.attempt(spot, attempt).map_or_else(|ended| Ok(*ended), step::begin);
            match begun {
                Ok(at_once) => {
                    let input = self.ended(at_once);
                    effects.extend(self.advance(input));
                }
                Err(left) => work.push(left),
            }
        }
        work
    }

    fn advance(&mut self, input: Input) -> Vec<Effect> {
        let now_ms = self.inner.clock.now_ms();
        let next = advance(self.run.take(), &self.known.workflow, input, now_ms);
        self.run = next.run;
        match self.entries.is_empty() {
            true => self.entries = next.entries,
            false => self.entries.extend(next.entries),
        }
        next.effects
    }

    /// The next attempt of a step, or how it ended because there is no item for it.
    fn attempt(&mut self, spot: Spot, attempt: u32) -> Result<Attempt, Box<Ended>> {
        let item = match self.item(spot) {
            Ok(item) => item,
            Err(outcome) => {
                let report = Report::default();
                let ended = Ended { spot, outcome, report, emits: None, list: None };
                return Err(Box::new(ended));
            }
        };
        Ok(Attempt {
            inner: Arc::clone(&self.inner),
            known: Arc::clone(&self.known),
            event: Arc::clone(&self.event),
            run: self.run.clone(),
            outputs: self.memory.outputs.clone(),
            called: self.memory.calls(spot),
            spot,
            attempt,
            item,
            child: self.memory.child(spot),
        })
    }

    /// The item that an attempt is about; for a step whose items are all over, what they came to.
    fn item(&mut self, spot: Spot) -> Result<Option<Json>, Outcome> {
        let Some(each) = &self.known.workflow.steps[spot.step].each else { return Ok(None) };
        let count = self.run.steps.get(spot.step).map_or(0, |step| step.items.len());
        let Some(item) = spot.item else {
            let gathered = (count > 0).then(|| self.memory.gathered(spot.step, count));
            return Ok(gathered.and_then(|text| Json::parse(text).ok()));
        };
        let list = match self.memory.list(spot.step) {
            Some(list) => list,
            None => {
                let view = step::View {
                    event: &self.event,
                    run: &self.run,
                    workflow: &self.known.workflow,
                    outputs: &self.memory.outputs,
                    item: None,
                    arrived: None,
                };
                let list = Arc::new(view.list(spot.step, each)?);
                self.memory.keep_list(spot.step, Arc::clone(&list));
                list
            }
        };
        match list.get(item).filter(|_| list.len() == count) {
            Some(item) => Ok(Some(item.clone())),
            None => Err(step::other_list(&self.known.workflow.steps[spot.step], count, list.len())),
        }
    }

    async fn note(&mut self, note: Note) -> Result<Vec<Work>, Lost> {
        let (input, written) = match note {
            Note::Intent { spot, written } => (Input::Intent { spot }, written),
            Note::Called { spot, call, output, report, written } => {
                if !report.dry {
                    self.memory.called(spot, call.clone(), output.clone());
                }
                (Input::Called { spot, report, call, output }, written)
            }
            Note::Resume { spot, output, by, told } => {
                if !self.run.at(spot).is_some_and(StepRun::parked) {
                    return Ok(Vec::new());
                }
                self.memory.done(spot, Some(output.clone()));
                self.told.push(told);
                self.aborts.push(spot);
                return Ok(self.proceed(Input::Resumed { spot, output, by }));
            }
            Note::Cancel { word, asked, told } => {
                let asks = |spot| self.run.at(spot).is_some_and(StepRun::parked);
                if !asked.is_none_or(asks) {
                    return Ok(Vec::new());
                }
                if self.run.cancelling.is_some() {
                    // That it is to end is on disk already.
                    let _ = told.send(self.run.clone());
                    return Ok(Vec::new());
                }
                self.told.push(told);
                return Ok(self.proceed(Input::Cancel(word)));
            }
        };
        let work = self.proceed(input);
        self.write().await?;
        // The attempt may have run out of time meanwhile.
        let _ = written.send(());
        Ok(work)
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
            for told in self.told.drain(..) {
                let _ = told.send(self.run.clone());
            }
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
            debug!(
                run = %self.run.id,
                workflow = self.run.workflow,
                correlation_id = self.event.correlation,
                state = self.run.state.name(),
                took_ms = self.run.finished_ms.map(|at_ms| at_ms - self.run.created_ms),
                "run ended"
            );
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
        unowned::still_held(&self.inner, self.run.id, self.fence).await
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
    unowned::write(inner, run, lease.fence, vec![entry]).await;
}
