//! The runs that a filter selects, newest first, one after the other. They are read a page at a
//! time.

use postroom_core::{Run, RunId};
use postroom_store::{Error, RunFilter, Store};

/// Runs of one page.
const PAGE: usize = 200;

/// The runs of a filter that have not been given yet.
pub(crate) struct Runs<'a> {
    store: &'a dyn Store,
    filter: RunFilter,
    page: std::vec::IntoIter<(Run, String)>,
    more: bool,
}

impl<'a> Runs<'a> {
    /// Those of a filter, whatever its limit.
    pub fn of(store: &'a dyn Store, filter: RunFilter) -> Self {
        let filter = RunFilter { limit: PAGE, ..filter };
        Self { store, filter, page: Vec::new().into_iter(), more: true }
    }

    /// The next run.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn next(&mut self) -> Result<Option<Run>, Error> {
        while self.page.len() == 0 && self.more {
            let page = self.store.runs(self.filter.clone()).await?;
            (self.page, self.more) = (page.rows.into_iter(), page.more);
        }
        let run = self.page.next().map(|(run, _)| run);
        if let Some(run) = &run {
            self.filter.before = Some(run.id);
        }
        Ok(run)
    }

    /// The run that was given last, after which a list goes on.
    pub fn last(&self) -> Option<RunId> {
        self.filter.before
    }
}
