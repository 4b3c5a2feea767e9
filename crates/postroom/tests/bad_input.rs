//! Bad input of every kind gets a clear answer with a stable code, and nothing of it is kept.

mod harness;

use harness::{Project, Server};
use serde_json::json;

const PATH: &str = "/api/webhooks/ingest";

fn stored(server: &Server) -> usize {
    server.read("/events")["data"].as_array().map_or(0, Vec::len)
}

#[test]
fn bodies_that_cannot_be_taken_are_refused_with_a_code() {
    let (_project, server) = Project::new("").start_kept();
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"event":"A","payload":{{"x":{open}{close}}}}}"#)
    };
    let long = format!(r#"{{"event":"{}","payload":{{}}}}"#, "x".repeat(300));
    let cases: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"".to_vec(), 400, "request/malformed-json"),
        (b"{".to_vec(), 400, "request/malformed-json"),
        (b"{\"event\":\"A\",\n\"payload\":{,}}".to_vec(), 400, "request/malformed-json"),
        (b"[]".to_vec(), 400, "request/bad-envelope"),
        (b"[\"A\", {}]".to_vec(), 400, "request/bad-envelope"),
        (b"\x00".to_vec(), 400, "request/malformed-json"),
        (b"{\"event\":\"\xff\",\"payload\":{}}".to_vec(), 400, "request/not-utf8"),
        (b"{\"event\":7,\"payload\":{}}".to_vec(), 400, "request/bad-envelope"),
        (b"{\"event\":\"A\",\"payload\":[]}".to_vec(), 400, "request/bad-envelope"),
        (b"{\"event\":\"A\",\"payload\":\"x\"}".to_vec(), 400, "request/bad-envelope"),
        (b"{\"event\":\"\",\"payload\":{}}".to_vec(), 400, "request/bad-envelope"),
        (b"{\"event\":\"a\\u0000b\",\"payload\":{}}".to_vec(), 400, "request/bad-envelope"),
        (
            b"{\"event\":\"A\",\"payload\":{\"idempotencyKey\":7}}".to_vec(),
            400,
            "request/bad-envelope",
        ),
        (b"{\"event\":\"a\\ud800\",\"payload\":{}}".to_vec(), 400, "request/bad-envelope"),
        (
            b"{\"event\":\"A\",\"payload\":{\"idempotencyKey\":\"\\udc00\"}}".to_vec(),
            400,
            "request/bad-envelope",
        ),
        (long.into_bytes(), 400, "request/bad-envelope"),
        (deep(100).into_bytes(), 400, "request/too-deep"),
        (deep(5_000).into_bytes(), 400, "request/too-deep"),
    ];
    let json = [("content-type", "application/json")];
    for (body, status, code) in cases {
        let answer = server.client.request("POST", PATH, &json, &body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        let detail = answer.problem(status, code);
        assert!(!detail.is_empty(), "{shown}");
    }
    assert_eq!(server.client.request("POST", PATH, &json, deep(60).as_bytes()).status, 202);
    assert_eq!(stored(&server), 1);
}

#[test]
fn a_malformed_body_is_told_where_it_breaks() {
    let (_project, server) = Project::new("").start_kept();
    let answer = server.post("{\"event\":\"A\",\n\"payload\":{,}}");
    let detail = answer.problem(400, "request/malformed-json");
    assert!(detail.contains("line 2 column 12"), "{detail}");
}

