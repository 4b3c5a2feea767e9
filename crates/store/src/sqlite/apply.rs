//! What each request does: first, decided from memory, to the log; then, once that is on disk, to
//! the schedule and to whoever asked.

use std::collections::HashMap;

use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::trigger::Start;
use postroom_core::{EventId, Run, RunId};
use rusqlite::Connection;

use super::backlog::Task;
use super::lines::{self, EventLine, Line, MoveLine, Name, StartLine};
use super::rows::{self, corrupt, state_number};
use super::writer::{Deliver, Overlay, Request, Unapplied};
use super::{Shared, read};
use crate::schedule::{Gate, Held, Waiting};
use crate::{
    Arrival, Committed, Count, Counted, Error, Fence, Order, Ordered, Recorded, Transition,
};

/// What applying a request came to.
pub(super) enum Applied {
    Recorded(Vec<Recorded>),
    /// With what became of emitted events, if it was written now.
    Committed(Vec<(Committed, Option<Vec<Recorded>>)>),
    /// With whether the run waited before, and its concurrency key.
    Ordered(Ordered, bool, Option<Gate>),
    Counted(Counted),
    Reaped(Vec<Waiting>),
    /// With whether each was held.
    GivenBack(Vec<bool>, Vec<Waiting>),
    Done,
}

/// What a transition is, by its number under its fence.
enum Turn {
    /// The next one, of a run with this state and so many journal rows on disk.
    Next(RunState, u32),
    /// The one that was written last.
    Again,
    /// None that may be written.
    Lost,
}

/// A group of requests being decided about. Memory is read, never changed.
pub(super) struct Group<'a> {
    /// Reads the tables, for what memory does not hold.
    pub reader: &'a Connection,
    pub shared: &'a Shared,
    pub unapplied: &'a Unapplied,
    pub overlay: &'a mut Overlay,
    /// What is to be written.
    pub frame: &'a mut Vec<u8>,
}

