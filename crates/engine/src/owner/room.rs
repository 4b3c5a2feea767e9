//! An owner that waits for a free worker. It keeps the right to its run meanwhile, and listens:
//! what a run waits for is not to wait for a worker, and neither is whoever ends it.

use std::sync::Arc;

use postroom_core::run::RunState;
use tokio::sync::mpsc::Receiver;

use super::{Lost, Note, Owner};
use crate::step::Work;
use crate::unowned;
use crate::workers::Worker;

impl Owner {
    /// Waits for a free worker, as long as the run has work for one. The run is lost if the right
    /// to it is, or given back because the engine stops.
    pub(super) async fn worker(
        &mut self,
        work: &mut Vec<Work>,
        noted: &mut Receiver<Box<Note>>,
    ) -> Result<Option<Worker>, Lost> {
        let inner = Arc::clone(&self.inner);
        let mut free = std::pin::pin!(inner.workers.get(self.place_ms, self.run.id));
        while self.run.state == RunState::Running {
            tokio::select! {
                biased;
                () = inner.stopping.cancelled() => {
                    unowned::hand_back(&inner, self.run.id, self.fence).await;
                    return Err(Lost);
                }
                worker = &mut free => return Ok(Some(worker)),
                Some(note) = noted.recv() => self.hear(*note, work).await?,
                () = self.heartbeat() => {
                    if !self.extend().await {
                        return Err(Lost);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes in what it is told while nothing is under way yet.
    async fn hear(&mut self, note: Note, work: &mut Vec<Work>) -> Result<(), Lost> {
        let follows = self.note(note).await?;
        work.retain(|work| !self.aborts.contains(&work.spot()));
        self.aborts.clear();
        work.extend(follows);
        // What comes to rest is written when it is given back.
        if self.run.state == RunState::Running && !self.entries.is_empty() {
            self.write().await?;
        }
        Ok(())
    }
}
