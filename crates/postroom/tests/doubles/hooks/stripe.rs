//! Stripe. The events of the double have no id, so it shows nothing of repetitions.

use serde_json::{Value, json};

use super::harness::{Doubles, Server};
use super::{address, seen, taking, turned_away};

/// A customer that the double makes, and tells of to whom it may concern, signed with a secret.
fn customer(server: &Server, secret: &str, email: &str) -> Value {
    let hook = json!({"url": address(server), "events": ["*"], "secret": secret});
    let doubles = Doubles::emulate(&["stripe"], &json!({"stripe": {"webhooks": [hook]}}));
    let headers = [
        ("authorization", "Bearer sk_test_doubles"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let body = format!("email={email}");
    // It answers once its webhook was answered.
    let client = doubles.client("stripe");
    let answer = client.request("POST", "/v1/customers", &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn an_event_that_is_signed_right_starts_a_run() {
    let secret = ("STRIPE_WEBHOOK_SECRET", "whsec_doubles");
    let (_project, server) = taking("stripe", "customer.created", secret).start_kept();
    let made = customer(&server, "whsec_doubles", "ada%40example.com");
    let seen = seen(&server, 1);
    assert_eq!(seen[0]["data"]["object"]["id"], made["id"], "{seen:?}");
    assert_eq!(seen[0]["data"]["object"]["email"], "ada@example.com");
}

#[test]
fn an_event_that_somebody_else_signed_is_turned_away() {
    let secret = ("STRIPE_WEBHOOK_SECRET", "whsec_doubles");
    let (_project, server) = taking("stripe", "customer.created", secret).start_kept();
    customer(&server, "whsec_of_somebody_else", "eve%40example.com");
    turned_away(&server, "stripe");
}
