//! `drain`: how fast queued runs of a workflow that does nothing are executed, on an empty store
//! and on one with two million stored runs, and how long the start takes with a million waiting.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::report::{Report, rounded, verdict};
use crate::{Options, postroom};

const QUEUED: usize = 200_000;
const STORED: usize = 2_000_000;
const PENDING: usize = 1_000_000;

/// Runs a second that must be reached.
const TARGET: f64 = 25_000.0;
/// How much of the speed must be left on the full store.
const FLAT: f64 = 0.8;
/// Seconds until ready with [`PENDING`] runs waiting.
const READY_S: f64 = 3.0;
const WITHIN: Duration = Duration::from_secs(300);

struct Figures {
    runs_per_s: f64,
    ready_s: f64,
}

/// Drains 200,000 runs twice, and starts once with a million.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let empty = runtime.block_on(drain(options, 0, QUEUED))?;
    let full = runtime.block_on(drain(options, STORED, QUEUED))?;
    let pending = runtime.block_on(drain(options, 0, PENDING))?;
    let share = full.runs_per_s / empty.runs_per_s;
    let rows = [
        ("empty store, runs/s", empty.runs_per_s, empty.runs_per_s >= TARGET),
        ("2M stored, runs/s", full.runs_per_s, full.runs_per_s >= TARGET),
        ("2M stored / empty", share, share >= FLAT),
        ("1M waiting, ready after s", pending.ready_s, pending.ready_s < READY_S),
        ("1M waiting, runs/s", pending.runs_per_s, pending.runs_per_s >= TARGET),
    ];
    let mut text = String::new();
    let mut document = serde_json::Map::new();
    for (name, value, is_met) in rows {
        text.push_str(&format!("{name:<27}{value:>10.2}  {}\n", verdict(is_met)));
        document.insert(name.to_owned(), json!({"value": rounded(value), "is_met": is_met}));
    }
    Ok(Report { text, json: document.into() })
}

async fn drain(options: &Options, ended: usize, queued: usize) -> anyhow::Result<Figures> {
    let folder = options.scratch_folder()?;
    postroom::fill(folder.path(), ended, queued).await?;
    let server = postroom::start_again(&options.binary()?, folder.path()).await?;
    let started = Instant::now();
    let before = postroom::finished_runs(&server).await.unwrap_or(0.0);
    postroom::drained(&server, WITHIN).await?;
    let seconds = started.elapsed().as_secs_f64();
    let after = postroom::finished_runs(&server).await?;
    let ready_s = server.ready_after.as_secs_f64();
    server.stop().await?;
    Ok(Figures { runs_per_s: (after - before) / seconds, ready_s })
}
