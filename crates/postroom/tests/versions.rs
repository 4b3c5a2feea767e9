//! Deploying a new version of a workflow changes nothing about runs in flight, and what was
//! deployed can be seen, compared and had back.

mod harness;

use harness::{Fault, Ledger, Project, Server};
use serde_json::{Value, json};

/// A workflow whose steps post one after the other to these paths of a double.
fn order(ledger: &Ledger, paths: &[&str]) -> String {
    let mut text = "workflow: order\non: [{event: ORDER}]\nsteps:\n".to_owned();
    for path in paths {
        let url = format!("{}/{path}", ledger.double.url());
        text.push_str(&format!(
            "  - id: {path}\n    uses: http/request\n    retry: {{attempts: 1}}\n"
        ));
        text.push_str(&format!("    with: {{url: \"{url}\", method: POST, json: {{n: 1}}, "));
        text.push_str("idempotencyHeader: Idempotency-Key}\n");
    }
    text
}

/// The same with a comment: another version with the same steps.
fn noted(text: &str, note: &str) -> String {
    format!("# {note}\n{text}")
}

const FILE: &str = "workflows/order.yaml";

fn versions(server: &Server) -> Vec<Value> {
    let kept = server.read("/workflows/order/versions");
    assert_eq!(kept["counted_all"], true, "{kept}");
    kept["data"].as_array().expect("versions").clone()
}

fn text_of(project: &Project) -> String {
    std::fs::read_to_string(project.path().join(FILE)).expect("the workflow")
}

fn id(run: &Value) -> String {
    run["id"].as_str().expect("an id").to_owned()
}

fn hash(version: &Value) -> String {
    version["definition"].as_str().expect("a hash").to_owned()
}

#[test]
fn a_run_ends_on_the_version_it_started_with_and_new_events_take_the_new_one() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one", "two"]);
    let project = Project::new("").workflow("order", &first);
    ledger.double.fault("/one", 1, &Fault::Hold);
    let server = project.start();
    let old = server.send("ORDER", &json!({}));
    ledger.double.wait_for_held(1);
    let before = versions(&server);
    assert_eq!((before.len(), &before[0]["open_runs"]), (1, &json!(1)), "{before:?}");
    server.kill();

    project.write(FILE, &order(&ledger, &["one", "three"]));
    ledger.double.fault("/one", 1, &Fault::Hold);
    let server = project.start();
    ledger.double.wait_for_held(2);
    let now = versions(&server);
    let facts: Vec<_> = now.iter().map(|v| (v["active"] == true, v["open_runs"].clone())).collect();
    assert_eq!(facts, [(true, json!(0)), (false, json!(1))], "{now:?}");
    // Deploying the same text again says nothing new.
    assert_eq!(now[1]["first_seen_ms"], before[0]["first_seen_ms"]);
    assert!(now[0]["first_seen_ms"].as_i64() > now[1]["first_seen_ms"].as_i64(), "{now:?}");

    ledger.double.release();
    let old = server.run(&old, &["succeeded", "dead"]);
    let new = server.run(&server.send("ORDER", &json!({})), &["succeeded", "dead"]);
    assert_eq!((&old["state"], &new["state"]), (&json!("succeeded"), &json!("succeeded")));
    assert_eq!(
        (&old["definition"], &new["definition"]),
        (&now[1]["definition"], &now[0]["definition"])
    );
    assert_eq!(ledger.entries(), ["POST /one", "POST /two", "POST /one", "POST /three"]);
    assert!(versions(&server).iter().all(|version| version["open_runs"] == 0));
}

