//! `counters` and `lead`.

use postroom_store::{Count, Counted};

use crate::Case;
use crate::world::{KEEP, World};

pub const CASES: &[Case] = &[
    ("counters: count from nothing", |w| {
        let until = w.now_ms + 100;
        assert_eq!(w.count("a", 2, None, until), counted(2, true));
        assert_eq!(w.count("a", 3, None, until), counted(5, true));
        assert_eq!(w.count("b", 1, None, until), counted(1, true));
        assert_eq!(w.count("a", 0, None, until), counted(5, true));
    }),
    ("counters: not over their bound", |w| {
        let until = w.now_ms + 100;
        assert_eq!(w.count("a", 3, Some(3), until), counted(3, true));
        assert_eq!(w.count("a", 1, Some(3), until), counted(3, false));
        assert_eq!(w.count("a", -2, Some(3), until), counted(1, true));
        assert_eq!(w.count("a", 5, Some(3), until), counted(1, false));
        assert_eq!(w.count("new", 5, Some(3), until), counted(0, false));
    }),
    ("counters: taking away is always possible", |w| {
        let until = w.now_ms + 100;
        w.count("a", 10, None, until);
        assert_eq!(w.count("a", -1, Some(3), until), counted(9, true));
    }),
    ("counters: forgotten when their time is over, which the first change sets", |w| {
        let until = w.now_ms + 100;
        w.count("a", 3, Some(3), until);
        w.now_ms += 99;
        assert_eq!(w.count("a", 1, Some(3), until + 500), counted(3, false));
        w.now_ms += 1;
        assert_eq!(w.count("a", 1, Some(3), until + 500), counted(1, true));
        w.now_ms += 499;
        assert_eq!(w.count("a", 1, Some(3), until + 900), counted(2, true));
    }),
    ("counters: all or none", |w| {
        let until = w.now_ms + 100;
        let counts =
            |b_add| vec![add("a", 1, 9, until), add("b", b_add, 3, until), add("a", 1, 9, until)];
        let first = w.wait(w.store().counters(counts(2), w.now_ms));
        assert_eq!(first, Counted { added: true, values: vec![1, 2, 2] });
        let second = w.wait(w.store().counters(counts(2), w.now_ms));
        assert_eq!(second, Counted { added: false, values: vec![2, 2, 2] });
        let third = w.wait(w.store().counters(counts(1), w.now_ms));
        assert_eq!(third, Counted { added: true, values: vec![3, 3, 4] });
        let none = w.wait(w.store().counters(vec![], w.now_ms));
        assert_eq!(none, Counted { added: true, values: vec![] });
    }),
    ("counters: survive, and are cleared away when over", |w| {
        w.count("a", 3, None, w.now_ms + 10_000);
        w.count("b", 3, None, w.now_ms + 10);
        w.reopen();
        w.prune(KEEP);
        assert_eq!(w.count("a", 1, None, w.now_ms + 10_000), counted(4, true));
        assert_eq!(w.count("b", 1, None, w.now_ms + 10_000), counted(1, true));
    }),
    ("counters: huge numbers stay at the edge", |w| {
        let until = w.now_ms + 100;
        w.count("a", i64::MAX, None, until);
        assert_eq!(w.count("a", 5, None, until), counted(i64::MAX, true));
    }),
    ("lead: one at a time", |w| {
        let until = w.now_ms + 100;
        assert!(lead(w, "cron", "one", until));
        assert!(!lead(w, "cron", "two", until));
        assert!(lead(w, "janitor", "two", until));
        assert!(lead(w, "cron", "one", until + 100));
        w.now_ms += 150;
        assert!(!lead(w, "cron", "two", until));
        w.now_ms += 50;
        assert!(lead(w, "cron", "two", w.now_ms + 100));
        assert!(!lead(w, "cron", "one", until));
    }),
    ("lead: given up by prolonging into the past", |w| {
        assert!(lead(w, "cron", "one", w.now_ms + 100));
        assert!(lead(w, "cron", "one", w.now_ms));
        assert!(lead(w, "cron", "two", w.now_ms + 100));
    }),
];

fn counted(value: i64, added: bool) -> Counted {
    Counted { added, values: vec![value] }
}

fn add(key: &str, add: i64, at_most: i64, until_ms: i64) -> Count {
    Count { key: key.into(), add, at_most: Some(at_most), until_ms }
}

fn lead(w: &World, role: &str, holder: &str, until_ms: i64) -> bool {
    w.wait(w.store().lead(role, holder, until_ms, w.now_ms))
}
