//! What goes wrong at a provider, what becomes of it, and what a person does about it.

mod harness;

use harness::{Fault, Ledger, Project, Reply, Server};
use serde_json::{Value, json};

/// A keyed POST to a double as the workflow `order`, tried by this policy.
fn workflow(ledger: &Ledger, retry: &str) -> String {
    format!(
        "workflow: order\non: [{{event: ORDER}}]\ndedupe: ${{{{ event.data.id }}}}\nsteps:\n  \
         - id: post\n    uses: http/request\n    retry: {{{retry}}}\n    with:\n      \
         url: {}/orders\n      method: POST\n      idempotencyHeader: Idempotency-Key\n      \
         json: {{id: \"${{{{ event.data.id }}}}\"}}\n",
        ledger.double.url()
    )
}

const QUICK: &str = "attempts: 3, backoff: exponential, delay: 40ms";

fn started(ledger: &Ledger, retry: &str) -> (Project, Server) {
    Project::new("").workflow("order", &workflow(ledger, retry)).start_kept()
}

fn order(server: &Server, id: &str) -> String {
    server.send("ORDER", &json!({"id": id}))
}

fn id(run: &Value) -> &str {
    run["id"].as_str().expect("an id")
}

/// Carries out an order on a run, which must be allowed.
#[track_caller]
fn ordered(server: &Server, path: &str, body: &str) -> Value {
    let answer = server.api("POST", path, body);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// The journal of a run as `kind attempt`.
fn journal(run: &Value) -> Vec<String> {
    let entries = run["journal"].as_array().expect("a journal");
    let text = |entry: &Value| {
        let kind = entry["kind"].as_str().expect("a kind");
        entry["attempt"].as_u64().map_or_else(|| kind.to_owned(), |n| format!("{kind} {n}"))
    };
    entries.iter().map(text).collect()
}

fn unavailable() -> Reply {
    Reply::json(503, &json!({"error": "later"}))
}

#[test]
fn a_failing_call_is_tried_again_with_growing_delays() {
    let ledger = Ledger::start();
    let (_project, server) = started(&ledger, QUICK);
    ledger.double.fault("/orders", 2, &Fault::Instead(unavailable()));
    let run = server.run(&order(&server, "A-1"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(journal(&run), ["retry 1", "retry 2", "done 3", "succeeded"]);
    assert_eq!(ledger.keys(), ["order:A-1:post"; 3]);
    assert_eq!(ledger.entries().len(), 1);
    for (entry, full_ms) in [(0, 40), (1, 80)] {
        let entry = &run["journal"][entry];
        let time = |name: &str| entry[name].as_i64().expect("a time");
        let delay_ms = time("due_ms") - time("at_ms");
        assert!((full_ms * 8 / 10..=full_ms).contains(&delay_ms), "{delay_ms} ms: {run:#}");
        assert_eq!(entry["failure"]["status"], 503, "{run:#}");
    }
    // No try was made before its time.
    let received = ledger.double.received();
    for (pair, least_ms) in received.windows(2).zip([32, 64]) {
        let apart = pair[1].at.duration_since(pair[0].at).as_millis();
        assert!(apart >= least_ms, "{apart} ms");
    }
}

#[test]
fn retry_after_is_honoured_and_a_sleeping_run_is_cancelled() {
    let ledger = Ledger::start();
    let (_project, server) = started(&ledger, QUICK);
    let reply = unavailable().with("Retry-After", "3600");
    ledger.double.fault("/orders", 1, &Fault::Instead(reply));
    let run = server.run(&order(&server, "A-1"), &["sleeping", "dead", "succeeded"]);
    assert_eq!(run["state"], "sleeping", "{run:#}");
    let entry = &run["journal"][0];
    let time = |name: &str| entry[name].as_i64().expect("a time");
    assert!(time("due_ms") - time("at_ms") >= 3_600_000, "{run:#}");
    assert_eq!(run["due_ms"], entry["due_ms"]);

    let path = format!("/runs/{}/cancel", id(&run));
    let cancelled = ordered(&server, &path, r#"{"note": "no more", "actor": "ada"}"#);
    assert_eq!(cancelled["state"], "cancelled");
    let run = server.run_by_id(id(&run), &["cancelled"]);
    assert_eq!(journal(&run), ["retry 1", "cancelled"]);
    assert_eq!(run["journal"][1]["actor"], "ada", "{run:#}");
    assert_eq!(run["journal"][1]["note"], "no more", "{run:#}");
    assert_eq!(run["due_ms"], Value::Null);
    server.api("POST", &path, "").problem(409, "api/conflict");
    // Others go on, and nothing more comes of this one.
    server.run(&order(&server, "A-2"), &["succeeded"]);
    assert_eq!(ledger.keys(), ["order:A-1:post", "order:A-2:post"]);
}

#[test]
fn a_refusal_is_a_dead_letter_at_once_and_redriven_under_a_new_key() {
    let ledger = Ledger::start();
    let (_project, server) = started(&ledger, QUICK);
    // The service keeps its refusal for the key, as Stripe does.
    let refusal = Ledger::refusal(422, "A-1 is sold out");
    ledger.double.fault("/orders", 1, &Fault::Kept(refusal));
    let run = server.run(&order(&server, "A-1"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "refused");
    assert_eq!(run["failure"]["step"], "post");
    assert_eq!(run["failure"]["failure"]["status"], 422, "{run:#}");
    assert_eq!(journal(&run), ["failed 1", "dead"]);
    assert_eq!(ledger.double.received().len(), 1);
    let listed = server.read("/dead-letters");
    assert_eq!(listed["data"][0]["id"], run["id"], "{listed}");
    assert_eq!(server.read("/dead-letters/count")["count"], 1);

    let path = format!("/dead-letters/{}/redrive", id(&run));
    assert_eq!(ordered(&server, &path, "")["state"], "queued");
    let run = server.run_by_id(id(&run), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(journal(&run), ["failed 1", "dead", "redriven", "done 1", "succeeded"]);
    assert_eq!(ledger.keys(), ["order:A-1:post", "order:A-1:post#1"]);
    assert_eq!(ledger.entries().len(), 1);
    assert_eq!(run["redrives"], 1);
    assert_eq!(server.read("/dead-letters/count")["count"], 0);
    server.api("POST", &path, "").problem(409, "api/conflict");
}

#[test]
fn a_lost_answer_is_redriven_under_the_same_key_and_makes_one_entry() {
    let ledger = Ledger::start();
    let (_project, server) = started(&ledger, "attempts: 2, backoff: fixed, delay: 10ms");
    ledger.double.fault("/orders", 2, &Fault::DropAfter);
    let run = server.run(&order(&server, "A-1"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "exhausted", "{run:#}");
    assert_eq!(journal(&run), ["retry 1", "failed 2", "dead"]);
    ordered(&server, &format!("/dead-letters/{}/redrive", id(&run)), "");
    let run = server.run_by_id(id(&run), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(ledger.keys(), ["order:A-1:post"; 3]);
    assert_eq!(ledger.entries(), ["POST /orders"]);
    assert_eq!(run["output"]["body"], json!({"id": "entry_1"}));
}

#[test]
fn exhausted_attempts_are_a_dead_letter_that_can_be_discarded() {
    let ledger = Ledger::start();
    let (_project, server) = started(&ledger, "attempts: 3, backoff: fixed, delay: 1ms");
    ledger.double.fault("/orders", 3, &Fault::Instead(unavailable()));
    let run = server.run(&order(&server, "A-1"), &["succeeded", "dead"]);
    assert_eq!(run["failure"]["reason"], "exhausted", "{run:#}");
    assert_eq!(run["failure"]["failure"]["code"], "http/503", "{run:#}");
    assert_eq!(journal(&run), ["retry 1", "retry 2", "failed 3", "dead"]);
    let counted = r#"postroom_dead_letters_total{workflow="order",reason="exhausted"}"#;
    assert_eq!(server.metric(counted), Some(1.0));

    let path = format!("/dead-letters/{}/discard", id(&run));
    let gone = ordered(&server, &path, r#"{"note": "sold elsewhere"}"#);
    assert_eq!(gone["state"], "cancelled");
    assert_eq!(server.read("/dead-letters")["data"], json!([]));
    server.api("POST", &path, "").problem(409, "api/conflict");
    // A run that is not dead is not discarded.
    let run = server.run(&order(&server, "A-2"), &["succeeded"]);
    let path = format!("/dead-letters/{}/discard", id(&run));
    server.api("POST", &path, "").problem(409, "api/conflict");
    assert_eq!(ledger.double.received().len(), 4);
}
