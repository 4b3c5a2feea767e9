//! The thread that brings the tables up to the log. It takes what has gathered, writes it in one
//! transaction together with how far it has come, and lets the log use its files again once a
//! checkpoint has made that durable. A run that moved several times is written once.

use std::borrow::Cow;
use std::fs::File;
use std::hash::BuildHasherDefault;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection, OptionalExtension, TransactionBehavior, params};

use super::backlog::{Backlog, Task};
use super::insert::{
    EVENT_COLUMNS, EventRow, Insert, NewRun, ROWS, RUN_COLUMNS, event_values, run_values,
};
use super::lines::{self, EventLine, Key, Line, MoveLine, Name, StartLine};
use super::log::{Frame, Segment};
use super::prune::{self, Tally};
use super::{Shared, add, failed, io_failed, rows};
use crate::hash::Map;
use crate::{Error, Pruned, Retention};

/// A checkpoint is made past this; the log of the tables is used again from its start then.
const WAL_BYTES: u64 = 16 << 20;
/// Past this it waits for readers.
const WAL_MOST_BYTES: u64 = 64 << 20;

struct EndAtDrop<'a>(&'a Backlog);

impl Drop for EndAtDrop<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// How long after a file for the log could not be made it is tried again.
const SPARE_AGAIN: Duration = Duration::from_secs(30);

/// After this many statements of one row, some 50 microseconds, the thread gives way to others.
const STEPS: u32 = 16;

/// What a small event and its run take in a frame, to guess from how many runs a batch has.
const RUN_BYTES: usize = 1024;

/// Owns the writing connection.
pub(super) struct Tables {
    pub connection: Connection,
    pub shared: Arc<Shared>,
    /// Runs by state, as far as the tables have come.
    pub tally: [u64; 6],
    /// Up to where events were looked at by retention and kept.
    pub pruned_to: Name,
    /// When a file for the log could not be made.
    pub no_spare: Option<Instant>,
}

impl Tables {
    /// Follows the log until the store is closed.
    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        // However this thread ends, nobody waits for it afterwards.
        let _ended = EndAtDrop(&shared.backlog);
        while let Some(tasks) = shared.backlog.take() {
            let mut frames = Vec::with_capacity(tasks.len());
            for task in tasks {
                match task {
                    Task::Frame(frame) => frames.push(frame),
                    Task::Prune(retention, now_ms, answer) => {
                        // Whoever asked may have gone; what was removed stays removed.
                        let _ = answer.send(self.prune(retention, now_ms));
                    }
                }
            }
            if !frames.is_empty() && !self.follow(&frames) {
                return;
            }
            self.look_after_files();
        }
        checkpoint(&self.connection, true);
    }

    /// Writes frames into the tables, trying for as long as it takes. False if the store was
    /// closed before it worked; the log has them then.
    fn follow(&mut self, frames: &[Frame]) -> bool {
        let Some((last, _)) = frames.last() else { return true };
        let bytes = frames.iter().map(|(_, payload)| payload.len()).sum();
        loop {
            self.shared.backlog.begin();
            #[cfg(test)]
            if let Some(sql) = self.shared.fault.lock().take() {
                self.connection.execute_batch(sql).expect("a test gives proper SQL");
            }
            match write(&mut self.connection, frames) {
                Ok(changes) => {
                    add(&mut self.tally, &changes);
                    self.shared.backlog.applied(*last, bytes);
                    return true;
                }
                Err(error) => {
                    // The log keeps what was accepted; `Stats::failing` and every refused event
                    // say so.
                    if !self.shared.backlog.failed(&error) {
                        return false;
                    }
                }
            }
        }
    }

    fn prune(&mut self, retention: Retention, now_ms: i64) -> Result<Pruned, Error> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let mut changes = [0; 6];
        let tally = Tally { before: self.tally, changes: &mut changes };
        let mut cursor = self.pruned_to;
        let pruned = prune::prune(&transaction, retention, now_ms, tally, &mut cursor)?;
        add_tally(&transaction, &changes)?;
        transaction.commit().map_err(failed)?;
        self.pruned_to = cursor;
        add(&mut self.tally, &changes);
        self.shared.count(&changes);
        Ok(pruned)
    }

    /// Checkpoints when it is time, and sees to it that the log has a file to go on in.
    fn look_after_files(&mut self) {
        let bytes = std::fs::metadata(&self.shared.wal_path).map_or(0, |file| file.len());
        if bytes > WAL_BYTES && checkpoint(&self.connection, bytes > WAL_MOST_BYTES) {
            let applied = self.shared.backlog.applied_now();
            let freed = self.shared.log.lock().free(applied);
            freed.into_iter().for_each(Segment::remove);
        }
        // A disk with no room for a file is not filled to the brim time and again.
        if self.no_spare.is_some_and(|failed| failed.elapsed() < SPARE_AGAIN) {
            return;
        }
        let wanted = {
            let mut log = self.shared.log.lock();
            log.wants_spare().then(|| log.next_name())
        };
        let Some((folder, name)) = wanted else { return };
        match Segment::full(&folder, name) {
            Ok(spare) => self.shared.log.lock().set_spare(spare),
            // Without one the present file grows.
            Err(_) => self.no_spare = Some(Instant::now()),
        }
    }
}

