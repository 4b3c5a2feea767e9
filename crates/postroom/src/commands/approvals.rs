//! `approvals`: list, approve, reject.

use postroom_core::Run;
use postroom_engine::Asked;
use serde_json::json;

use super::runs::paged;
use super::{List, more, read, read_row};
use crate::cli::{Answer, Approvals};
use crate::exit::Failed;
use crate::output::{Output, cell};
use crate::reach::{Ask, Reach};

/// Carries out `approvals ...`.
pub(super) async fn run(command: &Approvals, reach: &Reach, output: &Output) -> Result<(), Failed> {
    match command {
        Approvals::List { page } => {
            let answer = reach.ask(paged(Ask::get(&["approvals"]), page)).await?;
            output.answer(&answer, || list(&read::<List<'_>>(&answer)?, output))?;
            more(output, read::<List<'_>>(&answer)?.next.as_deref());
            Ok(())
        }
        Approvals::Approve(given) => answer(given, "approve", reach, output).await,
        Approvals::Reject(given) => answer(given, "reject", reach, output).await,
    }
}

async fn answer(given: &Answer, verb: &str, reach: &Reach, output: &Output) -> Result<(), Failed> {
    let Answer { id, step, word } = given;
    let wish = json!({ "actor": word.actor, "note": word.note, "step": step });
    let ask = Ask::post(&["runs", &id.to_string(), verb], wish.to_string().into_bytes());
    let answer = reach.ask(ask).await?;
    output.answer(&answer, || {
        let run: Run = read(&answer)?;
        // Its state is of a moment ago: it sleeps, and is about to go on.
        let told = if verb == "approve" { "approved" } else { "rejected" };
        Ok(format!("{} is {told}\n", run.id))
    })
}

fn list(page: &List<'_>, output: &Output) -> Result<String, Failed> {
    if page.data.is_empty() && page.next.is_none() {
        return Ok("nobody is asked anything\n".to_owned());
    }
    let row = |row: &&serde_json::value::RawValue| -> Result<_, Failed> {
        let asked: Asked = read_row(row)?;
        Ok(vec![
            cell(asked.run.to_string()),
            cell(asked.workflow),
            cell(asked.step),
            cell(output.moment.ago(asked.asked_ms)),
            cell(format!("{}, then {}", output.moment.ago(asked.until_ms), asked.silence.word())),
            cell(asked.ask),
        ])
    };
    let rows = page.data.iter().map(row).collect::<Result<_, _>>()?;
    Ok(output.table(&["RUN", "WORKFLOW", "STEP", "ASKED", "UNTIL", "QUESTION"], rows))
}
