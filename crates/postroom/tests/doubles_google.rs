//! A Google account against `emulate`: a person allows access on its page, mail is sent and found,
//! tokens are renewed, and access that was taken back makes runs wait until somebody logs in.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod harness;

use harness::{Double, Doubles, Fault, Project, Received, Reply, Server};
use serde_json::{Value, json};

/// Where the browser comes back to: Google's double wants to know it beforehand.
const BACK: &str = "http://127.0.0.1:8976/callback";

const WORKFLOW: &str = "
workflow: write
on: [{event: WRITE}]
steps:
  - id: send
    uses: gmail/send
    connection: mail
    with: { to: grace@example.com, subject: \"${{ event.data.subject }}\", text: Hello Grace }
  - id: find
    uses: gmail/search
    connection: mail
    with: { query: \"subject:${{ event.data.subject }}\" }
return: { sent: \"${{ steps.send.output }}\", found: \"${{ steps.find.output }}\" }
";

/// Google, what comes to it, and a project with an account there.
struct Stage {
    doubles: Doubles,
    google: Double,
    project: Project,
}

fn stage() -> Stage {
    let seed = json!({"google": {
        "users": [{"email": "joan@example.com"}, {"email": "ada@example.com", "name": "Ada"}],
        "oauth_clients": [{
            "client_id": "room.apps.test",
            "client_secret": "GOCSPX-of-room",
            "name": "Postroom",
            "redirect_uris": [BACK],
        }],
    }});
    let doubles = Doubles::emulate(&["google"], &seed);
    let google = doubles.behind("google");
    let url = google.url();
    let config = format!(
        "connections:\n  mail:\n    provider: gmail\n    baseUrl: {url}\n    oauth:\n      \
         authorize: {url}/o/oauth2/v2/auth\n      token: {url}/oauth2/token\n"
    );
    let project = Project::new(&config)
        .workflow("write", WORKFLOW)
        .env("GOOGLE_CLIENT_ID", "room.apps.test")
        .env("GOOGLE_CLIENT_SECRET", "GOCSPX-of-room");
    Stage { doubles, google, project }
}

/// The value of an attribute, as a browser reads it.
fn attribute(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("{name}=\"")).unwrap();
    let value = rest.split('"').next().unwrap();
    value.replace("&#39;", "'").replace("&quot;", "\"").replace("&amp;", "&")
}

/// What a person makes of Google's page who chooses the account: where the browser is sent.
fn chosen(stage: &Stage, page: &str, account: &str) -> String {
    let google = stage.doubles.client("google");
    let (_, path) = page.split_once(&stage.google.address.to_string()).unwrap();
    let shown = google.get(path);
    assert_eq!(shown.status, 200, "{}", shown.text());
    let html = shown.text();
    assert!(html.contains("Sign in to <strong>Postroom</strong>"), "{html}");
    let form = html.split("<form").find(|form| form.contains(account)).unwrap();
    let inputs = form.split("<input").skip(1);
    let mut fields = reqwest::Url::parse("http://form.test").unwrap();
    fields
        .query_pairs_mut()
        .extend_pairs(inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))));
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let sent = fields.query().unwrap().as_bytes();
    let answer = google.request("POST", &attribute(form, "action"), &kind, sent);
    assert_eq!(answer.status, 302, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// Logs in as a person does whose server has no browser.
fn login(stage: &Stage) {
    let arguments = ["connections", "login", "mail", "--paste", "--redirect", BACK, "--json"];
    let mut login = stage.project.begin(&arguments);
    let page = login.err.wait_for("the page", |line| line.starts_with("http")).unwrap();
    for part in ["access_type=offline", "prompt=consent", "code_challenge_method=S256"] {
        assert!(page.contains(part), "{page}");
    }
    login.type_in(&format!("{}\n", chosen(stage, &page, "ada@example.com")));
    let state: Value = serde_json::from_str(&login.end()).unwrap();
    assert_eq!((&state["state"], &state["renews"]), (&json!("connected"), &json!(true)));
    let scope = state["scope"].as_str().unwrap();
    assert!(scope.ends_with("gmail.send https://www.googleapis.com/auth/gmail.readonly"));
}

/// The run of a message, which must have found what it sent.
#[track_caller]
fn finds_what_it_sent(server: &Server, correlation: &str) -> Value {
    let run = server.run(correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let (sent, found) = (&run["output"]["sent"], &run["output"]["found"]);
    assert!(sent["messageId"].is_string(), "{run:#}");
    assert_eq!(found, &json!({"messages": [sent], "more": false}), "{run:#}");
    run
}

fn write(server: &Server, subject: &str) -> String {
    server.send("WRITE", &json!({"subject": subject}))
}

/// What asked for tokens so far.
fn asked(google: &Double, grant: &str) -> Vec<Received> {
    let received = google.received().into_iter().filter(|it| it.line() == "POST /oauth2/token");
    received.filter(|it| it.field("grant_type").as_deref() == Some(grant)).collect()
}

/// The access tokens of the calls to Gmail, in their order.
fn bearers(google: &Double) -> Vec<String> {
    let received = google.received();
    let calls = received.iter().filter(|it| it.path.starts_with("/gmail/"));
    let bearer = |it: &Received| it.header("authorization").unwrap().to_owned();
    calls.map(|it| bearer(it).strip_prefix("Bearer ").unwrap().to_owned()).collect()
}

/// Reads what is kept of the connection and writes it anew, as `change` would have it.
fn kept(stage: &Stage, change: impl FnOnce(&mut Value)) -> Value {
    let path = stage.project.data().join("oauth/mail.json");
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut kept);
    std::fs::write(path, kept.to_string()).unwrap();
    kept
}

/// As Google says that a token holds no more; its double takes any.
fn no_more() -> Fault {
    let error = json!({
        "code": 401,
        "message": "Request had invalid authentication credentials.",
        "status": "UNAUTHENTICATED",
        "errors": [{"domain": "global", "reason": "authError", "message": "Invalid Credentials"}],
    });
    Fault::Instead(Reply::json(401, &json!({ "error": error })))
}

#[test]
fn mail_is_sent_and_found_for_the_account_that_a_person_chose() {
    let stage = stage();
    login(&stage);
    let server = stage.project.start();
    let run = finds_what_it_sent(&server, &write(&server, "invoice-1"));
    // It is in the account of Ada, and was read with her token; nobody else has it.
    let token = &bearers(&stage.google)[0];
    let headers = [("authorization", format!("Bearer {token}"))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let id = run["output"]["sent"]["messageId"].as_str().unwrap();
    let path = format!("/gmail/v1/users/me/messages/{id}");
    let message = stage.doubles.client("google").request("GET", &path, &headers, b"").json();
    let headers = message["payload"]["headers"].as_array().unwrap();
    let header =
        |name: &str| headers.iter().find(|it| it["name"] == name).unwrap()["value"].clone();
    assert_eq!((header("From"), header("Subject")), (json!("ada@example.com"), json!("invoice-1")));
    assert_eq!(asked(&stage.google, "authorization_code").len(), 1);
    assert!(asked(&stage.google, "refresh_token").is_empty());
}

#[test]
fn a_token_is_renewed_when_it_has_run_out_and_when_it_is_refused() {
    let stage = stage();
    login(&stage);
    let server = stage.project.start();
    finds_what_it_sent(&server, &write(&server, "first"));
    let refresh = kept(&stage, |kept| kept["expires_ms"] = kept["since_ms"].clone());
    let refresh = refresh["refresh"].as_str().unwrap().to_owned();
    finds_what_it_sent(&server, &write(&server, "second"));
    let renewed = asked(&stage.google, "refresh_token");
    assert_eq!(renewed.len(), 1);
    assert_eq!(renewed[0].field("refresh_token").as_ref(), Some(&refresh));
    // The answer to a refresh brings no refresh token: the one before stays good.
    stage.google.fault("/messages/send", 1, &no_more());
    let run = finds_what_it_sent(&server, &write(&server, "third"));
    assert_eq!(run["steps"][0]["attempts"], 1, "{run:#}");
    let renewed = asked(&stage.google, "refresh_token");
    assert_eq!(renewed.len(), 2);
    assert_eq!(renewed[1].field("refresh_token").as_ref(), Some(&refresh));
    let mut tokens = bearers(&stage.google);
    // Two calls a run, and the one that was refused.
    assert_eq!(tokens.len(), 7);
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "each was used until the next");
    let shown = format!("{}{}", server.log.text(), server.read("/connections"));
    for secret in tokens.iter().chain([&refresh, &"GOCSPX-of-room".to_owned()]) {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn runs_wait_when_access_was_taken_back_and_go_on_after_a_login() {
    let stage = stage();
    login(&stage);
    let server = stage.project.start();
    finds_what_it_sent(&server, &write(&server, "before"));
    // Ada takes it back at Google: neither token is good from now on.
    let refresh = kept(&stage, |_| ())["refresh"].as_str().unwrap().to_owned();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("token={refresh}");
    let gone =
        stage.doubles.client("google").request("POST", "/oauth2/revoke", &kind, body.as_bytes());
    assert_eq!(gone.status, 200);
    stage.google.fault("/messages/send", 1, &no_more());
    let refused = write(&server, "refused");
    server.log.wait_for("that it is broken", |line| {
        line.contains("\"level\":\"ERROR\"") && line.contains("postroom connections login mail")
    });
    let later = write(&server, "later");
    assert_eq!(server.metric("postroom_connection_broken{connection=\"mail\"}"), Some(1.0));
    let status = stage.project.run(&["connections", "status", "mail", "--json"]).json();
    let state = (&status[0]["state"], &status[0]["code"], &status[0]["detail"]);
    let detail = json!("The refresh token is invalid.");
    assert_eq!(state, (&json!("broken"), &json!("invalid_grant"), &detail));
    assert_eq!(asked(&stage.google, "refresh_token").len(), 1, "nobody asks again");
    login(&stage);
    for correlation in [refused, later] {
        let run = finds_what_it_sent(&server, &correlation);
        assert_eq!(run["steps"][0]["attempts"], 1, "{run:#}");
    }
    assert_eq!(server.metric("postroom_connection_broken{connection=\"mail\"}"), Some(0.0));
    assert_eq!(asked(&stage.google, "refresh_token").len(), 1);
}

#[test]
fn a_client_whose_secret_is_wrong_is_told_so_in_googles_words() {
    let mut stage = stage();
    stage.project = stage.project.env("GOOGLE_CLIENT_SECRET", "GOCSPX-of-another");
    let mut login = stage.project.begin(&["connections", "login", "mail", "--paste"]);
    let page = login.err.wait_for("the page", |line| line.starts_with("http")).unwrap();
    login.type_in(&format!("{}\n", chosen(&stage, &page, "ada@example.com")));
    assert_eq!(login.ends(), Some(1));
    let err = login.err.text();
    assert!(err.contains("invalid_client: The client_secret is incorrect."), "{err}");
    assert!(!err.contains("GOCSPX-of-another"), "{err}");
    assert!(!stage.project.data().join("oauth/mail.json").exists());
}
