//! Connections that a person allows: login by browser and by paste, runs that wait for it, and
//! tokens that show up nowhere. The authorisation server here follows RFC 6749 and RFC 7636.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod harness;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Client, Double, Fault, Project, Received, Reply, Service};
use serde_json::{Value, json};

const MANIFEST: &str = r#"
adapter: acme
title: Acme
docs: https://docs.acme.test
base_url: https://api.acme.test
credentials:
  client_id: { env: ACME_ID, summary: Id. }
  client_secret: { env: ACME_SECRET, summary: Secret. }
oauth:
  authorize: https://acme.test/allow
  token: https://acme.test/token
  scopes: [write]
auth:
  - { header: Authorization, template: "Bearer {}", credential: access_token }
failure: { message: "${{ response.body.message }}" }
actions:
  - action: make
    version: 1
    summary: Makes a thing.
    input: { type: object }
    output: { type: object }
    idempotency: none
    request: { method: POST, path: /things, json: {} }
"#;

const WORKFLOW: &str = "
workflow: make
on: [{event: MAKE}]
steps:
  - { id: make, uses: acme/make, connection: acme }
";

/// Authorisation server and API in one. Codes carry the challenge they were given out for.
struct Acme {
    /// What was given out last.
    count: usize,
    /// Whether a person has taken the access back.
    revoked: Arc<AtomicBool>,
}

impl Acme {
    fn token(&mut self, request: &Received) -> Reply {
        let fields: BTreeMap<String, String> = request.form().into_iter().collect();
        let refused = |error: &str| Reply::json(400, &json!({"error": error}));
        let basic = request.header("authorization");
        // `id:secret-of-acme`
        if basic != Some("Basic aWQ6c2VjcmV0LW9mLWFjbWU=") {
            return refused("invalid_client");
        }
        let known = match fields["grant_type"].as_str() {
            "authorization_code" => {
                let proof =
                    ring::digest::digest(&ring::digest::SHA256, fields["code_verifier"].as_bytes());
                fields["code"] == format!("code-{}", URL_SAFE_NO_PAD.encode(proof))
            }
            "refresh_token" => {
                let good = fields["refresh_token"] == format!("refresh-of-acme-{}", self.count);
                good && !self.revoked.load(Ordering::SeqCst)
            }
            _ => return refused("unsupported_grant_type"),
        };
        if !known {
            return refused("invalid_grant");
        }
        self.revoked.store(false, Ordering::SeqCst);
        self.count += 1;
        let count = self.count;
        Reply::json(
            200,
            &json!({
                "access_token": format!("access-of-acme-{count}"),
                "refresh_token": format!("refresh-of-acme-{count}"),
                "expires_in": 3600,
                "token_type": "Bearer",
            }),
        )
    }
}

impl Service for Acme {
    fn answer(&mut self, request: &Received) -> Reply {
        if request.line().contains("/token") {
            return self.token(request);
        }
        let good = format!("Bearer access-of-acme-{}", self.count);
        let taken_back = self.revoked.load(Ordering::SeqCst);
        match request.header("authorization") == Some(&good) && !taken_back {
            true => Reply::json(201, &json!({"id": "t_1"})),
            // It repeats what it was given, as some do.
            false => Reply::json(401, &json!({"message": format!("not good: {good}")})),
        }
    }
}

struct Stage {
    acme: Double,
    revoked: Arc<AtomicBool>,
    project: Project,
}

fn stage() -> Stage {
    let stage = stage_with("");
    Stage { project: stage.project.env("ACME_SECRET", "secret-of-acme"), ..stage }
}

/// With this in the configuration too, and without the client's secret.
fn stage_with(section: &str) -> Stage {
    let revoked = Arc::new(AtomicBool::new(false));
    let acme = Double::new(Acme { count: 0, revoked: Arc::clone(&revoked) });
    let url = acme.url();
    let config = format!(
        "connections:\n  acme:\n    provider: acme\n    baseUrl: {url}\n    oauth:\n      \
         authorize: {url}/allow\n      token: {url}/token\n{section}"
    );
    let project = Project::new(&config)
        .file("adapters/acme.yaml", MANIFEST)
        .workflow("make", WORKFLOW)
        .env("ACME_ID", "id");
    Stage { acme, revoked, project }
}

