//! Lists, waiting, asking and calling, on a clock that jumps.

use postroom_core::journal::{self, Kind};
use postroom_core::run::{Reason, StepState};

use super::*;

const DAY_MS: i64 = 86_400_000;

fn run<'a>(rehearsed: &'a Rehearsed, workflow: &str) -> &'a Played {
    rehearsed.runs.iter().find(|played| played.workflow.name == workflow).expect("a run")
}

fn output(played: &Played) -> String {
    journal::output(&played.journal).map_or_else(String::new, |json| json.text().to_owned())
}

fn took_ms(played: &Played) -> i64 {
    played.run.finished_ms.expect("it ended") - played.run.created_ms
}

const EACH: &str = "
workflow: each
on: [{event: A}]
steps:
  - id: post
    each: ['a', 'b', 'c', 'd']
    concurrency: 2
    uses: slack/post_message
    with: { channel: \"#${{ item }}\", text: \"${{ index }} of ${{ event.data.n }}\" }
  - id: count
    uses: local/echo
    with: { posted: \"${{ steps.post.output.map(p => p.channel) }}\" }
";

#[test]
fn a_list_is_gone_through_in_order_with_retries_of_its_own() {
    let script = Script { lines: vec![line("post", &[status(500)])], ..Script::default() };
    let rehearsed = played(EACH, Script::default());
    let played_run = run(&rehearsed, "each");
    assert_eq!(played_run.run.state, RunState::Succeeded, "{:?}", played_run.run.failure);
    assert_eq!(rehearsed.requests.len(), 4);
    let text = |made: &Made| String::from_utf8_lossy(&made.request.body).into_owned();
    for (made, item) in rehearsed.requests.iter().zip(["#a", "#b", "#c", "#d"]) {
        assert!(text(made).contains(item), "{}", text(made));
    }
    let items: Vec<Option<usize>> = played_run
        .journal
        .iter()
        .filter(|entry| entry.kind == Kind::Done && entry.step.as_deref() == Some("post"))
        .map(|entry| entry.item)
        .collect();
    assert_eq!(items, [Some(0), Some(1), Some(2), Some(3), None]);
    // Every item but the failing ones is done, and a redrive would go on with those alone.
    let failed = played(EACH, script);
    let failed = run(&failed, "each");
    assert_eq!(failed.run.state, RunState::Dead);
    let states: Vec<StepState> = failed.run.steps[0].items.iter().map(|item| item.state).collect();
    assert_eq!(states.len(), 4);
    assert_eq!(failed.run.steps[0].state, StepState::Failed);
}

#[test]
fn a_list_may_be_empty_and_must_be_a_list() {
    let with = |list: &str| {
        let text = format!(
            "workflow: w\non: [{{event: A}}]\nsteps:\n  - {{ id: a, each: {list}, uses: local/echo, \
             with: {{ x: \"${{{{ item }}}}\" }} }}\n"
        );
        played(&text, Script::default())
    };
    assert_eq!(output(run(&with("[]"), "w")), "[]");
    assert_eq!(output(run(&with("[1, 2]"), "w")), r#"[{"x":1},{"x":2}]"#);
    let wrong = with("\"${{ event.data.n }}\"");
    let failure = run(&wrong, "w").run.failure.clone().expect("it is dead");
    assert_eq!(failure.failure.code, "step/bad-list");
    let many = format!("[{}]", vec!["1"; 1_001].join(","));
    let failure = run(&with(&many), "w").run.failure.clone().expect("it is dead").failure;
    assert!(failure.message.contains("1001 items"), "{}", failure.message);
}

#[test]
fn times_are_waited_for() {
    let text = "
workflow: w
on: [{event: A}]
steps:
  - { id: rest, wait: 2d }
  - { id: day, wait: { until: '2026-11-10T00:00:00Z' } }
  - { id: long, wait: \"${{ event.data.n }}h\", if: event.data.n == 1 }
  - { id: not, wait: 9d, if: event.data.n == 2 }
  - { id: past, wait: { until: '2020-01-01' } }
";
    let rehearsed = played(text, Script::default());
    let played = run(&rehearsed, "w");
    assert_eq!(played.run.state, RunState::Succeeded, "{:?}", played.run.failure);
    let until = postroom_expr::moment_ms("2026-11-10T00:00:00Z").expect("a time");
    assert_eq!(played.run.finished_ms, Some(until + 3_600_000));
    assert_eq!(played.run.steps[3].state, StepState::Skipped);
}

#[test]
fn a_wait_that_says_no_time_is_refused() {
    for (wait, what) in [
        ("\"${{ event.data.n }}\"", "is not a duration"),
        ("{ until: \"soon\" }", "is no time"),
        ("{ until: '2099-01-01' }", "more than 366 days"),
        ("\"${{ event.data.n * 4000 }}d\"", "than"),
        (
            "{ event: B, timeout: \"${{ event.data.n }}\" }",
            "`wait.timeout` of step `a`: `1` is not",
        ),
        ("{ event: B, timeout: \"${{ event.data.n * 4000 }}d\" }", "than"),
    ] {
        let text = format!("workflow: w\non: [{{event: A}}]\nsteps: [{{ id: a, wait: {wait} }}]\n");
        let rehearsed = played(&text, Script::default());
        let failure = run(&rehearsed, "w").run.failure.clone().expect("it is dead").failure;
        assert_eq!(failure.code, "step/bad-wait", "{wait}");
        assert!(failure.message.contains(what), "{}", failure.message);
    }
}

/// How long is computed when the step begins to wait, and not at all where it is skipped.
#[test]
fn how_long_an_event_is_waited_for_may_be_computed() {
    let text = "
workflow: w
on: [{event: A}]
steps:
  - id: paid
    wait: { event: PAID, timeout: \"${{ event.data.n == 1 ? '3d' : '9d' }}\" }
  - id: not
    if: event.data.n == 2
    wait: { event: PAID, timeout: \"${{ event.data.n }}\" }
";
    let rehearsed = played(text, Script::default());
    let played = run(&rehearsed, "w");
    assert_eq!(played.run.state, RunState::Succeeded, "{:?}", played.run.failure);
    assert_eq!(took_ms(played), 3 * DAY_MS);
    assert_eq!(played.run.steps[1].state, StepState::Skipped);
}

#[test]
fn an_event_that_does_not_come_times_out() {
    let text = "
workflow: w
on: [{event: A}]
steps:
  - { id: paid, wait: { event: PAID, if: arrived.data.n == event.data.n, timeout: 3d } }
  - id: late
    if: steps.paid.output.event == null
    uses: local/echo
    with: { late: \"${{ steps.paid.output.timedOut }}\" }
";
    let rehearsed = played(text, Script::default());
    let played = run(&rehearsed, "w");
    assert_eq!((output(played).as_str(), took_ms(played)), (r#"{"late":true}"#, 3 * DAY_MS));
}

#[test]
fn silence_is_what_the_workflow_says() {
    let with = |approve: &str| {
        let text = format!(
            "workflow: w\non: [{{event: A}}]\nsteps:\n  - {{ id: ok, approve: {approve} }}\n  - {{ \
             id: on, uses: local/echo, with: {{ ok: \"${{{{ steps.ok.output.approved }}}}\" }} }}\n"
        );
        played(&text, Script::default())
    };
    let rehearsed = with("Sure?");
    let cancelled = run(&rehearsed, "w");
    assert_eq!((cancelled.run.state, took_ms(cancelled)), (RunState::Cancelled, 7 * DAY_MS));
    let last = cancelled.journal.last().expect("an entry");
    assert_eq!(last.actor.as_deref(), Some("deadline"));
    let asked = cancelled.journal.iter().find(|entry| entry.kind == Kind::Waits);
    assert_eq!(asked.and_then(|entry| entry.ask.as_deref()), Some("Sure?"));
    let rehearsed = with("{ ask: Sure?, timeout: 1h, default: approve }");
    assert_eq!(output(run(&rehearsed, "w")), r#"{"ok":true}"#);
    let rehearsed = with("{ ask: Sure?, timeout: 1h, rejected: continue }");
    assert_eq!(output(run(&rehearsed, "w")), r#"{"ok":false}"#);
}

const CALLER: &str = "
workflow: caller
on: [{event: A}]
steps:
  - { id: pack, call: pack, with: { n: \"${{ event.data.n }}\" } }
  - { id: all, each: [5, 6], call: pack, with: { n: \"${{ item }}\" } }
  - { id: gone, call: pack, await: false }
return:
  one: ${{ steps.pack.output.twice }}
  all: ${{ steps.all.output.map(p => p.twice) }}
---
workflow: pack
on: call
steps:
  - { id: rest, wait: 1h }
return: { twice: \"${{ (event.data?.n ?? 0) * 2 }}\" }
";

#[test]
fn a_called_workflow_is_waited_for() {
    let rehearsed = played(CALLER, Script::default());
    let caller = run(&rehearsed, "caller");
    assert_eq!(caller.run.state, RunState::Succeeded, "{:?}", caller.run.failure);
    assert_eq!(output(caller), r#"{"one":2,"all":[10,12]}"#);
    // The items are called one after the other.
    assert_eq!(took_ms(caller), 3 * 3_600_000);
    let packs: Vec<&Played> =
        rehearsed.runs.iter().filter(|played| played.workflow.name == "pack").collect();
    assert_eq!(packs.len(), 4);
    assert!(packs.iter().all(|pack| pack.run.state == RunState::Succeeded));
}

#[test]
fn a_caller_fails_with_the_run_it_called() {
    let text = CALLER.replace("{ id: rest, wait: 1h }", "{ id: rest, wait: soon }");
    let text = text.replace("wait: soon", "wait: \"${{ 'soon' }}\"");
    let rehearsed = played(&text, Script::default());
    let caller = run(&rehearsed, "caller");
    let failure = caller.run.failure.clone().expect("it is dead").failure;
    assert_eq!(failure.code, "run/called-failed");
    let pack = run(&rehearsed, "pack").run.id.to_string();
    assert!(failure.message.contains(&pack) && failure.hint.is_some_and(|h| h.contains(&pack)));
}

#[test]
fn a_run_has_so_much_time_and_no_more() {
    let text = "
workflow: w
on: [{event: A}]
timeout: 2h
steps:
  - { id: rest, wait: 1d }
on_failure:
  - { id: tell, uses: local/echo, with: { why: \"${{ run.failure.code }}\" } }
";
    let rehearsed = played(text, Script::default());
    let played = run(&rehearsed, "w");
    let failure = played.run.failure.clone().expect("it is dead");
    assert_eq!((failure.reason, failure.failure.code.as_str()), (Reason::Timeout, "run/timeout"));
    assert_eq!(took_ms(played), 2 * 3_600_000);
    let told = played.journal.iter().any(|entry| entry.step.as_deref() == Some("tell"));
    assert!(told, "the steps of on_failure run");
}

fn arriving(kind: &str, data: &str) -> Arriving {
    Arriving {
        source: "ingest".to_owned(),
        kind: kind.to_owned(),
        data: Json::parse(data.to_owned()).expect("JSON"),
        key: None,
        correlation: None,
        subject: None,
        time_ms: None,
    }
}

fn said(step: &str, approved: bool) -> Said {
    let cue = Cue { workflow: None, step: step.to_owned() };
    Said { cue, approved, by: "ann".to_owned(), note: Some("why".to_owned()) }
}

#[test]
fn events_come_later_and_people_answer() {
    let text = "
workflow: w
on: [{event: A}]
steps:
  - { id: paid, wait: { event: PAID, if: arrived.data.n == event.data.n, timeout: 3d } }
  - { id: ok, approve: 'Ship ${{ steps.paid.output.event.data.n }}?' }
  - { id: more, wait: { event: PAID, timeout: 1d } }
  - { id: end, uses: local/echo, with: { by: \"${{ steps.ok.output.by }}\",
      late: \"${{ steps.more.output.timedOut }}\" } }
";
    let later = |hours: u64, n: u64| Later {
        after_ms: hours * 3_600_000,
        event: arriving("PAID", &format!("{{\"n\":{n}}}")),
    };
    let script = |approved| Script {
        later: vec![later(30, 1), later(10, 2)],
        people: vec![said("ok", approved)],
        ..Script::default()
    };
    let rehearsed = played(text, script(true));
    let fine = run(&rehearsed, "w");
    assert_eq!(fine.run.state, RunState::Succeeded, "{:?}", fine.run.failure);
    // The event that the first step has had is not had again; the other one came before.
    assert_eq!(output(fine), r#"{"by":"ann","late":false}"#);
    assert_eq!(took_ms(fine), 30 * 3_600_000);
    let rehearsed = played(text, script(false));
    let refused = run(&rehearsed, "w");
    assert_eq!(refused.run.state, RunState::Cancelled);
    let last = refused.journal.last().expect("an entry");
    assert_eq!(last.note.as_deref(), Some("rejected `ok`: why"));
    let assumed = Script { approve: true, later: vec![later(1, 1)], ..Script::default() };
    let rehearsed = played(text, assumed);
    assert_eq!(output(run(&rehearsed, "w")), r#"{"by":"assumed","late":true}"#);
}

#[test]
fn a_step_that_is_cut_off_before_it_began_emits_nothing() {
    // Both times are over at once: the first lets `say` begin, the second ends the run.
    let text = "
workflow: w
on: [{event: A}]
steps:
  - { id: nap, needs: [], wait: 1h }
  - { id: ok, needs: [], approve: { ask: Sure?, timeout: 1h } }
  - { id: say, needs: [nap], emit: SAID, with: { n: 1 } }
---
workflow: said
on: [{event: SAID}]
steps:
  - { id: hear, uses: local/echo, with: { n: 1 } }
";
    let rehearsed = played(text, Script::default());
    let played = run(&rehearsed, "w");
    assert_eq!(played.run.state, RunState::Cancelled);
    assert_eq!(played.run.steps[2].state, StepState::Pending);
    assert_eq!(rehearsed.runs.len(), 1, "{:?}", played.journal);
}