/// Brings what the tables' own log holds into their file, for good. Says whether all of it is.
fn checkpoint(connection: &Connection, wait_for_readers: bool) -> bool {
    let sql = match wait_for_readers {
        true => "PRAGMA wal_checkpoint(TRUNCATE)",
        false => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    let done = connection.query_row(sql, [], |row| {
        let (busy, log, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && log == moved)
    });
    done.unwrap_or(false)
}

/// Makes sure that what was written into the tables survives a loss of power.
///
/// # Errors
/// `Unavailable` if the disk says no.
pub(super) fn make_durable(connection: &Connection) -> Result<(), Error> {
    if checkpoint(connection, true) {
        return Ok(());
    }
    // Another program reads the file. What waits in the tables' own log is as good once it is
    // flushed.
    let Some(path) = connection.path().map(|path| PathBuf::from(format!("{path}-wal"))) else {
        return Ok(());
    };
    let flushed = File::open(&path).and_then(|file| file.sync_all());
    flushed.map_err(|error| io_failed("cannot flush", &path, &error))
}

/// Writes frames into the tables in one transaction; gives the changes of the counts by state.
///
/// # Errors
/// The database's; nothing was written.
pub(super) fn write(connection: &mut Connection, frames: &[Frame]) -> Result<[i64; 6], Error> {
    let Some((last, _)) = frames.last() else { return Ok([0; 6]) };
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let bytes = frames.iter().map(|(_, payload)| payload.len()).sum();
    let mut batch = Batch::new(&transaction, bytes)?;
    for (_, payload) in frames {
        lines::each(payload, |line| batch.apply(line))?;
    }
    let changes = batch.finish()?;
    add_tally(&transaction, &changes)?;
    execute(&transaction, "UPDATE log_position SET applied = ?1", params![last])?;
    transaction.commit().map_err(failed)?;
    Ok(changes)
}

fn execute(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<usize, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.execute(values).map_err(failed)
}

/// Adds changes to the counts by state.
fn add_tally(connection: &Connection, changes: &[i64; 6]) -> Result<(), Error> {
    for (state, change) in changes.iter().enumerate().filter(|(_, change)| **change != 0) {
        let sql = "UPDATE tally SET runs = runs + ?2 WHERE state = ?1";
        execute(connection, sql, params![state, change])?;
    }
    Ok(())
}

/// What the end of a batch writes of one run.
struct RunRow<'a> {
    id: Name,
    /// Its first line, with the row of its event, if it was started in this batch.
    start: Option<(i64, StartLine<'a>)>,
    /// The last line about it, if it moved in this batch.
    moved: Option<MoveLine<'a>>,
    /// Journal entries of this batch, with the number of the last row.
    journal: Option<(u32, Cow<'a, str>)>,
}

/// The statements that a batch repeats, looked up once.
struct Statements<'c> {
    event: Insert<'c, 12>,
    start: Insert<'c, 12>,
    change: CachedStatement<'c>,
    journal: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn new(connection: &'c Connection) -> Result<Self, Error> {
        let prepared = |sql| connection.prepare_cached(sql).map_err(failed);
        Ok(Self {
            event: Insert::new(connection, "events", EVENT_COLUMNS)?,
            start: Insert::new(connection, "runs", RUN_COLUMNS)?,
            change: prepared(
                "UPDATE runs SET state = ?2, due_ms = ?3, finished_ms = ?4, body = ?5, \
                 definition = ?6 WHERE id = ?1",
            )?,
            journal: prepared("INSERT INTO journal (run, n, entries) VALUES (?1, ?2, ?3)")?,
        })
    }
}

/// Lines on their way into the tables, inside one transaction.
struct Batch<'c, 'a> {
    connection: &'c Connection,
    statements: Statements<'c>,
    /// The row of the last event.
    event_seq: i64,
    /// The last events, which go into the table together.
    events: Vec<EventRow<'a>>,
    runs: Vec<RunRow<'a>>,
    index: Map<Name, usize>,
    keys: Vec<u8>,
    keys_until_ms: i64,
    tally: [i64; 6],
    steps: u32,
}

impl<'c, 'a> Batch<'c, 'a> {
    /// A batch of so many bytes of lines.
    fn new(connection: &'c Connection, bytes: usize) -> Result<Self, Error> {
        // Growing would touch the same memory several times over.
        let runs = bytes / RUN_BYTES;
        Ok(Self {
            connection,
            statements: Statements::new(connection)?,
            event_seq: last_event_seq(connection)?,
            events: Vec::with_capacity(ROWS),
            runs: Vec::with_capacity(runs),
            index: Map::with_capacity_and_hasher(runs, BuildHasherDefault::new()),
            keys: Vec::new(),
            keys_until_ms: i64::MIN,
            tally: [0; 6],
            steps: 0,
        })
    }

    fn apply(&mut self, line: Line<'a>) -> Result<(), Error> {
        match line {
            Line::Event(event) => self.event(event),
            Line::Start(start) => {
                self.key(start.dedupe, start.id);
                self.count(start.state, 1);
                let (id, event_seq) = (start.id, self.event_seq);
                let row = self.row(id);
                row.start = Some((event_seq, start));
                Ok(())
            }
            Line::Move(moved) => {
                self.count(moved.from, -1);
                self.count(moved.state, 1);
                let row = self.row(moved.id);
                row.note(moved);
                Ok(())
            }
            Line::Define { hash, name, stored } => {
                let sql = "INSERT OR IGNORE INTO definitions (hash, name, stored) \
                           VALUES (?1, ?2, ?3)";
                execute(self.connection, sql, params![hash, name, stored]).map(|_| ())
            }
            Line::Count { key, value, until_ms } => {
                let sql = "INSERT OR REPLACE INTO counters (key, value, until_ms) \
                           VALUES (?1, ?2, ?3)";
                execute(self.connection, sql, params![key, value, until_ms]).map(|_| ())
            }
        }
    }

    /// Nobody waits for the tables, while somebody may wait for the log: every now and then this
    /// thread lets others have the processor.
    fn give_way(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS) {
            std::thread::yield_now();
        }
    }

    fn row(&mut self, id: Name) -> &mut RunRow<'a> {
        let next = self.runs.len();
        let at = *self.index.entry(id).or_insert(next);
        if at == next {
            self.runs.push(RunRow { id, start: None, moved: None, journal: None });
        }
        &mut self.runs[at]
    }

    fn count(&mut self, state: u8, change: i64) {
        if let Some(total) = self.tally.get_mut(usize::from(state)) {
            *total += change;
        }
    }

    fn key(&mut self, key: Option<Key>, target: Name) {
        let Some((hash, until_ms)) = key else { return };
        self.keys.extend_from_slice(&hash);
        self.keys.extend_from_slice(&target);
        self.keys.extend_from_slice(&until_ms.to_be_bytes());
        self.keys_until_ms = self.keys_until_ms.max(until_ms);
    }

    fn event(&mut self, event: EventLine<'a>) -> Result<(), Error> {
        self.key(event.dedupe, event.id);
        self.event_seq += 1;
        self.events.push((self.event_seq, event));
        if self.events.len() < ROWS {
            return Ok(());
        }
        self.insert_events()
    }

    fn insert_events(&mut self) -> Result<(), Error> {
        self.give_way();
        self.statements.event.rows(&self.events, event_values)?;
        self.events.clear();
        Ok(())
    }

    fn insert_runs(&mut self, runs: &mut Vec<NewRun<'a>>) -> Result<(), Error> {
        self.give_way();
        self.statements.start.rows(runs, run_values)?;
        runs.clear();
        Ok(())
    }

    /// Writes what was gathered; gives the changes of the counts by state.
    fn finish(mut self) -> Result<[i64; 6], Error> {
        self.insert_events()?;
        let mut new = Vec::with_capacity(ROWS);
        for row in std::mem::take(&mut self.runs) {
            if let Some((event_seq, start)) = row.start {
                let entries = row.journal.map(|(_, entries)| entries);
                new.push(NewRun::new(event_seq, start, row.moved, entries));
                if new.len() == ROWS {
                    self.insert_runs(&mut new)?;
                }
                continue;
            }
            self.give_way();
            row.moved.map_or(Ok(()), |moved| self.update(&moved))?;
            if let Some((n, entries)) = row.journal {
                let values = params![row.id, n, entries];
                self.statements.journal.execute(values).map_err(failed)?;
            }
        }
        self.insert_runs(&mut new)?;
        if !self.keys.is_empty() {
            let sql = "INSERT INTO keys (until_ms, entries) VALUES (?1, ?2)";
            execute(self.connection, sql, params![self.keys_until_ms, self.keys])?;
        }
        Ok(self.tally)
    }

    fn update(&mut self, moved: &MoveLine<'_>) -> Result<(), Error> {
        let values = params![
            moved.id,
            moved.state,
            moved.due_ms,
            moved.finished_ms,
            moved.body,
            moved.definition,
        ];
        self.statements.change.execute(values).map(|_| ()).map_err(failed)
    }
}

impl<'a> RunRow<'a> {
    fn note(&mut self, mut moved: MoveLine<'a>) {
        let journal = moved.journal.take().map(|(n, entries)| (n, entries.0));
        self.journal = match (self.journal.take(), journal) {
            (Some((_, before)), Some((n, after))) => {
                // Both are lists: `[a]` and `[b]` make `[a,b]`.
                let before = before.strip_suffix(']').unwrap_or_default();
                let after = after.strip_prefix('[').unwrap_or_default();
                Some((n, format!("{before},{after}").into()))
            }
            (before, after) => after.or(before),
        };
        self.moved = Some(moved);
    }
}

/// The row of the last event there is; 0 before the first.
fn last_event_seq(connection: &Connection) -> Result<i64, Error> {
    let sql = "SELECT COALESCE(MAX(seq), 0) FROM events";
    connection.query_row(sql, [], |row| row.get(0)).map_err(failed)
}

/// How far into the log the tables have come.
pub(super) fn applied(connection: &Connection) -> Result<u64, Error> {
    let sql = "SELECT applied FROM log_position";
    let found = connection.query_row(sql, [], |row| row.get(0)).optional().map_err(failed)?;
    found.ok_or_else(|| rows::corrupt("log position", &"it is missing"))
}
