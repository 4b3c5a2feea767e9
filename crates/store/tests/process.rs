//! What happens to the file when a process ends, or the disk does. This program starts itself as
//! the process that is killed, locked out or put on a small disk; hence its own `main`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use postroom_core::run::RunState;
use postroom_core::{EventId, Json, RunId};
use postroom_store::sqlite::Sqlite;
use postroom_store::{Error, EventFilter, Recorded, RunFilter, Store};

#[allow(dead_code, reason = "shared with the conformance suite, which uses all of it")]
#[path = "conformance/world.rs"]
mod world;

use world::{Hints, Like, START_MS, arrival, event, nth, to};

const TESTS: &[(&str, fn())] = &[
    ("kill_loses_nothing_acknowledged", kill_loses_nothing_acknowledged),
    ("another_process_is_locked_out", another_process_is_locked_out),
    ("a_small_disk_refuses_and_keeps_what_it_took", a_small_disk_refuses_and_keeps_what_it_took),
];

/// Runs as a child if told so, else the tests whose names hold the first argument.
fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    if first == "--child" {
        let (what, folder, from) =
            (arguments.next().unwrap(), arguments.next().unwrap(), arguments.next().unwrap());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let (folder, from) = (Path::new(&folder), from.parse().unwrap());
        runtime.unwrap().block_on(async {
            match what.as_str() {
                "record" => record_for_ever(folder, from).await,
                "hold" => hold(folder),
                "fill" => fill(folder).await,
                other => panic!("{other}"),
            }
        });
        return;
    }
    let filter = if first.starts_with('-') { "" } else { &first };
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(filter)) {
        if std::env::args().any(|argument| argument == "--list") {
            say(&format!("{name}: test"));
            continue;
        }
        test();
        say(&format!("test {name} ... ok"));
    }
}

