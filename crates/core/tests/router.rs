//! Which runs an event starts, with which keys, and which workflows came near.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;

use postroom_core::definition::{Defaults, Stored};
use postroom_core::id::KeyHash;
use postroom_core::run::{Reason, RunState};
use postroom_core::trigger::{Router, Start};
use postroom_core::{Event, EventId, Json, RunId, parse};
use postroom_expr::Limits;

fn router(texts: &[&str]) -> Router {
    let workflow = |text: &&str| {
        let stored =
            Stored::new("w.yaml".into(), format!("{text}\nsteps: []\n"), Defaults::default());
        Arc::new(parse::workflow(&stored).unwrap_or_else(|problems| panic!("{problems:?}")))
    };
    Router::new(texts.iter().map(workflow).collect())
}

fn event(kind: &str, data: &str) -> Event {
    Event {
        id: EventId::from_parts(1_800_000_000_000, [5; 10]),
        source: "ingest".into(),
        kind: kind.into(),
        time_ms: 1_799_999_999_000,
        received_ms: 1_800_000_000_000,
        correlation: "c".into(),
        subject: None,
        key: None,
        cause: None,
        data: Json::parse(data.into()).unwrap(),
    }
}

fn route(router: &Router, event: &Event) -> Vec<Start> {
    router.route(event, Limits::default())
}

/// The names of the workflows that an event starts; dead ones with the failure's code.
fn started(router: &Router, event: &Event) -> Vec<String> {
    let name = |start: &Start| match &start.run.failure {
        None => start.run.workflow.clone(),
        Some(failure) => format!("{} {}", start.run.workflow, failure.failure.code),
    };
    route(router, event).iter().map(name).collect()
}

fn near(router: &Router, event: &Event) -> Vec<(String, String)> {
    let near = router.near(event, Limits::default());
    near.into_iter().map(|near| (near.workflow, near.why)).collect()
}

#[test]
fn types_sources_patterns_and_conditions() {
    let router = router(&[
        "workflow: exact\non: [{event: invoice.paid}]",
        "workflow: pattern\non: [{event: 'invoice.*'}]",
        "workflow: all\non: [{event: '*'}]",
        "workflow: stripe\non: [{event: invoice.paid, source: stripe}]",
        "workflow: large\non: [{event: invoice.paid, if: event.data.amount > 100}]",
    ]);
    let paid = |amount| event("invoice.paid", &format!("{{\"amount\": {amount}}}"));
    assert_eq!(started(&router, &paid(5)), ["exact", "pattern", "all"]);
    assert_eq!(started(&router, &paid(500)), ["exact", "pattern", "all", "large"]);
    let stripe = Event { source: "stripe".into(), ..paid(5) };
    assert_eq!(started(&router, &stripe), ["exact", "pattern", "all", "stripe"]);
    assert_eq!(started(&router, &event("invoice.", "{}")), ["pattern", "all"]);
    assert_eq!(started(&router, &event("invoice", "{}")), ["all"]);
    assert_eq!(started(&router, &event("Invoice.paid", "{}")), ["all"]);
    assert_eq!(router.workflows().len(), 5);
}

#[test]
fn a_workflow_starts_once_however_many_triggers_hold() {
    let router =
        router(&["workflow: w\non: [{event: '*'}, {event: E}, {event: E}, {event: 'E*'}]"]);
    assert_eq!(started(&router, &event("E", "{}")), ["w"]);
    assert!(near(&router, &event("E", "{}")).is_empty());
}

#[test]
fn a_new_run_is_queued_now_under_the_id_derived_from_its_event() {
    let router = router(&["workflow: w\non: [{event: E}]"]);
    let event = event("E", "{}");
    let start = route(&router, &event).remove(0);
    let run = &start.run;
    assert_eq!((run.id, run.event), (RunId::derive(event.id, "w"), event.id));
    assert_eq!((run.state, run.due_ms), (RunState::Queued, Some(event.received_ms)));
    assert_eq!((run.created_ms, run.finished_ms), (event.received_ms, None));
    assert_eq!((run.key.clone(), run.definition), (run.id.to_string(), router.workflows()[0].hash));
    assert_eq!((start.dedupe, start.concurrency), (None, None));
    assert_eq!(route(&router, &event)[0].run, start.run, "routing again makes the same run");
}

