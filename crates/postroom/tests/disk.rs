//! A disk that is full: ingest says so and takes nothing, the process lives, and goes on by itself
//! when there is room again. A data folder belongs to one process.

mod harness;

use harness::{Project, Server};
use serde_json::json;

const WORKFLOW: &str = "\
workflow: keep
on:
  - event: NOTE
steps:
  - id: keep
    uses: local/echo
    with: { n: \"${{ event.data.n }}\" }
";

fn post(server: &Server, number: usize) -> harness::Answer {
    let filler = "x".repeat(4_000);
    let payload = json!({ "n": number, "filler": filler });
    server.post(&json!({ "event": "NOTE", "payload": payload }).to_string())
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_recovers() {
    // 4,000 blocks of 512 bytes: 2 MB for each file.
    let project = Project::new("").workflow("keep", WORKFLOW).file_blocks(4_000);
    let mut server = project.start();
    let mut acknowledged = Vec::new();
    let refusal = (0..5_000).find_map(|number| {
        let answer = post(&server, number);
        if answer.status != 202 {
            return Some(answer);
        }
        let correlation = answer.json()["correlationId"].as_str().expect("an id").to_owned();
        acknowledged.push(correlation);
        None
    });
    let refusal = refusal.expect("2 MB are full before 5,000 events of 4 kB");
    refusal.problem(503, "store/unavailable");
    assert!(refusal.header("retry-after").is_some());
    // What is left of the 2 MB may hold the small write of a run, which ends the failing again.
    server.bound_files(Some(0));
    post(&server, 5_000).problem(503, "store/unavailable");
    assert_eq!(server.client.get("/readyz").status, 503);
    assert_eq!(server.client.get("/healthz").status, 200);
    assert!(server.lives());

    server.bound_files(None);
    let answer = post(&server, 9_999);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(server.client.get("/readyz").status, 200);
    server.kill();

    let project = project.unbounded();
    let server = project.start();
    assert!(!acknowledged.is_empty());
    for correlation in &acknowledged {
        let run = server.run(correlation, &["succeeded", "dead"]);
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
}

#[test]
fn a_data_folder_that_cannot_be_written_for_a_while_is_told_and_found_again() {
    // A bound that is never reached; it makes the process outlive the one that follows.
    let project = Project::new("").workflow("keep", WORKFLOW).file_blocks(1 << 20);
    let mut server = project.start();
    let first = post(&server, 1);
    assert_eq!(first.status, 202, "{}", first.text());
    let correlation = first.json()["correlationId"].as_str().expect("an id").to_owned();
    let run = server.run(&correlation, &["succeeded"]);

    server.bound_files(Some(0));
    let replay = format!("/events/{}/replay", run["event"].as_str().expect("an id"));
    for answer in [post(&server, 2), server.api("POST", &replay, "")] {
        answer.problem(503, "store/unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    let ready = server.client.get("/readyz");
    assert_eq!((ready.status, ready.header("retry-after")), (503, Some("5")));
    assert_eq!(server.client.get("/healthz").status, 200);
    assert_eq!(server.read("/runs")["data"].as_array().map(Vec::len), Some(1));
    let told = |text| server.log.wait_for(text, |line| line.contains(text)).is_some();
    assert!(told("the store cannot write"));
    assert!(server.read("/stats")["failing"].is_string());

    // Nobody sends anything: it finds out by itself.
    server.bound_files(None);
    assert!(told("the store writes again"));
    assert_eq!(server.client.get("/readyz").status, 200);
    assert_eq!(post(&server, 3).status, 202);
    assert!(server.lives());
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let project = Project::new("");
    let _server = project.start();
    let refused = project.refused();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let folder = project.data().display().to_string();
    assert!(refused.text.contains(&folder) && refused.text.contains("store/locked"), "{refused:?}");
}
