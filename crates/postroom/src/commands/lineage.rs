//! Where a run comes from and what came of what it emitted, as a person reads it.

use comfy_table::Cell;
use postroom_core::Run;
use serde::Deserialize;

use super::field;
use crate::output::{Output, cell, plain, state};

/// What the API says of it.
#[derive(Deserialize)]
pub(super) struct Lineage {
    #[serde(default)]
    lineage: Vec<Ancestor>,
    #[serde(default)]
    emitted: Vec<Emitted>,
}

#[derive(Deserialize)]
struct Ancestor {
    event: String,
    r#type: Option<String>,
    hops: u16,
    run: Option<String>,
    workflow: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
struct Emitted {
    event: String,
    r#type: Option<String>,
    step: String,
    kept: bool,
    runs: Vec<Run>,
}

impl Lineage {
    /// What the event of the run follows from, if from anything.
    pub fn field(&self) -> Option<Vec<Cell>> {
        let nearest = self.lineage.first()?;
        let by = match (&nearest.run, &nearest.workflow) {
            (None, _) => "a replay of it".to_owned(),
            (Some(run), None) => run.clone(),
            (Some(run), Some(workflow)) => format!("{run} of {workflow}"),
        };
        let kind = nearest.r#type.as_deref().unwrap_or("removed since");
        let text = format!("{} {kind} by {by}, hop {}", nearest.event, nearest.hops + 1);
        Some(field("follows from", text))
    }

    /// The sections about it, each with its heading.
    pub fn sections(&self, output: &Output) -> Vec<(&'static str, String)> {
        let mut sections = Vec::new();
        if !self.emitted.is_empty() {
            let rows = self.emitted.iter().map(Emitted::row).collect();
            let head = ["EVENT", "TYPE", "STEP", "STARTED"];
            sections.push(("emitted", output.table(&head, rows)));
        }
        if self.lineage.len() > 1 {
            let rows = self.lineage.iter().map(Ancestor::row).collect();
            let head = ["HOPS", "EVENT", "TYPE", "RUN", "STATE", "WORKFLOW"];
            let mut text = output.table(&head, rows);
            if let Some(before) = self.lineage.last().map(|last| last.hops).filter(|&n| n > 0) {
                text.push_str(&format!("and {before} events before them\n"));
            }
            sections.push(("lineage", text));
        }
        sections
    }
}

impl Ancestor {
    fn row(&self) -> Vec<Cell> {
        let text = |text: &Option<String>| cell(text.as_deref().unwrap_or("-"));
        vec![
            cell(self.hops.to_string()),
            cell(&self.event),
            text(&self.r#type),
            text(&self.run),
            state(self.state.as_deref().unwrap_or("-")),
            text(&self.workflow),
        ]
    }
}

impl Emitted {
    fn row(&self) -> Vec<Cell> {
        let run = |run: &Run| {
            plain(&format!("{} {} {}", run.id, run.state.name(), run.workflow)).into_owned()
        };
        let started = match (self.kept, self.runs.as_slice()) {
            (false, _) => "not kept: a repetition by its key, or removed since".to_owned(),
            (true, []) => "nothing".to_owned(),
            (true, runs) => runs.iter().map(run).collect::<Vec<_>>().join("\n"),
        };
        vec![
            cell(&self.event),
            cell(self.r#type.as_deref().unwrap_or("-")),
            cell(&self.step),
            Cell::new(started),
        ]
    }
}
