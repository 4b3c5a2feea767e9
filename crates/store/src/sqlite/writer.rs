//! The thread that writes the log. It takes whatever waits, decides about each request from what is
//! in memory, puts the outcome on disk as one frame, and only then changes memory and answers.
//! Nobody who waits is kept waiting for others: while one group is being written the next gathers
//! by itself. Only ends of runs, which nobody waits for, wait a moment for company.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use postroom_core::id::KeyHash;
use postroom_core::{DefinitionHash, RunId};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::apply::{self, Applied, Group};
use super::backlog::Task;
use super::lines::Name;
use crate::hash::{Map, Set};
use crate::{
    Arrival, Committed, Count, Counted, Error, Fence, Order, Ordered, Pruned, Recorded, Retention,
    Transition,
};

/// The most requests one frame carries.
const GROUP: usize = 1024;

/// How long the ends of runs wait for something more urgent to be flushed with.
const COMPANY: Duration = Duration::from_millis(1);

/// Something to be written.
pub(super) enum Request {
    Record(Vec<Arrival>, Answer<Vec<Recorded>>),
    Commit(Vec<Transition>, Answer<Vec<Committed>>),
    Control(Order, Answer<Ordered>),
    Count(Vec<Count>, i64, Answer<Counted>),
    Define(DefinitionHash, String, String, Answer<()>),
    Reap(i64, Answer<u64>),
    /// Rights are given back; the runs are due at once, or after a delay.
    GiveBack {
        held: Vec<(RunId, Fence)>,
        now_ms: i64,
        delay_ms: i64,
        answer: Answer<Vec<bool>>,
    },
    Prune(Retention, i64, Answer<Pruned>),
    /// A run whose row cannot be read is put among the dead letters, so that it blocks nobody.
    Bury(RunId, String, i64),
}

impl Request {
    /// Whether somebody waits for it, or something follows from it. The end of a run can wait.
    fn is_urgent(&self) -> bool {
        let is_end =
            |transition: &Transition| transition.run.state.ended() && transition.emits.is_empty();
        match self {
            Self::Commit(transitions, _) => !transitions.iter().all(is_end),
            _ => true,
        }
    }

    /// Whether it reads the tables, which must be up to the log then.
    fn reads_tables(&self) -> bool {
        matches!(self, Self::Control(..))
    }

    /// Whether it brings in something new, which is refused while the tables cannot be written.
    fn is_new(&self) -> bool {
        matches!(self, Self::Record(..))
    }
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    urgent: bool,
    closed: bool,
}

impl Inbox {
    /// Hands a request over; given back if the store is closed.
    pub fn send(&self, request: Request) -> Result<(), Error> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Error::Closed);
        }
        let became_urgent = !waiting.urgent && request.is_urgent();
        waiting.urgent |= became_urgent;
        waiting.requests.push(request);
        if became_urgent || waiting.requests.len() == 1 {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Lets the writer finish what waits and end.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Turns away what waits and whatever comes.
    fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.requests.clear();
    }

    /// The next group; `None` once closed and empty.
    fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            self.arrived.wait(&mut waiting);
        }
        let until = Instant::now() + COMPANY;
        let alone = |waiting: &mut Waiting| !waiting.urgent && !waiting.closed;
        self.arrived.wait_while_until(&mut waiting, alone, until);
        if waiting.requests.len() <= GROUP {
            waiting.urgent = false;
            return Some(std::mem::take(&mut waiting.requests));
        }
        let rest = waiting.requests.split_off(GROUP);
        Some(std::mem::replace(&mut waiting.requests, rest))
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
    pub keys: Map<KeyHash, ([u8; 16], i64)>,
    /// Runs given back or taken away within the group, with the last transition that may be
    /// repeated.
    pub gone: Map<RunId, Option<(Fence, u32)>>,
    /// Runs written within the group that stay with their owner, with the last transition.
    pub kept: Map<RunId, u32>,
    /// Journal rows written within the group.
    pub rows: Map<RunId, u32>,
    /// Events recorded within the group.
    pub events: Set<Name>,
    /// Shared numbers changed within the group: value and until when.
    pub numbers: HashMap<String, (i64, i64)>,
    pub tally: [i64; 6],
}

