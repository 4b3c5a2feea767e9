//! The disk is full or read-only: what is asked for is refused, nothing is lost, and work goes on
//! when there is room again. SQLite's own page limit and read-only switch stand in for the disk;
//! `tests/process.rs` does it with a real limit on the file.

use std::sync::Arc;

use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::trigger::Start;
use postroom_core::{DefinitionHash, Event, EventId, Json, Run, RunId};

use super::Sqlite;
use super::writer::Request;
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
    };
    Arrival {
        dedupe: Some(KeyHash::of(&["event"], &n.to_string())),
        dedupe_until_ms: NOW_MS + 1_000_000,
        starts: vec![Start { run, dedupe: None, concurrency: None }],
        event,
    }
}

fn succeeded(lease: &Lease) -> Transition {
    let mut run = lease.run.clone();
    run.state = RunState::Succeeded;
    run.due_ms = None;
    run.finished_ms = Some(NOW_MS);
    Transition { run, fence: lease.fence, entries: Vec::new(), emits: Vec::new() }
}

async fn execute(store: &Sqlite, sql: &'static str) {
    store.write(|answer| Request::Execute(sql, answer)).await.unwrap();
}

fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable { .. }))
}

/// Takes the disk away with `take`, sees that nothing is written and nothing lost, gives it back.
async fn goes_and_comes_back(take: &'static str, give: &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS).unwrap();
    store.record((1..=5).map(arrival).collect()).await.unwrap();
    let claimed = store.claim(2, 30_000, NOW_MS).await.unwrap();
    let keys = store.stats().await.unwrap().dedupe_keys;

    execute(&store, take).await;
    let mut refused = 0;
    for n in 6..400 {
        match store.record(vec![arrival(n)]).await {
            Ok(_) => assert_eq!(refused, 0, "a small disk does not grow"),
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
    // Reading goes on, and so does handing out.
    let filter = EventFilter { limit: 1_000, ..EventFilter::default() };
    let kept = store.events(filter.clone()).await.unwrap().rows.len();
    assert!(kept >= 5);
    assert_eq!(store.claim(1, 30_000, NOW_MS).await.unwrap().leases.len(), 1);

    execute(&store, give).await;
    // An owner that heard `Unavailable` commits again; its right still holds.
    let transitions = claimed.leases.iter().map(succeeded).collect();
    assert_eq!(store.commit(transitions).await.unwrap(), [Committed::Written; 2]);
    // What was refused is new when it comes again: nobody remembers its key.
    let again = store.record(vec![arrival(399), arrival(500)]).await.unwrap();
    assert!(again.iter().all(|recorded| matches!(recorded, Recorded::New { .. })), "{again:?}");
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.failing, None);
    assert_eq!(stats.dedupe_keys, keys + u64::try_from(kept).unwrap() - 5 + 2);
    assert_eq!(stats.runs.values().sum::<u64>(), u64::try_from(kept).unwrap() + 2);

    drop(store);
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS + 1).unwrap();
    assert_eq!(store.events(filter).await.unwrap().rows.len(), kept + 2);
    let reopened = store.stats().await.unwrap();
    assert_eq!(
        (reopened.runs.values().sum::<u64>(), reopened.runs[&RunState::Succeeded]),
        (u64::try_from(kept).unwrap() + 2, 2)
    );
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    goes_and_comes_back("PRAGMA max_page_count = 60", "PRAGMA max_page_count = 1000000").await;
}

#[tokio::test]
async fn a_read_only_disk_refuses_and_recovers() {
    goes_and_comes_back("PRAGMA query_only = ON", "PRAGMA query_only = OFF").await;
}

#[tokio::test]
async fn an_owner_can_hand_in_its_result_late() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path(), Arc::new(NoHints), NOW_MS).unwrap();
    store.record(vec![arrival(1), arrival(2)]).await.unwrap();
    let leases = store.claim(2, 30_000, NOW_MS).await.unwrap().leases;
    execute(&store, "PRAGMA query_only = ON").await;
    assert!(is_unavailable(&store.commit(vec![succeeded(&leases[0])]).await));
    let order = |run| Order {
        run,
        command: Command::Cancel,
        actor: "ann".into(),
        note: None,
        now_ms: NOW_MS,
    };
    assert!(is_unavailable(&store.control(order(leases[1].run.id)).await));
    assert!(is_unavailable(&store.reap(NOW_MS + 100_000).await));
    execute(&store, "PRAGMA query_only = OFF").await;
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
