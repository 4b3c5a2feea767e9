//! `adapter try`: one action by hand, through the same engine as the step of a workflow. Unless it
//! is asked for, nothing is sent; nothing of it stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use postroom_adapters::{Action, Adapter};
use postroom_core::definition::ActionRef;
use postroom_core::journal::Kind;
use postroom_core::run::{Reason, RunFailure};
use postroom_core::trigger::Router;
use postroom_core::{Entry, Json};
use postroom_engine::rehearsal::{self, PlannedRequest, Rehearsed, Script};
use postroom_engine::{Arriving, Engine, RunFilter};
use serde_json::{Map, Value, json};

use super::{Known, not_there};
use crate::assemble::{Assembled, Changed, examine_changed};
use crate::cli::Try;
use crate::commands::{ask, file_text};
use crate::config::Loaded;
use crate::exit::{Failed, Refused, Said};
use crate::fixture::event::Staged;
use crate::fixture::tree::Tree;
use crate::output::{self, Output, plain};
use crate::{home, project, stage};

/// The workflow whose only step is what is tried.
const NAME: &str = "adapter-try";
const EVENT: &str = "ADAPTER_TRY";

/// How long to wait before looking again whether a live try has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What it came to.
struct Outcome {
    entry: Option<Entry>,
    failure: Option<RunFailure>,
}

/// Tries an action.
pub(super) async fn run(
    args: &Try,
    known: Known,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let Some(uses) = ActionRef::parse(&args.uses) else {
        let detail = format!("`{}` names no action", args.uses);
        return Err(Failed::usage(detail, "write `adapter/action`, as in `slack/post_message`"));
    };
    let (adapter, action) = known.catalog.action(&uses).map_err(not_there)?;
    let input = input(args, &action)?;
    action.upgraded(input.clone()).map_err(|failure| {
        let said = Said { detail: failure.message, hint: failure.hint };
        Failed::Refused(Refused { status: 422, code: Some(failure.code), said })
    })?;
    if args.live && action.destructive && !args.yes {
        confirm(&uses, output).await?;
    }
    let (loaded, assembled) = step(args, known, &uses, &input)?;
    if args.live {
        let engine = project::apart(loaded, assembled, options).await?;
        let outcome = live(&engine, input).await?;
        return told(&outcome, &[], args, output);
    }
    let event = Staged { arriving: arriving(input), id: None, received_ms: None };
    let now_ms = output.moment.now_ms();
    let rehearsed = stage::play(&assembled.project, &event, &Script::default(), None, now_ms);
    let mut rehearsed = rehearsed.context("the action cannot be rehearsed")?;
    let outcome = Outcome::of(&mut rehearsed);
    let requests = rehearsal::Plan::of(rehearsed, &assembled.project).requests;
    let requests: Vec<PlannedRequest> =
        requests.into_iter().map(|request| veiled(request, &adapter)).collect();
    told(&outcome, &requests, args, output)
}

/// Asks whether what cannot be undone shall be done.
async fn confirm(uses: &ActionRef, output: &Output) -> Result<(), Failed> {
    if output.json || !output.can_ask() {
        let detail = format!("`{uses}` moves money or destroys something, and nobody can be asked");
        return Err(Failed::usage(detail, "give --yes if it shall be sent"));
    }
    match ask::yes(&format!("`{uses}` moves money or destroys something: send it?"), output).await?
    {
        true => Ok(()),
        false => Err(Failed::Declined),
    }
}

/// The input: a file, values by name, or that of the example where nothing is sent.
fn input(args: &Try, action: &Action) -> Result<Json, Failed> {
    if let Some(file) = &args.input {
        let (name, text) = file_text(file)?;
        return Json::parse(text).map_err(|error| {
            Failed::usage(format!("{name} is no JSON: {error}"), "write the input as JSON")
        });
    }
    if args.values.is_empty() {
        return match &action.example {
            Some(example) if !args.live => Ok(example.input.clone()),
            _ => {
                Json::parse("{}".to_owned()).context("an empty object is JSON").map_err(Into::into)
            }
        };
    }
    let mut input = Value::Object(Map::new());
    for pair in &args.values {
        let Some((name, text)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let hint = "write `name=value`; a value that is JSON is taken as that, else as text";
            return Err(Failed::usage(format!("`{pair}` is no value by its name"), hint));
        };
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        put(&mut input, name, value)
            .map_err(|why| Failed::usage(format!("`{pair}`: {why}"), "name each value once"))?;
    }
    Json::from_serialize(&input).context("the input is JSON").map_err(Into::into)
}