impl Overlay {
    /// Nothing changed; keeps the room it has for the next group.
    fn clear(&mut self) {
        let Self { keys, gone, kept, rows, events, numbers, tally } = self;
        keys.clear();
        gone.clear();
        kept.clear();
        rows.clear();
        events.clear();
        numbers.clear();
        *tally = [0; 6];
    }
}

/// An answer on its way back to whoever asked.
pub(super) enum Deliver {
    Recorded(Answer<Vec<Recorded>>, Result<Vec<Recorded>, Error>),
    Committed(Answer<Vec<Committed>>, Result<Vec<Committed>, Error>),
    Ordered(Answer<Ordered>, Result<Ordered, Error>),
    Counted(Answer<Counted>, Result<Counted, Error>),
    Number(Answer<u64>, Result<u64, Error>),
    Held(Answer<Vec<bool>>, Result<Vec<bool>, Error>),
    Pruned(Answer<Pruned>, Result<Pruned, Error>),
    Done(Answer<()>, Result<(), Error>),
}

impl Deliver {
    /// Gives the answer. Whoever asked may have gone; what was written stays written.
    pub fn give(self) {
        match self {
            Self::Recorded(answer, result) => drop(answer.send(result)),
            Self::Committed(answer, result) => drop(answer.send(result)),
            Self::Ordered(answer, result) => drop(answer.send(result)),
            Self::Counted(answer, result) => drop(answer.send(result)),
            Self::Number(answer, result) => drop(answer.send(result)),
            Self::Held(answer, result) => drop(answer.send(result)),
            Self::Pruned(answer, result) => drop(answer.send(result)),
            Self::Done(answer, result) => drop(answer.send(result)),
        }
    }
}

/// Events that are in the log and not yet in the tables. An id beyond every id in the tables that
/// is not among these is new, which saves the look-up.
#[derive(Default)]
pub(super) struct Unapplied {
    ids: Set<Name>,
    order: VecDeque<(u64, Name)>,
    /// The greatest id in the tables.
    pub floor: Name,
}

impl Unapplied {
    /// Nothing, with the greatest id in the tables.
    pub fn new(floor: Name) -> Self {
        Self { floor, ..Self::default() }
    }

    pub fn contains(&self, id: &Name) -> bool {
        self.ids.contains(id)
    }

    fn insert(&mut self, seq: u64, id: Name) {
        self.ids.insert(id);
        self.order.push_back((seq, id));
    }

    /// Forgets what the tables hold by now.
    fn applied(&mut self, seq: u64) {
        while let Some((_, id)) = self.order.pop_front_if(|(of, _)| *of <= seq) {
            self.ids.remove(&id);
            self.floor = self.floor.max(id);
        }
    }
}

