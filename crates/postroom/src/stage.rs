//! Rehearsals of a project that lies here: reads it as the server would, with a store in memory and
//! without its credentials, and plays events through it.

use std::sync::Arc;

use postroom_engine::rehearsal::{Error, Rehearsed, Script, Stage, rehearse};
use postroom_engine::{Bell, Project};
use postroom_store::Store;
use postroom_store::model::Model;

use crate::fixture::event::Staged;

/// An empty store in memory.
pub(crate) fn empty(bell: Arc<Bell>) -> Arc<dyn Store> {
    Arc::new(Model::new(bell as _))
}

/// Plays an event through a project.
///
/// # Errors
/// The event cannot be taken, or the rehearsal did not come to an end.
pub(crate) fn play(
    project: &Project,
    event: &Staged,
    script: &Script,
    only: Option<&str>,
    now_ms: i64,
) -> Result<Rehearsed, Error> {
    let bell = Arc::new(Bell::default());
    let stage = Stage {
        store: empty(Arc::clone(&bell)),
        bell,
        project: project.clone(),
        now_ms,
        script: script.clone(),
        only: only.map(str::to_owned),
    };
    rehearse(stage, event.arriving.clone(), event.id)
}
