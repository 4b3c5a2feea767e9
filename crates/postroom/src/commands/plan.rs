//! `plan`: what an event would do, request by request, with nothing sent.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use postroom_core::definition::Call;
use postroom_core::journal::Kind;
use postroom_core::run::StepState;
use postroom_core::{Entry, Event};
use postroom_engine::Project;
use postroom_engine::rehearsal::{Emitted, Gives, Made, Origin, Played, Rehearsed, Script};
use serde_json::{Value, json};

use super::file_text;
use crate::assemble::assemble;
use crate::cli::Plan;
use crate::exit::Failed;
use crate::fixture::event::Staged;
use crate::fixture::{self, lost_word};
use crate::output::moment::span;
use crate::output::{self, Output, cell, plain, state};
use crate::{config, home, stage};

/// Plays an event and prints what would be sent.
pub(super) fn run(args: &Plan, options: &home::Options, output: &Output) -> Result<(), Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let project = assemble(&loaded)?.project;
    if let Some(problem) =
        args.workflow.as_deref().and_then(|n| fixture::unknown_workflow(n, &project))
    {
        return Err(Failed::Problems(vec![problem]));
    }
    let (name, text) = file_text(&args.event)?;
    let event = Staged::of_json(text.as_bytes()).map_err(|why| {
        let hint = "an event looks like {\"event\": \"ORDER_PAID\", \"payload\": {}}";
        Failed::usage(format!("{name} is no event: {why}"), hint)
    })?;
    let script = match &args.answers {
        Some(file) => answers(file, &project)?,
        None => Script::default(),
    };
    let now_ms = match args.now {
        Some(now) => now.as_millisecond(),
        None => event.received_ms.unwrap_or_else(|| output.moment.now_ms()),
    };
    let rehearsed = stage::play(&project, &event, &script, args.workflow.as_deref(), now_ms);
    let rehearsed = rehearsed.context("the event cannot be planned")?;
    match output.json {
        true => output.print(&document(&rehearsed, &project).to_string()),
        false => output.print(&shown(&rehearsed, &project, output)),
    }
}

fn answers(file: &Path, project: &Project) -> Result<Script, Failed> {
    let text = config::read(file)?;
    Ok(fixture::read_answers(&file.display().to_string(), &text, project)?)
}

fn document(rehearsed: &Rehearsed, project: &Project) -> Value {
    let runs = rehearsed.runs.iter().map(|played| {
        let steps = steps(played, &rehearsed.requests, project).into_iter();
        let steps = steps.map(|Step { id, state, attempts, why }| {
            json!({ "id": id, "state": state, "attempts": attempts, "why": why })
        });
        json!({
            "id": played.run.id,
            "workflow": played.run.workflow,
            "state": played.run.state.name(),
            "failure": played.run.failure,
            "steps": steps.collect::<Vec<_>>(),
        })
    });
    let requests = rehearsed.requests.iter().map(|made| {
        let headers = made.request.headers.iter().map(|(name, value)| json!([name, value]));
        json!({
            "at_ms": made.at_ms,
            "run": made.run,
            "workflow": made.workflow,
            "step": made.step,
            "call": made.call,
            "attempt": made.attempt,
            "method": made.request.method,
            "url": made.request.url,
            "headers": headers.collect::<Vec<_>>(),
            "body": String::from_utf8_lossy(&made.request.body),
            "idempotency_key": made.request.idempotency_key,
            "assumed": { "from": origin(made.origin), "answer": answer(&made.gives) },
        })
    });
    let emits = rehearsed.emits.iter().map(|emitted| {
        json!({
            "after_requests": emitted.after,
            "run": emitted.run,
            "workflow": emitted.workflow,
            "step": emitted.step,
            "event": emitted.event,
            "starts": emitted.starts,
            "repetition": emitted.repetition,
        })
    });
    json!({
        "event": rehearsed.event,
        "workflows": rehearsed.verdicts,
        "runs": runs.collect::<Vec<_>>(),
        "requests": requests.collect::<Vec<_>>(),
        "emits": emits.collect::<Vec<_>>(),
    })
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Script => "answers",
        Origin::Example => "example",
        Origin::Nowhere => "nowhere",
    }
}

