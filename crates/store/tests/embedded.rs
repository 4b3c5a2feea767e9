//! What only the embedded store does: its folder, its file, its versions, its log.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postroom_core::Json;
use postroom_core::run::{Reason, RunState};
use postroom_store::sqlite::Sqlite;
use postroom_store::{
    Committed, Error, EventFilter, Fence, Recorded, RunFilter, Store, Transition, Wake,
};
use rusqlite::Connection;

#[allow(dead_code, reason = "shared with the conformance suite, which uses all of it")]
#[path = "conformance/world.rs"]
mod world;

use world::{Hints, Like, OnDisk, START_MS, World, arrival, event, sleep, to};

fn open(folder: &Path, now_ms: i64) -> Result<Sqlite, Error> {
    Sqlite::open(folder, Arc::new(Hints::default()) as Arc<dyn Wake>, now_ms)
}

/// What is wrong with opening a folder.
fn refused(folder: &Path) -> Error {
    open(folder, START_MS).err().expect("it opened")
}

#[tokio::test]
async fn a_second_store_on_the_folder_is_told_which() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), START_MS).unwrap();
    let Error::Locked { path } = refused(folder.path()) else { panic!("not locked") };
    assert_eq!(path, folder.path().display().to_string());
    drop(first);
    open(folder.path(), START_MS).unwrap();
}

#[tokio::test]
async fn a_newer_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), START_MS).unwrap());
    let file = folder.path().join("postroom.db");
    let raw = Connection::open(&file).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let error = refused(folder.path());
    assert!(matches!(error, Error::Newer { found: 99, known: NEWEST }), "{error}");
    let raw = Connection::open(&file).unwrap();
    raw.pragma_update(None, "user_version", NEWEST).unwrap();
    drop(raw);
    open(folder.path(), START_MS).unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postroom.db");
    let text = "this is a letter, not a store. ".repeat(200);
    std::fs::write(&file, &text).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    for folder in [file.join("data"), PathBuf::from("/proc/postroom"), file] {
        let Error::Unavailable { reason } = refused(&folder) else { panic!("{folder:?}") };
        assert!(reason.contains(&folder.display().to_string()), "{reason}");
    }
}

