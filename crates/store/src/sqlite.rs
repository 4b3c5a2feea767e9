//! The embedded backend: one SQLite file, one process.
//!
//! One writer thread owns the writing connection and groups whatever waits into one durable
//! transaction (WAL, `synchronous=FULL`). What is due and which de-duplication keys were seen is
//! kept in memory and rebuilt at open, so claiming writes nothing and no random-key index lies on
//! the acknowledge path. Reads go through their own connections.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use postroom_core::definition::Stored;
use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, EventId, Run, RunId};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::schedule::{Schedule, Waiting};
use crate::stats::Meter;
use crate::{
    Arrival, Claimed, Committed, Count, Counted, Error, EventFilter, EventRow, Fence, Lease, Order,
    Ordered, Page, Recorded, Reply, Retention, RunFilter, Stats, Store, Transition, Wake,
};

mod apply;
mod memory;
mod prune;
mod read;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use memory::Keys;
use writer::{Answer, Deliver, Inbox, Request, Writer};

/// The most queries of lists and pages at once.
const READERS: usize = 4;

/// What the parts of the backend share.
struct Shared {
    inbox: Inbox,
    schedule: Mutex<Schedule>,
    keys: Mutex<Keys>,
    tally: Mutex<[u64; 6]>,
    leaders: Mutex<std::collections::HashMap<String, (String, i64)>>,
    readers: Mutex<Vec<Connection>>,
    /// Bounds the connections that lists and pages use; owners that take up a run never wait here.
    reading: Semaphore,
    failing: Mutex<Option<String>>,
    /// Up to where events were looked at by retention and kept.
    pruned_to: Mutex<[u8; 16]>,
    group_size: Meter,
    commit_us: Meter,
    path: PathBuf,
    wal_path: PathBuf,
    wake: Arc<dyn Wake>,
}

