//! Where secrets come from, and that they change while a server runs: the real binary, a double of
//! Stripe that writes down which key each call came with.

mod harness;

use std::process::Command;

use harness::{Double, Fault, Project, Reply, Server, Stripe, unix_seconds};
use serde_json::json;

fn invoice(server: &Server, states: &[&str]) -> serde_json::Value {
    let payload = json!({"customerId": "cus_1", "amount": 5, "currency": "usd"});
    server.run(&server.send("CREATE_STRIPE_INVOICE", &payload), states)
}

/// The key of the newest call.
fn key(double: &Double) -> String {
    let calls = double.received();
    let header = calls.last().and_then(|call| call.header("authorization"));
    header.expect("a call with a key").replace("Bearer ", "")
}

fn read_again(server: &Server, times: usize) {
    let fits = |line: &str| line.contains("secrets were read again");
    server.log.wait_for_nth(times, "secrets read again", fits).expect("it goes on");
}

#[test]
fn a_key_in_a_file_is_replaced_while_the_server_runs() {
    let stripe = Stripe::start();
    let config = format!("{}secrets: {{ directory: run }}\n", stripe.adapter());
    let project = Project::new(&config).file(".env", "STRIPE_API_KEY=sk_first_4711\n");
    let server = project.start();
    invoice(&server, &["succeeded"]);
    assert_eq!(key(&stripe.double), "sk_first_4711");
    project.write(".env", "STRIPE_API_KEY=sk_second_4711\n");
    read_again(&server, 1);
    invoice(&server, &["succeeded"]);
    assert_eq!(key(&stripe.double), "sk_second_4711");
    // Gone from there, and in the folder of secrets instead.
    project.write(".env", "");
    project.write("run/stripe_api_key", "sk_third_4711\n");
    read_again(&server, 2);
    // Both are one change or two, as it happens; the signal settles it.
    let status = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot signal");
    server.log.wait_for("SIGHUP", |line| line.contains("SIGHUP: secrets")).expect("it goes on");
    // What a provider repeats of the first key stays out of everything.
    let words = "no such key: sk_first_4711 or sk_third_4711";
    let refusal = Stripe::refusal(401, "invalid_request_error", "api_key_invalid", words);
    stripe.double.fault("POST", 1, &Fault::Instead(refusal));
    let run = invoice(&server, &["dead"]);
    assert_eq!(key(&stripe.double), "sk_third_4711");
    let told = run["failure"]["failure"]["message"].as_str().expect("a message");
    assert_eq!(told, "no such key: *** or ***");
    assert!(server.log.having("_4711").is_empty(), "{}", server.log.text());
}

#[test]
fn a_signing_secret_in_the_sealed_file_is_replaced_and_the_old_one_counts_for_a_while() {
    const NAME: &str = "STRIPE_WEBHOOK_SECRET";
    let config = "adapters: [{name: shop, provider: stripe, endpoint: /hooks}]\n";
    let project = Project::new(config);
    let recipient = project.run(&["secrets", "init"]).good();
    assert!(recipient.starts_with("age1"), "{recipient}");
    let mode = std::fs::metadata(project.path().join("secrets.key")).expect("the key");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    let ignored = std::fs::read_to_string(project.path().join(".gitignore")).expect("ignored");
    assert_eq!(ignored, "/secrets.key\n");
    project.run_with(&["secrets", "set", NAME], "whsec_old_4711\n").good();
    let server = project.start();
    let post = |secret: &str, id: &str| {
        let body = json!({"id": id, "type": "invoice.paid", "created": 1}).to_string();
        let signature = Stripe::signature(secret, unix_seconds(), &body);
        let headers = [("stripe-signature", signature.as_str())];
        server.client.request("POST", "/hooks", &headers, body.as_bytes()).status
    };
    assert_eq!((post("whsec_old_4711", "evt_1"), post("whsec_new_4711", "evt_2")), (202, 401));
    let rotated = project.run_with(&["secrets", "rotate", NAME, "--keep", "1d"], "whsec_new_4711");
    assert!(rotated.err.contains("is taken until"), "{}", rotated.err);
    read_again(&server, 1);
    assert_eq!((post("whsec_old_4711", "evt_3"), post("whsec_new_4711", "evt_4")), (202, 202));
    let listed = project.run(&["secrets", "list"]).good();
    assert!(listed.contains("secrets.age (sealed)"), "{listed}");
    assert!(listed.contains("the old value counts until"), "{listed}");
    // Set anew, there is no old value any more.
    project.run_with(&["secrets", "set", NAME], "whsec_last_4711").good();
    read_again(&server, 2);
    assert_eq!((post("whsec_new_4711", "evt_5"), post("whsec_last_4711", "evt_6")), (401, 202));
    let sealed = std::fs::read_to_string(project.path().join("secrets.age")).expect("sealed");
    let said = [rotated.out, rotated.err, listed, sealed, server.log.text()].concat();
    assert!(!said.contains("4711"), "{said}");
}

