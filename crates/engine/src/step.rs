//! One attempt of one step: condition, input, then the action's calls one after the other. The
//! attempt knows no store; what must be written down while it goes on it asks its owner to write.

mod emit;

use std::sync::Arc;
use std::time::Instant;

use postroom_adapters::{
    Action, Adapter, Context, HttpRequest, HttpResponse, Idempotency, Planned,
};
use postroom_core::definition::{Act, Task};
use postroom_core::journal::Excerpt;
use postroom_core::run::{Report, Run, StepState};
use postroom_core::scope::{self, RunFacts, StepResult};
use postroom_core::trigger::condition_value;
use postroom_core::{Event, Failure, Json, Outcome};
use postroom_expr::{Fault, Limits, Mapping, Template};
use postroom_store::Arrival;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use crate::dispatch::Known;
use crate::outbound::{Answered, NoAnswer, Purpose};
use crate::owner::Note;
use crate::project::Connection;
use crate::secrets::redact;
use crate::signals::outcome_name;
use crate::{Inner, Project};

/// Waits up to this long for a rate limit are spent in place; longer ones give the run back.
const SHORT_WAIT_MS: i64 = 100;

/// Everything an attempt needs.
pub(crate) struct Attempt {
    pub inner: Arc<Inner>,
    pub known: Arc<Known>,
    pub event: Arc<Event>,
    pub run: Run,
    pub outputs: Vec<Option<Json>>,
    /// Calls that succeeded in earlier attempts.
    pub called: Vec<(String, Json)>,
    pub step: usize,
    pub attempt: u32,
}

/// What a step is given and the key of what it makes; `None` where its condition is false.
type Input = Option<(Json, Option<String>)>;

/// How an attempt ended.
pub(crate) struct Ended {
    pub step: usize,
    pub outcome: Outcome,
    pub report: Report,
    /// An event to be written down with the outcome, and the runs it starts.
    pub emits: Option<Arrival>,
}

/// An attempt that has calls to make.
pub(crate) struct Calling {
    attempt: Attempt,
    input: Json,
    adapter: Arc<Adapter>,
    action: Arc<Action>,
    connection: Arc<Connection>,
    key: String,
}

/// Begins an attempt. One that calls nobody ends at once: its condition is false, its input cannot
/// be made, or its action needs no call.
pub(crate) fn begin(attempt: Attempt) -> Result<Ended, Box<Calling>> {
    let started = Instant::now();
    let known = Arc::clone(&attempt.known);
    let act = match &known.workflow.steps[attempt.step].task {
        Task::Action(act) => act,
        Task::Emit(emit) => return Ok(attempt.emit(emit, started)),
        Task::Return(value) => return Ok(attempt.come_to(value, started)),
    };
    match attempt.prepare(act) {
        Ok(None) => Ok(attempt.end(Outcome::Skipped, Report::default(), started)),
        Err(outcome) => Ok(attempt.end(outcome, Report::default(), started)),
        Ok(Some(prepare)) => {
            let calling = prepare(attempt);
            if !calling.action.calls.is_empty() {
                return Err(Box::new(calling));
            }
            let outcome = calling.output().unwrap_or_else(|refused| refused);
            Ok(calling.attempt.end(outcome, Report::default(), started))
        }
    }
}

/// Makes the calls of an attempt.
pub(crate) async fn finish(mut calling: Calling, notes: mpsc::Sender<Box<Note>>) -> Ended {
    // The wait for a worker is none of the attempt's time.
    let started = Instant::now();
    let mut report = Report::default();
    let outcome = match calling.perform(&notes, &mut report).await {
        Ok(outcome) | Err(outcome) => outcome,
    };
    calling.attempt.end(outcome, report, started)
}

impl Calling {
    /// The calls of an attempt; whatever ends it early comes back as `Err`.
    async fn perform(
        &mut self,
        notes: &mpsc::Sender<Box<Note>>,
        report: &mut Report,
    ) -> Result<Outcome, Outcome> {
        let last = self.action.calls.len() - 1;
        for index in 0..=last {
            let id = self.action.calls[index].id.clone();
            if self.attempt.called.iter().any(|(done, _)| *done == id) {
                continue;
            }
            let call = Call {
                adapter: &self.adapter,
                action: &self.action,
                index,
                connection: &self.connection,
                key: &self.key,
            };
            let called = match self.attempt.call(&call, &self.input, notes, report).await {
                Ok(called) => called,
                Err(ended) => {
                    report.call = (last > 0).then_some(id);
                    return Err(ended);
                }
            };
            let Some(output) = called else { continue };
            self.attempt.called.push((id.clone(), output.clone()));
            if index < last {
                self.attempt.write_call(notes, id, output, report).await?;
            }
        }
        self.output()
    }

