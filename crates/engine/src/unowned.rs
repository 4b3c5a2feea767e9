//! Runs that are not worked on although they were claimed: those given back for another time, and
//! those that have lost so many owners that they are not handed to one more.

use std::sync::Arc;

use postroom_core::{Entry, Failure, Run, RunId, problem};
use postroom_store::{Committed, Fence, Lease, Transition};
use tracing::warn;

use crate::Inner;
use crate::owner::Place;

/// How soon a run that could not be taken up is handed out again.
const LATER_MS: i64 = 500;

/// Gives the right to a run back, so that it is due at once. If that fails, the right ends by
/// itself.
pub(crate) async fn hand_back(inner: &Inner, run: RunId, fence: Fence) {
    let _ = inner.store.extend(vec![(run, fence)], 0, inner.clock.now_ms()).await;
}

/// The same after a while: whatever kept it from being taken up may be over by then. No owner is
/// lost by that.
pub(crate) async fn hand_back_later(inner: &Inner, run: RunId, fence: Fence) {
    inner.clock.sleep_until(inner.clock.now_ms() + LATER_MS).await;
    hand_back(inner, run, fence).await;
}

/// Writes down what becomes of a run that nobody worked on, and gives it back by that. Says whether
/// it was written; if it could not be, the run comes back.
pub(crate) async fn write(inner: &Inner, run: Run, fence: Fence, entries: Vec<Entry>) -> bool {
    let id = run.id;
    let transition = Transition { run, fence, seq: 1, entries, emits: Vec::new() };
    match inner.store.commit(vec![transition]).await.as_deref() {
        Ok(committed) => committed == [Committed::Written],
        Err(error) => {
            warn!(run = %id, %error, "cannot write a run down; it comes back");
            hand_back_later(inner, id, fence).await;
            false
        }
    }
}

/// Prolongs the right to a run; whether it was still held. A store that cannot answer has not said
/// that the run is lost.
pub(crate) async fn still_held(inner: &Inner, run: RunId, fence: Fence) -> bool {
    let (now_ms, lease_ms) = (inner.clock.now_ms(), inner.settings.lease_ms);
    let held = inner.store.extend(vec![(run, fence)], lease_ms, now_ms).await;
    held.map_or(true, |held| held.first().copied().unwrap_or(true))
}

/// Makes a run whose owners are lost again and again a dead letter, because it may be the run that
/// ends them. Its steps of `on_failure` do not run: they would need an owner.
pub(crate) async fn give_up(inner: Arc<Inner>, lease: Lease, place: Place) {
    drop(place.ahead);
    let (fence, mut run) = (lease.fence, lease.run);
    let failure = Failure::new(
        problem::OWNERS_LOST.code,
        format!("{} times in a row the work on it ended without a result", lease.losses),
    )
    .with_hint(
        "look in the log for what ended the process or kept it from answering; redrive the run \
         once that is mended",
    );
    let entry = run.give_up(failure, inner.clock.now_ms());
    if !write(&inner, run.clone(), fence, vec![entry]).await {
        return;
    }
    if let Some(known) = inner.definitions.known(run.definition) {
        known.signals.finished(run.state).inc();
    }
    let reason = run.failure.as_ref().map_or("", |failure| failure.reason.name());
    inner.signals.died(&run);
    warn!(
        run = %run.id,
        workflow = run.workflow,
        correlation_id = lease.event.correlation,
        reason,
        code = problem::OWNERS_LOST.code,
        losses = lease.losses,
        "the run is a dead letter: its owners are lost again and again"
    );
}
