//! What people want of runs: cancel, redrive, discard; one or all that a filter selects.

use postroom_core::RunId;
use postroom_core::run::RunState;
use postroom_store::{Command, Error, Order, Ordered, RunFilter};
use tracing::info;

use crate::Engine;

/// Which runs a bulk order is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// In this state.
    pub state: Option<RunState>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// Whose last failure has this code.
    pub code: Option<String>,
}

/// How far a bulk order has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct BulkProgress {
    /// Runs it was carried out on.
    pub done: u64,
    /// Runs whose state did not allow it by then.
    pub refused: u64,
}

/// Runs looked up at once.
const PAGE: usize = 200;

impl Engine {
    /// Carries out a person's word about a run.
    ///
    /// # Errors
    /// The store's, if it cannot write.
    pub async fn order(
        &self,
        run: RunId,
        command: Command,
        actor: &str,
        note: Option<&str>,
    ) -> Result<Ordered, Error> {
        let (actor, note) = (actor.to_owned(), note.map(str::to_owned));
        let order = Order { run, command, actor, note, now_ms: self.now_ms() };
        let ordered = self.inner.store.control(order).await?;
        if let Ordered::Done(changed) = &ordered {
            info!(%run, workflow = changed.workflow, state = changed.state.name(), "ordered");
        }
        Ok(ordered)
    }

    /// The hash of the newest definition of a workflow, if the project has it.
    #[must_use]
    pub fn newest(&self, workflow: &str) -> Option<postroom_core::DefinitionHash> {
        let project = self.project();
        let found = project.workflows.iter().find(|(_, known)| known.name == workflow);
        found.map(|(_, workflow)| workflow.hash)
    }

    /// Carries out a person's word about up to `limit` of the selected runs. With `newest`, a
    /// redrive goes on with the newest definition. Call again until it reports nothing.
    ///
    /// # Errors
    /// The store's; what was carried out stays.
    pub async fn order_all(
        &self,
        selection: &Selection,
        command: Command,
        newest: bool,
        actor: &str,
        note: Option<&str>,
        limit: usize,
    ) -> Result<BulkProgress, Error> {
        let mut progress = BulkProgress::default();
        let mut filter = selection.filter();
        while usize::try_from(progress.done + progress.refused).is_ok_and(|n| n < limit) {
            filter.limit = PAGE;
            let page = self.inner.store.runs(filter.clone()).await?;
            let Some((last, _)) = page.rows.last() else { break };
            filter.before = Some(last.id);
            for (run, _) in page.rows {
                let command = match command {
                    Command::Redrive { .. } if newest => {
                        Command::Redrive { definition: self.newest(&run.workflow) }
                    }
                    command => command,
                };
                match self.order(run.id, command, actor, note).await? {
                    Ordered::Done(_) => progress.done += 1,
                    _ => progress.refused += 1,
                }
                if usize::try_from(progress.done + progress.refused).is_ok_and(|n| n >= limit) {
                    return Ok(progress);
                }
            }
            if !page.more {
                break;
            }
        }
        Ok(progress)
    }

    /// How many runs a selection has now, counted up to `at_most`.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn count(&self, selection: &Selection, at_most: usize) -> Result<usize, Error> {
        let mut filter = selection.filter();
        filter.limit = PAGE;
        let mut count = 0;
        loop {
            let page = self.inner.store.runs(filter.clone()).await?;
            count += page.rows.len();
            let Some((last, _)) = page.rows.last() else { return Ok(count) };
            filter.before = Some(last.id);
            if !page.more || count >= at_most {
                return Ok(count);
            }
        }
    }
}

impl Selection {
    fn filter(&self) -> RunFilter {
        RunFilter {
            state: self.state,
            workflow: self.workflow.clone(),
            code: self.code.clone(),
            ..RunFilter::default()
        }
    }
}
