//! The oracle: the same semantics in the plainest way, in memory, with no index and no cleverness.
//! Other backends are compared with it operation by operation. It also serves tests and dry runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::definition::Stored;
use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, Entry, Event, EventId, Run, RunId};

use crate::{
    Arrival, Claimed, Committed, Count, Counted, EventFilter, EventRow, Fence, Lease, Order,
    Ordered, Page, Pruned, Recorded, Reply, Retention, RunFilter, Stats, Store, Transition, Wake,
    counters,
};

/// The in-memory store.
pub struct Model {
    state: Mutex<State>,
    wake: Arc<dyn Wake>,
}

#[derive(Default)]
struct State {
    events: BTreeMap<EventId, (Arc<Event>, u32)>,
    runs: BTreeMap<RunId, Row>,
    keys: HashMap<KeyHash, ([u8; 16], i64)>,
    definitions: BTreeMap<DefinitionHash, (String, Stored)>,
    counters: HashMap<String, (i64, i64)>,
    leaders: HashMap<String, (String, i64)>,
    fence: u64,
}

struct Row {
    run: Run,
    gate: Option<(KeyHash, u32)>,
    journal: Vec<Entry>,
    /// Until when an owner has it.
    held_until_ms: Option<i64>,
    /// The right handed out last, as long as repetitions under it are recognised.
    fence: Option<Fence>,
    /// How many transitions were written under it.
    seq: u32,
    /// Owners lost since the last commit.
    losses: u32,
    /// When a run whose owner was lost or gave it back may go again.
    back_ms: Option<i64>,
}

impl Row {
    fn due_ms(&self) -> Option<i64> {
        self.back_ms.or(self.run.due_ms)
    }

    fn is_held(&self) -> bool {
        self.held_until_ms.is_some()
    }

    fn is_held_under(&self, fence: Fence) -> bool {
        self.is_held() && self.fence == Some(fence)
    }

    /// Takes it from its owner, due as it was before, or now.
    fn hand_back(&mut self, now_ms: i64) {
        self.held_until_ms = None;
        self.back_ms = Some(self.run.due_ms.unwrap_or(now_ms).min(now_ms));
    }
}

impl Model {
    /// An empty store.
    #[must_use]
    pub fn new(wake: Arc<dyn Wake>) -> Self {
        Self { state: Mutex::default(), wake }
    }

    /// What the end of its process does to the embedded store: owners, their repetitions and
    /// leaders are lost, and what was at work is due at `now_ms`.
    pub fn lose_owners(&self, now_ms: i64) {
        let mut state = self.state.lock();
        state.leaders.clear();
        for row in state.runs.values_mut() {
            (row.held_until_ms, row.fence, row.losses) = (None, None, 0);
            row.back_ms = (row.run.state == RunState::Running).then_some(now_ms);
        }
    }

    fn with<T: Send + 'static>(&self, change: impl FnOnce(&mut State) -> T) -> Reply<'_, T> {
        let result = change(&mut self.state.lock());
        self.wake.wake();
        Box::pin(std::future::ready(Ok(result)))
    }
}

impl State {
    fn seen(&self, key: KeyHash, now_ms: i64) -> Option<[u8; 16]> {
        self.keys.get(&key).filter(|(_, until)| *until > now_ms).map(|(target, _)| *target)
    }

    fn record(&mut self, arrival: Arrival) -> Recorded {
        let now_ms = arrival.event.received_ms;
        let first = arrival.dedupe.and_then(|key| self.seen(key, now_ms)).map(EventId);
        for first in first.into_iter().chain([arrival.event.id]) {
            if let Some((event, _)) = self.events.get(&first) {
                let correlation = event.correlation.clone();
                return Recorded::Duplicate { event: first, correlation };
            }
        }
        if let Some(key) = arrival.dedupe {
            self.keys.insert(key, (arrival.event.id.0, arrival.dedupe_until_ms));
        }
        let routed = u32::try_from(arrival.starts.len()).unwrap_or(u32::MAX);
        let (mut runs, mut deduplicated) = (Vec::new(), Vec::new());
        for start in arrival.starts {
            if let Some(first) = start.dedupe.and_then(|key| self.seen(key, now_ms)) {
                deduplicated.push((start.run.workflow.clone(), RunId(first)));
                continue;
            }
            if let Some(key) = start.dedupe {
                let until_ms = start.dedupe_until_ms.unwrap_or(arrival.dedupe_until_ms);
                self.keys.insert(key, (start.run.id.0, until_ms));
            }
            runs.push(start.run.id);
            let (run, gate) = (start.run, start.concurrency);
            let row = Row {
                run,
                gate,
                journal: Vec::new(),
                held_until_ms: None,
                fence: None,
                seq: 0,
                losses: 0,
                back_ms: None,
            };
            self.runs.insert(row.run.id, row);
        }
        self.events.insert(arrival.event.id, (arrival.event, routed));
        Recorded::New { runs, deduplicated }
    }

