//! The quick start, word for word: the configuration template, the curl, the invoice.

mod harness;

use std::path::Path;

use harness::{Project, Server, Stripe, TEMPLATE};
use serde_json::{Value, json};

/// What the curl of the quick start sends.
const BODY: &str = r#"{"event":"CREATE_STRIPE_INVOICE","payload":{"customerId":"cus_test","amount":1500,"currency":"usd","idempotencyKey":"test-001"}}"#;

fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/invoice/automation.config.yaml"))
}

/// The template with the Stripe base URL pointed at a double.
fn pointed_at(stripe: &Stripe) -> String {
    let line = format!("    provider: stripe\n    baseUrl: {}\n", stripe.double.url());
    TEMPLATE.replace("    provider: stripe\n", &line)
}

/// Sends the curl's request with more headers.
fn curl(server: &Server, headers: &[(&str, &str)]) -> harness::Answer {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    server.client.request("POST", "/api/webhooks/ingest", &all, BODY.as_bytes())
}

#[test]
fn the_example_is_the_template_word_for_word() {
    let text = std::fs::read_to_string(example()).expect("the example");
    assert_eq!(text, TEMPLATE);
}

#[test]
fn the_curl_makes_one_invoice_and_again_none() {
    let stripe = Stripe::start();
    let project = Project::new(&pointed_at(&stripe)).env("STRIPE_API_KEY", "sk_test_quickstart");
    let server = project.start();
    let answer = curl(&server, &[]);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["status"], "queued");
    let correlation = body["correlationId"].as_str().expect("a correlation id").to_owned();
    assert_eq!(answer.header("x-correlation-id"), Some(correlation.as_str()));
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{body}");

    let run = server.run(&correlation, &["succeeded", "dead"]);
    let invoices = stripe.invoices();
    assert_eq!(invoices.len(), 1, "{run:#}");
    let (id, invoice) = invoices.first_key_value().expect("an invoice");
    let url = format!("https://invoice.stripe.test/{id}");
    assert_eq!(
        run["output"],
        json!({"stripeInvoiceId": id, "status": "open", "hostedUrl": url}),
        "{run:#}"
    );
    assert_eq!((invoice.amount_due, invoice.currency.as_str()), (1500, "usd"));
    check_calls(&stripe, id, &correlation);

    let again = curl(&server, &[]);
    assert_eq!(again.status, 202);
    assert_eq!(again.json(), json!({"status": "duplicate", "correlationId": correlation}));
    let runs = server.read("/runs");
    assert_eq!(runs["data"].as_array().map(Vec::len), Some(1), "{runs}");
    assert_eq!(stripe.double.received().len(), 4);
    assert_eq!(
        server.metric(r#"postroom_events_total{source="ingest",result="queued"}"#),
        Some(1.0)
    );
    let duplicates = r#"postroom_events_total{source="ingest",result="duplicate"}"#;
    assert_eq!(server.metric(duplicates), Some(1.0));
}

/// Exactly the calls customer, draft, item with the amount, finalize; each POST with a key of its
/// own that derives from the sender's.
fn check_calls(stripe: &Stripe, invoice: &str, correlation: &str) {
    let received = stripe.double.received();
    let lines: Vec<String> = received.iter().map(harness::Received::line).collect();
    let finalize = format!("POST /v1/invoices/{invoice}/finalize");
    let wanted =
        ["GET /v1/customers/cus_test", "POST /v1/invoices", "POST /v1/invoiceitems", &finalize];
    assert_eq!(lines, wanted);
    assert_eq!(received[1].field("customer").as_deref(), Some("cus_test"));
    assert_eq!(received[2].field("amount").as_deref(), Some("1500"));
    assert_eq!(received[2].field("invoice").as_deref(), Some(invoice));
    let mut keys: Vec<&str> = received[1..].iter().map(harness::Received::key).collect();
    assert!(keys.iter().all(|key| key.contains("test-001")), "{keys:?}");
    keys.dedup();
    assert_eq!(keys.len(), 3, "{keys:?}");
    for request in &received {
        assert_eq!(request.header("x-correlation-id"), Some(correlation));
        assert_eq!(request.header("authorization"), Some("Bearer sk_test_quickstart"));
        assert!(request.header("stripe-version").is_some(), "{request:?}");
    }
}

#[test]
fn the_sandbox_needs_no_account_and_says_that_it_is_one() {
    let project = Project::at(example()).sandbox();
    let server = project.start();
    let first = curl(&server, &[]).json();
    let run = server.run(first["correlationId"].as_str().expect("an id"), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let output = &run["output"];
    assert!(output["stripeInvoiceId"].as_str().is_some_and(|id| id.starts_with("in_")), "{run:#}");
    assert_eq!(output["status"], "open");
    assert!(output["hostedUrl"].as_str().is_some_and(|url| url.starts_with("https://")));
    let journal = run["journal"].as_array().expect("a journal");
    let marked = |entry: &&Value| entry["sandbox"] == true;
    assert_eq!(journal.iter().filter(marked).count(), 4, "{journal:#?}");
    let attempts = server.log.messages("attempt ended");
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["sandbox"], true);
    assert_eq!(curl(&server, &[]).json()["status"], "duplicate");

    // The same key gives the same object: in another folder of data, and in a replay.
    let other = Project::at(example()).sandbox();
    let other = other.start();
    let second = curl(&other, &[]).json();
    let second = other.run(second["correlationId"].as_str().expect("an id"), &["succeeded"]);
    assert_eq!(second["output"], run["output"]);
    let event = run["event"].as_str().expect("an event id");
    let replayed = server.api("POST", &format!("/events/{event}/replay"), "");
    assert_eq!(replayed.status, 202, "{}", replayed.text());
    let id = replayed.json()["event"].as_str().expect("an event id").to_owned();
    let event = server.read(&format!("/events/{id}"));
    let id = event["runs"][0]["id"].as_str().expect("a run id").to_owned();
    let again = server.run_by_id(&id, &["succeeded"]);
    assert_eq!(again["output"]["stripeInvoiceId"], run["output"]["stripeInvoiceId"]);
}

