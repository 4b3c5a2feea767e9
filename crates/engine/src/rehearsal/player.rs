//! Who works on what is due in a rehearsal: one run at a time, within bounds.

use std::sync::Arc;

use postroom_core::RunId;
use tokio::sync::Semaphore;

use super::people::People;
use super::recorder::Recorder;
use super::{Bounds, Error};
use crate::{Engine, Inner, owner};

/// Works on what is due.
pub(super) struct Player<'a> {
    engine: &'a Engine,
    people: People,
    recorder: &'a Recorder,
    bounds: Bounds,
    /// Runs taken up so far.
    taken_up: usize,
    /// Bytes that runs have written down so far.
    written: usize,
}

impl<'a> Player<'a> {
    pub fn new(engine: &'a Engine, people: People, recorder: &'a Recorder, bounds: Bounds) -> Self {
        Self { engine, people, recorder, bounds, taken_up: 0, written: 0 }
    }

    /// Works until nothing is due any more, or up to a time.
    pub async fn work(&mut self, until_ms: Option<i64>) -> Result<(), Error> {
        let inner = &self.engine.inner;
        loop {
            if self.written.saturating_add(self.recorder.bytes()) > self.bounds.bytes {
                return Err(Error::Beyond(format!("{} bytes", self.bounds.bytes)));
            }
            let room = |of: &Arc<Semaphore>| Arc::clone(of).acquire_owned();
            let (Ok(ahead), Ok(slot)) = (room(&inner.ahead).await, room(&inner.slots).await) else {
                return Ok(());
            };
            let now_ms = inner.clock.now_ms();
            let mut claimed = inner.store.claim(1, inner.settings.lease_ms, now_ms).await?;
            if let Some(lease) = claimed.leases.pop() {
                if self.taken_up == self.bounds.taken_up {
                    return Err(Error::Beyond(format!("{} runs and retries", self.taken_up)));
                }
                self.taken_up += 1;
                let (run, place) = (lease.run.id, owner::Place { ahead, slot });
                Box::pin(owner::fetch(Arc::clone(inner), lease, place, None)).await;
                if self.bounds.bytes < usize::MAX {
                    self.written = self.written.saturating_add(size(inner, run).await?);
                }
                continue;
            }
            if self.people.answer(self.engine).await? {
                continue;
            }
            match (claimed.next_due_ms, until_ms) {
                (Some(due_ms), until_ms) if until_ms.is_none_or(|until_ms| due_ms <= until_ms) => {
                    inner.clock.sleep_until(due_ms).await;
                }
                (_, Some(until_ms)) => {
                    inner.clock.sleep_until(until_ms).await;
                    return Ok(());
                }
                (_, None) => return Ok(()),
            }
        }
    }
}

/// The bytes of a run's event and of what its steps came to.
async fn size(inner: &Inner, run: RunId) -> Result<usize, Error> {
    let Some((_, event, journal)) = inner.store.run(run).await? else { return Ok(0) };
    let outputs = journal.iter().filter_map(|entry| entry.output.as_ref());
    Ok(event.data.text().len() + outputs.map(|output| output.text().len()).sum::<usize>())
}
