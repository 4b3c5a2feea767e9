//! Every example starts as it stands, and its event runs to success in the sandbox.

mod harness;

use std::path::{Path, PathBuf};

use harness::Project;
use serde_json::{Value, json};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn file(path: &str) -> Value {
    let text = std::fs::read_to_string(examples().join(path)).expect("the event");
    serde_json::from_str(&text).expect("JSON")
}

/// The event that each example's files or the README name.
fn event(example: &str) -> (&'static str, Value) {
    match example {
        "invoice" => (
            "CREATE_STRIPE_INVOICE",
            json!({"customerId": "cus_test", "amount": 1500, "currency": "usd"}),
        ),
        "onboarding" => ("CUSTOMER_SIGNED_UP", file("onboarding/event.json")),
        "orders" => ("ORDER_PLACED", file("orders/event.json")),
        other => panic!("example {other} has no event here"),
    }
}

#[test]
fn every_example_runs_its_event_to_success() {
    let mut seen = 0;
    for entry in std::fs::read_dir(examples()).expect("examples") {
        let folder = entry.expect("an example").path();
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        // Its projects have a test of their own, `cookbook.rs`.
        if name == "cookbook" {
            continue;
        }
        let config = ["postroom.yaml", "automation.config.yaml"].map(|file| folder.join(file));
        let config = config.iter().find(|path| path.is_file()).expect("a configuration");
        let server = Project::at(config).sandbox().start_kept();
        let (_project, server) = server;
        let (kind, payload) = event(&name);
        let run = server.run(&server.send(kind, &payload), &["succeeded", "dead"]);
        assert_eq!(run["state"], "succeeded", "{name}: {run:#}");
        // And whatever its steps have emitted.
        let runs = server.read("/runs")["data"].as_array().expect("runs").clone();
        assert_eq!(runs.len(), if name == "orders" { 2 } else { 1 }, "{name}: {runs:?}");
        for run in runs {
            server.run_by_id(run["id"].as_str().expect("an id"), &["succeeded"]);
        }
        seen += 1;
    }
    assert_eq!(seen, 3, "an example was added: name its event above");
}

#[test]
fn every_example_passes_its_tests() {
    for example in
        ["invoice/automation.config.yaml", "onboarding/postroom.yaml", "orders/postroom.yaml"]
    {
        let project = Project::at(&examples().join(example));
        let told = project.run(&["test", "--json"]).json();
        assert!(told["passed"].as_u64().is_some_and(|passed| passed >= 3), "{told:#}");
    }
}

#[test]
fn a_new_project_passes_its_tests() {
    let project = Project::new("");
    project.run(&["init", "new"]).good();
    let fresh = Project::at(&project.path().join("new/postroom.yaml"));
    assert!(fresh.run(&["test"]).good().contains("2 passed, 0 failed"));
}
