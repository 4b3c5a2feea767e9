//! The disk is full or read-only: what is asked for is refused, nothing is lost, and work goes on
//! when there is room again. SQLite's own page limit and read-only switch stand in for the disk;
//! `tests/process.rs` does it with a real limit on the file.

use std::sync::Arc;

use postroom_core::definition::Mode;
use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::trigger::Start;
use postroom_core::{DefinitionHash, Event, EventId, Json, Run, RunId};

use super::Sqlite;
use crate::{
    Arrival, Command, Committed, Error, EventFilter, Lease, Order, Ordered, Recorded, Retention,
    Store, Transition, Wake,
};

const NOW_MS: i64 = 1_800_000_000_000;

const KEEP: Retention = Retention {
    ended_count: None,
    dead_count: None,
    ended_before_ms: None,
    dead_before_ms: None,
    events_before_ms: None,
    limit: 10,
};

struct NoHints;

impl Wake for NoHints {
    fn wake(&self) {}
}

fn arrival(n: u64) -> Arrival {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    let event = Event {
        id: EventId::from_parts(u64::try_from(NOW_MS).unwrap(), random),
        source: "test".into(),
        kind: "E".into(),
        time_ms: NOW_MS,
        received_ms: NOW_MS,
        correlation: format!("c{n}"),
        subject: None,
        key: None,
        cause: None,
        data: Json::parse(format!("\"{}\"", "x".repeat(3_000))).unwrap(),
    };
    let id = RunId::derive(event.id, "w");
    let run = Run {
        id,
        event: event.id,
        workflow: "w".into(),
        definition: DefinitionHash([7; 16]),
        key: id.to_string(),
        state: RunState::Queued,
        created_ms: NOW_MS,
        due_ms: Some(NOW_MS),
        finished_ms: None,
        steps: Vec::new(),
        failure: None,
        redrives: 0,
        deadline_ms: None,
        cancelling: None,
        mode: Mode::Live,
        dry: false,
        admission: None,
    };
    Arrival {
        dedupe: Some(KeyHash::of(&["event"], &n.to_string())),
        dedupe_until_ms: NOW_MS + 1_000_000,
        starts: vec![Start { run, dedupe: None, dedupe_until_ms: None, concurrency: None }],
        event: event.into(),
    }
}

fn succeeded(lease: &Lease) -> Transition {
    let mut run = lease.run.clone();
    run.state = RunState::Succeeded;
    run.due_ms = None;
    run.finished_ms = Some(NOW_MS);
    Transition { run, fence: lease.fence, seq: 1, entries: Vec::new(), emits: Vec::new() }
}

/// A way to take the disk away and give it back.
struct Fault {
    take: fn(&Sqlite),
    give: fn(&Sqlite),
}

/// The log cannot be written.
const LOG: Fault = Fault {
    take: |store| store.shared.log.lock().broken = true,
    give: |store| store.shared.log.lock().broken = false,
};

/// The tables have no room left.
const FULL: Fault = Fault {
    take: |store| *store.shared.fault.lock() = Some("PRAGMA max_page_count = 60"),
    give: |store| *store.shared.fault.lock() = Some("PRAGMA max_page_count = 1000000"),
};

/// The tables cannot be written at all.
const READ_ONLY: Fault = Fault {
    take: |store| *store.shared.fault.lock() = Some("PRAGMA query_only = ON"),
    give: |store| *store.shared.fault.lock() = Some("PRAGMA query_only = OFF"),
};

fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable { .. }))
}

