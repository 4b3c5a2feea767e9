//! Tests of workflows: files that hold an event, what providers answer, and what must come of it.
//! The format is described in `docs/tests.md`. Reads and compares; runs nothing.

mod answers;
pub(crate) mod captured;
mod emits;
pub(crate) mod event;
pub(crate) mod evidence;
pub(crate) mod expect;
pub(crate) mod tree;
pub(crate) mod veil;

use std::path::{Path, PathBuf};

use postroom_core::yaml::{Node, Source, Value};
use postroom_core::{Problem, problem};
use postroom_engine::Project;
use postroom_engine::rehearsal::Script;
use postroom_expr::nearest;

use event::Staged;
use tree::Tree;

/// When a test begins that does not say: the first of January 2026, UTC.
const BEGINS_MS: i64 = 1_767_225_600_000;

/// One test.
pub(crate) struct Fixture {
    /// What it shows, in a sentence.
    pub name: String,
    /// The file it stands in, as it is shown.
    pub file: String,
    /// The file it stands in.
    pub path: PathBuf,
    /// The line it begins at.
    pub line: usize,
    /// When it begins.
    pub now_ms: i64,
    /// The only workflow it is about, if it says so.
    pub only: Option<String>,
    /// The event.
    pub event: Staged,
    /// What providers answer.
    pub script: Script,
    /// What must come of it.
    pub expect: Option<Tree>,
    /// The bytes of the file that hold what is expected, or where that could be written.
    pub expected_at: std::ops::Range<usize>,
}

/// Reads the tests of a file: one, or several YAML documents.
///
/// # Errors
/// Every problem in it.
pub(crate) fn read(
    path: &Path,
    file: &str,
    text: &str,
    project: &Project,
) -> Result<Vec<Fixture>, Vec<Problem>> {
    let mut fixtures = Vec::new();
    let mut problems = Vec::new();
    for part in documents(text) {
        // Blank lines in place of what stands before keep every line number right.
        let above = text[..part.start].matches('\n').count();
        let padded = "\n".repeat(above) + &text[part.clone()];
        let mut source = Source::new(file, &padded);
        let parsed = source.parse();
        let read = parsed.and_then(|root| document(&mut source, &root, project));
        problems.append(&mut source.problems);
        fixtures.extend(read.map(|(fixture, expect_line)| {
            let start = expect_line.map_or(part.end, |line| start_of_line(text, line));
            let (path, line) = (path.to_path_buf(), fixture.line.max(above + 1));
            Fixture { expected_at: start..part.end, line, path, ..fixture }
        }));
    }
    if problems.is_empty() { Ok(fixtures) } else { Err(problems) }
}

/// Reads a file of answers alone, for `plan`.
///
/// # Errors
/// Every problem in it.
pub(crate) fn read_answers(
    file: &str,
    text: &str,
    project: &Project,
) -> Result<Script, Vec<Problem>> {
    let mut source = Source::new(file, text);
    let script = source.parse().map(|root| answers::read(&mut source, &root, project));
    if source.problems.is_empty() { Ok(script.unwrap_or_default()) } else { Err(source.problems) }
}

/// Where each document of a file stands, its marks left out. One that holds nothing is none.
fn documents(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if line.trim_end() == "---" {
            parts.push(start..at);
            start = end;
        }
        at = end;
    }
    parts.push(start..text.len());
    let empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    parts.retain(|part| !text[part.clone()].lines().all(empty));
    parts
}

fn start_of_line(text: &str, line: u32) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum()
}

/// A test, and the line at which its expectation stands.
fn document(
    source: &mut Source<'_>,
    root: &Node,
    project: &Project,
) -> Option<(Fixture, Option<u32>)> {
    let mut fields = source.map(root, "")?;
    let name = fields.need(source, "test").and_then(|node| text(source, node, "test"));
    let now_ms = fields.take("now").map_or(Some(BEGINS_MS), |node| time(source, node, "now"));
    let only = fields.take("workflow").and_then(|node| workflow(source, node, project));
    let event = fields.need(source, "event").and_then(|node| Staged::of_node(source, node));
    let script = fields.take("answers").map(|node| answers::read(source, node, project));
    let mut script = script.unwrap_or_default();
    if let Some(node) = fields.take("later") {
        for (nth, node) in source.list(node, "later").unwrap_or_default().iter().enumerate() {
            script.later.extend(Staged::later(source, node, &format!("later[{nth}]")));
        }
    }
    let expect = fields.take("expect").and_then(|node| expect::read(source, node));
    let line = root.at.line as usize;
    fields.finish(source);
    let Value::Map(entries) = &root.value else { return None };
    let place = entries.iter().position(|(key, _)| key.name == "expect");
    let key = place.map(|place| &entries[place].0);
    if let (Some(place), Some(key)) = (place, key)
        && place + 1 < entries.len()
    {
        let found = Problem::new(&problem::BAD_VALUE, "`expect` must be the last key of a test");
        source.report(found.hint("`--update` rewrites everything from it on"), key.at);
    }
    let fixture = Fixture {
        name: name?,
        file: source.file.to_owned(),
        path: PathBuf::new(),
        line,
        now_ms: now_ms?,
        only,
        event: event?,
        script,
        expect,
        expected_at: 0..0,
    };
    Some((fixture, key.map(|key| key.at.line)))
}

/// What came, written as what is expected.
pub(crate) fn expectation(came: &Tree) -> String {
    Tree::Map(vec![("expect".to_owned(), came.clone())]).yaml()
}

/// The name of a workflow there is.
fn workflow(source: &mut Source<'_>, node: &Node, project: &Project) -> Option<String> {
    let name = source.text(node, "workflow")?;
    match unknown_workflow(name, project) {
        None => Some(name.to_owned()),
        Some(found) => {
            source.report(found, node.at);
            None
        }
    }
}

/// A problem that names the nearest workflow, if there is none of this name.
pub(crate) fn unknown_workflow(name: &str, project: &Project) -> Option<Problem> {
    let names = || project.workflows.iter().map(|(_, workflow)| workflow.name.as_str());
    if names().any(|known| known == name) {
        return None;
    }
    let found = Problem::new(&problem::BAD_VALUE, format!("there is no workflow `{name}`"));
    Some(match nearest(name, names()) {
        Some(near) => found.hint(format!("did you mean `{near}`?")),
        None => found.hint(format!("known here: {}", names().collect::<Vec<_>>().join(", "))),
    })
}

/// A text of a test.
fn text(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    source.text(node, path).map(str::to_owned)
}

/// A time of a test, in milliseconds since 1970.
fn time(source: &mut Source<'_>, node: &Node, path: &str) -> Option<i64> {
    let text = source.text(node, path)?;
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Some(time.as_millisecond()),
        Err(_) => {
            let detail = format!("`{path}` is `{text}`, which is no time");
            let found = Problem::new(&problem::BAD_VALUE, detail);
            source.report(found.hint("write for example 2026-11-25T09:00:00Z"), node.at);
            None
        }
    }
}

/// The text of a time, as tests write it.
pub(crate) fn time_text(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests;
