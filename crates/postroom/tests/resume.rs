//! What a crash leaves behind is taken up where it stopped: nothing done is done again, nothing
//! that may have been done is repeated blindly.

mod harness;

use harness::{Double, Fault, Project, Reply, Stripe};
use serde_json::json;

const THREE_STEPS: &str = "\
workflow: three
on:
  - event: GO
steps:
  - id: one
    uses: http/request
    with: { method: PUT, url: /one, json: { n: 1 } }
  - id: two
    uses: http/request
    with: { method: PUT, url: /two, json: { n: 2 } }
  - id: three
    uses: http/request
    with: { method: PUT, url: /three, json: { n: 3 } }
";

fn http_project(double: &Double, workflow: &str) -> Project {
    let config =
        format!("connections:\n  api:\n    provider: http\n    baseUrl: {}\n", double.url());
    Project::new(&config).workflow("own", workflow)
}

fn ok() -> Double {
    Double::answering(Reply::json(200, &json!({ "ok": true })))
}

#[test]
fn a_run_resumes_at_the_step_that_was_under_way() {
    let double = ok();
    double.fault("/three", 1, &Fault::HoldAnswer);
    let project = http_project(&double, THREE_STEPS);
    let server = project.start();
    let correlation = server.send("GO", &json!({}));
    double.wait_for_held(1);
    server.kill();
    double.release();

    let server = project.start();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(double.lines(), ["PUT /one", "PUT /two", "PUT /three", "PUT /three"]);
}

#[test]
fn a_call_without_a_key_is_never_repeated_blindly() {
    let workflow = "\
workflow: once
on:
  - event: GO
steps:
  - id: post
    uses: http/request
    with: { method: POST, url: /orders, json: { n: 1 } }
";
    let double = ok();
    double.fault("/orders", 1, &Fault::HoldAnswer);
    let project = http_project(&double, workflow);
    let server = project.start();
    let correlation = server.send("GO", &json!({}));
    double.wait_for_held(1);
    server.kill();
    double.release();

    let server = project.start();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["failure"]["reason"], "unknown", "{run:#}");
    assert_eq!(double.lines(), ["POST /orders"]);
}

#[test]
fn an_action_of_several_calls_resumes_at_the_one_under_way() {
    let stripe = Stripe::start();
    stripe.double.fault("/v1/invoiceitems", 1, &Fault::HoldAnswer);
    let config = stripe.adapter();
    let project = Project::new(&config).env("STRIPE_API_KEY", "sk_test_resume");
    let server = project.start();
    let payload = json!({"customerId": "cus_1", "amount": 1500, "currency": "usd",
        "idempotencyKey": "resume-1"});
    let correlation = server.send("CREATE_STRIPE_INVOICE", &payload);
    stripe.double.wait_for_held(1);
    server.kill();
    stripe.double.release();

    let server = project.start();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let received = stripe.double.received();
    let items: Vec<_> = received.iter().filter(|r| r.path == "/v1/invoiceitems").collect();
    assert_eq!(items.len(), 2, "{:?}", stripe.double.lines());
    assert_eq!(items[0].key(), items[1].key());
    assert_eq!(received.iter().filter(|r| r.line() == "POST /v1/invoices").count(), 1);
    let invoices = stripe.invoices();
    assert_eq!(invoices.len(), 1);
    assert!(invoices.values().all(|invoice| invoice.amount_due == 1500), "{invoices:?}");
}
