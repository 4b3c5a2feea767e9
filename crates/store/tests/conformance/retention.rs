//! `prune`: what may be forgotten goes, oldest first; nothing else does.

use postroom_core::RunId;
use postroom_core::run::RunState;
use postroom_store::{Pruned, Recorded, Retention, RunFilter};

use crate::Case;
use crate::world::{KEEP, Like, World, sleep, to};

pub const CASES: &[Case] = &[
    ("prune: nothing may go", |w| {
        ended(w, RunState::Succeeded);
        w.now_ms += 1_000_000;
        assert_eq!(w.prune(KEEP), 0);
        assert_eq!(w.runs(ALL).0.len(), 1);
    }),
    ("prune: all but the newest that ended", |w| {
        let mut runs: Vec<RunId> = (0..4).map(|_| ended(w, RunState::Succeeded)).collect();
        runs.push(ended(w, RunState::Cancelled));
        let dead = ended(w, RunState::Dead);
        assert_eq!(w.prune(Retention { ended_count: Some(2), ..KEEP }), 3);
        assert_eq!(w.runs(ALL).0, [dead, runs[4], runs[3]]);
        assert_eq!(w.count_of(RunState::Succeeded), 1);
        assert!(w.run(runs[0]).is_none());
        assert_eq!(w.prune(Retention { ended_count: Some(2), ..KEEP }), 0);
        w.reopen();
        assert_eq!(w.runs(ALL).0, [dead, runs[4], runs[3]]);
        assert_eq!(w.count_of(RunState::Succeeded), 1);
    }),
    ("prune: all but the newest dead letters", |w| {
        let runs: Vec<RunId> = (0..4).map(|_| ended(w, RunState::Dead)).collect();
        let kept = ended(w, RunState::Succeeded);
        assert_eq!(w.prune(Retention { dead_count: Some(1), ..KEEP }), 3);
        assert_eq!(w.runs(ALL).0, [kept, runs[3]]);
        assert_eq!(w.prune(Retention { dead_count: Some(0), ended_count: Some(0), ..KEEP }), 2);
        assert_eq!(w.runs(ALL), (vec![], false));
    }),
    ("prune: what ended before a time", |w| {
        let first = ended(w, RunState::Succeeded);
        let dead = ended(w, RunState::Dead);
        w.now_ms += 100;
        let at = Some(w.now_ms);
        let second = ended(w, RunState::Succeeded);
        assert_eq!(w.prune(Retention { ended_before_ms: at, ..KEEP }), 1);
        assert_eq!(w.runs(ALL).0, [second, dead]);
        assert_eq!(w.prune(Retention { dead_before_ms: at, ..KEEP }), 1);
        assert_eq!(w.runs(ALL).0, [second]);
        assert!(w.run(first).is_none());
    }),
    ("prune: a run that began early and ended late stays", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.now_ms += 1_000;
        w.succeed(&lease);
        let before = Some(w.now_ms);
        assert_eq!(w.prune(Retention { ended_before_ms: before, ..KEEP }), 0);
        assert_eq!(w.state(id), RunState::Succeeded);
    }),
    ("prune: open runs and their events are never removed", |w| {
        let queued = w.start("a");
        let _ = (w.start("a"), w.start("a"));
        let leases = w.claim(3).leases;
        w.commit(to(&leases[1], RunState::Running, w.now_ms));
        w.commit(sleep(&leases[2], w.now_ms + 1, w.now_ms));
        assert_eq!(w.prune(everything(w)), 0);
        assert_eq!(w.runs(ALL).0.len(), 3);
        for lease in &leases[..2] {
            w.succeed(lease);
        }
        assert_eq!(w.state(queued), RunState::Succeeded);
        assert_eq!(w.prune(everything(w)), 4);
        assert_eq!(w.runs(ALL).0, [leases[2].run.id]);
        w.now_ms += 1;
        let lease = w.claim_one();
        assert_eq!(lease.journal.len(), 1);
    }),
    ("prune: events go when no run is left", |w| {
        let arrival = w.arrival().starting("a").starting("b");
        let event = arrival.event.id;
        w.record(vec![arrival]);
        let leases = w.claim(2).leases;
        w.succeed(&leases[0]);
        w.commit(to(&leases[1], RunState::Dead, w.now_ms));
        w.now_ms += 10;
        let before = Some(w.now_ms);
        let rules = Retention { ended_before_ms: before, events_before_ms: before, ..KEEP };
        assert_eq!(w.prune(rules), 1);
        assert!(w.wait(w.store().event(event)).is_some());
        assert_eq!(w.prune(Retention { dead_before_ms: before, ..rules }), 2);
        assert!(w.wait(w.store().event(event)).is_none());
    }),
    ("prune: kept events keep no others", |w| {
        for _ in 0..30 {
            w.start("a");
        }
        let free: Vec<_> = (0..5).map(|_| w.arrival()).collect();
        w.record(free);
        w.now_ms += 10;
        let rules = Retention { events_before_ms: Some(w.now_ms), limit: 3, ..KEEP };
        assert_eq!([w.prune(rules), w.prune(rules), w.prune(rules)], [3, 2, 0]);
        assert_eq!(w.claim(99).leases.len(), 30);
    }),
    ("prune: events that came later stay", |w| {
        let old = w.arrival();
        w.record(vec![old]);
        w.now_ms += 10;
        let young = w.arrival();
        let id = young.event.id;
        w.record(vec![young]);
        assert_eq!(w.prune(Retention { events_before_ms: Some(w.now_ms), ..KEEP }), 1);
        assert!(w.wait(w.store().event(id)).is_some());
    }),
    ("prune: no more than the limit by each rule, the oldest first", |w| {
        let runs: Vec<RunId> = (0..5).map(|_| ended(w, RunState::Succeeded)).collect();
        let rules = Retention { ended_count: Some(0), limit: 2, ..KEEP };
        assert_eq!(w.prune(rules), 2);
        assert_eq!(w.runs(ALL).0, [runs[4], runs[3], runs[2]]);
        assert_eq!(w.prune(rules), 2);
        assert_eq!(w.prune(rules), 1);
        assert_eq!(w.prune(rules), 0);
    }),
    ("prune: says what went, and whether a rule stopped at its limit", |w| {
        let _runs: Vec<RunId> = (0..3).map(|_| ended(w, RunState::Succeeded)).collect();
        ended(w, RunState::Dead);
        w.now_ms += 10;
        let before = Some(w.now_ms);
        let rules = Retention {
            ended_count: Some(0),
            dead_before_ms: before,
            events_before_ms: before,
            limit: 2,
            ..KEEP
        };
        let pruned = |runs, events, more| Pruned { runs, events, more };
        assert_eq!(w.pruned(rules), pruned(3, 2, true));
        // What went is all there is, which only another call can tell.
        assert_eq!(w.pruned(rules), pruned(1, 2, true));
        assert_eq!(w.pruned(rules), pruned(0, 0, false));
        w.start("a");
        assert_eq!(w.pruned(Retention { limit: 0, ..rules }), pruned(0, 0, false));
    }),
    ("prune: keys go when their time is over, not earlier", |w| {
        let first = w.arrival().keyed("k");
        let until_ms = first.dedupe_until_ms;
        w.record(vec![first]);
        w.now_ms = until_ms - 1;
        w.prune(KEEP);
        let second = w.arrival().keyed("k");
        assert!(matches!(w.record(vec![second])[0], Recorded::Duplicate { .. }));
        w.now_ms += 3_600_000;
        w.prune(KEEP);
        assert_eq!(w.wait(w.store().stats()).dedupe_keys, 0);
        w.reopen();
        assert_eq!(w.wait(w.store().stats()).dedupe_keys, 0);
    }),
    ("prune: a key whose event is gone is free", |w| {
        let first = w.arrival().keyed("k");
        w.record(vec![first]);
        w.now_ms += 10;
        assert_eq!(w.prune(Retention { events_before_ms: Some(w.now_ms), ..KEEP }), 1);
        let second = w.arrival().keyed("k");
        assert!(matches!(w.record(vec![second])[0], Recorded::New { .. }));
        let third = w.arrival().keyed("k");
        assert!(matches!(w.record(vec![third])[0], Recorded::Duplicate { .. }));
    }),
];

const ALL: RunFilter =
    RunFilter { state: None, workflow: None, event: None, code: None, before: None, limit: 99 };

fn everything(w: &World) -> Retention {
    let before = Some(w.now_ms + 1_000_000);
    Retention {
        ended_count: Some(0),
        dead_count: Some(0),
        ended_before_ms: before,
        dead_before_ms: before,
        events_before_ms: before,
        limit: 100,
    }
}

/// A run that ended a moment after it came.
fn ended(w: &mut World, state: RunState) -> RunId {
    let id = w.start("a");
    let lease = w.claim_one();
    w.commit(to(&lease, state, w.now_ms));
    w.now_ms += 1;
    id
}
