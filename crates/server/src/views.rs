//! The JSON shapes of the API. Fields are only ever added; times are milliseconds since 1970.

use postroom_core::run::RunState;
use postroom_core::trigger::Near;
use postroom_core::{Entry, Event, Json, Run};
use postroom_engine::{Ancestor, Consequence, EventDetails, EventRow, Lineage, RunDetails};
use serde::Serialize;

/// One page of a list.
#[derive(Serialize)]
pub(crate) struct List<T> {
    pub data: Vec<T>,
    /// Send it back as `cursor` for the page after this one; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A run as it is listed.
#[derive(Serialize)]
pub(crate) struct RunView {
    #[serde(flatten)]
    pub run: Run,
    pub correlation: String,
}

/// A run with everything that belongs to it.
#[derive(Serialize)]
pub(crate) struct RunPage {
    #[serde(flatten)]
    run: Run,
    correlation: String,
    event_type: String,
    event_source: String,
    event_data: Json,
    journal: Vec<Entry>,
    /// The last step's output, for a run that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
    lineage: Vec<AncestorView>,
    emitted: Vec<EmittedView>,
}

/// An event that a run's event follows from.
#[derive(Serialize)]
struct AncestorView {
    event: postroom_core::EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    hops: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<postroom_core::RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RunState>,
}

impl From<Ancestor> for AncestorView {
    fn from(ancestor: Ancestor) -> Self {
        let Ancestor { event, kind, hops, run, of } = ancestor;
        let (workflow, state) = of.unzip();
        Self { event, r#type: kind, hops, run, workflow, state }
    }
}

/// An event that a step of a run emitted.
#[derive(Serialize)]
struct EmittedView {
    event: postroom_core::EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    step: String,
    kept: bool,
    runs: Vec<Run>,
}

impl From<Consequence> for EmittedView {
    fn from(consequence: Consequence) -> Self {
        let Consequence { event, kind, step, kept, runs } = consequence;
        Self { event, r#type: kind, step, kept, runs }
    }
}

impl From<(RunDetails, Lineage)> for RunPage {
    fn from((details, lineage): (RunDetails, Lineage)) -> Self {
        let succeeded = details.run.state == RunState::Succeeded;
        let output = postroom_core::journal::output(&details.journal);
        Self {
            correlation: details.event.correlation.clone(),
            event_type: details.event.kind.clone(),
            event_source: details.event.source.clone(),
            event_data: details.event.data.clone(),
            journal: details.journal,
            output: output.filter(|_| succeeded),
            lineage: lineage.causes.into_iter().map(AncestorView::from).collect(),
            emitted: lineage.emitted.into_iter().map(EmittedView::from).collect(),
            run: details.run,
        }
    }
}

/// An event as it is listed, without its data.
#[derive(Serialize)]
pub(crate) struct EventView {
    id: postroom_core::EventId,
    source: String,
    r#type: String,
    time_ms: i64,
    received_ms: i64,
    correlation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// How many runs it started.
    runs: u32,
}

impl From<EventRow> for EventView {
    fn from(row: EventRow) -> Self {
        let event = row.event;
        Self {
            id: event.id,
            source: event.source,
            r#type: event.kind,
            time_ms: event.time_ms,
            received_ms: event.received_ms,
            correlation: event.correlation,
            key: event.key,
            runs: row.routed,
        }
    }
}

/// An event with what became of it.
#[derive(Serialize)]
pub(crate) struct EventPage {
    #[serde(flatten)]
    event: Event,
    runs: Vec<Run>,
    /// Workflows that it did not start although it came near, and why.
    near: Vec<Near>,
}

impl From<EventDetails> for EventPage {
    fn from(details: EventDetails) -> Self {
        Self { event: details.event, runs: details.runs, near: details.near }
    }
}
