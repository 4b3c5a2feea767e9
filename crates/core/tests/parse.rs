//! The workflow parser against `tests/golden/workflows.txt`: workflows, each followed by every
//! problem it has or by what was read of it. `BLESS=1` rewrites what follows.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fmt::Write;

use postroom_core::definition::{Defaults, Stored, Workflow};
use postroom_core::parse;
use postroom_core::problem::Problem;

mod bless;

fn read(text: &str) -> Result<Workflow, Vec<Problem>> {
    let defaults = Defaults::default();
    parse::workflow(&Stored { v: 1, file: "w.yaml".into(), text: text.into(), defaults })
}

/// What a reader of the golden file needs to see.
fn outcome(text: &str) -> String {
    let workflow = match read(text) {
        Ok(workflow) => workflow,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem:\n{text}");
            return problems.iter().fold(String::new(), |out, p| out + &format!("{p}\n"));
        }
    };
    let mut out = format!("ok {}\n", workflow.name);
    for trigger in &workflow.triggers {
        let condition = trigger.condition.as_ref().map_or("", |condition| condition.source());
        let source = trigger.source.as_deref().unwrap_or("*");
        writeln!(out, "  on {} from {source} if {condition}", trigger.event).unwrap();
    }
    if let Some(bound) = &workflow.concurrency {
        writeln!(out, "  at most {}", bound.limit).unwrap();
    }
    for (n, step) in workflow.steps.iter().enumerate() {
        let phase = if n < workflow.main_steps { "step" } else { "on_failure" };
        let needs: Vec<&str> = step.needs.iter().map(|n| &*workflow.steps[*n].id).collect();
        let retry = step.retry;
        writeln!(
            out,
            "  {phase} {} uses {} needs {needs:?}, {} x {:?} {}..{} ms jitter {}, {} ms",
            step.id,
            step.uses,
            retry.attempts,
            retry.backoff,
            retry.delay_ms,
            retry.cap_ms,
            retry.jitter,
            step.timeout_ms
        )
        .unwrap();
    }
    out
}

#[test]
fn golden_workflows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/workflows.txt");
    let golden = std::fs::read_to_string(path).unwrap();
    let mut found = String::new();
    let mut cases = 0;
    for case in golden.split_inclusive("\n=== ").map(|case| case.trim_end_matches("=== ")) {
        let case = case.strip_prefix("=== ").unwrap_or(case);
        let (name, rest) = case.split_once('\n').unwrap();
        let text = rest.split_inclusive("\n--- ").next().unwrap();
        let text = text.strip_suffix("--- ").unwrap_or(text);
        write!(found, "=== {name}\n{text}--- gives\n{}", outcome(text)).unwrap();
        cases += 1;
    }
    assert!(cases > 40, "only {cases} cases were read");
    bless::check(path, &found);
}
