//! `plan`: what an event would do, request by request, with nothing sent.

use std::path::Path;

use anyhow::Context as _;
use postroom_core::Event;
use postroom_core::definition::Call;
use postroom_core::run::StepState;
use postroom_engine::Project;
use postroom_engine::rehearsal::{self, Emitted, Origin, PlannedRequest, PlannedRun, Script};

use super::file_text;
use crate::assemble::assemble;
use crate::cli::Plan;
use crate::exit::Failed;
use crate::fixture;
use crate::fixture::event::Staged;
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
    // Whoever is asked and has no answer there says yes: a plan shows what may happen.
    let script = Script { approve: true, ..script };
    let now_ms = match args.now {
        Some(now) => now.as_millisecond(),
        None => event.received_ms.unwrap_or_else(|| output.moment.now_ms()),
    };
    let rehearsed = stage::play(&project, &event, &script, args.workflow.as_deref(), now_ms);
    let rehearsed = rehearsed.context("the event cannot be planned")?;
    let plan = rehearsal::Plan::of(rehearsed, &project);
    match output.json {
        true => output.print(&serde_json::to_string(&plan).context("cannot write the plan")?),
        false => output.print(&shown(&plan, output)),
    }
}

fn answers(file: &Path, project: &Project) -> Result<Script, Failed> {
    let text = config::read(file)?;
    Ok(fixture::read_answers(&file.display().to_string(), &text, project)?)
}

/// A plan as a person reads it.
pub(super) fn shown(plan: &rehearsal::Plan, output: &Output) -> String {
    let mut text = header(&plan.event, output);
    text.push_str(&output::heading("\nworkflows"));
    let rows = plan.workflows.iter().map(|verdict| {
        let word = if verdict.starts { "starts" } else { "does not start" };
        vec![cell(&verdict.workflow), cell(word), cell(&verdict.why)]
    });
    text.push_str(&output.table(&[], rows.collect()));
    for run in &plan.runs {
        text.push_str(&output::heading(&format!("\n{}", plain(&run.workflow))));
        let rows = run.steps.iter().map(|step| {
            let tries = if step.state == StepState::Skipped { 0 } else { step.attempts };
            vec![cell(&step.id), state(step.state.name()), cell(times(tries)), cell(&step.why)]
        });
        text.push_str(&output.table(&["STEP", "BECOMES", "TRIES", "WHY"], rows.collect()));
        let end = state(run.state.name()).content();
        text.push_str(&format!("the run ends {end}{}\n", why_dead(run)));
    }
    text.push_str(&leaves(plan));
    let dry = plan.requests.iter().filter(|made| made.dry).count();
    let (sent, emits) = (plan.requests.len() - dry, plan.emits.len());
    text.push_str(&match (sent, dry, emits) {
        (0, 0, 0) => "\nnothing would be sent\n".to_owned(),
        (sent, 0, 0) => format!("\n{} would be sent; nothing was\n", counted(sent, "request")),
        (sent, 0, emits) => format!(
            "\n{} and {} would leave; nothing did\n",
            counted(sent, "request"),
            counted(emits, "event")
        ),
        (sent, dry, emits) => format!(
            "\n{} and {} would leave, {dry} only planned by `mode: dry`; nothing did\n",
            counted(sent, "request"),
            counted(emits, "event")
        ),
    });
    text
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Everything that leaves a step, in order: requests and events.
fn leaves(plan: &rehearsal::Plan) -> String {
    let (mut text, mut number) = (String::new(), 0);
    let mut emits = plan.emits.iter().peekable();
    for at in 0..=plan.requests.len() {
        while let Some(emitted) = emits.next_if(|emitted| emitted.after <= at) {
            number += 1;
            text.push_str(&event(number, emitted, &plan.event));
        }
        if let Some(made) = plan.requests.get(at) {
            number += 1;
            text.push_str(&request(number, made, &plan.event));
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

fn why_dead(run: &PlannedRun) -> String {
    let why = super::runs::ended_by(run.failure.as_ref());
    if why.is_empty() { why } else { format!(": {}", plain(&why)) }
}

fn request(number: usize, made: &PlannedRequest, event: &Event) -> String {
    let mut about = format!("{}/{}", made.workflow, made.step);
    if made.several {
        about.push_str(&format!("/{}", made.call));
    }
    if made.attempt > 1 {
        about.push_str(&format!(", try {}", made.attempt));
    }
    about.push_str(&after(made.at_ms, event));
    let mut text = output::heading(&format!("\n{number}. {}", plain(&about)));
    text.push_str(&format!("{} {}\n", plain(&made.method), plain(&made.url)));
    for (name, value) in &made.headers {
        text.push_str(&format!("{}: {}\n", plain(name), plain(value)));
    }
    if !made.body.is_empty() {
        text.push('\n');
        text.extend(made.body.lines().map(|line| format!("{}\n", plain(line))));
    }
    let said = match made.assumed.from {
        Origin::Script => "as the answers say",
        Origin::Example => "the example of the adapter",
        Origin::Nowhere => "no answer is known; `plan --answers` gives one",
    };
    text.push_str(&format!("-> {} ({said})\n", plain(&made.assumed.answer)));
    if made.dry {
        text.push_str("a live run would only plan this, by `mode: dry`\n");
    }
    text
}
