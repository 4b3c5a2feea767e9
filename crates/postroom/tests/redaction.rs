//! Secrets are planted wherever a provider or a sender can put them, and looked for wherever
//! something is written or told.

mod harness;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{Double, Fault, Project, Reply, Server};
use serde_json::{Value, json};

/// With characters that JSON, URLs and base64 write otherwise.
const SECRET: &str = "pk \"4711\"/w+rd\\x-planted";

const WORKFLOW: &str = "\
workflow: call
on: [{event: GO}]
steps:
  - id: first
    uses: http/request
    with: { url: /first }
  - id: second
    uses: http/request
    with: { url: \"/second?token=url-token-1\", method: PUT, json: { password: sent-by-us-1 } }
    retry: { attempts: 2, delay: 1ms }
";

/// Every way in which a provider may repeat the secret.
fn echoes() -> Vec<String> {
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    vec![
        SECRET.to_owned(),
        json!({ "text": SECRET }).to_string(),
        format!("Basic {}", STANDARD.encode(format!("user:{SECRET}"))),
        "pk%20%224711%22%2Fw%2Brd%5Cx-planted".to_owned(),
        "pk+%224711%22%2Fw%2Brd%5Cx-planted".to_owned(),
        hex,
    ]
}

/// Pieces of the secret's forms, none of which may be found anywhere.
fn traces() -> Vec<String> {
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let encoded = STANDARD.encode(format!("user:{SECRET}"));
    let own = ["x-planted", "%2Frd", "w%2Brd", "theirs-4711"];
    let mut traces: Vec<String> = own.map(str::to_owned).into();
    traces.extend([hex[8..24].to_owned(), encoded[10..26].to_owned()]);
    traces
}

fn nowhere(what: &str, text: &str) {
    for trace in traces() {
        assert!(!text.contains(&trace), "{what} holds {trace}:\n{text}");
    }
}

fn incident() -> (Project, Server, Value) {
    let double = Double::answering(Reply::json(200, &json!({})));
    let done = json!({"echo": echoes(), "id": "first-done"});
    double.fault("GET /first", 1, &Fault::Instead(Reply::json(200, &done)));
    let refusal = json!({
        "error": {"code": SECRET, "message": format!("not known: {}", echoes().join(" and "))},
        "headers": {"Authorization": "Bearer theirs-4711"}, "api_key": "theirs-4711",
    });
    let refusal = Reply::json(422, &refusal).with("X-Request-Id", SECRET);
    double.fault("PUT /second", 1, &Fault::Instead(refusal));
    let config = format!(
        "connections:\n  web: {{provider: http, baseUrl: \"{}\"}}\n\
         server: {{ ingestToken: INGEST_TOKEN }}\n",
        double.url()
    );
    let project = Project::new(&config).workflow("call", WORKFLOW).env("INGEST_TOKEN", SECRET);
    let schema =
        json!({"type": "object", "properties": {"pin": {"type": "string", "format": "password"}}});
    let project = project.file("schemas/GO.json", &schema.to_string());
    let server = project.start();
    let run = send(&server, &json!({"id": 1, "pin": "marked-as-secret"}));
    assert_eq!(run["state"], "dead", "{run:#}");
    (project, server, run)
}

fn send(server: &Server, payload: &Value) -> Value {
    let bearer = format!("Bearer {SECRET}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let body = json!({"event": "GO", "payload": payload}).to_string();
    let answer = server.client.request("POST", "/api/webhooks/ingest", &headers, body.as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.text());
    server.run(answer.json()["correlationId"].as_str().expect("an id"), &["dead", "succeeded"])
}

#[test]
fn what_a_provider_repeats_is_found_nowhere() {
    let (project, server, run) = incident();
    // Something was said, and the secret in it was not.
    let told = run["failure"]["failure"]["message"].as_str().expect("a message");
    assert!(told.contains("***"), "{told}");
    assert!(run.to_string().contains("first-done"), "{run:#}");
    nowhere("the run", &run.to_string());
    for path in ["/dead-letters", "/runs", "/events", "/stats"] {
        nowhere(path, &server.read(path).to_string());
    }
    nowhere("metrics", &server.client.get("/metrics").text());
    let captured = project.run(&["capture", run["id"].as_str().expect("an id")]).good();
    assert!(captured.contains("first-done"), "{captured}");
    nowhere("the captured test", &captured);
    assert!(!captured.contains("marked-as-secret"), "{captured}");
    let shown = project.run(&["runs", "show", run["id"].as_str().expect("an id")]).good();
    nowhere("the command line", &shown);
    nowhere("the log", &server.log.text());
    nowhere("what a person is told", &server.told.text());
    // What the workflow itself says is in its file; the log does not repeat it.
    let request = run["journal"].to_string();
    assert!(request.contains("/second?token=***"), "{request}");
    for ours in ["url-token-1", "sent-by-us-1"] {
        assert!(!request.contains(ours) && !server.log.text().contains(ours), "{request}");
    }
    server.kill();
    for path in project.data_files() {
        let bytes = std::fs::read(&path).expect("readable");
        nowhere(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_a_sender_brings_in_is_kept_and_not_shown() {
    let (project, server, _) = incident();
    let run = send(&server, &json!({"note": SECRET, "echo": echoes()}));
    let event = server.read(&format!("/events/{}", run["event"].as_str().expect("an id")));
    assert_eq!(event["data"]["note"], "***", "{event:#}");
    nowhere("the event", &event.to_string());
    nowhere("the log", &server.log.text());
    let shown = project.run(&["events", "show", run["event"].as_str().expect("an id")]).good();
    nowhere("the command line", &shown);
    let bearer = format!("Bearer {SECRET}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let body = json!({"event": "GO", "payload": {"note": SECRET}}).to_string();
    let path = "/api/webhooks/ingest?dry=true";
    let plan = server.client.request("POST", path, &headers, body.as_bytes());
    assert_eq!(plan.status, 200, "{}", plan.text());
    nowhere("the plan", &plan.text());
}