/// Puts a value where a name with dots leads.
fn put(input: &mut Value, name: &str, value: Value) -> Result<(), String> {
    let mut place = input;
    for key in name.split('.') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(fields) = place else {
            return Err(format!("what `{key}` would stand in is no object"));
        };
        place = fields.entry(key).or_insert(Value::Null);
    }
    if !place.is_null() {
        return Err("it stands there already".to_owned());
    }
    *place = value;
    Ok(())
}

/// The project with one workflow, whose only step is the action.
fn step(
    args: &Try,
    known: Known,
    uses: &ActionRef,
    input: &Json,
) -> Result<(Loaded, Assembled), Failed> {
    let Some(mut loaded) = known.loaded else {
        let hint = "run it beside a configuration; `postroom init` writes one";
        return Err(Failed::usage("there is no project here", hint));
    };
    // Other workflows may have problems; they are not what is tried.
    loaded.config.workflows = format!(".postroom/{NAME}");
    loaded.config.builtin.clear();
    let connection = args.connection.iter().map(|name| Tree::text(name.as_str()).yaml());
    let connection: String = connection.map(|name| format!("    connection: {name}")).collect();
    let with = with(input)?;
    let text = format!(
        "workflow: {NAME}\non: [{{ event: {EVENT} }}]\nsteps:\n  - id: try\n    uses: {uses}\n\
         {connection}    with: {with}\n    retry: {{ attempts: 1 }}\n"
    );
    let path: PathBuf = loaded.folder.join(&loaded.config.workflows).join("try.yaml");
    let examined = examine_changed(&loaded, &Changed { path: &path, text: &text });
    let mut assembled = examined.assembled.ok_or(examined.problems)?;
    let project = &mut assembled.project;
    project.router =
        Router::new(project.workflows.iter().map(|(_, workflow)| Arc::clone(workflow)).collect());
    Ok((loaded, assembled))
}

/// What the step is given: each value of the event, so that none is taken for an expression.
fn with(input: &Json) -> Result<Value, Failed> {
    let view = input.view();
    let plain =
        |name: &str| !name.contains(['\'', '\\', '{', '}']) && !name.chars().any(char::is_control);
    if view.kind() != postroom_expr::Kind::Object || view.entries().any(|(name, _)| !plain(&name)) {
        let hint = "as under `with` of a step";
        return Err(Failed::usage("the input must be an object with plain names", hint));
    }
    let entry = |name: &str| (name.to_owned(), format!("${{{{ event.data['{name}'] }}}}").into());
    Ok(Value::Object(view.entries().map(|(name, _)| entry(&name)).collect()))
}

fn arriving(input: Json) -> Arriving {
    Arriving {
        source: NAME.to_owned(),
        kind: EVENT.to_owned(),
        data: input,
        key: None,
        correlation: None,
        subject: None,
        time_ms: None,
    }
}

/// Sends it, and waits for what comes of it.
async fn live(engine: &Engine, input: Json) -> Result<Outcome, Failed> {
    engine.start();
    let taken = engine.ingest(arriving(input)).await;
    taken.map_err(|rejected| anyhow::anyhow!("the try was not taken: {rejected:?}"))?;
    loop {
        let page = engine.runs(RunFilter { limit: 1, ..RunFilter::default() }).await;
        let page = page.context("the store in memory failed")?;
        let ended = page.rows.into_iter().find(|(run, _)| run.state.ended());
        let Some((run, _)) = ended else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        let details = engine.run(run.id).await.context("the store in memory failed")?;
        let journal = details.map(|details| details.journal).unwrap_or_default();
        return Ok(Outcome { entry: last(journal), failure: run.failure });
    }
}

/// The entry that says how the step ended.
fn last(journal: Vec<Entry>) -> Option<Entry> {
    let ends = [Kind::Done, Kind::Retry, Kind::Failed, Kind::Unknown];
    journal.into_iter().rev().find(|entry| entry.step.is_some() && ends.contains(&entry.kind))
}

