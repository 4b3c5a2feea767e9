//! Runs that go through lists, wait, ask and call, in the real program: across restarts, with events
//! and answers that come early, late and twice, and ended in the middle of a call.

mod harness;

use harness::{Answer, Fault, Ledger, Project, Server};
use serde_json::{Value, json};

/// A step that posts to a path of the double, with a key unless it is bare.
fn post(ledger: &Ledger, id: &str, more: &str, bare: bool) -> String {
    let url = format!("{}/{id}", ledger.double.url());
    let key = if bare { "" } else { ", idempotencyHeader: Idempotency-Key" };
    format!(
        "  - {{ id: {id}, {more} uses: http/request, with: {{ url: \"{url}\", method: POST, \
         json: {{ n: 1 }}{key} }} }}\n"
    )
}

fn workflow(name: &str, on: &str, steps: &str) -> String {
    format!("workflow: {name}\non: {on}\nsteps:\n{steps}")
}

/// The journal of a run as `kind step`, or `kind step[item]`.
fn journal(run: &Value) -> Vec<String> {
    let entries = run["journal"].as_array().expect("a journal");
    let text = |entry: &Value| {
        let word = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        let item = entry["item"].as_u64().map(|item| format!("[{item}]")).unwrap_or_default();
        format!("{} {}{item}", word("kind"), word("step"))
    };
    entries.iter().map(text).collect()
}

fn id(run: &Value) -> &str {
    run["id"].as_str().expect("an id")
}

const ASK: &str = "  - { id: ok, approve: { ask: \"Refund ${{ event.data.amount / 100 }} EUR?\", timeout: 2d } }\n";

#[test]
fn a_person_is_asked_and_answers_after_a_restart() {
    let ledger = Ledger::start();
    let steps = format!("{ASK}{}", post(&ledger, "refund", "", false));
    let project = Project::new("").workflow("w", &workflow("refund", "[{event: ASKED}]", &steps));
    let server = project.start();
    let correlation = server.send("ASKED", &json!({"amount": 1250}));
    let run = server.run(&correlation, &["sleeping"]);
    server.kill();
    let server = project.start();
    let asked = server.read("/approvals");
    assert_eq!(asked["data"][0]["ask"], "Refund 12.5 EUR?", "{asked:#}");
    assert_eq!(
        (&asked["data"][0]["run"], &asked["data"][0]["silence"]),
        (&run["id"], &json!("reject"))
    );
    let listed = project.run(&["approvals", "list"]).good();
    assert!(listed.contains("Refund 12.5 EUR?") && listed.contains(id(&run)), "{listed}");
    let shown = project.run(&["runs", "show", id(&run)]).good();
    assert!(shown.contains(&format!("postroom approvals approve {}", id(&run))), "{shown}");
    assert!(ledger.entries().is_empty(), "nothing happens before the answer");
    let said = project.run(&["approvals", "approve", id(&run), "--actor", "ann", "--note", "ok"]);
    assert_eq!(said.out, format!("{} is approved\n", id(&run)));
    said.good();
    let run = server.run_by_id(id(&run), &["succeeded", "dead"]);
    assert_eq!(journal(&run), ["waits ok", "done ok", "done refund", "succeeded -"]);
    assert_eq!(
        (&run["journal"][1]["actor"], &run["journal"][1]["note"]),
        (&json!("ann"), &json!("ok"))
    );
    assert_eq!(ledger.entries(), ["POST /refund"]);
    // Nothing is asked any more.
    let again = server.api("POST", &format!("/runs/{}/approve", id(&run)), "{}");
    again.problem(409, "run/nothing-waits");
    assert_eq!(server.read("/approvals")["data"], json!([]));
    let missing = "/runs/run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b/reject";
    server.api("POST", missing, "{}").problem(404, "api/not-found");
}

