//! `postroom check`: reads everything, reports every problem, touches neither network nor store.

use postroom_core::{Problem, problem};
use serde_json::{Value, json};

use crate::assemble::{Examined, examine};
use crate::cli::Check;
use crate::config;
use crate::exit::Failed;
use crate::home;
use crate::output::{self, Output};
use crate::secrets::origins::{self, Origin};

/// Checks configuration, adapters, schemas and workflows.
///
/// # Errors
/// Every problem found; they are told already where JSON is wanted.
pub(crate) fn run(args: &Check, options: &home::Options, output: &Output) -> Result<(), Failed> {
    let loaded = match config::load(options.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(problems) => return told(problems, &[], &Beside::default(), output),
    };
    let Examined { assembled, mut problems, untyped, mut lints, expressions } = examine(&loaded);
    let counts = (expressions, untyped.len());
    if args.strict {
        problems.extend(untyped);
        problems.append(&mut lints);
    }
    let mut notes = loaded.warnings;
    let mut workflows: Vec<String> = Vec::new();
    let mut secrets = Vec::new();
    if let Some(assembled) = assembled {
        // Who only checks need not be able to open what is sealed.
        let (locked, faults) =
            assembled.secrets.faults().into_iter().partition(|it| it.kind == &problem::NO_KEY);
        let locked: Vec<Problem> = locked;
        notes.extend(locked.iter().map(ToString::to_string));
        problems.extend::<Vec<Problem>>(faults);
        secrets = assembled.secrets.origins();
        notes.extend(origins::told(&secrets, assembled.secrets.vault_at().as_deref()));
        workflows
            .extend(assembled.project.router.workflows().iter().map(|known| known.name.clone()));
        notes.extend(assembled.notes);
    }
    if output.json || !problems.is_empty() {
        return told(problems, &workflows, &Beside { notes, lints, counts, secrets }, output);
    }
    for lint in &lints {
        output.warn(lint);
    }
    for note in &notes {
        output.say(&output::hint(note));
    }
    let (expressions, untyped) = counts;
    let unknown = match untyped {
        0 => String::new(),
        reads => format!(" ({reads} reads of unknown shape; --strict lists them)"),
    };
    let warned = match lints.len() {
        0 => String::new(),
        1 => ", but a warning that --strict refuses".to_owned(),
        lints => format!(", but {lints} warnings that --strict refuses"),
    };
    output.print(&format!(
        "no problems in {} workflows with {expressions} expressions{unknown}{warned}: {}",
        workflows.len(),
        workflows.join(", ")
    ))
}

/// What is told beside problems.
#[derive(Default)]
struct Beside {
    notes: Vec<String>,
    lints: Vec<Problem>,
    /// Expressions, and reads of something of which nothing is known.
    counts: (usize, usize),
    secrets: Vec<Origin>,
}

/// Tells problems. As text they stand alone: what else is to be said waits until they are mended.
fn told(
    problems: Vec<Problem>,
    workflows: &[String],
    beside: &Beside,
    output: &Output,
) -> Result<(), Failed> {
    if !output.json {
        return Err(Failed::Problems(problems));
    }
    let rows = |problems: &[Problem]| problems.iter().map(row).collect::<Vec<Value>>();
    let (expressions, untyped) = beside.counts;
    let report = json!({
        "workflows": workflows,
        "notes": beside.notes,
        "problems": rows(&problems),
        "warnings": rows(&beside.lints),
        "secrets": beside.secrets.iter().map(Origin::json).collect::<Vec<Value>>(),
        "counts": { "expressions": expressions, "dyn": untyped },
    });
    output.print(&report.to_string())?;
    // Nothing is left to say, but the exit code.
    if problems.is_empty() { Ok(()) } else { Err(Failed::Problems(Vec::new())) }
}

/// A problem as a document.
pub(crate) fn row(problem: &Problem) -> Value {
    let place = problem.place.as_ref();
    let known = place.filter(|place| place.line > 0);
    json!({
        "code": problem.kind.code,
        "detail": problem.detail,
        "hint": problem.hint,
        "file": place.map(|place| place.file.as_str()),
        "line": known.map(|place| place.line),
        "column": known.map(|place| place.column),
        "path": problem.path(),
    })
}