/// Prints a whole line at once: whoever reads sees all of it or nothing.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn child(what: &str, folder: &Path, from: u64) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--child", what])
        .arg(folder)
        .arg(from.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn open(folder: &Path, now_ms: i64) -> Result<Arc<Sqlite>, Error> {
    Sqlite::open(folder, Arc::new(Hints::default()), now_ms).map(Arc::new)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(future)
}

/// Records from several tasks, claims and commits, and says each thing once it is acknowledged.
async fn record_for_ever(folder: &Path, from: u64) {
    let now_ms = START_MS + i64::try_from(from).unwrap();
    let store = open(folder, now_ms).unwrap();
    let worker = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            loop {
                for lease in store.claim(8, 30_000, i64::MAX / 2).await.unwrap().leases {
                    let id = lease.run.id;
                    let transition = nth(1, to(&lease, RunState::Succeeded, now_ms));
                    store.commit(vec![transition]).await.unwrap();
                    say(&format!("succeeded {id}"));
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let mut tasks = vec![worker];
    // Large enough that files of the log are changed and used again, and checkpoints made.
    let data = Json::parse(format!("\"{}\"", "x".repeat(20_000))).unwrap();
    for task in 0..4 {
        let (store, data) = (Arc::clone(&store), data.clone());
        tasks.push(tokio::spawn(async move {
            for n in 0.. {
                let mut arrival = arrival(event(from + task + 4 * n, now_ms)).starting("w");
                arrival.dedupe_until_ms = i64::MAX / 2;
                Arc::make_mut(&mut arrival.event).data = data.clone();
                let (event, run) = (arrival.event.id, arrival.starts[0].run.id);
                store.record(vec![arrival.keyed(&event.to_string())]).await.unwrap();
                say(&format!("recorded {event} {run}"));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

fn kill_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded: Vec<(EventId, RunId)> = Vec::new();
    let mut succeeded: Vec<RunId> = Vec::new();
    for (round, after) in [40, 700, 5, 300, 3_000, 6_000].into_iter().enumerate() {
        let round = u64::try_from(round).unwrap();
        let mut child = child("record", folder.path(), round * 1_000_000);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said: Vec<String> = lines.by_ref().take(after).map(Result::unwrap).collect();
        child.kill().unwrap();
        // What it said before the signal reached it was acknowledged, too.
        said.extend(lines.map(Result::unwrap));
        assert!(!child.wait().unwrap().success());
        for line in &said {
            match *line.split(' ').collect::<Vec<_>>() {
                ["recorded", event, run] => {
                    recorded.push((event.parse().unwrap(), run.parse().unwrap()));
                }
                ["succeeded", run] => succeeded.push(run.parse().unwrap()),
                _ => panic!("{line}"),
            }
        }
        let now_ms = START_MS + i64::try_from(round * 1_000_000 + 500_000).unwrap();
        block_on(check(folder.path(), now_ms, &recorded, &succeeded));
    }
    assert!(
        recorded.len() > 500 && succeeded.len() > 100,
        "{} {}",
        recorded.len(),
        succeeded.len()
    );
}

async fn check(folder: &Path, now_ms: i64, recorded: &[(EventId, RunId)], succeeded: &[RunId]) {
    let store = open(folder, now_ms).unwrap();
    for (event, run) in recorded {
        assert!(store.event(*event).await.unwrap().is_some(), "{event} is lost");
        assert!(store.run(*run).await.unwrap().is_some(), "{run} is lost");
    }
    for run in succeeded {
        let (run, _, journal) = store.run(*run).await.unwrap().unwrap();
        assert_eq!((run.state, journal.len()), (RunState::Succeeded, 1), "{}", run.id);
    }
    // The counts agree with the rows, every key is known, and every open run is handed out once.
    let all = RunFilter { limit: 1_000_000, ..RunFilter::default() };
    let runs = store.runs(all).await.unwrap().rows;
    let open = runs.iter().filter(|(run, _)| !run.state.ended()).count();
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.runs.values().sum::<u64>(), runs.len() as u64);
    assert_eq!(stats.runs[&RunState::Queued], open as u64);
    for (id, _) in recorded.iter().step_by(17) {
        let again = arrival(event(u64::MAX, now_ms)).keyed(&id.to_string());
        let answer = store.record(vec![again]).await.unwrap().remove(0);
        assert!(matches!(answer, Recorded::Duplicate { event, .. } if event == *id), "{answer:?}");
    }
    let claimed = store.claim(usize::MAX, 30_000, i64::MAX / 2).await.unwrap().leases;
    assert_eq!(claimed.len(), open);
}

/// Opens the store, says so, and keeps it until nobody holds its standard input any more.
fn hold(folder: &Path) {
    let store = open(folder, START_MS).unwrap();
    say("open");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    drop(store);
}

fn another_process_is_locked_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("hold", folder.path(), 0);
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "open\n");
    block_on(async {
        let Err(Error::Locked { path }) = open(folder.path(), START_MS) else {
            panic!("not locked")
        };
        assert_eq!(path, folder.path().display().to_string());
    });
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    block_on(async { drop(open(folder.path(), START_MS).unwrap()) });
}

/// Records until the disk takes no more, and sees that the store stays up.
async fn fill(folder: &Path) {
    let store = open(folder, START_MS).unwrap();
    let (mut refused, mut kept, mut n) = (0, 0, 0);
    while refused < 20 {
        n += 1;
        assert!(n < 10_000, "the disk is not small");
        let mut one = arrival(event(n, START_MS)).starting("w");
        Arc::make_mut(&mut one.event).data =
            Json::parse(format!("\"{}\"", "x".repeat(9_000))).unwrap();
        let id = one.event.id;
        match store.record(vec![one]).await {
            Ok(_) => {
                kept += 1;
                say(&id.to_string());
            }
            Err(Error::Unavailable { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(store.stats().await.unwrap().failing.is_some());
    // What only the log has is seen when the tables can be written again.
    let all = EventFilter { limit: 100_000, ..EventFilter::default() };
    let seen = store.events(all).await.unwrap().rows.len();
    assert!((1..=kept).contains(&seen), "{seen} of {kept}");
    assert!(!store.claim(5, 30_000, START_MS).await.unwrap().leases.is_empty());
}

fn a_small_disk_refuses_and_keeps_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond 3 MiB; writing past it is an error instead of a signal.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 6144; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--child", "fill"])
        .arg(folder.path())
        .arg("0")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", output.status);
    let said = String::from_utf8(output.stdout).unwrap();
    let ids: Vec<EventId> = said.lines().map(|line| line.parse().unwrap()).collect();
    assert!(ids.len() > 50, "{}", ids.len());
    block_on(async {
        let store = open(folder.path(), START_MS + 1).unwrap();
        for id in &ids {
            assert!(store.event(*id).await.unwrap().is_some(), "{id} is lost");
        }
        let all = EventFilter { limit: 100_000, ..EventFilter::default() };
        assert_eq!(store.events(all).await.unwrap().rows.len(), ids.len());
        let more = arrival(event(1_000_000, START_MS + 1));
        assert!(matches!(store.record(vec![more]).await.unwrap()[0], Recorded::New { .. }));
    });
}
