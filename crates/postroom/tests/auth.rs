//! Who may do what, and that secrets stay where they are.

mod harness;

use harness::{Double, Project, Stripe};
use serde_json::json;

#[test]
fn the_api_needs_a_token_that_is_shown_once_and_kept_as_a_hash() {
    let project = Project::new("");
    let server = project.start();
    server.client.get("/api/v1/runs").problem(401, "auth/token-missing");
    let wrong = [("authorization", "Bearer prt_wrong")];
    let answer = server.client.request("GET", "/api/v1/runs", &wrong, b"");
    answer.problem(403, "auth/token-wrong");
    let line = server.told.wait_for("the token", |line| line.contains("admin token, shown"));
    let line = line.expect("the first start shows the token");
    let token = line.rsplit(' ').next().expect("a token").to_owned();
    let right = [("authorization", format!("Bearer {token}"))];
    let right: Vec<(&str, &str)> = right.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(server.client.request("GET", "/api/v1/runs", &right, b"").status, 200);
    for path in project.data_files() {
        let bytes = std::fs::read(&path).expect("readable");
        let found = bytes.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!found, "{} holds the token", path.display());
    }
    server.kill();
    let server = project.start();
    assert_eq!(server.client.request("GET", "/api/v1/runs", &right, b"").status, 200);
    assert!(server.told.having("admin token, shown").is_empty());
    assert!(server.told.having(&token).is_empty());
}

#[test]
fn metrics_are_open_guarded_or_absent_as_configured() {
    let (_project, open) = Project::new("").start_kept();
    assert_eq!(open.client.get("/metrics").status, 200);
    let guarded = Project::new("observability: { metrics: { token: true } }").start_kept();
    let (_project, guarded) = guarded;
    guarded.client.get("/metrics").problem(401, "auth/token-missing");
    let bearer = format!("Bearer {}", guarded.token);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(guarded.client.request("GET", "/metrics", &headers, b"").status, 200);
    let absent = Project::new("observability: { metrics: { enabled: false } }").start_kept();
    let (_project, absent) = absent;
    absent.client.get("/metrics").problem(404, "api/not-found");
}

#[test]
fn ingest_may_ask_for_a_token() {
    let project = Project::new("server: { ingestToken: INGEST }").env("INGEST", "let-me-in-please");
    let server = project.start();
    let body = r#"{"event":"A","payload":{}}"#;
    server.post(body).problem(401, "auth/token-missing");
    let post = |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        server.client.request("POST", "/api/webhooks/ingest", &headers, body.as_bytes())
    };
    post("wrong").problem(403, "auth/token-wrong");
    assert_eq!(post("let-me-in-please").status, 202);
    assert!(server.log.having("let-me-in-please").is_empty());
}

#[test]
fn a_secret_that_a_provider_repeats_goes_nowhere() {
    const SECRET: &str = "sk_test_planted_secret_4711";
    let stripe = Stripe::start();
    let message = format!("Invalid API Key provided: {SECRET}");
    let refusal = Stripe::refusal(401, "invalid_request_error", "api_key_invalid", &message);
    let double = Double::answering(refusal);
    let config = stripe.adapter().replace(&stripe.double.url(), &double.url());
    let server = Project::new(&config).env("STRIPE_API_KEY", SECRET).start_kept();
    let (_project, server) = server;
    let payload = json!({"customerId": "cus_1", "amount": 5, "currency": "usd"});
    let run = server.run(&server.send("CREATE_STRIPE_INVOICE", &payload), &["dead"]);
    let told = run["failure"]["failure"]["message"].as_str().expect("a message");
    assert_eq!(told, "Invalid API Key provided: ***");
    let sent = double.received();
    assert_eq!(sent[0].header("authorization"), Some(&*format!("Bearer {SECRET}")));
    let said = [
        run.to_string(),
        server.read("/dead-letters").to_string(),
        server.client.get("/metrics").text(),
        server.log.text(),
        server.told.text(),
    ];
    assert!(said.iter().all(|text| !text.contains(SECRET)), "{said:#?}");
}