impl Group<'_> {
    /// Decides about one request and adds what follows to the frame.
    pub fn apply(&mut self, request: &Request) -> Result<Applied, Error> {
        Ok(match request {
            Request::Record(arrivals, _) => Applied::Recorded(self.record(arrivals)?),
            Request::Commit(transitions, _) => {
                let each = transitions.iter().map(|transition| self.commit(transition));
                Applied::Committed(each.collect::<Result<_, _>>()?)
            }
            Request::Control(order, _) => self.control(order)?,
            Request::Count(counts, now_ms, _) => Applied::Counted(self.count(counts, *now_ms)?),
            Request::Define(hash, name, stored, _) => {
                self.line(&Line::Define { hash: hash.0, name, stored })?;
                Applied::Done
            }
            Request::Reap(now_ms, _) => Applied::Reaped(self.reap(*now_ms)),
            Request::GiveBack { held, now_ms, delay_ms, .. } => {
                self.give_back(held, *now_ms, *delay_ms)
            }
            Request::Prune(..) => Applied::Done,
            Request::Bury(id, reason, now_ms) => {
                self.bury(*id, reason, *now_ms)?;
                Applied::Done
            }
        })
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), Error> {
        lines::write(line, self.frame)
    }

    fn seen(&self, key: KeyHash, now_ms: i64) -> Option<[u8; 16]> {
        match self.overlay.keys.get(&key) {
            Some((target, until_ms)) => (*until_ms > now_ms).then_some(*target),
            None => self.shared.keys.lock().get(key, now_ms),
        }
    }

    fn record(&mut self, arrivals: &[Arrival]) -> Result<Vec<Recorded>, Error> {
        arrivals.iter().map(|arrival| self.arrival(arrival)).collect()
    }

    fn arrival(&mut self, arrival: &Arrival) -> Result<Recorded, Error> {
        let event = &arrival.event;
        let first = arrival.dedupe.and_then(|key| self.seen(key, event.received_ms));
        // Its own id is there already if its reply was lost and it comes again.
        for id in first.into_iter().chain([event.id.0]) {
            if let Some(correlation) = self.recorded(id)? {
                return Ok(Recorded::Duplicate { event: EventId(id), correlation });
            }
        }
        let until_ms = arrival.dedupe_until_ms;
        let key = arrival.dedupe.map(|key| (key.0, until_ms));
        self.line(&Line::Event(EventLine::new(event, arrival.starts.len(), key)?))?;
        self.overlay.events.insert(event.id.0);
        if let Some(key) = arrival.dedupe {
            self.overlay.keys.insert(key, (event.id.0, until_ms));
        }
        let (mut runs, mut deduplicated) = (Vec::new(), Vec::new());
        for start in &arrival.starts {
            match start.dedupe.and_then(|key| self.seen(key, event.received_ms)) {
                Some(first) => deduplicated.push((start.run.workflow.clone(), RunId(first))),
                None if runs.contains(&start.run.id) => {
                    return Err(corrupt("event", &format!("it starts {} twice", start.run.id)));
                }
                None => {
                    self.start(start, start.dedupe_until_ms.unwrap_or(until_ms))?;
                    runs.push(start.run.id);
                }
            }
        }
        Ok(Recorded::New { runs, deduplicated })
    }

    /// The correlation id of an event that was recorded before; empty while only the log has it.
    fn recorded(&self, id: Name) -> Result<Option<String>, Error> {
        if self.overlay.events.contains(&id) || self.unapplied.contains(&id) {
            return Ok(Some(String::new()));
        }
        if id > self.unapplied.floor {
            return Ok(None);
        }
        read::correlation(self.reader, id)
    }

    fn start(&mut self, start: &Start, until_ms: i64) -> Result<(), Error> {
        let key = start.dedupe.map(|key| (key.0, until_ms));
        self.line(&Line::Start(StartLine::new(start, key)?))?;
        if let Some(key) = start.dedupe {
            self.overlay.keys.insert(key, (start.run.id.0, until_ms));
        }
        self.count_state(None, start.run.state);
        Ok(())
    }

    fn count_state(&mut self, from: Option<RunState>, to: RunState) {
        let index = |state| usize::from(state_number(state));
        if let Some(from) = from {
            self.overlay.tally[index(from)] -= 1;
        }
        self.overlay.tally[index(to)] += 1;
    }

    /// Whether a transition is to be written: it has to follow the last one under its fence.
    fn turn(&self, transition: &Transition) -> Turn {
        let (id, fence, seq) = (transition.run.id, transition.fence, transition.seq);
        let again = |last| if last == Some(seq) && seq > 0 { Turn::Again } else { Turn::Lost };
        if let Some(gone) = self.overlay.gone.get(&id) {
            return again(gone.filter(|(last, _)| *last == fence).map(|(_, seq)| seq));
        }
        let mut schedule = self.shared.schedule.lock();
        let Some(held) = schedule.held(id) else { return again(schedule.past(id, fence)) };
        if held.fence != fence {
            return Turn::Lost;
        }
        let kept = self.overlay.kept.get(&id).copied();
        let last = kept.unwrap_or(held.seq);
        if seq.checked_sub(1) != Some(last) {
            return again(Some(last));
        }
        let stored = if kept.is_some() { RunState::Running } else { held.stored };
        Turn::Next(stored, self.overlay.rows.get(&id).copied().unwrap_or(held.rows))
    }

    fn commit(
        &mut self,
        transition: &Transition,
    ) -> Result<(Committed, Option<Vec<Recorded>>), Error> {
        let run = &transition.run;
        let (stored, rows) = match self.turn(transition) {
            Turn::Next(stored, rows) => (stored, rows),
            Turn::Again => return Ok((Committed::Written, None)),
            Turn::Lost => return Ok((Committed::Stale, None)),
        };
        self.line(&Line::Move(MoveLine::of(transition, state_number(stored), rows)?))?;
        if !transition.entries.is_empty() {
            self.overlay.rows.insert(run.id, rows + 1);
        }
        self.count_state(Some(stored), run.state);
        match run.state {
            RunState::Running => drop(self.overlay.kept.insert(run.id, transition.seq)),
            _ => drop(self.overlay.gone.insert(run.id, Some((transition.fence, transition.seq)))),
        }
        Ok((Committed::Written, Some(self.record(&transition.emits)?)))
    }

    /// Whether somebody works on a run, as far as this group has got.
    fn is_held(&self, id: RunId) -> bool {
        !self.overlay.gone.contains_key(&id) && self.shared.schedule.lock().held(id).is_some()
    }

    fn control(&mut self, order: &Order) -> Result<Applied, Error> {
        let Some(loaded) = rows::load(self.reader, order.run)? else {
            return Ok(Applied::Ordered(Ordered::Missing, false, None));
        };
        let before = loaded.run.state;
        let held = self.is_held(order.run);
        let changed = order.carry_out(loaded.run.clone(), held);
        let Some((run, entry)) = changed else {
            return Ok(Applied::Ordered(Ordered::Refused(Box::new(loaded.run)), false, None));
        };
        let line = MoveLine::new(&run, state_number(before), loaded.rows + 1, &[entry])?;
        self.line(&Line::Move(line))?;
        self.count_state(Some(before), run.state);
        self.overlay.gone.insert(run.id, None);
        Ok(Applied::Ordered(Ordered::Done(Box::new(run)), !before.ended(), loaded.gate))
    }

    fn count(&mut self, counts: &[Count], now_ms: i64) -> Result<Counted, Error> {
        let mut before: HashMap<&str, (i64, i64)> = HashMap::new();
        {
            let known = self.shared.numbers.lock();
            for count in counts {
                let found = self.overlay.numbers.get(&count.key).or_else(|| known.get(&count.key));
                let found = found.copied().filter(|(_, until_ms)| *until_ms > now_ms);
                before.entry(&count.key).or_insert(found.unwrap_or((0, count.until_ms)));
            }
        }
        let (counted, changed) = crate::counters::change(counts, &before);
        for (key, (value, until_ms)) in changed {
            self.line(&Line::Count { key, value, until_ms })?;
            self.overlay.numbers.insert(key.to_owned(), (value, until_ms));
        }
        Ok(counted)
    }

    /// A run that is held, as it will wait, with the last transition written. Its row stays as it
    /// is.
    fn back(&self, id: RunId, held: &Held, now_ms: i64) -> (Waiting, (Fence, u32)) {
        let kept = self.overlay.kept.get(&id).copied();
        let state = if kept.is_some() { RunState::Running } else { held.stored };
        let waited = state != RunState::Running;
        let due_ms = if waited { held.due_ms.min(now_ms) } else { now_ms };
        let mut waiting = Waiting::new(due_ms, id, state, held.gate);
        waiting.losses = if kept.is_some() { 0 } else { held.losses };
        (waiting, (held.fence, kept.unwrap_or(held.seq)))
    }

    /// The runs whose owner is late, as they will wait.
    fn reap(&mut self, now_ms: i64) -> Vec<Waiting> {
        let shared = self.shared;
        let schedule = shared.schedule.lock();
        let mut reaped = Vec::new();
        for (id, held) in schedule.expired(now_ms) {
            if self.overlay.gone.contains_key(&id) {
                continue;
            }
            let (mut waiting, last) = self.back(id, held, now_ms);
            waiting.losses = waiting.losses.saturating_add(1);
            reaped.push(waiting);
            self.overlay.gone.insert(id, Some(last));
        }
        reaped
    }

    fn give_back(&mut self, rights: &[(RunId, Fence)], now_ms: i64, delay_ms: i64) -> Applied {
        let shared = self.shared;
        let mut schedule = shared.schedule.lock();
        let (mut each, mut given) = (Vec::with_capacity(rights.len()), Vec::new());
        for (id, fence) in rights {
            let held = schedule.held(*id).filter(|held| held.fence == *fence);
            let held = held.filter(|_| !self.overlay.gone.contains_key(id));
            each.push(held.is_some());
            let Some(held) = held else { continue };
            let (mut waiting, last) = self.back(*id, held, now_ms);
            if delay_ms > 0 {
                waiting.due_ms = now_ms.saturating_add(delay_ms);
            }
            given.push(waiting);
            self.overlay.gone.insert(*id, Some(last));
        }
        Applied::GivenBack(each, given)
    }

    fn bury(&mut self, id: RunId, reason: &str, now_ms: i64) -> Result<(), Error> {
        let stored = self.shared.schedule.lock().held(id).map(|held| held.stored);
        let Some(stored) = stored.filter(|_| !self.overlay.gone.contains_key(&id)) else {
            return Ok(());
        };
        let failure = postroom_core::Failure::new("store/corrupt-run", reason);
        let body = serde_json::json!({
            "v": 1,
            "key": id.to_string(),
            "failure": { "reason": "unroutable", "failure": failure },
        });
        self.line(&Line::Move(MoveLine {
            id: id.0,
            from: state_number(stored),
            state: state_number(RunState::Dead),
            definition: read::definition_of(self.reader, id)?,
            due_ms: None,
            finished_ms: Some(now_ms),
            body: body.to_string().into(),
            journal: None,
        }))?;
        self.count_state(Some(stored), RunState::Dead);
        self.overlay.gone.insert(id, None);
        Ok(())
    }
}