#[test]
fn versions_are_listed_compared_and_had_back() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one"]);
    let second = noted(&first, "with a word about it");
    let third = order(&ledger, &["one", "two"]);
    let project = Project::new("").workflow("order", &first);
    for text in [&first, &second, &third] {
        project.write(FILE, text);
        let listed = project.run(&["workflows", "list"]).good();
        assert!(listed.contains("order") && listed.contains("ORDER"), "{listed}");
    }
    let server = project.start();
    let known = versions(&server);
    assert_eq!(known.len(), 3, "{known:?}");
    let short: Vec<String> = known.iter().map(|version| hash(version)[..8].to_owned()).collect();

    let listed = project.run(&["workflows", "versions", "order"]).good();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 4, "{listed}");
    for (line, short) in lines[1..].iter().zip(&short) {
        assert!(line.starts_with(short.as_str()) && line.contains(FILE), "{listed}");
        assert_eq!(
            line.contains("active"),
            *short == known[0]["definition"].as_str().unwrap()[..8]
        );
    }
    let shown = project.run(&["workflows", "show", "order"]).good();
    assert!(shown.contains(&hash(&known[0])) && shown.contains("- id: two"), "{shown}");

    let diff = project.run(&["workflows", "diff", "order"]).good();
    assert!(diff.contains(&format!("+++ {FILE}  {} (active)", short[0])), "{diff}");
    assert!(
        diff.contains("\n-# with a word about it\n") && diff.contains("\n+  - id: two\n"),
        "{diff}"
    );
    assert!(
        diff.ends_with("the steps are not the same: runs can only go on with what they are on\n")
    );
    let words = ["workflows", "diff", "order", &short[2], &short[1], "--json"];
    let diff = project.run(&words).json();
    assert_eq!((&diff["same_steps"], &diff["old"]), (&json!(true), &known[2]["definition"]));
    assert!(diff["diff"].as_str().is_some_and(|text| text.contains("\n+# with a word about it\n")));

    // Changes on disk that the server does not know.
    let fourth = noted(&third, "not deployed");
    project.write(FILE, &fourth);
    let told = project.run(&["workflows", "diff", "order"]);
    assert!(told.err.contains("postroom workflows diff order active disk"), "{}", told.err);
    let diff = project.run(&["workflows", "diff", "order", "active", "disk"]).good();
    assert!(diff.contains("+++ workflows/order.yaml  on disk\n"), "{diff}");
    let refused = project.run(&["workflows", "rollback", "order", "--yes"]);
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    assert!(refused.err.contains("changes that no version has"), "{}", refused.err);
    assert_eq!(text_of(&project), fourth);
    let refused = project.run(&["workflows", "rollback", "order", "--force"]);
    assert_eq!(refused.code, Some(2), "nobody was asked: {}", refused.err);

    let done = project.run(&["workflows", "rollback", "order", "--force", "--yes"]);
    assert!(done.err.contains("restart `postroom serve`"), "{}", done.err);
    assert!(done.good().contains(&format!("{FILE} is now as in version {}", short[1])));
    assert_eq!(text_of(&project), second);
    // What runs is as it was until it is started anew.
    assert_eq!(versions(&server)[0]["active"], true);
    server.kill();
    let server = project.start();
    let after = versions(&server);
    assert_eq!(after.len(), 3, "no version was added: {after:?}");
    assert!(after[1]["active"] == true && hash(&after[1]) == hash(&known[1]), "{after:?}");
    server.run(&server.send("ORDER", &json!({})), &["succeeded"]);
    assert_eq!(ledger.entries(), ["POST /one"]);
}

