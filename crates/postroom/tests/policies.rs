//! When, and whether, runs start: windows of repetitions, newer runs that take the place of older
//! ones, waiting for quiet, bounds on starts, and who goes first.

mod harness;

use std::time::Instant;

use harness::{Fault, Ledger, PATIENCE, Project, Reply, Server};
use serde_json::{Value, json};

/// A workflow under policies whose only step posts to a double, at the path the event names.
fn workflow(ledger: &Ledger, policies: &str) -> String {
    format!(
        "workflow: w\non: [{{event: E}}]\n{policies}\nsteps:\n  - id: post\n    \
         uses: http/request\n    retry: {{attempts: 2, delay: 1h, jitter: 0}}\n    with:\n      \
         url: {}/${{{{ event.data.n }}}}\n      method: POST\n      \
         idempotencyHeader: Idempotency-Key\n      json: {{}}\n",
        ledger.double.url()
    )
}

/// A server of that workflow.
fn serving(ledger: &Ledger, policies: &str) -> (Project, Server) {
    Project::new("").workflow("w", &workflow(ledger, policies)).start_kept()
}

/// Sends an event of a key with a number; gives the run that it started.
#[track_caller]
fn send(server: &Server, key: &str, n: u32) -> String {
    let sent = server.send("E", &json!({"key": key, "n": n}));
    let runs = server.event(&sent)["runs"].clone();
    runs[0]["id"].as_str().unwrap_or_else(|| panic!("no run: {runs}")).to_owned()
}

/// Who ended a run, and what for.
fn ended(run: &Value) -> (&str, &str) {
    let entries = run["journal"].as_array().expect("a journal");
    let last = entries.last().expect("an entry");
    assert_eq!(last["kind"], "cancelled", "{run:#}");
    (last["actor"].as_str().expect("an actor"), last["note"].as_str().expect("a note"))
}

#[test]
fn a_repetition_is_recognised_for_the_workflows_own_window() {
    let of = |name: &str, window: &str| {
        format!(
            "workflow: {name}\non: [{{event: E}}]\n\
             dedupe: {{ key: \"${{{{ event.data.id }}}}\", window: {window} }}\n\
             steps:\n  - {{ id: a, uses: local/echo }}\n"
        )
    };
    let project =
        Project::new("").workflow("short", &of("short", "1s")).workflow("long", &of("long", "90d"));
    let runs = |server: &Server| {
        let sent = server.send("E", &json!({"id": "A-1"}));
        server.event(&sent)["runs"].as_array().expect("runs").clone()
    };
    let server = project.start();
    let first = runs(&server);
    assert_eq!(first.len(), 2, "{first:?}");
    server.kill();
    let server = project.start();
    // The short window ends, the long one does not, and both have outlived the process.
    let deadline = Instant::now() + PATIENCE;
    let again = loop {
        let again = runs(&server);
        if !again.is_empty() {
            break again;
        }
        assert!(Instant::now() < deadline, "the window does not end");
    };
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0]["workflow"], "short");
    let first = first.iter().find(|run| run["workflow"] == "short").expect("the first");
    let created = |run: &Value| run["created_ms"].as_i64().expect("a time");
    assert!(created(&again[0]) - created(first) >= 1_000, "{first}\n{}", again[0]);
}

const NEWEST: &str = "concurrency: { key: \"${{ event.data.key }}\", when_full: cancel-older }";

#[test]
fn a_newer_run_takes_the_place_of_one_at_work() {
    let ledger = Ledger::start();
    ledger.double.fault("/1", 1, &Fault::Hold);
    let (_project, server) = serving(&ledger, NEWEST);
    let first = send(&server, "ada", 1);
    ledger.double.wait_for_held(1);
    let other = send(&server, "bob", 2);
    server.run_by_id(&other, &["succeeded"]);
    assert_eq!(server.run_by_id(&first, &["running", "queued"])["id"], *first);
    let newer = send(&server, "ada", 3);
    let cancelled = server.run_by_id(&first, &["cancelled", "succeeded", "dead"]);
    let note = format!("makes room for the newer {newer}");
    assert_eq!(ended(&cancelled), ("concurrency", note.as_str()));
    // It did not wait for the other to end.
    server.run_by_id(&newer, &["succeeded"]);
    ledger.double.release();

    // A person's word stands above it: sent out again, it goes, and cancels nobody.
    let redriven = server.api("POST", &format!("/runs/{first}/redrive"), "");
    assert_eq!(redriven.status, 200, "{}", redriven.text());
    server.run_by_id(&first, &["succeeded"]);
    assert_eq!(server.run_by_id(&newer, &["succeeded"])["state"], "succeeded");
}