/// What a person who allows the access makes of the page: where the browser is sent.
fn allowed(page: &str) -> String {
    let (_, query) = page.split_once('?').unwrap();
    let field = |name: &str| {
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(known, _)| *known == name).unwrap().1.to_owned()
    };
    assert_eq!((field("response_type"), field("client_id")), ("code".into(), "id".into()));
    assert_eq!((field("scope"), field("code_challenge_method")), ("write".into(), "S256".into()));
    let back = field("redirect_uri").replace("%3A", ":").replace("%2F", "/");
    format!("{back}?code=code-{}&state={}", field("code_challenge"), field("state"))
}

/// Logs in as a person with a browser does.
fn login(stage: &Stage) {
    let login = stage.project.begin(&["connections", "login", "acme", "--json"]);
    let page = login.err.wait_for("the page", |line| line.starts_with("http")).unwrap();
    let back = allowed(&page);
    let (_, rest) = back.split_once("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let browser = Client { address: address.parse().unwrap() };
    // Another program of this machine guesses.
    let answer = browser.get("/callback?code=x&state=guessed");
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = browser.get(&format!("/{path}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("You can close this page"), "{}", answer.text());
    let out = login.end();
    let state: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&state["state"], &state["renews"]), (&json!("connected"), &json!(true)));
}

#[test]
fn a_run_waits_until_somebody_logs_in_and_again_when_access_was_taken_back() {
    let stage = stage();
    let server = stage.project.start();
    let correlation = server.send("MAKE", &json!({}));
    let told = |nth| {
        server.log.wait_for_nth(nth, "that it is broken", |line| {
            line.contains("\"level\":\"ERROR\"") && line.contains("postroom connections login acme")
        })
    };
    told(1);
    let connections = server.read("/connections");
    let access = &connections.as_array().unwrap().iter().find(|c| c["name"] == "acme").unwrap();
    assert_eq!(access["access"]["state"], "not-connected", "{connections:#}");
    assert_eq!(access["access"]["reconnect"], "postroom connections login acme");
    login(&stage);
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!((&run["state"], &run["steps"][0]["attempts"]), (&json!("succeeded"), &json!(1)));
    stage.revoked.store(true, Ordering::SeqCst);
    let correlation = server.send("MAKE", &json!({}));
    told(2);
    assert_eq!(server.metric("postroom_connection_broken{connection=\"acme\"}"), Some(1.0));
    let status = stage.project.run(&["connections", "status", "--json"]).json();
    assert_eq!(
        (&status[0]["state"], &status[0]["code"]),
        (&json!("broken"), &json!("invalid_grant"))
    );
    let status = stage.project.run(&["connections", "status"]).good();
    assert!(status.contains("broken") && status.contains("connections login acme"), "{status}");
    login(&stage);
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let shown = format!(
        "{}{}{}{}",
        server.log.text(),
        server.client.get("/metrics").text(),
        server.read("/connections"),
        server.read(&format!("/runs/{}", run["id"].as_str().unwrap())),
    );
    for secret in ["access-of-acme", "refresh-of-acme", "secret-of-acme"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    // And whoever logs out waits again.
    stage.project.run(&["connections", "logout", "acme"]).good();
    server.send("MAKE", &json!({}));
    told(3);
    let asked = stage.acme.lines().iter().filter(|line| line.contains("/token")).count();
    assert_eq!(asked, 3, "two logins, and one refresh that was refused");
}

#[test]
fn on_a_server_the_address_is_pasted() {
    let stage = stage();
    let mut login = stage.project.begin(&["connections", "login", "acme", "--no-browser"]);
    let page = login.err.wait_for("the page", |line| line.starts_with("http")).unwrap();
    login.type_in(&format!("{}\n", allowed(&page)));
    assert!(login.end().contains("connection `acme` is connected"));
    let refused = stage.project.run(&["connections", "login", "acme", "--paste"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("what was pasted is no address"), "{}", refused.err);
}

#[test]
fn what_cannot_be_logged_in_says_why() {
    let stage = stage();
    for (arguments, code, told) in [
        (vec!["acmee"], 2, "did you mean `acme`?"),
        (vec!["acme", "--wait", "1"], 1, "nobody came back within 1 seconds"),
        (vec!["acme", "--redirect", "https://x.test"], 2, "--paste"),
    ] {
        let line = [vec!["connections", "login"], arguments].concat();
        let ran = stage.project.run(&line);
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(ran.err.contains(told), "{}", ran.err);
    }
    let mut login = stage.project.begin(&["connections", "login", "acme", "--paste"]);
    let page = login.err.wait_for("the page", |line| line.starts_with("http")).unwrap();
    let back = allowed(&page);
    let (start, state) = back.split_once("?code=").unwrap();
    let state = state.split_once('&').unwrap().1;
    login.type_in(&format!("{start}?error=access_denied&{state}\n"));
    assert_eq!(login.ends(), Some(1));
    let err = login.err.text();
    assert!(err.contains("access was not allowed: access_denied"), "{err}");
    assert!(!stage.project.data().join("oauth/acme.json").exists());
    let none = stage.project.env("ACME_SECRET", "").run(&["connections", "login", "acme"]);
    assert_eq!(none.code, Some(1), "{}", none.err);
    assert!(none.err.contains("`ACME_SECRET` is not set"), "{}", none.err);
}

#[test]
fn a_login_waits_for_the_vault_that_holds_the_clients_secret() {
    let held = json!({"data": {"ACME_SECRET": "secret-of-acme"}, "metadata": {"version": 1}});
    let vault = Double::answering(Reply::json(200, &json!({"data": held})));
    let sealed = Reply::json(503, &json!({"errors": ["sealed"]}));
    vault.fault("", 1, &Fault::Instead(sealed));
    let section = format!(
        "secrets:\n  vault: {{ address: \"{}\", path: postroom, token: VAULT_TOKEN }}\n",
        vault.url()
    );
    let stage = stage_with(&section);
    let project = stage.project.env("VAULT_TOKEN", "hvs.token");
    let stage = Stage { project, ..stage };
    let refused = stage.project.run(&["connections", "login", "acme"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    for part in ["`ACME_SECRET` is not set, and not every place was read: Vault at", "sealed"] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    login(&stage);
    assert_eq!(vault.received().len(), 2);
}

/// An account at HubSpot: its token endpoint, and contacts for whoever brings the right token.
struct HubSpot;

impl Service for HubSpot {
    fn answer(&mut self, request: &Received) -> Reply {
        if request.path == "/oauth/v1/token" {
            let client = request.field("client_id").zip(request.field("client_secret"));
            assert_eq!(client, Some(("app".into(), "secret-of-app".into())));
            let told = (request.header("authorization"), request.field("code_verifier"));
            assert_eq!(told, (None, None), "it is told in the form, and knows no proof key");
            let tokens =
                json!({"access_token": "by-oauth", "refresh_token": "r", "expires_in": 1800});
            return Reply::json(200, &tokens);
        }
        Reply::json(200, &json!({"id": "51", "properties": {"email": "ada@example.com"}}))
    }
}

#[test]
fn hubspot_takes_the_token_of_a_private_app_or_a_login() {
    let hubspot = Double::new(HubSpot);
    let url = hubspot.url();
    let config = format!(
        "connections:\n  crm:\n    provider: hubspot\n    baseUrl: {url}\n    oauth: {{ token: \
         \"{url}/oauth/v1/token\" }}\n"
    );
    let workflow = "
workflow: find
on: [{event: FIND}]
steps:
  - { id: find, uses: hubspot/find_contact, connection: crm, with: { email: ada@example.com } }
";
    let project = Project::new(&config)
        .workflow("find", workflow)
        .env("HUBSPOT_CLIENT_ID", "app")
        .env("HUBSPOT_CLIENT_SECRET", "secret-of-app");
    let carried = |project: &Project| {
        let server = project.start();
        let run = server.run(&server.send("FIND", &json!({})), &["succeeded", "dead"]);
        assert_eq!(run["state"], "succeeded", "{run:#}");
        let received = hubspot.received();
        received.last().unwrap().header("authorization").unwrap().to_owned()
    };
    let mut login = project.begin(&["connections", "login", "crm", "--paste"]);
    let page = login.err.wait_for("the page", |line| line.starts_with("http")).unwrap();
    assert!(page.starts_with("https://app.hubspot.com/oauth/authorize?"), "{page}");
    assert!(page.contains("&scope=oauth+crm.objects.contacts.read+"), "{page}");
    let (_, state) = page.split_once("&state=").unwrap();
    let state = state.split('&').next().unwrap();
    login.type_in(&format!("http://127.0.0.1:8976/callback?code=c&state={state}\n"));
    login.end();
    assert_eq!(carried(&project), "Bearer by-oauth");
    // One that is set by hand wins, and there is nothing to log in to.
    let project = project.env("HUBSPOT_TOKEN", "pat-by-hand");
    assert_eq!(carried(&project), "Bearer pat-by-hand");
    let refused = project.run(&["connections", "login", "crm"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    for part in ["has a token that was set by hand", "remove HUBSPOT_TOKEN"] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
}
