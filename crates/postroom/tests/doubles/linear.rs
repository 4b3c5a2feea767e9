//! Linear: an issue by GraphQL, and errors that are in the body.

use serde_json::{Value, json};

use super::harness::double::{Double, Received, Reply, Service};
use super::harness::{Client, Doubles, Project};
use super::{act, acting, refused};

const KEY: &str = "lin_api_doubles";

fn doubles() -> Doubles {
    let seed = json!({"linear": {
        "users": [{"email": "ada@example.com", "name": "Ada", "admin": true}],
        "teams": [{"key": "ENG", "name": "Engineering"}],
        "tokens": [{"token": KEY, "user": "ada@example.com", "scopes": ["read", "write", "admin"]}],
    }});
    Doubles::emulate(&["linear"], &seed)
}

/// Asks the double itself.
#[track_caller]
fn ask(client: Client, query: &str, variables: &Value) -> Value {
    let headers = [("authorization", KEY), ("content-type", "application/json")];
    let body = json!({"query": query, "variables": variables}).to_string();
    let answer = client.request("POST", "/graphql", &headers, body.as_bytes()).json();
    assert!(answer["errors"].is_null(), "{answer:#}");
    answer["data"].clone()
}

/// Hands requests on without the id that the caller chose: Linear takes one, the double does not
/// know of it.
struct WithoutId(Client);

impl Service for WithoutId {
    fn answer(&mut self, request: &Received) -> Reply {
        let mut body = request.json();
        if let Some(input) = body["variables"]["input"].as_object_mut() {
            input.remove("id");
        }
        let key = request.header("authorization").unwrap_or_default();
        let headers = [("authorization", key), ("content-type", "application/json")];
        let body = body.to_string();
        let answer = self.0.request("POST", &request.path, &headers, body.as_bytes());
        Reply::json(answer.status, &answer.json())
    }
}

fn project(linear: &Double, uses: &str, fields: &[&str]) -> Project {
    acting("linear", &linear.url(), uses, fields).env("LINEAR_API_KEY", KEY)
}

#[test]
fn an_issue_is_opened_in_a_team() {
    let doubles = doubles();
    let client = doubles.client("linear");
    let linear = Double::new(WithoutId(client));
    let (_project, server) = project(&linear, "linear/list_teams", &[]).start_kept();
    let run = act(&server, "1", &json!({}));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let team = &run["output"]["teams"][0];
    assert_eq!(team["key"], "ENG", "{run:#}");

    let fields = ["teamId", "title", "description?", "priority?"];
    let (_project, server) = project(&linear, "linear/create_issue", &fields).start_kept();
    let issue = json!({"teamId": team["teamId"], "title": "The export is empty \u{2603}",
                       "description": "Since *Monday*.", "priority": 2});
    let run = act(&server, "1", &issue);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let id = json!({"id": run["output"]["issueId"]});
    let query = "query($id: String!) { issue(id: $id) { identifier title description priority } }";
    let opened = ask(client, query, &id);
    let wanted = json!({"issue": {"identifier": run["output"]["identifier"],
                        "title": "The export is empty \u{2603}",
                        "description": "Since *Monday*.", "priority": 2}});
    assert_eq!(opened, wanted);
    let received = linear.received();
    assert_eq!(received[0].header("authorization"), Some(KEY), "bare, without Bearer");
    let chosen = received[1].json()["variables"]["input"]["id"].clone();
    assert_eq!(chosen.as_str().map(str::len), Some(36), "{chosen}");
}

#[test]
fn errors_in_the_body_are_a_dead_letter_with_linears_words() {
    let doubles = doubles();
    let linear = Double::new(WithoutId(doubles.client("linear")));
    let (_project, server) =
        project(&linear, "linear/create_issue", &["teamId", "title"]).start_kept();
    let run = act(&server, "1", &json!({"teamId": "nowhere", "title": "t"}));
    let failure = refused(&run);
    assert!(failure["message"].as_str().is_some_and(|it| it.contains("nowhere")), "{run:#}");
    assert_eq!(linear.received().len(), 1);
}
