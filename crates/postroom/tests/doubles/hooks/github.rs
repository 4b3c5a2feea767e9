//! GitHub. The double numbers its deliveries from 1 instead of giving each an id of its own.

use serde_json::{Value, json};

use super::harness::{Doubles, Server};
use super::{address, seen, taking, turned_away};

const TOKEN: &str = "ghp_doubles";
const SECRET: (&str, &str) = ("GITHUB_WEBHOOK_SECRET", "It's a secret to everybody");

/// A repository whose hook sends to a server, signed with a secret.
fn hooked(server: &Server, secret: &str) -> Doubles {
    let seed = json!({
        "tokens": {TOKEN: {"login": "octocat", "scopes": ["repo", "user", "admin:repo_hook"]}},
        "github": {
            "users": [{"login": "octocat"}],
            "repos": [{"owner": "octocat", "name": "hello", "auto_init": true}],
        },
    });
    let doubles = Doubles::emulate(&["github"], &seed);
    let config = json!({"url": address(server), "secret": secret, "content_type": "json"});
    let hook = json!({"name": "web", "events": ["issues", "issue_comment"], "config": config});
    ask(&doubles, "/hooks", &hook);
    doubles
}

/// Asks for something of the repository.
#[track_caller]
fn ask(doubles: &Doubles, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let path = format!("/repos/octocat/hello{path}");
    let body = body.to_string();
    let answer = doubles.client("github").request("POST", &path, &headers, body.as_bytes());
    assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    answer.json()
}

#[test]
fn an_issue_that_is_opened_starts_a_run() {
    let (_project, server) = taking("github", "issues.opened", SECRET).start_kept();
    let doubles = hooked(&server, SECRET.1);
    let issue = ask(&doubles, "/issues", &json!({"title": "caf\u{e9} \u{2603} \u{1f600}"}));
    let seen = seen(&server, 1);
    assert_eq!(seen[0]["issue"]["number"], issue["number"], "{seen:#?}");
    assert_eq!(seen[0]["issue"]["title"], "caf\u{e9} \u{2603} \u{1f600}");
    assert_eq!(seen[0]["repository"]["full_name"], "octocat/hello");
}

#[test]
fn a_hook_with_another_secret_is_turned_away() {
    let (_project, server) = taking("github", "issues.opened", SECRET).start_kept();
    let doubles = hooked(&server, "another");
    ask(&doubles, "/issues", &json!({"title": "t"}));
    turned_away(&server, "github");
}
