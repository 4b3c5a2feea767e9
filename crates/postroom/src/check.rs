//! `postroom check`: reads everything, reports every problem, touches neither network nor store.

use crate::assemble::assemble;
use crate::config;
use crate::exit::Failed;
use crate::home;
use crate::output::{self, Output};

/// Checks configuration, adapters and workflows.
///
/// # Errors
/// Every problem found.
pub(crate) fn run(options: &home::Options, output: &Output) -> Result<(), Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let assembled = assemble(&loaded)?;
    let mut notes = loaded.warnings;
    notes.extend(assembled.notes);
    let workflows: Vec<&str> =
        assembled.project.router.workflows().iter().map(|w| w.name.as_str()).collect();
    if output.json {
        let report = serde_json::json!({ "workflows": workflows, "notes": notes, "problems": [] });
        return output.print(&report.to_string());
    }
    for note in &notes {
        output.say(&output::hint(note));
    }
    output.print(&format!("no problems; {} workflows: {}", workflows.len(), workflows.join(", ")))
}