/// Changes memory after a request is on disk, and readies its answer. Sets `due` where a run may
/// have fallen due.
pub(super) fn settle(
    shared: &Shared,
    seq: u64,
    request: Request,
    applied: Applied,
    due: &mut bool,
) -> Option<Deliver> {
    match (request, applied) {
        (Request::Record(arrivals, answer), Applied::Recorded(recorded)) => {
            *due |= schedule_all(shared, seq, arrivals, &recorded);
            Some(Deliver::Recorded(answer, Ok(recorded)))
        }
        (Request::Commit(transitions, answer), Applied::Committed(each)) => {
            let mut results = Vec::with_capacity(each.len());
            for (transition, (committed, recorded)) in transitions.into_iter().zip(each) {
                if let Some(recorded) = recorded {
                    *due |= given_back(shared, seq, &transition);
                    *due |= schedule_all(shared, seq, transition.emits, &recorded);
                }
                results.push(committed);
            }
            Some(Deliver::Committed(answer, Ok(results)))
        }
        (Request::Control(_, answer), Applied::Ordered(ordered, waited, gate)) => {
            if let Ordered::Done(run) = &ordered {
                *due = true;
                moved(shared, seq, run, waited, gate);
            }
            Some(Deliver::Ordered(answer, Ok(ordered)))
        }
        (Request::Count(_, _, answer), Applied::Counted(counted)) => {
            Some(Deliver::Counted(answer, Ok(counted)))
        }
        (Request::Define(.., answer), Applied::Done) => Some(Deliver::Done(answer, Ok(()))),
        (Request::Reap(_, answer), Applied::Reaped(reaped)) => {
            let count = reaped.len() as u64;
            *due |= count > 0;
            put_back(shared, reaped);
            Some(Deliver::Number(answer, Ok(count)))
        }
        (Request::GiveBack { answer, .. }, Applied::GivenBack(each, back)) => {
            *due |= !back.is_empty();
            put_back(shared, back);
            Some(Deliver::Held(answer, Ok(each)))
        }
        (Request::Prune(retention, now_ms, answer), Applied::Done) => {
            shared.keys.lock().sweep(now_ms);
            shared.numbers.lock().retain(|_, (_, until_ms)| *until_ms > now_ms);
            shared.backlog.push(Task::Prune(retention, now_ms, answer));
            None
        }
        (Request::Bury(id, ..), Applied::Done) => {
            shared.schedule.lock().release(id);
            None
        }
        (request, _) => {
            let reason = "a request and its result do not belong together".to_owned();
            refuse(request, &Error::Corrupt { reason })
        }
    }
}

