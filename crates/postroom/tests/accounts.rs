//! Connections: what they need, and whether they work, told in words.

mod harness;

use harness::{Double, Fault, Project, Reply, Stripe};
use serde_json::json;

fn project(url: &str) -> Project {
    Project::new(&format!(
        "connections:\n  shop: {{provider: stripe, baseUrl: \"{url}\", mode: dry}}\n  \
         web: {{provider: http}}\n"
    ))
}

#[test]
fn the_list_says_where_credentials_are_found_and_never_what_they_are() {
    let project = project("http://127.0.0.1:1").file(".env", "STRIPE_API_KEY=sk_test_4711\n");
    let listed = project.run(&["connections", "list"]).good();
    assert!(listed.contains("STRIPE_API_KEY from .env"), "{listed}");
    assert!(listed.contains("STRIPE_WEBHOOK_SECRET is not set (optional)"), "{listed}");
    assert!(listed.contains("http://127.0.0.1:1") && listed.contains("dry"), "{listed}");
    let json = project.run(&["connections", "list", "--json"]).json();
    assert_eq!(json["data"][0]["credentials"][0]["from"], ".env");
    assert!(!listed.contains("4711") && !json.to_string().contains("4711"));
}

#[test]
fn a_test_makes_one_harmless_call_and_says_what_is_wrong() {
    let balance = json!({"available": [], "pending": []});
    let double = Double::answering(Reply::json(200, &balance));
    let project = project(&double.url());
    // Without a key nothing is sent.
    let ran = project.run(&["connections", "test", "shop"]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("`STRIPE_API_KEY` is not set"), "{}", ran.out);
    assert!(ran.err.contains("postroom secrets set STRIPE_API_KEY"), "{}", ran.err);
    assert!(double.received().is_empty());

    let project = project.env("STRIPE_API_KEY", "sk_test_4711");
    let ran = project.run(&["connections", "test"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("ok shop"), "{}", ran.out);
    assert!(ran.out.contains("untested web"), "{}", ran.out);
    assert_eq!(double.lines(), ["GET /v1/balance"]);

    let words = "Invalid API Key provided: sk_test_4711";
    let refusal = Stripe::refusal(401, "invalid_request_error", "api_key_invalid", words);
    double.fault("GET", 1, &Fault::Instead(refusal));
    let ran = project.run(&["connections", "test", "shop", "--json"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    let told: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(told["data"][0]["why"], "Invalid API Key provided: ***");
    assert_eq!(told["data"][0]["hint"], "check STRIPE_API_KEY");
    assert!(!ran.out.contains("4711") && !ran.err.contains("4711"));

    let ran = project.run(&["connections", "test", "shpo"]);
    assert!(ran.err.contains("did you mean `shop`?"), "{}", ran.err);
    assert_eq!(ran.code, Some(2));
}

#[test]
fn a_provider_that_cannot_be_reached_has_its_own_exit_code() {
    let gone = project("http://127.0.0.1:1").env("STRIPE_API_KEY", "sk_test_4711");
    let ran = gone.run(&["connections", "test", "shop"]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("could not be reached"), "{}", ran.out);
}
