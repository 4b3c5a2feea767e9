//! Workflows that start each other by what they emit: which circles are refused, and what is said.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use postroom_core::definition::{Defaults, Stored};
use postroom_core::parse;
use postroom_core::typecheck::circles;

/// A workflow that takes one event and emits others; `more` is put at its top.
fn workflow(name: &str, takes: &str, emits: &[&str], more: &str) -> Stored {
    let steps: String = emits
        .iter()
        .enumerate()
        .map(|(n, event)| format!("  - id: s{n}\n    emit: {event}\n    with: {{ n: 1 }}\n"))
        .collect();
    let steps =
        if steps.is_empty() { "  - { id: a, uses: local/echo }\n".to_owned() } else { steps };
    let text = format!("workflow: {name}\n{more}on:\n  - {takes}\nsteps:\n{steps}");
    Stored::new(format!("{name}.yaml"), text, Defaults::default())
}

/// Each problem with its place.
fn found(stored: &[Stored]) -> Vec<String> {
    let parsed: Vec<_> = stored.iter().map(|it| parse::placed_workflow(it).unwrap()).collect();
    let placed: Vec<_> =
        parsed.iter().zip(stored).map(|((w, root), s)| (w, root, s.text.as_str())).collect();
    let told = circles(&placed).into_iter().map(|problem| {
        let place = problem.place.clone().unwrap();
        assert_eq!(problem.kind.code, "workflow/emit-circle");
        assert!(problem.hint.is_some());
        format!("{}:{}:{} {}", place.file, place.line, place.column, problem.detail)
    });
    told.collect()
}

const WORDS: &str = "workflows start each other without end";

#[test]
fn a_workflow_that_starts_itself() {
    let told = found(&[workflow("a", "event: A", &["A"], "")]);
    assert_eq!(told, [format!("a.yaml:6:11 {WORDS}: a -> A -> a")]);
}

#[test]
fn a_circle_of_three_is_told_at_the_step_that_closes_it() {
    let told = found(&[
        workflow("a", "event: A", &["X", "B"], ""),
        workflow("b", "event: B", &["C"], ""),
        workflow("c", "event: C", &["Y", "A"], ""),
        workflow("d", "event: X", &[], ""),
    ]);
    assert_eq!(told, [format!("c.yaml:9:11 {WORDS}: a -> B -> b -> C -> c -> A -> a")]);
}

#[test]
fn patterns_close_circles_and_conditions_do_not_open_them() {
    let told = found(&[
        workflow("a", "{ event: ORDER_*, if: \"${{ event.data.n == 0 }}\" }", &["DONE"], ""),
        workflow("b", "event: DONE", &["ORDER_AGAIN"], ""),
    ]);
    assert_eq!(told, [format!("b.yaml:6:11 {WORDS}: a -> DONE -> b -> ORDER_AGAIN -> a")]);
}

#[test]
fn each_circle_is_told_once() {
    let told = found(&[
        workflow("a", "event: A", &["A", "B"], ""),
        workflow("b", "event: B", &["A", "A"], ""),
    ]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("a -> A -> a") && told[1].ends_with("a -> B -> b -> A -> a"));
}

#[test]
fn what_is_no_circle_or_is_meant_is_let_through() {
    // A chain; another source; bounded hops anywhere in the circle.
    let chain = [workflow("a", "event: A", &["B"], ""), workflow("b", "event: B", &["C"], "")];
    let source = [workflow("a", "{ event: A, source: ingest }", &["A"], "")];
    let bounded =
        [workflow("a", "event: A", &["B"], ""), workflow("b", "event: B", &["A"], "max_hops: 5\n")];
    for workflows in [&chain[..], &source, &bounded] {
        assert_eq!(found(workflows), [""; 0]);
    }
}
