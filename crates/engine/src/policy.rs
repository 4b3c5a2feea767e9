//! Policies: whether a run that is due and has never started goes, waits for longer, or gives way
//! to a newer one. What is decided lies in `postroom_core::policy`; here it is found out what the
//! decision is about, and what follows is written down.
//!
//! Runs of workflows without such a policy never come here. Nothing here is remembered that could
//! not be lost: runs find each other in the store, starts are counted in its shared numbers, and
//! only the ends of lines are kept in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::id::KeyHash;
use postroom_core::policy::{Debounce, Line, Throttle};
use postroom_core::run::{Admission, RunState};
use postroom_core::{Run, RunId};
use postroom_store::{Command, Count, Error, Lease, RunFilter};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{debug, warn};

use crate::dispatch::Known;
use crate::owner::{self, Place};
use crate::runs::Runs;
use crate::{Engine, Inner, unowned};

/// Who cancels a run for which a newer one stands in.
const DEBOUNCE: &str = "debounce";
/// Who cancels a run that makes room for a newer one.
const CONCURRENCY: &str = "concurrency";

/// Runs looked up at once.
const PAGE: usize = 200;

/// How much longer than needed it is known since when a run's key has not been quiet: for what
/// keeps the run from being looked at when it is due.
const GRACE_MS: i64 = 3_600_000;

/// Lines of throttles; beyond these, those in which nobody stands are forgotten.
const MAX_LINES: usize = 1_024;

/// What becomes of a run that is due and has not started.
enum Verdict {
    /// It starts.
    Go,
    /// It is looked at again then.
    Later(i64),
    /// It ends, because this one stands in for it.
    Superseded(RunId),
}

/// Who waits for what, as far as this process knows.
#[derive(Default)]
pub(crate) struct Lines(Mutex<HashMap<KeyHash, Waiting>>);

/// Those of one throttle.
struct Waiting {
    line: Line,
    /// Closed when the run that lined up last has been decided about.
    last: oneshot::Receiver<()>,
}

/// A run's turn to be decided about among those of its throttle, in the order in which they were
/// claimed; over when it is dropped.
pub(crate) struct Turn {
    before: oneshot::Receiver<()>,
    _over: oneshot::Sender<()>,
}

impl Lines {
    fn turn(&self, key: KeyHash) -> Turn {
        let (over, last) = oneshot::channel();
        let mut lines = self.0.lock();
        let before = match lines.get_mut(&key) {
            Some(waiting) => std::mem::replace(&mut waiting.last, last),
            None => {
                let waiting = Waiting { line: Line::default(), last };
                lines.insert(key, waiting);
                oneshot::channel().1
            }
        };
        Turn { before, _over: over }
    }

    /// Looks at a line, or changes it.
    fn line<T>(&self, key: KeyHash, with: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.0.lock();
        let nobody = || Waiting { line: Line::default(), last: oneshot::channel().1 };
        with(&mut lines.entry(key).or_insert_with(nobody).line)
    }

    /// Forgets lines in which nobody stands, if there are many.
    fn sweep(&self, now_ms: i64) {
        let mut lines = self.0.lock();
        if lines.len() > MAX_LINES {
            lines.retain(|_, waiting| {
                let closed = waiting.last.try_recv() == Err(oneshot::error::TryRecvError::Closed);
                !closed || !waiting.line.is_over(now_ms)
            });
        }
    }
}

/// Hands claimed runs that policies have a say about to tasks of their own, in the order in which
/// they were claimed; gives back the others.
pub(crate) fn part(
    inner: &Arc<Inner>,
    leases: Vec<Lease>,
    ahead: &mut OwnedSemaphorePermit,
    slots: &mut OwnedSemaphorePermit,
) -> Vec<Lease> {
    if leases.iter().all(|lease| lease.run.admission().is_none()) {
        return leases;
    }
    let mut others = Vec::new();
    for lease in leases {
        let lost = lease.losses >= inner.settings.losses.max(1);
        let Some(admission) = lease.run.admission().filter(|_| !lost) else {
            others.push(lease);
            continue;
        };
        let throttle = admission.throttle;
        // A claim hands out no more than it was asked for, so there is a place.
        let (Some(ahead), Some(slot)) = (ahead.split(1), slots.split(1)) else {
            others.push(lease);
            continue;
        };
        let turn = throttle.map(|key| inner.lines.turn(key));
        let place = Place { ahead, slot };
        inner.tasks.spawn(owner::fetch(Arc::clone(inner), lease, place, turn));
    }
    others
}