    fn output(&self) -> Result<Outcome, Outcome> {
        let attempt = &self.attempt;
        let step = &attempt.known.workflow.steps[attempt.step].id;
        if let Some(output) = attempt.inner.transport.output(&attempt.known.workflow.name, step) {
            return Ok(Outcome::Done { output });
        }
        let context = self.attempt.context(&self.input, &self.connection, &self.key);
        let output = self.action.output(&context).map_err(refused)?;
        Ok(Outcome::Done { output })
    }
}

impl Attempt {
    /// What it takes to make the calls, or `None` if the step's condition is false.
    #[allow(clippy::type_complexity, reason = "the attempt is moved in once it is known to go on")]
    fn prepare(
        &self,
        act: &Act,
    ) -> Result<Option<impl FnOnce(Attempt) -> Calling + use<>>, Outcome> {
        let Some((input, _)) = self.input(&act.with, "with", None)? else { return Ok(None) };
        let project = self.project();
        let step = &self.known.workflow.steps[self.step];
        let (adapter, action) = project
            .catalog
            .action(&act.uses)
            .map_err(|p| refused(Failure::new(p.kind.code, p.detail)))?;
        action.check_input(&input).map_err(refused)?;
        let connection = project
            .connection(act.connection.as_deref(), &adapter.name)
            .map(Arc::clone)
            .ok_or_else(|| refused(no_connection(&adapter)))?;
        let key = self.run.idempotency_key(&step.id, self.run.steps[self.step].generation);
        Ok(Some(move |attempt| Calling { attempt, input, adapter, action, connection, key }))
    }

    /// Has one of several calls written down, so that a later attempt goes on after it.
    async fn write_call(
        &self,
        notes: &mpsc::Sender<Box<Note>>,
        call: String,
        output: Json,
        report: &Report,
    ) -> Result<(), Outcome> {
        let report = Report { took_ms: None, ..report.clone() };
        info!(
            run = %self.run.id,
            workflow = self.run.workflow,
            correlation_id = self.event.correlation,
            step = self.known.workflow.steps[self.step].id,
            attempt = self.attempt,
            call,
            request = report.request,
            sandbox = report.sandbox,
            "call done"
        );
        let (written, done) = oneshot::channel();
        let note = Note::Called { step: self.step, call, output, report, written };
        self.tell(notes, note, done).await
    }

    fn end(self, outcome: Outcome, mut report: Report, started: Instant) -> Ended {
        let outcome = self.redacted(outcome);
        report.request = report.request.map(|text| redact(&*self.inner.secrets, text));
        report.took_ms = Some(started.elapsed().as_millis().try_into().unwrap_or(u64::MAX));
        self.observe(&outcome, &report, started);
        Ended { step: self.step, outcome, report, emits: None }
    }