#[test]
fn a_refusal_ends_the_run_in_the_name_of_who_refused() {
    let ledger = Ledger::start();
    let steps = format!("{ASK}{}", post(&ledger, "refund", "", false));
    let project = Project::new("").workflow("w", &workflow("refund", "[{event: ASKED}]", &steps));
    let server = project.start();
    let correlation = server.send("ASKED", &json!({"amount": 1250}));
    let run = server.run(&correlation, &["sleeping"]);
    let body = json!({"actor": "bob", "note": "twice", "step": "ok"}).to_string();
    let answer = server.api("POST", &format!("/runs/{}/reject", id(&run)), &body);
    assert_eq!(answer.json()["state"], "cancelled", "{}", answer.text());
    let run = server.run_by_id(id(&run), &["cancelled"]);
    let last = run["journal"].as_array().and_then(|journal| journal.last()).expect("an entry");
    assert_eq!((&last["actor"], &last["note"]), (&json!("bob"), &json!("rejected `ok`: twice")));
    assert!(ledger.entries().is_empty());
}

const PAID: &str = "  - id: paid\n    wait: { event: PAID, if: \"${{ arrived.data.order == \
                    event.data.order }}\", timeout: 3d }\n";

#[test]
fn an_event_is_given_to_the_run_that_waits_for_it() {
    let ledger = Ledger::start();
    let steps = format!("{PAID}{}", post(&ledger, "ship", "", false));
    let project = Project::new("").workflow("w", &workflow("order", "[{event: ORDER}]", &steps));
    let server = project.start();
    let (one, two) =
        (server.send("ORDER", &json!({"order": 1})), server.send("ORDER", &json!({"order": 2})));
    server.run(&one, &["sleeping"]);
    let waits = server.run(&two, &["sleeping"]);
    // Killed, so that whatever is known of who waits is read back.
    server.kill();
    let server = project.start();
    server.send("PAID", &json!({"order": 3}));
    server.send("PAID", &json!({"none": true}));
    let paid = server.send("PAID", &json!({"order": 2, "by": "card"}));
    let run = server.run_by_id(id(&waits), &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let given = &run["journal"][1]["output"];
    assert_eq!(
        (&given["timedOut"], &given["event"]["data"]["by"]),
        (&json!(false), &json!("card"))
    );
    let delivered = server.run(&paid, &["succeeded", "dead"]);
    assert_eq!(delivered["workflow"], "postroom.wake");
    assert_eq!(delivered["output"], json!({"woken": [id(&run)]}));
    assert_eq!(ledger.entries(), ["POST /ship"]);
    server.run(&one, &["sleeping"]);
}

#[test]
fn an_event_that_came_before_the_run_waited_is_not_missed() {
    let ledger = Ledger::start();
    let first = post(&ledger, "invoice", "", false);
    let steps = format!("{first}{PAID}{}", post(&ledger, "ship", "", false));
    let project = Project::new("").workflow("w", &workflow("order", "[{event: ORDER}]", &steps));
    let server = project.start();
    ledger.double.fault("/invoice", 1, &Fault::Hold);
    let correlation = server.send("ORDER", &json!({"order": 1}));
    ledger.double.wait_for_held(1);
    let paid = server.send("PAID", &json!({"order": 1}));
    server.run(&paid, &["succeeded"]);
    ledger.double.release();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(ledger.entries(), ["POST /invoice", "POST /ship"]);
}

#[test]
fn items_that_are_done_stay_done_when_the_process_is_killed() {
    let ledger = Ledger::start();
    let url = ledger.double.url();
    let steps = format!(
        "  - id: each\n    each: ${{{{ event.data.items }}}}\n    concurrency: 2\n    uses: \
         http/request\n    with: {{ url: \"{url}/item/${{{{ item }}}}\", method: POST, \
         idempotencyHeader: Idempotency-Key }}\n"
    );
    let project = Project::new("").workflow("w", &workflow("each", "[{event: MANY}]", &steps));
    let server = project.start();
    ledger.double.fault("/item/c", 1, &Fault::Hold);
    let correlation = server.send("MANY", &json!({"items": ["a", "b", "c", "d", "e"]}));
    // The third is held; one after the other, the rest go on beside it.
    ledger.double.wait_for(5);
    ledger.double.wait_for_held(1);
    server.kill();
    let server = project.start();
    let run = server.run(&correlation, &["succeeded", "dead"]);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let mut entries = ledger.entries();
    entries.sort();
    let all = ["a", "b", "c", "d", "e"].map(|item| format!("POST /item/{item}"));
    assert_eq!(entries, all, "each took effect once");
    let statuses: Vec<&Value> =
        run["output"].as_array().expect("a list").iter().map(|output| &output["status"]).collect();
    assert_eq!(statuses, [201, 201, 201, 201, 201]);
    let items = run["steps"][0]["items"].as_array().expect("items");
    assert!(items.iter().all(|item| item["state"] == "done"), "{run:#}");
    ledger.double.release();
}

#[test]
fn a_called_workflow_is_called_once_and_gives_its_result() {
    let ledger = Ledger::start();
    let caller = "  - { id: pack, call: pack, with: { order: \"${{ event.data.order }}\" } }\n";
    let caller = format!(
        "{}return: {{ parcel: \"${{{{ steps.pack.output.parcel }}}}\" }}\n",
        workflow("order", "[{event: ORDER}]", caller)
    );
    let pack = format!(
        "{}return: {{ parcel: \"P-${{{{ event.data.order }}}}\" }}\n",
        workflow("pack", "call", &post(&ledger, "pack", "", false))
    );
    let project = Project::new("").workflow("a", &caller).workflow("b", &pack);
    let server = project.start();
    ledger.double.fault("/pack", 1, &Fault::Hold);
    let correlation = server.send("ORDER", &json!({"order": 7}));
    ledger.double.wait_for_held(1);
    server.kill();
    let server = project.start();
    let order = || {
        let runs = server.read("/runs?workflow=order");
        runs["data"][0]["id"].as_str().expect("a run").to_owned()
    };
    let run = server.run_by_id(&order(), &["succeeded", "dead"]);
    assert_eq!(run["output"], json!({"parcel": "P-7"}), "{run:#}");
    assert_eq!(run["correlation"].as_str(), Some(correlation.as_str()));
    let packs = server.read("/runs?workflow=pack");
    assert_eq!(packs["data"].as_array().map(Vec::len), Some(1), "{packs:#}");
    assert_eq!(run["journal"][0]["child"], packs["data"][0]["id"]);
    assert_eq!(ledger.entries(), ["POST /pack"]);
    ledger.double.release();
}

#[test]
fn a_redriven_caller_takes_the_result_of_the_run_it_called() {
    let ledger = Ledger::start();
    let caller = "  - { id: pack, call: pack, with: { order: \"${{ event.data.order }}\" } }\n";
    let pack = workflow("pack", "call", &post(&ledger, "pack", "", false));
    let project = Project::new("")
        .workflow("a", &workflow("order", "[{event: ORDER}]", caller))
        .workflow("b", &format!("{pack}return: {{ parcel: P }}\n"));
    let server = project.start();
    ledger.double.fault("/pack", 1, &Fault::Instead(Ledger::refusal(422, "sold out")));
    server.send("ORDER", &json!({"order": 7}));
    let newest = |name: &str, states: &[&str]| {
        let runs = server.read(&format!("/runs?workflow={name}"));
        assert_eq!(runs["data"].as_array().map(Vec::len), Some(1), "{runs:#}");
        server.run_by_id(runs["data"][0]["id"].as_str().expect("a run"), states)
    };
    let order = newest("order", &["dead"]);
    assert_eq!(order["failure"]["failure"]["code"], "run/called-failed", "{order:#}");
    for (name, ends) in [("pack", "succeeded"), ("order", "succeeded")] {
        let run = newest(name, &["dead"]);
        let redriven = server.api("POST", &format!("/dead-letters/{}/redrive", id(&run)), "");
        assert_eq!(redriven.status, 200, "{}", redriven.text());
        newest(name, &[ends]);
    }
    assert_eq!(newest("order", &["succeeded"])["output"], json!({"parcel": "P"}));
    newest("pack", &["succeeded"]);
    assert_eq!(ledger.entries(), ["POST /pack"]);
}

/// A run of two calls that is cancelled by ann while the first is held, with the answer to that.
fn cancelled_while_held(ledger: &Ledger, bare: bool) -> (Project, Server, String, Answer) {
    let steps = format!("{}{}", post(ledger, "one", "", bare), post(ledger, "two", "", bare));
    let project = Project::new("").workflow("w", &workflow("order", "[{event: ORDER}]", &steps));
    let server = project.start();
    ledger.double.fault("/one", 1, &Fault::Hold);
    let correlation = server.send("ORDER", &json!({"order": 1}));
    ledger.double.wait_for_held(1);
    let run = id(&server.run(&correlation, &["queued", "running"])).to_owned();
    let body = json!({"actor": "ann", "note": "wrong"}).to_string();
    let answer = server.api("POST", &format!("/runs/{run}/cancel"), &body);
    (project, server, run, answer)
}

#[test]
fn a_cancelled_run_cuts_off_what_may_be_repeated() {
    let ledger = Ledger::start();
    let (_project, server, run, answer) = cancelled_while_held(&ledger, false);
    assert_eq!(answer.json()["state"], "cancelled", "{}", answer.text());
    let run = server.run_by_id(&run, &["cancelled"]);
    assert_eq!(journal(&run), ["aborted one", "cancelled -"], "{run:#}");
    ledger.double.release();
    assert_eq!(ledger.double.lines(), ["POST /one"]);
}

#[test]
fn a_cancelled_run_waits_for_what_may_not_be_repeated() {
    let ledger = Ledger::start();
    let (_project, server, run, answer) = cancelled_while_held(&ledger, true);
    assert_eq!(answer.json()["cancelling"]["actor"], "ann", "{}", answer.text());
    assert_eq!(answer.json()["state"], "running");
    // Said once more, it is answered without waiting for the call.
    let answer = server.api("POST", &format!("/runs/{run}/cancel"), "{}");
    assert_eq!(answer.json()["cancelling"]["actor"], "ann", "{}", answer.text());
    ledger.double.release();
    let run = server.run_by_id(&run, &["cancelled"]);
    assert_eq!(journal(&run), ["intent one", "cancelling -", "done one", "cancelled -"], "{run:#}");
    assert_eq!(ledger.double.lines(), ["POST /one"], "and nothing after it");
}

#[test]
fn a_run_whose_time_is_over_is_a_dead_letter() {
    let ledger = Ledger::start();
    let steps = format!(
        "{}on_failure:\n{}",
        post(&ledger, "one", "", false),
        post(&ledger, "sorry", "", false)
    );
    let text = workflow("order", "[{event: ORDER}]\ntimeout: 300ms", &steps);
    let project = Project::new("").workflow("w", &text);
    let server = project.start();
    ledger.double.fault("/one", 1, &Fault::Hold);
    let correlation = server.send("ORDER", &json!({"order": 1}));
    let run = server.run(&correlation, &["dead"]);
    assert_eq!(run["failure"]["reason"], "timeout", "{run:#}");
    assert_eq!(run["failure"]["failure"]["code"], "run/timeout");
    assert_eq!(journal(&run), ["aborted one", "done sorry", "dead -"]);
    ledger.double.release();
    // The whole time again.
    let redriven = server.api("POST", &format!("/dead-letters/{}/redrive", id(&run)), "");
    assert_eq!(redriven.status, 200, "{}", redriven.text());
    server.run_by_id(id(&run), &["succeeded"]);
}
