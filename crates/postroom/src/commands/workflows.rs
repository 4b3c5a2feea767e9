//! `workflows`: list, show, versions, diff, rollback. What is kept is asked of the API; the file
//! as it is now is read here.

mod rollback;
mod sides;

use postroom_core::definition::Workflow;
use serde::Deserialize;
use serde_json::json;

use super::versions::{Kept, short};
use super::{field, read};
use crate::cli::{Global, Workflows};
use crate::exit::Failed;
use crate::output::{self, Output, cell, plain};
use crate::reach::{Ask, Reach};
use crate::{home, project};

use sides::Side;

/// Carries out `workflows ...`.
pub(super) async fn run(
    command: &Workflows,
    global: &Global,
    output: &Output,
) -> Result<(), Failed> {
    let options = home::Options { config: global.config.clone(), data: global.data.clone() };
    match command {
        Workflows::List => {
            let answer = Reach::find(global).await?.ask(Ask::get(&["workflows"])).await?;
            output.answer(&answer, || list(&read::<Vec<Row>>(&answer)?, output))
        }
        Workflows::Show { name } => {
            let ask = Ask::get(&["workflows", name]);
            let answer = Reach::find(global).await?.ask(ask).await?;
            output.answer(&answer, || show(&read(&answer)?, output))
        }
        Workflows::Versions { name } => {
            let reach = reach(global, &options, output).await?;
            if output.json {
                let answer = reach.ask(Ask::get(&["workflows", name, "versions"])).await?;
                return output.print(&String::from_utf8_lossy(&answer));
            }
            let kept = Kept::of(name, &reach).await?;
            output.print(&versions(&kept, output))?;
            if !kept.counted_all {
                output.say(&output::hint("there are more runs that have not ended than counted"));
            }
            Ok(())
        }
        Workflows::Diff { name, old, new } => {
            let reach = reach(global, &options, output).await?;
            let kept = Kept::of(name, &reach).await?;
            diff(name, (old, new), &kept, &options, output)
        }
        Workflows::Rollback { name, version, force, yes } => {
            let reach = reach(global, &options, output).await?;
            let kept = Kept::of(name, &reach).await?;
            let target = kept.pick(version)?;
            let order = rollback::Order { name, target, force: *force, yes: *yes };
            rollback::run(&order, &kept, &options, output).await
        }
    }
}

/// The way to what is kept. It is there also while the project has problems: that is when an
/// earlier version is wanted most.
async fn reach(global: &Global, options: &home::Options, output: &Output) -> Result<Reach, Failed> {
    let problems = match Reach::find(global).await {
        Err(Failed::Problems(problems)) => problems,
        found => return found,
    };
    let Ok(local) = project::open_kept(options).await else {
        return Err(Failed::Problems(problems));
    };
    output.say(&output::hint(
        "the project has problems, which `postroom check` shows: no version counts as active",
    ));
    Ok(Reach::Local(local))
}

#[derive(Deserialize)]
struct Row {
    name: String,
    file: String,
    definition: postroom_core::DefinitionHash,
    events: Vec<String>,
    steps: Vec<String>,
}

fn list(rows: &[Row], output: &Output) -> Result<String, Failed> {
    if rows.is_empty() {
        return Ok("no workflows\n".to_owned());
    }
    let row = |row: &Row| {
        vec![
            cell(&row.name),
            cell(short(row.definition)),
            cell(row.steps.len().to_string()),
            cell(&row.file),
            cell(row.events.join(", ")),
        ]
    };
    let rows = rows.iter().map(row).collect();
    Ok(output.table(&["WORKFLOW", "VERSION", "STEPS", "FILE", "EVENTS"], rows))
}

#[derive(Deserialize)]
struct Page {
    #[serde(flatten)]
    row: Row,
    first_seen_ms: Option<i64>,
    versions: usize,
    open_runs: u64,
    counted_all: bool,
    text: String,
}

fn show(page: &Page, output: &Output) -> Result<String, Failed> {
    let Page { row, first_seen_ms, versions, open_runs, counted_all, text } = page;
    let more = if *counted_all { "" } else { " or more" };
    let fields = vec![
        field("file", &row.file),
        field("version", row.definition.to_string()),
        field("first seen", seen(*first_seen_ms, output)),
        field("versions", versions.to_string()),
        field("runs", format!("{open_runs}{more} not ended")),
        field("events", row.events.join(", ")),
        field("steps", row.steps.join("\n")),
    ];
    let mut shown = output::heading(&plain(&row.name));
    shown.push_str(&output.table(&[], fields));
    shown.push('\n');
    shown.push_str(&output::heading("text"));
    shown.extend(text.lines().flat_map(|line| [plain(line), "\n".into()]));
    Ok(shown)
}

fn versions(kept: &Kept, output: &Output) -> String {
    let row = |version: &super::versions::Version| {
        vec![
            cell(short(version.definition)),
            cell(seen(version.first_seen_ms, output)),
            cell(if version.active { "active" } else { "" }),
            cell(version.open_runs.to_string()),
            cell(&version.file),
        ]
    };
    let rows = kept.data.iter().map(row).collect();
    output.table(&["VERSION", "FIRST SEEN", "", "RUNS NOT ENDED", "FILE"], rows)
}

fn seen(at_ms: Option<i64>, output: &Output) -> String {
    at_ms.map_or_else(|| "not noted".to_owned(), |at_ms| output.moment.both(at_ms))
}

fn diff(
    name: &str,
    (old, new): (&str, &str),
    kept: &Kept,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let here = || sides::Here::find(name, kept, options);
    // With no version active, the file is what stands against the last one.
    let new = if new == "active" && kept.active().is_none() { "disk" } else { new };
    let side = |word: &str| match word {
        "disk" => here()?.side(),
        word => Ok(Side::of(kept.pick(word)?)),
    };
    let (old, new) = (side(old)?, side(new)?);
    let same = can_go_on(&old, &new);
    let text = sides::diff(&old, &new);
    if output.json {
        let document = json!({
            "workflow": name,
            "old": old.name, "new": new.name,
            "diff": text,
            "same_steps": same,
        });
        return output.print(&document.to_string());
    }
    let mut shown: String = text.lines().map(|line| output::changed(line) + "\n").collect();
    if text.is_empty() {
        shown.push_str("the texts are the same\n");
    }
    if let Some((was, is)) = sides::defaults(&old, &new) {
        shown.push_str(&format!("the defaults they are read under differ: {was}, then {is}\n"));
    }
    shown.push_str(match same {
        Some(true) => "the steps are the same: a run on the one can go on with the other\n",
        Some(false) => "the steps are not the same: runs can only go on with what they are on\n",
        None => "one of them cannot be read, so whether runs could go on is not known\n",
    });
    output.print(&shown)?;
    // A file that lies elsewhere, or has problems, is no matter of two versions.
    if new.name != "disk"
        && old.name != "disk"
        && let (Ok(here), Some(active)) = (here(), kept.active())
        && here.text.as_ref().is_some_and(|text| *text != active.text)
    {
        output.say(&output::hint(&format!(
            "{} is not the active version: `postroom workflows diff {name} active disk`",
            here.file
        )));
    }
    Ok(())
}

fn can_go_on(old: &Side, new: &Side) -> Option<bool> {
    let workflow = |side: &Side| -> Option<Workflow> { side.workflow() };
    Some(workflow(old)?.same_steps(&workflow(new)?))
}
