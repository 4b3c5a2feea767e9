//! What an attempt tells: to the journal without secrets, to metrics and to the log.

use std::time::Instant;

use postroom_adapters::HttpResponse;
use postroom_core::journal::Excerpt;
use postroom_core::run::Report;
use postroom_core::{Failure, Outcome};
use tracing::{debug, info};

use super::Attempt;
use crate::signals::outcome_name;

impl Attempt {
    pub(super) fn excerpt(&self, answer: &HttpResponse) -> Excerpt {
        let clean = |text| self.inner.redaction.clean(text);
        Excerpt::of(answer.status, &answer.headers, &answer.body, clean)
    }

    /// Providers repeat credentials in their messages; journals and logs must not.
    pub(super) fn redacted(&self, outcome: Outcome) -> Outcome {
        let redaction = &self.inner.redaction;
        let clean = |mut failure: Failure| {
            // A code may be a provider's word too.
            failure.code = redaction.clean(failure.code);
            failure.message = redaction.clean(failure.message);
            failure.hint = failure.hint.map(|hint| redaction.clean(hint));
            failure
        };
        match outcome {
            Outcome::Retry { after_ms, failure } => {
                Outcome::Retry { after_ms, failure: clean(failure) }
            }
            Outcome::Refused { failure } => Outcome::Refused { failure: clean(failure) },
            Outcome::Unknown { failure } => Outcome::Unknown { failure: clean(failure) },
            other => other,
        }
    }

    pub(super) fn observe(&self, outcome: &Outcome, report: &Report, started: Instant) {
        let failure = match outcome {
            Outcome::Retry { failure, .. }
            | Outcome::Refused { failure }
            | Outcome::Unknown { failure } => Some(failure),
            _ => None,
        };
        let signals = &self.known.signals.steps[self.spot.step];
        signals.seconds.observe(started.elapsed().as_secs_f64());
        signals.attempts(outcome).inc();
        if let Some(failure) = failure {
            let (adapter, _) = self.step().labels();
            self.inner.signals.failed(adapter, &failure.code);
        }
        // Steps that call nobody are the cheap ones; they leave their trace in the journal.
        if report.request.is_some() || failure.is_some() {
            info!(
                run = %self.run.id,
                workflow = self.run.workflow,
                correlation_id = self.event.correlation,
                step = self.label(),
                attempt = self.attempt,
                outcome = outcome_name(outcome),
                request = report.request,
                took_ms = report.took_ms,
                sandbox = report.sandbox,
                dry = report.dry,
                code = failure.map(|failure| failure.code.as_str()),
                message = failure.map(|failure| failure.message.as_str()),
                "attempt ended"
            );
        } else {
            let (outcome, took_ms) = (outcome_name(outcome), report.took_ms);
            debug!(run = %self.run.id, workflow = self.run.workflow, step = self.label(), outcome,
                took_ms, "attempt ended");
        }
    }
}