/// Decides about a run that may not have started. It comes back if it goes.
pub(crate) async fn admit(
    inner: &Arc<Inner>,
    known: &Known,
    lease: Lease,
    turn: Option<Turn>,
) -> Option<Lease> {
    let Some(admission) = lease.run.admission() else { return Some(lease) };
    let verdict = decide(inner, known, &lease.run, admission, turn).await;
    let (fence, now_ms) = (lease.fence, inner.clock.now_ms());
    match verdict {
        // A newer run may have cancelled it meanwhile, and it may have stood in line for long.
        Ok(Verdict::Go) => {
            return unowned::still_held(inner, lease.run.id, fence).await.then_some(lease);
        }
        Ok(Verdict::Later(due_ms)) => {
            debug!(run = %lease.run.id, due_ms, "the run is put off");
            unowned::write(inner, lease.run.put_off(due_ms), fence, Vec::new()).await;
        }
        Ok(Verdict::Superseded(by)) => {
            debug!(run = %lease.run.id, %by, "a newer run stands in for this one");
            let (run, entry) = lease.run.superseded(DEBOUNCE, by, now_ms)?;
            if unowned::write(inner, run, fence, vec![entry]).await {
                known.signals.finished(RunState::Cancelled).inc();
            }
        }
        Err(error) => {
            warn!(run = %lease.run.id, %error, "cannot decide about a run; it comes back");
            unowned::hand_back_later(inner, lease.run.id, fence).await;
        }
    }
    None
}

/// Asks one policy after the other; the last of them cancels others, so it comes last.
async fn decide(
    inner: &Arc<Inner>,
    known: &Known,
    run: &Run,
    admission: &Admission,
    turn: Option<Turn>,
) -> Result<Verdict, Error> {
    let policies = &known.workflow.policies;
    if let (Some(debounce), Some(key)) = (&policies.debounce, admission.debounce)
        && let Some(by) = stands_in(inner, run, debounce, key).await?
    {
        return Ok(Verdict::Superseded(by));
    }
    if let (Some(throttle), Some(key)) = (&policies.throttle, admission.throttle)
        && let Some(due_ms) = next_turn(inner, run, throttle, key, turn).await?
    {
        return Ok(Verdict::Later(due_ms));
    }
    if let (Some(concurrency), Some(key)) = (&policies.concurrency, admission.cancel_older) {
        cancel_older(inner, run, key, concurrency.limit).await?;
    }
    Ok(Verdict::Go)
}

/// The run that stands in for one that is due, if there is one: the newest of its key that was not
/// cancelled and does not come too late.
async fn stands_in(
    inner: &Inner,
    run: &Run,
    debounce: &Debounce,
    key: KeyHash,
) -> Result<Option<RunId>, Error> {
    if debounce.at_most_ms.is_none() {
        return newest(inner, run, key, None).await;
    }
    let since_ms = first_ms(inner, run.id, run.created_ms, debounce).await?;
    let latest_ms = debounce.latest_ms(since_ms);
    let before = latest_ms.map(|latest_ms| RunId::least(latest_ms.saturating_add(1)));
    let found = newest(inner, run, key, before).await?;
    if let Some(by) = found {
        // It waits in the stead of this one, and of all that this one waited for.
        first_ms(inner, by, since_ms, debounce).await?;
    }
    Ok(found)
}

/// The newest run with a debounce key that is newer than a run, was not cancelled, and comes before
/// `before`.
///
/// The runs of the workflow are read from the newest on until that run, so what is read is bounded
/// by what has come since. A page reaches hardly beyond it, because behind it may lie years.
async fn newest(
    inner: &Inner,
    run: &Run,
    key: KeyHash,
    before: Option<RunId>,
) -> Result<Option<RunId>, Error> {
    let workflow = Some(run.workflow.clone());
    let mut filter = RunFilter { workflow, before, ..RunFilter::default() };
    let mut seen = 0;
    loop {
        filter.limit = (seen / 8).clamp(1, PAGE);
        let page = inner.store.runs(filter.clone()).await?;
        for (other, _) in &page.rows {
            if other.id <= run.id {
                return Ok(None);
            }
            let known = other.admission.as_ref().and_then(|admission| admission.debounce);
            let same = known == Some(key) && other.mode == run.mode;
            if same && other.state != RunState::Cancelled {
                return Ok(Some(other.id));
            }
            seen += 1;
        }
        let Some((last, _)) = page.rows.last().filter(|_| page.more) else { return Ok(None) };
        filter.before = Some(last.id);
    }
}

