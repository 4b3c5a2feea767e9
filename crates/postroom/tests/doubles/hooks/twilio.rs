//! Twilio: the status of a message, as a form, signed over its address and sorted fields.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use super::harness::double::Service;
use super::harness::{Client, Double, Doubles, Project, Received, Reply, Server};
use super::{seen, turned_away};

const ACCOUNT: &str = "AC00000000000000000000000000000000";
const SECRET: (&str, &str) = ("TWILIO_AUTH_TOKEN", "auth_token_doubles");

/// The account with its token, and with another one, as a header wants them.
const BASIC: &str = "QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDphdXRoX3Rva2VuX2RvdWJsZXM=";
const OTHER: (&str, &str) = (
    "token_of_somebody_else",
    "QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDp0b2tlbl9vZl9zb21lYm9keV9lbHNl",
);

/// What stands in front of a server that starts later: its public address is known before.
struct Front(Arc<OnceLock<Client>>);

impl Service for Front {
    fn answer(&mut self, request: &Received) -> Reply {
        let kept = |(name, _): &&(String, String)| {
            ["content-type", "x-twilio-signature"].contains(&name.as_str())
        };
        let headers: Vec<(&str, &str)> =
            request.headers.iter().filter(kept).map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let server = self.0.get().expect("the server has started");
        let answer = server.request("POST", &request.path, &headers, request.body.as_bytes());
        Reply { status: answer.status, headers: Vec::new(), body: answer.text() }
    }
}

fn started() -> (Double, Project, Server) {
    let server = Arc::new(OnceLock::new());
    let front = Double::new(Front(Arc::clone(&server)));
    let config = format!(
        "server: {{publicUrl: \"{}\"}}\nadapters:\n  - {{name: twilio, provider: twilio, \
         endpoint: /hooks, config: {{accountSid: {ACCOUNT}}}}}\n",
        front.url()
    );
    let text = "workflow: take\non: [{event: message.queued, source: twilio}]\nsteps:\n  \
                - id: see\n    uses: local/echo\n    with: {seen: \"${{ event.data }}\"}\n";
    let project = Project::new(&config).workflow("take", text).env(SECRET.0, SECRET.1);
    let running = project.start();
    server.set(running.client).expect("set once");
    (front, project, running)
}

/// Sends a message from an account with this token, whose status is told to a server.
fn message(front: &Double, token: &str, basic: &str) -> (Doubles, Value) {
    let seed = json!({"twilio": {
        "account": {"sid": ACCOUNT, "auth_token": token},
        "phone_numbers": [{"phone_number": "+15551234567"}],
    }});
    let doubles = Doubles::emulate(&["twilio"], &seed);
    let basic = format!("Basic {basic}");
    let headers =
        [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    let callback = format!("{}/hooks?of=doubles", front.url());
    let body = format!(
        "To=%2B15550001111&From=%2B15551234567&Body=caf%C3%A9+%26+%E2%98%83&StatusCallback={}",
        callback.replace(':', "%3A").replace('/', "%2F").replace('?', "%3F").replace('=', "%3D")
    );
    let answer = doubles.client("twilio").request("POST", &path, &headers, body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let sent = answer.json();
    (doubles, sent)
}

#[test]
fn the_status_of_a_message_starts_a_run() {
    let (front, _project, server) = started();
    let (_doubles, sent) = message(&front, SECRET.1, BASIC);
    let seen = seen(&server, 1);
    assert_eq!(seen[0]["MessageSid"], sent["sid"], "{seen:#?}");
    assert_eq!(seen[0]["To"], "+15550001111");
    assert_eq!(seen[0]["Body"], "caf\u{e9} & \u{2603}");
}

#[test]
fn a_status_that_is_signed_with_another_token_is_turned_away() {
    let (front, _project, server) = started();
    message(&front, OTHER.0, OTHER.1);
    turned_away(&server, "twilio");
}
