//! `postroom check` and the refusal of `serve`: types, places, carets, exit codes, JSON.

mod harness;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::Project;
use serde_json::{Value, json};

fn check(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
    command.arg("check").arg("--config").arg(config).args(arguments);
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

const ORDER: &str = r#"{
  "type": "object",
  "required": ["id", "amount"],
  "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}, "note": {"type": "string"}}
}"#;

const WRONG: &str = "\
workflow: order
on: [{ event: ORDER }]
steps:
  - id: tell
    uses: slack/post_message
    with:
      chanel: \"#orders\"
      text: Order ${{ event.data.di }} is paid
";

fn wrong() -> Project {
    Project::new("").file("schemas/ORDER.json", ORDER).workflow("order", WRONG)
}

#[test]
fn every_problem_is_told_with_line_caret_path_name_and_code() {
    let project = wrong();
    let checked = check(&project.path().join("automation.config.yaml"), &[]);
    assert_eq!(checked.status.code(), Some(2));
    assert_eq!(text(&checked.stdout), "");
    assert_eq!(
        text(&checked.stderr),
        "\
error: workflows/order.yaml:7:7: `chanel` is not taken [input/unknown]
  |
7 |       chanel: \"#orders\"
  |       ^^^^^^ in steps.tell.with.chanel
hint: did you mean `channel`?
error: workflows/order.yaml:8:34: `event.data` has no field `di` [expr/unknown-field]
  |
8 |       text: Order ${{ event.data.di }} is paid
  |                                  ^^ in steps.tell.with.text
hint: did you mean `id`?
"
    );
}

#[test]
fn serve_refuses_what_check_refuses() {
    let refused = wrong().refused();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for said in ["order.yaml:7:7", "[input/unknown]", "order.yaml:8:34", "did you mean `id`?"] {
        assert!(refused.text.contains(said), "{said}: {}", refused.text);
    }
}

#[test]
fn json_lists_problems_and_counts() {
    let project = wrong();
    let checked = check(&project.path().join("automation.config.yaml"), &["--json"]);
    assert_eq!(checked.status.code(), Some(2));
    assert_eq!(text(&checked.stderr), "");
    let report: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!(report["counts"], json!({"expressions": 1, "dyn": 0}));
    assert_eq!(
        report["problems"][1],
        json!({
            "code": "expr/unknown-field", "detail": "`event.data` has no field `di`",
            "hint": "did you mean `id`?", "file": "workflows/order.yaml", "line": 8, "column": 34,
            "path": "steps.tell.with.text",
        })
    );
    let unreadable = check(&project.path().join("nowhere.yaml"), &["--json"]);
    assert_eq!(unreadable.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&unreadable.stdout).expect("JSON");
    assert_eq!(report["problems"][0]["code"], "config/file-unreadable");
}

#[test]
fn strict_refuses_what_nobody_described() {
    let workflow = WRONG.replace("chanel", "channel");
    let project = Project::new("").workflow("order", &workflow);
    let config = project.path().join("automation.config.yaml");
    let loose = check(&config, &[]);
    assert_eq!(loose.status.code(), Some(0));
    assert!(text(&loose.stdout).contains("(1 reads of unknown shape"), "{}", text(&loose.stdout));
    let strict = check(&config, &["--strict"]);
    assert_eq!(strict.status.code(), Some(2));
    let told = text(&strict.stderr);
    assert!(told.contains("order.yaml:8:23: nothing is known of `event.data.di`"), "{told}");
    assert!(told.contains("hint: describe its data in `schemas/ORDER.json`"), "{told}");
}

#[test]
fn a_schema_that_cannot_be_read_is_told_and_one_of_no_use_as_well() {
    let project = Project::new("")
        .file("schemas/ORDER.json", "{\"type\": object}")
        .file("schemas/LIST.json", "[]")
        .workflow("order", WRONG);
    let config = project.path().join("automation.config.yaml");
    let told = text(&check(&config, &[]).stderr);
    assert!(told.contains("schemas/ORDER.json:1:10: this is not JSON"), "{told}");
    assert!(told.contains("schemas/LIST.json:1:1: this is no JSON Schema"), "{told}");
    assert!(told.contains("`chanel` is not taken"), "all at once: {told}");
    let project = Project::new("")
        .file("schemas/ORDRE.json", ORDER)
        .workflow("order", &WRONG.replace("chanel", "channel"));
    let told = text(&check(&project.path().join("automation.config.yaml"), &[]).stderr);
    assert!(
        told.contains("schemas/ORDRE.json describes an event that no workflow takes"),
        "{told}"
    );
    assert!(told.contains("did you mean `ORDER`?"), "{told}");
}

#[test]
fn what_is_wrong_elsewhere_does_not_hide_what_is_wrong_here() {
    let other =
        "workflow: other\non: [{ event: A }]\nsteps:\n  - id: a\n    uses: slack/psot_message\n";
    let project = wrong()
        .workflow("other", other)
        .workflow("fourth", "workflow: fourth\non: [{ event: A }]\nsteps:\n  - id: a\n    uses: local/echo\n    connection: mine\n")
        .workflow("third", "workflow: third\nsteps: 1\n")
        .workflow("twice", &WRONG.replace("chanel", "channel").replace(".di ", ".id "));
    let told = text(&check(&project.path().join("automation.config.yaml"), &[]).stderr);
    let codes =
        ["input/unknown", "unknown-field", "unknown-action", "missing-key", "duplicate-name"];
    for code in codes {
        assert_eq!(told.matches(&format!("{code}]")).count(), 1, "{code}: {told}");
    }
    assert!(
        told.contains("other.yaml:5:11: step `a`: the adapter `slack` has no action"),
        "{told}"
    );
}

#[test]
fn examples_and_the_project_of_init_are_typed_to_the_last_read() {
    let onboarding = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/onboarding");
    let made = Project::new("");
    let init = Command::new(env!("CARGO_BIN_EXE_postroom"))
        .args(["init", "made"])
        .current_dir(made.path())
        .output()
        .expect("the binary starts");
    assert!(init.status.success());
    for folder in [onboarding, made.path().join("made")] {
        let checked = check(&folder.join("postroom.yaml"), &["--strict"]);
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    }
}

#[test]
fn what_is_built_in_is_known_to_the_last_read() {
    let config = "adapters:\n  - { name: pay, provider: stripe, endpoint: /api/webhooks/stripe }\n";
    let project = Project::new(config);
    let strict = check(&project.path().join("automation.config.yaml"), &["--strict"]);
    assert_eq!(strict.status.code(), Some(0), "{}", text(&strict.stderr));
    // What the project emits to it is held against what it takes.
    let workflow = "workflow: w\non: [{ event: DONE }]\nsteps:\n  - id: bill\n    \
                    emit: CREATE_STRIPE_INVOICE\n    with: { customerId: c, currency: eur }\n";
    let project = Project::new(config).workflow("w", workflow);
    let told = check(&project.path().join("automation.config.yaml"), &[]);
    assert!(text(&told.stderr).contains("`amount` is missing"), "{}", text(&told.stderr));
}

#[test]
fn an_adapter_of_the_project_is_named_as_the_project_knows_it() {
    let project = Project::new("folders: { adapters: ../shared }\n")
        .file("automation/postroom.yaml", "folders: { adapters: ../shared }\n")
        .file("shared/mine.yaml", "adapter: mine\n");
    let told = check(&project.path().join("automation/postroom.yaml"), &[]);
    assert!(text(&told.stderr).contains(" ../shared/mine.yaml:1:1: "), "{}", text(&told.stderr));
}