impl Outcome {
    fn of(rehearsed: &mut Rehearsed) -> Self {
        let Some(played) = rehearsed.runs.first() else {
            return Self { entry: None, failure: None };
        };
        Self { entry: last(played.journal.clone()), failure: played.run.failure.clone() }
    }

    /// What the answer was taken for, in the word of manifests.
    fn word(&self) -> &'static str {
        match self.entry.as_ref().map(|entry| entry.kind) {
            Some(Kind::Done) => "done",
            Some(Kind::Retry) => "retry",
            Some(Kind::Unknown) => "unknown",
            _ => match self.failure.as_ref().map(|failure| failure.reason) {
                Some(Reason::Exhausted) => "retry",
                Some(Reason::Unknown) => "unknown",
                _ => "refused",
            },
        }
    }
}

/// The request with `***` in place of credentials.
fn veiled(mut request: PlannedRequest, adapter: &Adapter) -> PlannedRequest {
    for (name, value) in &mut request.headers {
        let slot = adapter.auth.iter().find(|slot| slot.header.eq_ignore_ascii_case(name));
        if let Some(slot) = slot {
            let shown = slot.template.replace("{}", "***");
            *value = if slot.basic { "Basic ***".to_owned() } else { shown };
        }
    }
    request
}

fn told(
    outcome: &Outcome,
    requests: &[PlannedRequest],
    args: &Try,
    output: &Output,
) -> Result<(), Failed> {
    let answered = args.live || args.sandbox;
    let failure = outcome.failure.as_ref().map(|it| &it.failure);
    if output.json {
        let sent: Vec<Value> = requests.iter().map(document).collect();
        let mut all = BTreeMap::from([("requests", Value::from(sent))]);
        if answered {
            let entry = outcome.entry.as_ref();
            all.insert("outcome", outcome.word().into());
            let given = entry.and_then(|entry| entry.output.as_ref());
            all.insert("output", given.map_or(Value::Null, |json| value(json.text())));
            all.insert("failure", json!(failure));
            all.insert("request", json!(entry.and_then(|entry| entry.request.as_ref())));
        }
        output.print(&json!(all).to_string())?;
    } else {
        output.print(&text(outcome, requests, args))?;
    }
    if !args.live && !output.json {
        output.say(&output::hint("nothing was sent; --live sends it"));
    }
    match failure {
        Some(failure) if answered || requests.is_empty() => {
            let said = Said { detail: failure.message.clone(), hint: failure.hint.clone() };
            let code = Some(failure.code.clone());
            Err(Failed::Refused(Refused { status: 422, code, said }))
        }
        _ => Ok(()),
    }
}

fn text(outcome: &Outcome, requests: &[PlannedRequest], args: &Try) -> String {
    let mut text = String::new();
    for request in requests {
        text.push_str(&output::heading(&plain(&request.call)));
        text.push_str(&format!("{} {}\n", plain(&request.method), plain(&request.url)));
        for (name, value) in &request.headers {
            text.push_str(&format!("{}: {}\n", plain(name), plain(value)));
        }
        if !request.body.is_empty() {
            text.push('\n');
            text.extend(request.body.lines().map(|line| format!("{}\n", plain(line))));
        }
        text.push('\n');
    }
    if !args.live && !args.sandbox {
        if requests.is_empty() && outcome.failure.is_none() {
            text.push_str("nothing would be sent\n");
        }
        return text;
    }
    let entry = outcome.entry.as_ref();
    if let Some(request) = entry.and_then(|entry| entry.request.as_ref()).filter(|_| args.live) {
        text.push_str(&format!("{}\n", plain(request)));
    }
    if entry.is_some_and(|entry| entry.dry) {
        text.push_str("it was only planned: the connection is `mode: dry`\n");
    }
    text.push_str(&format!("outcome: {}\n", outcome.word()));
    if let Some(json) = entry.and_then(|entry| entry.output.as_ref()) {
        text.push_str(&output::indented(json.text()));
    }
    text
}

fn document(request: &PlannedRequest) -> Value {
    json!({
        "call": request.call,
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "body": request.body,
        "idempotency_key": request.idempotency_key,
    })
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