/// Takes the disk away, sees that nothing acknowledged is lost, and gives it back.
async fn goes_and_comes_back(fault: &Fault) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS).unwrap();
    store.record((1..=5).map(arrival).collect()).await.unwrap();
    let claimed = store.claim(2, 30_000, NOW_MS).await.unwrap();
    let filter = EventFilter { limit: 1_000, ..EventFilter::default() };
    assert_eq!(store.events(filter.clone()).await.unwrap().rows.len(), 5);

    (fault.take)(&store);
    let (mut refused, mut kept) = (0, 5);
    for n in 6..400 {
        match store.record(vec![arrival(n)]).await {
            Ok(_) => {
                assert_eq!(refused, 0, "a small disk does not grow");
                kept += 1;
                // A reader makes the tables try to catch up.
                let seen = store.events(filter.clone()).await.unwrap().rows.len();
                assert!((5..=kept).contains(&seen), "{seen} of {kept}");
            }
            Err(error) => {
                assert!(matches!(error, Error::Unavailable { .. }), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    assert!(store.stats().await.unwrap().failing.is_some());
    // Together with others, too, and everybody hears of it.
    let (one, two) =
        tokio::join!(store.record(vec![arrival(500)]), store.record(vec![arrival(501)]));
    assert!(is_unavailable(&one) && is_unavailable(&two));
    // What writes nothing proves nothing.
    let _ = store.prune(KEEP, NOW_MS).await;
    assert!(store.stats().await.unwrap().failing.is_some());
    // Handing out goes on.
    assert_eq!(store.claim(1, 30_000, NOW_MS).await.unwrap().leases.len(), 1);

    (fault.give)(&store);
    // What was refused is new when it comes again: nobody remembers its key.
    let again = store.record(vec![arrival(399), arrival(500)]).await.unwrap();
    assert!(again.iter().all(|recorded| matches!(recorded, Recorded::New { .. })), "{again:?}");
    // An owner commits late; its right still holds.
    let transitions = claimed.leases.iter().map(succeeded).collect();
    assert_eq!(store.commit(transitions).await.unwrap(), [Committed::Written; 2]);
    let all = u64::try_from(kept + 2).unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.failing, stats.dedupe_keys), (None, all));
    assert_eq!(stats.runs.values().sum::<u64>(), all);
    assert_eq!(store.events(filter.clone()).await.unwrap().rows.len(), kept + 2);

    drop(store);
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS + 1).unwrap();
    assert_eq!(store.events(filter).await.unwrap().rows.len(), kept + 2);
    let reopened = store.stats().await.unwrap();
    let ended = reopened.runs[&RunState::Succeeded];
    assert_eq!((reopened.runs.values().sum::<u64>(), ended), (all, 2));
}

#[tokio::test]
async fn a_log_that_cannot_be_written_refuses_and_recovers() {
    goes_and_comes_back(&LOG).await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    goes_and_comes_back(&FULL).await;
}

#[tokio::test]
async fn a_read_only_disk_refuses_and_recovers() {
    goes_and_comes_back(&READ_ONLY).await;
}

#[tokio::test]
async fn what_the_tables_never_got_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS).unwrap();
    store.record(vec![arrival(1), arrival(2), arrival(3)]).await.unwrap();
    let leases = store.claim(2, 30_000, NOW_MS).await.unwrap().leases;
    (READ_ONLY.take)(&store);
    // Results are taken while the log may grow, because they cannot be had again.
    let committed = store.commit(leases.iter().map(succeeded).collect()).await.unwrap();
    assert_eq!(committed, [Committed::Written; 2]);
    let filter = EventFilter { limit: 9, ..EventFilter::default() };
    store.events(filter).await.unwrap();
    assert!(store.stats().await.unwrap().failing.is_some());
    drop(store);
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS + 1).unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.runs[&RunState::Succeeded], stats.runs[&RunState::Queued]), (2, 1));
    assert_eq!((stats.dedupe_keys, stats.failing), (3, None));
}

#[tokio::test]
async fn an_owner_can_hand_in_its_result_late() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS).unwrap();
    store.record(vec![arrival(1), arrival(2)]).await.unwrap();
    let leases = store.claim(2, 30_000, NOW_MS).await.unwrap().leases;
    (LOG.take)(&store);
    assert!(is_unavailable(&store.commit(vec![succeeded(&leases[0])]).await));
    let order = |run| Order {
        run,
        command: Command::Cancel,
        actor: "ann".into(),
        note: None,
        now_ms: NOW_MS,
    };
    assert!(is_unavailable(&store.control(order(leases[1].run.id)).await));
    (LOG.give)(&store);
    let committed = store.commit(vec![succeeded(&leases[0])]).await.unwrap();
    assert_eq!(committed, [Committed::Written]);
    let ordered = store.control(order(leases[1].run.id)).await.unwrap();
    assert!(matches!(ordered, Ordered::Done(_)));
}

#[tokio::test]
async fn a_bad_request_fails_alone_and_is_not_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS).unwrap();
    // Two runs of one workflow by one event have the same id, which no router makes.
    let mut bad = arrival(1);
    bad.starts.extend(arrival(1).starts);
    let (good, refused, other) = tokio::join!(
        store.record(vec![arrival(2)]),
        store.record(vec![bad]),
        store.record(vec![arrival(3)])
    );
    assert!(good.is_ok() && other.is_ok());
    assert!(matches!(refused, Err(Error::Corrupt { .. })));
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.failing, stats.runs[&RunState::Queued], stats.dedupe_keys), (None, 2, 2));
    assert!(store.record(vec![arrival(1)]).await.is_ok());
}