#[test]
fn the_correlation_id_of_the_sender_is_kept_everywhere() {
    let stripe = Stripe::start();
    let project = Project::new(&pointed_at(&stripe)).env("STRIPE_API_KEY", "sk_test_x");
    let server = project.start();
    let answer = curl(&server, &[("X-Correlation-ID", "order-77/é \"x\"")]);
    assert_eq!(answer.status, 202, "{}", answer.text());
    // A header that is not ASCII is not used; the event's own id is.
    assert_ne!(answer.json()["correlationId"], "order-77");

    let other = BODY.replace("test-001", "test-002");
    let headers = [("X-Correlation-ID", "order-77 \"x\"")];
    let path = "/api/webhooks/ingest";
    let answer = server.client.request("POST", path, &headers, other.as_bytes());
    assert_eq!(answer.json()["correlationId"], "order-77 \"x\"");
    assert_eq!(answer.header("x-correlation-id"), Some("order-77 \"x\""));
    let run = server.run("order-77%20%22x%22", &["succeeded", "dead"]);
    assert_eq!(run["correlation"], "order-77 \"x\"");
    let sent = stripe.double.received();
    let seen = |r: &&harness::Received| r.header("x-correlation-id") == Some("order-77 \"x\"");
    assert_eq!(sent.iter().filter(seen).count(), 4);
    let logged = server.log.having("attempt ended");
    assert!(logged.iter().any(|line| line.contains(r#"order-77 \"x\""#)), "{logged:?}");
}

#[test]
fn an_envelope_without_event_or_payload_is_refused_in_the_exact_words() {
    let (_project, server) = Project::at(example()).sandbox().start_kept();
    for body in [
        "{}",
        r#"{"event":"X"}"#,
        r#"{"payload":{}}"#,
        r#"{"event":null,"payload":{}}"#,
        r#"{"event":"X","payload":null}"#,
    ] {
        let answer = server.post(body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.text(), r#"{"error":"Missing event or payload"}"#, "{body}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let events = server.read("/events");
    assert_eq!(events["data"], json!([]));
}

#[test]
fn an_unknown_event_is_stored_counted_and_explained() {
    let (_project, server) = Project::at(example()).sandbox().start_kept();
    let correlation = server.send("CREATE_STRIPE_INVOCE", &json!({"customerId": "cus_1"}));
    let event = server.event(&correlation);
    assert_eq!(event["runs"], json!([]));
    assert_eq!(event["near"][0]["workflow"], "stripe-invoice", "{event}");
    let why = event["near"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("CREATE_STRIPE_INVOICE") && why.contains("CREATE_STRIPE_INVOCE"), "{why}");
    server.send("SOMETHING_ELSE", &json!({}));
    let unrouted = server.read("/events?unrouted=true");
    assert_eq!(unrouted["data"].as_array().map(Vec::len), Some(2), "{unrouted}");
    let counted = r#"postroom_events_total{source="ingest",result="unrouted"}"#;
    assert_eq!(server.metric(counted), Some(2.0));
    let far = server.read("/events?type=SOMETHING_ELSE");
    let id = far["data"][0]["id"].as_str().expect("an id");
    assert_eq!(server.read(&format!("/events/{id}"))["near"], json!([]));
}

#[test]
fn settings_that_do_nothing_yet_are_said_once_each() {
    for host in [None, Some("")] {
        let mut project = Project::at(example()).sandbox();
        if let Some(host) = host {
            project = project.env("REDIS_HOST", host);
        }
        let server = project.start();
        let warnings: Vec<String> = server.log.having("\"level\":\"WARN\"");
        let once = |text: &str| warnings.iter().filter(|line| line.contains(text)).count();
        for text in [
            "queue.connection: no Redis host is set",
            "observability.metrics.scrapeInterval does nothing",
            "deadLetterQueue.name does nothing",
            "deadLetterQueue.alertOnThreshold does nothing",
            "/api/webhooks/stripe has no signing secret",
        ] {
            assert_eq!(once(text), 1, "{text}: {warnings:#?}");
        }
        assert_eq!(warnings.len(), 5, "{warnings:#?}");
    }
}

#[test]
fn a_redis_host_is_refused_until_there_is_a_backend() {
    let refused = Project::at(example()).sandbox().env("REDIS_HOST", "redis.local").refused();
    assert_eq!(refused.code, Some(2), "{}", refused.text);
    for text in ["redis.local", "no Redis backend", "automation.config.yaml", "REDIS_HOST"] {
        assert!(refused.text.contains(text), "{text}: {}", refused.text);
    }
}

#[test]
fn the_newcomer_is_told_where_everything_is() {
    let (_project, server) = Project::at(example()).sandbox().start_kept();
    let url = format!("http://{}", server.client.address);
    for (path, text) in [("/", "Postroom"), ("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = server.client.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
    }
    server.told.wait_for("the curl", |line| line.contains("idempotencyKey"));
    let told = server.told.text();
    for text in [format!("{url}/metrics"), format!("{url}/api/webhooks/ingest"), BODY.to_owned()] {
        assert!(told.contains(&text), "{text}: {told}");
    }
}
