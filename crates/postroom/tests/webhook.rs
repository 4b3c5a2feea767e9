//! Signed webhooks: what is verified before anything is kept.

mod harness;

use harness::{Answer, Project, Server, Stripe, TEMPLATE, unix_seconds};
use serde_json::json;

const SECRET: &str = "whsec_test_4f6a9c1be07d";
const PATH: &str = "/api/webhooks/stripe";

fn deliver(server: &Server, signature: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("stripe-signature", signature)];
    server.client.request("POST", PATH, &headers, body.as_bytes())
}

fn event(id: &str) -> String {
    json!({
        "id": id,
        "object": "event",
        "type": "invoice.paid",
        "created": 1_795_437_345,
        "data": {"object": {"id": "in_1", "amount_paid": 1500, "note": "caf\u{e9} \u{2603}"}},
    })
    .to_string()
}

fn started() -> (Project, Server) {
    let workflow = "workflow: paid\non:\n  - {event: invoice.paid, source: stripe-invoice}\n\
                    steps:\n  - id: note\n    uses: local/echo\n    \
                    with: {amount: \"${{ event.data.data.object.amount_paid }}\"}\n";
    let project = Project::new(TEMPLATE).env("STRIPE_WEBHOOK_SECRET", SECRET);
    project.workflow("paid", workflow).sandbox().start_kept()
}

fn stored(server: &Server) -> usize {
    server.read("/events")["data"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_signed_event_is_taken_once() {
    let (_project, server) = started();
    let body = event("evt_1");
    let answer = deliver(&server, &Stripe::signature(SECRET, unix_seconds(), &body), &body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json()["status"], "queued");
    let correlation = answer.json()["correlationId"].as_str().expect("an id").to_owned();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["output"], json!({"amount": 1500}), "{run:#}");
    assert_eq!(run["event_source"], "stripe-invoice");
    assert_eq!(server.event(&correlation)["time_ms"], 1_795_437_345_000_i64);
    // The provider delivers again, later and signed anew.
    for back in [0, 3] {
        let again =
            deliver(&server, &Stripe::signature(SECRET, unix_seconds() - back, &body), &body);
        assert_eq!(again.status, 202, "{}", again.text());
        let wanted = json!({"status": "duplicate", "correlationId": correlation});
        assert_eq!(again.json(), wanted);
    }
    assert_eq!(stored(&server), 1);
}

#[test]
fn what_is_not_signed_right_is_refused_and_not_kept() {
    let (_project, server) = started();
    let (now, body) = (unix_seconds(), event("evt_2"));
    let unsigned =
        server.client.request("POST", PATH, &[("content-type", "application/json")], b"{}");
    unsigned.problem(401, "source/signature-missing");
    let right = Stripe::signature(SECRET, now, &body);
    let tampered = body.replace("1500", "9500");
    deliver(&server, &right, &tampered).problem(401, "source/signature-wrong");
    let wrong = Stripe::signature("whsec_of_somebody_else", now, &body);
    deliver(&server, &wrong, &body).problem(401, "source/signature-wrong");
    let stale = Stripe::signature(SECRET, now - 301, &body);
    deliver(&server, &stale, &body).problem(401, "source/signature-stale");
    let moved = right.replace(&now.to_string(), &(now + 1).to_string());
    deliver(&server, &moved, &body).problem(401, "source/signature-wrong");
    for odd in [
        "",
        "t=,v1=",
        "t=now,v1=zz",
        "v1=abc",
        "t=99999999999999999999999999,v1=00",
        "t=-1,v1=00",
        &format!("t={now}"),
        &format!("t={now},v0={}", right.split("v1=").nth(1).expect("a signature")),
        &"a,".repeat(4_000),
    ] {
        let answer = deliver(&server, odd, &body);
        assert_eq!(answer.status, 401, "{odd}: {}", answer.text());
    }
    assert_eq!(stored(&server), 0);
    assert_eq!(deliver(&server, &right, &body).status, 202);
}

#[test]
fn a_signed_body_that_cannot_be_used_is_the_senders_fault() {
    let (_project, server) = started();
    for body in ["", "[]", "null", "3", "{", "{\"id\":\"evt_9\"}", "{\"type\":7}", "\u{0}"] {
        let answer = deliver(&server, &Stripe::signature(SECRET, unix_seconds(), body), body);
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
    }
    for body in [r#"{"id":"evt_9\ud800","type":"a"}"#, r#"{"id":"evt_9","type":"a\udc00"}"#] {
        let answer = deliver(&server, &Stripe::signature(SECRET, unix_seconds(), body), body);
        answer.problem(400, "request/bad-envelope");
    }
    let deep = format!("{{\"type\":\"a\",\"x\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let answer = deliver(&server, &Stripe::signature(SECRET, unix_seconds(), &deep), &deep);
    answer.problem(400, "request/too-deep");
    let bytes = b"{\"type\":\"\xff\"}";
    let now = unix_seconds();
    let header = format!("t={now},v1={}", Stripe::tag(SECRET, now, bytes));
    let answer = server.client.request("POST", PATH, &[("stripe-signature", &header)], bytes);
    answer.problem(400, "request/not-utf8");
    assert_eq!(stored(&server), 0);
}

#[test]
fn without_a_secret_the_source_is_off_and_says_so() {
    let (_project, server) = Project::new(TEMPLATE).sandbox().start_kept();
    let body = event("evt_3");
    let answer = deliver(&server, &Stripe::signature(SECRET, unix_seconds(), &body), &body);
    answer.problem(503, "source/off");
    assert!(answer.header("retry-after").is_some());
    let warned = server.log.having("no restart is needed");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains(PATH) && warned[0].contains("STRIPE_WEBHOOK_SECRET"), "{warned:?}");
    assert_eq!(stored(&server), 0);
}

#[test]
fn the_secret_is_in_no_output() {
    let (project, server) = started();
    let body = event("evt_4");
    let mut said = String::new();
    for secret in [SECRET, "whsec_other"] {
        let answer = deliver(&server, &Stripe::signature(secret, unix_seconds(), &body), &body);
        said.push_str(&answer.text());
    }
    // A sender that puts the secret into the wrong place is not shown it either.
    said.push_str(&deliver(&server, SECRET, &body).text());
    for path in ["/events", "/runs", "/connections", "/adapters", "/workflows", "/stats"] {
        said.push_str(&server.api("GET", path, "").text());
    }
    said.push_str(&server.client.get("/metrics").text());
    said.push_str(&server.log.text());
    said.push_str(&server.told.text());
    assert!(!said.contains(SECRET), "{said}");
    server.kill();
    for path in project.data_files() {
        let bytes = std::fs::read(&path).expect("a file of the data folder");
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{}", path.display());
    }
}
