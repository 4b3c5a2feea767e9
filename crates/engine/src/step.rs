//! One attempt of one step: condition, input, then the action's calls one after the other. The
//! attempt knows no store; what must be written down while it goes on it asks its owner to write.

mod address;
mod credentials;
mod emit;
mod input;
mod list;
mod lookup;
mod planned;
mod token;
mod told;
mod wait;

use std::sync::Arc;
use std::time::Instant;

use postroom_adapters::{
    ACCESS_TOKEN, Action, Adapter, Back, Context, HttpRequest, Idempotency, Paged, Planned,
    Reading, Upgraded,
};
use postroom_core::definition::{Act, Step, Task};
use postroom_core::run::{Report, Run, Spot};
use postroom_core::{Event, Failure, Json, Outcome, problem};
use postroom_expr::{Mapping, Template};
use postroom_store::Arrival;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use crate::dispatch::Known;
use crate::outbound::{Answered, NoAnswer, Purpose};
use crate::owner::{Child, Note};
use crate::project::Connection;
use crate::secrets::Secret;
use crate::{Inner, Project};

pub(crate) use input::View;
pub(crate) use wait::caller;

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
    pub spot: Spot,
    pub attempt: u32,
    /// The item it is about.
    pub item: Option<Json>,
    /// The run it waits for.
    pub child: Option<Child>,
}

/// What a step is given and the key of what it makes; `None` where its condition is false.
type Input = Option<(Json, Option<String>)>;

/// How an attempt ended.
pub(crate) struct Ended {
    pub spot: Spot,
    pub outcome: Outcome,
    pub report: Report,
    /// An event to be written down with the outcome, and the runs it starts.
    pub emits: Option<Arrival>,
    /// The list it was found to have.
    pub list: Option<Arc<Vec<Json>>>,
}

/// What is left to do of an attempt that does not end at once.
pub(crate) enum Work {
    /// Calls to make.
    Call(Box<Calling>),
    /// Something to look up.
    Look(Box<Attempt>),
}

impl Work {
    /// The step it is about.
    pub fn spot(&self) -> Spot {
        match self {
            Self::Call(calling) => calling.attempt.spot,
            Self::Look(attempt) => attempt.spot,
        }
    }
}

/// An attempt that has calls to make.
pub(crate) struct Calling {
    attempt: Attempt,
    input: Json,
    adapter: Arc<Adapter>,
    action: Arc<Action>,
    connection: Arc<Connection>,
    key: String,
    /// The way back to the contract that the step names.
    back: Back,
}

/// Begins an attempt. One that calls nobody ends at once: its condition is false, its input cannot
/// be made, its action needs no call, or there is nothing to look up.
pub(crate) fn begin(attempt: Attempt) -> Result<Ended, Work> {
    let started = Instant::now();
    let known = Arc::clone(&attempt.known);
    let step = &known.workflow.steps[attempt.spot.step];
    if let (Some(each), None) = (&step.each, attempt.spot.item) {
        return Ok(attempt.list(each, started));
    }
    match &step.task {
        Task::Action(act) => attempt.act(act, started),
        Task::Emit(emit) => Ok(attempt.emit(emit, started)),
        Task::Return(value) => Ok(attempt.come_to(value, started)),
        Task::Wait(wait) => Ok(attempt.pause(wait, started)),
        Task::Approve(approve) => Ok(attempt.approve(approve, started)),
        Task::Await(wait) => attempt.wait_for(wait, started),
        Task::Call(call) => attempt.call_workflow(call, started),
        Task::Wake => Err(Work::Look(Box::new(attempt))),
    }
}

/// Does what is left to do of an attempt.
pub(crate) async fn finish(work: Work, notes: mpsc::Sender<Box<Note>>) -> Ended {
    // The wait for a worker is none of the attempt's time.
    let started = Instant::now();
    let mut calling = match work {
        Work::Call(calling) => calling,
        Work::Look(attempt) => return attempt.look(started).await,
    };
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
                report.planned = None;
            }
        }
        self.output()
    }

    fn output(&self) -> Result<Outcome, Outcome> {
        let attempt = &self.attempt;
        if let Some(output) = attempt.told_output() {
            return Ok(Outcome::Done { output });
        }
        let context = self.attempt.context(&self.input, &self.connection, &self.key);
        let output = self.action.output(&context).map_err(refused)?;
        Ok(Outcome::Done { output: self.back.output(output).map_err(refused)? })
    }
}

impl Attempt {
    fn act(self, act: &Act, started: Instant) -> Result<Ended, Work> {
        match self.prepare(act) {
            Ok(None) => Ok(self.end(Outcome::Skipped, Report::default(), started)),
            Err(outcome) => Ok(self.end(outcome, Report::default(), started)),
            Ok(Some(prepare)) => {
                let calling = prepare(self);
                if !calling.action.calls.is_empty() {
                    return Err(Work::Call(Box::new(calling)));
                }
                let outcome = calling.output().unwrap_or_else(|refused| refused);
                Ok(calling.attempt.end(outcome, Report::default(), started))
            }
        }
    }

