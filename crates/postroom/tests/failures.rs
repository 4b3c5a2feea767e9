//! What goes wrong at a provider, what becomes of it, and what a person does about it.

mod harness;

use std::time::Duration;

use harness::{Double, Fault, Ledger, Project, Reply, Server, Stripe, TEMPLATE};
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

fn invoice(server: &Server, id: &str, customer: &str) -> String {
    let payload =
        json!({"customerId": customer, "amount": 1500, "currency": "usd", "idempotencyKey": id});
    server.send("CREATE_STRIPE_INVOICE", &payload)
}

#[test]
fn a_dead_letter_has_the_providers_code_and_words() {
    let stripe = Stripe::start();
    let project = Project::new(&stripe.adapter()).env("STRIPE_API_KEY", "sk_test_failures");
    let server = project.start();
    let run = server.run(&invoice(&server, "A-1", "cus_missing1"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    let failure = &run["failure"]["failure"];
    assert_eq!(run["failure"]["reason"], "refused");
    assert_eq!(failure["code"], "resource_missing", "{run:#}");
    assert_eq!(failure["status"], 404);
    let message = failure["message"].as_str().expect("a message");
    assert!(message.contains("No such customer: 'cus_missing1'"), "{message}");
    assert_eq!(stripe.double.lines(), ["GET /v1/customers/cus_missing1"]);

    // A card that is declined, and the key kept with it.
    let declined = Stripe::refusal(402, "card_error", "card_declined", "Your card was declined.");
    stripe.double.fault("/finalize", 1, &Fault::Kept(declined));
    let run = server.run(&invoice(&server, "A-2", "cus_1"), &["succeeded", "dead"]);
    assert_eq!(run["failure"]["failure"]["code"], "card_declined", "{run:#}");
    assert_eq!(stripe.double.received().len(), 5);
    let warned = server.log.messages("the run is a dead letter: Your card was declined.");
    assert_eq!(warned.len(), 1, "{}", server.log.text());
    assert_eq!(warned[0]["code"], "card_declined");
}

#[test]
fn the_steps_of_on_failure_read_what_failed() {
    let ledger = Ledger::start();
    let sent = json!({"ok": true, "channel": "C1", "ts": "1.2"});
    let slack = Double::answering(Reply::json(200, &sent));
    let config = format!("connections: {{slack: {{provider: slack, baseUrl: {}}}}}\n", slack.url());
    let text = workflow(&ledger, QUICK)
        + "on_failure:\n  - id: tell\n    uses: slack/post_message\n    with:\n      channel: C1\n\
           \x20     text: \"${{ run.failure.code }} | ${{ run.failure.message }} | \
           ${{ steps.post.status }}\"\n";
    let project = Project::new(&config).workflow("order", &text).env("SLACK_BOT_TOKEN", "xoxb-1-2");
    let server = project.start();
    ledger.double.fault("/orders", 1, &Fault::Instead(Ledger::refusal(422, "A-1 is sold out")));
    let run = server.run(&order(&server, "A-1"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["step"], "post");
    assert_eq!(journal(&run), ["failed 1", "intent 1", "done 1", "dead"]);
    let told = slack.received();
    assert_eq!(told.len(), 1);
    let failure = &run["failure"]["failure"];
    let (code, message) = (failure["code"].as_str(), failure["message"].as_str());
    let words = format!("{} | {} | failed", code.expect("a code"), message.expect("a message"));
    assert_eq!(told[0].json()["text"], words);
    assert_eq!(told[0].header("authorization"), Some("Bearer xoxb-1-2"));

    // It fails again after a redrive and is told again; a failure of the telling is only noted.
    ledger.double.fault("/orders", 1, &Fault::Instead(Ledger::refusal(422, "still sold out")));
    let bad = Reply::json(200, &json!({"ok": false, "error": "not_in_channel"}));
    slack.fault("chat.postMessage", 1, &Fault::Instead(bad));
    ordered(&server, &format!("/dead-letters/{}/redrive", id(&run)), "");
    slack.wait_for(2);
    let run = server.run_by_id(id(&run), &["succeeded", "dead"]);
    assert_eq!(run["failure"]["step"], "post", "{run:#}");
    assert_eq!(journal(&run)[4..], ["redriven", "failed 1", "intent 1", "failed 1", "dead"]);
    // Mended, it goes well and nobody is told.
    ordered(&server, &format!("/dead-letters/{}/redrive", id(&run)), "");
    server.run_by_id(id(&run), &["succeeded"]);
    assert_eq!(slack.received().len(), 2);
}

#[test]
fn dead_letters_are_redriven_by_workflow_and_code() {
    let ledger = Ledger::start();
    let text = workflow(&ledger, "attempts: 1");
    let other = text.replace("workflow: order", "workflow: other").replace("ORDER", "OTHER");
    let project = Project::new("").workflow("order", &text).workflow("other", &other);
    let server = project.start();
    for (event, id, status) in [
        ("ORDER", "A-1", 422),
        ("ORDER", "A-2", 422),
        ("ORDER", "A-3", 410),
        ("OTHER", "A-4", 422),
        ("ORDER", "A-5", 422),
    ] {
        ledger.double.fault("/orders", 1, &Fault::Instead(Ledger::refusal(status, "no")));
        let run = server.run(&server.send(event, &json!({"id": id})), &["succeeded", "dead"]);
        assert_eq!(run["failure"]["failure"]["status"], status, "{run:#}");
    }
    let by_code = "workflow=order&code=sold_out";
    assert_eq!(server.read(&format!("/dead-letters/count?{by_code}"))["count"], 0);
    let by_code = "workflow=order&code=http/422";
    assert_eq!(server.read(&format!("/dead-letters/count?{by_code}"))["count"], 3);
    let wish = r#"{"workflow": "order", "code": "http/422", "limit": 2}"#;
    let progress = ordered(&server, "/dead-letters/redrive", wish);
    assert_eq!((&progress["done"], &progress["refused"]), (&json!(2), &json!(0)));
    assert!(progress["next"].is_string(), "{progress}");
    for run in server.read("/runs?state=dead")["data"].as_array().expect("runs") {
        assert_eq!(run["redrives"], 0, "{run:#}");
    }
    let progress = ordered(&server, "/dead-letters/redrive", &wish.replace(", \"limit\": 2", ""));
    assert_eq!(progress, json!({"done": 1, "refused": 0}));
    let dead = server.read("/dead-letters");
    let left: Vec<&Value> = dead["data"].as_array().expect("runs").iter().collect();
    assert_eq!(left.len(), 2, "{dead:#}");
    assert!(left.iter().any(|run| run["workflow"] == "other"), "{dead:#}");
    assert!(left.iter().any(|run| run["failure"]["failure"]["code"] == "http/410"), "{dead:#}");
    let gone = ordered(&server, "/dead-letters/discard", r#"{"workflow": "other"}"#);
    assert_eq!(gone, json!({"done": 1, "refused": 0}));
    ledger.double.wait_for(8);
    let mut keys = ledger.keys().split_off(5);
    keys.sort();
    assert_eq!(keys, ["order:A-1:post#1", "order:A-2:post#1", "order:A-5:post#1"]);
    assert_eq!(server.read("/dead-letters/count")["count"], 1);
}

#[test]
fn a_bulk_order_that_goes_on_visits_each_run_once_though_it_dies_again() {
    let ledger = Ledger::start();
    let (_project, server) = started(&ledger, "attempts: 1");
    ledger.double.fault("/orders", 1_000, &Fault::Instead(Ledger::refusal(422, "no")));
    let dead = |id: &str| server.run(&order(&server, id), &["dead"]);
    let runs: Vec<Value> = ["A-1", "A-2", "A-3", "A-4", "A-5"].map(dead).into();
    let mut cursor = Value::Null;
    for (done, redriven) in [(2, 2), (2, 4), (1, 5)] {
        let wish = json!({"code": "http/422", "limit": 2, "cursor": cursor}).to_string();
        let progress = ordered(&server, "/dead-letters/redrive", &wish);
        assert_eq!((&progress["done"], &progress["refused"]), (&json!(done), &json!(0)));
        cursor = progress["next"].clone();
        // They die again before the order goes on, and would be selected again.
        ledger.double.wait_for(5 + redriven);
        runs.iter().for_each(|run| drop(server.run_by_id(id(run), &["dead"])));
        assert_eq!(server.read("/dead-letters/count")["count"], 5);
    }
    assert_eq!(cursor, Value::Null);
    for run in &runs {
        assert_eq!(server.run_by_id(id(run), &["dead"])["redrives"], 1);
    }
    for (field, value) in [("limit", json!(0)), ("limit", json!(1_001)), ("cursor", json!("x"))] {
        let wish = json!({ field: value }).to_string();
        server.api("POST", "/dead-letters/redrive", &wish).problem(400, "request/bad-body");
    }
}

#[test]
fn a_missing_credential_names_its_variable_and_is_mended_by_it() {
    let stripe = Stripe::start();
    let project = Project::new(&stripe.adapter());
    let server = project.start();
    let run = server.run(&invoice(&server, "A-1", "cus_1"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    let failure = &run["failure"]["failure"];
    assert_eq!(failure["code"], "connection/credential-missing", "{run:#}");
    for field in ["message", "hint"] {
        let text = failure[field].as_str().expect("text");
        assert!(text.contains("STRIPE_API_KEY"), "{field}: {text}");
    }
    assert_eq!(stripe.double.received().len(), 0);
    server.kill();
    let project = project.env("STRIPE_API_KEY", "sk_test_mended");
    let server = project.start();
    ordered(&server, &format!("/dead-letters/{}/redrive", id(&run)), "");
    let run = server.run_by_id(id(&run), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(stripe.invoices().len(), 1);
}

#[test]
fn the_rate_limit_is_never_exceeded() {
    let (requests, window_ms) = (8, 400);
    let stripe = Stripe::start();
    let line = format!("    provider: stripe\n    baseUrl: {}\n", stripe.double.url());
    let config = TEMPLATE
        .replace("    provider: stripe\n", &line)
        .replace("maxRequests: 100", &format!("maxRequests: {requests}"))
        .replace("windowMs: 1000", &format!("windowMs: {window_ms}"));
    let project = Project::new(&config).env("STRIPE_API_KEY", "sk_test_limit");
    let server = project.start();
    let sent: Vec<String> = (0..12).map(|n| invoice(&server, &format!("A-{n}"), "cus_1")).collect();
    for correlation in &sent {
        let run = server.run(correlation, &["succeeded", "dead"]);
        assert_eq!(run["state"], "succeeded", "{run:#}");
        // Waiting for the limit is no failure and burns no attempt.
        assert!(!journal(&run).iter().any(|entry| entry.starts_with("retry")), "{run:#}");
        assert_eq!(run["steps"][0]["attempts"], 1, "{run:#}");
    }
    let received = stripe.double.received();
    assert_eq!(received.len(), 48);
    // A call that went out in time may arrive late, so that the next ones are nearer to it.
    let least = Duration::from_millis(window_ms * 3 / 4);
    for window in received.windows(requests + 1) {
        let apart = window[requests].at.duration_since(window[0].at);
        assert!(apart >= least, "{} calls within {apart:?}", requests + 1);
    }
    let all = received[47].at.duration_since(received[0].at);
    let windows = u32::try_from(47 / requests).expect("small");
    assert!(all >= Duration::from_millis(window_ms) * windows - least / 3, "{all:?}");
}

#[test]
fn runs_of_one_concurrency_key_go_one_after_the_other_in_their_order() {
    let ledger = Ledger::start();
    let text = workflow(&ledger, QUICK).replace(
        "steps:\n",
        "concurrency: {key: \"${{ event.data.customer }}\", limit: 1}\nsteps:\n",
    );
    let text = text.replace("/orders\n", "/${{ event.data.customer }}\n");
    let (_project, server) = Project::new("").workflow("order", &text).start_kept();
    ledger.double.fault("/ada", 6, &Fault::Hold);
    let send =
        |id: &str, customer: &str| server.send("ORDER", &json!({"id": id, "customer": customer}));
    let sent: Vec<String> = (1..=6).map(|n| send(&format!("A-{n}"), "ada")).collect();
    for n in 1..=6 {
        ledger.double.wait_for_held(n);
        // Another key goes past, so there is room for the next of this one; yet it waits.
        server.run(&send(&format!("B-{n}"), "bob"), &["succeeded"]);
        let of_ada = ledger.double.lines().iter().filter(|line| line.contains("ada")).count();
        assert_eq!(of_ada, n);
        ledger.double.release_one();
    }
    for correlation in &sent {
        server.run(correlation, &["succeeded"]);
    }
    let keys: Vec<String> = ledger.keys().into_iter().filter(|key| key.contains(":A-")).collect();
    let wanted: Vec<String> = (1..=6).map(|n| format!("order:A-{n}:post")).collect();
    assert_eq!(keys, wanted);
}
