//! What each request does: first to the tables, inside the group's transaction, then, once that is
//! on disk, to the schedule and to whoever asked.

use std::collections::HashMap;
use std::sync::Arc;

use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::trigger::Start;
use postroom_core::{Entry, EventId, Run, RunId};
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, body, corrupt, state_number};
use super::writer::{Answer, Deliver, Overlay, Request};
use super::{Shared, failed, prune};
use crate::schedule::{Gate, Waiting};
use crate::{
    Arrival, Command, Committed, Count, Counted, Error, Fence, Order, Ordered, Recorded, Transition,
};

/// What applying a request came to.
pub(super) enum Applied {
    Recorded(Vec<Recorded>),
    Committed(Vec<(Committed, Vec<Recorded>)>),
    /// With whether the run waited before, and its concurrency key.
    Ordered(Ordered, bool, Option<Gate>),
    Counted(Vec<Counted>),
    Reaped(Vec<Waiting>),
    Rows(u64),
    Done,
}

/// Applies one request inside the transaction. Memory is read, never changed.
pub(super) fn apply(
    connection: &Connection,
    shared: &Shared,
    overlay: &mut Overlay,
    request: &Request,
) -> Result<Applied, Error> {
    let mut tables = Tables { connection, shared, overlay };
    Ok(match request {
        Request::Record(arrivals, _) => Applied::Recorded(tables.record(arrivals)?),
        Request::Commit(transitions, _) => {
            let each = transitions.iter().map(|transition| tables.commit(transition));
            Applied::Committed(each.collect::<Result<_, _>>()?)
        }
        Request::Control(order, _) => tables.control(order)?,
        Request::Count(counts, now_ms, _) => Applied::Counted(tables.count(counts, *now_ms)?),
        Request::Define(hash, name, stored, _) => {
            let sql = "INSERT OR IGNORE INTO definitions (hash, name, stored) VALUES (?1, ?2, ?3)";
            tables.execute(sql, params![hash.0, name, stored])?;
            Applied::Done
        }
        Request::Reap(now_ms, _) => Applied::Reaped(tables.reap(*now_ms)),
        Request::Prune(retention, now_ms, _) => {
            shared.keys.lock().sweep(*now_ms);
            let before = *shared.tally.lock();
            let tally = prune::Tally { before, changes: &mut overlay.tally };
            let cursor = &mut *shared.pruned_to.lock();
            Applied::Rows(prune::prune(connection, *retention, *now_ms, tally, cursor)?)
        }
        Request::Bury(id, reason, now_ms) => {
            tables.bury(*id, reason, *now_ms)?;
            Applied::Done
        }
        #[cfg(test)]
        Request::Execute(sql, _) => unreachable!("{sql} goes alone"),
    })
}

/// Adds the group's changes to the counts by state.
pub(super) fn tally(connection: &Connection, changes: &[i64; 6]) -> Result<(), Error> {
    let mut statement = connection
        .prepare_cached("UPDATE tally SET runs = runs + ?2 WHERE state = ?1")
        .map_err(failed)?;
    for (state, change) in changes.iter().enumerate().filter(|(_, change)| **change != 0) {
        statement.execute(params![state, change]).map_err(failed)?;
    }
    Ok(())
}

struct Tables<'a> {
    connection: &'a Connection,
    shared: &'a Shared,
    overlay: &'a mut Overlay,
}

