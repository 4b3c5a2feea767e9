//! A run as a person reads it: what it works on, what it did and when, what went wrong, what to
//! do next.

use comfy_table::Cell;
use postroom_core::journal::Kind;
use postroom_core::run::{Run, RunState};
use postroom_core::{Entry, Json};
use serde::Deserialize;

use super::lineage::Lineage;
use super::{field, read, runs};
use crate::exit::Failed;
use crate::output::moment::span;
use crate::output::{self, Output, cell, plain, state};

/// What stands beside the run's own fields.
#[derive(Deserialize)]
struct Beside {
    correlation: String,
    event_type: String,
    event_source: String,
    event_data: Json,
    journal: Vec<Entry>,
    #[serde(default)]
    output: Option<Json>,
    #[serde(flatten)]
    lineage: Lineage,
}

/// The text of a run, from the API's answer.
pub(super) fn run(body: &[u8], output: &Output) -> Result<String, Failed> {
    let run: Run = read(body)?;
    let beside: Beside = read(body)?;
    let mut text = output::heading(&run.id.to_string());
    text.push_str(&output.table(&[], fields(&run, &beside, output)));
    section(&mut text, "event data", &output::indented(beside.event_data.text()));
    let head = ["TIME", "STEP", "ATTEMPT", "OUTCOME", "TOOK", "DETAIL"];
    let rows: Vec<_> = beside.journal.iter().map(|entry| row(entry, output)).collect();
    let journal = match rows.is_empty() {
        true => "nothing happened yet\n".to_owned(),
        false => output.table(&head, rows),
    };
    section(&mut text, "journal", &journal);
    for (name, body) in beside.lineage.sections(output) {
        section(&mut text, name, &body);
    }
    if let Some(result) = &beside.output {
        let name = if run.dry { "output, not of a provider's real answers" } else { "output" };
        section(&mut text, name, &output::indented(result.text()));
    }
    if run.state == RunState::Sleeping && asks(&beside.journal) {
        let id = run.id;
        let next = format!(
            "answer with `postroom approvals approve {id}` or `postroom approvals reject {id}`"
        );
        text.push('\n');
        text.push_str(&output::hint(&next));
        text.push('\n');
    }
    if run.state == RunState::Dead {
        let id = run.id;
        let next = format!(
            "send it out again with `postroom dlq redrive {id}`, or end it with \
             `postroom dlq discard {id}`"
        );
        text.push('\n');
        text.push_str(&output::hint(&next));
        text.push('\n');
    }
    Ok(text)
}

/// Whether a question was asked and not answered.
fn asks(journal: &[Entry]) -> bool {
    let open = |(place, asked): (usize, &Entry)| {
        let answered = |entry: &Entry| entry.step == asked.step && matches!(entry.kind, Kind::Done);
        asked.ask.is_some() && !journal[place..].iter().any(answered)
    };
    journal.iter().enumerate().any(open)
}

fn section(text: &mut String, name: &str, body: &str) {
    text.push('\n');
    text.push_str(&output::heading(name));
    text.push_str(body);
}

fn fields(run: &Run, beside: &Beside, output: &Output) -> Vec<Vec<Cell>> {
    let moment = &output.moment;
    let mut fields = vec![
        vec![field("state", "").swap_remove(0), runs::state_of(run)],
        field("workflow", format!("{} {}", run.workflow, run.definition)),
        field("event", format!("{} {} from {}", run.event, beside.event_type, beside.event_source)),
        field("correlation", &beside.correlation),
        field("key", &run.key),
        field("created", moment.both(run.created_ms)),
    ];
    if run.dry {
        fields.push(field("dry", "what is planned in the journal was not done, by `mode: dry`"));
    }
    fields.extend(beside.lineage.field());
    fields.extend(run.due_ms.map(|at_ms| field("due", moment.both(at_ms))));
    if let Some(at_ms) = run.finished_ms {
        let took = span(at_ms.abs_diff(run.created_ms));
        fields.push(field("ended", format!("{} after {took}", moment.both(at_ms))));
    }
    match run.redrives {
        0 => {}
        1 => fields.push(field("redriven", "once")),
        times => fields.push(field("redriven", format!("{times} times"))),
    }
    if let Some(failure) = &run.failure {
        let at = failure.step.as_deref().map(|step| format!(" at step {step}"));
        fields
            .push(field("reason", format!("{}{}", failure.reason.name(), at.unwrap_or_default())));
    }
    fields
}

fn row(entry: &Entry, output: &Output) -> Vec<Cell> {
    let kind = serde_json::to_value(entry.kind).ok();
    let kind = match kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or("?") {
        "done" | "called" if entry.dry => "planned",
        kind => kind,
    };
    vec![
        cell(output.moment.exact(entry.at_ms)),
        cell(entry.label()),
        // Beginning to wait is no try.
        cell(entry.attempt.filter(|tries| *tries > 0).map(|t| t.to_string()).unwrap_or_default()),
        state(kind),
        cell(entry.took_ms.map(span).unwrap_or_default()),
        Cell::new(detail(entry, output)),
    ]
}

