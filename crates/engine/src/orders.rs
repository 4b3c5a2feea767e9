//! What people want of runs: cancel, redrive, discard; one or all that a filter selects.

use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, Run, RunId};
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

    /// The newest definition of a run's workflow, if the run can go on with it, else why not.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn newest(&self, run: &Run) -> Result<Result<DefinitionHash, String>, Error> {
        let project = self.project();
        let known = project.workflows.iter().find(|(_, known)| known.name == run.workflow);
        let Some((_, newest)) = known else {
            return Ok(Err(format!("the project no longer has workflow `{}`", run.workflow)));
        };
        // A run whose definition cannot be had has no place in it that could be lost.
        match self.inner.definitions.get(&self.inner, run.definition).await? {
            Ok(current) if !current.workflow.same_steps(newest) && !run.steps.is_empty() => {
                Ok(Err(format!(
                    "workflow `{}` has other steps now than when {} started; redrive it on the \
                 same version, or replay its event",
                    run.workflow, run.id
                )))
            }
            _ => Ok(Ok(newest.hash)),
        }
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
                    Command::Redrive { .. } if newest => match self.newest(&run).await? {
                        Ok(hash) => Command::Redrive { definition: Some(hash) },
                        Err(_) => {
                            progress.refused += 1;
                            continue;
                        }
                    },
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
