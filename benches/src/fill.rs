//! Fills a store through its own interface, so that benchmarks can start from a given past.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use postroom_core::definition::{Defaults, Stored};
use postroom_core::run::RunState;
use postroom_core::trigger::Router;
use postroom_core::{Event, EventId, Json, parse};
use postroom_store::sqlite::Sqlite;
use postroom_store::{Arrival, Store, Wake};

/// Events written in one call.
const BATCH: usize = 2_000;

struct NoBell;

impl Wake for NoBell {
    fn wake(&self) {}
}

/// What a store shall hold.
pub struct Past<'a> {
    /// The workflow's text, as the project has it.
    pub workflow: &'a str,
    /// The type of its events.
    pub event: &'a str,
    /// The data of every event, about 500 bytes.
    pub data: &'a str,
    /// Runs that have succeeded.
    pub ended: usize,
    /// Runs that wait, all of them due.
    pub queued: usize,
}

/// Writes a store into `folder`. The oldest events are those of ended runs.
///
/// # Errors
/// The store's.
pub async fn fill(folder: &Path, past: &Past<'_>, now_ms: i64) -> anyhow::Result<()> {
    let stored = Stored::new(
        "workflows/echo.yaml".to_owned(),
        past.workflow.to_owned(),
        Defaults::default(),
    );
    let workflow = parse::workflow(&stored).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let router = Router::new(vec![Arc::new(workflow)]);
    let store = Sqlite::open(folder, Arc::new(NoBell), now_ms)?;
    let data = Json::parse(past.data.to_owned()).context("the data is not JSON")?;
    let total = past.ended + past.queued;
    // A millisecond holds ten events, so that the last one has just arrived.
    let first_ms = now_ms - i64::try_from(total / 10)?;
    for start in (0..total).step_by(BATCH) {
        let batch = start..(start + BATCH).min(total);
        let arrivals = batch.map(|n| {
            let received_ms = first_ms + i64::try_from(n / 10).unwrap_or(0);
            arrival(&router, past, &data, n, received_ms)
        });
        store.record(arrivals.collect()).await?;
    }
    Ok(())
}

fn arrival(router: &Router, past: &Past<'_>, data: &Json, n: usize, received_ms: i64) -> Arrival {
    let mut random = [0; 10];
    random[..2].copy_from_slice(&[0, u8::try_from(n % 10).unwrap_or(0)]);
    random[2..].copy_from_slice(&(n as u64).to_be_bytes());
    let id = EventId::from_parts(u64::try_from(received_ms).unwrap_or(0), random);
    let event = Event {
        id,
        source: "ingest".to_owned(),
        kind: past.event.to_owned(),
        time_ms: received_ms,
        received_ms,
        correlation: id.to_string(),
        subject: None,
        key: None,
        cause: None,
        data: data.clone(),
    };
    let mut starts = router.route(&event, postroom_expr::Limits::default());
    if n < past.ended {
        for start in &mut starts {
            start.run.state = RunState::Succeeded;
            start.run.due_ms = None;
            start.run.finished_ms = Some(received_ms);
        }
    }
    Arrival { event: event.into(), dedupe: None, dedupe_until_ms: received_ms, starts }
}
