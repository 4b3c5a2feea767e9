//! `dev`: what is saved is checked, tested and taken over by the running server, or said to be
//! wrong while what was running goes on.

mod harness;

use harness::{Fault, Project, Server, Stripe};
use serde_json::json;

/// A workflow whose run comes to what it `says`.
fn saying(says: &str) -> String {
    format!(
        "workflow: talk\non:\n  - event: ASKED\nsteps:\n  - id: say\n    uses: local/echo\n    \
         with: {{}}\nreturn: {says}\n"
    )
}

/// An action that calls Stripe.
const INVOICE: &str = "stripe/create_invoice\n    with: {customerId: c, amount: 5, currency: usd}";

/// The workflow with another action in place of the one that calls nobody.
fn calling(workflow: &str, action: &str) -> String {
    workflow.replace("local/echo\n    with: {}", action)
}

/// A test that holds whatever the run says.
const TEST: &str =
    "test: it talks\nevent: {type: ASKED}\nexpect:\n  runs:\n    talk: {state: succeeded}\n";

fn talking(says: &str) -> Project {
    Project::new("").workflow("talk", &saying(says)).file("tests/talk.yaml", TEST)
}

/// What a new event comes to.
#[track_caller]
fn said(server: &Server) -> String {
    let run = server.run(&server.send("ASKED", &json!({})), &["succeeded", "dead"]);
    run["output"].as_str().unwrap_or_else(|| panic!("{run:#}")).to_owned()
}

/// Waits until as many changes as `nth` were told of with a text.
#[track_caller]
fn told(server: &Server, nth: usize, text: &str) -> String {
    let line = server.told.wait_for_nth(nth, text, |line| line.contains(text));
    line.unwrap_or_else(|| panic!("it ended:\n{}\n{}", server.told.text(), server.log.text()))
}

#[test]
fn what_is_saved_runs_and_what_is_wrong_does_not() {
    let project = talking("one");
    let server = project.dev();
    told(&server, 1, "watching; 1 test passed");
    assert_eq!(said(&server), "one");

    project.write("workflows/talk.yaml", &saying("two"));
    let line = told(&server, 1, "swapped in:");
    assert!(line.contains("workflows/talk.yaml; 1 test passed"), "{line}");
    assert_eq!(said(&server), "two");

    project.write("workflows/talk.yaml", &saying("x").replace("steps:", "setps:"));
    let line = told(&server, 1, "not swapped:");
    assert!(line.contains("problems; what was running goes on"), "{line}");
    let text = server.told.text();
    assert!(text.contains("workflows/talk.yaml:4:1: unknown key `setps`"), "{text}");
    assert!(text.contains("^^^^^") && text.contains("did you mean `steps`?"), "{text}");
    assert_eq!(said(&server), "two");

    // Sound, and yet not what the test wants.
    let deaf = saying("three")
        .replace("event: ASKED", "event: ASKED\n    if: ${{ event.data?.loud == true }}");
    project.write("workflows/talk.yaml", &deaf);
    let line = told(&server, 2, "not swapped:");
    assert!(line.contains("1 of 1 tests failed"), "{line}");
    let text = server.told.text();
    assert!(text.contains("FAIL it talks (tests/talk.yaml:1)"), "{text}");
    assert_eq!(said(&server), "two");

    project.write("workflows/talk.yaml", &saying("four"));
    told(&server, 2, "swapped in:");
    assert_eq!(said(&server), "four");

    // The log tells of runs, not of tests that were played.
    let ended = |line: &str| line.contains("succeeded");
    server.log.wait_for_nth(5, "the last run's end", ended);
    let lines = server.log.all();
    assert_eq!(lines.iter().filter(|line| ended(line)).count(), 5, "{lines:#?}");
}

#[test]
fn a_run_under_way_keeps_its_definition() {
    let stripe = Stripe::start();
    stripe.double.fault("POST /v1/invoices", 1, &Fault::HoldAnswer);
    let text = |says: &str| calling(&saying(says), INVOICE);
    let project = Project::new(&stripe.adapter())
        .env("STRIPE_API_KEY", "sk_test_dev")
        .workflow("talk", &text("one"));
    let server = project.dev();
    let correlation = server.send("ASKED", &json!({}));
    stripe.double.wait_for_held(1);
    project.write("workflows/talk.yaml", &text("two"));
    told(&server, 1, "swapped in:");
    stripe.double.release();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["output"], "one", "{run:#}");
    assert_eq!(said(&server), "two");
}

#[test]
fn what_waits_for_a_restart_is_said_and_the_rest_is_taken_over() {
    let project = talking("one");
    let server = project.dev();
    told(&server, 1, "watching;");
    project.write(
        "automation.config.yaml",
        "queue: {concurrency: 7}\nserver: {listen: 127.0.0.1:9}\n",
    );
    told(&server, 1, "swapped in: automation.config.yaml");
    told(&server, 1, "needs a restart: queue.concurrency, server.listen");
    let pay = saying("paid").replace("talk", "pay").replace("ASKED", "PAY");
    project.write("workflows/pay.yaml", &pay);
    told(&server, 1, "swapped in: workflows/pay.yaml; no test is about it");
    project.write(
        "tests/pay.yaml",
        "test: it pays\nevent: {type: PAY}\nexpect:\n  runs:\n    pay: {state: succeeded}\n",
    );
    told(&server, 1, "tests/pay.yaml: 1 test passed");
    assert_eq!(said(&server), "one");
}

#[test]
fn a_credential_that_is_set_later_is_used() {
    let stripe = Stripe::start();
    let workflow = calling(&saying("one"), INVOICE);
    let project = Project::new(&stripe.adapter()).workflow("talk", &workflow);
    let server = project.dev();
    let run = server.run(&server.send("ASKED", &json!({})), &["dead"]);
    assert_eq!(run["failure"]["failure"]["code"], "connection/credential-missing", "{run:#}");
    project.write(".env", "STRIPE_API_KEY=sk_test_later\n");
    told(&server, 1, "swapped in: .env");
    assert_eq!(said(&server), "one");
    assert_eq!(stripe.invoices().len(), 1);
}

#[test]
fn a_project_that_is_wrong_at_first_starts_once_it_is_repaired() {
    let project = talking("one");
    project.write("workflows/talk.yaml", "workflow: talk\n");
    let repaired = project.dev_after(|told| {
        told.wait_for("the problem", |line| line.contains("not started"));
        assert!(told.text().contains("`on` is missing"), "{}", told.text());
        project.write("workflows/talk.yaml", &saying("repaired"));
    });
    assert_eq!(said(&repaired), "repaired");
}

#[test]
fn each_step_and_run_is_one_line_and_the_sandbox_is_the_configurations() {
    let project =
        Project::new("dev: {sandbox: true}\n").workflow("talk", &calling(&saying("one"), INVOICE));
    let mut server = project.dev();
    assert_eq!(said(&server), "one");
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let of_run = server.log.having("  talk  ");
    let columns = |line: &String| -> Vec<String> {
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    let lines: Vec<Vec<String>> = of_run.iter().map(columns).collect();
    assert_eq!(lines.len(), 3, "{of_run:#?}");
    let id = lines[0][1].clone();
    assert_eq!((lines[0][2].as_str(), lines[0][3].as_str()), ("say", "done"), "{of_run:#?}");
    assert_eq!(lines[1][..4], ["talk", &id, "return", "done"], "{of_run:#?}");
    assert_eq!(lines[2][..3], ["talk", &id, "succeeded"], "{of_run:#?}");
    assert!(server.told.text().contains("sandbox:"), "{}", server.told.text());
}