    /// What it takes to make the calls, or `None` if the step's condition is false.
    #[allow(clippy::type_complexity, reason = "the attempt is moved in once it is known to go on")]
    fn prepare(
        &self,
        act: &Act,
    ) -> Result<Option<impl FnOnce(Attempt) -> Calling + use<>>, Outcome> {
        let Some((input, _)) = self.input(&act.with, "with", None)? else { return Ok(None) };
        let project = self.project();
        let (adapter, action) = project
            .catalog
            .action(&act.uses)
            .map_err(|p| refused(Failure::new(p.kind.code, p.detail)))?;
        let Upgraded { action, input, back } = action.upgraded(input).map_err(refused)?;
        let connection = project
            .connection(act.connection.as_deref(), &adapter.name)
            .ok_or_else(|| refused(no_connection(&adapter)))?;
        let generation = self.run.at(self.spot).map_or(0, |at| at.generation);
        let key = self.run.idempotency_key(&self.label(), generation);
        Ok(Some(move |attempt| Calling { attempt, input, adapter, action, connection, key, back }))
    }

    /// Has one of several calls written down, so that a later attempt goes on after it.
    async fn write_call(
        &self,
        notes: &mpsc::Sender<Box<Note>>,
        call: String,
        output: Json,
        report: &Report,
    ) -> Result<(), Outcome> {
        let request = report.request.clone().map(|text| self.inner.redaction.clean(text));
        let report = Report { took_ms: None, request, ..report.clone() };
        info!(
            run = %self.run.id,
            workflow = self.run.workflow,
            correlation_id = self.event.correlation,
            step = self.label(),
            attempt = self.attempt,
            call,
            request = report.request,
            sandbox = report.sandbox,
            dry = report.dry,
            "call done"
        );
        let (written, done) = oneshot::channel();
        let note = Note::Called { spot: self.spot, call, output, report, written };
        self.tell(notes, note, done).await
    }

    fn end(self, outcome: Outcome, mut report: Report, started: Instant) -> Ended {
        let outcome = self.redacted(outcome);
        report.request = report.request.map(|text| self.inner.redaction.clean(text));
        report.took_ms = Some(started.elapsed().as_millis().try_into().unwrap_or(u64::MAX));
        self.observe(&outcome, &report, started);
        Ended { spot: self.spot, outcome, report, emits: None, list: None }
    }

    /// What the step, or this item of its list, comes to by the word of the transport.
    fn told_output(&self) -> Option<Json> {
        let transport = &self.inner.transport;
        let output = transport.output(&self.known.workflow.name, &self.step().id)?;
        let Some(item) = self.spot.item else { return Some(output) };
        let items = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(output.text());
        items.ok()?.get(item).map(|item| Json::from_raw(item))
    }

    fn step(&self) -> &Step {
        &self.known.workflow.steps[self.spot.step]
    }

    /// The step as people and keys call it.
    fn label(&self) -> String {
        self.spot.label(&self.step().id)
    }

