//! The claim loop: takes what is due from the store as long as there is room, and gives each run
//! to an owner of its own. It claims a little ahead of the workers, so that they never wait for a
//! read.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use postroom_core::{DefinitionHash, Workflow, parse};
use postroom_store::{Error, Lease};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{error, warn};

use crate::owner::{self, Owner, Place};
use crate::signals::WorkflowSignals;
use crate::{Inner, Project, Signals, policy, unowned};

/// The most runs one claim asks for.
const CLAIM: usize = 128;

/// How long to wait before asking a store that failed again.
const RETRY_MS: i64 = 500;

/// Takes what is due until the engine stops.
pub(crate) async fn run(inner: Arc<Inner>) {
    loop {
        let Some((count, mut ahead, mut slots)) = room(&inner).await else { return };
        let now_ms = inner.clock.now_ms();
        match inner.store.claim(count, inner.settings.lease_ms, now_ms).await {
            Ok(claimed) if claimed.leases.is_empty() => {
                drop((ahead, slots));
                idle(&inner, claimed.next_due_ms).await;
            }
            // The next claim is read while these are looked at.
            Ok(claimed) => {
                let leases = policy::part(&inner, claimed.leases, &mut ahead, &mut slots);
                inner.tasks.spawn(hand_out(Arc::clone(&inner), leases, ahead, slots));
            }
            Err(error) => {
                warn!(%error, "cannot claim runs; trying again");
                drop((ahead, slots));
                idle(&inner, Some(now_ms + RETRY_MS)).await;
            }
        }
    }
}

/// Gives claimed runs to their owners. Those that come to rest without calling anybody need no
/// task of their own: they are given back together.
async fn hand_out(
    inner: Arc<Inner>,
    leases: Vec<Lease>,
    mut ahead: OwnedSemaphorePermit,
    mut slots: OwnedSemaphorePermit,
) {
    let mut resting = Vec::new();
    for lease in leases {
        resting.extend(give(&inner, lease, &mut ahead, &mut slots));
        // There may be a hundred, each with conditions and mappings to evaluate.
        tokio::task::consume_budget().await;
    }
    drop(ahead);
    let Some(held) = slots.split(resting.len()) else { return };
    drop(slots);
    owner::give_back(resting, held).await;
}

/// Gives a run to an owner; it comes back if it is at rest.
fn give(
    inner: &Arc<Inner>,
    lease: Lease,
    ahead: &mut OwnedSemaphorePermit,
    slots: &mut OwnedSemaphorePermit,
) -> Option<Owner> {
    let mut place = || Some(Place { ahead: ahead.split(1)?, slot: slots.split(1)? });
    let inner_of_owner = Arc::clone(inner);
    if lease.losses >= inner.settings.losses.max(1) {
        inner.tasks.spawn(unowned::give_up(inner_of_owner, lease, place()?));
        return None;
    }
    match inner.definitions.known(lease.run.definition) {
        Some(known) => {
            let (owner, work) = Owner::take_up(inner_of_owner, known, lease);
            if work.is_empty() {
                return Some(owner);
            }
            // A claim hands out no more than it was asked for, so there is a place.
            inner.tasks.spawn(owner.work(work, place()?));
        }
        None => {
            inner.tasks.spawn(owner::fetch(inner_of_owner, lease, place()?, None));
        }
    }
    None
}

/// Room for as many runs as may be claimed ahead, at least one; `None` once stopping. Only this
/// loop takes room, so that what is free stays free until it is taken.
async fn room(inner: &Inner) -> Option<(usize, OwnedSemaphorePermit, OwnedSemaphorePermit)> {
    let first = async {
        let ahead = Arc::clone(&inner.ahead).acquire_owned().await.ok()?;
        let slots = Arc::clone(&inner.slots).acquire_owned().await.ok()?;
        Some((ahead, slots))
    };
    let (mut ahead, mut slots) = tokio::select! {
        biased;
        () = inner.stopping.cancelled() => None,
        first = first => first,
    }?;
    let free = inner.ahead.available_permits().min(inner.slots.available_permits());
    let more = u32::try_from(free.min(CLAIM - 1)).ok()?;
    ahead.merge(Arc::clone(&inner.ahead).try_acquire_many_owned(more).ok()?);
    slots.merge(Arc::clone(&inner.slots).try_acquire_many_owned(more).ok()?);
    Some((1 + more as usize, ahead, slots))
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

/// A definition with the metrics of its runs.
pub(crate) struct Known {
    pub workflow: Arc<Workflow>,
    pub signals: WorkflowSignals,
}

impl Known {
    fn new(workflow: Arc<Workflow>, signals: &Signals) -> Arc<Self> {
        let signals = signals.of_workflow(&workflow);
        Arc::new(Self { workflow, signals })
    }
}

/// Definitions by hash: those of the project and those that older runs still need.
pub(crate) struct Definitions {
    known: RwLock<HashMap<DefinitionHash, Arc<Known>>>,
}

impl Definitions {
    pub fn new(project: &Project, wake: &Arc<Workflow>, signals: &Signals) -> Self {
        let known = [(wake.hash, Known::new(Arc::clone(wake), signals))];
        let definitions = Self { known: RwLock::new(known.into()) };
        definitions.add(project, signals);
        definitions
    }

    /// Adds those of a project; what is known stays known.
    pub fn add(&self, project: &Project, signals: &Signals) {
        let mut known = self.known.write();
        for (_, workflow) in &project.workflows {
            let new = || Known::new(Arc::clone(workflow), signals);
            known.entry(workflow.hash).or_insert_with(new);
        }
    }

    /// The definition of a hash, if it is in memory.
    pub fn known(&self, hash: DefinitionHash) -> Option<Arc<Known>> {
        self.known.read().get(&hash).map(Arc::clone)
    }

    /// The definition of a hash, read from the store if it is not in memory.
    ///
    /// # Errors
    /// Why it cannot be had: `Ok(Err(..))` for good, `Err(..)` for now.
    pub async fn get(
        &self,
        inner: &Inner,
        hash: DefinitionHash,
    ) -> Result<Result<Arc<Known>, String>, Error> {
        if let Some(known) = self.known(hash) {
            return Ok(Ok(known));
        }
        let Some((name, stored)) = inner.store.definitions(Some(vec![hash])).await?.pop() else {
            return Ok(Err(format!("the store has no definition {hash}")));
        };
        match parse::workflow(&stored) {
            Ok(workflow) => {
                let known = Known::new(Arc::new(workflow), &inner.signals);
                self.known.write().insert(hash, Arc::clone(&known));
                Ok(Ok(known))
            }
            Err(problems) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                error!(workflow = name, %hash, first, "a stored definition no longer reads");
                Ok(Err(format!("definition {hash} no longer reads: {first}")))
            }
        }
    }
}
