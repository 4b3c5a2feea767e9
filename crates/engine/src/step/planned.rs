//! What `mode: dry` keeps back: calls of an action that would change something at the provider, and
//! events of a workflow that is dry. Each is built exactly as a live one, written down as planned,
//! and answered from the example of the manifest. An action that only reads is carried out.

use postroom_adapters::{Context, HttpRequest};
use postroom_core::definition::Mode;
use postroom_core::journal::Unsent;
use postroom_core::run::Report;
use postroom_core::{Event, Json, Outcome};

use super::{Attempt, Call, refused};

impl Attempt {
    /// Whether the run acts: its workflow does, and it was not called by one that does not.
    pub(super) fn mode(&self) -> Mode {
        match (self.known.workflow.mode, self.run.mode) {
            (Mode::Live, Mode::Live) => Mode::Live,
            _ => Mode::Dry,
        }
    }

    /// Whether `mode: dry` keeps a call back. What decides is the action: a call that reads, beside
    /// one that writes, would read what was never written.
    pub(super) fn holds_back(
        &self,
        call: &Call<'_>,
        request: &HttpRequest,
        context: &Context<'_>,
    ) -> bool {
        let modes = [self.mode(), call.connection.mode];
        modes.contains(&Mode::Dry) && !(request.reads() && call.action.only_reads(context))
    }

    /// Whether a call is planned instead of made. In a rehearsal nothing is sent anyway, so there
    /// everything is as if it were live.
    pub(super) fn plans(
        &self,
        call: &Call<'_>,
        request: &HttpRequest,
        context: &Context<'_>,
        report: &Report,
    ) -> bool {
        // Once a call of an attempt was planned, so are those that go on with its answer.
        let holds_back = report.dry || self.holds_back(call, request, context);
        holds_back && !self.inner.transport.rehearses()
    }

    /// Plans a call: notes it, and gives what the example of the manifest comes to.
    pub(super) fn plan(
        &self,
        call: &Call<'_>,
        request: &HttpRequest,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Result<Json, Outcome> {
        let key = request.idempotency_key.as_deref();
        let clean = |text| self.inner.redaction.clean(text);
        let unsent = Unsent::request(&request.method, &request.url, key, &request.body, clean);
        report.request = Some(super::line(request));
        (report.dry, report.planned) = (true, Some(Box::new(unsent)));
        self.inner.signals.planned(&call.adapter.name, &call.action.name);
        let response = call.action.sandbox(call.index, request, context).map_err(refused)?;
        match call.action.interpret(call.index, &response, context) {
            Outcome::Done { output } => Ok(output),
            other => Err(other),
        }
    }

    /// What is noted of an event that is kept back, because what came before it may be made up;
    /// `None` if it is to be written down.
    pub(super) fn kept_back(&self, event: &Event) -> Option<Report> {
        if self.mode().is_live() || self.inner.transport.rehearses() {
            return None;
        }
        let clean = |text| self.inner.redaction.clean(text);
        let (key, data) = (event.key.as_deref(), event.data.text().as_bytes());
        let key_text = key.unwrap_or("none");
        self.inner.signals.planned("emit", &event.kind);
        Some(Report {
            request: Some(format!("emit {} (key: {key_text})", event.kind)),
            dry: true,
            planned: Some(Box::new(Unsent::event(&event.kind, key, data, clean))),
            ..Report::default()
        })
    }
}
