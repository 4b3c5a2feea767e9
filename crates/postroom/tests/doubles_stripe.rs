//! Stripe's adapter against a double of Stripe that others wrote and that honours idempotency keys.
//! It has no invoices; `stripe_shapes.rs` holds those against Stripe's own description.

mod harness;

use harness::{Double, Doubles, Fault, Project, Server};
use serde_json::{Value, json};

const KEY: &str = "sk_test_doubles";

/// The double, and what stands in front of it.
fn started() -> (Doubles, Double) {
    let doubles = Doubles::node("stripe", &json!({}));
    let stripe = doubles.behind("stripe");
    (doubles, stripe)
}

/// A project that makes a customer for each event `SIGNUP`.
fn project(stripe: &Double) -> Project {
    let config =
        format!("connections: {{stripe: {{provider: stripe, baseUrl: \"{}\"}}}}\n", stripe.url());
    let text = "workflow: signup\non: [{event: SIGNUP}]\ndedupe: ${{ event.data.id }}\nsteps:\n  \
                - id: create\n    uses: stripe/create_customer\n    \
                retry: {attempts: 3, backoff: fixed, delay: 10ms}\n    with:\n      \
                email: ${{ event.data.email }}\n      metadata: {signup: \"${{ event.data.id }}\"}\n";
    Project::new(&config).workflow("signup", text).env("STRIPE_API_KEY", KEY)
}

fn signup(server: &Server, id: &str, email: &str) -> String {
    server.send("SIGNUP", &json!({"id": id, "email": email}))
}

/// What the double holds below a path, as Stripe would tell it.
fn held(doubles: &Doubles, path: &str) -> Value {
    let bearer = format!("Bearer {KEY}");
    let answer = doubles.client("stripe").request("GET", path, &[("authorization", &bearer)], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn customers(doubles: &Doubles) -> Vec<Value> {
    held(doubles, "/v1/customers")["data"].as_array().expect("customers").clone()
}

#[test]
fn a_customer_made_before_a_crash_is_not_made_again_after_it() {
    let (doubles, stripe) = started();
    let project = project(&stripe);
    // The double makes the customer; the server is gone before it hears of it.
    stripe.fault("/v1/customers", 1, &Fault::HoldAnswer);
    let server = project.start();
    let correlation = signup(&server, "A-1", "ada@example.com");
    stripe.wait_for_held(1);
    server.kill();
    let made = customers(&doubles);
    assert_eq!(made.len(), 1, "{made:?}");
    let server = project.start();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["stripeCustomerId"], made[0]["id"], "{run:#}");
    assert_eq!(run["output"]["email"], "ada@example.com");
    assert_eq!(made[0]["metadata"], json!({"signup": "A-1"}));
    assert_eq!(customers(&doubles).len(), 1);
    let received = stripe.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].key(), received[1].key());
    assert_eq!(received[0].body, received[1].body);
}

#[test]
fn a_key_that_comes_with_other_parameters_is_a_dead_letter() {
    let (doubles, stripe) = started();
    let first = project(&stripe).start_kept();
    first.1.run(&signup(&first.1, "A-1", "ada@example.com"), &["succeeded"]);
    // Another data folder, as after a backup was put back: it does not know of the first.
    let (_project, server) = project(&stripe).start_kept();
    let run = server.run(&signup(&server, "A-1", "eve@example.com"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    let failure = &run["failure"]["failure"];
    assert_eq!(failure["code"], "idempotency_error", "{run:#}");
    assert_eq!(failure["status"], 400);
    assert!(failure["hint"].as_str().is_some_and(|hint| hint.contains("new idempotency key")));
    assert_eq!(stripe.received().len(), 2);
    // With the same parameters it is the same customer.
    let (_project, server) = project(&stripe).start_kept();
    let run = server.run(&signup(&server, "A-1", "ada@example.com"), &["succeeded", "dead"]);
    let made = customers(&doubles);
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(run["output"]["stripeCustomerId"], made[0]["id"], "{run:#}");
}

#[test]
fn a_refused_run_is_redriven_under_a_key_that_the_double_does_not_know() {
    let (doubles, stripe) = started();
    let first = project(&stripe).start_kept();
    first.1.run(&signup(&first.1, "A-1", "ada@example.com"), &["succeeded"]);
    let (_project, server) = project(&stripe).start_kept();
    let run = server.run(&signup(&server, "A-1", "eve@example.com"), &["dead"]);
    let id = run["id"].as_str().expect("an id");
    let redriven = server.api("POST", &format!("/dead-letters/{id}/redrive"), "");
    assert_eq!(redriven.status, 200, "{}", redriven.text());
    let run = server.run_by_id(id, &["succeeded"]);
    let made = customers(&doubles);
    assert_eq!(made.len(), 2, "{made:?}");
    let eve = made.iter().find(|it| it["email"] == "eve@example.com").expect("a customer");
    assert_eq!(run["output"]["stripeCustomerId"], eve["id"]);
}

#[test]
fn an_answer_lost_on_the_way_is_fetched_again() {
    let (doubles, stripe) = started();
    stripe.fault("/v1/customers", 2, &Fault::DropAfter);
    let (_project, server) = project(&stripe).start_kept();
    let run = server.run(&signup(&server, "A-1", "ada@example.com"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(stripe.received().len(), 3);
    assert_eq!(customers(&doubles).len(), 1);
}

#[test]
fn a_wrong_key_is_refused_with_what_to_do() {
    let (doubles, stripe) = started();
    let project = project(&stripe).env("STRIPE_API_KEY", "wrong");
    let server = project.start();
    let run = server.run(&signup(&server, "A-1", "ada@example.com"), &["succeeded", "dead"]);
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    assert_eq!(run["failure"]["failure"]["status"], 401, "{run:#}");
    assert_eq!(stripe.received().len(), 1);
    assert!(customers(&doubles).is_empty());
}

#[test]
fn a_refund_gives_back_what_was_charged() {
    let (doubles, stripe) = started();
    let text = "workflow: back\non: [{event: BACK}]\nsteps:\n  - id: back\n    \
                uses: stripe/refund\n    \
                retry: {attempts: 3, backoff: fixed, delay: 10ms}\n    \
                with: {chargeId: \"${{ event.data.charge }}\", amount: 600}\n";
    let project = project(&stripe).workflow("back", text);
    let bearer = format!("Bearer {KEY}");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let headers = [("authorization", bearer.as_str()), form];
    let body = b"amount=1000&currency=usd&source=tok_visa";
    let charge = doubles.client("stripe").request("POST", "/v1/charges", &headers, body).json();
    let server = project.start();
    let back = || server.send("BACK", &json!({"charge": charge["id"]}));
    let run = server.run(&back(), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["amount"], 600, "{run:#}");
    assert_eq!(run["output"]["status"], "succeeded");
    // More than is left.
    let run = server.run(&back(), &["succeeded", "dead"]);
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    let path = format!("/v1/charges/{}", charge["id"].as_str().expect("an id"));
    assert_eq!(held(&doubles, &path)["amount_refunded"], 600);
}
