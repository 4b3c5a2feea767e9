//! What the server answers is what its OpenAPI document says, on every route.

mod harness;

use std::collections::BTreeSet;

use harness::{Answer, Contract, Project, Server, TEMPLATE};
use serde_json::{Value, json};

const COMMITTED: &str = include_str!("../../../docs/openapi.json");

const WORKFLOW: &str = "\
workflow: own
max_hops: 2
on:
  - event: GOOD
  - event: BAD
  - event: NEAR
    if: ${{ event.data.wanted }}
steps:
  - id: look
    uses: local/echo
    with: { n: \"${{ event.data.n }}\" }
  - id: maybe
    uses: local/echo
    if: ${{ event.data.n == 'never' }}
  - id: tell
    emit: NEAR
    with: { n: 1, wanted: \"${{ event.type == 'GOOD' }}\" }
    if: ${{ event.type != 'NEAR' }}
  - id: call
    uses: http/request
    if: ${{ event.type == 'BAD' }}
    retry: { attempts: 1 }
    with: { url: \"http://127.0.0.1:1/\", method: POST, json: {} }
";

const ASKING: &str = "\
workflow: asking
on: [{ event: ASK }]
steps: [{ id: ok, approve: Sure? }]
";

#[test]
fn the_document_of_the_template_is_the_committed_one() {
    let (_project, server) = Project::new(TEMPLATE).sandbox().start_kept();
    let committed: Value = serde_json::from_str(COMMITTED).expect("docs/openapi.json is JSON");
    let served = Contract::of(&server).0;
    assert!(served == committed, "docs/openapi.json is not what is served; see crates/server");
}

#[test]
fn the_document_says_what_the_configuration_turns_on() {
    let config = "server: { ingestToken: \"${TOKEN}\" }\nobservability: { metrics: { token: true, \
                  endpoint: /figures } }\n";
    let project = Project::new(config).env("TOKEN", "sender-token");
    let contract = Contract::of(&project.start());
    let ingest = contract.operation("POST", "/api/webhooks/ingest");
    assert_eq!(ingest["security"], json!([{ "source": [] }]));
    assert!(ingest["responses"]["403"].is_object());
    assert_eq!(contract.operation("GET", "/figures")["security"], json!([{ "admin": [] }]));
    assert!(contract.0["paths"]["/metrics"].is_null());
}

/// Asks a server and holds each answer against the document.
struct Asking<'a> {
    server: &'a Server,
    contract: Contract,
    seen: BTreeSet<(String, String, u16)>,
}

impl Asking<'_> {
    #[track_caller]
    fn ask(&mut self, method: &str, path: &str, id: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.server.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let full = path.replace("{id}", id).replace("{name}", id);
        let bare = full.split('?').next().unwrap_or_default();
        let answer = self.server.client.request(method, &full, &headers, body.as_bytes());
        let path = path.split('?').next().unwrap_or_default();
        self.contract.holds(method, path, &answer);
        self.seen.insert((method.to_owned(), path.to_owned(), answer.status));
        assert!(!bare.contains('{'), "{bare}");
        answer
    }
}

fn send(server: &Server, event: &str, states: &[&str]) -> Value {
    server.run(&server.send(event, &json!({ "n": 1, "wanted": true })), states)
}

#[test]
fn every_route_answers_what_the_document_says() {
    let config = "connections: { here: { provider: http } }\n";
    let (_project, server) =
        Project::new(config).workflow("own", WORKFLOW).workflow("asking", ASKING).start_kept();
    let contract = Contract::of(&server);
    let operations = contract.operations();
    let mut asking = Asking { server: &server, contract, seen: BTreeSet::new() };
    let good = send(&server, "GOOD", &["succeeded"]);
    let dead = send(&server, "BAD", &["dead"]);
    let near = server.send("NEAR", &json!({ "wanted": false, "idempotencyKey": "k" }));
    let near = server.event(&near);
    let asking_runs = [(); 2].map(|()| send(&server, "ASK", &["sleeping"]));
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let events = [text(&good["event"]), text(&near["id"])];
    let runs = [text(&good["id"]), text(&dead["id"])];
    let workflows = ["own".to_owned()];
    for (method, path) in &operations {
        let ids: &[String] = match path.split('/').nth(3) {
            Some("events") => &events,
            Some("workflows") => &workflows,
            _ => &runs,
        };
        if method == "GET" {
            for id in ids.iter().take(if path.contains('{') { 2 } else { 1 }) {
                assert_eq!(asking.ask(method, path, id, "").status, 200, "{path}");
            }
        }
        // What is refused, too.
        let empty = "0".repeat(32);
        if path.contains("{id}") {
            let prefix = if path.contains("/events/") { "evt_" } else { "run_" };
            asking.ask(method, path, "%ff", "");
            asking.ask(method, path, &format!("{prefix}{empty}"), "");
        }
        if path.contains("{name}") {
            asking.ask(method, path, "%ff", "");
            assert_eq!(asking.ask(method, path, "nowhere", "").status, 404, "{path}");
        }
        if method == "POST" {
            let valid =
                format!("{}{empty}", if path.contains("/events/") { "evt_" } else { "run_" });
            asking.ask(method, path, &valid, "{");
            asking.ask(method, path, &valid, r#"{"nowt": 1}"#);
            asking.ask(method, path, &valid, &" ".repeat(2 << 20));
        }
        if asking.contract.operation(method, path)["security"].is_array() {
            let full = path.replace("{id}", "x").replace("{name}", "x");
            let answer = server.client.request(method, &full, &[], b"");
            answer.problem(401, "auth/token-missing");
            asking.contract.holds(method, path, &answer);
        }
    }
    let whole = "/api/v1/workflows/{name}/versions?text=true";
    assert_eq!(asking.ask("GET", whole, "own", "").json()["data"][0]["text"], WORKFLOW);
    let one = "/api/v1/runs?limit=1";
    assert!(asking.ask("GET", one, "", "").json()["next"].is_string());
    assert!(asking.ask("GET", "/api/v1/events?limit=1", "", "").json()["next"].is_string());
    // What the step emitted started a run that follows from it.
    let run = server.read(&format!("/runs/{}", runs[0]));
    let next = text(&run["emitted"][0]["runs"][0]["id"]);
    let next = asking.ask("GET", "/api/v1/runs/{id}", &next, "").json();
    assert_eq!(next["lineage"][0]["run"], run["id"], "{next}");
    orders(&mut asking, &events[0], &runs);
    for (run, verb) in asking_runs.iter().zip(["approve", "reject"]) {
        let path = format!("/api/v1/runs/{{id}}/{verb}");
        let id = text(&run["id"]);
        assert_eq!(asking.ask("POST", &path, &id, r#"{"actor": "ann"}"#).status, 200);
        asking.ask("POST", &path, &id, "").problem(409, "run/nothing-waits");
    }
    for (method, path) in operations {
        let answered = asking
            .seen
            .iter()
            .any(|(m, p, status)| (m, p) == (&method, &path) && (200..300).contains(status));
        assert!(answered, "nothing good was asked of {method} {path}");
    }
}

/// Orders that are carried out, and those that the state does not allow.
fn orders(asking: &mut Asking<'_>, event: &str, runs: &[String; 2]) {
    let [good, bad] = runs;
    let server = asking.server;
    let took = asking.ask("POST", "/api/webhooks/ingest", "", r#"{"event":"X","payload":{}}"#);
    assert_eq!(took.status, 202);
    asking.ask("POST", "/api/webhooks/ingest", "", r#"{"event":"X"}"#);
    assert_eq!(asking.ask("POST", "/api/v1/events/{id}/replay", event, "{}").status, 202);
    let wish = r#"{"note": "mended", "actor": "a test", "version": "newest"}"#;
    let mut order = |verb: &str, id: &str, status: u16| {
        let answer = asking.ask("POST", verb, id, wish);
        assert_eq!(answer.status, status, "{verb}: {}", answer.text());
    };
    order("/api/v1/runs/{id}/cancel", good, 409);
    order("/api/v1/runs/{id}/redrive", good, 409);
    let other = send(server, "BAD", &["dead"]);
    order("/api/v1/runs/{id}/cancel", other["id"].as_str().expect("an id"), 200);
    order("/api/v1/runs/{id}/redrive", bad, 200);
    server.run_by_id(bad, &["dead"]);
    order("/api/v1/dead-letters/{id}/redrive", bad, 200);
    server.run_by_id(bad, &["dead"]);
    order("/api/v1/dead-letters/redrive", "", 200);
    server.run_by_id(bad, &["dead"]);
    order("/api/v1/dead-letters/{id}/discard", bad, 200);
    order("/api/v1/dead-letters/discard", "", 200);
    let run = asking.ask("GET", "/api/v1/runs/{id}", bad, "");
    assert_eq!(run.json()["state"], "cancelled");
}
