//! `runs`: list, show, cancel, retry.

use comfy_table::{Cell, Color};
use postroom_core::run::RunFailure;
use postroom_core::{Run, RunId};
use serde_json::json;
use serde_json::value::RawValue;

use super::{List, more, read, read_row, timeline, versions};
use crate::cli::{Page, Runs, Version, Word};
use crate::exit::Failed;
use crate::output::moment::span;
use crate::output::{self, Output, cell, state};
use crate::reach::{Ask, Reach};

/// Carries out `runs ...`.
pub(super) async fn run(command: &Runs, reach: &Reach, output: &Output) -> Result<(), Failed> {
    match command {
        Runs::List { state, workflow, event, code, page } => {
            let ask = paged(Ask::get(&["runs"]), page)
                .query("state", state.as_ref())
                .query("workflow", workflow.as_ref())
                .query("event", event.as_ref())
                .query("code", code.as_ref());
            let answer = reach.ask(ask).await?;
            output.answer(&answer, || list(&read::<List<'_>>(&answer)?.data, output))?;
            more(output, read::<List<'_>>(&answer)?.next.as_deref());
            Ok(())
        }
        Runs::Show { id } => show(*id, reach, output).await,
        Runs::Cancel { id, word } => order(*id, "cancel", wish(word), reach, output).await,
        Runs::Retry { id, version, word } => retry(*id, *version, word, reach, output).await,
    }
}

/// A list's query for one page.
pub(super) fn paged(ask: Ask, page: &Page) -> Ask {
    ask.query("limit", Some(page.limit)).query("cursor", page.cursor.as_ref())
}

/// Shows a run.
pub(super) async fn show(id: RunId, reach: &Reach, output: &Output) -> Result<(), Failed> {
    let answer = reach.ask(Ask::get(&["runs", &id.to_string()])).await?;
    output.answer(&answer, || timeline::run(&answer, output))
}

/// Who orders something and why, as the API takes it.
pub(super) fn wish(word: &Word) -> serde_json::Value {
    json!({ "actor": word.actor, "note": word.note })
}

/// A redrive, as the API takes it.
pub(super) fn redrive(word: &Word, version: Version) -> serde_json::Value {
    let version = match version {
        Version::Same => "same",
        Version::Newest => "newest",
    };
    json!({ "actor": word.actor, "note": word.note, "version": version })
}

/// Sends one run out again, on the version that is said or chosen.
pub(super) async fn retry(
    id: RunId,
    version: Option<Version>,
    word: &Word,
    reach: &Reach,
    output: &Output,
) -> Result<(), Failed> {
    let version = versions::for_run(id, version, reach, output).await?;
    order(id, "redrive", redrive(word, version), reach, output).await
}

/// Orders something about one run.
pub(super) async fn order(
    id: RunId,
    verb: &str,
    wish: serde_json::Value,
    reach: &Reach,
    output: &Output,
) -> Result<(), Failed> {
    // A dead letter is a run; discarding is what only the dead-letter office does.
    let family = if verb == "discard" { "dead-letters" } else { "runs" };
    let ask = Ask::post(&[family, &id.to_string(), verb], wish.to_string().into_bytes());
    let answer = reach.ask(ask).await?;
    output.answer(&answer, || {
        let run: Run = read(&answer)?;
        let on = match verb {
            "redrive" => format!(" on version {}", versions::short(run.definition)),
            _ => String::new(),
        };
        Ok(format!("{} is {}{on}\n", run.id, run.state.name()))
    })?;
    if verb == "redrive" && reach.without_server() {
        output.say(&output::hint("no server runs: it will be worked on once one starts"));
    }
    Ok(())
}

fn list(rows: &[&RawValue], output: &Output) -> Result<String, Failed> {
    if rows.is_empty() {
        return Ok("no runs\n".to_owned());
    }
    let row = |row: &&RawValue| -> Result<_, Failed> {
        let run: Run = read_row(row)?;
        let took = run.finished_ms.map(|end| span(end.abs_diff(run.created_ms)));
        Ok(vec![
            cell(run.id.to_string()),
            state_of(&run),
            cell(&run.workflow),
            cell(output.moment.ago(run.created_ms)),
            cell(took.unwrap_or_default()),
            cell(why(&run)),
        ])
    };
    let rows = rows.iter().map(row).collect::<Result<_, _>>()?;
    Ok(output.table(&["RUN", "STATE", "WORKFLOW", "CREATED", "TOOK", "FAILURE"], rows))
}

/// Where a run stands, and that it is none of the real ones.
pub(super) fn state_of(run: &Run) -> Cell {
    let name = run.state.name();
    if run.dry { cell(format!("{name} (dry)")).fg(Color::Yellow) } else { state(name) }
}

/// What ended a run, in one line.
pub(super) fn why(run: &Run) -> String {
    ended_by(run.failure.as_ref())
}

/// A failure that ended a run, in one line.
pub(super) fn ended_by(failure: Option<&RunFailure>) -> String {
    failure.map_or_else(String::new, |found| {
        let step = found.step.as_deref().map(|step| format!("{step}: ")).unwrap_or_default();
        format!("{step}{} {}", found.failure.code, found.failure.message)
    })
}
