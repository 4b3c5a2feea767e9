//! `adapter show`: all that is known of an adapter or of one of its actions.

use std::sync::Arc;

use postroom_adapters::{Action, Adapter, Catalog};
use postroom_core::definition::ActionRef;
use serde_json::{Value, json};

use super::super::field;
use super::fields::{self, Field};
use super::{Known, list, not_there, page, words};
use crate::exit::Failed;
use crate::output::{self, Output, cell, plain};

/// Shows what a name stands for: an adapter, an action, or a version of one.
pub(super) fn run(
    name: &str,
    markdown: bool,
    known: &Known,
    output: &Output,
) -> Result<(), Failed> {
    let catalog = &known.catalog;
    if let Some(uses) = ActionRef::parse(name) {
        let (adapter, action) = catalog.action(&uses).map_err(not_there)?;
        return match (output.json, markdown) {
            (true, _) => output.print(&document(&action).to_string()),
            (false, true) => output.print(&page::action(&adapter, &action)),
            (false, false) => output.print(&of_action(&adapter, &action, output)),
        };
    }
    let adapter = super::adapter(name, catalog)?;
    match (output.json, markdown) {
        (true, _) => output.print(&whole(&adapter, catalog).to_string()),
        (false, true) => output.print(&page::adapter(&adapter, &known.manifest(&adapter)?)),
        (false, false) => output.print(&of_adapter(&adapter, catalog, output)),
    }
}

fn of_adapter(adapter: &Adapter, catalog: &Catalog, output: &Output) -> String {
    let mut rows = vec![
        field("title", &adapter.title),
        field("docs", &adapter.docs_url),
        field("from", list::origin(adapter, catalog)),
    ];
    rows.extend(adapter.base_url.iter().map(|url| field("base URL", url)));
    rows.extend(adapter.auth.iter().map(|it| field("sends", words::header(it))));
    rows.extend(words::settings(adapter).map(|settings| field("settings", settings)));
    rows.extend(words::limits(adapter).map(|limits| field("limits", limits)));
    let webhook = if adapter.webhook.is_some() { "yes" } else { "no" };
    rows.push(field("webhook", webhook));
    let mut text = output.table(&[], rows);
    if !adapter.credentials.is_empty() {
        text.push('\n');
        let rows = adapter.credentials.iter().map(|it| {
            let needed = if it.required { "yes" } else { "no" };
            vec![cell(&it.name), cell(&it.env), cell(needed), cell(&it.summary)]
        });
        let head = ["CREDENTIAL", "VARIABLE", "NEEDED", "WHAT IT IS"];
        text.push_str(&output.table(&head, rows.collect()));
    }
    text.push('\n');
    let rows = adapter.actions.iter().map(|action| {
        let said = match &action.deprecated {
            Some(said) => format!("deprecated since {}: {}", said.since, said.note),
            None => action.summary.clone(),
        };
        let repeating = action.repeating().word();
        vec![cell(format!("{action}@{}", action.version)), cell(repeating), cell(said)]
    });
    text.push_str(&output.table(&["ACTION", "IDEMPOTENCY", "WHAT IT DOES"], rows.collect()));
    text
}

