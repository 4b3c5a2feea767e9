//! GitHub: issues, their validation, pages of them, and one whose answer was lost.

use serde_json::{Value, json};

use super::harness::{Double, Doubles, Fault, Project, Server};
use super::{act, acting, refused};

const TOKEN: &str = "ghp_doubles";
const REPOSITORY: &str = "octocat/hello";

fn doubles() -> Doubles {
    let seed = json!({
        "tokens": {TOKEN: {"login": "octocat", "scopes": ["repo", "user", "admin:repo_hook"]}},
        "github": {
            "users": [{"login": "octocat"}],
            "repos": [{"owner": "octocat", "name": "hello", "auto_init": true}],
        },
    });
    Doubles::emulate(&["github"], &seed)
}

/// Asks the double itself.
#[track_caller]
fn ask(doubles: &Doubles, method: &str, path: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/repos/{REPOSITORY}{path}");
    let answer = doubles.client("github").request(method, &path, &headers, body.as_bytes());
    assert!(answer.status < 300, "{path}: {}", answer.text());
    answer.json()
}

fn issues(doubles: &Doubles) -> Vec<Value> {
    ask(doubles, "GET", "/issues?state=all", &Value::Null).as_array().expect("issues").clone()
}

fn project(github: &Double, uses: &str, fields: &[&str]) -> Project {
    acting("github", &github.url(), uses, fields).env("GITHUB_TOKEN", TOKEN)
}

fn started(uses: &str, fields: &[&str]) -> (Doubles, Double, Project, Server) {
    let doubles = doubles();
    let github = doubles.behind("github");
    let (project, server) = project(&github, uses, fields).start_kept();
    (doubles, github, project, server)
}

const CREATE: (&str, &[&str]) =
    ("github/create_issue", &["repository", "title", "body?", "labels?", "assignees?"]);

#[test]
fn an_issue_is_opened() {
    let (doubles, github, _project, server) = started(CREATE.0, CREATE.1);
    let issue = json!({"repository": REPOSITORY, "title": "The export is empty \u{2603}",
                       "body": "Since *Monday*.", "labels": ["support"], "assignees": ["octocat"]});
    let run = act(&server, "1", &issue);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let opened = issues(&doubles);
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(opened[0]["number"], run["output"]["number"]);
    assert_eq!(opened[0]["title"], "The export is empty \u{2603}");
    assert_eq!(opened[0]["labels"][0]["name"], "support");
    assert_eq!(opened[0]["assignees"][0]["login"], "octocat");
    let body = opened[0]["body"].as_str().expect("a body");
    assert!(body.starts_with("Since *Monday*."), "{body}");
    let received = github.received();
    assert!(received[0].header("x-github-api-version").is_some());
    assert_eq!(received.len(), 1);
}

#[test]
fn what_github_refuses_is_a_dead_letter_with_its_words() {
    let (doubles, github, _project, server) = started(CREATE.0, CREATE.1);
    let nobody = json!({"repository": REPOSITORY, "title": "t", "assignees": ["nobody"]});
    let run = act(&server, "1", &nobody);
    let failure = refused(&run);
    assert_eq!(failure["status"], 422, "{run:#}");
    assert_eq!(failure["code"], "http/422", "{run:#}");
    assert!(failure["message"].as_str().is_some_and(|it| it.contains("Validation")), "{run:#}");
    let run = act(&server, "2", &json!({"repository": "octocat/none", "title": "t"}));
    assert_eq!(refused(&run)["status"], 404, "{run:#}");
    assert_eq!(github.received().len(), 2);
    assert!(issues(&doubles).is_empty());
}

#[test]
fn an_issue_whose_answer_was_lost_is_looked_up_and_not_opened_twice() {
    let (doubles, github, _project, server) = started(CREATE.0, CREATE.1);
    github.fault("POST /repos", 1, &Fault::DropAfter);
    let issue = json!({"repository": REPOSITORY, "title": "Once", "body": "only"});
    let run = act(&server, "1", &issue);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let opened = issues(&doubles);
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(run["output"]["number"], opened[0]["number"], "{run:#}");
    let posted = github.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posted, 1, "{:?}", github.lines());
}

#[test]
fn issues_are_read_from_page_to_page() {
    let (doubles, github, _project, server) =
        started("github/list_issues", &["repository", "limit?"]);
    for number in 1..=130 {
        ask(&doubles, "POST", "/issues", &json!({"title": format!("Issue {number}")}));
    }
    let run = act(&server, "1", &json!({"repository": REPOSITORY, "limit": 120}));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let listed = run["output"]["issues"].as_array().expect("issues");
    assert_eq!(listed.len(), 120);
    let mut numbers: Vec<u64> = listed.iter().filter_map(|it| it["number"].as_u64()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 120, "each once: {numbers:?}");
    assert_eq!(github.received().len(), 2, "{:?}", github.lines());
    let run = act(&server, "2", &json!({"repository": REPOSITORY, "limit": 1000}));
    assert_eq!(run["output"]["issues"].as_array().map(Vec::len), Some(130), "{run:#}");
    assert_eq!(run["output"]["more"], false, "{run:#}");
}

#[test]
fn an_issue_is_commented_and_closed() {
    let doubles = doubles();
    let github = doubles.behind("github");
    let text = "workflow: close\non: [{event: CLOSE}]\nsteps:\n  - id: say\n    \
                uses: github/comment\n    with: {repository: octocat/hello, number: 1, body: Done}\n  \
                - id: close\n    uses: github/update_issue\n    needs: [say]\n    \
                with: {repository: octocat/hello, number: 1, state: closed, \
                stateReason: completed}\n";
    let project = project(&github, CREATE.0, CREATE.1).workflow("close", text);
    ask(&doubles, "POST", "/issues", &json!({"title": "To be closed"}));
    let server = project.start();
    let run = server.run(&server.send("CLOSE", &json!({})), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let issue = ask(&doubles, "GET", "/issues/1", &Value::Null);
    assert_eq!((&issue["state"], &issue["comments"]), (&json!("closed"), &json!(1)), "{issue:#}");
}