#[test]
fn a_condition_that_faults_makes_a_dead_run_that_says_why() {
    let router = router(&["workflow: w\non: [{event: E, if: event.data.amount > 0}]"]);
    let start = route(&router, &event("E", "{}")).remove(0);
    let failure = start.run.failure.clone().unwrap();
    assert_eq!((start.run.state, failure.reason), (RunState::Dead, Reason::Unroutable));
    assert_eq!((start.run.due_ms, failure.step), (None, None));
    assert_eq!(start.run.finished_ms, Some(1_800_000_000_000));
    assert_eq!(failure.failure.code, "expr/missing-field");
    assert_eq!(
        failure.failure.message,
        "the trigger condition of workflow `w` could not be evaluated: \
         `event.data` has no field `amount`"
    );
    assert!(failure.failure.hint.is_some());
}

#[test]
fn a_condition_must_be_true_or_false() {
    let router = router(&["workflow: w\non: [{event: E, if: event.data.amount}]"]);
    for (data, expected) in [
        (r#"{"amount": true}"#, &["w"][..]),
        (r#"{"amount": false}"#, &[]),
        (r#"{"amount": 1}"#, &["w expr/type"]),
        (r#"{"amount": null}"#, &["w expr/type"]),
        (r#"{"amount": "true"}"#, &["w expr/type"]),
    ] {
        assert_eq!(started(&router, &event("E", data)), expected, "{data}");
    }
}

#[test]
fn a_trigger_that_holds_is_enough_whatever_the_others_do() {
    for on in [
        "[{event: E, if: event.data.x > 0}, {event: E}]",
        "[{event: E}, {event: E, if: event.data.x > 0}]",
        "[{event: E, if: event.data.x > 0}, {event: '*', if: 'true'}]",
    ] {
        let router = router(&[&format!("workflow: w\non: {on}")]);
        assert_eq!(started(&router, &event("E", "{}")), ["w"], "{on}");
    }
    let router = router(&["workflow: w\non: [{event: E, if: event.data.x > 0}, {event: F}]"]);
    assert_eq!(started(&router, &event("E", "{}")), ["w expr/missing-field"]);
}

#[test]
fn dedupe_keys_are_of_the_workflow() {
    let router = router(&[
        "workflow: a\non: [{event: E}]\ndedupe: ${{ event.data.key }}",
        "workflow: b\non: [{event: E}]\ndedupe: ${{ event.data.key }}",
        "workflow: c\non: [{event: E}]\ndedupe: order-${{ event.data.key }}",
    ]);
    let starts = route(&router, &event("E", r#"{"key": 7}"#));
    let keys: Vec<&str> = starts.iter().map(|start| start.run.key.as_str()).collect();
    assert_eq!(keys, ["7", "7", "order-7"]);
    assert_eq!(starts[0].dedupe, Some(KeyHash::of(&["run", "a"], "7")));
    assert_ne!(starts[0].dedupe, starts[1].dedupe);
    let text = route(&router, &event("E", r#"{"key": "7"}"#));
    assert_eq!(text[0].dedupe, starts[0].dedupe, "a number and its text are one key");
}

#[test]
fn no_dedupe_key_is_no_fault_but_a_wrong_one_is() {
    let optional = router(&["workflow: w\non: [{event: E}]\ndedupe: ${{ event.data?.key }}"]);
    for data in ["{}", r#"{"key": null}"#, r#"{"key": ""}"#] {
        let start = route(&optional, &event("E", data)).remove(0);
        assert_eq!(start.dedupe, None, "{data}");
        assert_eq!(start.run.key, start.run.id.to_string(), "{data}");
    }
    let required = router(&["workflow: w\non: [{event: E}]\ndedupe: ${{ event.data.key }}"]);
    let start = route(&required, &event("E", "{}")).remove(0);
    let failure = start.run.failure.unwrap().failure;
    assert!(failure.message.starts_with("the `dedupe` of workflow `w`"), "{}", failure.message);
    assert_eq!((start.dedupe, start.run.state), (None, RunState::Dead));
}

#[test]
fn the_key_of_an_event_is_of_its_source_and_type() {
    let router = router(&["workflow: w\non: [{event: '*'}]"]);
    let keyed = |source: &str, kind: &str| {
        let event = Event { key: Some("k".into()), source: source.into(), ..event(kind, "{}") };
        route(&router, &event).remove(0).run.key
    };
    assert_eq!(keyed("ingest", "CREATED"), "ingest/CREATED/k");
    let all = [
        keyed("ingest", "CREATED"),
        keyed("ingest", "UPDATED"),
        keyed("stripe", "CREATED"),
        keyed("a/b", "c"),
        keyed("a", "b/c"),
        keyed("a", "b"),
    ];
    let unique: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "{all:?}");
}

#[test]
fn concurrency_keys_are_of_the_workflow() {
    let policy = "concurrency: { key: '${{ event.data.customer }}', limit: 3 }";
    let router = router(&[
        &format!("workflow: a\non: [{{event: E}}]\n{policy}"),
        &format!("workflow: b\non: [{{event: E}}]\n{policy}"),
    ]);
    let starts = route(&router, &event("E", r#"{"customer": "c1"}"#));
    let key = KeyHash::of(&["concurrency", "a"], "c1");
    assert_eq!(starts[0].concurrency, Some((key, 3)));
    assert_ne!(starts[0].concurrency, starts[1].concurrency);
    let start = route(&router, &event("E", r#"{"customer": null}"#)).remove(0);
    let message = start.run.failure.unwrap().failure.message;
    assert!(message.starts_with("the `concurrency.key` of workflow `a`"), "{message}");
}

#[test]
fn evaluation_is_bounded() {
    let router = router(&[
        "workflow: w\non: [{event: E, if: 'event.data.l.map(a, event.data.l.map(b, 1)) != []'}]",
    ]);
    let list = vec!["1"; 3_000].join(",");
    let started = started(&router, &event("E", &format!("{{\"l\": [{list}]}}")));
    assert_eq!(started.len(), 1);
    assert!(started[0].starts_with("w expr/"), "{started:?}");
}

#[test]
fn what_came_near_says_why() {
    let router = router(&[
        "workflow: slip\non: [{event: CREATE_STRIPE_INVOICE}]",
        "workflow: other\non: [{event: SOMETHING_ELSE}]",
        "workflow: stripe\non: [{event: CREATE_STRIPE_INVOCE, source: stripe}]",
        "workflow: zero\non: [{event: 'CREATE*', if: '${{ event.data.amount > 0 }}'}]",
        "workflow: fault\non: [{event: 'CREATE*', if: event.data.missing > 0}]",
        "workflow: held\non: [{event: CREATE_STRIPE_INVOCE}, {event: CREATE_STRIPE_INVOICE}]",
    ]);
    let pair = |workflow: &str, why: &str| (workflow.to_owned(), why.to_owned());
    assert_eq!(
        near(&router, &event("CREATE_STRIPE_INVOCE", r#"{"amount": 0}"#)),
        [
            pair(
                "slip",
                "it waits for `CREATE_STRIPE_INVOICE`, the event is `CREATE_STRIPE_INVOCE`"
            ),
            pair("stripe", "it takes only source `stripe`, the event is of `ingest`"),
            pair("zero", "its condition is false: ${{ event.data.amount > 0 }}"),
            pair("fault", "its condition faults: `event.data` has no field `missing`"),
        ]
    );
    assert!(near(&router, &event("NOTHING", "{}")).is_empty());
}

/// The only run that an event with this data starts.
fn start(policies: &str, data: &str) -> Start {
    let router = router(&[&format!("workflow: w\non: [{{event: E}}]\n{policies}")]);
    route(&router, &event("E", data)).remove(0)
}

#[test]
fn a_window_of_its_own_counts_from_the_event() {
    let long = start("dedupe: { key: \"${{ event.data.id }}\", window: 90d }", r#"{"id": "A-1"}"#);
    assert_eq!(long.dedupe, Some(KeyHash::of(&["run", "w"], "A-1")));
    assert_eq!(long.dedupe_until_ms, Some(1_800_000_000_000 + 90 * 86_400_000));
    assert_eq!(long.run.key, "A-1");
    let short = start("dedupe: ${{ event.data.id }}", r#"{"id": "A-1"}"#);
    assert_eq!((short.dedupe, short.dedupe_until_ms), (long.dedupe, None));
    let none = start("dedupe: { key: \"${{ event.data.id }}\", window: 1h }", r#"{"id": null}"#);
    assert_eq!(none.dedupe, None);
}

#[test]
fn a_run_carries_the_keys_by_which_others_find_it() {
    let key = "${{ event.data.id }}";
    let all = format!(
        "concurrency: {{ key: \"{key}\", when_full: cancel-older }}\n\
         debounce: {{ key: \"{key}\", delay: 30s }}\nthrottle: {{ limit: 1, per: 1m }}"
    );
    let start_of = |data: &str| start(&all, data);
    let one = start_of(r#"{"id": 7}"#);
    let admission = one.run.admission.as_deref().unwrap();
    assert_eq!(admission.cancel_older, Some(KeyHash::of(&["concurrency", "w"], "7")));
    assert_eq!(admission.debounce, Some(KeyHash::of(&["debounce", "w"], "7")));
    // It does not wait for room in the store.
    assert_eq!(one.concurrency, None);
    assert_eq!(one.run.due_ms, Some(1_800_000_030_000));
    let other = start_of(r#"{"id": ""}"#);
    let other = other.run.admission.as_deref().unwrap();
    assert_ne!(other.debounce, admission.debounce);
    assert_eq!(other.throttle, admission.throttle);
    // An empty key is one all the same.
    let keyed =
        start("throttle: { key: \"${{ event.data.id }}\", limit: 1, per: 1m }", r#"{"id": ""}"#);
    assert_ne!(keyed.run.admission.unwrap().throttle, admission.throttle);
    let queued = start("concurrency: { key: k, limit: 3, when_full: queue }", "{}");
    assert_eq!(queued.concurrency, Some((KeyHash::of(&["concurrency", "w"], "k"), 3)));
    assert_eq!(queued.run.admission, None);
}

#[test]
fn a_run_is_admitted_once() {
    let run = start("debounce: { delay: 30s }", "{}").run;
    assert!(run.admission().is_some());
    let later = run.clone().put_off(5);
    assert_eq!((later.state, later.due_ms), (RunState::Queued, Some(5)));
    assert!(later.admission().is_some());
    let by = RunId([9; 16]);
    let (ended, entry) = run.clone().superseded("debounce", by, 7).unwrap();
    assert_eq!((ended.state, ended.due_ms), (RunState::Cancelled, None));
    assert_eq!(entry.actor.as_deref(), Some("debounce"));
    assert_eq!(entry.note, Some(format!("superseded by the newer {by}")));
    assert!(ended.admission().is_none());
    let (again, _) = ended.redrive("ann", None, 9).unwrap();
    assert!(again.state == RunState::Queued && again.admission().is_none());
    let mut started = run;
    started.steps = vec![];
    started.state = RunState::Running;
    assert!(started.admission().is_none());
}

#[test]
fn a_priority_moves_a_place_in_the_queue_by_ten_minutes_at_most() {
    const AT_MS: i64 = 1_800_000_000_000;
    let priority = "priority: ${{ event.data.p }}";
    let moved = |policies: &str, p: &str| {
        let run = start(policies, &format!("{{\"p\": {p}}}")).run;
        (run.due_ms.unwrap() - AT_MS, run.place_ms() - AT_MS, run.admission().is_some())
    };
    for (p, due_ms, place_ms) in [
        ("60", -60_000, -60_000),
        ("0.5", -500, -500),
        ("0", 0, 0),
        // Late in the queue, but due: free workers take it.
        ("-60", 0, 60_000),
        ("601", -600_000, -600_000),
        ("1e300", -600_000, -600_000),
        ("-9999", 0, 600_000),
    ] {
        assert_eq!(moved(priority, p), (due_ms, place_ms, false), "{p}");
    }
    assert_eq!(moved("priority: -2.5", "0"), (0, 2_500, false));
    // Quiet is waited for whatever the priority.
    let both = format!("debounce: {{ delay: 1m }}\n{priority}");
    assert_eq!(moved(&both, "10"), (60_000, 50_000, true));
    assert_eq!(moved(&both, "-10"), (60_000, 70_000, true));
}

#[test]
fn a_policy_that_faults_makes_a_dead_run_that_says_which() {
    for (policies, what, code) in [
        ("dedupe: { key: \"${{ event.data.x }}\", window: 1h }", "`dedupe`", "expr/missing-field"),
        (
            "concurrency: { key: \"${{ event.data.n }}\", when_full: cancel-older }",
            "`concurrency.key`",
            "expr/null",
        ),
        (
            "debounce: { key: \"${{ event.data.x }}\", delay: 1s }",
            "`debounce.key`",
            "expr/missing-field",
        ),
        (
            "throttle: { key: \"${{ event.data.x }}\", limit: 1, per: 1s }",
            "`throttle.key`",
            "expr/missing-field",
        ),
        ("priority: ${{ event.data.t }}", "`priority`", "expr/type"),
    ] {
        let start = start(policies, r#"{"n": null, "t": "1"}"#);
        let failure = start.run.failure.unwrap().failure;
        let expected = format!("the {what} of workflow `w` could not be evaluated: ");
        assert!(failure.message.starts_with(&expected), "{policies}: {}", failure.message);
        assert_eq!(failure.code, code, "{policies}: {}", failure.message);
        assert!(start.run.admission.is_none() && start.dedupe.is_none());
    }
}
