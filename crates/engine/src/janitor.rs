//! What has to be looked after now and then: runs whose owner was lost, and what may be forgotten.

use std::sync::Arc;

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
    }
}
