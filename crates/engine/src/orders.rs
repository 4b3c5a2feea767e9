//! What people want of runs: cancel, redrive, discard; one or all that a filter selects.

use postroom_core::run::{RunState, Word};
use postroom_core::{DefinitionHash, Run, RunId};
use postroom_store::{Command, Error, Order, Ordered, RunFilter};
use tracing::info;

use crate::Engine;
use crate::owner::Note;

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

/// An order about all runs of a selection.
#[derive(Debug, Clone)]
pub struct Bulk<'a> {
    /// Which runs.
    pub selection: &'a Selection,
    /// What to do.
    pub command: Command,
    /// A redrive goes on with the newest definition.
    pub newest: bool,
    /// Who wants it.
    pub actor: &'a str,
    /// Why, in that person's words.
    pub note: Option<&'a str>,
    /// Only runs before this one, newest first: where the order before this one ended.
    pub before: Option<RunId>,
    /// Runs at the most.
    pub limit: usize,
}

/// How far a bulk order has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct BulkProgress {
    /// Runs it was carried out on.
    pub done: u64,
    /// Runs whose state did not allow it by then.
    pub refused: u64,
    /// Where to go on; absent once every run of the selection was visited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RunId>,
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
        if command == Command::Cancel {
            let word = Word { actor: actor.clone(), note: note.clone() };
            let (told, answer) = tokio::sync::oneshot::channel();
            // Whoever works on it cuts off what may be cut off, and waits for what may not.
            if self.inner.owned.tell(run, Note::Cancel { word, asked: None, told }).await
                && let Ok(changed) = answer.await
            {
                info!(%run, workflow = changed.workflow, state = changed.state.name(), "ordered");
                return Ok(Ordered::Done(Box::new(changed)));
            }
        }
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

    /// Carries out a person's word about the selected runs, newest first, up to its limit. An order
    /// that goes on at `next` visits no run twice, also one that died again meanwhile.
    ///
    /// # Errors
    /// The store's, if it failed before anything was done; later, the progress so far says where
    /// to go on.
    pub async fn order_all(&self, bulk: Bulk<'_>) -> Result<BulkProgress, Error> {
        let mut progress = BulkProgress { next: bulk.before, ..BulkProgress::default() };
        match self.order_page_by_page(&bulk, &mut progress).await {
            Err(error) if progress.done + progress.refused == 0 => Err(error),
            _ => Ok(progress),
        }
    }

    async fn order_page_by_page(
        &self,
        bulk: &Bulk<'_>,
        progress: &mut BulkProgress,
    ) -> Result<(), Error> {
        let mut filter = bulk.selection.filter();
        let mut left = bulk.limit;
        while left > 0 {
            filter.limit = PAGE.min(left);
            filter.before = progress.next;
            let page = self.inner.store.runs(filter.clone()).await?;
            left = left.saturating_sub(page.rows.len());
            for (run, _) in page.rows {
                match self.order_one(bulk, &run).await? {
                    true => progress.done += 1,
                    false => progress.refused += 1,
                }
                progress.next = Some(run.id);
            }
            if !page.more {
                progress.next = None;
                break;
            }
        }
        Ok(())
    }

    /// Carries a bulk order out on one of its runs, if the run allows it.
    async fn order_one(&self, bulk: &Bulk<'_>, run: &Run) -> Result<bool, Error> {
        let mut command = bulk.command.clone();
        if let Command::Redrive { definition } = &mut command
            && bulk.newest
        {
            let Ok(hash) = self.newest(run).await? else { return Ok(false) };
            *definition = Some(hash);
        }
        let ordered = self.order(run.id, command, bulk.actor, bulk.note).await?;
        Ok(matches!(ordered, Ordered::Done(_)))
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