impl Tables<'_> {
    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, Error> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.execute(values).map_err(failed)
    }

    fn seen(&self, key: KeyHash, now_ms: i64) -> Option<[u8; 16]> {
        match self.overlay.keys.get(&key) {
            Some((target, until_ms)) => (*until_ms > now_ms).then_some(*target),
            None => self.shared.keys.lock().get(key, now_ms),
        }
    }

    fn remember(&mut self, key: KeyHash, target: [u8; 16], until_ms: i64) -> Result<(), Error> {
        let sql = "INSERT INTO dedupe (hash, until_ms, target) VALUES (?1, ?2, ?3)";
        self.execute(sql, params![key.0, until_ms, target])?;
        self.overlay.keys.insert(key, (target, until_ms));
        Ok(())
    }

    fn record(&mut self, arrivals: &[Arrival]) -> Result<Vec<Recorded>, Error> {
        arrivals.iter().map(|arrival| self.arrival(arrival)).collect()
    }

    fn arrival(&mut self, arrival: &Arrival) -> Result<Recorded, Error> {
        let event = &arrival.event;
        if let Some(first) = arrival.dedupe.and_then(|key| self.seen(key, event.received_ms))
            && let Some(correlation) = self.correlation(first)?
        {
            return Ok(Recorded::Duplicate { event: EventId(first), correlation });
        }
        let cause = event.cause.as_ref().map(serde_json::to_string).transpose();
        let cause = cause.map_err(|error| corrupt("event cause", &error))?;
        let sql = "INSERT INTO events (id, source, type, time_ms, received_ms, correlation, \
                   subject, key, cause, routed, data) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
                   ON CONFLICT (id) DO NOTHING";
        let written = self.execute(
            sql,
            params![
                event.id.0,
                event.source,
                event.kind,
                event.time_ms,
                event.received_ms,
                event.correlation,
                event.subject,
                event.key,
                cause,
                arrival.starts.len(),
                event.data.text(),
            ],
        )?;
        if written == 0 {
            // Its reply was lost and it comes again.
            let correlation = self.correlation(event.id.0)?.unwrap_or_default();
            return Ok(Recorded::Duplicate { event: event.id, correlation });
        }
        let seq = self.connection.last_insert_rowid();
        if let Some(key) = arrival.dedupe {
            self.remember(key, event.id.0, arrival.dedupe_until_ms)?;
        }
        let (mut runs, mut deduplicated) = (Vec::new(), Vec::new());
        for start in &arrival.starts {
            match start.dedupe.and_then(|key| self.seen(key, event.received_ms)) {
                Some(first) => deduplicated.push((start.run.workflow.clone(), RunId(first))),
                None => {
                    self.start(start, seq, arrival.dedupe_until_ms)?;
                    runs.push(start.run.id);
                }
            }
        }
        Ok(Recorded::New { runs, deduplicated })
    }

    fn correlation(&self, event: [u8; 16]) -> Result<Option<String>, Error> {
        let sql = "SELECT correlation FROM events WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.query_row([event], |row| row.get(0)).optional().map_err(failed)
    }

    fn start(&mut self, start: &Start, event_seq: i64, until_ms: i64) -> Result<(), Error> {
        let run = &start.run;
        if let Some(key) = start.dedupe {
            self.remember(key, run.id.0, until_ms)?;
        }
        let (gate, bound) = start.concurrency.map(|(key, bound)| (key.0, bound)).unzip();
        let sql = "INSERT INTO runs (id, event_seq, workflow, definition, state, created_ms, \
                   due_ms, finished_ms, gate, gate_limit, body) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.execute(
            sql,
            params![
                run.id.0,
                event_seq,
                run.workflow,
                run.definition.0,
                state_number(run.state),
                run.created_ms,
                run.due_ms,
                run.finished_ms,
                gate,
                bound,
                body(run)?,
            ],
        )?;
        self.count_state(None, run.state);
        Ok(())
    }

    fn count_state(&mut self, from: Option<RunState>, to: RunState) {
        let index = |state| usize::try_from(state_number(state)).unwrap_or(0);
        if let Some(from) = from {
            self.overlay.tally[index(from)] -= 1;
        }
        self.overlay.tally[index(to)] += 1;
    }

    fn commit(&mut self, transition: &Transition) -> Result<(Committed, Vec<Recorded>), Error> {
        let run = &transition.run;
        let (stored, rows) = {
            let mut schedule = self.shared.schedule.lock();
            match schedule.held(run.id) {
                Some(held) if held.fence == transition.fence => (held.stored, held.rows),
                _ => return Ok((Committed::Stale, Vec::new())),
            }
        };
        if self.overlay.gone.contains(&run.id) {
            return Ok((Committed::Stale, Vec::new()));
        }
        let kept = self.overlay.kept.contains(&run.id);
        let stored = if kept { RunState::Running } else { stored };
        self.update(run)?;
        self.count_state(Some(stored), run.state);
        let n = self.overlay.rows.get(&run.id).copied().unwrap_or(rows);
        self.write_journal(run.id, n, &transition.entries)?;
        match run.state {
            RunState::Running => self.overlay.kept.insert(run.id),
            _ => self.overlay.gone.insert(run.id),
        };
        Ok((Committed::Written, self.record(&transition.emits)?))
    }

    fn update(&self, run: &Run) -> Result<(), Error> {
        let sql = "UPDATE runs SET state = ?2, due_ms = ?3, finished_ms = ?4, body = ?5, \
                   definition = ?6 WHERE id = ?1";
        let state = state_number(run.state);
        let values =
            params![run.id.0, state, run.due_ms, run.finished_ms, body(run)?, run.definition.0];
        self.execute(sql, values).map(|_| ())
    }

    fn write_journal(&mut self, run: RunId, rows: u32, entries: &[Entry]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let text =
            serde_json::to_string(entries).map_err(|error| corrupt("journal entry", &error))?;
        let sql = "INSERT INTO journal (run, n, entries) VALUES (?1, ?2, ?3)";
        self.execute(sql, params![run.0, rows + 1, text])?;
        self.overlay.rows.insert(run, rows + 1);
        Ok(())
    }

    /// Whether somebody works on a run, as far as this group has got.
    fn is_held(&self, id: RunId) -> bool {
        !self.overlay.gone.contains(&id) && self.shared.schedule.lock().held(id).is_some()
    }

    fn control(&mut self, order: &Order) -> Result<Applied, Error> {
        let Some(loaded) = rows::load(self.connection, order.run)? else {
            return Ok(Applied::Ordered(Ordered::Missing, false, None));
        };
        let before = loaded.run.state;
        let note = order.note.as_deref();
        let changed = match order.command {
            Command::Cancel => loaded.run.clone().cancel(&order.actor, note, order.now_ms),
            Command::Redrive { .. } if self.is_held(order.run) => None,
            Command::Redrive { definition } => {
                let mut run = loaded.run.clone();
                run.definition = definition.unwrap_or(run.definition);
                run.redrive(&order.actor, note, order.now_ms)
            }
        };
        let Some((run, entry)) = changed else {
            return Ok(Applied::Ordered(Ordered::Refused(Box::new(loaded.run)), false, None));
        };
        self.update(&run)?;
        self.count_state(Some(before), run.state);
        self.write_journal(run.id, loaded.rows, &[entry])?;
        self.overlay.gone.insert(run.id);
        Ok(Applied::Ordered(Ordered::Done(Box::new(run)), !before.ended(), loaded.gate))
    }

    fn count(&self, counts: &[Count], now_ms: i64) -> Result<Vec<Counted>, Error> {
        let mut numbers: HashMap<&str, (i64, i64)> = HashMap::new();
        for count in counts {
            let sql = "SELECT value, until_ms FROM counters WHERE key = ?1 AND until_ms > ?2";
            let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
            let found = statement
                .query_row(params![count.key, now_ms], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
                .map_err(failed)?;
            numbers.entry(&count.key).or_insert(found.unwrap_or((0, count.until_ms)));
        }
        let (counted, changed) = crate::counters::change(counts, &numbers);
        for (key, (value, until_ms)) in changed {
            let sql = "INSERT OR REPLACE INTO counters (key, value, until_ms) VALUES (?1, ?2, ?3)";
            self.execute(sql, params![key, value, until_ms])?;
        }
        Ok(counted)
    }

    /// The runs whose owner is late, as they will wait. Their rows stay as they are.
    fn reap(&mut self, now_ms: i64) -> Vec<Waiting> {
        let schedule = self.shared.schedule.lock();
        let mut reaped = Vec::new();
        for (id, held) in schedule.expired(now_ms) {
            if self.overlay.gone.contains(&id) {
                continue;
            }
            let kept = self.overlay.kept.contains(&id);
            let state = if kept { RunState::Running } else { held.stored };
            let waited = state != RunState::Running;
            let due_ms = if waited { held.due_ms.min(now_ms) } else { now_ms };
            reaped.push(Waiting::new(due_ms, id, state, held.gate));
        }
        self.overlay.gone.extend(reaped.iter().map(|waiting| waiting.id));
        reaped
    }

    fn bury(&mut self, id: RunId, reason: &str, now_ms: i64) -> Result<(), Error> {
        let stored = self.shared.schedule.lock().held(id).map(|held| held.stored);
        let Some(stored) = stored.filter(|_| !self.overlay.gone.contains(&id)) else {
            return Ok(());
        };
        let failure = postroom_core::Failure::new("store/corrupt-run", reason);
        let body = serde_json::json!({
            "v": 1,
            "key": id.to_string(),
            "failure": { "reason": "unroutable", "failure": failure },
        });
        let sql =
            "UPDATE runs SET state = 4, due_ms = NULL, finished_ms = ?2, body = ?3 WHERE id = ?1";
        self.execute(sql, params![id.0, now_ms, body.to_string()])?;
        self.count_state(Some(stored), RunState::Dead);
        self.overlay.gone.insert(id);
        Ok(())
    }
}

