//! Events in: named, matched, written down with the runs they start, and only then acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use postroom_core::event::{Cause, check_name};
use postroom_core::id::KeyHash;
use postroom_core::{Event, EventId, Json};
use postroom_expr::Limits;
use postroom_store::{Arrival, Error, Recorded};
use tracing::warn;

use crate::{Engine, Inner};

/// How often an arrival whose answer was lost is sent again.
const REPEATS: u32 = 3;

/// How long to wait before that the first time; then twice as long each time.
const REPEAT_MS: i64 = 50;

/// An event as a source hands it over: verified, its data checked to be JSON.
#[derive(Debug, Clone)]
pub struct Arriving {
    /// The source it came in by.
    pub source: String,
    /// Its type.
    pub kind: String,
    /// Its data.
    pub data: Json,
    /// The sender's key by which a repetition is recognised within source and type.
    pub key: Option<String>,
    /// The sender's correlation id.
    pub correlation: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// When it happened, by the sender's word.
    pub time_ms: Option<i64>,
}

/// An event that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The event; the first one if this is a repetition.
    pub event: EventId,
    /// The correlation id; the first event's if this is a repetition.
    pub correlation: String,
    /// It was on disk before.
    pub duplicate: bool,
    /// Runs it started.
    pub runs: usize,
}

/// Why an event was not taken. Nothing was written, unless it is said to be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// A field cannot be used; a sentence says which and why.
    Invalid(String),
    /// More wait to be written than the bound allows.
    Overloaded,
    /// The engine is stopping.
    Stopping,
    /// The store cannot write.
    Unavailable(String),
    /// Whether it was written is not known. Sent again with the same key, it is recognised if so.
    Lost(String),
}

impl Engine {
    /// Takes an event in. When this returns `Ok`, event and runs are on disk.
    ///
    /// # Errors
    /// Why nothing was written.
    pub async fn ingest(&self, arriving: Arriving) -> Result<Accepted, Rejected> {
        let inner = &*self.inner;
        let counted = inner.signals.of_source(&arriving.source);
        let result = inner.take_in(arriving).await;
        let counter = match &result {
            Ok(accepted) if accepted.duplicate => &counted.duplicate,
            Ok(accepted) if accepted.runs == 0 => &counted.unrouted,
            Ok(_) => &counted.queued,
            Err(_) => &counted.refused,
        };
        counter.inc();
        result
    }

    /// Takes in the events of one request, in one write. When this returns `Ok`, all are on disk.
    ///
    /// # Errors
    /// Why they are not all written. Sent again, those that were are recognised by their keys.
    pub async fn ingest_all(&self, arriving: Vec<Arriving>) -> Result<Vec<Accepted>, Rejected> {
        let inner = &*self.inner;
        let Some(first) = arriving.first() else { return Ok(Vec::new()) };
        let (counted, count) = (inner.signals.of_source(&first.source), arriving.len());
        let result = inner.take_all(arriving).await;
        let Ok(accepted) = &result else {
            counted.refused.inc_by(count as u64);
            return result;
        };
        for accepted in accepted {
            match accepted {
                Accepted { duplicate: true, .. } => counted.duplicate.inc(),
                Accepted { runs: 0, .. } => counted.unrouted.inc(),
                _ => counted.queued.inc(),
            };
        }
        result
    }

    /// Sends an old event through the workflows as they are now, as a new event that follows from
    /// it. Its idempotency key stays, so that providers recognise what was done for it before.
    ///
    /// # Errors
    /// Why nothing was written; `Ok(None)` if there is no such event.
    pub async fn replay(&self, id: EventId) -> Result<Option<Accepted>, Rejected> {
        let inner = &*self.inner;
        let found = inner.store.event(id).await.map_err(|error| Rejected::from(&error))?;
        let Some(row) = found else { return Ok(None) };
        let now_ms = inner.clock.now_ms();
        let hops = row.event.next_hops();
        let event = Event {
            id: inner.entropy.event_id(now_ms),
            received_ms: now_ms,
            cause: Some(Cause { event: id, run: None, hops }),
            ..row.event
        };
        // No de-duplication of any kind: a person asked for the repetition.
        let mut starts = self.project().router.route(&event, Limits::default());
        starts.iter_mut().for_each(|start| start.dedupe = None);
        starts.extend(inner.waits.start(&inner.wake, &event));
        let event = Arc::new(event);
        let arrival = Arrival { event, dedupe: None, dedupe_until_ms: now_ms, starts };
        inner.write_down(arrival).await.map(Some)
    }
}

impl Inner {
    async fn take_in(&self, arriving: Arriving) -> Result<Accepted, Rejected> {
        if self.stopping.is_cancelled() {
            return Err(Rejected::Stopping);
        }
        let event = self.named(arriving, None).map_err(Rejected::Invalid)?;
        let arrival = self.routed(event);
        self.write_down(arrival).await
    }

