//! What is due, in memory: the order of runs, who works on them, and how many of a concurrency
//! key are at work. Owned by the embedded backend, rebuilt when it opens; writes nothing.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::{Event, Run, RunId};

use crate::Fence;

/// Bytes of events kept with waiting runs, so that a run claimed soon after it was recorded needs
/// no read. Beyond this, claims read from disk.
const FRESH_BYTES: usize = 16 << 20;

/// A concurrency key with its bound.
pub(crate) type Gate = (KeyHash, u32);

/// A run waiting for its time.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub due_ms: i64,
    pub id: RunId,
    pub state: RunState,
    pub gate: Option<Gate>,
    pub fresh: Option<Box<Fresh>>,
}

/// A run that has never been at work, with its event.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub run: Run,
    pub event: Arc<Event>,
}

impl Waiting {
    fn place(&self) -> (i64, RunId) {
        (self.due_ms, self.id)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    /// Reversed, so that the heap's greatest is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.place().cmp(&self.place())
    }
}

/// A run under an owner.
#[derive(Debug)]
pub(crate) struct Held {
    pub fence: Fence,
    pub until_ms: i64,
    pub gate: Option<Gate>,
    /// The state its row on disk has.
    pub stored: RunState,
    /// How many journal rows it has.
    pub rows: u32,
}

#[derive(Debug, Default)]
struct Line {
    active: u32,
    parked: BinaryHeap<Waiting>,
}

/// What is due and who works on what.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    waiting: BinaryHeap<Waiting>,
    /// Places in `waiting` that no longer count, because the run moved or ended.
    void: HashSet<(RunId, i64)>,
    held: HashMap<RunId, Held>,
    lines: HashMap<KeyHash, Line>,
    fence: u64,
    fresh_bytes: usize,
}

impl Schedule {
    /// A schedule over runs read back from disk. `epoch` makes fences grow across restarts.
    pub fn rebuild(waiting: Vec<Waiting>, epoch: u64) -> Self {
        Self { waiting: waiting.into(), fence: epoch << 24, ..Self::default() }
    }

    /// Adds a run that waits for its time.
    pub fn push(&mut self, mut waiting: Waiting) {
        if let Some(fresh) = &waiting.fresh {
            let bytes = fresh.event.data.text().len() + 512;
            if self.fresh_bytes + bytes > FRESH_BYTES {
                waiting.fresh = None;
            } else {
                self.fresh_bytes += bytes;
            }
        }
        self.waiting.push(waiting);
    }

    /// Forgets the place of a run that moved or ended while it waited.
    pub fn void(&mut self, id: RunId, due_ms: i64) {
        self.void.insert((id, due_ms));
    }

    /// Hands out up to `limit` runs due by `now_ms`.
    pub fn claim(&mut self, limit: usize, until_ms: i64, now_ms: i64) -> Vec<(Waiting, Fence)> {
        let mut claimed = Vec::new();
        while claimed.len() < limit && self.waiting.peek().is_some_and(|w| w.due_ms <= now_ms) {
            let Some(waiting) = self.pop() else { continue };
            if let Some((key, bound)) = waiting.gate {
                let line = self.lines.entry(key).or_default();
                if line.active >= bound {
                    line.parked.push(waiting);
                    continue;
                }
                line.active += 1;
                if line
                    .parked
                    .peek()
                    .is_some_and(|next| next.gate.is_some_and(|g| line.active < g.1))
                {
                    self.waiting.extend(line.parked.pop());
                }
            }
            self.fence += 1;
            let fence = Fence(self.fence);
            let held = Held { fence, until_ms, gate: waiting.gate, stored: waiting.state, rows: 0 };
            self.held.insert(waiting.id, held);
            claimed.push((waiting, fence));
        }
        claimed
    }

    /// The next waiting run; `None` if its place no longer counts.
    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop()?;
        if let Some(fresh) = &waiting.fresh {
            self.fresh_bytes -= fresh.event.data.text().len() + 512;
        }
        (self.void.is_empty() || !self.void.remove(&waiting.place_key())).then_some(waiting)
    }

    /// When the next run falls due.
    pub fn next_due_ms(&mut self) -> Option<i64> {
        loop {
            let next = self.waiting.peek()?;
            if self.void.is_empty() || !self.void.contains(&next.place_key()) {
                return Some(next.due_ms);
            }
            self.pop();
        }
    }

    /// The owner's hold on a run.
    pub fn held(&mut self, id: RunId) -> Option<&mut Held> {
        self.held.get_mut(&id)
    }

    /// Takes a run from its owner; the next of its concurrency key may go.
    pub fn release(&mut self, id: RunId) -> Option<Held> {
        let held = self.held.remove(&id)?;
        if let Some((key, _)) = held.gate
            && let Some(line) = self.lines.get_mut(&key)
        {
            line.active = line.active.saturating_sub(1);
            let next = line.parked.pop();
            if line.active == 0 && next.is_none() {
                self.lines.remove(&key);
            }
            self.waiting.extend(next);
        }
        Some(held)
    }

    /// Prolongs a hold; false if it is lost.
    pub fn extend(&mut self, id: RunId, fence: Fence, until_ms: i64) -> bool {
        match self.held.get_mut(&id) {
            Some(held) if held.fence == fence => {
                held.until_ms = until_ms;
                true
            }
            _ => false,
        }
    }

    /// Runs whose owner's time is over.
    pub fn expired(&self, now_ms: i64) -> Vec<RunId> {
        let late = self.held.iter().filter(|(_, held)| held.until_ms <= now_ms);
        late.map(|(id, _)| *id).collect()
    }

    /// How many runs are under an owner, by the state their row has.
    pub fn at_work(&self) -> impl Iterator<Item = RunState> {
        self.held.values().map(|held| held.stored)
    }
}

impl Waiting {
    fn place_key(&self) -> (RunId, i64) {
        (self.id, self.due_ms)
    }
}
