//! OAuth2 against an authorisation server that others wrote (`oauth2-mock-server`): a login through
//! its page, a token that is used, and one that the client gets for itself.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod harness;

use harness::{Client, Double, Doubles, Project, Reply};
use serde_json::{Value, json};

const WORKFLOW: &str = "
workflow: make
on: [{event: MAKE}]
steps:
  - { id: make, uses: acme/make, connection: acme }
";

/// A project whose provider gives out tokens at `url` in this way.
fn project(grant: &str, url: &str, api: &Double) -> Project {
    let page = if grant == "authorization_code" {
        format!("  authorize: {url}/authorize\n")
    } else {
        String::new()
    };
    let manifest = format!(
        "adapter: acme
title: Acme
docs: https://docs.acme.test
base_url: {api}
credentials:
  client_id: {{ env: ACME_ID, summary: Id. }}
  client_secret: {{ env: ACME_SECRET, summary: Secret. }}
oauth:
  grant: {grant}
{page}  token: {url}/token
  scopes: [write]
auth:
  - {{ header: Authorization, template: \"Bearer {{}}\", credential: access_token }}
actions:
  - action: make
    version: 1
    summary: Makes a thing.
    input: {{ type: object }}
    output: {{ type: object }}
    idempotency: none
    request: {{ method: POST, path: /things, json: {{}} }}
",
        api = api.url(),
    );
    Project::new("connections:\n  acme: { provider: acme }\n")
        .file("adapters/acme.yaml", &manifest)
        .workflow("make", WORKFLOW)
        .env("ACME_ID", "acme-client")
        .env("ACME_SECRET", "acme-secret")
}

/// The token of the last call: a signed one, as the authorisation server makes them.
fn token(api: &Double) -> String {
    let received = api.received();
    let header = received.last().unwrap().header("authorization").unwrap().to_owned();
    let token = header.strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(token.split('.').count(), 3, "a signed token");
    token
}

#[test]
fn a_login_goes_through_the_page_of_an_authorisation_server() {
    let doubles = Doubles::node("oauth", &json!({}));
    let server = doubles.client("oauth");
    let api = Double::answering(Reply::json(201, &json!({"id": "t_1"})));
    let project = project("authorization_code", &format!("http://{}", server.address), &api);
    let login = project.begin(&["connections", "login", "acme", "--json"]);
    let page = login.err.wait_for("the page", |line| line.starts_with("http")).unwrap();
    let (_, path) = page.split_once(&server.address.to_string()).unwrap();
    let sent_on = server.get(path);
    assert_eq!(sent_on.status, 302, "{}", sent_on.text());
    let back = sent_on.header("location").unwrap().strip_prefix("http://").unwrap().to_owned();
    let (address, path) = back.split_once('/').unwrap();
    let answer = Client { address: address.parse().unwrap() }.get(&format!("/{path}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let state: Value = serde_json::from_str(&login.end()).unwrap();
    assert_eq!((&state["state"], &state["renews"]), (&json!("connected"), &json!(true)));
    let running = project.start();
    let run = running.run(&running.send("MAKE", &json!({})), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert!(!running.log.text().contains(&token(&api)));
}

#[test]
fn a_client_gets_a_token_for_itself() {
    let doubles = Doubles::node("oauth", &json!({}));
    let url = format!("http://{}", doubles.client("oauth").address);
    let api = Double::answering(Reply::json(201, &json!({"id": "t_1"})));
    let running = project("client_credentials", &url, &api).start_kept();
    let (_project, running) = running;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let run = running.run(&running.send("MAKE", &json!({})), &["succeeded", "dead"]);
        assert_eq!(run["state"], "succeeded", "{run:#}");
        tokens.push(token(&api));
    }
    assert_eq!(tokens[0], tokens[1], "it is asked for once");
}