/// An assumed answer in a few words.
fn answer(gives: &Gives) -> String {
    match gives {
        Gives::Response(response) => response.status.to_string(),
        Gives::Result(_) => "result".to_owned(),
        Gives::Lost(lost) => lost_word(*lost).to_owned(),
    }
}

fn shown(rehearsed: &Rehearsed, project: &Project, output: &Output) -> String {
    let mut text = header(&rehearsed.event, output);
    text.push_str(&output::heading("\nworkflows"));
    let rows = rehearsed.verdicts.iter().map(|verdict| {
        let word = if verdict.starts { "starts" } else { "does not start" };
        vec![cell(&verdict.workflow), cell(word), cell(&verdict.why)]
    });
    text.push_str(&output.table(&[], rows.collect()));
    for played in &rehearsed.runs {
        text.push_str(&output::heading(&format!("\n{}", plain(&played.run.workflow))));
        let rows = steps(played, &rehearsed.requests, project).into_iter().map(|step| {
            let tries = if step.state == "skipped" { 0 } else { step.attempts };
            vec![cell(step.id), state(&step.state), cell(times(tries)), cell(step.why)]
        });
        text.push_str(&output.table(&["STEP", "BECOMES", "TRIES", "WHY"], rows.collect()));
        let end = state(played.run.state.name()).content();
        text.push_str(&format!("the run ends {end}{}\n", why_dead(played)));
    }
    text.push_str(&leaves(rehearsed));
    text.push_str(&match (rehearsed.requests.len(), rehearsed.emits.len()) {
        (0, 0) => "\nnothing would be sent\n".to_owned(),
        (requests, 0) => {
            format!("\n{} would be sent; nothing was\n", counted(requests, "request"))
        }
        (requests, events) => format!(
            "\n{} and {} would leave; nothing did\n",
            counted(requests, "request"),
            counted(events, "event")
        ),
    });
    text
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Everything that leaves a step, in order: requests and events.
fn leaves(rehearsed: &Rehearsed) -> String {
    let (mut text, mut number) = (String::new(), 0);
    let mut emits = rehearsed.emits.iter().peekable();
    for at in 0..=rehearsed.requests.len() {
        while let Some(emitted) = emits.next_if(|emitted| emitted.after <= at) {
            number += 1;
            text.push_str(&event(number, emitted, &rehearsed.event));
        }
        if let Some(made) = rehearsed.requests.get(at) {
            number += 1;
            text.push_str(&request(number, made, &rehearsed.event));
        }
    }
    text
}

fn event(number: usize, emitted: &Emitted, first: &Event) -> String {
    let Emitted { event, workflow, step, .. } = emitted;
    let mut about = format!("{workflow}/{step}");
    about.push_str(&after(event.received_ms, first));
    let mut text = output::heading(&format!("\n{number}. {}", plain(&about)));
    text.push_str(&match event.source == Call::SOURCE {
        true => format!("calls {}\n", plain(&emitted.starts.join(", "))),
        false => format!("emits {}\n", plain(&event.kind)),
    });
    text.extend(event.key.as_ref().map(|key| format!("key: {}\n", plain(key))));
    text.push('\n');
    text.push_str(&output::indented(event.data.text()));
    text.push_str(&match (emitted.repetition, emitted.starts.as_slice()) {
        (true, _) => "-> a repetition by its key: not written down\n".to_owned(),
        (false, []) => "-> starts no run\n".to_owned(),
        (false, starts) => format!("-> starts {}\n", plain(&starts.join(", "))),
    });
    text
}

/// How long after the event something happens, if not at once.
fn after(at_ms: i64, event: &Event) -> String {
    match u64::try_from(at_ms - event.received_ms) {
        Ok(wait_ms @ 1..) => format!(", after {}", span(wait_ms)),
        _ => String::new(),
    }
}

fn header(event: &Event, output: &Output) -> String {
    let rows = vec![
        super::field("event", format!("{} from {}", event.kind, event.source)),
        super::field("id", event.id.to_string()),
        super::field("at", output.moment.exact(event.received_ms)),
        super::field("key", event.key.as_deref().unwrap_or("none")),
    ];
    output.table(&[], rows)
}

fn times(attempts: u32) -> String {
    if attempts == 0 { String::new() } else { attempts.to_string() }
}

fn why_dead(played: &Played) -> String {
    let why = super::runs::why(&played.run);
    if why.is_empty() { why } else { format!(": {}", plain(&why)) }
}

fn request(number: usize, made: &Made, event: &Event) -> String {
    let mut about = format!("{}/{}", made.workflow, made.step);
    if made.several {
        about.push_str(&format!("/{}", made.call));
    }
    if made.attempt > 1 {
        about.push_str(&format!(", try {}", made.attempt));
    }
    about.push_str(&after(made.at_ms, event));
    let request = &made.request;
    let mut text = output::heading(&format!("\n{number}. {}", plain(&about)));
    text.push_str(&format!("{} {}\n", plain(&request.method), plain(&request.url)));
    for (name, value) in &request.headers {
        text.push_str(&format!("{}: {}\n", plain(name), plain(value)));
    }
    if !request.body.is_empty() {
        let body = String::from_utf8_lossy(&request.body);
        text.push('\n');
        text.extend(body.lines().map(|line| format!("{}\n", plain(line))));
    }
    let said = match made.origin {
        Origin::Script => "as the answers say",
        Origin::Example => "the example of the adapter",
        Origin::Nowhere => "no answer is known: give one with --answers",
    };
    text.push_str(&format!("-> {} ({said})\n", answer(&made.gives)));
    text
}

/// What becomes of a step, and why.
struct Step {
    id: String,
    state: String,
    attempts: u32,
    why: String,
}

fn steps(played: &Played, requests: &[Made], project: &Project) -> Vec<Step> {
    let workflow = &played.workflow;
    let failed = played.run.failure.as_ref().and_then(|failure| failure.step.as_deref());
    let known = workflow.steps.iter().zip(&played.run.steps).enumerate();
    let step = |(index, (step, at)): (usize, (&postroom_core::definition::Step, _))| {
        let at: &postroom_core::run::StepRun = at;
        let state = serde_json::to_value(at.state).ok();
        let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or_default();
        let source = step.condition.as_ref().map_or("", |condition| condition.source());
        let entry = last(played, &step.id);
        let why = match at.state {
            StepState::Skipped => format!("its `if` is false: {source}"),
            StepState::Pending if index >= workflow.main_steps => "no step failed".to_owned(),
            StepState::Pending => match failed {
                Some(failed) => format!("not reached: `{failed}` failed"),
                None => "not reached".to_owned(),
            },
            StepState::Failed | StepState::Unknown => {
                let failure = entry.and_then(|entry| entry.failure.as_ref());
                failure.map_or_else(String::new, |f| format!("{}: {}", f.code, f.message))
            }
            _ => {
                let holds = (!source.is_empty()).then(|| format!("its `if` is true: {source}"));
                let unmade = unmade(played, step, requests, project);
                [holds, unmade].into_iter().flatten().collect::<Vec<_>>().join("; ")
            }
        };
        Step { id: step.id.clone(), state: state.to_owned(), attempts: at.attempts, why }
    };
    known.map(step).collect()
}

/// The last thing that happened to a step.
fn last<'a>(played: &'a Played, step: &str) -> Option<&'a Entry> {
    let ended = [Kind::Failed, Kind::Unknown];
    let mut entries = played.journal.iter().rev();
    entries.find(|entry| entry.step.as_deref() == Some(step) && ended.contains(&entry.kind))
}

/// The calls of a step that ended well without making them all.
fn unmade(
    played: &Played,
    step: &postroom_core::definition::Step,
    requests: &[Made],
    project: &Project,
) -> Option<String> {
    let (_, action) = project.catalog.action(&step.act()?.uses).ok()?;
    let own = requests.iter().filter(|made| made.run == played.run.id && made.step == step.id);
    let made: BTreeSet<&str> = own.map(|made| made.call.as_str()).collect();
    let calls = action.calls.iter().map(|call| call.id.as_str());
    let unmade: Vec<&str> = calls.filter(|call| !made.contains(call)).collect();
    (!unmade.is_empty())
        .then(|| format!("without the call {}: its `if` is false", unmade.join(", ")))
}