/// Changes memory after a request is on disk, and readies its answer. Sets `due` where a run may
/// have fallen due.
pub(super) fn settle(
    shared: &Shared,
    request: Request,
    applied: Applied,
    due: &mut bool,
) -> Option<Deliver> {
    match (request, applied) {
        (Request::Record(arrivals, answer), Applied::Recorded(recorded)) => {
            *due |= schedule_all(shared, arrivals, &recorded);
            Some(deliver(answer, Ok(recorded)))
        }
        (Request::Commit(transitions, answer), Applied::Committed(each)) => {
            let mut results = Vec::with_capacity(each.len());
            for (transition, (committed, recorded)) in transitions.into_iter().zip(each) {
                if committed == Committed::Written {
                    *due |=
                        given_back(shared, &transition.run, transition.fence, &transition.entries);
                    *due |= schedule_all(shared, transition.emits, &recorded);
                }
                results.push(committed);
            }
            Some(deliver(answer, Ok(results)))
        }
        (Request::Control(_, answer), Applied::Ordered(ordered, waited, gate)) => {
            if let Ordered::Done(run) = &ordered {
                *due = true;
                moved(shared, run, waited, gate);
            }
            Some(deliver(answer, Ok(ordered)))
        }
        (Request::Count(_, _, answer), Applied::Counted(counted)) => {
            Some(deliver(answer, Ok(counted)))
        }
        (Request::Define(.., answer), Applied::Done) => Some(deliver(answer, Ok(()))),
        #[cfg(test)]
        (Request::Execute(_, answer), Applied::Done) => Some(deliver(answer, Ok(()))),
        (Request::Reap(_, answer), Applied::Reaped(reaped)) => {
            let count = reaped.len() as u64;
            *due |= count > 0;
            let mut schedule = shared.schedule.lock();
            for waiting in reaped {
                schedule.release(waiting.id);
                schedule.push(waiting);
            }
            Some(deliver(answer, Ok(count)))
        }
        (Request::Prune(_, _, answer), Applied::Rows(rows)) => Some(deliver(answer, Ok(rows))),
        (Request::Bury(id, ..), Applied::Done) => {
            shared.schedule.lock().release(id);
            None
        }
        (request, _) => {
            let reason = "a request and its result do not belong together".to_owned();
            Some(refuse(request, &Error::Corrupt { reason }))
        }
    }
}