#[test]
fn what_cannot_be_meant_or_written_is_said_and_nothing_is_changed() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one"]);
    let project = Project::new("").workflow("order", &first);
    project.run(&["workflows", "list"]).good();
    let only = project.run(&["workflows", "rollback", "order", "--yes"]);
    assert_eq!(only.code, Some(2));
    assert!(only.err.contains("no version before the active one is kept"), "{}", only.err);
    let nothing = project.run(&["workflows", "versions", "ordre"]);
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.err.contains("there is no workflow `ordre`"), "{}", nothing.err);
    let unknown = project.run(&["workflows", "diff", "order", "xyz"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.err);

    // A sibling that the earlier version would go in circles with.
    let circle = "workflow: back\non: [{event: DONE}]\nsteps:\n  - {id: again, emit: ORDER}\n";
    let second = noted(&first, "second");
    let emits = format!("{first}  - {{id: tell, emit: DONE}}\n");
    for text in [&emits, &second] {
        project.write(FILE, text);
        project.run(&["workflows", "list"]).good();
    }
    project.write("workflows/back.yaml", circle);
    let refused = project.run(&["workflows", "rollback", "order", "--yes"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("would not pass `postroom check`; nothing was written"));
    assert!(refused.err.contains("[workflow/emit-circle]"), "{}", refused.err);
    assert_eq!(text_of(&project), second);
}

#[test]
fn a_broken_or_missing_file_is_had_back_without_a_server() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one"]);
    let project = Project::new("").workflow("order", &first);
    project.run(&["workflows", "list"]).good();
    project.write(FILE, "workflow: order\nsteps: nonsense\n");
    assert_eq!(project.run(&["workflows", "list"]).code, Some(2));
    let listed = project.run(&["workflows", "versions", "order"]);
    assert!(listed.err.contains("no version counts as active"), "{}", listed.err);
    assert!(!listed.good().contains("active"));
    let diff = project.run(&["workflows", "diff", "order"]).good();
    assert!(diff.contains("\n+steps: nonsense\n"), "{diff}");
    assert!(diff.ends_with("whether runs could go on is not known\n"), "{diff}");
    assert_eq!(project.run(&["workflows", "rollback", "order", "--yes"]).code, Some(4));
    project.run(&["workflows", "rollback", "order", "--yes", "--force"]).good();
    assert_eq!(text_of(&project), first);

    std::fs::remove_file(project.path().join(FILE)).expect("the file");
    let told = project.run(&["workflows", "show", "order"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let again = project.run(&["workflows", "rollback", "order", "--yes"]).good();
    assert!(again.contains("is not there and will be written"), "{again}");
    assert_eq!(text_of(&project), first);
    project.run(&["workflows", "show", "order"]).good();
}

/// A dead run on a version before the active one, and the server that knows both.
fn dead(ledger: &Ledger, text: &str, newest: &str) -> (Project, Server, String) {
    let project = Project::new("").workflow("order", text);
    let refusal = Ledger::refusal(422, "sold out");
    ledger.double.fault("/one", 1, &Fault::Instead(refusal));
    let server = project.start();
    let run = id(&server.run(&server.send("ORDER", &json!({})), &["dead"]));
    server.kill();
    project.write(FILE, newest);
    let server = project.start();
    (project, server, run)
}

#[test]
fn a_redrive_at_a_terminal_asks_which_version_to_go_on_with() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one", "two"]);
    let (project, server, run) = dead(&ledger, &first, &noted(&first, "mended"));
    let known = versions(&server);
    let short = |at: usize| hash(&known[at])[..8].to_owned();

    let declined = project.run_at_terminal(&["dlq", "redrive", &run], "\n");
    assert_eq!(declined.code, Some(130), "{}", declined.out);
    assert!(declined.out.contains("has the same steps"), "{}", declined.out);
    assert_eq!(server.run_by_id(&run, &["dead"])["redrives"], 0);

    let newest = project.run_at_terminal(&["dlq", "redrive", &run], "newest\n");
    assert!(newest.out.contains(&format!("is queued on version {}", short(0))), "{}", newest.out);
    let ended = server.run_by_id(&run, &["succeeded"]);
    assert_eq!(hash(&ended), hash(&known[0]));
}

#[test]
fn a_redrive_without_a_terminal_goes_on_with_the_same_version() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one", "two"]);
    let (project, server, run) = dead(&ledger, &first, &order(&ledger, &["one", "three"]));
    let known = versions(&server);
    let refused = project.run(&["runs", "retry", &run, "--version", "newest"]);
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    // At a terminal there is only one way to go.
    let declined = project.run_at_terminal(&["runs", "retry", &run], "n\n");
    assert!(declined.out.contains("has other steps: only the same"), "{}", declined.out);
    assert_eq!(declined.code, Some(130), "{}", declined.out);
    let told = project.run(&["dlq", "redrive", "--all", "--yes"]).good();
    assert_eq!(told, "redriven on the version each started with: 1 of 1\n");
    let ended = server.run_by_id(&run, &["succeeded"]);
    assert_eq!(hash(&ended), hash(&known[1]));
    assert_eq!(ledger.entries(), ["POST /one", "POST /two"]);
}

#[test]
fn many_at_a_terminal_are_asked_about_once_and_go_on_with_what_was_answered() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one", "two"]);
    let (project, server, run) = dead(&ledger, &first, &noted(&first, "mended"));
    let declined = project.run_at_terminal(&["dlq", "redrive", "--all"], "same\nn\n");
    assert_eq!(declined.code, Some(130), "{}", declined.out);
    let told = project.run_at_terminal(&["dlq", "redrive", "--all"], "newest\ny\n");
    assert!(told.out.contains("order: 1 run is on version"), "{}", told.out);
    assert!(told.out.contains("redrive 1 dead letter? [y/N]"), "{}", told.out);
    assert!(told.out.contains("redriven on the newest version: 1 of 1"), "{}", told.out);
    let ended = server.run_by_id(&run, &["succeeded"]);
    assert_eq!(hash(&ended), hash(&versions(&server)[0]));
}

#[test]
fn a_rollback_at_a_terminal_shows_what_will_change_and_asks() {
    let ledger = Ledger::start();
    let first = order(&ledger, &["one"]);
    let second = noted(&first, "second");
    let project = Project::new("").workflow("order", &first);
    project.run(&["workflows", "list"]).good();
    project.write(FILE, &second);
    let declined = project.run_at_terminal(&["workflows", "rollback", "order"], "n\n");
    assert_eq!(declined.code, Some(130), "{}", declined.out);
    assert!(declined.out.contains("\u{1b}[31m-# second"), "{:?}", declined.out);
    assert!(declined.out.contains("write this into workflows/order.yaml? [y/N]"));
    assert_eq!(text_of(&project), second);
    let done = project.run_at_terminal(&["workflows", "rollback", "order"], "y\n");
    assert_eq!(done.code, Some(0), "{}", done.out);
    assert_eq!(text_of(&project), first);
}
