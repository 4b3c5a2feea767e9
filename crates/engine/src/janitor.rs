//! What has to be looked after now and then: runs whose owner was lost, and what may be forgotten.

use std::sync::Arc;

use postroom_store::Retention;
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
            Ok(rows) if rows >= u64::from(BATCH) => {}
            Ok(_) => return,
            Err(error) => return warn!(%error, "cannot remove what may be forgotten"),
        }
    }
}
