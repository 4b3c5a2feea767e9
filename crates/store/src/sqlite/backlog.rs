//! What is in the log and not yet in the tables, between the thread that writes the log and the one
//! that brings the tables up to it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::log::Frame;
use super::writer::Answer;
use crate::{Error, Pruned, Retention};

/// How long frames gather before they go into the tables together, unless somebody waits for them.
/// What changes again within that time is written once.
const GATHER: Duration = Duration::from_millis(100);
/// More than this is not gathered.
const GATHER_BYTES: usize = 4 << 20;
/// More than this the log does not run ahead of the tables; the writer waits then.
const AHEAD_BYTES: usize = 32 << 20;
/// How soon tables that could not be written are tried again when nobody asks.
const RETRY: Duration = Duration::from_millis(250);

/// Work for the tables.
pub(super) enum Task {
    Frame(Frame),
    /// Forget what may be forgotten.
    Prune(Retention, i64, Answer<Pruned>),
}

impl Task {
    /// Says that it cannot be done now. Frames are in the log and wait.
    fn refuse(self, reason: &str) {
        if let Self::Prune(_, _, answer) = self {
            // Whoever asked may have gone.
            let _ = answer.send(Err(Error::Unavailable { reason: reason.to_owned() }));
        }
    }
}

/// How far the tables have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// The number of the last frame in them.
    pub applied: u64,
    /// Counts the tries that failed since the last that did not; 0 if none has.
    pub failures: u64,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    bytes: usize,
    /// Somebody waits for what is here.
    hurried: bool,
    /// What was taken last is still being worked on.
    busy: bool,
    closed: bool,
    reached: Reached,
    failing: Option<String>,
    /// Counts the tries to bring the tables further.
    tries: u64,
    /// The last try that failed.
    failed_try: u64,
}

/// Frames on their way from the log to the tables.
pub(super) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
    reached: watch::Sender<Reached>,
}

impl Backlog {
    pub fn new(applied: u64) -> Self {
        let reached = Reached { applied, failures: 0 };
        let state = State { reached, ..State::default() };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            reached: watch::Sender::new(reached),
        }
    }

    /// Hands work over.
    pub fn push(&self, task: Task) {
        let mut state = self.state.lock();
        if let (Task::Prune(..), Some(reason)) = (&task, &state.failing) {
            return task.refuse(reason);
        }
        let was_empty = state.waiting.is_empty();
        match &task {
            Task::Frame((_, payload)) => state.bytes += payload.len(),
            _ => state.hurried = true,
        }
        state.waiting.push_back(task);
        if was_empty || state.hurried || state.bytes > GATHER_BYTES {
            self.changed.notify_all();
        }
    }

    /// Why the tables cannot be written, if they cannot.
    pub fn failing(&self) -> Option<String> {
        self.state.lock().failing.clone()
    }

    /// Waits until the log may run further ahead. If the tables cannot be written, they are tried
    /// once more.
    ///
    /// # Errors
    /// `Unavailable` if that fails too.
    pub fn room(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        let full = |state: &mut State| state.failing.is_none() && state.bytes > AHEAD_BYTES;
        self.changed.wait_while(&mut state, full);
        self.try_again(&mut state)
    }

    /// Whether the log may run further ahead although the tables cannot be written.
    pub fn has_room(&self) -> bool {
        self.state.lock().bytes <= AHEAD_BYTES
    }

    /// Waits until everything that was handed over is done.
    ///
    /// # Errors
    /// `Unavailable` if the tables cannot be written.
    pub fn idle(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        self.try_again(&mut state)?;
        while state.busy || !state.waiting.is_empty() {
            if let Some(reason) = &state.failing {
                return Err(Error::Unavailable { reason: reason.clone() });
            }
            state.hurried = true;
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
        Ok(())
    }

    /// Has the tables tried once more if they could not be written; else there is nothing to try.
    fn try_again(&self, state: &mut parking_lot::MutexGuard<'_, State>) -> Result<(), Error> {
        // One that is under way may have failed already; the next tells.
        let tries = state.tries;
        while state.failing.is_some() && state.failed_try <= tries && !state.closed {
            state.hurried = true;
            self.changed.notify_all();
            self.changed.wait(state);
        }
        match &state.failing {
            Some(reason) => Err(Error::Unavailable { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Waits until the tables hold the frame of a number; says whether they do. They do not if
    /// they cannot be written at present.
    pub async fn reached(&self, seq: u64) -> bool {
        if self.reached.borrow().applied >= seq {
            return true;
        }
        {
            let mut state = self.state.lock();
            state.hurried = true;
            self.changed.notify_all();
        }
        let mut reached = self.reached.subscribe();
        let there = reached.wait_for(|reached| reached.applied >= seq || reached.failures > 0);
        there.await.is_ok_and(|reached| reached.applied >= seq)
    }

    /// The number of the last frame in the tables.
    pub fn applied_now(&self) -> u64 {
        self.reached.borrow().applied
    }

    /// Lets the tables take what is here and end.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Says that nobody brings the tables further any more.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        if !state.closed {
            let reason = "the thread that writes the tables has ended; restart".to_owned();
            state.failing.get_or_insert(reason);
            state.reached.failures += 1;
        }
        state.closed = true;
        self.reached.send_replace(state.reached);
        self.changed.notify_all();
    }

    /// The next work; nothing once closed and empty. Frames are gathered, anything else comes
    /// alone.
    pub fn take(&self) -> Option<Vec<Task>> {
        let mut state = self.state.lock();
        state.busy = false;
        self.changed.notify_all();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state.hurried = false;
            self.changed.wait(&mut state);
        }
        let until = Instant::now() + GATHER;
        let gathers =
            |state: &mut State| !state.hurried && !state.closed && state.bytes <= GATHER_BYTES;
        self.changed.wait_while_until(&mut state, gathers, until);
        state.hurried = false;
        state.busy = true;
        let is_frame = |task: &&Task| matches!(task, Task::Frame(_));
        let frames = state.waiting.iter().take_while(is_frame).count();
        Some(state.waiting.drain(..frames.max(1)).collect())
    }

    /// A try to bring the tables further begins.
    pub fn begin(&self) {
        self.state.lock().tries += 1;
    }

    /// Frames up to a number are in the tables.
    pub fn applied(&self, seq: u64, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.reached = Reached { applied: seq.max(state.reached.applied), failures: 0 };
        state.failing = None;
        self.reached.send_replace(state.reached);
        self.changed.notify_all();
    }

    /// The tables could not be written. Waits before the next try; false if it is not to be made
    /// because the store is closed.
    pub fn failed(&self, error: &Error) -> bool {
        let mut state = self.state.lock();
        state.reached.failures += 1;
        state.failed_try = state.tries;
        let reason = error.to_string();
        let is_frame = |task: &Task| matches!(task, Task::Frame(_));
        let (frames, others): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut state.waiting).into_iter().partition(is_frame);
        state.waiting = frames;
        others.into_iter().for_each(|task| task.refuse(&reason));
        state.failing = Some(reason);
        self.reached.send_replace(state.reached);
        self.changed.notify_all();
        let until = Instant::now() + RETRY;
        let rests = |state: &mut State| !state.hurried && !state.closed;
        self.changed.wait_while_until(&mut state, rests, until);
        state.hurried = false;
        !state.closed
    }
}
