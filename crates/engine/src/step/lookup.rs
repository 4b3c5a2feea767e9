//! What an answer tells beyond itself: that nothing more may be sent for a while, that there is
//! another page, or, where no answer came, what a look-up finds.

use postroom_adapters::{Context, HttpResponse, Looked, Paged, Reading};
use postroom_core::run::Report;
use postroom_core::{Json, Outcome};
use tracing::{info, warn};

use super::{Attempt, Call};
use crate::outbound::Answered;

impl Attempt {
    /// What an answer came to. What is made up has one page and no limits.
    pub(super) fn read(
        &self,
        call: &Call<'_>,
        response: &HttpResponse,
        context: &Context<'_>,
        reading: &mut Reading,
    ) -> Paged {
        if self.inner.settings.sandbox || self.inner.transport.rehearses() {
            return Paged::Ended(call.action.interpret(call.index, response, context));
        }
        let now_ms = self.inner.clock.now_ms();
        if let Some(until_ms) = call.adapter.paused_until_ms(response, now_ms) {
            self.inner.limits.pause(call.connection, now_ms, until_ms);
        }
        let paged = call.action.interpret_page(call.index, response, context, reading);
        if let Paged::Ended(Outcome::Retry { after_ms: Some(after_ms), .. }) = &paged
            && response.status == 429
        {
            // Whoever else uses the connection would be told the same.
            let after_ms = i64::try_from(*after_ms).unwrap_or(i64::MAX);
            self.inner.limits.pause(call.connection, now_ms, now_ms.saturating_add(after_ms));
        }
        paged
    }

    /// Looks up what became of a call whose outcome is not known, where its manifest says how:
    /// found, it is done with that result; not found, it may be made again.
    pub(super) async fn reconcile(
        &self,
        call: &Call<'_>,
        context: &Context<'_>,
        outcome: Outcome,
        report: &mut Report,
    ) -> Result<Json, Outcome> {
        let failure = match outcome {
            Outcome::Done { output } => return Ok(output),
            Outcome::Unknown { failure } => failure,
            other => return Err(other),
        };
        // A rehearsal states what is to be taken for unknown.
        let after_ms = call.action.lookup_after_ms(call.index);
        let after_ms = after_ms.filter(|_| !self.inner.transport.rehearses());
        let Some(after_ms) = after_ms else { return Err(Outcome::Unknown { failure }) };
        // An input may leave nothing to ask for, such as a message without a mark.
        let Ok(request) = call.action.lookup(call.index, context) else {
            return Err(Outcome::Unknown { failure });
        };
        let clock = &self.inner.clock;
        // What was sent may still be at work there.
        clock.sleep_until(clock.now_ms().saturating_add_unsigned(after_ms)).await;
        let looked = match self.look_up(call, request, context, report).await {
            Ok(Ok(Answered::Response(response))) => {
                call.action.looked(call.index, &response, context)
            }
            Ok(Ok(Answered::Result(output))) => Looked::Found(output),
            Ok(Err(lost)) => {
                let detail = lost.detail;
                warn!(run = %self.run.id, step = self.label(), detail, "no look-up");
                return Err(Outcome::Unknown { failure });
            }
            // To wait for a token would forget that something was sent.
            Err(Outcome::Wait { .. }) => return Err(Outcome::Unknown { failure }),
            Err(other) => return Err(other),
        };
        match looked {
            Looked::Found(output) => {
                info!(run = %self.run.id, step = self.label(), "looked up: it took effect");
                Ok(output)
            }
            Looked::Absent => {
                info!(run = %self.run.id, step = self.label(), "looked up: it took no effect");
                Err(Outcome::Retry { after_ms: None, failure })
            }
            Looked::Unclear(why) => {
                let hint = format!("the look-up did not help: {}", why.message);
                Err(Outcome::Unknown { failure: failure.with_hint(hint) })
            }
        }
    }
}