    /// The event with what only we know of it: its id, unless it had one before, and the time.
    pub(crate) fn named(&self, arriving: Arriving, id: Option<EventId>) -> Result<Event, String> {
        check_name("the event type", &arriving.kind)?;
        for (what, text) in [
            ("the idempotency key", &arriving.key),
            ("the correlation id", &arriving.correlation),
            ("the subject", &arriving.subject),
        ] {
            text.as_ref().map_or(Ok(()), |text| check_name(what, text))?;
        }
        let now_ms = self.clock.now_ms();
        let id = id.unwrap_or_else(|| self.entropy.event_id(now_ms));
        Ok(Event {
            id,
            correlation: arriving.correlation.unwrap_or_else(|| id.to_string()),
            time_ms: arriving.time_ms.unwrap_or(now_ms),
            received_ms: now_ms,
            source: arriving.source,
            kind: arriving.kind,
            subject: arriving.subject,
            key: arriving.key,
            cause: None,
            data: arriving.data,
        })
    }

    /// The event with the runs it starts.
    pub(crate) fn routed(&self, event: Event) -> Arrival {
        let dedupe = event
            .key
            .as_deref()
            .map(|key| KeyHash::of(&["event", &event.source, &event.kind], key));
        let mut starts = {
            let project = self.project.read();
            project.router.route(&event, Limits::default())
        };
        starts.extend(self.waits.start(&self.wake, &event));
        let dedupe_until_ms = event.received_ms.saturating_add(self.settings.dedupe_window_ms);
        Arrival { event: Arc::new(event), dedupe, dedupe_until_ms, starts }
    }

    async fn take_all(&self, arriving: Vec<Arriving>) -> Result<Vec<Accepted>, Rejected> {
        if self.stopping.is_cancelled() {
            return Err(Rejected::Stopping);
        }
        let named = |arriving| self.named(arriving, None).map_err(Rejected::Invalid);
        let events: Vec<Event> = arriving.into_iter().map(named).collect::<Result<_, _>>()?;
        let arrivals = events.into_iter().map(|event| self.routed(event)).collect();
        self.write_all(arrivals).await
    }

    pub(crate) async fn write_down(&self, arrival: Arrival) -> Result<Accepted, Rejected> {
        let (event, correlation) = (arrival.event.id, arrival.event.correlation.clone());
        let starts = arrival.starts.len();
        let recorded = self.bounded(std::slice::from_ref(&arrival)).await?.pop();
        accepted(recorded, event, correlation, starts)
    }

    async fn write_all(&self, arrivals: Vec<Arrival>) -> Result<Vec<Accepted>, Rejected> {
        let known = |it: &Arrival| (it.event.id, it.event.correlation.clone(), it.starts.len());
        let known: Vec<_> = arrivals.iter().map(known).collect();
        let mut recorded = self.bounded(&arrivals).await?.into_iter();
        let each = known.into_iter();
        each.map(|(event, text, starts)| accepted(recorded.next(), event, text, starts)).collect()
    }

    /// Writes arrivals down, unless too many wait already.
    async fn bounded(&self, arrivals: &[Arrival]) -> Result<Vec<Recorded>, Rejected> {
        let count = arrivals.len();
        let waiting = self.arriving.fetch_add(count, Ordering::Relaxed);
        let recorded = if waiting < self.settings.arriving {
            self.record(arrivals).await.map_err(|error| Rejected::from(&error))
        } else {
            Err(Rejected::Overloaded)
        };
        self.arriving.fetch_sub(count, Ordering::Relaxed);
        recorded
    }

    /// Writes arrivals down. Those whose answer was lost are sent again as they are: by their ids
    /// the store knows what it has written.
    async fn record(&self, arrivals: &[Arrival]) -> Result<Vec<Recorded>, Error> {
        let mut wait_ms = REPEAT_MS;
        for _ in 0..REPEATS {
            let error = match self.store.record(arrivals.to_vec()).await {
                Err(error @ Error::Lost { .. }) => error,
                answered => return answered,
            };
            let event = arrivals.first().map(|arrival| arrival.event.id.to_string());
            warn!(event, %error, "the store's answer was lost; asking again");
            self.clock.sleep_until(self.clock.now_ms() + wait_ms).await;
            wait_ms *= 2;
        }
        self.store.record(arrivals.to_vec()).await
    }
}

/// What the store's answer about an arrival means.
fn accepted(
    recorded: Option<Recorded>,
    event: EventId,
    correlation: String,
    starts: usize,
) -> Result<Accepted, Rejected> {
    match recorded {
        Some(Recorded::New { runs, .. }) => {
            Ok(Accepted { event, correlation, duplicate: false, runs: runs.len() })
        }
        // It was written down at the first try, and the answer lost.
        Some(Recorded::Duplicate { event: first, .. }) if first == event => {
            Ok(Accepted { event, correlation, duplicate: false, runs: starts })
        }
        Some(Recorded::Duplicate { event, correlation }) => {
            Ok(Accepted { event, correlation, duplicate: true, runs: 0 })
        }
        None => Err(Rejected::Unavailable("the store gave no answer".to_owned())),
    }
}

impl From<&Error> for Rejected {
    fn from(error: &Error) -> Self {
        match error {
            Error::Lost { reason } => Self::Lost(reason.clone()),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