#[test]
fn a_run_that_cannot_be_read_is_put_among_the_dead() {
    let mut w = World::new(Box::new(OnDisk::new()));
    let folder = tempfile::tempdir().unwrap();
    let store = {
        let _inside = w.enter();
        Arc::new(open(folder.path(), START_MS).unwrap())
    };
    let (broken, whole) = (w.arrival().starting("a"), w.arrival().starting("a"));
    let (broken_id, whole_id) = (broken.starts[0].run.id, whole.starts[0].run.id);
    w.wait(store.record(vec![broken, whole]));
    drop(store);
    let raw = Connection::open(folder.path().join("postroom.db")).unwrap();
    let sql = "UPDATE runs SET body = '{' WHERE id = ?1";
    assert_eq!(raw.execute(sql, [broken_id.0]).unwrap(), 1);
    drop(raw);
    let store = {
        let _inside = w.enter();
        Arc::new(open(folder.path(), START_MS + 1).unwrap())
    };
    let claimed = w.wait(store.claim(9, 30_000, START_MS + 1));
    let ids: Vec<_> = claimed.leases.iter().map(|lease| lease.run.id).collect();
    assert_eq!(ids, [whole_id]);
    // Orders are carried out one after the other, so this one comes after the burial.
    w.wait(store.control(postroom_store::Order {
        run: whole_id,
        command: postroom_store::Command::Cancel,
        actor: "ann".into(),
        note: None,
        now_ms: START_MS + 2,
    }));
    let (run, _, _) = w.wait(store.run(broken_id)).unwrap();
    let failure = run.failure.unwrap();
    assert_eq!((run.state, failure.reason), (RunState::Dead, Reason::Unroutable));
    assert_eq!(failure.failure.code, "store/corrupt-run");
    let stats = w.wait(store.stats());
    assert_eq!((stats.runs[&RunState::Dead], stats.runs[&RunState::Queued]), (1, 0));
    assert!(w.wait(store.claim(9, 30_000, i64::MAX / 2)).leases.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_bounded_while_readers_never_pause() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path(), START_MS).unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..6 {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        readers.push(tokio::spawn(async move {
            let mut pages = 0_u32;
            while !done.load(Ordering::Relaxed) {
                let filter = EventFilter { limit: 500, ..EventFilter::default() };
                store.events(filter).await.unwrap();
                pages += 1;
            }
            pages
        }));
    }
    let log = folder.path().join("postroom.db-wal");
    let (mut most, mut written, mut n) = (0, 0, 0);
    let data = Json::parse(format!("\"{}\"", "x".repeat(20_000))).unwrap();
    while written < 200 << 20 {
        let mut arrivals = Vec::new();
        for _ in 0..100 {
            n += 1;
            let mut one = arrival(event(n, START_MS + i64::try_from(n).unwrap()));
            Arc::make_mut(&mut one.event).data = data.clone();
            written += data.text().len();
            arrivals.push(one);
        }
        store.record(arrivals).await.unwrap();
        most = most.max(std::fs::metadata(&log).unwrap().len());
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert!(most <= 80 << 20, "the log grew to {} MiB", most >> 20);
    drop(store);
    let left = std::fs::metadata(&log).map_or(0, |file| file.len());
    assert_eq!(left, 0, "a closed store leaves nothing in its log");
}

/// The two take the same locks, one after the other or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_can_be_asked_for_while_events_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path(), START_MS).unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        async move {
            while !done.load(Ordering::Relaxed) {
                store.stats().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let recording = async {
        for round in 0..200_u64 {
            let one = |n| arrival(event(round * 200 + n, START_MS)).starting("a");
            let arrivals = (0..200).map(|n| one(n).keyed(&format!("{round}/{n}"))).collect();
            store.record(arrivals).await.unwrap();
        }
    };
    let bound = std::time::Duration::from_secs(120);
    tokio::time::timeout(bound, recording).await.expect("the store stands still");
    done.store(true, Ordering::Relaxed);
    asking.await.unwrap();
}

#[tokio::test]
async fn what_was_recorded_before_closing_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path(), START_MS).unwrap());
    let one = arrival(event(1, START_MS)).starting("a");
    let id = one.event.id;
    // Closed with a request under way: it is either written or refused, never lost.
    let recording = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.record(vec![one]).await }
    });
    let recorded = recording.await.unwrap().unwrap();
    assert!(matches!(recorded[0], Recorded::New { .. }));
    drop(store);
    let again = open(folder.path(), START_MS + 1).unwrap();
    assert!(again.event(id).await.unwrap().is_some());
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
/// The version this build writes.
const NEWEST: u32 = 2;