/// Puts the runs of recorded events on the schedule and remembers their keys.
fn schedule_all(shared: &Shared, arrivals: Vec<Arrival>, recorded: &[Recorded]) -> bool {
    let mut any = false;
    for (arrival, recorded) in arrivals.into_iter().zip(recorded) {
        let Recorded::New { runs, .. } = recorded else { continue };
        let until_ms = arrival.dedupe_until_ms;
        let mut keys = shared.keys.lock();
        if let Some(key) = arrival.dedupe {
            keys.insert(key, arrival.event.id.0, until_ms);
        }
        let event = Arc::new(arrival.event);
        for start in arrival.starts.into_iter().filter(|start| runs.contains(&start.run.id)) {
            if let Some(key) = start.dedupe {
                keys.insert(key, start.run.id.0, until_ms);
            }
            let Some(due_ms) = start.run.due_ms else { continue };
            any = true;
            let waiting = Waiting::fresh(due_ms, start.run, start.concurrency, &event);
            shared.schedule.lock().push(waiting);
        }
    }
    any
}

/// After a commit: a kept run stays with its owner, any other goes where its state says.
fn given_back(shared: &Shared, run: &Run, fence: Fence, entries: &[Entry]) -> bool {
    let mut schedule = shared.schedule.lock();
    if run.state == RunState::Running {
        if let Some(held) = schedule.held(run.id).filter(|held| held.fence == fence) {
            held.stored = run.state;
            held.rows += u32::from(!entries.is_empty());
        }
        return false;
    }
    let gate = schedule.release(run.id).and_then(|held| held.gate);
    if let Some(due_ms) = run.due_ms {
        schedule.push(Waiting::new(due_ms, run.id, run.state, gate));
    }
    // Even without a due time of its own the run may have made room for the next of its key.
    run.due_ms.is_some() || gate.is_some()
}

/// After a person's word: the old place no longer counts, the new one does.
fn moved(shared: &Shared, run: &Run, waited: bool, gate: Option<Gate>) {
    let mut schedule = shared.schedule.lock();
    // Whoever took it meanwhile hears at its next commit.
    if schedule.release(run.id).is_none() && waited {
        schedule.void(run.id);
    }
    if let Some(due_ms) = run.due_ms {
        schedule.push(Waiting::new(due_ms, run.id, run.state, gate));
    }
}

fn deliver<T: Send + 'static>(answer: Answer<T>, result: Result<T, Error>) -> Deliver {
    // Whoever asked may have gone; what was written stays written.
    Box::new(move || drop(answer.send(result)))
}

/// Readies the answer that nothing was written.
pub(super) fn refuse(request: Request, error: &Error) -> Deliver {
    let error = error.clone();
    match request {
        Request::Record(_, answer) => deliver(answer, Err(error)),
        Request::Commit(_, answer) => deliver(answer, Err(error)),
        Request::Control(_, answer) => deliver(answer, Err(error)),
        Request::Count(_, _, answer) => deliver(answer, Err(error)),
        Request::Define(.., answer) => deliver(answer, Err(error)),
        Request::Reap(_, answer) | Request::Prune(_, _, answer) => deliver(answer, Err(error)),
        Request::Bury(..) => Box::new(|| ()),
        #[cfg(test)]
        Request::Execute(_, answer) => deliver(answer, Err(error)),
    }
}
