//! Sources over HTTP: signed with the secret of the provider, challenged, delivered twice.

mod harness;

use harness::{Project, Server};
use serde_json::{Value, json};

const CONFIG: &str = "\
server: {publicUrl: 'https://hooks.example.com'}
sources:
  - {name: shop, endpoint: /in/shop, secrets: [NEW, OLD], signature: bearer, event: {type: \
     shop.rang, id: '${{ hash }}'}}
  - {name: list, endpoint: /in/list, signature: none, event: {each: '${{ body }}', type: \
     '${{ item.type }}', id: '${{ item.id }}'}}
  - {name: telegram, provider: telegram, endpoint: /in/telegram}
  - {name: notion, provider: notion, endpoint: /in/notion}
  - {name: meta, provider: meta, endpoint: /in/meta}
";

fn started() -> (Project, Server) {
    let project = Project::new(CONFIG).env("NEW", "new-secret").env("OLD", "old-secret");
    let project = project.env("TELEGRAM_WEBHOOK_SECRET", "telegram-secret");
    project.env("META_VERIFY_TOKEN", "verify-me").sandbox().start_kept()
}

fn stored(server: &Server) -> usize {
    server.read("/events")["data"].as_array().map_or(0, Vec::len)
}

#[test]
fn either_of_two_live_secrets_opens_and_a_repetition_is_known() {
    let (_project, server) = started();
    let send = |token: &str| {
        let header = format!("Bearer {token}");
        server.client.request("POST", "/in/shop", &[("authorization", &header)], b"{\"a\":1}")
    };
    assert_eq!(send("old-secret").status, 202);
    let again = send("new-secret");
    assert_eq!((again.status, &again.json()["status"]), (202, &json!("duplicate")));
    send("other").problem(401, "source/signature-wrong");
    let bare = server.client.request("POST", "/in/shop", &[], b"{}");
    bare.problem(401, "source/signature-missing");
    assert_eq!(stored(&server), 1);
    let metrics = server.client.get("/metrics").text();
    let counted =
        "postroom_source_refusals_total{source=\"shop\",code=\"source/signature-wrong\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(!server.log.text().contains("old-secret"));
}

#[test]
fn a_list_is_several_events_in_one_request() {
    let (_project, server) = started();
    let send =
        |body: &Value| server.client.request("POST", "/in/list", &[], body.to_string().as_bytes());
    let two = json!([{"type": "a", "id": 1}, {"type": "b", "id": 2}]);
    let first = send(&two).json();
    assert_eq!(first["status"], "queued");
    assert_eq!(first["events"].as_array().map(Vec::len), Some(2), "{first}");
    assert_eq!(send(&two).json()["status"], "duplicate");
    assert_eq!(send(&json!([])).status, 202);
    // One that cannot be named keeps the others from being taken.
    assert_eq!(send(&json!([{"type": "c", "id": 3}, {"id": 4}])).status, 400);
    assert_eq!(stored(&server), 2);
}

#[test]
fn a_provider_is_answered_as_it_wants() {
    let (project, server) = started();
    let secret = [("x-telegram-bot-api-secret-token", "telegram-secret")];
    let update = br#"{"update_id":1,"message":{"text":"hi"}}"#;
    let taken = server.client.request("POST", "/in/telegram", &secret, update);
    assert_eq!((taken.status, taken.text().as_str()), (200, ""));
    let asked = "/in/meta?hub.mode=subscribe&hub.challenge=115&hub.verify_token=";
    let answer = server.client.get(&format!("{asked}verify-me"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "115"));
    server.client.get(&format!("{asked}x")).problem(401, "source/signature-wrong");
    // Without an app secret the source takes nothing.
    server.client.request("POST", "/in/meta", &[], b"{}").problem(503, "source/off");

    let none = project.run(&["sources", "token", "notion"]);
    assert_eq!(none.code, Some(2), "{}", none.err);
    let token = br#"{"verification_token":"secret_shown_once"}"#;
    let kept = server.client.request("POST", "/in/notion", &[], token);
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert!(!server.log.text().contains("secret_shown_once"));
    assert_eq!(project.run(&["sources", "token", "notion"]).good().trim(), "secret_shown_once");
    let listed = project.run(&["sources", "list"]).good();
    assert!(listed.contains("/in/notion") && listed.contains("NOTION_WEBHOOK_SECRET"), "{listed}");
    assert_eq!(stored(&server), 1);
}

#[test]
fn cloud_events_are_taken_in_every_form() {
    let (_project, server) = started();
    let path = "/api/webhooks/ingest";
    let event =
        |id: &str| json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "paid"});
    let post = |headers: &[(&str, &str)], body: &str| {
        server.client.request("POST", path, headers, body.as_bytes())
    };
    let structured = [("content-type", "application/cloudevents+json")];
    let batch = [("content-type", "application/cloudevents-batch+json")];
    assert_eq!(post(&structured, &event("1").to_string()).json()["status"], "queued");
    let both = json!([event("1"), event("2")]).to_string();
    let answer = post(&batch, &both).json();
    assert_eq!(answer["events"][0]["status"], "duplicate");
    assert_eq!(answer["events"][1]["status"], "queued");
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/shop"),
        ("ce-type", "paid"),
        ("content-type", "application/json"),
    ];
    assert_eq!(post(&binary, "{}").json()["status"], "duplicate");
    post(&structured, "{}").problem(400, "request/bad-envelope");
    assert_eq!(stored(&server), 2);
}

#[test]
fn a_source_that_verifies_nothing_has_to_say_so() {
    for (entry, told) in [
        ("{name: a, endpoint: /a, event: {type: b}}", "signature` is missing"),
        ("{name: a, endpoint: /a, signature: bearer, event: {type: b}}", "has no `secrets`"),
        (
            "{name: a, endpoint: /a, secrets: [B], signature: none, event: {type: b}}",
            "its `secrets` do nothing",
        ),
        ("{name: a, endpoint: /a, provider: twilio}", "set `server.publicUrl`"),
        ("{name: a, endpoint: /a, provider: github, signature: none}", "which says it"),
        ("{name: a, endpoint: /a, provider: gihub}", "did you mean `github`?"),
        ("{name: a, endpoint: /a, provider: github, credentials: {x: Y}}", "no credential `x`"),
    ] {
        let found = Project::new(&format!("sources:\n  - {entry}\n")).run(&["check"]);
        assert!(found.err.contains(told), "{told}: {}", found.err);
    }
}