#[test]
fn without_its_key_a_sealed_file_stops_the_server_and_not_the_check() {
    let project = Project::new("");
    project.run(&["secrets", "init"]).good();
    project.run_with(&["secrets", "set", "A"], "value-of-a").good();
    let path = project.path().join("secrets.key");
    let key = std::fs::read_to_string(&path).expect("the key");
    std::fs::remove_file(&path).expect("the key goes");
    let refused = project.refused();
    assert_eq!(refused.code, Some(2));
    assert!(refused.text.contains("secrets/no-key"), "{}", refused.text);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(checked.err.contains("no key is at hand"), "{}", checked.err);
    let other = "AGE-SECRET-KEY-17AXC5MCGRDLGK2Z3A9F37WC6GQFD3UV5X3M7UZJFANEMKZCKNJ9S97S0QT";
    let project = project.env("POSTROOM_AGE_KEY", other);
    let listed = project.run(&["secrets", "list"]);
    assert!(listed.err.contains("does not open"), "{}", listed.err);
    let secret = key.lines().last().expect("the key");
    let project = project.env("POSTROOM_AGE_KEY", secret);
    let listed = project.run(&["secrets", "list"]).good();
    assert!(listed.contains("secrets.age (sealed)") && !listed.contains("value-of"), "{listed}");
    let server = project.start();
    assert!(server.log.having(secret).is_empty());
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one() {
    let project = Project::new("");
    let first = project.run(&["secrets", "init"]).good();
    project.run_with(&["secrets", "set", "A"], "value-of-a").good();
    let old = std::fs::read_to_string(project.path().join("secrets.key")).expect("the key");
    let second = project.run(&["secrets", "rotate", "--new-key"]).good();
    assert_ne!(first, second);
    let recipients = project.path().join("secrets.recipients");
    let recipients = std::fs::read_to_string(recipients).expect("recipients");
    assert!(recipients.contains(second.trim()) && !recipients.contains(first.trim()));
    assert!(project.run(&["secrets", "list"]).good().contains("sealed"));
    project.write("secrets.key", &old);
    assert!(project.run(&["secrets", "list"]).err.contains("does not open"));
}

#[test]
fn an_editor_opens_what_is_sealed_and_nothing_of_it_stays_behind() {
    let project = Project::new("");
    project.run(&["secrets", "init"]).good();
    project.run_with(&["secrets", "set", "A"], "value-of-a").good();
    let open = project.path().join("open");
    std::fs::create_dir(&open).expect("a folder");
    let project = project.env("XDG_RUNTIME_DIR", &open.display().to_string());
    let left = || std::fs::read_dir(&open).expect("the folder").count();
    let mode = "test $(stat -c %a \"$1\") = 600";
    let edit = |script: &str| {
        project.write("editor.sh", &format!("{mode} || exit 9\n{script}\n"));
    };
    let project = &project;
    let run = |script: &str| {
        edit(script);
        let editor = format!("sh {}", project.path().join("editor.sh").display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
        command.args(["secrets", "edit"]).current_dir(project.path()).env("EDITOR", editor);
        command.env("XDG_RUNTIME_DIR", &open).stdin(std::process::Stdio::null());
        let ended = command.output().expect("it starts");
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    assert_eq!(
        run("sed -i 's/value-of-a/changed/' \"$1\"; echo 'B: \"new-b\"' >> \"$1\"").0,
        Some(0)
    );
    assert_eq!(left(), 0);
    let listed = project.run(&["secrets", "list", "--json"]).json();
    let names: Vec<_> =
        listed["data"].as_array().expect("rows").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["A", "B"]);
    let (code, said) = run("echo 'C: 12345678' >> \"$1\"");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("in quotes") && !said.contains("12345678"), "{said}");
    assert_eq!(run("exit 3").0, Some(2));
    assert_eq!(left(), 0);
    let listed = project.run(&["secrets", "list", "--json"]).json();
    assert_eq!(listed["data"].as_array().expect("rows").len(), 2);
}

#[test]
fn check_says_where_names_are_found_and_never_a_value() {
    let stripe = "adapters: [{name: shop, provider: stripe, endpoint: /hooks}]\n\
                  server: { ingestToken: INGEST }\n";
    let project = Project::new(stripe).env("STRIPE_API_KEY", "sk_test_4711");
    let project = project.file(".env", "STRIPE_API_KEY=sk_other_4711\nINGEST=ingest_4711\n");
    let checked = project.run(&["check"]);
    let said = format!("{}{}", checked.out, checked.err);
    assert_eq!(checked.code, Some(0), "{said}");
    assert!(said.contains("STRIPE_API_KEY from the environment"), "{said}");
    assert!(said.contains("INGEST from .env"), "{said}");
    assert!(said.contains("secrets not set: STRIPE_WEBHOOK_SECRET"), "{said}");
    assert!(said.contains("STRIPE_API_KEY is in .env too, which does not count"), "{said}");
    assert!(!said.contains("4711"), "{said}");
    let json = project.run(&["check", "--json"]).json();
    assert_eq!(json["secrets"][0]["name"], "INGEST");
    assert_eq!(json["secrets"][0]["from"], ".env");
}

#[test]
fn a_call_without_its_secret_names_it() {
    let double = Double::answering(Reply::json(200, &json!({})));
    let config =
        format!("adapters:\n  - {{name: shop, provider: stripe, baseUrl: \"{}\"}}\n", double.url());
    let project = Project::new(&config);
    let server = project.start();
    let run = invoice(&server, &["dead"]);
    let failure = &run["failure"]["failure"];
    assert_eq!(failure["code"], "connection/credential-missing");
    let hint = failure["hint"].as_str().expect("a hint");
    assert!(hint.contains("postroom secrets set STRIPE_API_KEY"), "{hint}");
    assert!(double.received().is_empty());
}
