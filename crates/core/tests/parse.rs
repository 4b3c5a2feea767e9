//! The workflow parser against `tests/golden/workflows.txt`: workflows, each followed by every
//! problem it has or by what was read of it. `BLESS=1` rewrites what follows.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fmt::Write;

use postroom_core::definition::{Approve, Defaults, Mode, Stored, Task, Wait, Workflow};
use postroom_core::parse;
use postroom_core::policy::{Dedupe, Policies, Priority, WhenFull};
use postroom_core::problem::Problem;
use postroom_expr::Template;

mod bless;

fn read(text: &str) -> Result<Workflow, Vec<Problem>> {
    let defaults = Defaults::default();
    parse::workflow(&Stored::new("w.yaml".into(), text.into(), defaults))
}

/// The policies, a line each.
fn policies(policies: &Policies, out: &mut String) {
    let key = |key: &Option<Template>| key.as_ref().map_or("-", |key| key.source()).to_owned();
    if let Some(Dedupe { key, window_ms: Some(ms) }) = &policies.dedupe {
        writeln!(out, "  dedupe {} for {ms} ms", key.source()).unwrap();
    }
    if let Some(bound) = &policies.concurrency {
        let when = if bound.when_full == WhenFull::Queue { "" } else { ", cancelling older" };
        writeln!(out, "  at most {}{when}", bound.limit).unwrap();
    }
    if let Some(wait) = &policies.debounce {
        let (delay_ms, at_most_ms) = (wait.delay_ms, wait.at_most_ms);
        let key = key(&wait.key);
        writeln!(out, "  debounce {key} {delay_ms} ms, at most {at_most_ms:?} ms").unwrap();
    }
    if let Some(bound) = &policies.throttle {
        let key = key(&bound.key);
        writeln!(out, "  throttle {key} {} in {} ms", bound.limit, bound.per_ms).unwrap();
    }
    match &policies.priority {
        Some(Priority::Fixed(seconds)) => writeln!(out, "  priority {seconds} s").unwrap(),
        Some(Priority::Asked(template)) => {
            writeln!(out, "  priority {}", template.source()).unwrap();
        }
        None => {}
    }
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
    if workflow.mode == Mode::Dry {
        writeln!(out, "  only plans").unwrap();
    }
    policies(&workflow.policies, &mut out);
    for (n, step) in workflow.steps.iter().enumerate() {
        let phase = if n < workflow.main_steps { "step" } else { "on_failure" };
        let needs: Vec<&str> = step.needs.iter().map(|n| &*workflow.steps[*n].id).collect();
        let retry = step.retry;
        let task = match &step.task {
            Task::Action(act) => format!("uses {}", act.uses),
            Task::Emit(emit) => format!("emits {} keyed {}", emit.event, emit.key.is_some()),
            Task::Return(_) => "returns".to_owned(),
            Task::Call(call) => {
                format!("calls {} waits {} for {} ms", call.event, call.waits, call.timeout_ms)
            }
            Task::Wait(Wait::For(time)) => format!("waits for {}", time.source()),
            Task::Wait(Wait::Until(time)) => format!("waits until {}", time.source()),
            Task::Await(wait) => {
                let condition = wait.condition.as_ref().map_or("", |condition| condition.source());
                format!("waits for {} if {condition}, {}", wait.event, wait.timeout.source())
            }
            Task::Approve(Approve { ask, timeout_ms, silence_approves, goes_on }) => {
                let ask = ask.source();
                format!("asks {ask}, {timeout_ms} ms, then {silence_approves}, goes on {goes_on}")
            }
            Task::Wake => unreachable!("no file says this"),
        };
        let task = match &step.each {
            Some(each) => format!("each of {} at once {task}", each.concurrency),
            None => task,
        };
        writeln!(
            out,
            "  {phase} {} {} needs {needs:?}, {} x {:?} {}..{} ms jitter {}, {} ms",
            step.id,
            task,
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

/// The problems of a text, one a line.
fn problems(text: &str) -> String {
    let problems = read(text).expect_err("it reads");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A workflow with something in place of `$`.
fn with(value: &str) -> String {
    format!(
        "workflow: w\non: [{{event: E}}]\nsteps:\n  - id: a\n    uses: a/b\n    \
         with: {{ x: {value} }}\n"
    )
}

#[test]
fn nesting_is_bounded() {
    assert!(read(&with(&format!("{}{}", "[".repeat(35), "]".repeat(35)))).is_ok());
    let deep = problems(&with(&format!("{}{}", "[".repeat(100), "]".repeat(100))));
    let told = "w.yaml:6:52: lists and mappings nest deeper than 40 levels [yaml/syntax]; lay it out \
                flatter";
    assert_eq!(deep, told);
    let indented: String = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert!(problems(&indented).contains("[yaml/syntax]"));
    // Far beyond it nothing overflows.
    for open in ["[", "{a: ", "- "] {
        assert!(problems(&open.repeat(200_000)).contains("[yaml/syntax]"));
    }
}

#[test]
fn aliases_are_bounded() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb += &format!("a{n}: &a{n} [{aliases}]\n");
    }
    let found = problems(&bomb);
    assert_eq!(
        found,
        "w.yaml:5:45: the file is too large once its aliases are replaced [yaml/syntax]; \
         write fewer aliases"
    );
}

#[test]
fn size_is_bounded() {
    let fill = |bytes: usize| {
        let head = "workflow: w\non: [{event: E}]\nsteps: []\n#";
        format!("{head}{}", "x".repeat(bytes - head.len()))
    };
    assert!(read(&fill(1 << 20)).is_ok());
    assert_eq!(
        problems(&fill((1 << 20) + 1)),
        "w.yaml: the file has 1048577 bytes, at most 1048576 are read [yaml/syntax]; split it"
    );
}

#[test]
fn steps_are_bounded() {
    let steps = |count: usize| {
        let step = |n: usize| format!("  - {{ id: s{n}, uses: a/b }}\n");
        let steps: String = (0..count).map(step).collect();
        format!("workflow: w\non: [{{event: E}}]\nsteps:\n{steps}")
    };
    assert_eq!(read(&steps(200)).unwrap().steps.len(), 200);
    assert_eq!(
        problems(&steps(201)),
        "w.yaml:4:3: more than 200 steps in one workflow [config/out-of-range]; split it: let an `emit` \
         start a second workflow"
    );
}

#[test]
fn control_characters_are_refused_where_they_stand() {
    for text in ["workflow: w\0\n", "workflow: \u{1}w\n", "\0", "# \0\nworkflow: w\n"] {
        let found = problems(text);
        assert!(found.starts_with("w.yaml:1:"), "{text:?}: {found}");
    }
    let escaped = problems("workflow: \"a\\0b\"\non: [{event: E}]\nsteps: []\n");
    assert!(escaped.contains("[config/bad-value]"), "{escaped}");
}

#[test]
fn everything_is_reported_at_once_in_the_order_of_the_file() {
    let found = read("steps: 1\non: 2\nworkflow: 3\nretry: 4\nbanana: 5\n").unwrap_err();
    let lines: Vec<u32> = found.iter().map(|p| p.place.as_ref().unwrap().line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5]);
}

#[test]
fn the_hash_is_of_what_decides_what_a_run_does() {
    let stored = |file: &str, text: &str, attempts| {
        let mut defaults = Defaults::default();
        defaults.retry.attempts = attempts;
        Stored::new(file.into(), text.into(), defaults)
    };
    let first = stored("a.yaml", "workflow: a", 3).hash();
    assert_eq!(first, stored("b.yaml", "workflow: a", 3).hash());
    assert_ne!(first, stored("a.yaml", "workflow: b", 3).hash());
    assert_ne!(first, stored("a.yaml", "workflow: a", 4).hash());
    let text = serde_json::to_string(&stored("a.yaml", "workflow: a", 3)).unwrap();
    assert_eq!(serde_json::from_str::<Stored>(&text).unwrap().hash(), first);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 400, failure_persistence: None, ..Default::default()
    })]

    /// A file cut off, or with something thrown into it, is read or refused with a place.
    #[test]
    fn no_text_makes_it_panic(
        case in 0..60_usize,
        cut in 0..400_usize,
        thrown in "[-\\[\\]{}:&*!|>'\"%@`, \n\t$a-z0\u{0}é]{0,12}",
    ) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/workflows.txt");
        let golden = std::fs::read_to_string(path).unwrap();
        let text = golden.split("=== ").nth(case).unwrap_or_default();
        let text = text.split_once('\n').map_or("", |(_, text)| text);
        let cut = (0..=cut.min(text.len())).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
        let (before, after) = text.split_at(cut);
        for text in [format!("{before}{thrown}{after}"), before.to_owned(), thrown] {
            if let Err(problems) = read(&text) {
                let lines = u32::try_from(text.lines().count()).unwrap() + 1;
                for problem in problems {
                    let place = problem.place.as_ref().expect("it has a place");
                    proptest::prop_assert!(place.line <= lines, "{} in {:?}", problem, text);
                }
            }
        }
    }
}
