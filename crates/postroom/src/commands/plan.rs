//! `plan`: what an event would do, request by request, with nothing sent.

use std::path::Path;

use anyhow::Context as _;
use postroom_core::Event;
use postroom_core::run::StepState;
use postroom_engine::Project;
use postroom_engine::rehearsal::{self, Origin, PlannedRequest, PlannedRun, Script};

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
    for (index, made) in plan.requests.iter().enumerate() {
        text.push_str(&request(index + 1, made, &plan.event));
    }
    let dry = plan.requests.iter().filter(|made| made.dry).count();
    text.push_str(&match (plan.requests.len() - dry, dry) {
        (0, 0) => "\nnothing would be sent\n".to_owned(),
        (1, 0) => "\n1 request would be sent; nothing was\n".to_owned(),
        (count, 0) => format!("\n{count} requests would be sent; nothing was\n"),
        (sent, dry) => {
            format!("\n{sent} would be sent, {dry} only planned by `mode: dry`; nothing was\n")
        }
    });
    text
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
    let wait_ms = u64::try_from(made.at_ms - event.received_ms).unwrap_or(0);
    if wait_ms > 0 {
        about.push_str(&format!(", after {}", span(wait_ms)));
    }
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
