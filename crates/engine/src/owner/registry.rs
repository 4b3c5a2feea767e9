//! Which runs have an owner in this process, and how to reach it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::RunId;
use postroom_store::Fence;
use tokio::sync::mpsc::Sender;

use super::Note;

type Owners = Arc<Mutex<HashMap<RunId, (Fence, Sender<Box<Note>>)>>>;

/// The owners whose runs have something under way.
#[derive(Default)]
pub(crate) struct Owned(Owners);

/// An owner is reached as long as this is kept.
pub(crate) struct Entered {
    owners: Owners,
    run: RunId,
    fence: Fence,
}

impl Owned {
    /// Makes an owner known, unless a later one of the same run is: that one has the right to it.
    pub fn enter(&self, run: RunId, fence: Fence, notes: Sender<Box<Note>>) -> Entered {
        let mut owners = self.0.lock();
        if owners.get(&run).is_none_or(|(known, _)| *known < fence) {
            owners.insert(run, (fence, notes));
        }
        drop(owners);
        Entered { owners: Arc::clone(&self.0), run, fence }
    }

    /// Tells the owner of a run something, if there is one here.
    pub async fn tell(&self, run: RunId, note: Note) -> bool {
        let owner = self.0.lock().get(&run).map(|(_, notes)| notes.clone());
        match owner {
            Some(notes) => notes.send(Box::new(note)).await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut owners = self.owners.lock();
        // A later owner of the run may be known by now.
        if owners.get(&self.run).is_some_and(|(fence, _)| *fence == self.fence) {
            owners.remove(&self.run);
        }
    }
}
