//! Opening the embedded store: the folder and its lock, the tables brought up to the log, memory
//! rebuilt, the threads started.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, mpsc};

use super::backlog::Backlog;
use super::log::{self, Log};
use super::tables::{self, Tables};
use super::writer::{Deliver, Inbox, Overlay, Unapplied, Writer};
use super::{READERS, Shared, Sqlite, failed, io_failed, read, schema};
use crate::schedule::Schedule;
use crate::stats::Meter;
use crate::{Error, Wake};

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
        // The log is what is durable; these tables are made so by checkpoints.
        let follower = "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; \
                        PRAGMA cache_size = -16000";
        connection.execute_batch(follower).map_err(failed)?;
        schema::migrate(&mut connection)?;
        let (applied, log) = catch_up(&mut connection, folder)?;
        let reader = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let epoch = u64::try_from(now_ms).unwrap_or(0);
        let tally = read::tally(&connection)?;
        let shared = Arc::new(Shared {
            inbox: Inbox::default(),
            log: Mutex::new(log),
            backlog: Backlog::new(applied),
            written: AtomicU64::new(applied),
            schedule: Mutex::new(Schedule::rebuild(read::live(&connection, now_ms)?, epoch)),
            keys: Mutex::new(read::keys(&connection, now_ms)?),
            numbers: Mutex::new(read::numbers(&connection, now_ms)?),
            tally: Mutex::new(tally),
            leaders: Mutex::default(),
            readers: Mutex::default(),
            reading: Semaphore::new(READERS),
            failing: Mutex::default(),
            group_size: Meter::new(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]),
            commit_us: Meter::new(&[
                100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000,
            ]),
            wal_path: folder.join("postroom.db-wal"),
            path,
            wake,
            #[cfg(test)]
            fault: Mutex::default(),
        });
        let (answers, mut pending) = mpsc::unbounded_channel::<Vec<Deliver>>();
        tokio::spawn(async move {
            while let Some(group) = pending.recv().await {
                group.into_iter().for_each(Deliver::give);
            }
        });
        let unapplied = Unapplied::new(read::last_event(&connection)?);
        let writer = Writer {
            reader,
            shared: Arc::clone(&shared),
            unapplied,
            overlay: Overlay::default(),
            frame_bytes: 0,
            answers,
        };
        let tables = Tables {
            connection,
            shared: Arc::clone(&shared),
            tally,
            pruned_to: [0; 16],
            no_spare: None,
        };
        let tables = thread("store-tables", move || tables.run())?;
        let writer = thread("store-writer", move || writer.run())?;
        Ok(Self { shared, writer: Some(writer), tables: Some(tables), _lock: lock })
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| Error::Unavailable { reason: format!("no thread {name}: {error}") })
}

/// Brings the tables up to the log that the last process left, for good, and starts the log anew.
/// Gives the number of the last frame.
fn catch_up(connection: &mut Connection, folder: &Path) -> Result<(u64, Log), Error> {
    let folder = folder.join("log");
    log::make_folder(&folder)?;
    let applied = tables::applied(connection)?;
    let left = log::read(&folder, applied)?;
    tables::write(connection, &left)?;
    let applied = left.last().map_or(applied, |(seq, _)| *seq);
    // The files of the log are written over from here on.
    tables::make_durable(connection)?;
    Ok((applied, Log::start(&folder, applied)?))
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

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
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
