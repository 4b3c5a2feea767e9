//! `postroom check`: reads everything, reports every problem, touches neither network nor store.

use std::path::Path;

use crate::config;
use crate::project;
use crate::serve::Failed;

/// What was checked.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Checked {
    /// Names of the workflows.
    pub workflows: Vec<String>,
    /// What has to be said, one sentence each.
    pub notes: Vec<String>,
}

/// Checks a project.
pub(crate) fn check(file: Option<&Path>) -> Result<Checked, Failed> {
    let loaded = config::load(file)?;
    let assembled = project::assemble(&loaded)?;
    let workflows = assembled.project.router.workflows();
    let mut notes = loaded.warnings;
    notes.extend(assembled.notes);
    Ok(Checked { workflows: workflows.iter().map(|w| w.name.clone()).collect(), notes })
}
