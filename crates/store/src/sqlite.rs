//! The embedded backend: one folder, one process.
//!
//! What is accepted goes to a short log in groups, one flush each; that is what an acknowledgement
//! waits for. SQLite tables follow the log a moment later, in larger transactions, on a thread of
//! their own; readers wait until the tables hold what was acknowledged before they asked. What is
//! due and which de-duplication keys were seen is kept in memory and rebuilt at open, so claiming
//! writes nothing and no random-key index lies on the acknowledge path.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use postroom_core::definition::Stored;
use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, EventId, Run, RunId};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{Semaphore, oneshot};

use crate::schedule::Schedule;
use crate::stats::Meter;
use crate::{
    Arrival, Claimed, Committed, Count, Counted, Error, EventFilter, EventRow, Fence, Order,
    Ordered, Page, Pruned, Recorded, Reply, Retention, RunFilter, Stats, Store, Transition, Wake,
};

mod apply;
mod backlog;
mod insert;
mod lease;
mod lines;
mod log;
mod memory;
mod open;
mod prune;
mod read;
mod rows;
mod schema;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use backlog::Backlog;
use log::Log;
use memory::{Keys, Numbers};
use open::connect;
use writer::{Answer, Inbox, Request};

/// The most queries of lists and pages at once.
const READERS: usize = 4;

/// What the parts of the backend share.
struct Shared {
    inbox: Inbox,
    log: Mutex<Log>,
    backlog: Backlog,
    /// The number of the last frame of the log.
    written: AtomicU64,
    schedule: Mutex<Schedule>,
    keys: Mutex<Keys>,
    numbers: Mutex<Numbers>,
    tally: Mutex<[u64; 6]>,
    leaders: Mutex<std::collections::HashMap<String, (String, i64)>>,
    readers: Mutex<Vec<Connection>>,
    /// Bounds the connections that lists and pages use; owners that take up a run never wait here.
    reading: Semaphore,
    /// Why the log cannot be written, if it cannot.
    failing: Mutex<Option<String>>,
    group_size: Meter,
    commit_us: Meter,
    path: PathBuf,
    wal_path: PathBuf,
    wake: Arc<dyn Wake>,
    /// SQL that takes the disk away from the tables, or gives it back, before their next try.
    #[cfg(test)]
    fault: Mutex<Option<&'static str>>,
}

impl Shared {
    /// Adds changes to the counts by state.
    fn count(&self, changes: &[i64; 6]) {
        add(&mut self.tally.lock(), changes);
    }
}

/// Adds changes to counts by state.
fn add(tally: &mut [u64; 6], changes: &[i64; 6]) {
    for (total, change) in tally.iter_mut().zip(changes) {
        *total = total.saturating_add_signed(*change);
    }
}

/// The embedded store. Dropping it finishes what waits and gives the file back.
pub struct Sqlite {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    tables: Option<JoinHandle<()>>,
    _lock: File,
}

/// A database error by what the caller does next.
#[allow(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn failed(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Corrupt { reason: error.to_string() }
        }
        Some(ErrorCode::ConstraintViolation) | None => Error::Corrupt { reason: error.to_string() },
        Some(_) => Error::Unavailable { reason: error.to_string() },
    }
}

fn io_failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable { reason: format!("{what} {}: {error}", path.display()) }
}

impl Sqlite {
    /// Hands a request to the writer and waits until it is on disk.
    async fn write<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.shared.inbox.send(request(answer))?;
        answered.await.map_err(|_| Error::Closed)?
    }

    /// The correlation id of an event that the log may have and the tables not yet.
    async fn correlation(&self, event: EventId) -> String {
        let found = self.query(move |connection| read::correlation(connection, event.0)).await;
        // What cannot be read now has the one it would have been given. It is no error, because
        // others may have been written down together with this.
        found.ok().flatten().unwrap_or_else(|| event.to_string())
    }

    /// Runs a query of a list or page; only so many at once. It sees what was acknowledged before
    /// it was asked, unless the tables cannot be written at present.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _permit = self.shared.reading.acquire().await.map_err(|_| Error::Closed)?;
        self.shared.backlog.reached(self.shared.written.load(Ordering::Acquire)).await;
        self.read(query).await
    }

    /// Runs a query on a reading connection, off the runtime's threads.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let pooled = shared.readers.lock().pop();
            let connection = match pooled {
                Some(connection) => connection,
                None => connect(&shared.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            };
            let result = query(&connection);
            let mut readers = shared.readers.lock();
            if readers.len() < READERS {
                readers.push(connection);
            }
            result
        });
        done.await.map_err(|error| Error::Unavailable { reason: error.to_string() })?
    }

    fn stats_now(&self) -> Stats {
        let shared = &self.shared;
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let log_bytes = shared.log.lock().disk_bytes();
        let dedupe_keys = shared.keys.lock().len() as u64;
        let counts = *shared.tally.lock();
        // Nothing else is locked while the schedule is: the writer does it the other way round.
        let mut schedule = shared.schedule.lock();
        let (at_work, oldest_due_ms) = (schedule.at_work() as u64, schedule.oldest_due_ms());
        drop(schedule);
        Stats {
            runs: RunState::ALL.into_iter().zip(counts).collect(),
            at_work,
            oldest_due_ms,
            dedupe_keys,
            disk_bytes: size(&shared.path) + size(&shared.wal_path) + log_bytes,
            group_size: shared.group_size.read(),
            commit_us: shared.commit_us.read(),
            failing: shared.failing.lock().clone().or_else(|| shared.backlog.failing()),
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.shared.inbox.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so; there is nothing left to finish.
            let _ = writer.join();
        }
        self.shared.backlog.close();
        if let Some(tables) = self.tables.take() {
            let _ = tables.join();
        }
    }
}