    fn at_work(&self, key: KeyHash) -> usize {
        let fits = |row: &&Row| row.is_held() && row.gate.is_some_and(|(k, _)| k == key);
        self.runs.values().filter(fits).count()
    }

    fn claim(&mut self, limit: usize, until_ms: i64, now_ms: i64) -> Claimed {
        let mut due: Vec<(i64, RunId)> = self
            .runs
            .iter()
            .filter(|(_, row)| !row.is_held())
            .filter_map(|(id, row)| Some((row.due_ms()?, *id)))
            .collect();
        due.sort_unstable();
        let mut claimed = Claimed::default();
        for (due_ms, id) in due {
            if claimed.leases.len() == limit {
                break;
            }
            if due_ms > now_ms {
                claimed.next_due_ms = Some(due_ms);
                break;
            }
            let gate = self.runs[&id].gate;
            if gate.is_some_and(|(key, bound)| self.at_work(key) >= bound as usize) {
                continue;
            }
            self.fence += 1;
            let fence = Fence(self.fence);
            let Some(row) = self.runs.get_mut(&id) else { continue };
            (row.held_until_ms, row.fence, row.seq) = (Some(until_ms), Some(fence), 0);
            row.back_ms = None;
            claimed.leases.push(Lease {
                run: row.run.clone(),
                fence,
                event: Arc::clone(&self.events[&row.run.event].0),
                journal: row.journal.clone(),
                losses: row.losses,
            });
        }
        claimed
    }

    fn commit(&mut self, transition: Transition) -> Committed {
        let Some(row) = self.runs.get_mut(&transition.run.id) else { return Committed::Stale };
        let (seq, is_mine) = (transition.seq, row.fence == Some(transition.fence));
        if is_mine && seq == row.seq && seq > 0 {
            return Committed::Written;
        }
        if !row.is_held_under(transition.fence) || seq.checked_sub(1) != Some(row.seq) {
            return Committed::Stale;
        }
        (row.seq, row.losses) = (seq, 0);
        row.run = transition.run;
        row.journal.extend(transition.entries);
        if row.run.state != RunState::Running {
            row.held_until_ms = None;
        }
        for arrival in transition.emits {
            self.record(arrival);
        }
        Committed::Written
    }

    fn control(&mut self, order: &Order) -> Ordered {
        let Some(row) = self.runs.get_mut(&order.run) else { return Ordered::Missing };
        let changed = order.carry_out(row.run.clone(), row.is_held());
        let Some((run, entry)) = changed else {
            return Ordered::Refused(Box::new(row.run.clone()));
        };
        row.run = run;
        row.journal.push(entry);
        (row.held_until_ms, row.fence, row.losses) = (None, None, 0);
        row.back_ms = None;
        Ordered::Done(Box::new(row.run.clone()))
    }