    fn view(&self) -> View<'_> {
        View {
            event: &self.event,
            run: &self.run,
            workflow: &self.known.workflow,
            outputs: &self.outputs,
            item: self.item.as_ref().zip(self.spot.item),
            arrived: None,
        }
    }

    /// Whether the step's condition holds. It was looked at before the list was made, for a step
    /// that has one.
    fn holds(&self) -> Result<bool, Outcome> {
        match &self.step().condition {
            Some(condition) if self.spot.item.is_none() => {
                let reads = |name: &str| condition.reads_name(name);
                self.view().read(self.spot.step, reads, |reader| reader.holds(condition, "if"))
            }
            _ => Ok(true),
        }
    }

    /// What a step is given, with the key of what it makes, or `None` if its condition is false.
    fn input(&self, with: &Mapping, what: &str, key: Option<&Template>) -> Result<Input, Outcome> {
        if !self.holds()? {
            return Ok(None);
        }
        let reads =
            |name: &str| with.reads_name(name) || key.is_some_and(|key| key.reads_name(name));
        self.view().read(self.spot.step, reads, |reader| {
            let input = reader.render(with, what)?;
            // No key is no fault, as for events from outside.
            let key = key.map(|key| reader.text(key, "key")).transpose()?;
            Ok(Some((input, key.flatten().filter(|key| !key.is_empty()))))
        })
    }

    /// What a template of the step comes to as text; `None` if it is null.
    fn told(&self, template: &Template, what: &str) -> Result<Option<String>, Outcome> {
        let reads = |name: &str| template.reads_name(name);
        self.view().read(self.spot.step, reads, |reader| reader.text(template, what))
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
        let mut reading = Reading::default();
        loop {
            let planned = call.action.request_page(call.index, &context, &mut reading);
            let request = match planned.map_err(refused)? {
                Planned::Send(request) => request,
                Planned::Skip => return Ok(None),
            };
            if self.plans(call, &request, &context, report) {
                return self.plan(call, &request, &context, report).map(Some);
            }
            let token = self.token(call, &request).await?;
            self.has_credentials(call, &request, token.as_ref())?;
            self.wait_for_limit(call, &reading).await?;
            report.request = Some(line(&request));
            if matches!(call.action.idempotency(call.index, &context), Idempotency::None) {
                let (written, done) = oneshot::channel();
                self.tell(notes, Note::Intent { spot: self.spot, written }, done).await?;
            }
            let outcome = match self.send_with(token, call, request, &context, report).await? {
                Ok(Answered::Result(output)) => Outcome::Done { output },
                Ok(Answered::Response(response)) => {
                    match self.read(call, &response, &context, &mut reading) {
                        Paged::More => continue,
                        Paged::Ended(done @ Outcome::Done { .. }) => done,
                        Paged::Ended(other) => {
                            report.answer = Some(self.excerpt(&response));
                            other
                        }
                    }
                }
                Err(NoAnswer { lost, detail, for_good: None }) => {
                    call.action.lost(call.index, &context, lost, &detail)
                }
                Err(NoAnswer { lost, for_good: Some(failure), .. }) => {
                    call.action.lost_for_good(call.index, &context, lost, failure)
                }
            };
            let output = self.reconcile(call, &context, outcome, report).await?;
            return Ok(Some(self.inner.redaction.json(output)));
        }
    }

    async fn send(
        &self,
        call: &Call<'_>,
        mut request: HttpRequest,
        context: &Context<'_>,
        report: &mut Report,
        token: Option<&Secret>,
    ) -> Result<Result<Answered, NoAnswer>, Outcome> {
        if self.inner.settings.sandbox {
            report.sandbox = true;
            let response = call.action.sandbox(call.index, &request, context).map_err(refused)?;
            return Ok(Ok(Answered::Response(response)));
        }
        let dry = self.holds_back(call, &request, context);
        let auth = std::mem::take(&mut request.secrets);
        for slot in &auth {
            let token = token.filter(|_| slot.credential == ACCESS_TOKEN).cloned();
            let name = call.connection.credentials.get(&slot.credential);
            let secret = token.or_else(|| name.and_then(|name| self.inner.secrets.get(name)));
            match secret {
                Some(secret) => request.fill(slot, secret.expose()).map_err(refused)?,
                None if self.may_be_left_out(call, slot) => {}
                None => return Err(self.no_credential(call, &slot.credential)),
            }
        }
        request.headers.push(("x-correlation-id".to_owned(), self.event.correlation.clone()));
        let step = self.step();
        let purpose = Purpose {
            run: &self.run,
            step: &step.id,
            attempt: self.attempt,
            action: call.action,
            call: call.index,
            context,
            auth: &auth,
            credentials: &call.connection.credentials,
            connection: call.connection,
            written: self.wrote(call, &request.url),
            dry,
        };
        Ok(self.inner.transport.send(request, step.timeout_ms, purpose).await)
    }

    async fn wait_for_limit(&self, call: &Call<'_>, reading: &Reading) -> Result<(), Outcome> {
        let clock = &self.inner.clock;
        let place = (self.spot, call.index);
        loop {
            let now_ms = clock.now_ms();
            let due_ms = self.inner.limits.take(call.connection, self.run.id, place, now_ms);
            if due_ms <= now_ms {
                return Ok(());
            }
            // To come back later would be to read from the first page again.
            if due_ms - now_ms > SHORT_WAIT_MS && reading.begins() {
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
}

/// One call of an action, with what it is made over.
struct Call<'a> {
    adapter: &'a Adapter,
    action: &'a Action,
    index: usize,
    connection: &'a Connection,
    key: &'a str,
}

/// The list of a step has changed since its items began.
pub(crate) fn other_list(step: &Step, was: usize, is: usize) -> Outcome {
    let message = format!("`each` of step `{}` had {was} items and has {is} now", step.id);
    let failure = Failure::new(problem::BAD_LIST.code, message)
        .with_hint("replay the event of the run, so that a new run goes through the new list");
    refused(failure)
}

/// What the journal and the log say of a request.
fn line(request: &HttpRequest) -> String {
    let key = request.idempotency_key.as_deref().unwrap_or("none");
    format!("{} {} (idempotency key: {key})", request.method, request.url)
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
