//! Reading: lists, pages, filters, counts.

use postroom_core::definition::Stored;
use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, EventId, Json, RunId};
use postroom_store::{EventFilter, RunFilter};

use crate::Case;
use crate::world::{Like, World, definition, sleep, to};

pub const CASES: &[Case] = &[
    ("read: what nobody knows is not there", |w| {
        assert!(w.wait(w.store().event(EventId([1; 16]))).is_none());
        assert!(w.run(RunId([1; 16])).is_none());
    }),
    ("events: newest first, without their data", |w| {
        let ids = record(w, 3);
        let page = w.wait(w.store().events(EventFilter { limit: 9, ..EventFilter::default() }));
        let found: Vec<EventId> = page.rows.iter().map(|row| row.event.id).collect();
        assert_eq!(found, [ids[2], ids[1], ids[0]]);
        assert!(page.rows.iter().all(|row| row.event.data == Json::null()));
        assert!(!page.more);
    }),
    ("events: page by page", |w| {
        let ids = record(w, 5);
        let mut filter = EventFilter { limit: 2, ..EventFilter::default() };
        let mut seen = Vec::new();
        let mut pages = 0;
        loop {
            let (page, more) = w.events(filter.clone());
            filter.before = page.last().copied();
            seen.extend(page);
            pages += 1;
            if !more {
                break;
            }
        }
        seen.reverse();
        assert_eq!((seen, pages), (ids, 3));
    }),
    ("events: a full last page has no more", |w| {
        let ids = record(w, 4);
        let filter = EventFilter { limit: 2, before: Some(ids[2]), ..EventFilter::default() };
        assert_eq!(w.events(filter), (vec![ids[1], ids[0]], false));
    }),
    ("events: a page begins where an event was that is gone", |w| {
        let ids = record(w, 3);
        let gone = w.event().id;
        let filter = EventFilter { limit: 9, before: Some(gone), ..EventFilter::default() };
        assert_eq!(w.events(filter.clone()).0.len(), 3);
        let before = Some(EventId([0; 16]));
        assert_eq!(w.events(EventFilter { before, ..filter }), (vec![], false));
        assert_eq!(ids.len(), 3);
    }),
    ("events: in the order of their ids, whenever they came", |w| {
        let (early, late) = (w.arrival(), w.arrival());
        let ids = vec![late.event.id, early.event.id];
        w.record(vec![late]);
        w.record(vec![early]);
        assert_eq!(w.events(EventFilter { limit: 9, ..EventFilter::default() }).0, ids);
    }),
    ("events: by type, source, correlation and whether routed", |w| {
        let mut all = [w.arrival(), w.arrival().starting("a"), w.arrival(), w.arrival()];
        all[0].event_mut().kind = "other".into();
        all[2].event_mut().source = "stripe".into();
        all[3].event_mut().correlation = "line".into();
        let ids = [0, 1, 2, 3].map(|n| all[n].event.id);
        w.record(all.into());
        let all = EventFilter { limit: 9, ..EventFilter::default() };
        let kind = Some("other".to_owned());
        assert_eq!(w.events(EventFilter { kind, ..all.clone() }), (vec![ids[0]], false));
        let source = Some("stripe".to_owned());
        assert_eq!(w.events(EventFilter { source, ..all.clone() }), (vec![ids[2]], false));
        let correlation = Some("line".to_owned());
        assert_eq!(w.events(EventFilter { correlation, ..all.clone() }), (vec![ids[3]], false));
        let unrouted = EventFilter { unrouted: true, ..all.clone() };
        assert_eq!(w.events(unrouted.clone()), (vec![ids[3], ids[2], ids[0]], false));
        let source = Some("nobody".to_owned());
        assert_eq!(w.events(EventFilter { source, ..unrouted }), (vec![], false));
        assert_eq!(w.events(EventFilter { limit: 0, ..all }), (vec![], false));
    }),
    ("events: a rare one is found behind many others", |w| {
        let mut rare = w.arrival();
        rare.event_mut().kind = "rare".into();
        let id = rare.event.id;
        let others: Vec<_> = (0..21_000).map(|_| w.arrival()).collect();
        w.record(vec![rare]);
        w.record(others);
        let kind = Some("rare".to_owned());
        let filter = EventFilter { kind, limit: 1, ..EventFilter::default() };
        assert_eq!(w.events(filter), (vec![id], false));
    }),
    ("runs: newest first, with the correlation of their event, page by page", |w| {
        let arrivals: Vec<_> = (0..5).map(|_| w.arrival().starting("a")).collect();
        let mut expected: Vec<(RunId, String)> = arrivals
            .iter()
            .map(|arrival| (arrival.starts[0].run.id, arrival.event.correlation.clone()))
            .collect();
        expected.sort();
        expected.reverse();
        w.record(arrivals);
        let mut filter = RunFilter { limit: 2, ..RunFilter::default() };
        let mut seen = Vec::new();
        loop {
            let page = w.wait(w.store().runs(filter.clone()));
            filter.before = page.rows.last().map(|(run, _)| run.id);
            seen.extend(page.rows.into_iter().map(|(run, correlation)| (run.id, correlation)));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, expected);
    }),
    ("runs: by state, in every state", |w| {
        let mut ids = Vec::new();
        for _ in 0..4 {
            w.start("a");
            w.now_ms += 1;
        }
        let leases = w.claim(4).leases;
        w.commit(to(&leases[0], RunState::Running, w.now_ms));
        w.commit(sleep(&leases[1], w.now_ms + 9, w.now_ms));
        w.commit(to(&leases[2], RunState::Succeeded, w.now_ms));
        w.commit(to(&leases[3], RunState::Dead, w.now_ms));
        ids.extend(leases.iter().map(|lease| lease.run.id));
        ids.insert(0, w.start("a"));
        ids.push(w.start("a"));
        w.cancel(ids[5]);
        for (state, id) in RunState::ALL.into_iter().zip(ids) {
            let filter = RunFilter { state: Some(state), limit: 9, ..RunFilter::default() };
            assert_eq!(w.runs(filter.clone()), (vec![id], false), "{state:?}");
            assert_eq!(w.runs(RunFilter { before: Some(id), ..filter }), (vec![], false));
            assert_eq!(w.count_of(state), 1, "{state:?}");
        }
    }),
    ("runs: by workflow, event and code", |w| {
        let mut arrival = w.arrival().starting("a").starting("b");
        let failure = postroom_core::Failure::new("expr/type", "x");
        arrival.starts[1].run.fail_at_birth(failure, w.now_ms);
        let other = w.arrival().starting("a");
        let event = arrival.event.id;
        let (a, b, c) =
            (arrival.starts[0].run.id, arrival.starts[1].run.id, other.starts[0].run.id);
        w.record(vec![arrival, other]);
        let all = RunFilter { limit: 9, ..RunFilter::default() };
        let workflow = Some("b".to_owned());
        assert_eq!(w.runs(RunFilter { workflow, ..all.clone() }), (vec![b], false));
        let of_event = RunFilter { event: Some(event), ..all.clone() };
        let mut both = [a, b];
        both.sort();
        assert_eq!(w.runs(of_event.clone()), (vec![both[1], both[0]], false));
        let before = Some(both[1]);
        assert_eq!(w.runs(RunFilter { before, ..of_event.clone() }), (vec![both[0]], false));
        let state = Some(RunState::Queued);
        assert_eq!(w.runs(RunFilter { state, ..of_event }), (vec![a], false));
        let code = Some("expr/type".to_owned());
        assert_eq!(w.runs(RunFilter { code, ..all.clone() }), (vec![b], false));
        assert_eq!(w.runs(all).0.len(), 3);
        assert_ne!(a, c);
    }),
    ("definitions: kept by their hash", |w| {
        let (one, two) = (definition("workflow: one"), definition("workflow: two"));
        let second = w.wait(w.store().put_definition("two".into(), two.clone()));
        let first = w.wait(w.store().put_definition("one".into(), one.clone()));
        assert_eq!((first, second), (one.hash(), two.hash()));
        assert_eq!(w.wait(w.store().put_definition("one".into(), one.clone())), first);
        w.reopen();
        let both = vec![("one".to_owned(), one.clone()), ("two".to_owned(), two)];
        assert_eq!(w.wait(w.store().definitions(None)), both);
        assert_eq!(w.wait(w.store().definitions(Some(vec![]))), []);
        let some = vec![DefinitionHash([0; 16]), first];
        assert_eq!(w.wait(w.store().definitions(Some(some))), [("one".to_owned(), one)]);
    }),
    ("definitions: a repetition does not change when the first was seen", |w| {
        let text = "workflow: one";
        let seen = |at_ms| Stored { first_seen_ms: at_ms, ..definition(text) };
        let first = w.wait(w.store().put_definition("one".into(), seen(Some(7))));
        for later in [Some(9), None] {
            assert_eq!(w.wait(w.store().put_definition("one".into(), seen(later))), first);
        }
        let kept = [("one".to_owned(), seen(Some(7)))];
        assert_eq!(w.wait(w.store().definitions(None)), kept);
        w.reopen();
        assert_eq!(w.wait(w.store().put_definition("one".into(), seen(Some(11)))), first);
        assert_eq!(w.wait(w.store().definitions(Some(vec![first]))), kept);
    }),
    ("stats: an empty store", |w| {
        let stats = w.wait(w.store().stats());
        assert!(RunState::ALL.iter().all(|state| stats.runs[state] == 0));
        assert_eq!((stats.oldest_due_ms, stats.dedupe_keys, stats.failing), (None, 0, None));
    }),
    ("stats: keys are counted", |w| {
        let keyed = w.arrival().keyed("k");
        w.record(vec![keyed]);
        assert_eq!(w.wait(w.store().stats()).dedupe_keys, 1);
    }),
];

fn record(w: &mut World, count: usize) -> Vec<EventId> {
    let arrivals: Vec<_> = (0..count).map(|_| w.arrival()).collect();
    let ids = arrivals.iter().map(|arrival| arrival.event.id).collect();
    w.record(arrivals);
    ids
}
