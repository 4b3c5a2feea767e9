//! The run state machine: what holds for any workflow and any sequence of inputs, crashes and
//! orders, and that `docs/runs.md` says what the code does.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fmt::Write;

use postroom_core::Run;
use postroom_core::run::{Effect, Input, Report, RunState, Spot};
use proptest::prelude::*;

mod bless;
mod machine;

use machine::{Choice, Machine, Recipe, Seen, new_run, workflow};

fn recipes() -> impl Strategy<Value = (Vec<Recipe>, usize)> {
    let each = proptest::option::weighted(0.3, 1..3_usize);
    let recipe = (any::<u32>(), 1..4_u32, each).prop_map(|(needs, attempts, each)| Recipe {
        needs,
        attempts,
        each,
    });
    (proptest::collection::vec(recipe, 0..7), 0..3_usize)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn any_sequence_keeps_the_invariants(
        (recipes, on_failure) in recipes(),
        choices in proptest::collection::vec(any::<Choice>(), 1..160),
    ) {
        let mut machine = Machine::new(workflow(&recipes, on_failure));
        for choice in choices {
            machine.act(choice);
        }
    }

    #[test]
    fn every_run_under_a_fair_owner_ends(
        (recipes, on_failure) in recipes(),
        choices in proptest::collection::vec(any::<Choice>(), 0..60),
        outcomes in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        // Whatever happened to it before, and whatever its calls come to from now on.
        let mut machine = Machine::new(workflow(&recipes, on_failure));
        for choice in choices {
            machine.act(choice);
        }
        let calls = drive(&mut machine, &outcomes);
        // A list has three items at the most, and is made and gathered.
        let most: u32 = recipes.iter().map(|recipe| recipe.attempts * 3 + 2).sum();
        prop_assert!(machine.run.state.ended());
        prop_assert!(calls <= most as usize + outcomes.len() + recipes.len(), "{} calls", calls);
    }

    #[test]
    fn keys_are_stable_and_of_one_step_alone(
        key in "[ -~ü]{0,220}", other in "[a-z:#/.]{1,6}",
        names in proptest::collection::btree_set("[a-z0-9._-]{1,64}", 2..4),
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let run = Run { key: key.clone(), ..new_run(0) };
        let mut seen = BTreeSet::new();
        for run in [run.clone(), Run { key: format!("{key}{other}"), ..run }] {
            for name in &names {
                for generation in [0, 1, 2, u32::MAX] {
                    let made = run.idempotency_key(name, generation);
                    prop_assert_eq!(&made, &run.idempotency_key(name, generation));
                    prop_assert!(made.len() <= 200 && made.is_ascii(), "{}", made);
                    prop_assert!(made.bytes().all(|byte| byte.is_ascii_graphic()), "{}", made);
                    prop_assert!(seen.insert(made.clone()), "{} stands for two", made);
                }
            }
        }
    }
}

/// Owns the run until it ends: starts it when due, and answers every call. Later answers are good.
fn drive(machine: &mut Machine, outcomes: &[u8]) -> usize {
    let mut answers = outcomes.iter().copied().chain(std::iter::repeat(0));
    let mut open: Vec<Spot> = Vec::new();
    let mut calls = 0;
    let mut turns = 0;
    // The last owner is gone.
    let mut effects = machine.input("start", Input::Start);
    while !machine.run.state.ended() {
        turns += 1;
        assert!(turns < 2_000, "it never ends: {:?}", machine.run);
        calls += effects.len();
        open.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Call { spot, .. } => Some(*spot),
            Effect::Abort { .. } => None,
        }));
        effects = if open.is_empty() {
            machine.now_ms = machine.run.due_ms.expect("it waits for a time");
            machine.input("start", Input::Start)
        } else {
            let spot = open.remove(0);
            let (name, outcome) = machine.outcome(spot, answers.next().unwrap());
            let report = Report::default();
            machine.input(name, Input::Ended { spot, outcome, chance: 0.5, report })
        };
    }
    calls
}

