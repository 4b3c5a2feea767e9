//! Events that steps emit, where people meet them: in plans, in tests of a project, and in what is
//! told of a run.

mod harness;

use harness::{Project, Server};
use serde_json::{Value, json};

/// One workflow that emits two parcels of each order, and one that takes them.
const SPLIT: &str = "\
workflow: split
on: [{event: ORDER}]
steps:
  - { id: look, uses: slack/post_message, with: { channel: '#a', text: \"${{ event.data.id }}\" } }
  - { id: left, emit: PARCEL, with: { nr: 1, of: \"${{ event.data.id }}\" }, key: same }
  - { id: right, emit: PARCEL, with: { nr: 2, of: \"${{ event.data.id }}\" } }
  - { id: again, emit: PARCEL, with: { nr: 3 }, key: same }
return: { parcels: 2 }
";

const PACK: &str = "\
workflow: pack
on: [{event: PARCEL}]
steps:
  - { id: echo, uses: local/echo, with: { got: \"${{ event.data.nr }}\" } }
";

const EVENT: &str = r#"{"event":"ORDER","payload":{"id":"A-1"}}"#;

fn project() -> Project {
    Project::new("")
        .workflow("split", SPLIT)
        .workflow("pack", PACK)
        .file("event.json", EVENT)
        .env("SLACK_BOT_TOKEN", "xoxb-1-2-3")
        .sandbox()
}

#[test]
fn a_plan_shows_events_among_the_requests_and_what_they_start() {
    let project = project();
    let plan = project.run(&["plan", "--event", "event.json", "--json"]).json();
    let emits = plan["emits"].as_array().expect("emits");
    let facts: Vec<_> = emits
        .iter()
        .map(|e| {
            (
                &e["after_requests"],
                &e["step"],
                &e["event"]["data"]["nr"],
                &e["starts"],
                &e["repetition"],
            )
        })
        .map(|(after, step, n, starts, repetition)| json!([after, step, n, starts, repetition]))
        .collect();
    let expected = [
        json!([1, "left", 1, ["pack"], false]),
        json!([1, "right", 2, ["pack"], false]),
        json!([1, "again", 3, [], true]),
    ];
    assert_eq!(facts, expected, "{emits:#?}");
    assert_eq!(emits[0]["event"]["key"], "same");
    assert_eq!(emits[0]["event"]["cause"]["hops"], 1);

    let shown = project.run(&["plan", "--event", "event.json"]).good();
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("no {text} in {shown}"));
    assert!(at("1. split/look") < at("2. split/left\nemits PARCEL\nkey: same\n"), "{shown}");
    assert!(at("-> starts pack\n") < at("3. split/right\nemits PARCEL\n"), "{shown}");
    assert!(shown.contains("4. split/again\n") && shown.contains("-> a repetition by its key"));
    assert!(shown.ends_with("1 request and 3 events would leave; nothing did\n"), "{shown}");

    let only = ["plan", "--event", "event.json", "--workflow", "split", "--json"];
    let plan = project.run(&only).json();
    assert_eq!(plan["runs"].as_array().map(Vec::len), Some(1), "{plan:#}");
    assert_eq!(plan["emits"][0]["starts"], json!([]));
}

const TEST: &str = "test: an order becomes parcels\nevent: { type: ORDER, data: { id: A-1 } }\n";

#[test]
fn a_test_says_which_events_and_which_runs_come_of_it() {
    let good = format!(
        "{TEST}expect:
  runs:
    split: {{ output: {{ parcels: 2 }} }}
    pack:
      - {{ contains: {{ got: 1 }} }}
      - {{ output: {{ got: 2 }} }}
  emits:
    - {{ event: PARCEL, key: same, data: {{ of: A-1, nr: 1 }} }}
    - {{ workflow: split, step: right, contains: {{ nr: 2 }} }}
    - {{ step: again }}
"
    );
    let project = project().file("tests/t.yaml", &good);
    assert!(project.run(&["test"]).good().starts_with("ok "));
    for (right, wrong, told) in [
        ("nr: 1 }", "nr: 9 }", "+ nr: 1"),
        ("    - { step: again }\n", "", "+   step: again"),
        ("{ step: again }", "{ step: right }", "+   - step: again"),
        ("key: same", "key: other", "key: same"),
        ("parcels: 2 }", "parcels: 3 }", "parcels: 2"),
        ("contains: { got: 1 }", "contains: { got: 2 }", "got: 1"),
        ("      - { contains: { got: 1 } }\n", "", "state: succeeded"),
    ] {
        let text = good.replacen(right, wrong, 1);
        assert_ne!(text, good, "{right}");
        project.write("tests/t.yaml", &text);
        let ran = project.run(&["test"]);
        assert_eq!(ran.code, Some(1), "{wrong}: {}", ran.out);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&ran.out).contains(&squeezed(told)), "{wrong}: {}", ran.out);
    }
    for (right, wrong, told) in [
        ("step: again", "stpe: again", "did you mean `step`?"),
        ("- { output: { got: 2 } }", "- { outputs: {} }", "did you mean `output`?"),
    ] {
        project.write("tests/t.yaml", &good.replacen(right, wrong, 1));
        let ran = project.run(&["test"]);
        assert_eq!(ran.code, Some(2), "{wrong}: {}", ran.out);
        assert!(ran.err.contains(told), "{}", ran.err);
    }
}

#[test]
fn update_and_capture_write_events_and_runs_down() {
    let project = project().file("tests/t.yaml", TEST);
    project.run(&["test", "--update"]).good();
    let written = std::fs::read_to_string(project.path().join("tests/t.yaml")).expect("the test");
    let wanted = "  emits:\n    - workflow: split\n      step: left\n      event: PARCEL\n      \
                  key: same\n      data:\n        nr: 1\n        of: A-1\n";
    assert!(written.contains(wanted), "{written}");
    assert!(written.contains("    pack:\n      - state: succeeded\n"), "{written}");
    assert!(written.contains("      output:\n        parcels: 2\n"), "{written}");
    project.run(&["test"]).good();

    let server = project.start();
    let run = server.run(&server.send("ORDER", &json!({"id": "A-7"})), &["succeeded", "dead"]);
    let id = run["id"].as_str().expect("an id");
    project.run(&["capture", id, "--out", "tests/captured.yaml"]).good();
    let captured = project.path().join("tests/captured.yaml");
    let captured = std::fs::read_to_string(captured).expect("the test");
    assert!(captured.contains("  emits:\n    - step: left\n      event: PARCEL\n"), "{captured}");
    project.run(&["test", "tests/captured.yaml"]).good();
}

#[test]
fn no_source_is_called_as_that_of_emitted_events() {
    let entry = |name: &str| {
        format!("adapters: [{{name: {name}, provider: stripe, endpoint: /api/webhooks/stripe}}]\n")
    };
    Project::new(&entry("mine")).run(&["check"]).good();
    let refused = Project::new(&entry("emit")).run(&["check"]);
    assert_eq!(refused.code, Some(2), "{}", refused.out);
    assert!(refused.err.contains("events that steps emit have that source"), "{}", refused.err);
    assert!(refused.err.contains("[config/bad-value]"), "{}", refused.err);
}

fn id(run: &Value) -> String {
    run["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_run_tells_what_it_follows_from_and_what_it_emitted() {
    let project = project();
    let server = project.start();
    let first = server.run(&server.send("ORDER", &json!({"id": "A-7"})), &["succeeded", "dead"]);
    assert_eq!((&first["state"], &first["lineage"]), (&json!("succeeded"), &json!([])));
    let emitted = first["emitted"].as_array().expect("what it emitted");
    let facts: Vec<Value> = emitted
        .iter()
        .map(|e| json!([e["step"], e["type"], e["kept"], e["runs"].as_array().map(Vec::len)]))
        .collect();
    let expected = [
        json!(["left", "PARCEL", true, 1]),
        json!(["right", "PARCEL", true, 1]),
        json!(["again", "PARCEL", false, 0]),
    ];
    assert_eq!(facts, expected, "{emitted:#?}");

    let second = server.run_by_id(&id(&emitted[0]["runs"][0]), &["succeeded"]);
    let cause = json!({
        "event": first["event"], "type": "ORDER", "hops": 0, "run": first["id"],
        "workflow": "split", "state": "succeeded",
    });
    assert_eq!(second["lineage"], json!([cause]));
    let shown = project.run(&["runs", "show", &id(&second)]).good();
    let by = format!("{} ORDER by {} of split, hop 1", id_of(&first["event"]), id(&first));
    assert!(shown.contains(&by), "{shown}");
    let shown = project.run(&["runs", "show", &id(&first)]).good();
    assert!(shown.contains(&format!("{} succeeded pack", id(&second))), "{shown}");
    assert!(shown.contains("not kept: a repetition by its key"), "{shown}");
}

fn id_of(value: &Value) -> &str {
    value.as_str().expect("an id")
}

#[test]
fn too_many_hops_show_the_whole_line() {
    let circle = "workflow: round\non: [{event: A}]\nmax_hops: 60\nsteps: [{id: again, emit: A}]\n";
    let (project, server) = Project::new("").workflow("round", circle).start_kept();
    server.send("A", &json!({}));
    let dead = dead_letter(&server);
    assert_eq!(dead["failure"]["failure"]["code"], "run/too-many-hops");
    let line = dead["lineage"].as_array().expect("a line");
    let hops: Vec<u64> = line.iter().filter_map(|ancestor| ancestor["hops"].as_u64()).collect();
    assert_eq!(hops, (10..60).rev().collect::<Vec<u64>>());
    assert!(line.iter().all(|ancestor| ancestor["workflow"] == "round"), "{line:#?}");
    let shown = project.run(&["dlq", "show", &id(&dead)]).good();
    assert!(
        shown.contains("\nlineage\n") && shown.contains("and 10 events before them"),
        "{shown}"
    );
}

/// The only dead letter, once there is one.
fn dead_letter(server: &Server) -> Value {
    let deadline = std::time::Instant::now() + harness::PATIENCE;
    loop {
        let found = server.read("/dead-letters");
        if let Some(row) = found["data"].as_array().and_then(|rows| rows.first()) {
            return server.read(&format!("/runs/{}", id(row)));
        }
        assert!(std::time::Instant::now() < deadline, "no dead letter\n{}", server.log.text());
        server.log.pause();
    }
}

#[test]
fn a_workflow_that_is_called_is_told_by_its_run() {
    let caller = "workflow: whole\non: [{event: A}]\nsteps:\n  - { id: part, call: half, with: { half: 1 } }\n";
    let called =
        "workflow: half\non: call\nsteps:\n  - { id: look, uses: local/echo, with: { got: 1 } }\n";
    let test = "test: a whole\nworkflow: whole\nevent: { type: A, data: {} }\nexpect:\n  runs:\n    \
                whole: { contains: { got: 1 } }\n    half: { state: succeeded }\n  emits: []\n";
    let project = Project::new("")
        .workflow("whole", caller)
        .workflow("half", called)
        .file("event.json", r#"{"event":"A","payload":{}}"#)
        .file("tests/t.yaml", test);
    project.run(&["test"]).good();
    let shown = project.run(&["plan", "--event", "event.json"]).good();
    assert!(shown.contains("1. whole/part\ncalls half\n"), "{shown}");
    let server = project.start();
    let run = server.run(&server.send("A", &json!({})), &["succeeded", "dead"]);
    let emitted = &run["emitted"];
    assert_eq!(emitted.as_array().map(Vec::len), Some(1), "{emitted:#}");
    assert_eq!((&emitted[0]["type"], &emitted[0]["step"]), (&json!("call.half"), &json!("part")));
    let half = server.run_by_id(&id(&emitted[0]["runs"][0]), &["succeeded"]);
    assert_eq!((&half["lineage"][0]["run"], &half["workflow"]), (&run["id"], &json!("half")));
}

#[test]
fn an_event_that_was_only_planned_is_none_that_was_emitted() {
    let dry = "workflow: dry\nmode: dry\non: [{event: A}]\nsteps:\n  - { id: tell, emit: B }\n";
    let server = Project::new("").workflow("dry", dry).start_kept();
    let (_project, server) = server;
    let run = server.run(&server.send("A", &json!({})), &["succeeded", "dead"]);
    assert_eq!(run["journal"][0]["planned"]["event"], "B", "{run:#}");
    assert_eq!(run["emitted"], json!([]));
}
