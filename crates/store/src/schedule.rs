//! What is due, in memory: the order of runs, who works on them, and how many of a concurrency
//! key are at work. Owned by the embedded backend, rebuilt when it opens; writes nothing.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::{Event, Run, RunId};

use crate::Fence;
use crate::hash::Map;

/// Bytes of events kept with waiting runs, so that a run claimed soon after it was recorded needs
/// no read. Beyond this, claims read from disk.
const FRESH_BYTES: usize = 16 << 20;

/// Rights that have ended and are remembered. Answers do not get lost within a process, so that
/// nobody repeats a commit much later than it was answered.
const PAST: usize = 4_096;

/// A concurrency key with its bound.
pub(crate) type Gate = (KeyHash, u32);

/// A run waiting for its time.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub due_ms: i64,
    pub id: RunId,
    /// The state its row on disk has.
    pub state: RunState,
    pub gate: Option<Gate>,
    pub fresh: Option<Box<Fresh>>,
    /// The number of the log frame that wrote it last; the tables must hold it before it is read.
    pub written: u64,
    /// Owners lost since its last commit.
    pub losses: u32,
    /// Places are numbered, so that an old place of a run is told from its new one.
    place: u64,
}

/// A run that has never been at work, with its event.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub run: Run,
    pub event: Arc<Event>,
}

impl Waiting {
    /// A run as it waits after its row was read or written.
    pub fn new(due_ms: i64, id: RunId, state: RunState, gate: Option<Gate>) -> Self {
        Self { due_ms, id, state, gate, fresh: None, written: 0, losses: 0, place: 0 }
    }

    /// A run that was just written down, with what its first owner needs.
    pub fn fresh(due_ms: i64, run: Run, gate: Option<Gate>, event: &Arc<Event>) -> Self {
        let event = Arc::clone(event);
        let waiting = Self::new(due_ms, run.id, run.state, gate);
        Self { fresh: Some(Box::new(Fresh { run, event })), ..waiting }
    }

    /// The same, written by a frame of the log.
    pub fn written(self, seq: u64) -> Self {
        Self { written: seq, ..self }
    }

    fn order(&self) -> (i64, RunId) {
        (self.due_ms, self.id)
    }

    fn fresh_bytes(&self) -> usize {
        self.fresh.as_ref().map_or(0, |fresh| fresh.event.data.text().len() + 512)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
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
        other.order().cmp(&self.order())
    }
}

/// A run under an owner.
#[derive(Debug)]
pub(crate) struct Held {
    pub fence: Fence,
    pub until_ms: i64,
    /// When it had been due.
    pub due_ms: i64,
    pub gate: Option<Gate>,
    /// The state its row on disk has.
    pub stored: RunState,
    /// How many journal rows it has.
    pub rows: u32,
    /// How many transitions were written under the fence.
    pub seq: u32,
    /// Owners lost since its last commit.
    pub losses: u32,
    /// The number of the log frame that wrote it last.
    pub written: u64,
}

#[derive(Debug, Default)]
struct Line {
    active: u32,
    parked: BinaryHeap<Waiting>,
}

/// Places of a run that no longer count.
#[derive(Debug, Default)]
struct Void {
    /// Every place up to this one.
    up_to: u64,
    /// How many of them there still are.
    places: u32,
}

/// The rights that ended last, so that a repetition of the last commit under one of them is known
/// for what it is.
#[derive(Debug, Default)]
struct Past {
    seqs: Map<RunId, (Fence, u32)>,
    order: VecDeque<(RunId, Fence)>,
}

impl Past {
    fn remember(&mut self, id: RunId, fence: Fence, seq: u32) {
        self.seqs.insert(id, (fence, seq));
        self.order.push_back((id, fence));
        if self.order.len() > PAST
            && let Some((oldest, fence)) = self.order.pop_front()
            // It may have come back under a later right.
            && self.seqs.get(&oldest).is_some_and(|(past, _)| *past == fence)
        {
            self.seqs.remove(&oldest);
        }
    }
}

/// What is due and who works on what.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    waiting: BinaryHeap<Waiting>,
    /// Runs that moved or ended while they waited; their old places are dropped as they come up.
    void: Map<RunId, Void>,
    held: Map<RunId, Held>,
    lines: Map<KeyHash, Line>,
    past: Past,
    fence: u64,
    places: u64,
    fresh_bytes: usize,
}

impl Schedule {
    /// A schedule over runs read back from disk. `epoch` makes fences grow across restarts.
    pub fn rebuild(waiting: Vec<Waiting>, epoch: u64) -> Self {
        Self { waiting: waiting.into(), fence: epoch << 20, ..Self::default() }
    }

    /// Adds a run that waits for its time.
    pub fn push(&mut self, mut waiting: Waiting) {
        self.places += 1;
        waiting.place = self.places;
        let bytes = waiting.fresh_bytes();
        if self.fresh_bytes + bytes > FRESH_BYTES {
            waiting.fresh = None;
        } else {
            self.fresh_bytes += bytes;
        }
        self.waiting.push(waiting);
    }

