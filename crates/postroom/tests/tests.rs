//! `postroom test`: tests of workflows that pass and fail, what is told of a difference, and what
//! `--update` and `--junit` write.

mod harness;

use harness::{Double, Project, Reply};
use serde_json::json;

const WORKFLOW: &str = "\
workflow: tell
on: [{event: ORDER}]
steps:
  - id: post
    uses: http/request
    with:
      url: /orders
      method: POST
      json: { id: \"${{ event.data.id }}\", amount: \"${{ event.data.amount / 100 }}\" }
";

const GOOD: &str = "\
# Kept as it is.
test: an order is told   # in euros
event: { type: ORDER, data: { id: A-1, amount: 1999 } }
expect:
  runs:
    tell: { state: succeeded }
  requests:
    - { step: post, method: POST, json: { amount: 19.99, id: A-1 } }
---
test: a page that is down is asked again
event: { type: ORDER, data: { id: A-2, amount: 5 } }
answers:
  post: [{ fail: 503 }, { status: 201, body: { id: 7 } }]
expect:
  runs:
    tell:
      steps:
        post: { attempts: 1, contains: { body: { id: 8 } } }
";

fn project(double: &Double) -> Project {
    let config =
        format!("connections:\n  web: {{provider: http, baseUrl: \"{}\"}}\n", double.url());
    // A POST without a key is not sent twice; this service takes one.
    let workflow = WORKFLOW
        .replace("      method: POST\n", "      method: POST\n      idempotencyHeader: K\n");
    Project::new(&config).workflow("tell", &workflow).file("tests/tell.yaml", GOOD)
}

fn quiet() -> Double {
    Double::answering(Reply::json(500, &json!({"error": "nothing should come here"})))
}

#[test]
fn differences_are_told_line_by_line() {
    let double = quiet();
    let project = project(&double);
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("error: 1 of 2 tests failed"), "{}", ran.err);
    for said in [
        "ok   an order is told\n",
        "FAIL a page that is down is asked again (tests/tell.yaml:10)\n     it came otherwise\n",
        "     -         attempts: 1\n     +         attempts: 2\n",
        "     -             id: 8\n     +             id: 7\n",
        "1 passed, 1 failed, in ",
    ] {
        assert!(ran.out.contains(said), "{said:?} is not in\n{}", ran.out);
    }
    let told = project.run(&["test", "--json", "--only", "down"]);
    let told: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!((&told["passed"], &told["failed"]), (&json!(0), &json!(1)), "{told}");
    assert_eq!(told["tests"][0]["line"], 10);
    project.run(&["test", "--only", "an order"]).good();
    assert!(double.received().is_empty(), "a test has connected");
    assert!(!project.data().exists(), "a test has made a data folder");
}

#[test]
fn what_came_is_written_down_and_nothing_else_changes() {
    let double = quiet();
    let project = project(&double);
    let ran = project.run(&["test", "--update"]);
    assert!(ran.good().contains("1 passed, 0 failed, 1 written down anew"));
    let text = std::fs::read_to_string(project.path().join("tests/tell.yaml")).expect("the file");
    let (kept, rewritten) = GOOD.split_at(GOOD.rfind("expect:").expect("it expects something"));
    assert_eq!(
        text.strip_prefix(kept),
        Some(
            "expect:\n  runs:\n    tell:\n      steps:\n        post:\n          attempts: 2\n          \
         contains:\n            body:\n              id: 7\n"
        ),
        "{rewritten}"
    );
    project.run(&["test"]).good();

    // A test that expects nothing yet is told so, and gets everything there is to expect.
    project
        .write("tests/new.yaml", "test: new\nevent: { type: ORDER, data: { id: B, amount: 1 } }");
    let ran = project.run(&["test", "tests/new.yaml"]);
    assert!(ran.code == Some(1) && ran.out.contains("it expects nothing"), "{ran:?}");
    project.run(&["test", "tests/new.yaml", "--update"]).good();
    let text = std::fs::read_to_string(project.path().join("tests/new.yaml")).expect("the file");
    assert!(text.contains("amount: 1 } }\nexpect:\n  runs:\n    tell:\n"), "{text}");
    assert!(text.contains("      json:\n        id: B\n        amount: 0.01\n"), "{text}");
    project.run(&["test"]).good();
}

#[test]
fn results_are_written_for_ci() {
    let double = quiet();
    let project = project(&double);
    assert_eq!(project.run(&["test", "--junit", "results.xml"]).code, Some(1));
    let text = std::fs::read_to_string(project.path().join("results.xml")).expect("the file");
    assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
    assert!(text.contains("<failure message=\"it came otherwise\">"), "{text}");
}

#[test]
fn tests_that_cannot_be_read_are_no_success() {
    let double = quiet();
    let project = project(&double);
    project.write("tests/bad.yaml", "test: bad\nevnet: { type: ORDER }\n");
    let ran = project.run(&["test"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("tests/bad.yaml:2:1: unknown key `evnet`"), "{ran:?}");
    project.write("tests/bad.yaml", "");
    let ran = project.run(&["test", "--only", "no such test"]);
    assert!(ran.code == Some(2) && ran.err.contains("there are no tests"), "{ran:?}");
    assert_eq!(project.run(&["test", "tests/none.yaml"]).code, Some(2));
}
