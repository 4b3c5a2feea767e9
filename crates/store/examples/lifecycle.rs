//! Lifecycles a second of the embedded store: producers record arrivals of 500 bytes, each with
//! one run, while a loop claims runs and commits them as succeeded with one journal entry.
//!
//! `cargo run --release -p postroom-store --example lifecycle -- [runs] [producers] [pending]`
//! prints a line for every tenth of `runs`. With `pending` it then leaves so many runs queued and
//! says how long opening takes and how much memory the process has.

#![allow(clippy::print_stdout, reason = "this is what it is for")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use postroom_core::definition::Mode;
use postroom_core::id::KeyHash;
use postroom_core::journal::Kind;
use postroom_core::run::{RunState, StepRun, StepState};
use postroom_core::trigger::Start;
use postroom_core::{DefinitionHash, Entry, Event, EventId, Json, Run, RunId};
use postroom_store::sqlite::Sqlite;
use postroom_store::{Arrival, Store, Transition, Wake};
use tokio::sync::Notify;

const START_MS: i64 = 1_800_000_000_000;

struct Hint(Notify);

impl Wake for Hint {
    fn wake(&self) {
        self.0.notify_one();
    }
}

fn arrival(n: u64) -> Arrival {
    let now_ms = START_MS + i64::try_from(n / 50).unwrap();
    let mut random = [0; 10];
    random[..2].copy_from_slice(&n.to_be_bytes()[6..]);
    random[2..].copy_from_slice(&n.to_be_bytes());
    let data =
        format!(r#"{{"customerId":"cus_{n:08}","amount":1500,"note":"{}"}}"#, "x".repeat(440));
    let event = Event {
        id: EventId::from_parts(u64::try_from(now_ms).unwrap(), random),
        source: "ingest".into(),
        kind: "BENCH".into(),
        time_ms: now_ms,
        received_ms: now_ms,
        correlation: format!("corr-{n:012}"),
        subject: None,
        key: Some(format!("key-{n}")),
        cause: None,
        data: Json::parse(data).unwrap(),
    };
    let id = RunId::derive(event.id, "bench");
    let run = Run {
        id,
        event: event.id,
        workflow: "bench".into(),
        definition: DefinitionHash([7; 16]),
        key: id.to_string(),
        state: RunState::Queued,
        created_ms: now_ms,
        due_ms: Some(now_ms),
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
        dedupe: Some(KeyHash::of(&["bench"], &n.to_string())),
        dedupe_until_ms: now_ms + 3_600_000,
        starts: vec![Start { run, dedupe: None, dedupe_until_ms: None, concurrency: None }],
        event: event.into(),
    }
}

async fn consume(store: Arc<Sqlite>, hint: Arc<Hint>, runs: u64, done: Arc<AtomicU64>) {
    let now_ms = START_MS + 1_000_000_000;
    let mut finished = 0;
    while finished < runs {
        let claimed = store.claim(256, 30_000, now_ms).await.unwrap();
        if claimed.leases.is_empty() {
            hint.0.notified().await;
            continue;
        }
        finished += claimed.leases.len() as u64;
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let count = claimed.leases.len() as u64;
            let succeeded = claimed.leases.into_iter().map(|lease| {
                let mut run = lease.run;
                run.state = RunState::Succeeded;
                run.due_ms = None;
                run.finished_ms = Some(now_ms);
                let state = StepState::Done;
                run.steps = vec![StepRun { state, attempts: 1, ..StepRun::PENDING }];
                let entries = vec![Entry::new(Kind::Done, now_ms).step("noop", 1)];
                Transition { run, fence: lease.fence, seq: 1, entries, emits: Vec::new() }
            });
            store.commit(succeeded.collect()).await.unwrap();
            done.fetch_add(count, Ordering::Relaxed);
        });
    }
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

async fn produce(store: Arc<Sqlite>, next: Arc<AtomicU64>, runs: u64) {
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= runs {
            return;
        }
        store.record(vec![arrival(n)]).await.unwrap();
    }
}

async fn lifecycles(folder: &Path, runs: u64, producers: u64) {
    let hint = Arc::new(Hint(Notify::new()));
    let store = Arc::new(Sqlite::open(folder, hint.clone(), START_MS).unwrap());
    let (next, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let consumer = tokio::spawn(consume(Arc::clone(&store), hint, runs, Arc::clone(&done)));
    for _ in 0..producers {
        tokio::spawn(produce(Arc::clone(&store), Arc::clone(&next), runs));
    }
    println!("{:>10} {:>14} {:>8}", "stored", "lifecycles/s", "RSS MiB");
    let (whole, mut started, mut before) = (Instant::now(), Instant::now(), 0);
    let tenth = (runs / 10).max(1);
    while before < runs {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let now = done.load(Ordering::Relaxed);
        if now - before >= tenth || now == runs {
            let rate = (now - before) * 1_000_000 / started.elapsed().as_micros().max(1) as u64;
            println!("{now:>10} {rate:>14} {:>8}", memory_mib());
            (before, started) = (now, Instant::now());
        }
    }
    consumer.await.unwrap();
    let rate = u128::from(runs) * 1_000_000 / whole.elapsed().as_micros();
    let stats = store.stats().await.unwrap();
    let groups: u64 = stats.commit_us.counts.iter().sum();
    println!(
        "in all {rate}/s; {groups} groups of {} requests and {} us; {} MiB on disk",
        stats.group_size.sum / groups.max(1),
        stats.commit_us.sum / groups.max(1),
        stats.disk_bytes >> 20
    );
}

async fn pending(folder: &Path, first: u64, pending: u64) {
    let hint = Arc::new(Hint(Notify::new()));
    let store = Sqlite::open(folder, hint.clone(), START_MS).unwrap();
    for n in (first..first + pending).step_by(1_000) {
        store.record((n..n + 1_000).map(arrival).collect()).await.unwrap();
    }
    drop(store);
    let before = memory_mib();
    let started = Instant::now();
    let store = Sqlite::open(folder, hint, START_MS).unwrap();
    println!(
        "open with {pending} pending: {:?}, {before} -> {} MiB",
        started.elapsed(),
        memory_mib()
    );
    let started = Instant::now();
    let claimed = store.claim(100, 30_000, i64::MAX / 2).await.unwrap();
    println!("first claim of {}: {:?}", claimed.leases.len(), started.elapsed());
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let of = |n: usize, default| numbers.get(n).copied().unwrap_or(default);
    let folder = std::env::temp_dir().join(format!("postroom-lifecycle-{}", std::process::id()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        lifecycles(&folder, of(0, 500_000), of(1, 256)).await;
        if of(2, 0) > 0 {
            pending(&folder, of(0, 500_000), of(2, 0)).await;
        }
    });
    std::fs::remove_dir_all(&folder).unwrap();
}
