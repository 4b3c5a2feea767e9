//! Where requests may go and how much of an answer is waited for and read, with the real binary.

mod harness;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use harness::{Certificate, Double, Fault, Project, Reply, Server};
use serde_json::{Value, json};

/// A workflow that calls what the event says.
const CALL: &str = "workflow: call\non: [{event: CALL}]\nsteps:\n  - id: get\n    uses: \
                    http/request\n    timeout: 1s\n    retry: {attempts: 2, delay: 1ms}\n    \
                    with: {url: \"${{ event.data.url }}\", method: \
                    \"${{ event.data?.method ?? 'GET' }}\"}\n";

fn double() -> Double {
    Double::answering(Reply::json(200, &json!({"ok": true})))
}

fn started(config: &str) -> (Project, Server) {
    Project::new(config).workflow("call", CALL).start_kept()
}

fn called(server: &Server, url: &str) -> Value {
    server.run(&server.send("CALL", &json!({"url": url})), &["succeeded", "dead", "unknown"])
}

/// The last failure of a run.
fn failure(run: &Value) -> &Value {
    let entries = run["journal"].as_array().expect("a journal");
    let found = entries.iter().rev().map(|entry| &entry["failure"]).find(|it| it.is_object());
    found.unwrap_or_else(|| panic!("no failure: {run:#}"))
}

/// How often the step of a run was tried.
fn attempts(run: &Value) -> u64 {
    let entries = run["journal"].as_array().expect("a journal").iter();
    entries.filter_map(|entry| entry["attempt"].as_u64()).max().unwrap_or(0)
}

#[test]
fn an_event_reaches_no_machine_behind_the_door() {
    let double = double();
    let port = double.address.port();
    let (_project, server) = started("");
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::1]",
        "[::]",
        "[64:ff9b::127.0.0.1]",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "app.localhost",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "192.168.0.1",
    ] {
        let run = called(&server, &format!("http://{host}:{port}/latest/meta-data"));
        assert_eq!(run["state"], "dead", "{host}: {run:#}");
        let failure = failure(&run);
        // A name that nobody gave an address is not there, which is as good.
        if host == "app.localhost" && failure["code"] == "call/not-sent" {
            continue;
        }
        assert_eq!(failure["code"], "call/blocked-address", "{host}: {run:#}");
        assert_eq!(attempts(&run), 1, "{host}: {run:#}");
        let hint = failure["hint"].as_str().expect("a hint");
        assert!(hint.contains("`allow: [\"") && hint.contains("connection `http`"), "{hint}");
    }
    assert_eq!(double.received().len(), 0);
}

#[test]
fn a_connection_allows_more() {
    let double = double();
    let port = double.address.port();
    for (entry, host, passes) in [
        ("127.0.0.0/8", "127.0.0.1", true),
        ("127.0.0.0/8", "localhost", true),
        ("127.0.0.0/8", "[::ffff:127.0.0.1]", true),
        ("127.0.0.1", "2130706433", true),
        ("localhost", "localhost", true),
        ("localhost", "127.0.0.1", false),
        (&format!("127.0.0.1:{port}"), "127.0.0.1", true),
        ("127.0.0.1:1", "127.0.0.1", false),
        ("10.0.0.0/8", "127.0.0.1", false),
    ] {
        let config = format!("connections: {{web: {{provider: http, allow: [\"{entry}\"]}}}}\n");
        let (_project, server) = started(&config);
        let run = called(&server, &format!("http://{host}:{port}/"));
        if passes {
            assert_eq!(run["state"], "succeeded", "{entry} {host}: {run:#}");
        } else {
            assert_eq!(failure(&run)["code"], "call/blocked-address", "{entry} {host}: {run:#}");
        }
    }
}

#[test]
fn what_one_connection_may_reach_is_no_way_for_another() {
    let double = double();
    let (port, url) = (double.address.port(), double.url());
    // `own` writes its address down; `web` is given it by the event; both have one host.
    let flow = "workflow: both\non: [{event: BOTH}]\nsteps:\n  - {id: own, uses: http/request, \
                connection: own, with: {url: /a}}\n  - {id: other, uses: http/request, connection: \
                web, with: {url: \"${{ event.data.url }}\"}}\n";
    let config = format!(
        "connections:\n  own: {{provider: http, baseUrl: \"http://localhost:{port}\"}}\n  web: \
         {{provider: http}}\n"
    );
    let (_project, server) = Project::new(&config).workflow("both", flow).start_kept();
    for given in [format!("http://localhost:{port}/b"), format!("{url}/b")] {
        let correlation = server.send("BOTH", &json!({"url": given}));
        let run = server.run(&correlation, &["succeeded", "dead"]);
        assert_eq!(failure(&run)["code"], "call/blocked-address", "{run:#}");
    }
    assert_eq!(double.lines(), ["GET /a", "GET /a"]);
}

