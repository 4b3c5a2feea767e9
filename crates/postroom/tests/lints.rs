//! Lints: what is warned of and what is not, what is accepted, and how `check` and `serve` tell it.
//! Their texts are in `problems/lints.txt`.

mod harness;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::Project;
use serde_json::Value;

fn check(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
    command.arg("check").arg("--config").arg(config).args(arguments);
    command.env_clear().stdin(Stdio::null());
    command.output().expect("the binary starts")
}

/// The warnings of a project, as code and line.
fn warnings(project: &Project) -> Vec<(String, u64)> {
    let checked = check(&project.path().join("automation.config.yaml"), &["--json"]);
    let report: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!(report["problems"], Value::Array(Vec::new()), "{report:#}");
    assert_eq!(checked.status.code(), Some(0));
    let row = |row: &Value| {
        let code = row["code"].as_str().expect("a code").to_owned();
        (code, row["line"].as_u64().expect("a line"))
    };
    report["warnings"].as_array().expect("warnings").iter().map(row).collect()
}

fn workflow(rest: &str) -> Project {
    Project::new("").workflow("w", &format!("workflow: w\non: [{{ event: E }}]\n{rest}"))
}

const REFUND: &str = "\
steps:
  - id: pay-back
    uses: stripe/refund
    with: { chargeId: \"${{ event.data.charge }}\" }
";

fn calls(needs: &str, count: usize) -> String {
    let step = |n: usize| {
        format!(
            "  - {{ id: s{n}, {needs} uses: http/request, with: {{ url: \"https://a.example\" }} }}\n"
        )
    };
    format!("steps:\n{}", (0..count).map(step).collect::<String>())
}

#[test]
fn what_is_usual_raises_no_lint() {
    let secrets = [
        // Compared, counted, hashed, cut.
        "x: \"${{ event.data.token == 'a' }}\"",
        "x: \"${{ event.data.token.size() }}\"",
        "x: \"${{ sha256(event.data.token) }}\"",
        "x: \"ends in ${{ event.data.iban.slice(-4) }}\"",
        // Not secret, whatever the name is like.
        "x: \"${{ event.data.next_page_token }}\"",
        "x: \"${{ event.data.has_password }}\"",
        "x: \"${{ event.data.tokens }}\"",
        "x: \"${{ event.data.order.number }}\"",
        "x: \"${{ event.data.idempotencyKey }}\"",
        // Whole, and nobody said that there is a secret in it.
        "x: \"${{ event.data }}\"",
    ];
    for line in secrets {
        let project =
            workflow(&format!("steps:\n  - id: e\n    emit: F\n    with: {{ {line} }}\n"));
        assert_eq!(warnings(&project), [], "{line}");
    }
    let elsewhere = "steps:
  - id: look
    uses: http/request
    with:
      url: https://a.example
      method: PUT
      headers: { Authorization: \"Bearer ${{ event.data.token }}\" }
      json: { password: \"${{ event.data.password }}\" }
";
    assert_eq!(warnings(&workflow(elsewhere)), [], "headers and bodies are not logged");
    assert_eq!(warnings(&workflow(&calls("", 5))), []);
    assert_eq!(warnings(&workflow(&calls("needs: [],", 9))), [], "side by side is no row");
    let typed =
        r#"{"properties": {"token": {"enum": ["none", "some"]}, "secret": {"type": "boolean"}}}"#;
    let project = workflow(
        "steps:\n  - id: e\n    emit: F\n    with: { x: \"${{ event.data?.token }}\", y: \"${{ \
         event.data?.secret }}\" }\n",
    );
    assert_eq!(warnings(&project.file("schemas/E.json", typed)), [], "words and answers");
}

#[test]
fn a_lint_is_accepted_where_the_workflow_says_so_and_nowhere_else() {
    let both = "steps:
  - { id: a, uses: slack/post_message, with: { channel: c, text: \"${{ event.data.token }}\" } }
";
    let codes = |warnings: Vec<(String, u64)>| -> Vec<String> {
        warnings.into_iter().map(|(code, _)| code).collect()
    };
    let found = codes(warnings(&workflow(both)));
    assert_eq!(found, ["lint/no-idempotency", "lint/secret-in-log"]);
    let accepted = workflow(&format!("allow: [lint/secret-in-log]\n{both}"));
    assert_eq!(codes(warnings(&accepted)), ["lint/no-idempotency"]);
    let all = workflow(&format!("allow: [lint/secret-in-log, lint/no-idempotency]\n{both}"));
    assert_eq!(warnings(&all), []);
    let strict = check(&all.path().join("automation.config.yaml"), &["--strict", "--json"]);
    let report: Value = serde_json::from_slice(&strict.stdout).expect("JSON");
    let problems = report["problems"].as_array().expect("problems");
    assert!(problems.iter().all(|problem| problem["code"] == "expr/untyped"), "{report:#}");
}

#[test]
fn a_destructive_step_is_guarded_by_a_test_that_names_it() {
    let of = |test: &str| warnings(&workflow(REFUND).file("tests/w.yaml", test));
    let unguarded = [("lint/unguarded-destructive".to_owned(), 5)];
    assert_eq!(warnings(&workflow(REFUND)), unguarded);
    let test = |requests: &str, more: &str| {
        format!(
            "test: t\n{more}event: {{ type: E, data: {{ charge: ch_1 }} }}\nexpect:\n  requests: \
             [{requests}]\n"
        )
    };
    assert_eq!(of(&test("{ step: pay-back }", "")), []);
    assert_eq!(of(&test("{ step: pay-back }", "workflow: w\n")), []);
    for (requests, more) in [
        ("", ""),
        ("{ call: refund }", ""),
        ("{ step: other }", ""),
        ("{ step: pay-back, workflow: other }", ""),
        ("{ step: pay-back }", "workflow: other\n"),
    ] {
        assert_eq!(of(&test(requests, more)), unguarded, "{requests} {more}");
    }
    let asked = REFUND.replace("steps:\n", "steps:\n  - { id: ask, approve: Pay it back? }\n");
    assert_eq!(warnings(&workflow(&asked)), [], "a person is asked before");
    let late = format!("{REFUND}  - {{ id: ask, approve: Was that right? }}\n");
    assert_eq!(warnings(&workflow(&late)), unguarded, "a person is asked after");
    let beside = asked.replace("pay-back\n", "pay-back\n    needs: []\n");
    assert_eq!(warnings(&workflow(&beside))[0].0, unguarded[0].0, "nobody waits for the answer");
    let dry = warnings(&workflow(&format!("mode: dry\n{REFUND}")));
    assert_eq!(dry, [], "nothing is sent");
    let later = format!("mode: dry\nallow: [lint/unguarded-destructive]\n{REFUND}");
    assert_eq!(warnings(&workflow(&later)), [], "what is accepted is for when it goes live");
    let connection = "connections: { main: { provider: stripe, mode: dry } }\n";
    let project = Project::new(connection)
        .workflow("w", &format!("workflow: w\non: [{{ event: E }}]\n{REFUND}"));
    assert_eq!(warnings(&project), [], "nothing is sent through it");
    assert_eq!(of("test: [broken"), unguarded, "a test that cannot be read says nothing");
}

#[test]
fn every_example_and_the_project_of_init_raise_no_lint() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let made = Project::new("");
    made.run(&["init", "made"]).good();
    let mut folders: Vec<_> = std::fs::read_dir(examples)
        .expect("examples")
        .map(|entry| entry.expect("an example").path())
        // Its projects have a test of their own.
        .filter(|folder| !folder.ends_with("cookbook"))
        .collect();
    assert!(folders.len() >= 2);
    folders.push(made.path().join("made"));
    for folder in folders {
        let config = ["postroom.yaml", "automation.config.yaml"].map(|name| folder.join(name));
        let config = config.iter().find(|path| path.is_file()).expect("a configuration");
        let checked = check(config, &["--json"]);
        let report: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
        assert_eq!(report["problems"], Value::Array(Vec::new()), "{}", folder.display());
        assert_eq!(report["warnings"], Value::Array(Vec::new()), "{}", folder.display());
    }
}

#[test]
fn warnings_do_not_stop_check_and_are_counted() {
    let project = workflow(REFUND);
    let checked = check(&project.path().join("automation.config.yaml"), &[]);
    assert_eq!(checked.status.code(), Some(0));
    let told = String::from_utf8(checked.stdout).expect("UTF-8");
    assert!(told.contains(", but a warning that --strict refuses"), "{told}");
    let strict = check(&project.path().join("automation.config.yaml"), &["--strict"]);
    assert_eq!(strict.status.code(), Some(2));
}

#[test]
fn serve_starts_and_says_what_check_warns_of() {
    let (project, server) = workflow(REFUND).sandbox().start_kept();
    assert!(project.path().exists());
    let warned = server.log.having("[lint/unguarded-destructive]");
    assert_eq!(warned.len(), 1, "{}", server.log.text());
    assert!(warned[0].contains("\"level\":\"WARN\"") && warned[0].contains("w.yaml:5:11"));
}
