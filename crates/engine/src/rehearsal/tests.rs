//! Rehearsals of small projects: what they record, that they end, that they repeat themselves.

use std::collections::BTreeMap;

use postroom_adapters::{Catalog, HttpResponse, Lost};
use postroom_core::definition::{Defaults, Stored};
use postroom_core::run::RunState;
use postroom_core::{Json, parse};
use postroom_store::model::Model;

use super::*;

mod flow;

const NOON_MS: i64 = 1_793_707_200_000;

fn project(text: &str) -> Project {
    let read = |text: &str| {
        let file = "workflows/w.yaml".to_owned();
        let stored = Stored::new(file, text.to_owned(), Defaults::default());
        let workflow = parse::workflow(&stored).expect("a workflow");
        (stored, workflow)
    };
    let workflows = text.split("---\n").map(read).collect();
    let catalog = Arc::new(Catalog::builtin());
    Project::new(workflows, catalog, BTreeMap::new()).expect("a project")
}

fn played(text: &str, script: Script) -> Rehearsed {
    played_within(text, script, Bounds::NONE).expect("a rehearsal")
}

fn played_within(text: &str, script: Script, bounds: Bounds) -> Result<Rehearsed, Error> {
    let bell = Arc::new(Bell::default());
    let store = Arc::new(Model::new(Arc::clone(&bell) as _));
    let project = project(text);
    let stage = Stage { store, bell, project, now_ms: NOON_MS, script, only: None };
    rehearse_within(stage, arriving(), None, bounds)
}

fn arriving() -> Arriving {
    Arriving {
        source: "ingest".to_owned(),
        kind: "A".to_owned(),
        data: Json::parse(r#"{"n":1}"#.to_owned()).expect("JSON"),
        key: None,
        correlation: None,
        subject: None,
        time_ms: None,
    }
}

fn line(step: &str, gives: &[Gives]) -> Line {
    let answer = |gives: &Gives| Answer { gives: gives.clone(), times: None, to: None };
    let cue = Cue { workflow: None, step: step.to_owned() };
    Line { cue, call: None, answers: gives.iter().map(answer).collect() }
}

fn status(status: u16) -> Gives {
    Gives::Response(HttpResponse { status, headers: Vec::new(), body: Vec::new() })
}

/// The only request of a step.
fn of<'a>(rehearsed: &'a Rehearsed, step: &str) -> &'a Made {
    let mut made = rehearsed.requests.iter().filter(|made| made.step == step);
    let (first, more) = (made.next().expect("a request"), made.next());
    assert!(more.is_none(), "{step} made several requests");
    first
}