/// The embedded store. Dropping it finishes what waits and gives the file back.
pub struct Sqlite {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
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
    /// Opens the store in a folder, which is made if it is not there, and reads back what is due.
    /// `now_ms` is milliseconds since 1970. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// `Locked` if another process has the folder, `Newer` if a newer version wrote it,
    /// `Unavailable` if it cannot be read and written.
    pub fn open(folder: &Path, wake: Arc<dyn Wake>, now_ms: i64) -> Result<Self, Error> {
        // It holds payloads, so a folder made here is its owner's alone.
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700);
        folders.create(folder).map_err(|error| io_failed("cannot make", folder, &error))?;
        let lock = lock(folder)?;
        let path = folder.join("postroom.db");
        let mut connection =
            connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        schema::migrate(&mut connection)?;
        let epoch = u64::try_from(now_ms).unwrap_or(0);
        let shared = Arc::new(Shared {
            inbox: Inbox::default(),
            schedule: Mutex::new(Schedule::rebuild(read::live(&connection, now_ms)?, epoch)),
            keys: Mutex::new(read::keys(&connection, now_ms)?),
            tally: Mutex::new(read::tally(&connection)?),
            leaders: Mutex::default(),
            readers: Mutex::default(),
            reading: Semaphore::new(READERS),
            failing: Mutex::default(),
            pruned_to: Mutex::default(),
            group_size: Meter::new(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]),
            commit_us: Meter::new(&[
                100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000,
            ]),
            wal_path: folder.join("postroom.db-wal"),
            path,
            wake,
        });
        let (answers, mut pending) = mpsc::unbounded_channel::<Vec<Deliver>>();
        tokio::spawn(async move {
            while let Some(group) = pending.recv().await {
                group.into_iter().for_each(|deliver| deliver());
            }
        });
        let writer = Writer { connection, shared: Arc::clone(&shared), answers };
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| Error::Unavailable { reason: format!("no writer thread: {error}") })?;
        Ok(Self { shared, writer: Some(writer), _lock: lock })
    }

    /// Hands a request to the writer and waits until it is on disk.
    async fn write<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.shared.inbox.send(request(answer))?;
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Runs a query of a list or page; only so many at once.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _permit = self.shared.reading.acquire().await.map_err(|_| Error::Closed)?;
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

    /// Reads what owners need of claimed runs, in the order in which they were claimed.
    async fn lease(
        &self,
        claimed: Vec<(Waiting, Fence)>,
        now_ms: i64,
    ) -> Result<Vec<Lease>, Error> {
        let stored = claimed.iter().filter(|(waiting, _)| waiting.fresh.is_none());
        let ids: Vec<RunId> = stored.map(|(waiting, _)| waiting.id).collect();
        let loaded = if ids.is_empty() {
            Ok(Vec::new())
        } else {
            let load = move |connection: &Connection| {
                Ok(ids.iter().map(|id| rows::load(connection, *id)).collect::<Vec<_>>())
            };
            self.read(load).await
        };
        let mut loaded = match loaded {
            Ok(loaded) => loaded.into_iter(),
            Err(error) => {
                // Nobody will work on these before their lease ends; give them back at once.
                for (waiting, fence) in claimed {
                    self.hand_back(waiting.id, fence, now_ms);
                }
                return Err(error);
            }
        };
        let mut leases = Vec::with_capacity(claimed.len());
        for (waiting, fence) in claimed {
            let lease = match waiting.fresh {
                Some(fresh) => {
                    let (run, event) = (fresh.run, fresh.event);
                    Some(Lease { run, fence, event, journal: Vec::new() })
                }
                None => match loaded.next() {
                    Some(found) => self.take_up(waiting.id, fence, found, now_ms)?,
                    None => None,
                },
            };
            leases.extend(lease);
        }
        Ok(leases)
    }

    /// Makes a lease of a run that was read, unless it was taken away meanwhile.
    fn take_up(
        &self,
        id: RunId,
        fence: Fence,
        found: Result<Option<rows::Loaded>, Error>,
        now_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        let loaded = match found {
            Ok(loaded) => loaded,
            Err(Error::Corrupt { reason }) => {
                self.shared.inbox.send(Request::Bury(id, reason, now_ms))?;
                return Ok(None);
            }
            Err(_) => {
                self.hand_back(id, fence, now_ms);
                return Ok(None);
            }
        };
        let mut schedule = self.shared.schedule.lock();
        let Some(held) = schedule.held(id).filter(|held| held.fence == fence) else {
            return Ok(None);
        };
        let Some(loaded) = loaded else {
            schedule.release(id);
            return Ok(None);
        };
        held.rows = loaded.rows;
        let (run, event, journal) = (loaded.run, loaded.event, loaded.journal);
        Ok(Some(Lease { run, fence, event, journal }))
    }

    fn hand_back(&self, id: RunId, fence: Fence, now_ms: i64) {
        self.shared.schedule.lock().extend(id, fence, now_ms);
    }

    fn stats_now(&self) -> Stats {
        let shared = &self.shared;
        let mut counts = *shared.tally.lock();
        let mut schedule = shared.schedule.lock();
        let index = |state: RunState| usize::try_from(rows::state_number(state)).unwrap_or(0);
        for stored in schedule.at_work() {
            counts[index(stored)] = counts[index(stored)].saturating_sub(1);
            counts[index(RunState::Running)] += 1;
        }
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        Stats {
            runs: RunState::ALL.into_iter().map(|state| (state, counts[index(state)])).collect(),
            oldest_due_ms: schedule.oldest_due_ms(),
            dedupe_keys: shared.keys.lock().len() as u64,
            disk_bytes: size(&shared.path) + size(&shared.wal_path),
            group_size: shared.group_size.read(),
            commit_us: shared.commit_us.read(),
            failing: shared.failing.lock().clone(),
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
    }
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("postroom.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| io_failed("cannot open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: folder.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(io_failed("cannot lock", &path, &error)),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; \
             PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 4000; \
             PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;",
        )
        .map_err(failed)?;
    Ok(connection)
}

impl Store for Sqlite {
    fn record(&self, arrivals: Vec<Arrival>) -> Reply<'_, Vec<Recorded>> {
        Box::pin(self.write(move |answer| Request::Record(arrivals, answer)))
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

    fn extend(&self, held: Vec<(RunId, Fence)>, until_ms: i64) -> Reply<'_, Vec<bool>> {
        Box::pin(async move {
            let mut schedule = self.shared.schedule.lock();
            Ok(held.into_iter().map(|(id, fence)| schedule.extend(id, fence, until_ms)).collect())
        })
    }

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

    fn counters(&self, counts: Vec<Count>, now_ms: i64) -> Reply<'_, Vec<Counted>> {
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

    fn definitions(&self, hashes: Vec<DefinitionHash>) -> Reply<'_, Vec<(String, Stored)>> {
        Box::pin(self.query(move |connection| read::definitions(connection, &hashes)))
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

    fn prune(&self, retention: Retention, now_ms: i64) -> Reply<'_, u64> {
        Box::pin(self.write(move |answer| Request::Prune(retention, now_ms, answer)))
    }
}