#[test]
fn the_newest_stay_whether_they_sleep_or_wait() {
    let ledger = Ledger::start();
    let busy = Reply::json(503, &json!({}));
    ledger.double.fault("/1", 1, &Fault::Instead(busy.clone()));
    ledger.double.fault("/2", 1, &Fault::Instead(busy));
    ledger.double.fault("/3", 1, &Fault::Hold);
    let policy = NEWEST.replace("when_full", "limit: 2, when_full");
    let (_project, server) = serving(&ledger, &policy);
    let first = send(&server, "ada", 1);
    server.run_by_id(&first, &["sleeping"]);
    let second = send(&server, "ada", 2);
    server.run_by_id(&second, &["sleeping"]);
    assert_eq!(server.run_by_id(&first, &["sleeping", "cancelled"])["state"], "sleeping");
    let third = send(&server, "ada", 3);
    ledger.double.wait_for_held(1);
    let cancelled = server.run_by_id(&first, &["cancelled"]);
    assert_eq!(ended(&cancelled).1, format!("makes room for the newer {third}"));
    assert_eq!(server.run_by_id(&second, &["sleeping", "cancelled"])["state"], "sleeping");
    ledger.double.release();
    server.run_by_id(&third, &["succeeded"]);
}

#[test]
fn of_a_burst_the_last_one_goes() {
    let ledger = Ledger::start();
    let policy = "debounce: { key: \"${{ event.data.key }}\", delay: 1h }";
    let (project, server) = serving(&ledger, policy);
    let waiting = send(&server, "ada", 1);
    let run = server.run_by_id(&waiting, &["queued"]);
    let ms = |name: &str| run[name].as_i64().expect("a time");
    assert_eq!(ms("due_ms") - ms("created_ms"), 3_600_000, "{run:#}");
    drop(server);

    // The policies of a run are those of the version it started with.
    project.write("workflows/w.yaml", &workflow(&ledger, &policy.replace("1h", "4s")));
    let server = project.start();
    let sent: Vec<String> = (2..=5).map(|n| send(&server, "bob", n)).collect();
    let alone = send(&server, "eve", 6);
    let last = sent.last().expect("five");
    server.run_by_id(last, &["succeeded"]);
    server.run_by_id(&alone, &["succeeded"]);
    for older in &sent[..3] {
        let run = server.run_by_id(older, &["cancelled", "succeeded"]);
        let note = format!("superseded by the newer {last}");
        assert_eq!(ended(&run), ("debounce", note.as_str()));
        assert_eq!(run["steps"], json!([]), "{run:#}");
    }
    let mut lines = ledger.double.lines();
    lines.sort();
    assert_eq!(lines, ["POST /5", "POST /6"]);
    assert_eq!(server.run_by_id(&waiting, &["queued"])["state"], "queued");
    let counted = r#"postroom_runs_finished_total{workflow="w",state="cancelled"}"#;
    assert_eq!(server.metric(counted), Some(3.0));
}

#[test]
fn an_unbroken_stream_is_not_put_off_for_ever() {
    let ledger = Ledger::start();
    let (_project, server) = serving(&ledger, "debounce: { delay: 1s, at_most: 2s }");
    let deadline = Instant::now() + PATIENCE;
    let mut n = 0;
    let first = send(&server, "ada", n);
    while ledger.double.received().is_empty() {
        assert!(Instant::now() < deadline, "no run starts\n{}", server.log.text());
        n += 1;
        send(&server, "ada", n);
    }
    // The stream goes on, and so a run that came before its end has started.
    let went = ledger.double.received()[0].path.clone();
    assert_ne!(went, format!("/{n}"));
    let run = server.run_by_id(&first, &["cancelled", "succeeded"]);
    assert!(run["state"] == "cancelled" || went == "/0", "{run:#}");
}

