//! What goes wrong at a provider: tried again where that helps, refused where it does not, and in
//! the dead-letter office with the provider's own words when it is over.

mod harness;

use harness::{Double, Fault, Project, Reply, Server, Stripe};
use serde_json::{Value, json};

const KEYED: &str = "\
workflow: keyed
on:
  - event: GO
steps:
  - id: call
    uses: http/request
    with: { method: PUT, url: /thing, json: { n: 1 } }
    retry: { attempts: 3, backoff: fixed, delay: 10ms, jitter: 0 }
on_failure:
  - id: tell
    uses: local/echo
    with: { why: \"${{ run.failure.code }}\" }
";

fn started(double: &Double) -> (Project, Server) {
    let config =
        format!("connections:\n  api:\n    provider: http\n    baseUrl: {}\n", double.url());
    Project::new(&config).workflow("own", KEYED).start_kept()
}

fn ok() -> Double {
    Double::answering(Reply::json(200, &json!({ "ok": true })))
}

fn kinds(run: &Value) -> Vec<&str> {
    let journal = run["journal"].as_array().expect("a journal");
    journal.iter().filter_map(|entry| entry["kind"].as_str()).collect()
}

#[test]
fn a_failing_call_is_tried_again() {
    let double = ok();
    double.fault("/thing", 2, &Fault::Instead(Reply::json(500, &json!({ "error": "down" }))));
    let (_project, server) = started(&double);
    let run = server.run(&server.send("GO", &json!({})), &["succeeded", "dead"]);
    assert_eq!(kinds(&run), ["retry", "retry", "done", "succeeded"], "{run:#}");
    assert_eq!(run["steps"][0]["attempts"], 3);
    assert_eq!(double.lines().len(), 3);
}

#[test]
fn attempts_end_and_on_failure_steps_run() {
    let double = ok();
    double.fault("/thing", 9, &Fault::Instead(Reply::json(503, &json!({ "error": "down" }))));
    let (_project, server) = started(&double);
    let correlation = server.send("GO", &json!({}));
    let run = server.run(&correlation, &["dead"]);
    assert_eq!(run["failure"]["reason"], "exhausted", "{run:#}");
    assert_eq!(kinds(&run), ["retry", "retry", "failed", "done", "dead"]);
    assert_eq!(run["journal"][3]["output"]["why"], run["failure"]["failure"]["code"]);
    assert_eq!(double.lines().len(), 3);

    double.mend();
    let id = run["id"].as_str().expect("an id");
    let answer = server.api("POST", "/dead-letters/redrive", r#"{"workflow":"keyed"}"#);
    assert_eq!(answer.json(), json!({ "done": 1, "refused": 0 }), "{}", answer.text());
    let run = server.run_by_id(id, &["succeeded"]);
    assert_eq!(run["redrives"], 1);
    assert_eq!(double.lines().len(), 4);
}

#[test]
fn retry_after_wins_over_the_policy() {
    let double = ok();
    let limited = Reply::json(429, &json!({})).with("retry-after", "7200");
    double.fault("/thing", 1, &Fault::Instead(limited));
    let (_project, server) = started(&double);
    let run = server.run(&server.send("GO", &json!({})), &["sleeping"]);
    let entry = &run["journal"][0];
    let wait = entry["due_ms"].as_i64().expect("due") - entry["at_ms"].as_i64().expect("at");
    assert_eq!(wait, 7_200_000, "{run:#}");

    let id = run["id"].as_str().expect("an id");
    let answer = server.api("POST", &format!("/runs/{id}/cancel"), r#"{"note":"not needed"}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let run = server.run_by_id(id, &["cancelled"]);
    let last = run["journal"].as_array().and_then(|journal| journal.last()).expect("an entry");
    assert_eq!((&last["kind"], &last["note"]), (&json!("cancelled"), &json!("not needed")));
    let again = server.api("POST", &format!("/runs/{id}/cancel"), "");
    again.problem(409, "api/conflict");
}

fn invoice(key: &str) -> Value {
    json!({ "customerId": "cus_1", "amount": 900, "currency": "usd", "idempotencyKey": key })
}

#[test]
fn a_refusal_keeps_the_providers_words_and_a_corrected_request_gets_new_keys() {
    let stripe = Stripe::start();
    let refusal =
        Stripe::refusal(400, "invalid_request_error", "parameter_invalid", "No such thing");
    stripe.double.fault("POST /v1/invoices", 1, &Fault::Kept(refusal));
    let project = Project::new(&stripe.adapter()).env("STRIPE_API_KEY", "sk_test_refused");
    let server = project.start();
    let run = server.run(&server.send("CREATE_STRIPE_INVOICE", &invoice("r-1")), &["dead"]);
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    assert_eq!(run["failure"]["failure"]["code"], "parameter_invalid");
    assert!(run["failure"]["failure"]["message"].as_str().is_some_and(|m| m.contains("No such")));

    let id = run["id"].as_str().expect("an id");
    assert_eq!(server.api("POST", &format!("/dead-letters/{id}/redrive"), "").status, 200);
    let run = server.run_by_id(id, &["succeeded"]);
    let drafts: Vec<_> =
        stripe.double.received().into_iter().filter(|r| r.line() == "POST /v1/invoices").collect();
    assert_eq!(drafts.len(), 2, "{run:#}");
    assert_ne!(drafts[0].key(), drafts[1].key());
    assert_eq!(stripe.invoices().len(), 1);
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_key() {
    let stripe = Stripe::start();
    stripe.double.fault("POST /v1/invoices", 1, &Fault::DropAfter);
    let config = format!(
        "queue: {{defaultJobOptions: {{backoff: {{type: fixed, delay: 10}}}}}}\n{}",
        stripe.adapter()
    );
    let project = Project::new(&config).env("STRIPE_API_KEY", "sk_test_lost");
    let server = project.start();
    let run = server.run(&server.send("CREATE_STRIPE_INVOICE", &invoice("l-1")), &["succeeded"]);
    let drafts: Vec<_> =
        stripe.double.received().into_iter().filter(|r| r.line() == "POST /v1/invoices").collect();
    assert_eq!(drafts.len(), 2, "{run:#}");
    assert_eq!(drafts[0].key(), drafts[1].key());
    assert_eq!(stripe.invoices().len(), 1);
}

#[test]
fn a_missing_credential_names_the_variable() {
    let stripe = Stripe::start();
    let server = Project::new(&stripe.adapter()).start_kept();
    let (_project, server) = server;
    let run = server.run(&server.send("CREATE_STRIPE_INVOICE", &invoice("c-1")), &["dead"]);
    let failure = &run["failure"]["failure"];
    assert_eq!(failure["code"], "connection/credential-missing", "{run:#}");
    assert!(failure["hint"].as_str().is_some_and(|hint| hint.contains("STRIPE_API_KEY")));
    assert!(stripe.double.lines().is_empty());
}

#[test]
fn the_rate_limit_holds_in_every_window() {
    let double = ok();
    let limit = "rateLimit: { maxRequests: 5, windowMs: 300 }";
    let config = format!(
        "connections:\n  api:\n    provider: http\n    baseUrl: {}\n    {limit}\n",
        double.url()
    );
    let (_project, server) = Project::new(&config).workflow("own", KEYED).start_kept();
    for n in 0..20 {
        server.send("GO", &json!({ "n": n }));
    }
    let received = double.wait_for(20);
    for window in received.windows(6) {
        let span = window[5].at.duration_since(window[0].at);
        // A request may be on its way a little longer than the one five before it.
        assert!(span.as_millis() >= 270, "six calls within {span:?}");
    }
}

#[test]
fn runs_of_one_key_go_one_at_a_time_and_in_order() {
    let workflow = "\
workflow: ordered
on:
  - event: GO
concurrency: { key: \"${{ event.data.who }}\", limit: 1 }
steps:
  - id: call
    uses: http/request
    with: { method: PUT, url: \"/${{ event.data.who }}/${{ event.data.n }}\", json: {} }
";
    let double = ok();
    let config =
        format!("connections:\n  api:\n    provider: http\n    baseUrl: {}\n", double.url());
    let (_project, server) = Project::new(&config).workflow("own", workflow).start_kept();
    for n in 0..10 {
        server.send("GO", &json!({ "who": "a", "n": n }));
        server.send("GO", &json!({ "who": "b", "n": n }));
    }
    let received = double.wait_for(20);
    for who in ["a", "b"] {
        let start = format!("/{who}/");
        let of: Vec<_> = received.iter().filter(|r| r.path.starts_with(&start)).collect();
        let paths: Vec<_> = of.iter().map(|r| r.path.clone()).collect();
        let expected: Vec<_> = (0..10).map(|n| format!("/{who}/{n}")).collect();
        assert_eq!(paths, expected);
    }
}
