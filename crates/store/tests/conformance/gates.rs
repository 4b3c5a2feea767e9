//! Concurrency keys: no more at work than allowed, and nobody waits in vain.

use postroom_core::run::RunState;

use crate::Case;
use crate::world::{LEASE_MS, sleep, to};

pub const CASES: &[Case] = &[
    ("gate: one at a time, in order", |w| {
        let runs: Vec<_> = (0..4).map(|_| w.start_gated("k", 1)).collect();
        for id in runs {
            let claimed = w.claim(9);
            assert_eq!(claimed.leases.len(), 1);
            assert_eq!(claimed.leases[0].run.id, id);
            assert!(w.claim(9).leases.is_empty());
            w.succeed(&claimed.leases[0]);
        }
        assert!(w.claim(9).leases.is_empty());
    }),
    ("gate: n at a time", |w| {
        let runs: Vec<_> = (0..5).map(|_| w.start_gated("k", 3)).collect();
        let leases = w.claim(9).leases;
        assert_eq!(leases.iter().map(|lease| lease.run.id).collect::<Vec<_>>(), runs[..3]);
        w.succeed(&leases[1]);
        assert_eq!(w.claimed_ids(9), runs[3..4]);
        w.succeed(&leases[0]);
        w.succeed(&leases[2]);
        assert_eq!(w.claimed_ids(9), runs[4..]);
    }),
    ("gate: other keys and runs without one go past", |w| {
        let first = w.start_gated("k", 1);
        let _parked = w.start_gated("k", 1);
        let other = w.start_gated("l", 1);
        let free = w.start("w");
        assert_eq!(w.claimed_ids(9), [first, other, free]);
    }),
    ("gate: parked runs do not use up what was asked for", |w| {
        let first = w.start_gated("k", 1);
        for _ in 0..5 {
            w.start_gated("k", 1);
        }
        let free = w.start("w");
        assert_eq!(w.claimed_ids(2), [first, free]);
    }),
    ("gate: released by sleeping, and needed again after it", |w| {
        let (first, second) = (w.start_gated("k", 1), w.start_gated("k", 1));
        let lease = w.claim_one();
        w.commit(sleep(&lease, w.now_ms + 100, w.now_ms));
        let next = w.claim_one();
        assert_eq!(next.run.id, second);
        w.now_ms += 100;
        assert!(w.claim(9).leases.is_empty());
        w.succeed(&next);
        assert_eq!(w.claimed_ids(9), [first]);
    }),
    ("gate: kept while the run is kept", |w| {
        w.start_gated("k", 1);
        w.start_gated("k", 1);
        let lease = w.claim_one();
        w.commit(to(&lease, RunState::Running, w.now_ms));
        assert!(w.claim(9).leases.is_empty());
        w.commit(to(&lease, RunState::Dead, w.now_ms));
        assert_eq!(w.claim(9).leases.len(), 1);
    }),
    ("gate: released by cancelling the run at work", |w| {
        let (first, second) = (w.start_gated("k", 1), w.start_gated("k", 1));
        assert_eq!(w.claimed_ids(9), [first]);
        w.cancel(first);
        assert_eq!(w.claimed_ids(9), [second]);
    }),
    ("gate: a cancelled run in the line keeps nobody back", |w| {
        let runs: Vec<_> = (0..4).map(|_| w.start_gated("k", 1)).collect();
        let lease = w.claim_one();
        w.cancel(runs[1]);
        w.cancel(runs[2]);
        assert!(w.claim(9).leases.is_empty());
        w.succeed(&lease);
        assert_eq!(w.claimed_ids(9), [runs[3]]);
    }),
    ("gate: the next in line is cancelled after the place became free", |w| {
        let runs: Vec<_> = (0..3).map(|_| w.start_gated("k", 1)).collect();
        let lease = w.claim_one();
        assert!(w.claim(9).leases.is_empty());
        w.succeed(&lease);
        w.cancel(runs[1]);
        assert_eq!(w.claimed_ids(9), [runs[2]]);
    }),
    ("gate: the next in line is cancelled and the next due time is asked for", |w| {
        let runs: Vec<_> = (0..3).map(|_| w.start_gated("k", 1)).collect();
        let lease = w.claim_one();
        assert!(w.claim(9).leases.is_empty());
        w.succeed(&lease);
        w.cancel(runs[1]);
        let stats = w.wait(w.store().stats());
        assert_eq!(stats.oldest_due_ms, Some(w.now_ms));
        assert_eq!(w.claimed_ids(9), [runs[2]]);
    }),
    ("gate: everybody in line is cancelled and the line starts anew", |w| {
        let runs: Vec<_> = (0..3).map(|_| w.start_gated("k", 1)).collect();
        let lease = w.claim_one();
        assert!(w.claim(9).leases.is_empty());
        w.cancel(runs[1]);
        w.cancel(runs[2]);
        w.succeed(&lease);
        assert!(w.claim(9).leases.is_empty());
        let next = w.start_gated("k", 1);
        assert_eq!(w.claimed_ids(9), [next]);
    }),
    ("gate: a cancelled run comes back to the end of its line", |w| {
        let runs: Vec<_> = (0..3).map(|_| w.start_gated("k", 1)).collect();
        let lease = w.claim_one();
        assert!(w.claim(9).leases.is_empty());
        w.cancel(runs[1]);
        w.now_ms += 10;
        w.redrive(runs[1]);
        w.succeed(&lease);
        let next = w.claim_one();
        assert_eq!(next.run.id, runs[2]);
        w.succeed(&next);
        assert_eq!(w.claimed_ids(9), [runs[1]]);
    }),
    ("gate: released when the owner is lost", |w| {
        let (first, second) = (w.start_gated("k", 1), w.start_gated("k", 1));
        let lost = w.claim_one();
        w.now_ms += LEASE_MS;
        assert!(w.claim(9).leases.is_empty());
        assert_eq!(w.reap(), 1);
        let again = w.claim_one();
        assert_eq!((again.run.id, lost.run.id), (first, first));
        w.succeed(&again);
        assert_eq!(w.claimed_ids(9), [second]);
    }),
    ("gate: holds after opening again", |w| {
        let runs: Vec<_> = (0..3).map(|_| w.start_gated("k", 2)).collect();
        let leases = w.claim(9).leases;
        w.succeed(&leases[0]);
        w.succeed(&leases[1]);
        w.reopen();
        let more: Vec<_> = (0..2).map(|_| w.start_gated("k", 2)).collect();
        assert_eq!(w.claimed_ids(9), [runs[2], more[0]]);
    }),
    ("gate: what waits in line waits for the longest", |w| {
        w.start_gated("k", 1);
        w.start_gated("k", 1);
        let since = w.now_ms;
        let lease = w.claim_one();
        w.now_ms += 500;
        w.start("w");
        assert_eq!(w.wait(w.store().stats()).oldest_due_ms, Some(since));
        w.succeed(&lease);
        assert_eq!(w.wait(w.store().stats()).oldest_due_ms, Some(since));
        assert_eq!(w.claimed_ids(9).len(), 2);
        assert_eq!(w.wait(w.store().stats()).oldest_due_ms, None);
    }),
    ("gate: long lines of fresh runs", |w| {
        let runs: Vec<_> = (0..200).map(|_| w.start_gated("k", 1)).collect();
        for id in runs {
            let lease = w.claim_one();
            assert_eq!((lease.run.id, lease.journal.len()), (id, 0));
            w.succeed(&lease);
        }
    }),
];
