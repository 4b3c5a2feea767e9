//! Twilio: a text message, and what is refused.

use serde_json::{Value, json};

use super::harness::{Double, Doubles, Fault, Project, Server};
use super::{act, acting_by, refused};

const ACCOUNT: &str = "AC00000000000000000000000000000000";
const TOKEN: &str = "auth_token_doubles";

fn started(token: &str) -> (Doubles, Double, Project, Server) {
    let seed = json!({"twilio": {
        "account": {"sid": ACCOUNT, "auth_token": TOKEN},
        "phone_numbers": [{"phone_number": "+15551234567"}],
    }});
    let doubles = Doubles::emulate(&["twilio"], &seed);
    let twilio = doubles.behind("twilio");
    let connection = format!(
        "{{provider: twilio, baseUrl: \"{}/2010-04-01\", config: {{accountSid: {ACCOUNT}}}}}",
        twilio.url()
    );
    let fields = ["to", "from?", "body"];
    let project = acting_by("twilio", &connection, "twilio/send_sms", &fields);
    let (project, server) = project.env("TWILIO_AUTH_TOKEN", token).start_kept();
    (doubles, twilio, project, server)
}

fn message(to: &str) -> Value {
    json!({"to": to, "from": "+15551234567", "body": "caf\u{e9} & more \u{2603}"})
}

#[test]
fn a_text_message_is_sent() {
    let (_doubles, twilio, _project, server) = started(TOKEN);
    let run = act(&server, "1", &message("+15550001111"));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert!(run["output"]["sid"].as_str().is_some_and(|sid| sid.starts_with("SM")), "{run:#}");
    assert_eq!(run["output"]["status"], "queued");
    let said = run["journal"].to_string();
    assert!(!said.contains(TOKEN), "{said}");
    assert_eq!(twilio.received()[0].field("Body").as_deref(), Some("caf\u{e9} & more \u{2603}"));
}

#[test]
fn what_twilio_refuses_is_a_dead_letter_with_its_code() {
    let (_doubles, _twilio, _project, server) = started(TOKEN);
    let run = act(&server, "1", &message("nobody"));
    let failure = refused(&run);
    assert_eq!(failure["code"], "twilio/21201", "{run:#}");
    assert_eq!(failure["status"], 400, "{run:#}");
    let (_doubles, _twilio, _project, server) = started("a wrong one");
    let run = act(&server, "1", &message("+15550001111"));
    let failure = refused(&run);
    assert_eq!(failure["code"], "twilio/20003", "{run:#}");
    assert!(failure["hint"].as_str().is_some_and(|it| it.contains("TWILIO_AUTH_TOKEN")));
}

#[test]
fn a_message_whose_answer_is_lost_waits_for_a_person() {
    let (_doubles, twilio, _project, server) = started(TOKEN);
    twilio.fault("/Messages.json", 1, &Fault::DropAfter);
    let run = act(&server, "1", &message("+15550001111"));
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "unknown", "{run:#}");
    assert_eq!(twilio.received().len(), 1, "sent once");
}