    /// What a step is given, with the key of what it makes, or `None` if its condition is false.
    fn input(&self, with: &Mapping, what: &str, key: Option<&Template>) -> Result<Input, Outcome> {
        let step = &self.known.workflow.steps[self.step];
        let run_id = self.run.id.to_string();
        let failure = self.run.failure.as_ref();
        let facts = RunFacts {
            id: &run_id,
            workflow: &self.known.workflow.name,
            created_ms: self.run.created_ms,
            failure: failure.map(|f| (f.failure.code.as_str(), f.failure.message.as_str())),
        };
        let scope = scope::of_step(&self.event, &facts, self.results());
        let limits = Limits::default();
        let faulted = |what: &str, fault: &Fault| {
            let message = format!("`{what}` of step `{}`: {}", step.id, fault.message);
            let mut failure = Failure::new(fault.code, message);
            failure.hint.clone_from(&fault.hint);
            refused(failure)
        };
        if let Some(condition) = &step.condition {
            let holds = condition.eval(&scope, limits).and_then(|value| condition_value(&value));
            if !holds.map_err(|fault| faulted("if", &fault))? {
                return Ok(None);
            }
        }
        let rendered = with.render(&scope, limits).map_err(|fault| fault.under(what));
        let text = rendered.map_err(|fault| faulted(&fault.path, &fault.fault))?;
        let input = Json::parse(text).map_err(|error| {
            refused(Failure::new("internal", format!("the input is not JSON: {error}")))
        })?;
        let text = |key: &Template| -> Result<Option<String>, Fault> {
            let value = key.eval(&scope, limits)?;
            if value.is_null() { Ok(None) } else { value.to_text().map(Some) }
        };
        // No key is no fault, as for events from outside.
        let key = key.map(text).transpose().map_err(|fault| faulted("key", &fault))?;
        Ok(Some((input, key.flatten().filter(|key| !key.is_empty()))))
    }

