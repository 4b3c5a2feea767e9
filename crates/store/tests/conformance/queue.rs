//! `claim`, `extend`, `commit` and `reap`: who may work on what, and for how long.

use postroom_core::journal::Kind;
use postroom_core::run::RunState;
use postroom_store::{Committed, Fence, RunFilter};

use crate::Case;
use crate::world::{LEASE_MS, Like, World, nth, sleep, to};

pub const CASES: &[Case] = &[
    ("claim: nothing is due in an empty store", |w| {
        let claimed = w.claim(5);
        assert!(claimed.leases.is_empty());
        assert_eq!(claimed.next_due_ms, None);
    }),
    ("claim: oldest first, no more than asked for, each only once", |w| {
        let mut runs = Vec::new();
        for _ in 0..5 {
            runs.push(w.start("a"));
            w.now_ms += 10;
        }
        assert_eq!(w.claimed_ids(2), runs[..2]);
        assert_eq!(w.claimed_ids(2), runs[2..4]);
        assert_eq!(w.claimed_ids(2), runs[4..]);
        assert!(w.claimed_ids(2).is_empty());
        assert!(w.claimed_ids(0).is_empty());
    }),
    ("claim: what is due earlier goes first, whenever it came", |w| {
        let (mut late, mut early) = (w.arrival().starting("a"), w.arrival().starting("a"));
        late.starts[0].run.due_ms = Some(w.now_ms - 1);
        early.starts[0].run.due_ms = Some(w.now_ms - 2);
        let ids = [early.starts[0].run.id, late.starts[0].run.id];
        w.record(vec![late, early]);
        assert_eq!(w.claimed_ids(2), ids);
    }),
    ("claim: a run waits for its due time", |w| {
        let mut arrival = w.arrival().starting("a");
        arrival.starts[0].run.due_ms = Some(w.now_ms + 500);
        w.record(vec![arrival]);
        let claimed = w.claim(5);
        assert!(claimed.leases.is_empty());
        assert_eq!(claimed.next_due_ms, Some(w.now_ms + 500));
        w.now_ms += 499;
        assert!(w.claim(5).leases.is_empty());
        w.now_ms += 1;
        assert_eq!(w.claim(1).leases.len(), 1);
    }),
    ("claim: says when the next is due only if it gave fewer than asked for", |w| {
        w.start("a");
        let mut later = w.arrival().starting("a");
        later.starts[0].run.due_ms = Some(w.now_ms + 500);
        w.record(vec![later]);
        assert_eq!(w.claim(1).next_due_ms, None);
        assert_eq!(w.claim(1).next_due_ms, Some(w.now_ms + 500));
    }),
    ("claim: brings the run, its event and its journal", |w| {
        let arrival = w.arrival().starting("a");
        let (event, run) = ((*arrival.event).clone(), arrival.starts[0].run.clone());
        w.record(vec![arrival]);
        let lease = w.claim_one();
        assert_eq!((&lease.run, &*lease.event), (&run, &event));
        assert!(lease.journal.is_empty());
        let transition = sleep(&lease, w.now_ms + 5, w.now_ms);
        let (run, entries) = (transition.run.clone(), transition.entries.clone());
        w.commit(transition);
        w.now_ms += 5;
        let again = w.claim_one();
        assert_eq!((again.run, &*again.event, again.journal), (run, &event, entries));
        assert!(again.fence > lease.fence);
    }),
    ("commit: writes state, journal and due time", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let kept = to(&lease, RunState::Running, w.now_ms);
        assert_eq!(w.commit(kept), Committed::Written);
        assert_eq!(w.state(id), RunState::Running);
        assert!(w.claim(9).leases.is_empty());
        let ended = to(&lease, RunState::Succeeded, w.now_ms);
        let run = ended.run.clone();
        assert_eq!(w.commit(ended), Committed::Written);
        assert_eq!(w.run(id).unwrap().0, run);
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Succeeded]);
        w.reopen();
        assert_eq!(w.run(id).unwrap().0, run);
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Succeeded]);
        w.now_ms += 1_000_000;
        assert!(w.claim(9).leases.is_empty());
    }),
    ("commit: several of one run in one call", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let states = [RunState::Running, RunState::Running, RunState::Dead, RunState::Succeeded];
        let all = (1..).zip(states).map(|(seq, state)| nth(seq, to(&lease, state, w.now_ms)));
        let answers = w.wait(w.store().commit(all.collect()));
        let written = Committed::Written;
        assert_eq!(answers, [written, written, written, Committed::Stale]);
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Intent, Kind::Dead]);
        let counts = [RunState::Queued, RunState::Running, RunState::Dead, RunState::Succeeded];
        assert_eq!(counts.map(|state| w.count_of(state)), [0, 0, 1, 0]);
        w.reopen();
        assert_eq!(counts.map(|state| w.count_of(state)), [0, 0, 1, 0]);
    }),
    ("commit: a transition without entries writes none", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let mut kept = to(&lease, RunState::Running, w.now_ms);
        kept.entries.clear();
        w.commit(kept);
        w.succeed(&lease);
        assert_eq!(w.kinds(id), [Kind::Succeeded]);
    }),
    ("commit: a wrong fence writes nothing", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let mut wrong = to(&lease, RunState::Succeeded, w.now_ms);
        wrong.fence = Fence(lease.fence.0 + 1);
        wrong.emits = vec![w.arrival().starting("b")];
        let emitted = wrong.emits[0].event.id;
        assert_eq!(w.commit(wrong), Committed::Stale);
        assert_eq!(w.state(id), RunState::Queued);
        assert!(w.wait(w.store().event(emitted)).is_none());
        w.succeed(&lease);
    }),
    ("commit: a run that was given back is stale", |w| {
        w.start("a");
        let lease = w.claim_one();
        w.succeed(&lease);
        let again = to(&lease, RunState::Dead, w.now_ms);
        assert_eq!(w.commit(again), Committed::Stale);
    }),
    ("commit: a run nobody knows is stale", |w| {
        w.start("a");
        let mut lease = w.claim_one();
        lease.run.id.0[15] ^= 1;
        assert_eq!(w.commit(to(&lease, RunState::Succeeded, w.now_ms)), Committed::Stale);
    }),
    ("commit: what is emitted is recorded with it", |w| {
        w.start("a");
        let lease = w.claim_one();
        let mut done = to(&lease, RunState::Succeeded, w.now_ms);
        done.emits =
            vec![w.arrival().starting("b").keyed("k"), w.arrival().starting("c").keyed("k")];
        let ids: Vec<_> = done.emits.iter().map(|emit| emit.event.id).collect();
        let run = done.emits[0].starts[0].run.id;
        w.commit(done);
        assert!(w.wait(w.store().event(ids[0])).is_some());
        assert!(w.wait(w.store().event(ids[1])).is_none(), "it has the key of the first");
        assert_eq!(w.claimed_ids(9), [run]);
    }),
    ("commit: what is emitted twice is there once", |w| {
        w.start("a");
        let lease = w.claim_one();
        let emit = w.event();
        for _ in 0..2 {
            let mut kept = to(&lease, RunState::Running, w.now_ms);
            kept.emits = vec![crate::world::arrival(emit.clone()).starting("b")];
            assert_eq!(w.commit(kept), Committed::Written);
        }
        assert_eq!(w.claimed_ids(9).len(), 1);
    }),
    ("commit: a due time gives a hint when it is given back", |w| {
        w.start("a");
        let lease = w.claim_one();
        let before = w.hints.given();
        w.commit(sleep(&lease, w.now_ms, w.now_ms));
        assert!(w.hints.given() > before);
        assert_eq!(w.claimed_ids(9).len(), 1);
    }),
    ("extend: says what is held", |w| {
        let _ = (w.start("a"), w.start("a"), w.start("a"));
        let leases = w.claim(3).leases;
        w.succeed(&leases[1]);
        let mut held: Vec<_> = leases.iter().map(|lease| (lease.run.id, lease.fence)).collect();
        held[2].1 = Fence(1);
        let answers = w.wait(w.store().extend(held, 90_000, w.now_ms));
        assert_eq!(answers, [true, false, false]);
    }),
    ("extend: a prolonged right is not reaped", |w| {
        let _ = (w.start("a"), w.start("a"));
        let leases = w.claim(2).leases;
        let held = vec![(leases[0].run.id, leases[0].fence)];
        w.wait(w.store().extend(held, 3 * LEASE_MS, w.now_ms));
        w.now_ms += LEASE_MS;
        assert_eq!(w.reap(), 1);
        assert_eq!(w.claimed_ids(9), [leases[1].run.id]);
        w.succeed(&leases[0]);
        assert_eq!(w.commit(to(&leases[1], RunState::Succeeded, w.now_ms)), Committed::Stale);
    }),
    ("reap: only what is late, and only once", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.now_ms += LEASE_MS - 1;
        assert_eq!(w.reap(), 0);
        w.now_ms += 1;
        assert_eq!(w.reap(), 1);
        assert_eq!(w.reap(), 0);
        assert_eq!(w.state(id), RunState::Queued);
        let again = w.claim_one();
        assert!(again.fence > lease.fence);
        assert_eq!(w.commit(to(&lease, RunState::Succeeded, w.now_ms)), Committed::Stale);
        w.succeed(&again);
    }),
    ("reap: a run at work comes back as it was last committed", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let kept = to(&lease, RunState::Running, w.now_ms);
        let run = kept.run.clone();
        w.commit(kept);
        w.now_ms += LEASE_MS;
        assert_eq!(w.reap(), 1);
        let again = w.claim_one();
        assert_eq!((again.run.id, &again.run), (id, &run));
        assert_eq!(again.journal.len(), 1);
        w.succeed(&again);
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Succeeded]);
    }),
    ("reap: a late owner may still commit before it is reaped", |w| {
        w.start("a");
        let lease = w.claim_one();
        w.now_ms += 10 * LEASE_MS;
        w.succeed(&lease);
        assert_eq!(w.reap(), 0);
    }),
    ("stats: by the state last committed, and how many are at work", |w| {
        let _ = (w.start("a"), w.start("a"), w.start("a"));
        let states = [RunState::Queued, RunState::Running, RunState::Succeeded];
        let counts = |w: &World| (states.map(|state| w.count_of(state)), w.at_work());
        assert_eq!(counts(w), ([3, 0, 0], 0));
        let leases = w.claim(2).leases;
        assert_eq!(counts(w), ([3, 0, 0], 2));
        w.commit(to(&leases[0], RunState::Running, w.now_ms));
        w.succeed(&leases[1]);
        assert_eq!(counts(w), ([1, 1, 1], 1));
        w.now_ms += LEASE_MS;
        w.reap();
        // As lists show them, whether or not anybody works on them.
        assert_eq!(counts(w), ([1, 1, 1], 0));
        let filter = RunFilter { state: Some(RunState::Running), limit: 9, ..RunFilter::default() };
        assert_eq!(w.runs(filter).0, [leases[0].run.id]);
        w.reopen();
        assert_eq!(counts(w), ([1, 1, 1], 0));
    }),
    ("reopen: owners are lost, runs are not", |w| {
        let _ = (w.start("a"), w.start("b"), w.start("c"));
        let leases = w.claim(2).leases;
        w.commit(to(&leases[0], RunState::Running, w.now_ms));
        w.reopen();
        let again = w.claim(9).leases;
        assert_eq!(again.len(), 3);
        assert!(again.iter().all(|lease| lease.fence > leases[1].fence));
        for lease in &leases {
            assert_eq!(w.commit(to(lease, RunState::Succeeded, w.now_ms)), Committed::Stale);
        }
        again.iter().for_each(|lease| w.succeed(lease));
        assert_eq!(w.count_of(RunState::Succeeded), 3);
    }),
    ("reopen: due times and counts survive", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.commit(sleep(&lease, w.now_ms + 50_000, w.now_ms));
        w.reopen();
        assert_eq!(w.count_of(RunState::Sleeping), 1);
        let claimed = w.claim(1);
        assert_eq!(
            (claimed.leases.len(), claimed.next_due_ms),
            (0, lease.run.due_ms.map(|d| d + 50_000))
        );
        w.now_ms += 50_000;
        let again = w.claim_one();
        assert_eq!((w.count_of(RunState::Sleeping), w.at_work()), (1, 1));
        w.succeed(&again);
        assert_eq!(w.state(id), RunState::Succeeded);
        w.reopen();
        let states = [RunState::Queued, RunState::Running, RunState::Sleeping, RunState::Succeeded];
        assert_eq!(states.map(|state| w.count_of(state)), [0, 0, 0, 1]);
    }),
];
