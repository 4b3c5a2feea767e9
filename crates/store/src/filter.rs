//! Filters and pages of the reading operations.

use postroom_core::run::RunState;
use postroom_core::{Event, EventId, RunId};

/// Which events to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this type.
    pub kind: Option<String>,
    /// Only of this source.
    pub source: Option<String>,
    /// Only with this correlation id.
    pub correlation: Option<String>,
    /// Only those that started no run.
    pub unrouted: bool,
    /// Only older than this one, whether or not it is there.
    pub before: Option<EventId>,
    /// At most this many. A page of none has nothing after it.
    pub limit: usize,
}

impl EventFilter {
    /// Whether an event fits, paging aside.
    #[must_use]
    pub fn fits(&self, event: &Event, routed: u32) -> bool {
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        same(&self.kind, &event.kind)
            && same(&self.source, &event.source)
            && same(&self.correlation, &event.correlation)
            && !(self.unrouted && routed > 0)
    }
}

/// An event as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// The event.
    pub event: Event,
    /// How many runs it started, those that were the same as an earlier one included.
    pub routed: u32,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only in this state.
    pub state: Option<RunState>,
    /// Only of this workflow.
    pub workflow: Option<String>,
    /// Only of this event.
    pub event: Option<EventId>,
    /// Only those whose last failure has this code.
    pub code: Option<String>,
    /// Only older than this one, whether or not it is there.
    pub before: Option<RunId>,
    /// At most this many. A page of none has nothing after it.
    pub limit: usize,
}

impl RunFilter {
    /// Whether a run fits, paging aside.
    #[must_use]
    pub fn fits(&self, run: &postroom_core::Run) -> bool {
        self.state.is_none_or(|state| state == run.state)
            && self.workflow.as_ref().is_none_or(|name| *name == run.workflow)
            && self.event.is_none_or(|event| event == run.event)
            && self.code.as_ref().is_none_or(|code| {
                run.failure.as_ref().is_some_and(|failure| failure.failure.code == *code)
            })
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, newest first: as many as asked for, unless there are no more. A backend that looks
    /// at a bounded number at once goes on by itself until then, so that a reader never stands
    /// before an empty page with nothing to go on from.
    pub rows: Vec<T>,
    /// Whether there are more after the last row. The next page is asked for with `before` that
    /// row's id, which counts by its place in the order and may be gone by then.
    pub more: bool,
}
