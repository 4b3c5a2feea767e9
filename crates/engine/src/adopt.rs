//! A changed project in place of the one an engine works with, while it works.

use std::sync::Arc;

use postroom_core::definition::Stored;
use postroom_store::{Error, Store};

use crate::{Engine, Project};

impl Engine {
    /// Goes on with a changed project. Events that come in from now on meet its workflows; runs
    /// under way keep the definition they started with, and their next calls use its adapters and
    /// connections. A rate limit that stays the same forgets no call.
    ///
    /// The change is atomic: an event is routed by the old project or by the new one. Its
    /// definitions are on disk before the first event can meet them.
    ///
    /// # Errors
    /// The store's, if it cannot write; then the old project stays.
    pub async fn adopt(&self, project: Project) -> Result<(), Error> {
        let inner = &*self.inner;
        keep(&*inner.store, &project, inner.clock.now_ms()).await?;
        project.workflows.iter().for_each(|(_, workflow)| inner.waits.add(workflow));
        inner.definitions.add(&project, &inner.signals);
        inner.limits.adopt(&project);
        *inner.project.write() = Arc::new(project);
        Ok(())
    }
}

/// Keeps a project's definitions in the store, so that runs can go on with what they started with.
/// The store keeps when each was first seen.
pub(crate) async fn keep(store: &dyn Store, project: &Project, now_ms: i64) -> Result<(), Error> {
    for (stored, workflow) in &project.workflows {
        let stored = Stored { first_seen_ms: Some(now_ms), ..stored.clone() };
        store.put_definition(workflow.name.clone(), stored).await?;
    }
    Ok(())
}
