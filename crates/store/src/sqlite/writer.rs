//! The one thread that writes. It takes whatever waits, applies it in one transaction, and only
//! when that is on disk changes the schedule and answers. There is no linger: while one group is
//! being written the next gathers by itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use postroom_core::id::KeyHash;
use postroom_core::{DefinitionHash, RunId};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::apply::{self, Applied};
use super::{Shared, failed};
use crate::{
    Arrival, Committed, Count, Counted, Error, Order, Ordered, Recorded, Retention, Transition,
};

/// The most requests one transaction carries.
const GROUP: usize = 1024;

/// Something to be written.
pub(super) enum Request {
    Record(Vec<Arrival>, Answer<Vec<Recorded>>),
    Commit(Vec<Transition>, Answer<Vec<Committed>>),
    Control(Order, Answer<Ordered>),
    Count(Vec<Count>, i64, Answer<Vec<Counted>>),
    Define(DefinitionHash, String, String, Answer<()>),
    Reap(i64, Answer<u64>),
    Prune(Retention, i64, Answer<u64>),
    /// A run whose row cannot be read is put among the dead letters, so that it blocks nobody.
    Bury(RunId, String, i64),
    /// SQL outside of any transaction, for tests that take the disk away.
    #[cfg(test)]
    Execute(&'static str, Answer<()>),
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<(Vec<Request>, bool)>,
    arrived: Condvar,
}

impl Inbox {
    /// Hands a request over; given back if the store is closed.
    pub fn send(&self, request: Request) -> Result<(), Error> {
        let mut waiting = self.waiting.lock();
        if waiting.1 {
            return Err(Error::Closed);
        }
        waiting.0.push(request);
        if waiting.0.len() == 1 {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Lets the writer finish what waits and end.
    pub fn close(&self) {
        self.waiting.lock().1 = true;
        self.arrived.notify_one();
    }

    /// Turns away what waits and whatever comes.
    fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        waiting.1 = true;
        waiting.0.clear();
    }

    /// The next group; `None` once closed and empty.
    fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.waiting.lock();
        loop {
            if !waiting.0.is_empty() {
                if waiting.0.len() <= GROUP {
                    return Some(std::mem::take(&mut waiting.0));
                }
                let rest = waiting.0.split_off(GROUP);
                return Some(std::mem::replace(&mut waiting.0, rest));
            }
            if waiting.1 {
                return None;
            }
            self.arrived.wait(&mut waiting);
        }
    }
}

struct CloseAtEnd<'a>(&'a Inbox);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What a group has changed so far that memory does not know yet.
#[derive(Default)]
pub(super) struct Overlay {
    /// De-duplication keys remembered, each with who had it first and until when.
    pub keys: HashMap<KeyHash, ([u8; 16], i64)>,
    /// Runs given back or taken away within the group.
    pub gone: HashSet<RunId>,
    /// Runs written within the group that stay with their owner.
    pub kept: HashSet<RunId>,
    /// Journal rows written within the group.
    pub rows: HashMap<RunId, u32>,
    pub tally: [i64; 6],
}

/// An answer on its way back to whoever asked.
pub(super) type Deliver = Box<dyn FnOnce() + Send>;

pub(super) struct Writer {
    pub connection: Connection,
    pub shared: Arc<Shared>,
    /// Answers of a group travel together: one wake of the runtime instead of one a request.
    pub answers: mpsc::UnboundedSender<Vec<Deliver>>,
}

impl Writer {
    /// Writes until the store is closed.
    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        // However this thread ends, nobody waits for it afterwards.
        let _closed = CloseAtEnd(&shared.inbox);
        while let Some(group) = shared.inbox.take() {
            let started = Instant::now();
            let size = group.len() as u64;
            let changes = self.connection.total_changes();
            let answers = match self.write(&group) {
                Ok(applied) => {
                    // A group that came to nothing says nothing about the disk.
                    if self.connection.total_changes() != changes {
                        shared.failing.lock().take();
                    }
                    self.settle(group, applied)
                }
                Err(error) => self.fall_back(group, &error),
            };
            shared.group_size.observe(size);
            shared.commit_us.observe(started.elapsed().as_micros().try_into().unwrap_or(u64::MAX));
            let _ = self.answers.send(answers);
            self.bound_wal();
        }
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Applies a group in one transaction.
    fn write(&mut self, group: &[Request]) -> Result<Vec<Applied>, Error> {
        #[cfg(test)]
        if let [Request::Execute(sql, _)] = group {
            self.connection.execute_batch(sql).map_err(failed)?;
            return Ok(vec![Applied::Done]);
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let mut overlay = Overlay::default();
        let mut applied = Vec::with_capacity(group.len());
        for request in group {
            applied.push(apply::apply(&transaction, &self.shared, &mut overlay, request)?);
        }
        apply::tally(&transaction, &overlay.tally)?;
        transaction.commit().map_err(failed)?;
        let mut tally = self.shared.tally.lock();
        for (total, change) in tally.iter_mut().zip(overlay.tally) {
            *total = total.saturating_add_signed(change);
        }
        Ok(applied)
    }

    /// Brings memory up to what is now on disk, and readies the answers.
    fn settle(&self, group: Vec<Request>, applied: Vec<Applied>) -> Vec<Deliver> {
        let mut answers = Vec::with_capacity(group.len());
        let mut due = false;
        for (request, applied) in group.into_iter().zip(applied) {
            answers.extend(apply::settle(&self.shared, request, applied, &mut due));
        }
        if due {
            self.shared.wake.wake();
        }
        answers
    }

    /// A group failed as a whole and nothing of it is on disk. If the disk is to blame everybody
    /// hears so; else each request is tried alone, so that one bad request cannot fail the others.
    fn fall_back(&mut self, group: Vec<Request>, error: &Error) -> Vec<Deliver> {
        let unavailable = matches!(error, Error::Unavailable { .. });
        if unavailable {
            *self.shared.failing.lock() = Some(error.to_string());
        }
        if unavailable || group.len() == 1 {
            return group.into_iter().map(|request| apply::refuse(request, error)).collect();
        }
        let mut answers = Vec::new();
        for request in group {
            match self.write(std::slice::from_ref(&request)) {
                Ok(applied) => answers.extend(self.settle(vec![request], applied)),
                Err(error) => answers.push(apply::refuse(request, &error)),
            }
        }
        answers
    }

    /// Automatic checkpoints keep the log near 16 MB unless readers never pause; past 64 MB the
    /// writer waits for them.
    fn bound_wal(&self) {
        let bytes = std::fs::metadata(&self.shared.wal_path).map_or(0, |file| file.len());
        if bytes > 64 << 20 {
            let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}
