//! Killed in the middle of a run, the server goes on with it where it was: what is done is not done
//! again, and what may not be repeated blindly waits for a person.

mod harness;

use harness::{Fault, Ledger, Project, Received, Server, Stripe};
use serde_json::{Value, json};

/// A workflow whose steps post one after the other to these paths of a double.
fn workflow(ledger: &Ledger, paths: &[&str], more: &str) -> String {
    let mut text = "workflow: order\non: [{event: ORDER}]\n\
                    dedupe: ${{ event.data.id }}\nsteps:\n"
        .to_owned();
    for path in paths {
        let url = format!("{}/{path}", ledger.double.url());
        text.push_str(&format!("  - id: {path}\n    uses: http/request\n    with:\n"));
        text.push_str(&format!("      url: {url}\n      method: POST\n      json: {{n: 1}}\n"));
        text.push_str(more);
    }
    text
}

const KEYED: &str = "      idempotencyHeader: Idempotency-Key\n";

/// Sends an event, kills the server while a request of it is held, and starts it again.
fn killed_while_held(project: &Project, double: &harness::Double, event: &str) -> (Server, String) {
    let server = project.start();
    let payload = json!({"id": "A-1", "customerId": "cus_1", "amount": 1500, "currency": "usd",
                         "idempotencyKey": "A-1"});
    let correlation = server.send(event, &payload);
    double.wait_for_held(1);
    server.kill();
    (project.start(), correlation)
}

/// The journal of a run as `kind step`.
fn journal(run: &Value) -> Vec<String> {
    let entries = run["journal"].as_array().expect("a journal");
    let text = |entry: &Value| {
        let word = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        format!("{} {}", word("kind"), word("step"))
    };
    entries.iter().map(text).collect()
}

#[test]
fn steps_that_are_done_are_not_called_again() {
    let ledger = Ledger::start();
    let project =
        Project::new("").workflow("order", &workflow(&ledger, &["one", "two", "three"], KEYED));
    ledger.double.fault("/three", 1, &Fault::Hold);
    let (server, correlation) = killed_while_held(&project, &ledger.double, "ORDER");
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let lines = ["POST /one", "POST /two", "POST /three", "POST /three"];
    assert_eq!(ledger.double.lines(), lines);
    assert_eq!(ledger.entries(), ["POST /one", "POST /two", "POST /three"]);
    let keys = ledger.keys();
    assert_eq!(keys, ["order:A-1:one", "order:A-1:two", "order:A-1:three", "order:A-1:three"]);
    assert_eq!(journal(&run), ["done one", "done two", "done three", "succeeded -"]);
    // The lost owner's attempt burned nothing.
    assert_eq!(run["journal"][2]["attempt"], 1, "{run:#}");
    // What was held takes effect late, under the same key: nothing new is made.
    ledger.double.release();
    assert_eq!(ledger.entries().len(), 3);
}

#[test]
fn a_call_without_a_key_is_not_repeated_after_a_crash() {
    let ledger = Ledger::start();
    let project = Project::new("").workflow("order", &workflow(&ledger, &["one", "two"], ""));
    ledger.double.fault("/one", 1, &Fault::HoldAnswer);
    let (server, correlation) = killed_while_held(&project, &ledger.double, "ORDER");
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "unknown", "{run:#}");
    assert_eq!(run["failure"]["step"], "one");
    assert_eq!(run["failure"]["failure"]["code"], "call/owner-lost");
    assert!(run["failure"]["failure"]["hint"].is_string(), "{run:#}");
    assert_eq!(run["steps"][0]["state"], "unknown", "{run:#}");
    assert_eq!(journal(&run), ["intent one", "unknown one", "dead -"]);
    assert_eq!(ledger.double.lines(), ["POST /one"]);
    let counted = r#"postroom_dead_letters_total{workflow="order",reason="unknown"}"#;
    assert_eq!(server.metric(counted), Some(1.0));

    // It stays so over another restart, until a person sends it out again.
    server.kill();
    let server = project.start();
    let id = run["id"].as_str().expect("an id");
    assert_eq!(server.run_by_id(id, &["dead"])["failure"], run["failure"]);
    let redriven = server.api("POST", &format!("/dead-letters/{id}/redrive"), "");
    assert_eq!(redriven.status, 200, "{}", redriven.text());
    server.run_by_id(id, &["succeeded"]);
    assert_eq!(ledger.double.lines(), ["POST /one", "POST /one", "POST /two"]);
}

#[test]
fn a_message_is_not_posted_twice_after_a_crash() {
    let slack = harness::Double::answering(harness::Reply::json(
        200,
        &json!({"ok": true, "channel": "C1", "ts": "1.2"}),
    ));
    let config = format!("connections: {{slack: {{provider: slack, baseUrl: {}}}}}\n", slack.url());
    let text = "workflow: tell\non: [{event: TELL}]\nsteps:\n  - id: tell\n    \
                uses: slack/post_message\n    with: {channel: C1, text: hello}\n";
    let project = Project::new(&config).workflow("tell", text).env("SLACK_BOT_TOKEN", "xoxb-1-2-3");
    slack.fault("chat.postMessage", 1, &Fault::HoldAnswer);
    let (server, correlation) = killed_while_held(&project, &slack, "TELL");
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["failure"]["reason"], "unknown", "{run:#}");
    assert_eq!(slack.received().len(), 1);
}

#[test]
fn a_call_with_a_key_is_repeated_with_the_same_key() {
    let ledger = Ledger::start();
    let project = Project::new("").workflow("order", &workflow(&ledger, &["one"], KEYED));
    ledger.double.fault("/one", 1, &Fault::HoldAnswer);
    let (server, correlation) = killed_while_held(&project, &ledger.double, "ORDER");
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(ledger.keys(), ["order:A-1:one", "order:A-1:one"]);
    assert_eq!(ledger.entries(), ["POST /one"]);
    assert_eq!(run["output"]["body"], json!({"id": "entry_1"}));
}

#[test]
fn an_invoice_goes_on_at_its_third_call() {
    let stripe = Stripe::start();
    let project = Project::new(&stripe.adapter()).env("STRIPE_API_KEY", "sk_test_resume");
    stripe.double.fault("/v1/invoiceitems", 1, &Fault::HoldAnswer);
    let (server, correlation) =
        killed_while_held(&project, &stripe.double, "CREATE_STRIPE_INVOICE");
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let invoices = stripe.invoices();
    assert_eq!(invoices.len(), 1, "{invoices:?}");
    let (id, invoice) = invoices.first_key_value().expect("an invoice");
    assert_eq!((invoice.status, invoice.amount_due), ("open", 1500));
    let received = stripe.double.received();
    let lines: Vec<String> = received.iter().map(Received::line).collect();
    let finalize = format!("POST /v1/invoices/{id}/finalize");
    let item = "POST /v1/invoiceitems";
    assert_eq!(
        lines,
        ["GET /v1/customers/cus_1", "POST /v1/invoices", item, item, finalize.as_str()]
    );
    assert_eq!(received[2].key(), received[3].key());
    assert_eq!(received[2].body, received[3].body);
    let called: Vec<&Value> = run["journal"]
        .as_array()
        .expect("a journal")
        .iter()
        .filter(|entry| entry["kind"] == "called")
        .map(|entry| &entry["call"])
        .collect();
    assert_eq!(called, ["customer", "draft", "item"], "{run:#}");
}
