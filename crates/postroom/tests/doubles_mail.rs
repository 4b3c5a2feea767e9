//! Messages to a mail server that others wrote (aiosmtpd): what it takes, puts off and refuses.

mod harness;

use harness::{Doubles, Project, Server};
use serde_json::{Value, json};

const TELL: &str = "workflow: tell\non: [{event: TELL}]\nsteps:\n  - id: send\n    uses: \
                    smtp/send\n    timeout: 20s\n    retry: {attempts: 2, delay: 1ms}\n    with:\n      \
                    from: \"${{ event.data?.from ?? 'Zoë <zoe@example.com>' }}\"\n      to: \
                    \"${{ event.data.to }}\"\n      bcc: audit@example.com\n      subject: Grüße, 12 €\n      \
                    text: \"A line.\\n.\\nAnother.\"\n";

fn project(doubles: &Doubles) -> Project {
    let port = doubles.address("smtp").port();
    let config = format!(
        "connections: {{mail: {{provider: smtp, config: {{host: 127.0.0.1, port: {port}, tls: \
         none}}}}}}\n"
    );
    Project::new(&config).workflow("tell", TELL)
}

fn sent(server: &Server, to: &Value) -> Value {
    let correlation = server.send("TELL", &json!({ "to": to }));
    server.run(&correlation, &["succeeded", "dead", "unknown"])
}

fn kinds(run: &Value) -> Vec<&str> {
    let journal = run["journal"].as_array().expect("a journal");
    journal.iter().filter_map(|entry| entry["kind"].as_str()).collect()
}

fn failure(run: &Value) -> &Value {
    let journal = run["journal"].as_array().expect("a journal");
    let found = journal.iter().rev().map(|entry| &entry["failure"]).find(|it| it.is_object());
    found.unwrap_or_else(|| panic!("no failure: {run:#}"))
}

/// What the double took, in order.
fn taken(doubles: &Doubles, count: usize) -> Vec<Value> {
    doubles.said().wait_for_nth(count, "messages", |line| line.starts_with("taken "));
    let lines = doubles.said().having("taken ");
    let json = |line: &String| serde_json::from_str(line.strip_prefix("taken ").expect("it"));
    lines.iter().map(|line| json(line).expect("JSON")).collect()
}

#[test]
fn a_message_is_taken_as_it_was_meant() {
    let doubles = Doubles::smtp(&json!({}));
    let project = project(&doubles);
    let server = project.start();
    let run = sent(&server, &json!(["Bob <bob@example.com>", "550@example.com"]));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let output = &run["output"];
    assert_eq!(output["accepted"], json!(["bob@example.com", "audit@example.com"]), "{run:#}");
    let rejected = &output["rejected"][0];
    assert_eq!((&rejected["address"], &rejected["code"]), (&json!("550@example.com"), &json!(550)));
    assert!(rejected["message"].as_str().is_some_and(|it| it.contains("no such mailbox")));

    let took = taken(&doubles, 1).remove(0);
    assert_eq!(took["from"], "zoe@example.com");
    assert_eq!(took["to"], json!(["bob@example.com", "audit@example.com"]));
    let text = took["text"].as_str().expect("a text");
    let id = output["messageId"].as_str().expect("an id");
    for wanted in ["Date: ", &format!("Message-ID: {id}\r\n"), "Subject: =?utf-8?b?", "To: Bob <"] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert!(text.ends_with("A line.\r\n.\r\nAnother.\r\n"), "{text}");
    assert!(!text.contains("audit@example.com"), "{text}");
}

#[test]
fn what_the_server_says_decides() {
    let doubles = Doubles::smtp(&json!({}));
    let project = project(&doubles);
    let project = project.workflow("tell", &TELL.replace("bcc: audit@example.com\n      ", ""));
    let server = project.start();
    for (to, from, code, wanted) in [
        ("550@example.com", "a@example.com", "smtp/550", &["intent", "dead"][..]),
        ("451@example.com", "a@example.com", "smtp/451", &["intent", "retry", "intent", "dead"]),
        ("bob@example.com", "554-data@example.com", "smtp/554", &["intent", "dead"]),
        ("bob@example.com", "451-data@example.com", "smtp/451", &["intent", "retry"]),
    ] {
        let data = json!({"to": to, "from": from});
        let run = server.run(&server.send("TELL", &data), &["succeeded", "dead", "unknown"]);
        assert_eq!(run["state"], "dead", "{run:#}");
        assert_eq!(failure(&run)["code"], code, "{run:#}");
        let words = failure(&run)["message"].as_str().expect("a message");
        assert!(words.starts_with("The mail server answered "), "{words}");
        let retried = wanted.contains(&"retry");
        assert_eq!(kinds(&run).contains(&"retry"), retried, "{run:#}");
    }
    assert_eq!(doubles.said().having("taken ").len(), 0);
}

#[test]
fn who_has_to_sign_in_does() {
    let doubles = Doubles::smtp(&json!({"auth": {"zoe": "s3cret-pass"}}));
    let project = project(&doubles);
    for (password, state, code) in [
        (Some("s3cret-pass"), "succeeded", None),
        (Some("wrong-pass"), "dead", Some("smtp/535")),
        (None, "dead", Some("connection/credential-missing")),
    ] {
        let mut project =
            Project::at(&project.path().join("automation.config.yaml")).env("SMTP_USERNAME", "zoe");
        if let Some(password) = password {
            project = project.env("SMTP_PASSWORD", password);
        }
        let server = project.start();
        let run = sent(&server, &json!("bob@example.com"));
        assert_eq!(run["state"], state, "{run:#}");
        if let Some(code) = code {
            assert_eq!(failure(&run)["code"], code, "{run:#}");
        }
        let all = format!("{run:#}");
        assert!(!all.contains("s3cret-pass") && !all.contains("wrong-pass"), "{all}");
    }
    assert_eq!(taken(&doubles, 1)[0]["login"], "zoe");
}