/// Since when a run has been waiting for quiet, for itself and for those it stands in for: as was
/// written down for it before, else `ms`, which is written down.
async fn first_ms(inner: &Inner, run: RunId, ms: i64, debounce: &Debounce) -> Result<i64, Error> {
    let now_ms = inner.clock.now_ms();
    // A number that would be more than `ms` stays as it is, so only the first is kept.
    let count = Count {
        key: format!("{DEBOUNCE}/{run}"),
        add: ms,
        at_most: Some(ms),
        until_ms: now_ms.saturating_add(debounce.delay_ms).saturating_add(GRACE_MS),
    };
    let counted = inner.store.counters(vec![count], now_ms).await?;
    Ok(counted.values.first().copied().unwrap_or(ms))
}

/// When it is a run's turn to start, if not now. A start now is counted.
async fn next_turn(
    inner: &Inner,
    run: &Run,
    throttle: &Throttle,
    key: KeyHash,
    mut turn: Option<Turn>,
) -> Result<Option<i64>, Error> {
    // Held until it is decided. Whoever came before says nothing, but is gone then.
    if let Some(turn) = &mut turn {
        let _ = (&mut turn.before).await;
    }
    let now_ms = inner.clock.now_ms();
    inner.lines.sweep(now_ms);
    let due_ms = run.due_ms.unwrap_or(now_ms);
    let behind = inner.lines.line(key, |line| throttle.must_line_up(*line, due_ms, now_ms));
    if !behind {
        let count = Count {
            key: format!("throttle/{key}"),
            add: 1,
            at_most: Some(i64::from(throttle.limit)),
            until_ms: throttle.next_ms(now_ms),
        };
        if inner.store.counters(vec![count], now_ms).await?.added {
            return Ok(None);
        }
    }
    let due_ms = inner.lines.line(key, |line| {
        if !behind {
            throttle.fill(line, now_ms);
        }
        throttle.line_up(line, now_ms)
    });
    Ok(Some(due_ms))
}

/// Cancels the runs with a key that are older than one about to start, but for the newest of them
/// that the limit leaves beside it.
async fn cancel_older(
    inner: &Arc<Inner>,
    run: &Run,
    key: KeyHash,
    limit: u32,
) -> Result<(), Error> {
    let mut older = BTreeSet::new();
    // A run that falls asleep or wakes up between two of these is seen by another.
    for state in [RunState::Queued, RunState::Sleeping, RunState::Running, RunState::Sleeping] {
        older.extend(live(inner, run, key, state).await?);
    }
    let engine = Engine { inner: Arc::clone(inner) };
    let note = format!("makes room for the newer {}", run.id);
    for id in older.into_iter().rev().skip(limit.saturating_sub(1) as usize) {
        engine.order(id, Command::Cancel, CONCURRENCY, Some(&note)).await?;
    }
    Ok(())
}

/// The runs in a state with a concurrency key that are older than a run.
async fn live(
    inner: &Inner,
    run: &Run,
    key: KeyHash,
    state: RunState,
) -> Result<Vec<RunId>, Error> {
    let filter = RunFilter {
        state: Some(state),
        workflow: Some(run.workflow.clone()),
        before: Some(run.id),
        ..RunFilter::default()
    };
    let mut runs = Runs::of(&*inner.store, filter);
    let mut found = Vec::new();
    while let Some(other) = runs.next().await? {
        let known = other.admission.as_ref().and_then(|admission| admission.cancel_older);
        if known == Some(key) && other.mode == run.mode {
            found.push(other.id);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn turns_come_in_the_order_in_which_they_were_taken() {
        let lines = Lines::default();
        let (key, other) = (KeyHash([1; 16]), KeyHash([2; 16]));
        let [mut first, mut second, mut third] = [(); 3].map(|()| lines.turn(key));
        let mut apart = lines.turn(other);
        let mut context = Context::from_waker(Waker::noop());
        let mut is_due = |turn: &mut Turn| pin!(&mut turn.before).poll(&mut context).is_ready();
        assert!(is_due(&mut first) && is_due(&mut apart));
        assert!(!is_due(&mut second) && !is_due(&mut third));
        drop(first);
        assert!(is_due(&mut second) && !is_due(&mut third));
        drop(second);
        assert!(is_due(&mut third));
    }

    #[test]
    fn lines_in_which_nobody_stands_are_forgotten() {
        let lines = Lines::default();
        let throttle = Throttle { key: None, limit: 1, per_ms: 1_000 };
        let key = |n: usize| KeyHash((n as u128).to_be_bytes());
        let waiting = lines.turn(key(0));
        lines.line(key(1), |line| throttle.line_up(line, 5_000));
        (2..=MAX_LINES + 1).for_each(|n| drop(lines.turn(key(n))));
        lines.sweep(5_500);
        let left = lines.0.lock().keys().copied().collect::<BTreeSet<_>>();
        assert_eq!(left, [key(0), key(1)].into());
        drop(waiting);
    }
}