#[test]
fn keys_that_look_alike_are_not() {
    let run = |key: &str| Run { key: key.into(), ..new_run(0) };
    assert_eq!(run("k").idempotency_key("s", 0), "w:k:s");
    assert_eq!(run("k").idempotency_key("s", 1), "w:k:s#1");
    assert_ne!(run("k:s").idempotency_key("1", 0), run("k").idempotency_key("s", 1));
    assert_ne!(run("a:b").idempotency_key("c", 0), run("a").idempotency_key("b:c", 0) + "x");
    let long = "x".repeat(500);
    assert!(run(&long).idempotency_key("s", 3).starts_with("postroom:"));
    assert_ne!(run(&long).idempotency_key("s", 0), run(&long).idempotency_key("t", 0));
}

/// Everything that can happen, by walking at random from fixed seeds until nothing new is seen.
fn walk() -> (Seen, Seen) {
    let (mut runs, mut steps) = (Seen::new(), Seen::new());
    let mut dice: u64 = 7;
    let mut roll = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33).to_le_bytes()[0]
    };
    for round in 0..16_000_u32 {
        let recipe = |needs| Recipe { needs, attempts: 1 + round % 3, each: None };
        let mut recipes = [recipe(0), recipe(round % 2), recipe(3), recipe(0), recipe(1)];
        let many = 5 - usize::from(round % 5 == 4) * 2;
        recipes[1].each = (round % 4 == 1).then_some(2);
        let count = if round.is_multiple_of(50) { 0 } else { many };
        let on_failure = usize::from(!round.is_multiple_of(3)) * 2;
        let mut machine = Machine::new(workflow(&recipes[..count], on_failure));
        for _ in 0..60 {
            machine.act((roll(), roll(), roll()));
        }
        runs.extend(machine.runs_seen);
        steps.extend(machine.steps_seen);
    }
    (runs, steps)
}

fn table(seen: &Seen) -> String {
    let mut rows: std::collections::BTreeMap<(&str, &str), Vec<&str>> = Default::default();
    for (from, by, to) in seen {
        rows.entry((from, to)).or_default().push(by);
    }
    let mut out = "| from | to | by |\n| --- | --- | --- |\n".to_owned();
    for ((from, to), by) in rows {
        writeln!(out, "| {from} | {to} | {} |", by.join(", ")).unwrap();
    }
    out
}

/// The text with what stands between two markers replaced.
fn with_block(text: &str, name: &str, block: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&open).expect("the page has lost a marker");
    let (_, after) = rest.split_once(&close).expect("the page has lost a marker");
    format!("{before}{open}{block}{close}{after}")
}

/// The arrows of the drawing whose lines begin with `from --> to`.
fn arrows(text: &str, after: &str) -> BTreeSet<(String, String)> {
    let drawing = text.split_once(after).expect("the page has lost a heading").1;
    let drawing = drawing.split_once("```mermaid").unwrap().1.split_once("```").unwrap().0;
    let arrow = |line: &str| {
        let (from, rest) = line.trim().split_once(" --> ")?;
        let to = rest.split(':').next()?.trim();
        (from != "[*]" && to != "[*]").then(|| (from.to_owned(), to.to_owned()))
    };
    drawing.lines().filter_map(arrow).collect()
}

#[test]
fn the_page_says_what_the_code_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runs.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (runs, steps) = walk();
    let with_runs = with_block(&page, "transitions of runs", &table(&runs));
    bless::check(path, &with_block(&with_runs, "transitions of steps", &table(&steps)));
    for (heading, seen) in [("## Runs", runs), ("## Steps", steps)] {
        let happens: BTreeSet<(String, String)> =
            seen.iter().map(|(from, _, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        assert_eq!(arrows(&page, heading), happens, "the drawing under `{heading}`");
    }
}

#[test]
fn every_state_is_on_the_page() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runs.md");
    let page = std::fs::read_to_string(path).unwrap();
    for state in RunState::ALL {
        assert!(page.contains(&format!("| `{}` |", state.name())), "{}", state.name());
    }
}
