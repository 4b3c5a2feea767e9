//! `adapter import` and `adapter drift` as they are typed: files, exit codes, and a project that
//! checks with what was written.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const SPEC: &str = include_str!("../../adapters/tests/descriptions/till.json");

fn postroom(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
    command.current_dir(folder).args(arguments).env_clear().output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn told(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("till.json"), SPEC).unwrap();
    folder
}

#[test]
fn a_project_checks_with_what_was_imported() {
    let folder = folder();
    let folder = folder.path();
    assert_eq!(code(&postroom(folder, &["init"])), 0);
    let found = postroom(folder, &["adapter", "import", "till.json", "--operations", "*Charges"]);
    assert_eq!(code(&found), 0, "{}", told(&found));
    assert!(
        told(&found).starts_with("adapters/till.yaml: 2 of 2 operations\n"),
        "{}",
        told(&found)
    );
    let workflow = "workflow: charge\non:\n  - event: ORDER_DUE\nsteps:\n  - id: pay\n    uses: \
                    till/post_charges\n    with:\n      amount: 5\n      items: [{ price: a }]\n      \
                    capture: { later: true }\n";
    fs::write(folder.join("workflows/charge.yaml"), workflow).unwrap();
    let checked = postroom(folder, &["check"]);
    assert_eq!(code(&checked), 0, "{}", told(&checked));
    fs::write(folder.join("workflows/charge.yaml"), workflow.replace("amount: 5", "amount: x"))
        .unwrap();
    let checked = postroom(folder, &["check"]);
    assert_eq!(code(&checked), 2, "{}", told(&checked));
    assert!(told(&checked).contains("amount"), "{}", told(&checked));
}

#[test]
fn nothing_is_written_without_a_choice_nor_over_a_file() {
    let folder = folder();
    let folder = folder.path();
    let import =
        |more: &[&str]| postroom(folder, &[&["adapter", "import", "till.json"], more].concat());
    let listed = import(&[]);
    assert_eq!(code(&listed), 0);
    assert!(told(&listed).contains("has 4 operations: pick some with --operations"));
    assert!(!folder.join("adapters").exists());
    for (more, exit, words) in [
        (&["--operations", "CreateRefnd"][..], 2, "did you mean `CreateRefund`?"),
        (&["--tag", "nothing"], 2, "has no tag `nothing`"),
        (&["--all", "--name", "a b"], 2, "is no name for an adapter"),
        (&["--all"], 0, "4 of 4 operations"),
        (&["--all"], 4, "is there already"),
        (&["--all", "--force", "--json"], 0, "\"left_out\":[]"),
    ] {
        let found = import(more);
        assert_eq!(code(&found), exit, "{more:?}: {}", told(&found));
        assert!(told(&found).contains(words), "{more:?}: {}", told(&found));
    }
    fs::write(folder.join("old.json"), "{\"swagger\": \"2.0\"}").unwrap();
    let found = postroom(folder, &["adapter", "import", "old.json"]);
    assert_eq!(code(&found), 2);
    assert!(told(&found).contains("it is Swagger 2.0"), "{}", told(&found));
}

#[test]
fn drift_ends_with_one_where_something_breaks() {
    let folder = folder();
    let folder = folder.path();
    assert_eq!(code(&postroom(folder, &["adapter", "import", "till.json", "--all"])), 0);
    let drift = |spec: &str| postroom(folder, &["adapter", "drift", "adapters/till.yaml", spec]);
    let same = drift("till.json");
    assert_eq!(code(&same), 0, "{}", told(&same));
    assert!(told(&same).contains("till: 4 requests compared, nothing is different"));
    fs::write(folder.join("new.json"), SPEC.replace("\"price\"", "\"cost\"")).unwrap();
    let newer = drift("new.json");
    assert_eq!(code(&newer), 1, "{}", told(&newer));
    assert!(told(&newer).contains("input.items[].price"), "{}", told(&newer));
}
