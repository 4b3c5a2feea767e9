//! Linear.

use serde_json::{Value, json};

use super::harness::{Doubles, Server};
use super::{address, seen, taking, turned_away};

const KEY: &str = "lin_api_doubles";
const SECRET: (&str, &str) = ("LINEAR_WEBHOOK_SECRET", "lin_wh_doubles");

#[track_caller]
fn ask(doubles: &Doubles, query: &str, variables: &Value) -> Value {
    let headers = [("authorization", KEY), ("content-type", "application/json")];
    let body = json!({"query": query, "variables": variables}).to_string();
    let client = doubles.client("linear");
    let answer = client.request("POST", "/graphql", &headers, body.as_bytes()).json();
    assert!(answer["errors"].is_null(), "{answer:#}");
    answer["data"].clone()
}

/// Opens an issue in a workspace whose webhook sends to a server, signed with a secret.
fn issue(server: &Server, secret: &str) -> (Doubles, Value) {
    let seed = json!({"linear": {
        "users": [{"email": "ada@example.com", "name": "Ada", "admin": true}],
        "teams": [{"key": "ENG", "name": "Engineering"}],
        "tokens": [{"token": KEY, "user": "ada@example.com", "scopes": ["read", "write", "admin"]}],
    }});
    let doubles = Doubles::emulate(&["linear"], &seed);
    let hook = json!({"hook": {"url": address(server), "secret": secret,
                      "resourceTypes": ["Issue"], "allPublicTeams": true}});
    let make = "mutation($hook: WebhookCreateInput!) { webhookCreate(input: $hook) { success } }";
    ask(&doubles, make, &hook);
    let teams = ask(&doubles, "{ teams { nodes { id } } }", &json!({}));
    let issue = json!({"issue": {"teamId": teams["teams"]["nodes"][0]["id"],
                       "title": "caf\u{e9} \u{2603}"}});
    let make = "mutation($issue: IssueCreateInput!) \
                { issueCreate(input: $issue) { issue { id identifier } } }";
    let made = ask(&doubles, make, &issue);
    let made = made["issueCreate"]["issue"].clone();
    (doubles, made)
}

#[test]
fn an_issue_that_is_opened_starts_a_run() {
    let (_project, server) = taking("linear", "Issue.create", SECRET).start_kept();
    let (_doubles, made) = issue(&server, SECRET.1);
    let seen = seen(&server, 1);
    assert_eq!(seen[0]["data"]["id"], made["id"], "{seen:#?}");
    assert_eq!(seen[0]["data"]["title"], "caf\u{e9} \u{2603}");
}

#[test]
fn a_hook_with_another_secret_is_turned_away() {
    let (_project, server) = taking("linear", "Issue.create", SECRET).start_kept();
    let (_doubles, _) = issue(&server, "lin_wh_of_somebody_else");
    turned_away(&server, "linear");
}