    fn results(&self) -> impl Iterator<Item = StepResult<'_>> {
        self.known.workflow.steps.iter().enumerate().map(|(index, step)| StepResult {
            id: &step.id,
            status: match self.run.steps.get(index).map(|step| step.state) {
                Some(StepState::Done) => "done",
                Some(StepState::Skipped) => "skipped",
                Some(StepState::Failed | StepState::Unknown) => "failed",
                _ => "pending",
            },
            output: self.outputs.get(index).and_then(Option::as_ref),
        })
    }

    /// Makes one call; `None` if its own condition is false.
    async fn call(
        &self,
        call: &Call<'_>,
        input: &Json,
        notes: &mpsc::Sender<Box<Note>>,
        report: &mut Report,
    ) -> Result<Option<Json>, Outcome> {
        let context = self.context(input, call.connection, call.key);
        let request = match call.action.request(call.index, &context).map_err(refused)? {
            Planned::Send(request) => request,
            Planned::Skip => return Ok(None),
        };
        self.wait_for_limit(call).await?;
        let key = request.idempotency_key.as_deref().unwrap_or("none");
        report.request =
            Some(format!("{} {} (idempotency key: {key})", request.method, request.url));
        if matches!(call.action.idempotency(call.index, &context), Idempotency::None) {
            let (written, done) = oneshot::channel();
            self.tell(notes, Note::Intent { step: self.step, written }, done).await?;
        }
        match self.send(call, request, &context, report).await? {
            Ok(Answered::Result(output)) => Ok(Some(output)),
            Ok(Answered::Response(response)) => {
                match call.action.interpret(call.index, &response, &context) {
                    Outcome::Done { output } => Ok(Some(output)),
                    other => {
                        report.answer = Some(self.excerpt(&response));
                        Err(other)
                    }
                }
            }
            Err(NoAnswer { lost, detail }) => {
                Err(call.action.lost(call.index, &context, lost, &detail))
            }
        }
    }

    async fn send(
        &self,
        call: &Call<'_>,
        mut request: HttpRequest,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Result<Result<Answered, NoAnswer>, Outcome> {
        if self.inner.settings.sandbox {
            report.sandbox = true;
            let response = call.action.sandbox(call.index, &request, context).map_err(refused)?;
            return Ok(Ok(Answered::Response(response)));
        }
        let auth = std::mem::take(&mut request.secrets);
        for slot in &auth {
            let name = call.connection.credentials.get(&slot.credential);
            let secret = name.and_then(|name| self.inner.secrets.get(name));
            let Some(secret) = secret else {
                return Err(refused(no_credential(call, &slot.credential)));
            };
            let value = slot.fill(secret.expose()).map_err(refused)?;
            request.headers.push((slot.header.clone(), value));
        }
        request.headers.push(("x-correlation-id".to_owned(), self.event.correlation.clone()));
        let step = &self.known.workflow.steps[self.step];
        let purpose = Purpose {
            run: &self.run,
            step: &step.id,
            attempt: self.attempt,
            action: call.action,
            call: call.index,
            context,
            auth: &auth,
            credentials: &call.connection.credentials,
        };
        Ok(self.inner.transport.send(request, step.timeout_ms, purpose).await)
    }

    async fn wait_for_limit(&self, call: &Call<'_>) -> Result<(), Outcome> {
        let clock = &self.inner.clock;
        // Calls of one step take their places one after the other.
        let place = self.step * 1000 + call.index;
        loop {
            let now_ms = clock.now_ms();
            let due_ms = self.inner.limits.take(&call.connection.name, self.run.id, place, now_ms);
            if due_ms <= now_ms {
                return Ok(());
            }
            if due_ms - now_ms > SHORT_WAIT_MS {
                return Err(Outcome::Wait { until_ms: due_ms });
            }
            clock.sleep_until(due_ms).await;
        }
    }

    fn context<'a>(
        &'a self,
        input: &'a Json,
        connection: &'a Connection,
        key: &'a str,
    ) -> Context<'a> {
        Context {
            input,
            results: &self.called,
            config: &connection.config,
            base_url: connection.base_url.as_deref(),
            key,
        }
    }

    /// Asks the owner to write something down and waits until it is. An owner that lost the run
    /// is gone, and so is this attempt's right to go on.
    async fn tell(
        &self,
        notes: &mpsc::Sender<Box<Note>>,
        note: Note,
        written: oneshot::Receiver<()>,
    ) -> Result<(), Outcome> {
        let gone = || refused(Failure::new("run/lost", "the run was taken by somebody else"));
        notes.send(Box::new(note)).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())
    }

    fn project(&self) -> Arc<Project> {
        Arc::clone(&self.inner.project.read())
    }

    fn excerpt(&self, answer: &HttpResponse) -> Excerpt {
        let clean = |text| redact(&*self.inner.secrets, text);
        Excerpt::of(answer.status, &answer.headers, &answer.body, clean)
    }

    /// Providers repeat credentials in their messages; journals and logs must not.
    fn redacted(&self, outcome: Outcome) -> Outcome {
        let clean = |mut failure: Failure| {
            failure.message = redact(&*self.inner.secrets, failure.message);
            failure.hint = failure.hint.map(|hint| redact(&*self.inner.secrets, hint));
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

    fn observe(&self, outcome: &Outcome, report: &Report, started: Instant) {
        let failure = match outcome {
            Outcome::Retry { failure, .. }
            | Outcome::Refused { failure }
            | Outcome::Unknown { failure } => Some(failure),
            Outcome::Done { .. } | Outcome::Skipped | Outcome::Wait { .. } => None,
        };
        let signals = &self.known.signals.steps[self.step];
        signals.seconds.observe(started.elapsed().as_secs_f64());
        signals.attempts(outcome).inc();
        if let Some(failure) = failure {
            let (adapter, _) = self.known.workflow.steps[self.step].labels();
            self.inner.signals.failed(adapter, &failure.code);
        }
        // Steps that call nobody are the cheap ones; they leave their trace in the journal.
        if report.request.is_some() || failure.is_some() {
            info!(
                run = %self.run.id,
                workflow = self.run.workflow,
                correlation_id = self.event.correlation,
                step = self.known.workflow.steps[self.step].id,
                attempt = self.attempt,
                outcome = outcome_name(outcome),
                request = report.request,
                took_ms = report.took_ms,
                sandbox = report.sandbox,
                code = failure.map(|failure| failure.code.as_str()),
                message = failure.map(|failure| failure.message.as_str()),
                "attempt ended"
            );
        }
    }
}

/// One call of an action, with what it is made over.
struct Call<'a> {
    adapter: &'a Adapter,
    action: &'a Action,
    index: usize,
    connection: &'a Connection,
    key: &'a str,
}

fn refused(failure: Failure) -> Outcome {
    Outcome::Refused { failure }
}

fn no_connection(adapter: &Adapter) -> Failure {
    Failure::new(
        "workflow/unknown-connection",
        format!("there is no connection for adapter `{}`", adapter.name),
    )
}

fn no_credential(call: &Call<'_>, credential: &str) -> Failure {
    let name = call.connection.credentials.get(credential).map_or("", String::as_str);
    Failure::new(
        "connection/credential-missing",
        format!(
            "connection `{}` has no `{credential}` for {}: `{name}` is not set",
            call.connection.name, call.adapter.title
        ),
    )
    .with_hint(format!("set {name} in the environment or in .env, restart, and redrive"))
}