impl Store for Sqlite {
    fn record(&self, arrivals: Vec<Arrival>) -> Reply<'_, Vec<Recorded>> {
        Box::pin(async move {
            let mut recorded = self.write(move |answer| Request::Record(arrivals, answer)).await?;
            for one in &mut recorded {
                if let Recorded::Duplicate { event, correlation } = one
                    && correlation.is_empty()
                {
                    *correlation = self.correlation(*event).await;
                }
            }
            Ok(recorded)
        })
    }

    fn claim(&self, limit: usize, lease_ms: i64, now_ms: i64) -> Reply<'_, Claimed> {
        Box::pin(async move {
            let (claimed, next_due_ms) = {
                let mut schedule = self.shared.schedule.lock();
                let claimed = schedule.claim(limit, now_ms.saturating_add(lease_ms), now_ms);
                let next = if claimed.len() < limit { schedule.next_due_ms() } else { None };
                (claimed, next)
            };
            Ok(Claimed { leases: self.lease(claimed, now_ms).await?, next_due_ms })
        })
    }

    fn extend(
        &self,
        held: Vec<(RunId, Fence)>,
        lease_ms: i64,
        now_ms: i64,
    ) -> Reply<'_, Vec<bool>> {
        Box::pin(async move {
            if lease_ms <= 0 {
                let request = move |answer| Request::GiveBack { held, now_ms, delay_ms: 0, answer };
                return self.write(request).await;
            }
            let until_ms = now_ms.saturating_add(lease_ms);
            let mut schedule = self.shared.schedule.lock();
            Ok(held.into_iter().map(|(id, fence)| schedule.extend(id, fence, until_ms)).collect())
        })
    }

    /// What was written under a right that has ended is remembered for the 4,096 rights that ended
    /// last, in memory: answers do not get lost within a process, and its callers end with it.
    fn commit(&self, transitions: Vec<Transition>) -> Reply<'_, Vec<Committed>> {
        Box::pin(self.write(move |answer| Request::Commit(transitions, answer)))
    }

    fn reap(&self, now_ms: i64) -> Reply<'_, u64> {
        Box::pin(async move {
            if self.shared.schedule.lock().expired(now_ms).is_empty() {
                return Ok(0);
            }
            self.write(move |answer| Request::Reap(now_ms, answer)).await
        })
    }

    fn control(&self, order: Order) -> Reply<'_, Ordered> {
        Box::pin(self.write(move |answer| Request::Control(order, answer)))
    }

    fn lead<'a>(
        &'a self,
        role: &'a str,
        holder: &'a str,
        until_ms: i64,
        now_ms: i64,
    ) -> Reply<'a, bool> {
        Box::pin(async move {
            let mut leaders = self.shared.leaders.lock();
            let taken = leaders
                .get(role)
                .is_some_and(|(other, until_ms)| other != holder && *until_ms > now_ms);
            if !taken {
                leaders.insert(role.to_owned(), (holder.to_owned(), until_ms));
            }
            Ok(!taken)
        })
    }

    fn counters(&self, counts: Vec<Count>, now_ms: i64) -> Reply<'_, Counted> {
        Box::pin(self.write(move |answer| Request::Count(counts, now_ms, answer)))
    }

    fn put_definition(&self, name: String, definition: Stored) -> Reply<'_, DefinitionHash> {
        Box::pin(async move {
            let hash = definition.hash();
            let stored = serde_json::to_string(&definition)
                .map_err(|error| rows::corrupt("definition", &error))?;
            self.write(move |answer| Request::Define(hash, name, stored, answer)).await?;
            Ok(hash)
        })
    }

    fn definitions(&self, hashes: Option<Vec<DefinitionHash>>) -> Reply<'_, Vec<(String, Stored)>> {
        Box::pin(self.query(move |connection| read::definitions(connection, hashes.as_deref())))
    }

    fn event(&self, id: EventId) -> Reply<'_, Option<EventRow>> {
        Box::pin(self.query(move |connection| read::event(connection, id)))
    }

    fn events(&self, filter: EventFilter) -> Reply<'_, Page<EventRow>> {
        Box::pin(self.query(move |connection| read::events(connection, &filter)))
    }

    fn run(&self, id: RunId) -> Reply<'_, Option<crate::History>> {
        Box::pin(self.query(move |connection| {
            let loaded = rows::load(connection, id)?;
            Ok(loaded.map(|loaded| (loaded.run, loaded.event, loaded.journal)))
        }))
    }

    fn runs(&self, filter: RunFilter) -> Reply<'_, Page<(Run, String)>> {
        Box::pin(self.query(move |connection| read::runs(connection, &filter)))
    }

    fn stats(&self) -> Reply<'_, Stats> {
        Box::pin(async move { Ok(self.stats_now()) })
    }

    fn prune(&self, retention: Retention, now_ms: i64) -> Reply<'_, Pruned> {
        Box::pin(self.write(move |answer| Request::Prune(retention, now_ms, answer)))
    }
}
