//! Reads for the API and the dashboard.

use std::sync::Arc;

use postroom_core::trigger::Near;
use postroom_core::{Entry, Event, EventId, Run, RunId};
use postroom_expr::Limits;
use postroom_store::{Error, EventFilter, EventRow, Page, RunFilter, Stats};

use crate::Engine;

/// An event with what became of it.
#[derive(Debug)]
pub struct EventDetails {
    /// The event.
    pub event: Event,
    /// Its runs.
    pub runs: Vec<Run>,
    /// Workflows that it did not start although it came near.
    pub near: Vec<Near>,
}

/// A run with what belongs to it.
#[derive(Debug)]
pub struct RunDetails {
    /// The run.
    pub run: Run,
    /// The event it works on.
    pub event: Arc<Event>,
    /// What it has written down.
    pub journal: Vec<Entry>,
}

impl Engine {
    /// An event with its runs and the workflows that came near.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<EventDetails>, Error> {
        let Some(row) = self.inner.store.event(id).await? else { return Ok(None) };
        let filter = RunFilter { event: Some(id), limit: 1000, ..RunFilter::default() };
        let runs: Vec<Run> =
            self.inner.store.runs(filter).await?.rows.into_iter().map(|(run, _)| run).collect();
        let near = self.project().router.near(&row.event, Limits::default());
        Ok(Some(EventDetails { event: row.event, runs, near }))
    }

    /// Events, newest first.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn events(&self, filter: EventFilter) -> Result<Page<EventRow>, Error> {
        self.inner.store.events(filter).await
    }

    /// A run with its event and journal.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn run(&self, id: RunId) -> Result<Option<RunDetails>, Error> {
        let found = self.inner.store.run(id).await?;
        Ok(found.map(|(run, event, journal)| RunDetails { run, event, journal }))
    }

    /// Runs, newest first, each with the correlation id of its event.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn runs(&self, filter: RunFilter) -> Result<Page<(Run, String)>, Error> {
        self.inner.store.runs(filter).await
    }

    /// Counts and timings.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.inner.store.stats().await
    }
}
