//! From incident to failing test in one command: a run is captured, its test fails as the run did,
//! and turns green once the mapping is mended.

mod harness;

use harness::{Double, Fault, Project, Reply, Server, Stripe};
use serde_json::{Value, json};

/// Sends the amount as text, which the service refuses.
const WORKFLOW: &str = "\
workflow: bill
on: [{event: ORDER}]
steps:
  - id: find
    uses: http/request
    with: { url: \"/customers?email=${{ event.data.email }}\" }
  - id: bill
    uses: http/request
    with:
      url: /bills
      method: PUT
      json: { customer: \"${{ steps.find.output.body.id }}\", amount: \"${{ string(event.data.amount) }}\" }
    retry: { attempts: 2, delay: 1ms }
on_failure:
  - id: warn
    uses: local/echo
    with: { text: \"${{ run.failure.message }}\" }
";

const MENDED: (&str, &str) = ("${{ string(event.data.amount) }}", "${{ event.data.amount }}");

fn config(double: &Double) -> String {
    format!(
        "connections:\n  web: {{provider: http, baseUrl: \"{}\"}}\n\
         privacy: {{ personal: [email, name] }}\nserver: {{ ingestToken: INGEST_TOKEN }}\n",
        double.url()
    )
}

fn incident(double: &Double) -> (Project, Server, Value) {
    let customer = json!({"id": "c-77", "email": "Ada@Lovelace.org", "name": "Ada Lovelace"});
    double.fault("GET /customers", 1, &Fault::Instead(Reply::json(200, &customer)));
    let words = "Ada Lovelace owes text, not a number; token-12345678 was seen";
    let refusal = Reply::json(422, &json!({"error": {"code": "bad_amount", "message": words}}));
    double.fault("PUT /bills", 1, &Fault::Instead(refusal.with("X-Request-Id", "req-1")));
    let project = Project::new(&config(double)).workflow("bill", WORKFLOW);
    let project = project.env("INGEST_TOKEN", "token-12345678");
    let server = project.start();
    let event = json!({"event": "ORDER", "payload":
        {"email": "ada@lovelace.org", "name": "Ada Lovelace", "amount": 1999, "note": "x 1999"}});
    let token = [("content-type", "application/json"), ("authorization", "Bearer token-12345678")];
    let body = event.to_string();
    let answer = server.client.request("POST", "/api/webhooks/ingest", &token, body.as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.text());
    let correlation = answer.json()["correlationId"].as_str().expect("an id").to_owned();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "dead", "{run:#}");
    (project, server, run)
}

fn id(run: &Value) -> &str {
    run["id"].as_str().expect("an id")
}

#[test]
fn an_incident_becomes_a_failing_test_that_mending_turns_green() {
    let double = Double::answering(Reply::json(200, &json!({})));
    let (project, server, run) = incident(&double);
    let mut failed = run["journal"].as_array().expect("a journal").iter();
    let failed = failed.rfind(|entry| entry["kind"] == "failed").expect("a failure");
    assert_eq!(failed["answer"]["status"], 422, "{failed:#}");
    let body = failed["answer"]["body"].as_str().expect("a body");
    assert!(body.contains("bad_amount") && body.contains("***"), "{body}");
    assert_eq!(failed["answer"]["headers"][1], json!(["x-request-id", "req-1"]), "{failed:#}");

    // Over the running server, and from the data folder once it is gone: the same test.
    let over_server = project.run(&["capture", id(&run)]).good();
    server.kill();
    let ran = project.run(&["capture", id(&run), "--out", "tests/bill.yaml"]);
    assert!(ran.err.contains("postroom test tests/bill.yaml plays it"), "{ran:?}");
    assert_eq!(ran.good(), "");
    let text = std::fs::read_to_string(project.path().join("tests/bill.yaml")).expect("the test");
    assert_eq!(text, over_server);
    for gone in ["Ada", "ada@", "ovelace", "token-12345678"] {
        assert!(!text.contains(gone), "{gone} is in\n{text}");
    }
    for there in [
        "\nworkflow: bill\n",
        "email: person-1@example.com\n",
        "amount: 1999\n",
        "id: c-77\n        name: personal-2\n",
        "      - to:\n          method: PUT\n",
        "json:\n            customer: c-77\n            amount: \"1999\"\n",
        "state: succeeded\n",
    ] {
        assert!(text.contains(there), "{there:?} is not in\n{text}");
    }

    let ran = project.run(&["test"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("-     state: succeeded\n     +     state: dead\n"), "{}", ran.out);
    assert!(ran.out.contains("bill died: bill: http/422 HTTP answered 422: "), "{}", ran.out);
    project.write("workflows/bill.yaml", &WORKFLOW.replace(MENDED.0, MENDED.1));
    project.run(&["test"]).good();

    let again = project.run(&["capture", id(&run)]);
    assert!(again.err.contains("has changed since"), "{again:?}");
    let taken = project.run(&["capture", id(&run), "--out", "tests/bill.yaml"]);
    assert_eq!(taken.code, Some(4), "{taken:?}");
    let missing = project.run(&["capture", "run_00000000000000000000000000000000"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
}

#[test]
fn a_run_that_ended_well_keeps_what_it_did() {
    let stripe = Stripe::start();
    let config = format!(
        "{}queue: {{ defaultJobOptions: {{ backoff: {{ delay: 1 }} }} }}\n",
        stripe.adapter()
    );
    let project = Project::new(&config).env("STRIPE_API_KEY", "sk_test_capture");
    let server = project.start();
    let down = Stripe::refusal(500, "api_error", "", "An unknown error occurred");
    stripe.double.fault("POST /v1/invoiceitems", 2, &Fault::Instead(down));
    let order = json!({"customerId": "cus_1", "amount": 1500, "currency": "usd"});
    let run = server.run(&server.send("CREATE_STRIPE_INVOICE", &order), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let ran = project.run(&["capture", id(&run), "--out", "tests/invoice.yaml"]);
    assert!(ran.err.contains("privacy.personal"), "{ran:?}");
    ran.good();
    project.run(&["test"]).good();

    // The test expects exactly what the double has received, keys included.
    let text =
        std::fs::read_to_string(project.path().join("tests/invoice.yaml")).expect("the test");
    let received = stripe.double.received();
    assert_eq!(text.matches("\n      url: ").count(), received.len(), "{text}");
    for request in received {
        assert!(text.contains(&format!("{}\n", request.path)), "{} {text}", request.path);
        let key = format!("idempotency_key: {}\n", request.key());
        assert!(request.key().is_empty() || text.contains(&key), "{key} {text}");
    }
    assert!(text.contains("status: 500\n") && text.contains("times: 2\n"), "{text}");
}

#[test]
fn lost_answers_and_exhausted_retries_are_captured_too() {
    let double = Double::answering(Reply::json(200, &json!({"id": "c-1"})));
    double.fault("PUT /bills", 1, &Fault::DropAfter);
    let busy = Reply::json(503, &json!({"error": "busy"}));
    double.fault("PUT /bills", 1, &Fault::Instead(busy));
    let project = Project::new(&config(&double)).workflow("bill", WORKFLOW);
    let project = project.env("INGEST_TOKEN", "token-12345678").file("e.json", "");
    let server = project.start();
    let token = [("content-type", "application/json"), ("authorization", "Bearer token-12345678")];
    let body = r#"{"event":"ORDER","payload":{"email":"a@b.c","amount":1}}"#;
    let answer = server.client.request("POST", "/api/webhooks/ingest", &token, body.as_bytes());
    let correlation = answer.json()["correlationId"].as_str().expect("an id").to_owned();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["failure"]["reason"], "exhausted", "{run:#}");
    project.run(&["capture", id(&run), "--out", "tests/t.yaml"]).good();
    let text = std::fs::read_to_string(project.path().join("tests/t.yaml")).expect("the test");
    assert!(text.contains("lost: no-answer\n") && text.contains("error: busy\n"), "{text}");
    assert_eq!(project.run(&["test"]).code, Some(1));
    // One more attempt would have helped.
    let patient = WORKFLOW.replace("attempts: 2", "attempts: 3");
    project.write("workflows/bill.yaml", &patient);
    project.run(&["test"]).good();
}

const FLOW: &str = "\
workflow: order
on: [{event: ORDER}]
steps:
  - { id: pack, call: pack, with: { n: \"${{ event.data.n }}\" } }
  - { id: paid, wait: { event: PAID, if: arrived.data.n == event.data.n, timeout: 3d } }
  - { id: ok, approve: \"Ship ${{ event.data.n }}?\" }
  - id: ship
    each: ${{ event.data.parcels }}
    uses: http/request
    with: { url: \"/ship/${{ item }}\", method: POST, idempotencyHeader: Idempotency-Key }
return: { by: \"${{ steps.ok.output.by }}\", ids: \"${{ steps.ship.output.map(s => s.body.id) }}\" }
";

const PACK: &str = "\
workflow: pack
on: call
steps: [{ id: look, uses: local/echo, with: { n: \"${{ event.data.n }}\" } }]
return: { packed: \"${{ event.data.n }}\" }
";

#[test]
fn a_run_that_waited_and_asked_is_captured_with_what_it_got() {
    let double = Double::answering(Reply::json(200, &json!({"id": "p-1"})));
    let config =
        format!("connections: {{web: {{provider: http, baseUrl: \"{}\"}}}}\n", double.url());
    let project = Project::new(&config).workflow("order", FLOW).workflow("pack", PACK);
    let server = project.start();
    let correlation = server.send("ORDER", &json!({"n": 7, "parcels": ["a", "b"]}));
    let order = || {
        let runs = server.read("/runs?workflow=order");
        runs["data"][0]["id"].as_str().expect("a run").to_owned()
    };
    server.run(&correlation, &["sleeping", "running", "queued"]);
    let asked = |server: &Server| server.read("/approvals")["data"].clone();
    let id = order();
    server.run_by_id(&id, &["sleeping"]);
    server.send("PAID", &json!({"n": 7}));
    let deadline = std::time::Instant::now() + harness::PATIENCE;
    while asked(&server) == json!([]) {
        assert!(std::time::Instant::now() < deadline, "nobody is asked");
        server.log.pause();
    }
    project.run(&["approvals", "approve", &id, "--actor", "ann", "--note", "paid"]).good();
    let run = server.run_by_id(&id, &["succeeded", "dead"]);
    assert_eq!(run["output"], json!({"by": "ann", "ids": ["p-1", "p-1"]}), "{run:#}");
    let text = project.run(&["capture", &id]).good();
    for part in ["later:", "type: PAID", "approved: true", "by: ann", "packed: 7"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    project.write("tests/order.yaml", &text);
    let told = project.run(&["test"]);
    assert!(told.out.contains("1 passed, 0 failed"), "{}\n{}", told.out, told.err);
}