/// Two steps side by side, then one that joins them.
const FORK: &str = "
workflow: fork
on: [{event: A}]
steps:
  - { id: left, uses: slack/post_message, needs: [],
      with: { channel: '#l', text: \"${{ event.id }}\" } }
  - { id: right, uses: stripe/create_customer, needs: [], with: { email: a@b.c } }
  - { id: join, uses: slack/post_message, needs: [left, right],
      with: { channel: '#j', text: \"${{ steps.right.output.stripeCustomerId }}\" } }
";

#[test]
fn the_same_rehearsal_comes_out_the_same() {
    let script = || {
        let lines = vec![line("right", &[status(500), Gives::Lost(Lost::TimedOut), status(429)])];
        Script { lines, ..Script::default() }
    };
    let first = played(FORK, script());
    let again = played(FORK, script());
    let facts = |rehearsed: &Rehearsed| {
        let made = rehearsed.requests.iter().map(|m| (m.at_ms, m.step.clone(), m.request.clone()));
        made.collect::<Vec<_>>()
    };
    assert_eq!(facts(&first), facts(&again));
    assert_eq!(first.event, again.event);
    assert_eq!(first.runs[0].run, again.runs[0].run);
    // Twice a delay and once the time limit have passed on the clock of the rehearsal.
    let last = &first.requests[3];
    assert_eq!((last.step.as_str(), last.attempt), ("right", 3));
    assert!(last.at_ms - NOON_MS > 60_000, "{}", last.at_ms);
    assert_eq!(first.runs[0].run.state, RunState::Dead);
}

#[test]
fn credentials_are_their_names() {
    let rehearsed = played(FORK, Script::default());
    assert_eq!(rehearsed.runs[0].run.state, RunState::Succeeded);
    let value = |made: &Made| {
        let found = made.request.headers.iter().find(|(name, _)| *name == made.auth[0]);
        found.map(|(_, value)| value.clone()).expect("a credential")
    };
    assert_eq!(value(of(&rehearsed, "left")), "Bearer {bot_token: SLACK_BOT_TOKEN}");
    assert_eq!(value(of(&rehearsed, "right")), "Bearer {api_key: STRIPE_API_KEY}");
    let join = String::from_utf8_lossy(&of(&rehearsed, "join").request.body).into_owned();
    assert!(join.contains("\"cus_"), "{join}");
}

#[test]
fn scripts_replace_answers_results_and_outputs() {
    let json = |text: &str| Json::parse(text.to_owned()).expect("JSON");
    let cue = Cue { workflow: Some("fork".to_owned()), step: "right".to_owned() };
    let mut script = Script {
        lines: vec![line("left", &[Gives::Result(json(r#"{"channel":"C","ts":"1"}"#))])],
        outputs: vec![(cue, json(r#"{"stripeCustomerId":"cus_mine"}"#))],
        ..Script::default()
    };
    let only = |made: &Made| made.request.body.ends_with(b"cus_mine\"}");
    let answer = Answer { gives: status(404), times: None, to: Some(Arc::new(only)) };
    script.lines.push(Line { answers: vec![answer], ..line("join", &[]) });
    let rehearsed = played(FORK, script);
    let run = &rehearsed.runs[0].run;
    assert_eq!(run.failure.as_ref().and_then(|f| f.step.as_deref()), Some("join"));
    assert_eq!(run.failure.as_ref().map(|f| f.failure.code.as_str()), Some("http/404"));
    assert_eq!(of(&rehearsed, "left").origin, Origin::Script);
    assert_eq!(of(&rehearsed, "right").origin, Origin::Example);
}

#[test]
fn an_action_without_an_example_is_refused_by_name() {
    let text = "workflow: w\non: [{event: A}]\nsteps: [{id: a, uses: own/get}]\n";
    let manifest = "
adapter: own
title: Own
docs: https://example.com
base_url: https://example.com
actions:
  - action: get
    version: 1
    summary: Gets.
    input: { type: object }
    output: { type: object }
    request: { method: GET, path: /x }
";
    let file = "w.yaml".to_owned();
    let stored = Stored::new(file, text.to_owned(), Defaults::default());
    let workflow = parse::workflow(&stored).expect("a workflow");
    let mut catalog = Catalog::builtin();
    catalog.add("own.yaml", manifest).expect("a manifest");
    let workflows = vec![(stored, workflow)];
    let project = Project::new(workflows, Arc::new(catalog), BTreeMap::new()).expect("a project");
    let bell = Arc::new(Bell::default());
    let store = Arc::new(Model::new(Arc::clone(&bell) as _));
    let (script, only) = (Script::default(), None);
    let stage = Stage { store, bell, project, now_ms: NOON_MS, script, only };
    let (data, kind, source) = (Json::null(), "A".to_owned(), "ingest".to_owned());
    let (key, correlation, subject, time_ms) = (None, None, None, None);
    let event = Arriving { source, kind, data, key, correlation, subject, time_ms };
    let rehearsed = rehearse(stage, event, None).expect("a rehearsal");
    assert_eq!(rehearsed.requests.len(), 1);
    assert_eq!(rehearsed.requests[0].origin, Origin::Nowhere);
    let failure = rehearsed.runs[0].run.failure.as_ref().expect("a failure");
    assert!(failure.failure.message.contains("no recorded answer"), "{failure:?}");
}

/// One workflow announces, another one hears of it.
const CHAIN: &str = "
workflow: first
on: [{event: A}]
steps:
  - { id: tell, emit: TOLD, with: { n: \"${{ event.data.n + 1 }}\" }, key: \"${{ event.id }}\" }
  - { id: quiet, if: event.data.n > 1, emit: QUIET }
return: { told: \"${{ steps.tell.output.event }}\", quiet: \"${{ steps.quiet.status }}\" }
---
workflow: second
on: [{event: TOLD, source: emit}, {event: QUIET}]
steps:
  - { id: post, uses: slack/post_message,
      with: { channel: '#c', text: \"got ${{ event.data.n }}\" } }
---
workflow: deaf
on: [{event: TOLD, source: ingest}]
steps:
  - { id: post, uses: slack/post_message, with: { channel: '#c', text: never } }
";

fn ended<'a>(played: &'a Played, step: &str) -> &'a Entry {
    let of_step = |entry: &&Entry| entry.step.as_deref() == Some(step);
    played.journal.iter().rev().find(of_step).expect("the step ended")
}

#[test]
fn what_a_step_emits_starts_other_runs() {
    let rehearsed = played(CHAIN, Script::default());
    let run = |name: &str| rehearsed.runs.iter().find(|played| played.run.workflow == name);
    assert_eq!(rehearsed.runs.len(), 2);
    let (first, second) = (run("first").expect("it ran"), run("second").expect("it ran"));
    assert_eq!(first.run.state, RunState::Succeeded);
    assert_eq!(second.run.state, RunState::Succeeded);
    let output = |step| ended(first, step).output.as_ref().expect("an output").text().to_owned();
    assert_eq!(output("tell"), format!("{{\"event\":\"{}\"}}", second.run.event));
    let told = format!("{{\"told\":\"{}\",\"quiet\":\"skipped\"}}", second.run.event);
    assert_eq!(output("return"), told);
    let key = format!("emit/TOLD/{}", rehearsed.event.id);
    assert_eq!(second.run.key, key, "the event's key is that of the step");
    let body = String::from_utf8_lossy(&of(&rehearsed, "post").request.body);
    assert!(body.contains("got 2"), "{body}");
    let emitted = &rehearsed.emits[0];
    assert_eq!((rehearsed.emits.len(), emitted.after), (1, 0));
    assert_eq!((emitted.workflow.as_str(), emitted.step.as_str()), ("first", "tell"));
    assert_eq!(emitted.event.data.text(), "{\"n\":2}");
    assert_eq!((&*emitted.starts, emitted.repetition), (&["second".to_owned()][..], false));
}

#[test]
fn events_stand_in_order_with_requests_and_runs_with_events() {
    let text = "
workflow: first
on: [{event: A}]
steps:
  - { id: one, emit: B, with: { n: 1 } }
  - { id: post, uses: slack/post_message, with: { channel: '#c', text: x } }
  - { id: two, emit: B, with: { n: 2 }, key: k }
  - { id: again, emit: B, with: { n: 3 }, key: k }
---
workflow: second
on: [{event: B}]
steps: [{ id: look, uses: local/echo, with: { n: \"${{ event.data.n }}\" } }]
";
    let rehearsed = played(text, Script::default());
    let emits = rehearsed.emits.iter();
    let emits: Vec<_> = emits.map(|e| (e.after, &*e.step, e.starts.len(), e.repetition)).collect();
    let expected = [(0, "one", 1, false), (1, "two", 1, false), (1, "again", 0, true)];
    assert_eq!(emits, expected);
    let output =
        |played: &Played| ended(played, "look").output.as_ref().map(|o| o.text().to_owned());
    let names: Vec<&str> = rehearsed.runs.iter().map(|p| p.run.workflow.as_str()).collect();
    assert_eq!(names, ["first", "second", "second"]);
    assert_eq!(output(&rehearsed.runs[1]).as_deref(), Some("{\"n\":1}"));
    assert_eq!(output(&rehearsed.runs[2]).as_deref(), Some("{\"n\":2}"));
}

#[test]
fn as_if_there_were_no_other_workflow_holds_for_emitted_events_too() {
    let bell = Arc::new(Bell::default());
    let store = Arc::new(Model::new(Arc::clone(&bell) as _));
    let (script, only, project) = (Script::default(), Some("first".to_owned()), project(CHAIN));
    let stage = Stage { store, bell, project, now_ms: NOON_MS, script, only };
    let rehearsed = rehearse(stage, arriving(), None).expect("a rehearsal");
    let names: Vec<&str> = rehearsed.runs.iter().map(|p| p.run.workflow.as_str()).collect();
    assert_eq!((names, rehearsed.verdicts.len()), (vec!["first"], 1));
    assert_eq!((rehearsed.emits.len(), rehearsed.emits[0].starts.len()), (1, 0));
}

#[test]
fn a_fault_in_what_a_run_comes_to_makes_it_dead() {
    let text = "
workflow: w
on: [{event: A}]
steps: [{ id: tell, emit: TOLD, key: \"${{ null }}\" }]
return: { x: \"${{ event.data.missing.x }}\" }
";
    let run = &played(text, Script::default()).runs[0].run;
    assert_eq!(run.state, RunState::Dead);
    let failure = run.failure.as_ref().expect("a failure");
    assert_eq!(failure.step.as_deref(), Some("return"));
    assert!(failure.failure.message.starts_with("`return.x`"), "{}", failure.failure.message);
}

#[test]
fn a_circle_ends_at_the_bound_and_emits_no_more() {
    let circle = |hops: &str| {
        let text = "workflow: w\non: [{event: A}]\nsteps: [{ id: again, emit: A }]\n";
        played(&format!("{text}{hops}"), Script::default())
    };
    for (hops, most) in [("", 16), ("max_hops: 3\n", 3), ("max_hops: 20\n", 20)] {
        let rehearsed = circle(hops);
        let dead = |played: &&Played| played.run.state == RunState::Dead;
        let dead: Vec<_> = rehearsed.runs.iter().filter(dead).collect();
        assert_eq!((rehearsed.runs.len(), dead.len()), (most + 1, 1), "{hops}");
        let failure = &dead[0].run.failure.as_ref().expect("a failure").failure;
        assert_eq!(failure.code, "run/too-many-hops");
    }
}

#[test]
fn a_rehearsal_ends_at_its_bounds() {
    let text = "
workflow: w
on: [{event: A}]
max_hops: 50
steps:
  - id: post
    uses: http/request
    with: { url: \"https://a.test/\", method: POST, text: \"$\" }
  - { id: again, emit: A }
";
    let text = text.replace('$', &"x".repeat(5_000));
    let within = |taken_up, bytes| {
        played_within(&text, Script::default(), Bounds { taken_up, bytes })
            .map(|all| all.runs.len())
    };
    assert_eq!(within(51, usize::MAX).expect("all of it"), 51);
    assert!(matches!(within(50, usize::MAX), Err(Error::Beyond(what)) if what.contains("50")));
    // Each run writes down a request of 5,000 bytes and more.
    assert_eq!(within(51, 1 << 20).expect("all of it"), 51);
    assert!(matches!(within(51, 50_000), Err(Error::Beyond(what)) if what.contains("50000 bytes")));
    assert!(matches!(within(51, 1_000), Err(Error::Beyond(_))));
}

#[test]
fn what_is_called_is_there_whatever_events_may_start() {
    let text = "
workflow: first
on: [{event: A}]
steps:
  - { id: part, call: second, with: { n: 1 } }
  - { id: tell, emit: B }
---
workflow: second
on: call
steps: [{ id: look, uses: local/echo, with: { n: \"${{ event.data.n }}\" } }]
---
workflow: third
on: [{event: B}]
steps: [{ id: look, uses: local/echo }]
";
    let names = |only: Option<&str>| {
        let bell = Arc::new(Bell::default());
        let store = Arc::new(Model::new(Arc::clone(&bell) as _));
        let (script, project) = (Script::default(), project(text));
        let only = only.map(str::to_owned);
        let stage = Stage { store, bell, project, now_ms: NOON_MS, script, only };
        let rehearsed = rehearse(stage, arriving(), None).expect("a rehearsal");
        let emits = rehearsed.emits.iter().map(|e| format!("{} {}", e.step, e.event.kind));
        assert_eq!(emits.collect::<Vec<_>>(), ["part call.second", "tell B"]);
        assert!(rehearsed.runs.iter().all(|played| played.run.state == RunState::Succeeded));
        rehearsed.runs.iter().map(|p| p.run.workflow.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["first", "second", "third"]);
    assert_eq!(names(Some("first")), ["first", "second"]);
}

mod policies;