#[test]
fn starts_are_bounded_and_nobody_is_dropped() {
    let ledger = Ledger::start();
    let (_project, server) = serving(&ledger, "throttle: { limit: 2, per: 2s }");
    let sent: Vec<String> = (1..=5).map(|n| send(&server, "ada", n)).collect();
    let runs: Vec<Value> = sent.iter().map(|run| server.run_by_id(run, &["succeeded"])).collect();
    // Five starts take three periods, of which the second was waited for in full.
    let first_ms = runs[0]["created_ms"].as_i64().expect("a time");
    let last_ms = runs[4]["finished_ms"].as_i64().expect("a time");
    assert!(last_ms - first_ms > 2_000, "{last_ms} - {first_ms}");
    let mut lines = ledger.double.lines();
    // Two of one period go side by side.
    lines.chunks_mut(2).for_each(|period| period.sort());
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[4], "POST /5");
}

#[test]
fn a_priority_counts_among_those_that_wait() {
    let ledger = Ledger::start();
    ledger.double.fault("/1", 1, &Fault::Hold);
    let text = workflow(&ledger, "priority: ${{ event.data.priority }}");
    let project = Project::new("queue: { concurrency: 1 }\n").workflow("w", &text);
    let server = project.start();
    let send = |n: u32, priority: i32| server.send("E", &json!({"n": n, "priority": priority}));
    let mut sent = vec![send(1, 0)];
    ledger.double.wait_for_held(1);
    sent.extend([(2, -30), (3, 0), (4, 600), (5, 0)].map(|(n, priority)| send(n, priority)));
    let deadline = Instant::now() + PATIENCE;
    while server.metric("postroom_runs_at_work") != Some(5.0) {
        assert!(Instant::now() < deadline, "they are not claimed");
        server.log.pause();
    }
    ledger.double.release();
    for correlation in &sent {
        server.run(correlation, &["succeeded"]);
    }
    let lines = ledger.double.lines();
    assert_eq!(lines, ["POST /1", "POST /4", "POST /3", "POST /5", "POST /2"]);
}

#[test]
fn a_low_priority_is_no_delay_while_workers_are_free() {
    let ledger = Ledger::start();
    let (_project, server) = serving(&ledger, "priority: -600");
    let run = send(&server, "ada", 1);
    let run = server.run_by_id(&run, &["succeeded"]);
    let took_ms = run["finished_ms"].as_i64().zip(run["created_ms"].as_i64());
    assert!(took_ms.is_some_and(|(finished, created)| finished - created < 600_000), "{run:#}");
}

const TOGETHER: &str = "\
workflow: first
on: [{event: E}]
priority: 60
steps:
  - id: tell
    emit: TOLD
    with: { n: \"${{ event.data.n }}\" }
";

#[test]
fn a_rehearsal_waits_in_no_time() {
    let ledger = Ledger::start();
    let policies = "debounce: { key: \"${{ event.data.n }}\", delay: 30s, at_most: 10m }\n\
                    throttle: { limit: 10, per: 1m }\npriority: -60\n\
                    concurrency: { key: k, when_full: cancel-older }";
    let second = workflow(&ledger, policies).replace("{event: E}", "{event: TOLD}");
    let fixture = "\
test: it is told after a while
event: { type: E, data: { n: 7 } }
expect:
  runs:
    first: { state: succeeded }
    w: { state: succeeded }
  requests:
    - { step: post, method: POST }
";
    let project = Project::new("")
        .workflow("first", TOGETHER)
        .workflow("w", &second)
        .file("event.json", r#"{"event":"E","payload":{"n":7}}"#)
        .file("tests/w.yaml", fixture);
    let now = ["--now", "2026-11-25T09:00:00Z"];
    let plan = [&["plan", "--event", "event.json"], &now[..]].concat();
    let text = project.run(&plan).good();
    for said in
        ["the run ends succeeded", "2. w/post, after 30.00 s\nPOST ", "1 request and 1 event"]
    {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    assert_eq!(project.run(&plan).good(), text, "a plan of the same comes out the same");
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ledger.double.received().is_empty());
}
