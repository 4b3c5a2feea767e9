//! Answers that were lost: the same call comes again. And owners that were lost, or gave back what
//! they had: the run comes again.

use postroom_core::journal::Kind;
use postroom_core::run::RunState;
use postroom_store::{Committed, Lease, Transition};

use crate::Case;
use crate::world::{LEASE_MS, Like, World, nth, sleep, to};

pub const CASES: &[Case] = &[
    ("again: a commit of a kept run is written once", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let mut kept = nth(1, to(&lease, RunState::Running, w.now_ms));
        kept.emits = vec![w.arrival().starting("b")];
        for _ in 0..3 {
            assert_eq!(w.commit(kept.clone()), Committed::Written);
        }
        assert_eq!(w.kinds(id), [Kind::Intent]);
        assert_eq!(w.claimed_ids(9), [kept.emits[0].starts[0].run.id]);
        assert_eq!(w.commit(nth(2, to(&lease, RunState::Succeeded, w.now_ms))), WRITTEN);
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Succeeded]);
    }),
    ("again: a commit that gave the run back was written", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.commit(to(&lease, RunState::Running, w.now_ms));
        let ended = nth(2, to(&lease, RunState::Succeeded, w.now_ms));
        for _ in 0..3 {
            assert_eq!(w.commit(ended.clone()), WRITTEN);
        }
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Succeeded]);
        assert_eq!((w.count_of(RunState::Succeeded), w.at_work()), (1, 0));
    }),
    ("again: one that waits was written until it is handed out again", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let asleep = nth(1, sleep(&lease, w.now_ms + 10, w.now_ms));
        assert_eq!(both(w, &asleep), [WRITTEN; 2]);
        w.now_ms += 10;
        assert_eq!(w.commit(asleep.clone()), WRITTEN);
        let again = w.claim_one();
        assert_eq!(w.commit(asleep.clone()), Committed::Stale);
        // Numbers begin anew under the new fence.
        assert_eq!(w.commit(nth(1, to(&again, RunState::Succeeded, w.now_ms))), WRITTEN);
        assert_eq!(w.commit(asleep), Committed::Stale);
        assert_eq!(w.kinds(id), [Kind::Retry, Kind::Succeeded]);
    }),
    ("again: only the last one, and only the next one", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let kept = |w: &World, seq| nth(seq, to(&lease, RunState::Running, w.now_ms));
        for (seq, expected) in [
            (2, Committed::Stale),
            (1, WRITTEN),
            (3, Committed::Stale),
            (2, WRITTEN),
            (1, Committed::Stale),
            (2, WRITTEN),
            (u32::MAX, Committed::Stale),
            (3, WRITTEN),
        ] {
            assert_eq!(w.commit(kept(w, seq)), expected, "{seq}");
        }
        assert_eq!(w.kinds(id), [Kind::Intent; 3]);
        w.commit(nth(4, to(&lease, RunState::Dead, w.now_ms)));
        assert_eq!(w.commit(kept(w, 3)), Committed::Stale);
        assert_eq!(w.commit(kept(w, 5)), Committed::Stale);
    }),
    ("again: numbers count from 1", |w| {
        w.start("a");
        let lease = w.claim_one();
        let none = nth(0, to(&lease, RunState::Succeeded, w.now_ms));
        let answer = |w: &World| w.wait(w.store().commit(vec![none.clone()]));
        assert_eq!(answer(w), [Committed::Stale]);
        w.now_ms += LEASE_MS;
        w.reap();
        assert_eq!(answer(w), [Committed::Stale]);
    }),
    ("again: within one call", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let kept = |seq| nth(seq, to(&lease, RunState::Running, w.now_ms));
        let ended = || nth(3, to(&lease, RunState::Dead, w.now_ms));
        let all = vec![kept(1), kept(1), kept(2), kept(1), ended(), ended(), kept(2)];
        let answers = w.wait(w.store().commit(all));
        let (yes, no) = (WRITTEN, Committed::Stale);
        assert_eq!(answers, [yes, yes, yes, no, yes, yes, no]);
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Intent, Kind::Dead]);
        assert_eq!(w.count_of(RunState::Dead), 1);
    }),
    ("again: after its owner was lost, the last commit was still written", |w| {
        w.start("a");
        let lease = w.claim_one();
        let kept = nth(1, to(&lease, RunState::Running, w.now_ms));
        assert_eq!(w.commit(kept.clone()), WRITTEN);
        w.now_ms += LEASE_MS;
        assert_eq!(w.reap(), 1);
        assert_eq!(w.commit(kept.clone()), WRITTEN);
        let next = nth(2, to(&lease, RunState::Succeeded, w.now_ms));
        assert_eq!(w.commit(next), Committed::Stale);
        w.claim_one();
        assert_eq!(w.commit(kept), Committed::Stale);
    }),
    ("again: after a person's word it is stale", |w| {
        for at_work in [true, false] {
            let id = w.start("a");
            let lease = w.claim_one();
            let state = if at_work { RunState::Running } else { RunState::Dead };
            let last = nth(1, to(&lease, state, w.now_ms));
            assert_eq!(both(w, &last), [WRITTEN; 2]);
            w.cancel(id);
            assert_eq!(w.commit(last), Committed::Stale);
            assert_eq!(w.state(id), RunState::Cancelled);
        }
    }),
    ("give back: at once, and due as before", |w| {
        let (first, second) = (w.start("a"), w.start("a"));
        let lease = w.claim(1).leases.remove(0);
        let before = w.hints.given();
        assert_eq!(give_back(w, &lease), [true]);
        assert!(w.hints.given() > before);
        assert_eq!((w.at_work(), w.state(first)), (0, RunState::Queued));
        assert_eq!(w.commit(to(&lease, RunState::Succeeded, w.now_ms)), Committed::Stale);
        assert_eq!(w.reap(), 0);
        // It has not lost its place.
        let leases = w.claim(9).leases;
        assert_eq!(leases.iter().map(|lease| lease.run.id).collect::<Vec<_>>(), [first, second]);
        assert!(leases[0].fence > lease.fence);
        w.succeed(&leases[0]);
        assert_eq!(w.kinds(first), [Kind::Succeeded]);
    }),
    ("give back: a run at work, as it was last committed", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        let kept = nth(1, to(&lease, RunState::Running, w.now_ms));
        w.commit(kept.clone());
        w.now_ms += 5;
        assert_eq!(give_back(w, &lease), [true]);
        assert_eq!(w.wait(w.store().stats()).oldest_due_ms, Some(w.now_ms));
        assert_eq!(w.commit(kept.clone()), WRITTEN);
        let again = w.claim_one();
        assert_eq!((again.run.id, &again.run, again.losses), (id, &kept.run, 0));
        assert_eq!(again.journal.len(), 1);
    }),
    ("give back: only what is held, and only once", |w| {
        w.start("a");
        let mut lease = w.claim_one();
        assert_eq!(give_back(w, &lease), [true]);
        assert_eq!(give_back(w, &lease), [false]);
        let again = w.claim_one();
        assert_eq!(give_back(w, &lease), [false]);
        lease.run.id.0[15] ^= 1;
        assert_eq!(give_back(w, &lease), [false]);
        w.succeed(&again);
        assert_eq!(give_back(w, &again), [false]);
        assert!(w.claim(9).leases.is_empty());
    }),
    ("give back: several, and below nothing", |w| {
        let _ = (w.start("a"), w.start("a"), w.start("a"));
        let leases = w.claim(2).leases;
        let held = leases.iter().chain([&leases[0]]).map(|lease| (lease.run.id, lease.fence));
        let answers = w.wait(w.store().extend(held.collect(), -1, w.now_ms));
        assert_eq!(answers, [true, true, false]);
        assert_eq!(w.claim(9).leases.len(), 3);
    }),
    ("give back: makes room under its concurrency key", |w| {
        let (first, second) = (w.start_gated("k", 1), w.start_gated("k", 1));
        let lease = w.claim_one();
        assert!(w.claim(9).leases.is_empty());
        w.cancel(first);
        assert_eq!(give_back(w, &lease), [false]);
        let next = w.claim_one();
        assert_eq!(next.run.id, second);
        assert_eq!(give_back(w, &next), [true]);
        assert_eq!(w.claimed_ids(9), [second]);
    }),
    ("losses: are counted until something is written", |w| {
        w.start("a");
        let lost = |w: &mut World| {
            let lease = w.claim_one();
            w.now_ms += LEASE_MS;
            assert_eq!(w.reap(), 1);
            lease.losses
        };
        assert_eq!([lost(w), lost(w), lost(w)], [0, 1, 2]);
        let lease = w.claim_one();
        assert_eq!(lease.losses, 3);
        // Given back, it is not lost; nor does that make good for the others.
        give_back(w, &lease);
        let lease = w.claim_one();
        assert_eq!(lease.losses, 3);
        w.commit(to(&lease, RunState::Running, w.now_ms));
        w.now_ms += LEASE_MS;
        w.reap();
        assert_eq!(lost(w), 1);
        let lease = w.claim_one();
        assert_eq!(lease.losses, 2);
        w.commit(sleep(&lease, w.now_ms, w.now_ms));
        assert_eq!(w.claim_one().losses, 0);
    }),
    ("losses: a person's word makes good for them", |w| {
        let id = w.start("a");
        w.claim_one();
        w.now_ms += LEASE_MS;
        w.reap();
        w.cancel(id);
        w.redrive(id);
        assert_eq!(w.claim_one().losses, 0);
    }),
];

const WRITTEN: Committed = Committed::Written;

/// Commits twice.
fn both(w: &World, transition: &Transition) -> [Committed; 2] {
    [w.commit(transition.clone()), w.commit(transition.clone())]
}

fn give_back(w: &World, lease: &Lease) -> Vec<bool> {
    w.wait(w.store().extend(vec![(lease.run.id, lease.fence)], 0, w.now_ms))
}