/// What else an entry says, a line each.
fn detail(entry: &Entry, output: &Output) -> String {
    let mut lines = Vec::new();
    let mut about: Vec<&str> = Vec::new();
    about.extend(entry.call.as_deref());
    about.extend(entry.request.as_deref());
    about.extend(entry.sandbox.then_some("[sandbox]"));
    about.extend(match entry.planned {
        Some(_) => Some("[planned, not sent]"),
        None => entry.dry.then_some("[dry]"),
    });
    if !about.is_empty() {
        lines.push(about.join(" "));
    }
    if let Some(planned) = entry.planned.as_ref().filter(|planned| !planned.body.is_empty()) {
        let more = if planned.cut { " ..." } else { "" };
        lines.push(format!("body: {}{more}", planned.body));
    }
    if let Some(failure) = &entry.failure {
        let status = failure.status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
        lines.push(format!("{}: {}{status}", failure.code, failure.message));
        lines.extend(failure.hint.as_ref().map(|hint| format!("hint: {hint}")));
    }
    lines.extend(entry.ask.clone());
    lines.extend(entry.child.map(|run| format!("for {run}")));
    lines.extend(entry.due_ms.map(|at_ms| {
        let again = if entry.kind == Kind::Waits { "at the latest" } else { "again" };
        let wait = u64::try_from(at_ms - entry.at_ms).map_or_else(|_| "0 ms".to_owned(), span);
        format!("{again} after {wait}, at {}", output.moment.exact(at_ms))
    }));
    if let Some(actor) = &entry.actor {
        let note = entry.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        lines.push(format!("by {actor}{note}"));
    }
    let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::output::moment::tests::NOON_MS;
    use crate::output::tests::still;

    const RUN: &str = "run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b";
    const EVENT: &str = "evt_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b";

    fn shown(state: &str, failure: &str, journal: &str, output: &str) -> String {
        let definition = "0".repeat(32);
        let body = format!(
            r#"{{"id":"{RUN}","event":"{EVENT}","workflow":"tell","definition":"{definition}",
            "key":"k","state":"{state}","created_ms":{NOON_MS},"due_ms":null,
            "finished_ms":{},"steps":[],"failure":{failure},"redrives":1,
            "correlation":"c","event_type":"A","event_source":"ingest",
            "event_data":{{}},"journal":[{journal}]{output}}}"#,
            NOON_MS + 1_500
        );
        strip_str(&run(body.as_bytes(), &still()).unwrap()).to_string()
    }

    #[test]
    fn a_dead_run_says_what_happened_and_what_to_do() {
        let journal = format!(
            r##"{{"at_ms":{NOON_MS},"kind":"called","step":"post","call":"find","took_ms":12,
            "request":"GET https://slack.test/find","sandbox":true}},
            {{"at_ms":{NOON_MS},"kind":"retry","step":"post","attempt":1,"due_ms":{},
            "failure":{{"code":"ratelimited","message":"slow \u001b[2J down","status":429,
            "hint":"wait"}}}},
            {{"at_ms":{},"kind":"dead"}},
            {{"at_ms":{},"kind":"redriven","actor":"ann","note":"mended"}}"##,
            NOON_MS + 2_000,
            NOON_MS + 1_500,
            NOON_MS + 1_500,
        );
        let failure = r#"{"reason":"exhausted","step":"post",
            "failure":{"code":"ratelimited","message":"slow down"}}"#;
        let definition = "0".repeat(32);
        let expected = format!(
            "{RUN}
state        dead
workflow     tell {definition}
event        {EVENT} A from ingest
correlation  c
key          k
created      2026-11-03 12:00:00.000 +00:00 (now)
ended        2026-11-03 12:00:01.500 +00:00 (in 2 s) after 1.50 s
redriven     once
reason       exhausted at step post

event data
{{}}

journal
TIME                            STEP  ATTEMPT  OUTCOME   TOOK   DETAIL
2026-11-03 12:00:00.000 +00:00  post           called    12 ms  find GET https://slack.test/find [sandbox]
2026-11-03 12:00:00.000 +00:00  post  1        retry            ratelimited: slow \\u{{1b}}[2J down (HTTP 429)
                                                                hint: wait
                                                                again after 2.00 s, at 2026-11-03 12:00:02.000 +00:00
2026-11-03 12:00:01.500 +00:00                 dead
2026-11-03 12:00:01.500 +00:00                 redriven         by ann: mended

hint: send it out again with `postroom dlq redrive {RUN}`, or end it with `postroom dlq discard {RUN}`
"
        );
        assert_eq!(shown("dead", failure, &journal, ""), expected);
    }

    #[test]
    fn a_run_that_succeeded_shows_its_output() {
        let text = shown("succeeded", "null", "", r#","output":{"ts":"1.0"}"#);
        assert!(text.contains("\njournal\nnothing happened yet\n"), "{text}");
        assert!(text.ends_with("\noutput\n{\n  \"ts\": \"1.0\"\n}\n"), "{text}");
        assert!(!text.contains("hint"), "{text}");
    }

    #[test]
    fn what_was_only_planned_is_never_shown_as_done() {
        let journal = format!(
            r##"{{"at_ms":{NOON_MS},"kind":"done","step":"post","attempt":1,"dry":true,
            "request":"POST https://slack.test/","planned":{{"body":"{{}}","cut":true}}}}"##
        );
        let text = shown("succeeded", "null", &journal, r#","dry":true,"output":{"ts":"1.0"}"#);
        for said in [
            "state        succeeded (dry)\n",
            "dry          what is planned in the journal was not done, by `mode: dry`\n",
            "planned",
            "POST https://slack.test/ [planned, not sent]\n",
            "body: {} ...\n",
            "\noutput, not of a provider's real answers\n",
        ] {
            assert!(text.contains(said), "{said:?} is not in\n{text}");
        }
        assert!(!text.contains("done "), "{text}");
    }
}
