//! `dlq`: the dead-letter office. One letter goes straight to the API; many are counted, asked
//! about, and carried out one by one.

use postroom_core::Run;
use serde_json::value::RawValue;

use super::bulk::{Bulk, Selection, Verb};
use super::{List, more, read, read_row, runs};
use crate::cli::{Dlq, Global, Which, Word};
use crate::exit::Failed;
use crate::output::{Output, cell};
use crate::reach::{Ask, Reach};

/// Carries out `dlq ...`.
pub(super) async fn run(command: &Dlq, global: &Global, output: &Output) -> Result<(), Failed> {
    match command {
        Dlq::List { workflow, code, page } => {
            let ask = runs::paged(Ask::get(&["dead-letters"]), page)
                .query("workflow", workflow.as_ref())
                .query("code", code.as_ref());
            let answer = Reach::find(global).await?.ask(ask).await?;
            output.answer(&answer, || list(&read::<List<'_>>(&answer)?.data, output))?;
            more(output, read::<List<'_>>(&answer)?.next.as_deref());
            Ok(())
        }
        Dlq::Show { id } => runs::show(*id, &Reach::find(global).await?, output).await,
        Dlq::Redrive { which: Which { id: Some(id), .. }, version, word, .. } => {
            runs::retry(*id, *version, word, &Reach::find(global).await?, output).await
        }
        Dlq::Discard { which: Which { id: Some(id), .. }, word, .. } => {
            let reach = Reach::find(global).await?;
            runs::order(*id, "discard", runs::wish(word), &reach, output).await
        }
        Dlq::Redrive { which, version, yes, word } => {
            many(which, Verb::Redrive(*version), word, *yes, global, output).await
        }
        Dlq::Discard { which, yes, word } => {
            many(which, Verb::Discard, word, *yes, global, output).await
        }
    }
}

async fn many(
    which: &Which,
    verb: Verb,
    word: &Word,
    yes: bool,
    global: &Global,
    output: &Output,
) -> Result<(), Failed> {
    if !yes && !output.can_ask() {
        let verb = verb.name();
        let detail = format!("this would {verb} many dead letters, and there is nobody to ask");
        return Err(Failed::usage(detail, "add --yes, or run it at a terminal"));
    }
    let selection = Selection { workflow: which.workflow.clone(), code: which.code.clone() };
    let reach = Reach::find(global).await?;
    Bulk { verb, word, selection, yes, reach: &reach, output }.run().await
}

fn list(rows: &[&RawValue], output: &Output) -> Result<String, Failed> {
    if rows.is_empty() {
        return Ok("no dead letters\n".to_owned());
    }
    let row = |row: &&RawValue| -> Result<_, Failed> {
        let run: Run = read_row(row)?;
        let reason = run.failure.as_ref().map_or("", |failure| failure.reason.name());
        Ok(vec![
            cell(run.id.to_string()),
            cell(&run.workflow),
            cell(output.moment.ago(run.finished_ms.unwrap_or(run.created_ms))),
            cell(format!("{reason}{}", if run.dry { " (dry)" } else { "" })),
            cell(run.redrives.to_string()),
            cell(runs::why(&run)),
        ])
    };
    let rows = rows.iter().map(row).collect::<Result<_, _>>()?;
    Ok(output.table(&["RUN", "WORKFLOW", "DIED", "REASON", "REDRIVES", "FAILURE"], rows))
}
