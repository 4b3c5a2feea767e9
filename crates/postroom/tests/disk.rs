//! A disk that is full: ingest says so and takes nothing, the process lives, and goes on by itself
//! when there is room again. A data folder belongs to one process.

mod harness;

use std::process::Command;

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
    assert_eq!(server.client.get("/readyz").status, 503);
    assert_eq!(server.client.get("/healthz").status, 200);
    assert!(server.lives());

    let pid = server.pid().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.is_ok_and(|status| status.success()), "prlimit cannot raise the limit");
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
fn a_second_process_on_the_same_data_is_refused() {
    let project = Project::new("");
    let _server = project.start();
    let refused = project.refused();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let folder = project.data().display().to_string();
    assert!(refused.text.contains(&folder) && refused.text.contains("store/locked"), "{refused:?}");
}
