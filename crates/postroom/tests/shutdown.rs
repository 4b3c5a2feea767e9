//! Asked to end, the server lets what is under way come to its end, and loses nothing.

mod harness;

use harness::{Fault, Project, Stripe};
use serde_json::json;

#[test]
fn a_call_under_way_is_waited_for() {
    let stripe = Stripe::start();
    stripe.double.fault("POST /v1/invoices", 1, &Fault::HoldAnswer);
    let project = Project::new(&stripe.adapter()).env("STRIPE_API_KEY", "sk_test_shutdown");
    let mut server = project.start();
    let payload = json!({"customerId": "cus_1", "amount": 5, "currency": "usd"});
    let correlation = server.send("CREATE_STRIPE_INVOICE", &payload);
    stripe.double.wait_for_held(1);
    server.terminate();
    let stopping = server.log.wait_for("stopping", |line| line.contains("stopping: no new"));
    assert!(stopping.is_some());
    stripe.double.release();
    assert_eq!(server.ended().code(), Some(0));
    assert!(!project.data().join("server.json").exists());

    let server = project.start();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(stripe.invoices().len(), 1);
    let drafts = stripe.double.lines().iter().filter(|line| *line == "POST /v1/invoices").count();
    assert_eq!(drafts, 1);
}
