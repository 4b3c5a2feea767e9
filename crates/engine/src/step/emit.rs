//! Steps that call nobody: those that emit an event, and the one that says what the run comes to.
//! The event leaves as data; the owner writes it down with the outcome of the step.

use std::time::Instant;

use postroom_core::definition::Emit;
use postroom_core::event::{Cause, check_name};
use postroom_core::run::Report;
use postroom_core::{Event, Failure, Json, Outcome, problem};
use postroom_expr::Mapping;
use postroom_store::Arrival;

use super::{Attempt, Ended, refused};

impl Attempt {
    /// Ends an attempt to emit an event.
    pub(super) fn emit(self, emit: &Emit, started: Instant) -> Ended {
        match self.emitted(emit) {
            Ok(Some((arrival, output))) => match self.kept_back(&arrival.event) {
                Some(report) => self.end(Outcome::Done { output }, report, started),
                None => {
                    let ended = self.end(Outcome::Done { output }, Report::default(), started);
                    Ended { emits: Some(arrival), ..ended }
                }
            },
            Ok(None) => self.end(Outcome::Skipped, Report::default(), started),
            Err(outcome) => self.end(outcome, Report::default(), started),
        }
    }

    /// Ends an attempt to say what the run comes to.
    pub(super) fn come_to(self, value: &Mapping, started: Instant) -> Ended {
        let outcome = match self.input(value, "return", None) {
            Ok(Some((output, _))) => Outcome::Done { output },
            Ok(None) => Outcome::Skipped,
            Err(outcome) => outcome,
        };
        self.end(outcome, Report::default(), started)
    }

    /// The event with the runs it starts, and what the step gives; `None` if the step's condition
    /// is false.
    fn emitted(&self, emit: &Emit) -> Result<Option<(Arrival, Json)>, Outcome> {
        let Some((data, key)) = self.input(&emit.with, "with", emit.key.as_ref())? else {
            return Ok(None);
        };
        if let Some(key) = &key {
            check_name("the key", key)
                .map_err(|why| refused(Failure::new(problem::BAD_VALUE.code, why)))?;
        }
        let event = self.follows(Emit::SOURCE, &emit.event, data, key)?;
        let id = event.id;
        let output = Json::from_value(&serde_json::json!({ "event": id }));
        Ok(Some((self.inner.routed(event), output)))
    }

    /// An event that follows from the run's.
    pub(super) fn follows(
        &self,
        source: &str,
        kind: &str,
        data: Json,
        key: Option<String>,
    ) -> Result<Event, Outcome> {
        let hops = self.event.next_hops();
        let most = self.known.workflow.max_hops.unwrap_or(self.inner.settings.max_hops);
        if hops > most {
            return Err(refused(too_many(kind, most)));
        }
        let now_ms = self.inner.clock.now_ms();
        Ok(Event {
            id: self.inner.entropy.event_id(now_ms),
            source: source.to_owned(),
            kind: kind.to_owned(),
            time_ms: now_ms,
            received_ms: now_ms,
            correlation: self.event.correlation.clone(),
            subject: None,
            key,
            cause: Some(Cause { event: self.event.id, run: Some(self.run.id), hops }),
            data,
        })
    }
}

fn too_many(event: &str, most: u16) -> Failure {
    let message = format!(
        "`{event}` would be more than {most} events away from the one that came from outside"
    );
    Failure::new(problem::TOO_MANY_HOPS.code, message)
        .with_hint("workflows start each other in a circle; end it, or set `max_hops`")
}