/// Puts the runs of recorded events on the schedule and remembers their keys.
fn schedule_all(shared: &Shared, seq: u64, arrivals: Vec<Arrival>, recorded: &[Recorded]) -> bool {
    let mut any = false;
    for (arrival, recorded) in arrivals.into_iter().zip(recorded) {
        let Recorded::New { runs, .. } = recorded else { continue };
        let started = |start: &&Start| runs.contains(&start.run.id);
        {
            let until_ms = arrival.dedupe_until_ms;
            let mut keys = shared.keys.lock();
            if let Some(key) = arrival.dedupe {
                keys.insert(key, arrival.event.id.0, until_ms);
            }
            for start in arrival.starts.iter().filter(started) {
                if let Some(key) = start.dedupe {
                    let own_ms = start.dedupe_until_ms.unwrap_or(until_ms);
                    keys.insert(key, start.run.id.0, own_ms);
                }
            }
        }
        let event = arrival.event;
        let mut schedule = shared.schedule.lock();
        for start in arrival.starts.into_iter().filter(|start| started(&start)) {
            let Some(due_ms) = start.run.due_ms else { continue };
            any = true;
            let waiting = Waiting::fresh(due_ms, start.run, start.concurrency, &event);
            schedule.push(waiting.written(seq));
        }
    }
    any
}

