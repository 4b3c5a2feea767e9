//! What has to be looked after now and then: runs whose owner was lost, what may be forgotten, and
//! a store that cannot write.

use std::sync::Arc;

use postroom_store::{Count, Retention};
use tracing::{info, warn};

use crate::Inner;

/// Looks after the store until the engine stops.
pub(crate) async fn run(inner: Arc<Inner>) {
    let every_ms = (inner.settings.lease_ms / 2).clamp(100, 60_000);
    loop {
        let next_ms = inner.clock.now_ms() + every_ms;
        tokio::select! {
            () = inner.stopping.cancelled() => return,
            () = inner.clock.sleep_until(next_ms) => {}
        }
        match inner.store.reap(inner.clock.now_ms()).await {
            Ok(0) => {}
            Ok(runs) => info!(runs, "runs of lost owners are due again"),
            Err(error) => warn!(%error, "cannot look for runs of lost owners"),
        }
        forget(&inner).await;
    }
}

/// Rows removed in one transaction; small enough that ingest does not notice.
const BATCH: u32 = 500;

/// Removes what may be forgotten, batch by batch.
async fn forget(inner: &Inner) {
    let now_ms = inner.clock.now_ms();
    let wanted = inner.settings.retention;
    let retention = Retention {
        ended_count: wanted.ended_count,
        dead_count: wanted.dead_count,
        ended_before_ms: None,
        dead_before_ms: wanted.dead_age_ms.map(|age_ms| now_ms - age_ms),
        events_before_ms: None,
        limit: BATCH,
    };
    while !inner.stopping.is_cancelled() {
        match inner.store.prune(retention, now_ms).await {
            Ok(pruned) if pruned.more => {}
            Ok(_) => return,
            Err(error) => return warn!(%error, "cannot remove what may be forgotten"),
        }
    }
}

/// How long after a write that failed another is tried, if nobody else writes.
const PROBE_MS: i64 = 1_000;

/// Tells when the store cannot write, and tries it until it can: whether events are taken would
/// otherwise be known only once somebody sends one, which nobody does while we are not ready.
pub(crate) async fn probe(inner: Arc<Inner>) {
    let mut failing = false;
    loop {
        let next_ms = inner.clock.now_ms() + PROBE_MS;
        tokio::select! {
            () = inner.stopping.cancelled() => return,
            () = inner.clock.sleep_until(next_ms) => {}
        }
        let stats = inner.store.stats().await;
        if let Some(why) = stats.ok().and_then(|stats| stats.failing) {
            if !failing {
                warn!(why, "the store cannot write; it is tried every second");
            }
            failing = true;
            if !writes(&inner).await {
                continue;
            }
        }
        if std::mem::take(&mut failing) {
            info!("the store writes again");
        }
    }
}

/// Writes the smallest thing there is: a number that is forgotten at once.
async fn writes(inner: &Inner) -> bool {
    let now_ms = inner.clock.now_ms();
    let count = Count { key: "probe".to_owned(), add: 1, at_most: None, until_ms: now_ms };
    inner.store.counters(vec![count], now_ms).await.is_ok()
}
