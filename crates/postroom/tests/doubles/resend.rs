//! Resend: mail under an idempotency key, and what is refused.

use serde_json::{Value, json};

use super::harness::{Double, Doubles, Fault, Project};
use super::{act, acting, refused};

fn started() -> (Doubles, Double) {
    let seed = json!({"resend": {"domains": [{"name": "example.com"}]}});
    let doubles = Doubles::emulate(&["resend"], &seed);
    let resend = doubles.behind("resend");
    (doubles, resend)
}

fn project(resend: &Double) -> Project {
    let fields = ["from?", "to", "subject", "text"];
    let project = acting("resend", &resend.url(), "resend/send_email", &fields);
    project.env("RESEND_API_KEY", "re_doubles")
}

/// The mails that the double took.
fn mails(doubles: &Doubles) -> Vec<Value> {
    let headers = [("authorization", "Bearer re_doubles")];
    let answer = doubles.client("resend").request("GET", "/emails", &headers, b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().expect("mails").clone()
}

fn mail(text: &str) -> Value {
    json!({"from": "Shop <hello@example.com>", "to": "ada@example.com",
           "subject": "Welcome \u{2603}", "text": text})
}

#[test]
fn a_mail_sent_before_a_crash_is_not_sent_again_after_it() {
    let (doubles, resend) = started();
    let project = project(&resend);
    let server = project.start();
    resend.fault("/emails", 1, &Fault::HoldAnswer);
    let mut payload = mail("Hello Ada");
    payload["id"] = json!("1");
    let correlation = server.send("ACT", &payload);
    resend.wait_for_held(1);
    server.kill();
    let server = project.start();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let sent = mails(&doubles);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0]["id"], run["output"]["id"], "{run:#}");
    assert_eq!(sent[0]["subject"], "Welcome \u{2603}");
    let received = resend.received();
    assert_eq!(received.len(), 2);
    assert!(!received[0].key().is_empty());
    assert_eq!(received[0].key(), received[1].key());
}

#[test]
fn a_key_that_comes_with_another_mail_is_a_dead_letter() {
    let (doubles, resend) = started();
    let (_first, server) = project(&resend).start_kept();
    let run = act(&server, "1", &mail("Hello Ada"));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    // Another data folder, as after a backup was put back.
    let (_second, server) = project(&resend).start_kept();
    let run = act(&server, "1", &mail("Hello Eve"));
    let failure = refused(&run);
    assert_eq!(failure["code"], "invalid_idempotent_request", "{run:#}");
    assert_eq!(failure["status"], 409, "{run:#}");
    assert_eq!(mails(&doubles).len(), 1);
}

#[test]
fn a_mail_that_is_not_complete_is_a_dead_letter() {
    let (doubles, resend) = started();
    let (_project, server) = project(&resend).start_kept();
    let mut nobodys = mail("Hello");
    nobodys.as_object_mut().expect("an object").remove("from");
    let run = act(&server, "1", &nobodys);
    let failure = refused(&run);
    assert_eq!(failure["code"], "validation_error", "{run:#}");
    assert_eq!(failure["status"], 422, "{run:#}");
    assert!(failure["message"].as_str().is_some_and(|it| it.contains("from")), "{run:#}");
    assert!(mails(&doubles).is_empty());
}