    fn reap(&mut self, now_ms: i64) -> u64 {
        let mut reaped = 0;
        for row in self.runs.values_mut() {
            if row.held_until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
                row.hand_back(now_ms);
                row.losses = row.losses.saturating_add(1);
                reaped += 1;
            }
        }
        reaped
    }

    fn extend(&mut self, (id, fence): (RunId, Fence), lease_ms: i64, now_ms: i64) -> bool {
        let Some(row) = self.runs.get_mut(&id).filter(|row| row.is_held_under(fence)) else {
            return false;
        };
        match lease_ms > 0 {
            true => row.held_until_ms = Some(now_ms.saturating_add(lease_ms)),
            false => row.hand_back(now_ms),
        }
        true
    }

    fn count(&mut self, counts: &[Count], now_ms: i64) -> Counted {
        self.counters.retain(|_, (_, until_ms)| *until_ms > now_ms);
        let known = counts.iter().filter_map(|count| {
            self.counters.get(&count.key).map(|found| (count.key.as_str(), *found))
        });
        let (counted, changed) = counters::change(counts, &known.collect());
        self.counters.extend(changed.into_iter().map(|(key, number)| (key.to_owned(), number)));
        counted
    }

    fn prune(&mut self, retention: Retention, now_ms: i64) -> Pruned {
        let limit = retention.limit as usize;
        let dead = |run: &Run| run.state == RunState::Dead;
        let ended = |run: &Run| matches!(run.state, RunState::Succeeded | RunState::Cancelled);
        let mut removed = [
            self.forget_surplus(ended, retention.ended_count, limit),
            self.forget_old(ended, retention.ended_before_ms, limit),
            self.forget_surplus(dead, retention.dead_count, limit),
            self.forget_old(dead, retention.dead_before_ms, limit),
            0,
        ];
        if let Some(before_ms) = retention.events_before_ms {
            let kept: std::collections::HashSet<EventId> =
                self.runs.values().map(|row| row.run.event).collect();
            let old = |(id, (event, _)): (&EventId, &(Arc<Event>, u32))| {
                (event.received_ms < before_ms && !kept.contains(id)).then_some(*id)
            };
            let old: Vec<EventId> = self.events.iter().filter_map(old).take(limit).collect();
            removed[4] = old.len();
            for id in old {
                self.events.remove(&id);
            }
        }
        self.keys.retain(|_, (_, until_ms)| *until_ms > now_ms);
        self.counters.retain(|_, (_, until_ms)| *until_ms > now_ms);
        Pruned {
            runs: removed[..4].iter().sum::<usize>() as u64,
            events: removed[4] as u64,
            more: limit > 0 && removed.contains(&limit),
        }
    }

    fn of_class(&self, class: fn(&Run) -> bool) -> Vec<RunId> {
        self.runs.values().filter(|row| class(&row.run)).map(|row| row.run.id).collect()
    }

    /// Removes all but the newest `keep` of a class; says how many went.
    fn forget_surplus(
        &mut self,
        class: fn(&Run) -> bool,
        keep: Option<u64>,
        limit: usize,
    ) -> usize {
        let Some(keep) = keep else { return 0 };
        let mut ids = self.of_class(class);
        let surplus = ids.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        ids.truncate(surplus.min(limit));
        self.remove(&ids)
    }

    /// Removes those of a class that ended before a time; says how many went.
    fn forget_old(&mut self, class: fn(&Run) -> bool, at_ms: Option<i64>, limit: usize) -> usize {
        let Some(at_ms) = at_ms else { return 0 };
        let mut ids = self.of_class(class);
        ids.retain(|id| self.runs[id].run.finished_ms.is_some_and(|ended_ms| ended_ms < at_ms));
        ids.truncate(limit);
        self.remove(&ids)
    }

    fn remove(&mut self, ids: &[RunId]) -> usize {
        ids.iter().filter(|id| self.runs.remove(*id).is_some()).count()
    }

    fn stats(&self) -> Stats {
        let mut runs: BTreeMap<RunState, u64> = RunState::ALL.map(|state| (state, 0)).into();
        for row in self.runs.values() {
            *runs.entry(row.run.state).or_default() += 1;
        }
        let at_work = self.runs.values().filter(|row| row.is_held()).count() as u64;
        let waiting = self.runs.values().filter(|row| !row.is_held());
        let oldest_due_ms = waiting.filter_map(Row::due_ms).min();
        let dedupe_keys = self.keys.len() as u64;
        Stats { runs, at_work, oldest_due_ms, dedupe_keys, ..Stats::default() }
    }
}

fn page<T>(mut rows: impl Iterator<Item = T>, limit: usize) -> Page<T> {
    let page: Vec<T> = rows.by_ref().take(limit).collect();
    Page { rows: page, more: limit > 0 && rows.next().is_some() }
}

