//! What workflows are held against: the contracts of the actions they use, and the schemas of the
//! project's events. `schemas/ORDER_PAID.json` is the JSON Schema of the data of `ORDER_PAID`.

use std::collections::BTreeMap;
use std::path::Path;

use postroom_adapters::Catalog;
use postroom_core::definition::{ActionRef, Step, Task, Workflow};
use postroom_core::problem::Place;
use postroom_core::typecheck::{Contract, Contracts};
use postroom_core::{Problem, lint, problem, schema};
use postroom_expr::{Type, nearest};
use serde_json::Value;

use crate::config::read;
use crate::files;

/// The folder of schemas, beside the configuration.
pub(crate) const FOLDER: &str = "schemas";

/// The longest line that is shown with a problem, in bytes.
const MAX_LINE_BYTES: usize = 400;

/// What the schemas of a project say of the data of its events, by event type.
#[derive(Default)]
pub(crate) struct Schemas {
    /// Their types.
    pub types: BTreeMap<String, Type>,
    /// Paths of the fields that are marked as secret.
    pub marked: BTreeMap<String, Vec<Vec<String>>>,
}

/// Reads the schemas of a project.
pub(crate) fn events(root: &Path, problems: &mut Vec<Problem>) -> Schemas {
    let mut events = Schemas::default();
    for path in files::of(&root.join(FOLDER), &["json"], problems) {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        match read(&path).and_then(|text| event(&file, &text)) {
            Ok(schema) => {
                events.types.insert(name.to_owned(), schema::to_type(&schema));
                events.marked.insert(name.to_owned(), lint::marked(&schema));
            }
            Err(found) => problems.extend(found),
        }
    }
    events
}

/// Reads the schema of an event.
pub(crate) fn event(file: &str, text: &str) -> Result<Value, Vec<Problem>> {
    let at = |detail: String, line: usize, column: usize| {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(0);
        // A text that breaks off does so at the end of its last line.
        let lines = text.lines().count();
        let end = || text.lines().last().map_or(1, |line| line.chars().count() + 1);
        let (line, column) =
            if line > lines && lines > 0 { (lines, end()) } else { (line, column.max(1)) };
        let (line, column) = (narrow(line), narrow(column));
        let place = Place { file: file.to_owned(), line, column, len: 1 };
        let hint = match detail.starts_with("this is not JSON") {
            true => "mend the JSON at this place, or just before it",
            false => "write for example `{ \"type\": \"object\", \"properties\": { … } }`",
        };
        let problem = Problem::new(&problem::SCHEMA, detail).hint(hint).at(place);
        let shown = (line as usize).checked_sub(1).and_then(|line| text.lines().nth(line));
        let problem = match shown.filter(|line| line.len() <= MAX_LINE_BYTES) {
            Some(line) => problem.on_line(line),
            None => problem,
        };
        vec![problem]
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() || value.is_boolean() => Ok(value),
        Ok(_) => Err(at("this is no JSON Schema: it must be an object".to_owned(), 1, 1)),
        Err(error) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            Err(at(format!("this is not JSON: {message}"), error.line(), error.column()))
        }
    }
}

/// The contracts of the actions that workflows use.
pub(crate) fn of<'a>(
    workflows: impl Iterator<Item = &'a Workflow>,
    catalog: &Catalog,
    events: BTreeMap<String, Type>,
) -> Contracts {
    let mut contracts = Contracts { events, ..Contracts::default() };
    let steps = workflows.flat_map(|workflow| &workflow.steps);
    for uses in steps.filter_map(|step| step.act()).map(|act| &act.uses) {
        let known = contracts.actions.entry(uses.to_string());
        known.or_insert_with(|| contract(uses, catalog));
    }
    contracts
}

/// The contract of an action.
///
/// # Errors
/// There is no such action.
pub(crate) fn contract(uses: &ActionRef, catalog: &Catalog) -> Result<Contract, Problem> {
    let (_, action) = catalog.action(uses)?;
    let (input, output) = (schema::to_type(&action.input), schema::to_type(&action.output));
    Ok(Contract { input, output, computed: action.computed().cloned() })
}

/// Schemas of events that no workflow takes: of no use, and perhaps a slip in the name.
pub(crate) fn unused<'a>(
    events: impl Iterator<Item = &'a String>,
    workflows: &[&Workflow],
) -> Vec<String> {
    let triggers = || workflows.iter().flat_map(|workflow| &workflow.triggers);
    let steps = || workflows.iter().flat_map(|workflow| &workflow.steps);
    let made = |step: &Step, kind: &str| step.emitted().is_some_and(|(event, _)| event == kind);
    let awaited = |step: &Step, kind: &str| match &step.task {
        Task::Await(wait) => wait.event == kind,
        _ => false,
    };
    let taken = |kind: &str| {
        triggers().any(|trigger| trigger.takes(kind))
            || steps().any(|step| made(step, kind) || awaited(step, kind))
    };
    events
        .filter(|kind| !taken(kind))
        .map(|kind| {
            let near = nearest(kind, triggers().map(|trigger| trigger.event.as_str()));
            let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
            format!("{FOLDER}/{kind}.json describes an event that no workflow takes{near}")
        })
        .collect()
}