/// Puts runs that were taken from their owners, or given back by them, among the waiting.
fn put_back(shared: &Shared, back: Vec<Waiting>) {
    let mut schedule = shared.schedule.lock();
    for mut waiting in back {
        waiting.written = schedule.release(waiting.id).map_or(0, |held| held.written);
        schedule.push(waiting);
    }
}

/// After a commit: a kept run stays with its owner, any other goes where its state says.
fn given_back(shared: &Shared, seq: u64, transition: &Transition) -> bool {
    let run = &transition.run;
    let mut schedule = shared.schedule.lock();
    if run.state == RunState::Running {
        let held = schedule.held(run.id).filter(|held| held.fence == transition.fence);
        if let Some(held) = held {
            held.stored = run.state;
            held.written = seq;
            held.seq = transition.seq;
            held.losses = 0;
            held.rows += u32::from(!transition.entries.is_empty());
        }
        return false;
    }
    let released = schedule.release_after(run.id, Some(transition.seq));
    let gate = released.and_then(|held| held.gate);
    if let Some(due_ms) = run.due_ms {
        schedule.push(Waiting::new(due_ms, run.id, run.state, gate).written(seq));
    }
    // Even without a due time of its own the run may have made room for the next of its key.
    run.due_ms.is_some() || gate.is_some()
}

/// After a person's word: the old place no longer counts, the new one does.
fn moved(shared: &Shared, seq: u64, run: &Run, waited: bool, gate: Option<Gate>) {
    let mut schedule = shared.schedule.lock();
    // Whoever took it meanwhile hears at its next commit, which is none that was written before.
    if schedule.release(run.id).is_none() && waited {
        schedule.void(run.id);
    }
    schedule.forget(run.id);
    if let Some(due_ms) = run.due_ms {
        schedule.push(Waiting::new(due_ms, run.id, run.state, gate).written(seq));
    }
}

/// Readies the answer that nothing was written.
pub(super) fn refuse(request: Request, error: &Error) -> Option<Deliver> {
    let error = error.clone();
    Some(match request {
        Request::Record(_, answer) => Deliver::Recorded(answer, Err(error)),
        Request::Commit(_, answer) => Deliver::Committed(answer, Err(error)),
        Request::Control(_, answer) => Deliver::Ordered(answer, Err(error)),
        Request::Count(_, _, answer) => Deliver::Counted(answer, Err(error)),
        Request::Define(.., answer) => Deliver::Done(answer, Err(error)),
        Request::Reap(_, answer) => Deliver::Number(answer, Err(error)),
        Request::GiveBack { answer, .. } => Deliver::Held(answer, Err(error)),
        Request::Prune(_, _, answer) => Deliver::Pruned(answer, Err(error)),
        Request::Bury(..) => return None,
    })
}