impl Store for Model {
    fn record(&self, arrivals: Vec<Arrival>) -> Reply<'_, Vec<Recorded>> {
        self.with(|state| arrivals.into_iter().map(|arrival| state.record(arrival)).collect())
    }
    fn claim(&self, limit: usize, lease_ms: i64, now_ms: i64) -> Reply<'_, Claimed> {
        let claimed = self.state.lock().claim(limit, now_ms.saturating_add(lease_ms), now_ms);
        Box::pin(std::future::ready(Ok(claimed)))
    }
    fn extend(
        &self,
        held: Vec<(RunId, Fence)>,
        lease_ms: i64,
        now_ms: i64,
    ) -> Reply<'_, Vec<bool>> {
        self.with(|state| {
            held.into_iter().map(|right| state.extend(right, lease_ms, now_ms)).collect()
        })
    }
    fn commit(&self, transitions: Vec<Transition>) -> Reply<'_, Vec<Committed>> {
        self.with(|state| transitions.into_iter().map(|t| state.commit(t)).collect())
    }
    fn reap(&self, now_ms: i64) -> Reply<'_, u64> {
        self.with(|state| state.reap(now_ms))
    }
    fn control(&self, order: Order) -> Reply<'_, Ordered> {
        self.with(|state| state.control(&order))
    }
    fn lead<'a>(
        &'a self,
        role: &'a str,
        holder: &'a str,
        until_ms: i64,
        now_ms: i64,
    ) -> Reply<'a, bool> {
        self.with(|state| match state.leaders.get(role) {
            Some((other, until)) if other != holder && *until > now_ms => false,
            _ => {
                state.leaders.insert(role.to_owned(), (holder.to_owned(), until_ms));
                true
            }
        })
    }
    fn counters(&self, counts: Vec<Count>, now_ms: i64) -> Reply<'_, Counted> {
        self.with(|state| state.count(&counts, now_ms))
    }
    fn put_definition(&self, name: String, definition: Stored) -> Reply<'_, DefinitionHash> {
        self.with(|state| {
            let hash = definition.hash();
            state.definitions.entry(hash).or_insert((name, definition));
            hash
        })
    }
    fn definitions(&self, hashes: Option<Vec<DefinitionHash>>) -> Reply<'_, Vec<(String, Stored)>> {
        self.with(|state| match hashes {
            None => {
                let mut all: Vec<_> = state.definitions.iter().collect();
                all.sort_by_key(|(hash, (name, _))| (name, *hash));
                all.into_iter().map(|(_, definition)| definition.clone()).collect()
            }
            Some(hashes) => {
                hashes.iter().filter_map(|hash| state.definitions.get(hash).cloned()).collect()
            }
        })
    }
    fn event(&self, id: EventId) -> Reply<'_, Option<EventRow>> {
        self.with(|state| {
            let (event, routed) = state.events.get(&id)?;
            Some(EventRow { event: Event::clone(event), routed: *routed })
        })
    }
    fn events(&self, filter: EventFilter) -> Reply<'_, Page<EventRow>> {
        self.with(|state| {
            let older = |id: &EventId| filter.before.is_none_or(|before| *id < before);
            let rows = state.events.iter().rev().filter(|(id, _)| older(id));
            let rows = rows.filter(|(_, (event, routed))| filter.fits(event, *routed));
            let row = |(_, (event, routed)): (&EventId, &(Arc<Event>, u32))| {
                let event = Event { data: postroom_core::Json::null(), ..Event::clone(event) };
                EventRow { event, routed: *routed }
            };
            page(rows.map(row), filter.limit)
        })
    }
    fn run(&self, id: RunId) -> Reply<'_, Option<crate::History>> {
        self.with(|state| {
            let row = state.runs.get(&id)?;
            let event = Arc::clone(&state.events[&row.run.event].0);
            Some((row.run.clone(), event, row.journal.clone()))
        })
    }
    fn runs(&self, filter: RunFilter) -> Reply<'_, Page<(Run, String)>> {
        self.with(|state| {
            let older = |id: &RunId| filter.before.is_none_or(|before| *id < before);
            let rows =
                state.runs.iter().rev().filter(|(id, row)| older(id) && filter.fits(&row.run));
            let correlation = |run: &Run| state.events[&run.event].0.correlation.clone();
            page(rows.map(|(_, row)| (row.run.clone(), correlation(&row.run))), filter.limit)
        })
    }
    fn stats(&self) -> Reply<'_, Stats> {
        let stats = self.state.lock().stats();
        Box::pin(std::future::ready(Ok(stats)))
    }
    fn prune(&self, retention: Retention, now_ms: i64) -> Reply<'_, Pruned> {
        self.with(|state| state.prune(retention, now_ms))
    }
}