/// A store with something of everything. Its clock stands at [`START_MS`] and a little.
fn something_of_everything(w: &mut World) {
    let keyed = w.arrival().starting("billing").starting("audit").keyed("order-1").run_keyed("r");
    let mut plain = w.arrival();
    let event = Arc::make_mut(&mut plain.event);
    event.subject = Some("order/1".into());
    event.key = Some("ü".into());
    event.data = Json::parse(r#"{"text":"für \u00fc","list":[1,2.5,null]}"#.into()).unwrap();
    let cause = postroom_core::event::Cause { event: keyed.event.id, run: None, hops: 1 };
    event.cause = Some(cause);
    w.record(vec![keyed, plain]);
    for _ in 0..5 {
        w.start_gated("customer-1", 2);
    }
    for _ in 0..4 {
        w.now_ms += 10;
        w.start("billing");
    }
    let leases = w.claim(9).leases;
    let at = w.now_ms;
    let mut emitting = to(&leases[0], RunState::Succeeded, at);
    emitting.emits = vec![w.arrival().starting("audit").keyed("emitted")];
    assert_eq!(w.commit(emitting), Committed::Written);
    w.commit(to(&leases[1], RunState::Dead, at));
    w.commit(sleep(&leases[2], at + 60_000, at));
    w.commit(to(&leases[3], RunState::Running, at));
    w.commit(to(&leases[4], RunState::Dead, at));
    w.redrive(leases[4].run.id);
    w.cancel(leases[5].run.id);
    let mut stillborn = w.arrival().starting("billing");
    let failure = postroom_core::Failure::new("expr/type", "not a number").with_hint("convert it");
    stillborn.starts[0].run.fail_at_birth(failure, at);
    w.record(vec![stillborn]);
    w.count("limit:stripe", 3, Some(9), at + 1_000_000);
    let text = "workflow: billing\non: [{event: E}]\nsteps: []\n";
    w.wait(w.store().put_definition("billing".into(), world::definition(text)));
}

/// Everything that can be read of a store.
fn dump(w: &World) -> String {
    let mut out = String::new();
    let all = RunFilter { limit: 1_000, ..RunFilter::default() };
    for (run, correlation) in w.wait(w.store().runs(all)).rows {
        out += &format!("{correlation} {}\n", serde_json::to_string_pretty(&run).unwrap());
        let (same, of, journal) = w.run(run.id).unwrap();
        assert_eq!((&same, of.id), (&run, run.event));
        out += &format!("{}\n", serde_json::to_string_pretty(&journal).unwrap());
    }
    let all = EventFilter { limit: 1_000, ..EventFilter::default() };
    for row in w.wait(w.store().events(all)).rows {
        let whole = w.wait(w.store().event(row.event.id)).unwrap();
        let event = serde_json::to_string_pretty(&whole.event).unwrap();
        out += &format!("{event} started {}\n", whole.routed);
    }
    for (name, stored) in w.wait(w.store().definitions(None)) {
        out += &format!("{name} {}\n", serde_json::to_string_pretty(&stored).unwrap());
    }
    let stats = w.wait(w.store().stats());
    out += &format!("{:?} {:?} {}\n", stats.runs, stats.oldest_due_ms, stats.dedupe_keys);
    out
}

mod bless {
    /// Whether golden files are rewritten instead of compared.
    #[allow(clippy::disallowed_methods, reason = "a switch for whoever runs the tests by hand")]
    pub fn asked_for() -> bool {
        std::env::var_os("BLESS").is_some()
    }
}

/// Files of every version are read for ever. `BLESS=1` makes that of the newest anew, which is right
/// only while it has not been released.
#[test]
fn files_of_every_version_read_as_they_were_written() {
    for version in 1..=NEWEST {
        a_file_reads_as_it_was_written(version);
    }
}

fn a_file_reads_as_it_was_written(version: u32) {
    let folder = Path::new(GOLDEN).join(format!("v{version}"));
    let (file, text) = (folder.join("postroom.db"), folder.join("contents.txt"));
    if bless::asked_for() && version == NEWEST {
        let mut w = World::new(Box::new(OnDisk::new()));
        something_of_everything(&mut w);
        w.reopen();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&text, dump(&w)).unwrap();
        w.close();
        std::fs::copy(w.folder().join("postroom.db"), &file).unwrap();
    }
    assert!(std::fs::metadata(&file).unwrap().len() < 100_000);
    let disk = OnDisk::new();
    std::fs::copy(&file, disk.folder().join("postroom.db")).unwrap();
    let raw = Connection::open(disk.folder().join("postroom.db")).unwrap();
    let found: u32 = raw.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(found, version);
    drop(raw);
    let mut w = World::new(Box::new(disk));
    w.now_ms = START_MS + 1_040;
    w.reopen_now();
    assert_eq!(dump(&w), std::fs::read_to_string(&text).unwrap());
    // And it goes on from there.
    assert_eq!(w.count("limit:stripe", 1, Some(9), i64::MAX).values, [4]);
    let again = arrival(event(99, w.now_ms)).keyed("order-1");
    assert!(matches!(w.record(vec![again])[0], Recorded::Duplicate { .. }));
    w.now_ms += 100_000;
    let leases = w.claim(99).leases;
    assert!(leases.len() >= 6, "{}", leases.len());
    for lease in leases {
        assert!(lease.fence > Fence(0));
        let transition: Transition = to(&lease, RunState::Succeeded, w.now_ms);
        assert_eq!(w.commit(transition), Committed::Written);
    }
}
