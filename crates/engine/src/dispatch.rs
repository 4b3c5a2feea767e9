//! The claim loop: takes what is due from the store as long as there is room, and gives each run
//! to an owner of its own. It claims a little ahead of the workers, so that they never wait for a
//! read.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use postroom_core::{DefinitionHash, Workflow, parse};
use postroom_store::Error;
use tracing::{error, warn};

use crate::{Inner, Project, owner};

/// The most runs one claim asks for.
const CLAIM: usize = 128;

/// How long to wait before asking a store that failed again.
const RETRY_MS: i64 = 500;

/// Takes what is due until the engine stops.
pub(crate) async fn run(inner: Arc<Inner>) {
    loop {
        let Some(mut room) = room(&inner).await else { return };
        let now_ms = inner.clock.now_ms();
        let claimed = match inner.store.claim(room.len(), inner.settings.lease_ms, now_ms).await {
            Ok(claimed) => claimed,
            Err(error) => {
                warn!(%error, "cannot claim runs; trying again");
                drop(room);
                idle(&inner, Some(now_ms + RETRY_MS)).await;
                continue;
            }
        };
        let nothing = claimed.leases.is_empty();
        for lease in claimed.leases {
            // A claim hands out no more than it was asked for.
            let Some(place) = room.pop() else { break };
            inner.tasks.spawn(owner::run(Arc::clone(&inner), lease, place));
        }
        drop(room);
        if nothing {
            idle(&inner, claimed.next_due_ms).await;
        }
    }
}

/// Room for as many runs as may be claimed ahead, at least one; `None` once stopping.
async fn room(inner: &Inner) -> Option<Vec<owner::Place>> {
    let first = async {
        let ahead = Arc::clone(&inner.ahead).acquire_owned().await.ok()?;
        let slot = Arc::clone(&inner.slots).acquire_owned().await.ok()?;
        Some(owner::Place { ahead, slot })
    };
    let first = tokio::select! {
        biased;
        () = inner.stopping.cancelled() => None,
        first = first => first,
    }?;
    let mut room = vec![first];
    while room.len() < CLAIM
        && let Ok(ahead) = Arc::clone(&inner.ahead).try_acquire_owned()
        && let Ok(slot) = Arc::clone(&inner.slots).try_acquire_owned()
    {
        room.push(owner::Place { ahead, slot });
    }
    Some(room)
}

/// Waits for the bell, the next due time, or the end.
async fn idle(inner: &Inner, due_ms: Option<i64>) {
    // A lost hint costs no more than this.
    let latest_ms = inner.clock.now_ms() + 10_000;
    let due_ms = due_ms.map_or(latest_ms, |due_ms| due_ms.min(latest_ms));
    tokio::select! {
        () = inner.bell.0.notified() => {}
        () = inner.clock.sleep_until(due_ms) => {}
        () = inner.stopping.cancelled() => {}
    }
}

/// Definitions by hash: those of the project and those that older runs still need.
pub(crate) struct Definitions {
    known: RwLock<HashMap<DefinitionHash, Arc<Workflow>>>,
}

impl Definitions {
    pub fn new(project: &Project) -> Self {
        let known = project.workflows.iter().map(|(_, w)| (w.hash, Arc::clone(w))).collect();
        Self { known: RwLock::new(known) }
    }

    /// The definition of a hash, read from the store if it is not one of the project's.
    ///
    /// # Errors
    /// Why it cannot be had: `Ok(Err(..))` for good, `Err(..)` for now.
    pub async fn get(
        &self,
        inner: &Inner,
        hash: DefinitionHash,
    ) -> Result<Result<Arc<Workflow>, String>, Error> {
        if let Some(found) = self.known.read().get(&hash) {
            return Ok(Ok(Arc::clone(found)));
        }
        let Some((name, stored)) = inner.store.definitions(vec![hash]).await?.pop() else {
            return Ok(Err(format!("the store has no definition {hash}")));
        };
        match parse::workflow(&stored) {
            Ok(workflow) => {
                let workflow = Arc::new(workflow);
                self.known.write().insert(hash, Arc::clone(&workflow));
                Ok(Ok(workflow))
            }
            Err(problems) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                error!(workflow = name, %hash, first, "a stored definition no longer reads");
                Ok(Err(format!("definition {hash} no longer reads: {first}")))
            }
        }
    }
}