#[test]
fn what_stands_in_a_workflow_is_meant_and_nothing_that_is_put_into_it() {
    let double = double();
    let (port, url) = (double.address.port(), double.url());
    let step = |id: &str, url: &str| {
        format!(
            "  - {{id: {id}, uses: http/request, if: \"${{{{ event.data.step == '{id}' }}}}\", with: {{url: \"{url}\"}}}}\n"
        )
    };
    let flow = format!(
        "workflow: w\non: [{{event: W}}]\nsteps:\n{}{}{}",
        step("path", &format!("{url}/a/${{{{ event.data.x }}}}")),
        step("port", "http://127.0.0.1:${{ event.data.x }}"),
        step("host", "http://${{ event.data.x }}/"),
    );
    let (_project, server) = Project::new("").workflow("w", &flow).start_kept();
    for (step, x, state) in [
        ("path", "b".to_owned(), "succeeded"),
        ("port", port.to_string(), "dead"),
        ("host", format!("127.0.0.1:{port}"), "dead"),
    ] {
        let correlation = server.send("W", &json!({"step": step, "x": x}));
        let run = server.run(&correlation, &["succeeded", "dead"]);
        assert_eq!(run["state"], state, "{run:#}");
    }
    assert_eq!(double.lines(), ["GET /a/b"]);
}

/// Serves one connection after the other as it is told, each once its request has come.
fn serving(serve: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            // Whoever asks may go away at any time.
            let _ = stream.read(&mut head);
            let _ = serve(&mut stream);
        }
    });
    address
}

fn near(address: SocketAddr) -> (Project, Server) {
    started(&format!("connections: {{web: {{provider: http, baseUrl: \"http://{address}\"}}}}\n"))
}

#[test]
fn an_answer_without_end_is_not_waited_for() {
    // A byte at a time, for as long as somebody listens.
    let address = serving(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")?;
        stream.set_nodelay(true)?;
        loop {
            stream.write_all(b" ")?;
            // The pace of the trickle, not a wait for anything.
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
    });
    let (_project, server) = near(address);
    let run = called(&server, "/slow");
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(failure(&run)["code"], "call/timeout", "{run:#}");
    assert_eq!(attempts(&run), 2, "{run:#}");
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for() {
    let double = double();
    double.fault("/", 2, &Fault::HoldAnswer);
    let (_project, server) = near(double.address);
    let run = called(&server, "/held");
    assert_eq!(failure(&run)["code"], "call/timeout", "{run:#}");
    double.release();
}

#[test]
fn an_answer_that_is_too_large_is_not_asked_for_again() {
    let address = serving(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        let chunk = vec![b' '; 1 << 20];
        loop {
            stream.write_all(&chunk)?;
        }
    });
    let (_project, server) = near(address);
    let run = called(&server, "/large");
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(failure(&run)["code"], "call/answer-too-large", "{run:#}");
    assert_eq!(attempts(&run), 1, "{run:#}");

    // It has taken effect: nobody may say that it has not.
    let correlation = server.send("CALL", &json!({"url": "/large", "method": "POST"}));
    let run = server.run(&correlation, &["dead", "unknown"]);
    let last = run["journal"].as_array().expect("a journal");
    assert!(last.iter().any(|entry| entry["kind"] == "unknown"), "{run:#}");
}

#[test]
fn a_redirect_is_not_followed() {
    let inside = double();
    let away = Reply::json(302, &json!({})).with("location", &inside.url());
    let outside = Double::answering(away);
    let (_project, server) = near(outside.address);
    let run = called(&server, "/moved");
    assert_eq!(failure(&run)["code"], "http/redirect", "{run:#}");
    assert_eq!(inside.received().len(), 0);
}

#[test]
fn a_certificate_is_believed_where_its_authority_is() {
    let certificate = Arc::new(Certificate::new());
    let pem = certificate.pem.clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut secure = rustls::StreamOwned::new(certificate.accept(), stream);
            let mut head = [0; 4096];
            if secure.read(&mut head).is_ok() {
                let _ = secure.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                let _ = secure.flush();
            }
        }
    });
    let project = |file: &str| {
        let config = format!(
            "connections: {{web: {{provider: http, baseUrl: \"https://{address}\"{file}}}}}\n"
        );
        Project::new(&config).file("ours.pem", &pem).workflow("call", CALL).start_kept()
    };
    let (_project, server) = project("");
    let run = called(&server, "/");
    assert_eq!(failure(&run)["code"], "call/not-sent", "{run:#}");
    let message = failure(&run)["message"].as_str().expect("a message");
    assert!(message.contains("certificate"), "{message}");

    let (_project, server) = project(", caFile: ours.pem");
    let run = called(&server, "/");
    assert_eq!(run["state"], "succeeded", "{run:#}");
}