fn of_action(adapter: &Adapter, action: &Action, output: &Output) -> String {
    let mut text = output::heading(&plain(&format!("{action}@{}", action.version)));
    text.push_str(&format!("{}\n\n", plain(&action.summary)));
    let mut rows = Vec::new();
    if let Some(said) = &action.deprecated {
        let instead = said.instead.as_ref().map(|uses| format!("; use {uses}"));
        let told = format!(
            "since {}: {}{}",
            said.since,
            said.note.trim_end_matches('.'),
            instead.unwrap_or_default()
        );
        rows.push(field("deprecated", told));
    }
    if action.becomes.is_some() {
        let newer = format!("{action}@{}", action.performer().version);
        rows.push(field("performed by", newer));
    }
    let destructive = if action.destructive { "yes: a step needs a guard" } else { "no" };
    rows.push(field("destructive", destructive));
    rows.push(field("repeated", words::repeating(action)));
    for call in &action.performer().calls {
        let told = format!("{} ({})", call.line(), call.idempotency.word());
        rows.push(field(&format!("call {}", call.id), told));
    }
    let others = adapter.actions.iter().filter(|it| it.name == action.name);
    let others: Vec<String> = others.map(|it| it.version.to_string()).collect();
    rows.push(field("versions", others.join(", ")));
    text.push_str(&output.table(&[], rows));
    text.push_str(&contract("input", &action.input, output));
    text.push_str(&contract("output", &action.output, output));
    if let Some(step) = words::step(adapter, action) {
        text.push_str(&output::heading("\nas a step"));
        text.extend(step.lines().map(|line| format!("{}\n", plain(line))));
    }
    let failures = &action.performer().failures;
    if !failures.is_empty() {
        text.push('\n');
        let rows = failures.iter().map(|it| {
            let after =
                it.after_ms.map(|ms| format!(", after {}", words::length(ms))).unwrap_or_default();
            let code = it.code.as_deref().unwrap_or_default();
            vec![cell(&it.name), cell(format!("{}{after}", it.outcome.word())), cell(code)]
        });
        let head = ["KNOWN FAILURE", "COMES TO", "CODE"];
        text.push_str(&output.table(&head, rows.collect()));
    }
    text
}

fn contract(what: &str, schema: &Value, output: &Output) -> String {
    let mut text = output::heading(&format!("\n{what}"));
    let fields = fields::of(schema);
    if fields.is_empty() {
        text.push_str(&format!("{}\n", fields::kind(schema)));
        return text;
    }
    let row = |field: &Field| {
        let last = field.path.rsplit('.').next().unwrap_or(&field.path);
        let name = format!("{}{last}", "  ".repeat(field.depth));
        let needed = fields::needed(what, field);
        vec![cell(name), cell(needed), cell(&field.kind), cell(&field.about)]
    };
    text.push_str(&output.table(&[], fields.iter().map(row).collect()));
    text
}

fn whole(adapter: &Arc<Adapter>, catalog: &Catalog) -> Value {
    json!({
        "name": adapter.name,
        "title": adapter.title,
        "docs": adapter.docs_url,
        "own": catalog.is_own(&adapter.name),
        "file": adapter.file,
        "base_url": adapter.base_url,
        "auth": adapter.auth.iter().map(words::header).collect::<Vec<_>>(),
        "credentials": adapter.credentials.iter().map(|it| json!({
            "name": it.name, "env": it.env, "required": it.required, "summary": it.summary,
        })).collect::<Vec<_>>(),
        "limits": adapter.limits.iter().map(|it| json!({
            "requests": it.requests, "window_ms": it.window_ms,
        })).collect::<Vec<_>>(),
        "webhook": adapter.webhook.is_some(),
        "actions": adapter.actions.iter().map(|it| document(it)).collect::<Vec<_>>(),
    })
}

fn document(action: &Action) -> Value {
    let calls = action.performer().calls.iter();
    let failures = action.performer().failures.iter();
    json!({
        "name": action.name,
        "version": action.version,
        "summary": action.summary,
        "destructive": action.destructive,
        "deprecated": action.deprecated.as_ref().map(|said| json!({
            "since": said.since,
            "use": said.instead.as_ref().map(ToString::to_string),
            "note": said.note,
        })),
        "becomes": action.becomes.as_ref().map(|becomes| becomes.action.version),
        "idempotency": action.repeating().word(),
        "input": action.input,
        "output": action.output,
        "calls": calls.map(|call| json!({
            "id": call.id,
            "request": call.line(),
            "idempotency": call.idempotency.word(),
            "by_input": call.repeats_by_input(),
        })).collect::<Vec<_>>(),
        "example": action.example.as_ref().map(|example| json!({
            "input": value(&example.input), "output": value(&example.output),
        })),
        "failures": failures.map(|it| json!({
            "name": it.name, "outcome": it.outcome.word(), "code": it.code, "after_ms": it.after_ms,
        })).collect::<Vec<_>>(),
    })
}

fn value(json: &postroom_core::Json) -> Value {
    serde_json::from_str(json.text()).unwrap_or_default()
}