#[test]
fn a_body_over_the_limit_is_refused_whole() {
    let (_project, server) = Project::new("").start_kept();
    let big = json!({ "event": "A", "payload": { "x": "y".repeat(10 << 20) } }).to_string();
    server.post(&big).problem(413, "request/body-too-large");
    let chunk = "a".repeat(4096);
    let mut raw = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..600 {
        raw.push_str(&format!("1000\r\n{chunk}\r\n"));
    }
    raw.push_str("0\r\n\r\n");
    let answer = server.client.raw(raw.as_bytes()).expect("an answer");
    answer.problem(413, "request/body-too-large");
    assert_eq!(stored(&server), 0);
    assert_eq!(server.post(r#"{"event":"A","payload":{}}"#).status, 202);
}

#[test]
fn a_body_announced_to_be_too_large_is_not_waited_for() {
    let (_project, server) = Project::new("server:\n  maxBodyBytes: 1024\n").start_kept();
    let bearer = format!("authorization: Bearer {}\r\n", server.token);
    for (path, header) in [
        (PATH, ""),
        (PATH, "expect: 100-continue\r\n"),
        ("/api/v1/dead-letters/discard", bearer.as_str()),
    ] {
        // Of the body not one byte is sent.
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\n{header}content-length: 1025\r\n\r\n");
        let answer = server.client.raw(head.as_bytes()).expect("an answer");
        let detail = answer.problem(413, "request/body-too-large");
        assert_eq!(detail, "the body is larger than 1024 bytes");
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
    }
    assert_eq!(server.post(r#"{"event":"A","payload":{}}"#).status, 202);
}

#[test]
fn queries_paths_and_ids_are_checked() {
    let (_project, server) = Project::new("").start_kept();
    for (path, status, code) in [
        ("/runs?stat=dead", 400, "request/bad-query"),
        ("/runs?state=deadd", 400, "request/bad-query"),
        ("/runs?limit=0", 400, "request/bad-query"),
        ("/runs?cursor=nope", 400, "request/bad-query"),
        ("/runs?workflow=%ff", 400, "request/bad-query"),
        ("/events/%ff", 400, "request/bad-query"),
        ("/runs/%ff", 400, "request/bad-query"),
        ("/events/evt_1", 400, "request/bad-query"),
        ("/events/evt_01a20b12762970008 59dd258b8bed787", 400, "request/bad-query"),
        ("/runs/run_00000000000000000000000000000000", 404, "api/not-found"),
        ("/nothing", 404, "api/not-found"),
    ] {
        let answer = server.api("GET", &path.replace(' ', "%20"), "");
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        answer.problem(status, code);
    }
    server.client.get("/nothing").problem(404, "api/not-found");
    server.client.get(PATH).problem(405, "api/method-not-allowed");
}

/// A configuration or workflow that must be refused, and what must be said of it.
fn refused(config: &str, workflow: Option<&str>, says: &[&str]) {
    let mut project = Project::new(config);
    if let Some(workflow) = workflow {
        project = project.workflow("own", workflow);
    }
    let refused = project.refused();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for text in says {
        assert!(refused.text.contains(text), "{text} is not said:\n{}", refused.text);
    }
}

#[test]
fn configurations_that_mean_nothing_are_refused_with_their_place() {
    refused("queu:\n  name: x\n", None, &["yaml:1:1", "config/unknown-key", "`queue`"]);
    refused("queue:\n  nam: x\n", None, &["yaml:2:3", "config/unknown-key", "`name`"]);
    refused("queue:\n  name: ${NOT_SET_AT_ALL}\n", None, &["config/missing-env", "NOT_SET_AT_ALL"]);
    refused("queue:\n  name: a\n  name: b\n", None, &["yaml:3:3", "yaml/syntax"]);
    refused("queue:\n  name: \"a\\ud800\"\n", None, &["yaml:2:9", "yaml/syntax", "surrogate"]);
    refused("queue:\n\tname: a\n", None, &["yaml/syntax"]);
    refused(
        "adapters:\n  - {name: a, provider: strip}\n",
        None,
        &["workflow/unknown-adapter", "`stripe`"],
    );
    refused(
        "connections:\n  a: {provider: slack, rateLimit: {maxRequests: 0, windowMs: 5}}\n",
        None,
        &["config/out-of-range"],
    );
}

fn workflow(steps: &str) -> String {
    format!("workflow: own\non:\n  - event: A\nsteps:\n{steps}")
}

#[test]
fn workflows_that_cannot_run_are_refused_with_their_place() {
    let echo = "    uses: local/echo\n";
    let cases = [
        (
            format!("  - id: a\n{echo}    whith: {{}}\n"),
            "config/unknown-key",
            "did you mean `with`",
        ),
        (format!("  - id: a\n{echo}  - id: a\n{echo}"), "config/duplicate-name", "own.yaml:7:9"),
        (
            format!("  - id: a\n{echo}    needs: [b]\n  - id: b\n{echo}    needs: [a]\n"),
            "workflow/needs-cycle",
            "a -> b -> a",
        ),
        (
            format!("  - id: a\n{echo}    with: {{ x: \"${{{{ event.data. }}}}\" }}\n"),
            "expr/",
            "own.yaml:7:",
        ),
        (
            format!("  - id: a\n{echo}    with: {{ x: \"\\udfff\" }}\n"),
            "yaml/syntax",
            "own.yaml:7:",
        ),
        (
            format!("  - id: a\n{echo}    with: {{ x: '${{{{ \"\\ud800\" }}}}' }}\n"),
            "expr/",
            "own.yaml:7:",
        ),
        ("  - id: a\n    uses: local/ecko\n".to_owned(), "workflow/unknown-action", "echo"),
        ("  - id: a\n    uses: nobody/knows\n".to_owned(), "workflow/unknown-adapter", "nobody"),
        (
            format!("  - id: a\n{echo}    connection: mine\n"),
            "workflow/unknown-connection",
            "`mine`",
        ),
    ];
    for (steps, code, says) in cases {
        refused("", Some(&workflow(&steps)), &[code, says]);
    }
}

#[test]
fn two_workflows_of_one_name_are_refused() {
    let text = workflow("  - id: a\n    uses: local/echo\n");
    let refused = Project::new("").workflow("one", &text).workflow("two", &text).refused();
    assert_eq!(refused.code, Some(2));
    assert!(refused.text.contains("config/duplicate-name"), "{}", refused.text);
}
