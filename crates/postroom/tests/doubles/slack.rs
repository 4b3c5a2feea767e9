//! Slack: messages, and failures that come with status 200.

use serde_json::{Value, json};

use super::harness::{Double, Doubles, Project};
use super::{act, acting, refused};

fn started() -> (Doubles, Double, Project) {
    let seed = json!({"slack": {"channels": [{"name": "billing"}]}});
    let doubles = Doubles::emulate(&["slack"], &seed);
    let slack = doubles.behind("slack");
    let base = format!("{}/api", slack.url());
    let fields = ["channel", "text?", "threadTs?"];
    let project = acting("slack", &base, "slack/post_message", &fields);
    (doubles, slack, project.env("SLACK_BOT_TOKEN", "xoxb-1-2-3"))
}

/// What the channel `billing` holds, asked of the double itself.
fn messages(doubles: &Doubles) -> Vec<Value> {
    let post = |path: &str, body: &Value| {
        let headers =
            [("authorization", "Bearer xoxb-1-2-3"), ("content-type", "application/json")];
        let body = body.to_string();
        doubles.client("slack").request("POST", path, &headers, body.as_bytes()).json()
    };
    let channels = post("/api/conversations.list", &json!({}));
    let channels = channels["channels"].as_array().expect("channels");
    let billing = channels.iter().find(|it| it["name"] == "billing").expect("billing");
    let history = post("/api/conversations.history", &json!({"channel": billing["id"]}));
    history["messages"].as_array().expect("messages").clone()
}

#[test]
fn a_message_is_posted_once() {
    let (doubles, slack, project) = started();
    let server = project.start();
    let run =
        act(&server, "1", &json!({"channel": "billing", "text": "Invoice in_1 is open \u{2603}"}));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let posted = messages(&doubles);
    assert_eq!(posted.len(), 1, "{posted:?}");
    assert_eq!(posted[0]["text"], "Invoice in_1 is open \u{2603}");
    assert_eq!(posted[0]["ts"], run["output"]["ts"]);
    assert_eq!(slack.received()[0].header("authorization"), Some("Bearer xoxb-1-2-3"));
    // An answer in its thread.
    let answer = json!({"channel": run["output"]["channel"], "text": "paid",
                        "threadTs": run["output"]["ts"]});
    let run = act(&server, "2", &answer);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(slack.received()[1].json()["thread_ts"], posted[0]["ts"]);
}

#[test]
fn a_failure_with_status_200_is_a_dead_letter_with_slacks_code() {
    let (doubles, slack, project) = started();
    let server = project.start();
    let run = act(&server, "1", &json!({"channel": "nowhere", "text": "hello"}));
    let failure = refused(&run);
    assert_eq!(failure["code"], "channel_not_found", "{run:#}");
    assert_eq!(failure["status"], 200, "{run:#}");
    assert!(failure["hint"].as_str().is_some_and(|hint| hint.contains("/invite")), "{run:#}");
    let run = act(&server, "2", &json!({"channel": "billing"}));
    assert_eq!(refused(&run)["code"], "no_text", "{run:#}");
    assert_eq!(slack.received().len(), 2);
    assert!(messages(&doubles).is_empty());
}