pub(super) struct Writer {
    /// For look-ups.
    pub reader: Connection,
    pub shared: Arc<Shared>,
    pub unapplied: Unapplied,
    /// Where a group is gathered.
    pub overlay: Overlay,
    /// The size of the last frame.
    pub frame_bytes: usize,
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
            for part in parts(group) {
                let started = Instant::now();
                let size = part.len() as u64;
                let (answers, due) = self.take(part);
                shared.group_size.observe(size);
                let took = started.elapsed().as_micros();
                shared.commit_us.observe(took.try_into().unwrap_or(u64::MAX));
                // Who has an answer may count on the hint having been given.
                if due {
                    shared.wake.wake();
                }
                let _ = self.answers.send(answers);
            }
        }
    }

    /// The answers to a group, and whether a run may have fallen due.
    fn take(&mut self, group: Vec<Request>) -> (Vec<Deliver>, bool) {
        if group.first().is_some_and(Request::reads_tables)
            && let Err(error) = self.shared.backlog.idle()
        {
            return (refuse_all(group, &error), false);
        }
        let (group, mut answers) = match self.shared.backlog.room() {
            Ok(()) => (group, Vec::new()),
            // What was done already is still written down, as long as the log may grow.
            Err(error) => {
                let has_room = self.shared.backlog.has_room();
                let refused = |request: &Request| !has_room || request.is_new();
                let (refused, taken): (Vec<_>, Vec<_>) = group.into_iter().partition(refused);
                (taken, refuse_all(refused, &error))
            }
        };
        if group.is_empty() {
            return (answers, false);
        }
        let (more, due) = match self.write(&group) {
            Ok((seq, applied)) => self.settle(seq, group, applied),
            Err(error) => self.fall_back(group, &error),
        };
        answers.extend(more);
        (answers, due)
    }

    /// Decides about a group and puts the outcome on disk.
    fn write(&mut self, group: &[Request]) -> Result<(u64, Vec<Applied>), Error> {
        self.unapplied.applied(self.shared.backlog.applied_now());
        let mut overlay = std::mem::take(&mut self.overlay);
        overlay.clear();
        // Room for a frame like the last one, and a little more.
        let mut frame = Vec::with_capacity(self.frame_bytes + self.frame_bytes / 4);
        let mut applied = Vec::with_capacity(group.len());
        let mut deciding = Group {
            reader: &self.reader,
            shared: &self.shared,
            unapplied: &self.unapplied,
            overlay: &mut overlay,
            frame: &mut frame,
        };
        for request in group {
            applied.push(deciding.apply(request)?);
        }
        self.frame_bytes = frame.len();
        let seq = if frame.is_empty() {
            self.shared.log.lock().next() - 1
        } else {
            let seq = self.shared.log.lock().append(&frame)?;
            // A group that came to nothing would say nothing about the disk.
            self.shared.failing.lock().take();
            self.shared.backlog.push(Task::Frame((seq, frame)));
            seq
        };
        for id in overlay.events.drain() {
            self.unapplied.insert(seq, id);
        }
        self.shared.numbers.lock().extend(overlay.numbers.drain());
        self.shared.count(&overlay.tally);
        self.shared.written.store(seq, std::sync::atomic::Ordering::Release);
        self.overlay = overlay;
        Ok((seq, applied))
    }

    /// Brings memory up to what is now on disk, and readies the answers.
    fn settle(&self, seq: u64, group: Vec<Request>, applied: Vec<Applied>) -> (Vec<Deliver>, bool) {
        let mut answers = Vec::with_capacity(group.len());
        let mut due = false;
        for (request, applied) in group.into_iter().zip(applied) {
            answers.extend(apply::settle(&self.shared, seq, request, applied, &mut due));
        }
        (answers, due)
    }

    /// A group failed as a whole and nothing of it is on disk. If the disk is to blame everybody
    /// hears so; else each request is tried alone, so that one bad request cannot fail the others.
    fn fall_back(&mut self, group: Vec<Request>, error: &Error) -> (Vec<Deliver>, bool) {
        let unavailable = matches!(error, Error::Unavailable { .. });
        if unavailable {
            *self.shared.failing.lock() = Some(error.to_string());
        }
        if unavailable || group.len() == 1 {
            return (refuse_all(group, error), false);
        }
        let (mut answers, mut any_due) = (Vec::new(), false);
        for request in group {
            match self.write(std::slice::from_ref(&request)) {
                Ok((seq, applied)) => {
                    let (answered, due) = self.settle(seq, vec![request], applied);
                    answers.extend(answered);
                    any_due |= due;
                }
                Err(error) => answers.extend(apply::refuse(request, &error)),
            }
        }
        (answers, any_due)
    }
}

fn refuse_all(group: Vec<Request>, error: &Error) -> Vec<Deliver> {
    group.into_iter().filter_map(|request| apply::refuse(request, error)).collect()
}

/// A group in parts that are written one after the other: what reads the tables goes alone.
fn parts(group: Vec<Request>) -> Vec<Vec<Request>> {
    let mut parts: Vec<Vec<Request>> = Vec::new();
    for request in group {
        match parts.last_mut() {
            Some(part) if !request.reads_tables() && !part[0].reads_tables() => part.push(request),
            _ => parts.push(vec![request]),
        }
    }
    parts
}
