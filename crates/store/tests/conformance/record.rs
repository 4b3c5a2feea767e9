//! `record`: what is new, what is a repetition, and that both are written as one.

use postroom_core::RunId;
use postroom_core::event::Cause;
use postroom_core::run::RunState;
use postroom_store::{Recorded, RunFilter, Transition};

use crate::Case;
use crate::world::{Like, World};

pub const CASES: &[Case] = &[
    ("record: an event and its runs are there", |w| {
        let arrival = w.arrival().starting("a").starting("b");
        let event = (*arrival.event).clone();
        let runs: Vec<RunId> = arrival.starts.iter().map(|start| start.run.id).collect();
        let stored: Vec<_> = arrival.starts.iter().map(|start| start.run.clone()).collect();
        let recorded = w.record(vec![arrival]);
        assert_eq!(recorded, [Recorded::New { runs: runs.clone(), deduplicated: vec![] }]);
        let row = w.wait(w.store().event(event.id)).unwrap();
        assert_eq!((row.event, row.routed), (event.clone(), 2));
        for (id, run) in runs.iter().zip(stored) {
            let (found, of, journal) = w.run(*id).unwrap();
            assert_eq!((found, &*of, journal), (run, &event, vec![]));
        }
    }),
    ("record: every field of an event survives", |w| {
        let mut arrival = w.arrival();
        let cause = Cause { event: w.event().id, run: Some(RunId([9; 16])), hops: 3 };
        arrival.event_mut().cause = Some(cause);
        arrival.event_mut().subject = Some("order/7 ü\u{1F4EE}".into());
        arrival.event_mut().key = Some("k".into());
        let data = " {\"n\": 123456789012345678901234567890, \"x\":1.0, \"\\u0000\": []}";
        arrival.event_mut().data = postroom_core::Json::parse(data.trim().to_owned()).unwrap();
        let event = (*arrival.event).clone();
        w.record(vec![arrival]);
        assert_eq!(w.wait(w.store().event(event.id)).unwrap().event, event);
        w.reopen();
        assert_eq!(w.wait(w.store().event(event.id)).unwrap().event, event);
    }),
    ("record: nothing recorded gives nothing", |w| assert_eq!(w.record(vec![]), [])),
    ("record: an event that starts nothing is kept", |w| {
        let arrival = w.arrival();
        let id = arrival.event.id;
        assert_eq!(w.record(vec![arrival]), [new(vec![])]);
        assert_eq!(w.wait(w.store().event(id)).unwrap().routed, 0);
        assert!(w.claim(9).leases.is_empty());
    }),
    ("record: a key seen before is the first event", |w| {
        let first = w.arrival().starting("a").keyed("k");
        let (event, correlation) = (first.event.id, first.event.correlation.clone());
        w.record(vec![first]);
        let second = w.arrival().starting("a").keyed("k");
        let id = second.event.id;
        assert_eq!(w.record(vec![second]), [Recorded::Duplicate { event, correlation }]);
        assert!(w.wait(w.store().event(id)).is_none());
        assert_eq!(w.claimed_ids(9).len(), 1);
    }),
    ("record: a key is seen within one call", |w| {
        let (first, second) = (w.arrival().keyed("k"), w.arrival().keyed("k"));
        let (event, correlation) = (first.event.id, first.event.correlation.clone());
        let recorded = w.record(vec![first, second]);
        assert_eq!(recorded, [new(vec![]), Recorded::Duplicate { event, correlation }]);
    }),
    ("record: a key is forgotten when its time is over", |w| {
        let first = w.arrival().keyed("k");
        w.now_ms = first.dedupe_until_ms - 1;
        w.record(vec![first]);
        let second = w.arrival().keyed("k");
        assert!(matches!(w.record(vec![second])[0], Recorded::Duplicate { .. }));
        w.now_ms += 1;
        let third = w.arrival().keyed("k");
        let id = third.event.id;
        assert_eq!(w.record(vec![third]), [new(vec![])]);
        let fourth = w.arrival().keyed("k");
        let Recorded::Duplicate { event, .. } = w.record(vec![fourth])[0].clone() else {
            panic!("the third event has the key now");
        };
        assert_eq!(event, id);
    }),
    ("record: keys survive", |w| {
        let first = w.arrival().keyed("k");
        let id = first.event.id;
        w.record(vec![first]);
        w.reopen();
        let second = w.arrival().keyed("k");
        let recorded = w.record(vec![second]);
        assert!(matches!(recorded[0], Recorded::Duplicate { event, .. } if event == id));
    }),
    ("record: a repetition of the same id is a duplicate of itself", |w| {
        let event = w.event();
        for (n, keyed) in [false, false, true].into_iter().enumerate() {
            let mut again = crate::world::arrival(event.clone()).starting("a");
            if keyed {
                again = again.keyed("later key");
            }
            let recorded = w.record(vec![again]).remove(0);
            let correlation = event.correlation.clone();
            let duplicate = Recorded::Duplicate { event: event.id, correlation };
            assert_eq!(recorded == duplicate, n > 0, "{recorded:?}");
        }
        assert_eq!(w.claimed_ids(9).len(), 1);
    }),
    ("record: a repetition is known after its key was forgotten", |w| {
        let event = w.event();
        w.record(vec![crate::world::arrival(event.clone()).starting("a").keyed("k")]);
        w.now_ms += 3_600_000;
        let mut again = crate::world::arrival(event.clone()).starting("a").keyed("k");
        again.event_mut().received_ms = w.now_ms;
        again.dedupe_until_ms = w.now_ms + 1;
        let recorded = w.record(vec![again]);
        assert!(matches!(recorded[0], Recorded::Duplicate { event: id, .. } if id == event.id));
        assert_eq!(w.claimed_ids(9).len(), 1);
    }),
    ("record: the same id twice in one call", |w| {
        let event = w.event();
        let twice = [event.clone(), event].map(|event| crate::world::arrival(event).starting("a"));
        let recorded = w.record(twice.into());
        assert!(matches!(recorded[..], [Recorded::New { .. }, Recorded::Duplicate { .. }]));
    }),
    ("record: a run key seen before starts no second run", |w| {
        let first = w.arrival().starting("a").run_keyed("k");
        let run = first.starts[0].run.id;
        w.record(vec![first]);
        let second = w.arrival().starting("a").starting("b").run_keyed("k");
        let (id, other) = (second.event.id, second.starts[1].run.id);
        let deduplicated = vec![("a".to_owned(), run)];
        assert_eq!(w.record(vec![second]), [Recorded::New { runs: vec![other], deduplicated }]);
        // The event is kept, and says that it was routed.
        assert_eq!(w.wait(w.store().event(id)).unwrap().routed, 2);
        assert_eq!(w.claimed_ids(9), [run, other]);
    }),
    ("record: a run key outlives its run", |w| {
        let first = w.arrival().starting("a").run_keyed("k");
        let run = first.starts[0].run.id;
        w.record(vec![first]);
        let lease = w.claim_one();
        w.succeed(&lease);
        w.reopen();
        let second = w.arrival().starting("a").run_keyed("k");
        let deduplicated = vec![("a".to_owned(), run)];
        assert_eq!(w.record(vec![second]), [Recorded::New { runs: vec![], deduplicated }]);
    }),
    ("record: a run key is forgotten when its time is over", |w| {
        w.start("warm up");
        let first = w.arrival().starting("a").run_keyed("k");
        w.now_ms = first.dedupe_until_ms;
        w.record(vec![first]);
        let second = w.arrival().starting("a").run_keyed("k");
        let run = second.starts[0].run.id;
        assert_eq!(w.record(vec![second]), [new(vec![run])]);
    }),
    ("record: a run key may have a time of its own", |w| {
        w.start("warm up");
        // Longer than its event's for one workflow, shorter for the other.
        let (long_ms, short_ms) = (w.now_ms + 600_000, w.now_ms + 5_000);
        let own = |mut arrival: postroom_store::Arrival| {
            arrival.starts[0].dedupe_until_ms = Some(long_ms);
            arrival.starts[1].dedupe_until_ms = Some(short_ms);
            arrival
        };
        let first = own(w.arrival().starting("long").starting("short").run_keyed("k"));
        let runs = [first.starts[0].run.id, first.starts[1].run.id];
        assert!(short_ms < first.dedupe_until_ms && first.dedupe_until_ms < long_ms);
        w.record(vec![first]);
        let deduplicated = |w: &mut World| {
            let again = w.arrival().starting("long").starting("short").run_keyed("k");
            match w.record(vec![again]).remove(0) {
                Recorded::New { deduplicated, .. } => deduplicated,
                found => panic!("{found:?}"),
            }
        };
        let (long, short) = (("long".to_owned(), runs[0]), ("short".to_owned(), runs[1]));
        w.now_ms = short_ms - 1_001;
        w.reopen();
        assert_eq!(deduplicated(w), [long.clone(), short]);
        w.now_ms = short_ms;
        w.reopen_now();
        // The second of `short` has the key from now on, for as long as its event.
        let long = [long];
        assert_eq!(deduplicated(w), long);
        w.now_ms = long_ms - 1_001;
        w.reopen();
        assert_eq!(deduplicated(w), long);
        w.now_ms = long_ms;
        w.reopen_now();
        assert!(deduplicated(w).iter().all(|(workflow, _)| workflow == "short"));
    }),
    ("record: by what policies know a run survives", |w| {
        let mut arrival = w.arrival().starting("a");
        let admission = postroom_core::run::Admission {
            debounce: Some(postroom_core::id::KeyHash([3; 16])),
            throttle: None,
            cancel_older: Some(postroom_core::id::KeyHash([4; 16])),
            later_ms: -5,
        };
        arrival.starts[0].run.admission = admission.some();
        let run = arrival.starts[0].run.clone();
        w.record(vec![arrival]);
        w.reopen();
        let lease = w.claim_one();
        assert_eq!(lease.run, run);
        // Put off, it waits as it was.
        let run = run.put_off(w.now_ms + 5_000);
        let (fence, seq) = (lease.fence, 1);
        let entries = Vec::new();
        w.commit(Transition { run: run.clone(), fence, seq, entries, emits: Vec::new() });
        assert!(w.claim(9).leases.is_empty());
        assert_eq!(w.run(run.id).unwrap().0, run);
        w.now_ms += 4_000;
        w.reopen();
        assert_eq!(w.claim_one().run, run);
    }),
    ("record: a run that is dead from the start is among the dead", |w| {
        let mut arrival = w.arrival().starting("a");
        let run = &mut arrival.starts[0].run;
        run.fail_at_birth(postroom_core::Failure::new("expr/type", "not a number"), w.now_ms);
        let (id, run) = (run.id, run.clone());
        assert_eq!(w.record(vec![arrival]), [new(vec![id])]);
        assert_eq!(w.run(id).unwrap().0, run);
        assert!(w.claim(9).leases.is_empty());
        assert_eq!(w.count_of(RunState::Dead), 1);
        let code = Some("expr/type".to_owned());
        let filter =
            RunFilter { state: Some(RunState::Dead), code, limit: 9, ..RunFilter::default() };
        assert_eq!(w.runs(filter), (vec![id], false));
    }),
    ("record: what is due gives a hint", |w| {
        let before = w.hints.given();
        w.start("a");
        assert!(w.hints.given() > before);
    }),
    ("record: many at once keep their order", |w: &mut World| {
        let arrivals: Vec<_> = (0..300).map(|_| w.arrival().starting("a")).collect();
        let ids: Vec<RunId> = arrivals.iter().map(|arrival| arrival.starts[0].run.id).collect();
        w.record(arrivals);
        assert_eq!(w.claimed_ids(1_000), ids);
    }),
];

fn new(runs: Vec<RunId>) -> Recorded {
    Recorded::New { runs, deduplicated: vec![] }
}