    /// Forgets the place of a run that moved or ended while it waited.
    pub fn void(&mut self, id: RunId) {
        let void = self.void.entry(id).or_default();
        void.up_to = self.places;
        void.places += 1;
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
                self.unpark(key);
            }
            self.fresh_bytes -= waiting.fresh_bytes();
            self.fence += 1;
            let fence = Fence(self.fence);
            let (due_ms, gate, stored) = (waiting.due_ms, waiting.gate, waiting.state);
            let (written, losses) = (waiting.written, waiting.losses);
            let held =
                Held { fence, until_ms, due_ms, gate, stored, rows: 0, seq: 0, losses, written };
            self.held.insert(waiting.id, held);
            claimed.push((waiting, fence));
        }
        claimed
    }

    /// The next waiting run; `None` if its place no longer counts.
    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop()?;
        if !self.is_void(&waiting) {
            return Some(waiting);
        }
        self.fresh_bytes -= waiting.fresh_bytes();
        // It may have been let out of its line; then the next may go in its stead.
        if let Some((key, _)) = waiting.gate {
            self.unpark(key);
        }
        None
    }

    /// Whether a place no longer counts. It has to be dropped then, because it is struck off.
    fn is_void(&mut self, waiting: &Waiting) -> bool {
        if self.void.is_empty() {
            return false;
        }
        let Some(void) = self.void.get_mut(&waiting.id) else { return false };
        if waiting.place > void.up_to {
            return false;
        }
        void.places -= 1;
        if void.places == 0 {
            self.void.remove(&waiting.id);
        }
        true
    }

    /// Lets the next run of a concurrency key back among the waiting, if there is room for it.
    fn unpark(&mut self, key: KeyHash) {
        self.drop_void_parked(key);
        let Some(line) = self.lines.get_mut(&key) else { return };
        let bound = line.parked.peek().and_then(|next| next.gate).map(|(_, bound)| bound);
        if bound.is_some_and(|bound| line.active < bound) {
            self.waiting.extend(line.parked.pop());
        }
        if line.active == 0 && line.parked.is_empty() {
            self.lines.remove(&key);
        }
    }

    /// Makes sure that the first in a line is one that counts.
    fn drop_void_parked(&mut self, key: KeyHash) {
        if self.void.is_empty() {
            return;
        }
        while let Some(next) = self.lines.get_mut(&key).and_then(|line| line.parked.pop()) {
            if !self.is_void(&next) {
                if let Some(line) = self.lines.get_mut(&key) {
                    line.parked.push(next);
                }
                return;
            }
            self.fresh_bytes -= next.fresh_bytes();
        }
    }

    /// When the next run falls due that is not kept back by its concurrency key.
    pub fn next_due_ms(&mut self) -> Option<i64> {
        loop {
            let next = self.waiting.peek()?;
            let (due_ms, void) = (next.due_ms, self.void.get(&next.id));
            if void.is_none_or(|void| next.place > void.up_to) {
                return Some(due_ms);
            }
            self.pop();
        }
    }

    /// When the run that waits longest fell due, whatever it waits for.
    pub fn oldest_due_ms(&mut self) -> Option<i64> {
        let keys: Vec<KeyHash> = self.lines.keys().copied().collect();
        for key in keys {
            self.drop_void_parked(key);
        }
        let parked = self.lines.values().filter_map(|line| line.parked.peek());
        let parked = parked.map(|waiting| waiting.due_ms).min();
        self.next_due_ms().into_iter().chain(parked).min()
    }

    /// The owner's hold on a run.
    pub fn held(&mut self, id: RunId) -> Option<&mut Held> {
        self.held.get_mut(&id)
    }

    /// How many transitions were written under the right by which a run was held last, if nobody
    /// holds it and that is remembered.
    pub fn past(&self, id: RunId, fence: Fence) -> Option<u32> {
        self.past.seqs.get(&id).filter(|(past, _)| *past == fence).map(|(_, seq)| *seq)
    }

    /// Forgets the right by which a run was held last: a person's word came after it.
    pub fn forget(&mut self, id: RunId) {
        self.past.seqs.remove(&id);
    }

    /// Takes a run from its owner; the next of its concurrency key may go.
    pub fn release(&mut self, id: RunId) -> Option<Held> {
        self.release_after(id, None)
    }

    /// The same, with the number of the transition that gave it back.
    pub fn release_after(&mut self, id: RunId, seq: Option<u32>) -> Option<Held> {
        let held = self.held.remove(&id)?;
        self.past.remember(id, held.fence, seq.unwrap_or(held.seq));
        if let Some((key, _)) = held.gate {
            if let Some(line) = self.lines.get_mut(&key) {
                line.active = line.active.saturating_sub(1);
            }
            self.unpark(key);
        }
        Some(held)
    }

    /// Prolongs a hold; false if it is lost.
    pub fn extend(&mut self, id: RunId, fence: Fence, until_ms: i64) -> bool {
        let own = self.held.get_mut(&id).filter(|held| held.fence == fence);
        own.map(|held| held.until_ms = until_ms).is_some()
    }

    /// Runs whose owner's time is over.
    pub fn expired(&self, now_ms: i64) -> Vec<(RunId, &Held)> {
        let late = self.held.iter().filter(|(_, held)| held.until_ms <= now_ms);
        late.map(|(id, held)| (*id, held)).collect()
    }

    /// How many runs are under an owner.
    pub fn at_work(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rights_that_ended_last_are_remembered_and_no_more() {
        let mut past = Past::default();
        let id = |n: usize| {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&(n as u64).to_be_bytes());
            RunId(id)
        };
        past.remember(id(0), Fence(1), 1);
        past.remember(id(0), Fence(2), 7);
        (1..PAST).for_each(|n| past.remember(id(n), Fence(2 + n as u64), 1));
        // The first right of run 0 is forgotten by now, its second is not.
        assert_eq!(past.seqs.get(&id(0)), Some(&(Fence(2), 7)));
        assert_eq!((past.seqs.len(), past.order.len()), (PAST, PAST));
        past.remember(id(PAST), Fence(1 << 20), 1);
        assert_eq!(past.seqs.get(&id(0)), None);
        assert_eq!((past.seqs.len(), past.order.len()), (PAST, PAST));
    }
}
