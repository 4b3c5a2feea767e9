//! The cookbook: workflows as small companies run them. None of them is refused by the checker, all
//! their tests pass, and each one is tested at least twice.

mod harness;

use std::path::{Path, PathBuf};

use harness::{Project, Server};
use postroom_adapters::Catalog;
use postroom_core::yaml::{Source, to_json};
use serde_json::{Value, json};

/// How many workflows there are at least, so that none is lost on the way.
const WORKFLOWS: usize = 73;

/// How many tests a workflow has at least: the good case, and one that goes otherwise.
const TESTS: usize = 2;

fn cookbook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cookbook")
}

/// What a folder holds, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders of the projects.
fn themes() -> Vec<PathBuf> {
    let mut themes = entries(&cookbook());
    themes.retain(|folder| folder.join("postroom.yaml").is_file());
    themes
}

fn project(theme: &Path) -> Project {
    Project::at(&theme.join("postroom.yaml"))
}

/// The documents of a YAML file.
fn documents(path: &Path) -> Vec<Value> {
    let text = text(path);
    let document = |text: &str| {
        let mut source = Source::new("", text);
        let root = source.parse();
        to_json(&root.unwrap_or_else(|| panic!("{}: {:?}", path.display(), source.problems)))
    };
    text.split("\n---\n").map(document).collect()
}

/// Whether a test is about a workflow: it names it, expects a run of it, or its event starts it.
fn covers(test: &Value, workflow: &Value) -> bool {
    let name = workflow["workflow"].as_str().expect("a name");
    let triggers = workflow["on"].as_array().map_or(&[][..], Vec::as_slice);
    let event = &test["event"]["type"];
    test["workflow"] == name
        || test["expect"]["runs"].get(name).is_some()
        || triggers.iter().any(|trigger| trigger["event"] == *event)
}

#[test]
fn the_checker_finds_nothing_and_knows_everything() {
    for theme in themes() {
        for arguments in [&["check", "--json"][..], &["check", "--strict", "--json"]] {
            let told = project(&theme).run(arguments);
            assert_eq!(told.code, Some(0), "{}: {}{}", theme.display(), told.out, told.err);
            let told = told.json();
            assert_eq!(told["problems"], json!([]), "{}: {told:#}", theme.display());
            assert_eq!(told["counts"]["dyn"], 0, "{}", theme.display());
        }
    }
}

#[test]
fn every_test_passes() {
    for theme in themes() {
        let told = project(&theme).run(&["test"]);
        assert_eq!(told.code, Some(0), "{}:\n{}{}", theme.display(), told.out, told.err);
    }
}

#[test]
fn every_workflow_says_what_it_is_for_and_is_tested() {
    let mut workflows = 0;
    for theme in themes() {
        assert!(theme.join("README.md").is_file(), "{} has no README.md", theme.display());
        let told = text(&theme.join("README.md"));
        let tests: Vec<Value> =
            entries(&theme.join("tests")).iter().flat_map(|path| documents(path)).collect();
        for path in entries(&theme.join("workflows")) {
            workflows += 1;
            let (shown, text) = (path.display(), text(&path));
            assert!(text.starts_with("# "), "{shown} does not say what it is for");
            let workflow = documents(&path).remove(0);
            let covering = tests.iter().filter(|test| covers(test, &workflow)).count();
            assert!(covering >= TESTS, "{shown} has {covering} tests");
            let name = workflow["workflow"].as_str().expect("a name");
            assert!(told.contains(&format!("`{name}`")), "README.md does not name {shown}");
        }
    }
    assert!(workflows >= WORKFLOWS, "{workflows} workflows, there were {WORKFLOWS}");
}

#[test]
fn the_adapters_do_what_they_record() {
    let mut catalog = Catalog::default();
    for path in entries(&cookbook().join("adapters")) {
        catalog.add(&path.display().to_string(), &text(&path)).expect("a manifest");
    }
    for action in catalog.adapters().flat_map(|adapter| &adapter.actions) {
        assert_eq!(action.rehearse(), [""; 0], "{action}");
    }
}

#[test]
fn an_order_waits_for_its_payment_in_the_real_program() {
    let project = project(&cookbook().join("shop")).sandbox();
    let server = project.start();
    let address = json!({
        "name": "Ada", "street1": "Main St 1", "city": "Springfield", "zip": "01101", "country": "US"
    });
    let items = json!([{ "sku": "LAMP", "quantity": 2, "weight": 40, "ships": true }]);
    let order = json!({
        "id": "A-1", "email": "ada@example.com", "address": address, "items": items,
    });
    let placed = server.send("ORDER_PLACED", &order);
    server.run(&placed, &["sleeping"]);
    server.kill();
    let server = project.start();
    server.send("ORDER_PAID", &json!({ "orderId": "A-2" }));
    server.send("ORDER_PAID", &json!({ "orderId": "A-1" }));
    let order = server.run_by_id(&run_of(&server, "order"), &["succeeded", "dead"]);
    assert_eq!(order["state"], "succeeded", "{order:#}");
    let pack = server.run_by_id(&run_of(&server, "pack"), &["succeeded"]);
    let parcels = pack["output"]["trackingCodes"].as_array().expect("codes");
    assert_eq!(parcels.len(), 1, "{pack:#}");
    let followed = server.run_by_id(&run_of(&server, "follow-parcel"), &["sleeping", "dead"]);
    assert_eq!(followed["state"], "sleeping", "{followed:#}");
}

/// The only run of a workflow.
fn run_of(server: &Server, workflow: &str) -> String {
    let runs = server.read(&format!("/runs?workflow={workflow}"));
    let runs = runs["data"].as_array().expect("runs");
    assert_eq!(runs.len(), 1, "{workflow}: {runs:#?}");
    runs[0]["id"].as_str().expect("an id").to_owned()
}
