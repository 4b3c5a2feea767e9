//! Messages to a mail server that says what it is told to: encryption, and an end without an answer.
//! `doubles_mail.rs` has what a server that others wrote makes of them.

mod harness;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use harness::{Certificate, Project, Server};
use serde_json::{Value, json};

const TELL: &str = "workflow: tell\non: [{event: TELL}]\nsteps:\n  - id: send\n    uses: \
                    smtp/send\n    timeout: 5s\n    retry: {attempts: 2, delay: 1ms}\n    with: {from: \
                    a@example.com, to: \"${{ event.data.to }}\", subject: Paid, text: Thank you.}\n";

fn project(address: SocketAddr, settings: &str) -> Project {
    let config = format!(
        "connections:\n  mail:\n    provider: smtp\n    caFile: ours.pem\n    config: {{host: \
         {}, port: {}{settings}}}\n",
        address.ip(),
        address.port()
    );
    let config = if settings.contains("tls: none") {
        config.replace("    caFile: ours.pem\n", "")
    } else {
        config
    };
    Project::new(&config).workflow("tell", TELL)
}

fn sent(server: &Server, to: &Value) -> Value {
    let correlation = server.send("TELL", &json!({ "to": to }));
    server.run(&correlation, &["succeeded", "dead", "unknown"])
}

fn kinds(run: &Value) -> Vec<&str> {
    let journal = run["journal"].as_array().expect("a journal");
    journal.iter().filter_map(|entry| entry["kind"].as_str()).collect()
}

fn failure(run: &Value) -> &Value {
    let journal = run["journal"].as_array().expect("a journal");
    let found = journal.iter().rev().map(|entry| &entry["failure"]).find(|it| it.is_object());
    found.unwrap_or_else(|| panic!("no failure: {run:#}"))
}

/// A mail server that says what each command is answered with, by the beginning of it.
fn scripted(
    certificate: Option<(Arc<Certificate>, bool)>,
    says: &'static [(&'static str, &'static str)],
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever calls may go away at any time.
            let _ = match &certificate {
                Some((certificate, true)) => {
                    talk(rustls::StreamOwned::new(certificate.accept(), stream), says, true)
                        .map(|_| ())
                }
                Some((certificate, false)) => start_tls(stream, certificate, says),
                None => talk(stream, says, true).map(|_| ()),
            };
        }
    });
    address
}

fn start_tls(
    stream: TcpStream,
    certificate: &Certificate,
    says: &'static [(&'static str, &'static str)],
) -> std::io::Result<()> {
    if let Some(stream) = talk(stream, says, true)? {
        talk(rustls::StreamOwned::new(certificate.accept(), stream), says, false)?;
    }
    Ok(())
}

/// Talks until the end; gives the stream back where encryption is to begin.
fn talk<S: Read + Write>(
    stream: S,
    says: &[(&str, &str)],
    greets: bool,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.get_mut().write_all(b"220 scripted\r\n")?;
    }
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 {
        let said = says.iter().find(|(start, _)| line.starts_with(start));
        let said = said.map_or("250 fine", |(_, said)| *said);
        if said == "gone" {
            return Ok(None);
        }
        stream.get_mut().write_all(format!("{said}\r\n").as_bytes())?;
        stream.get_mut().flush()?;
        if line.starts_with("STARTTLS") && said.starts_with("220") {
            return Ok(Some(stream.into_inner()));
        }
        line.clear();
        if said.starts_with("354") {
            while stream.read_line(&mut line)? > 0 && line != ".\r\n" {
                line.clear();
            }
            let said = says.iter().find(|(start, _)| *start == ".");
            let said = said.map_or("250 taken", |(_, said)| *said);
            if said == "gone" {
                return Ok(None);
            }
            stream.get_mut().write_all(format!("{said}\r\n").as_bytes())?;
            stream.get_mut().flush()?;
            line.clear();
        }
    }
    Ok(None)
}

const FINE: &[(&str, &str)] = &[
    ("EHLO", "250-scripted\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"),
    ("STARTTLS", "220 go on"),
    ("AUTH", "235 welcome"),
    ("DATA", "354 go on"),
    ("QUIT", "221 bye"),
];

#[test]
fn a_connection_is_encrypted_by_a_certificate_that_is_believed() {
    let certificate = Arc::new(Certificate::new());
    let other = Certificate::new();
    for implicit in [false, true] {
        let address = scripted(Some((Arc::clone(&certificate), implicit)), FINE);
        let tls = if implicit { ", tls: implicit" } else { "" };
        for (pem, state) in [(&certificate.pem, "succeeded"), (&other.pem, "dead")] {
            let project = project(address, tls)
                .file("ours.pem", pem)
                .env("SMTP_USERNAME", "zoe")
                .env("SMTP_PASSWORD", "s3cret-pass");
            let server = project.start();
            let run = sent(&server, &json!("bob@example.com"));
            assert_eq!(run["state"], state, "{run:#}");
            if state == "dead" {
                assert_eq!(failure(&run)["code"], "call/not-sent", "{run:#}");
            }
        }
    }
}

#[test]
fn encryption_that_is_asked_for_is_not_gone_without() {
    let certificate = Certificate::new();
    let address = scripted(None, &[("EHLO", "250 scripted"), ("DATA", "354 go on")]);
    let server = project(address, "").file("ours.pem", &certificate.pem).start();
    let run = sent(&server, &json!("bob@example.com"));
    assert_eq!(failure(&run)["code"], "call/not-secure", "{run:#}");
    assert!(!kinds(&run).contains(&"retry"), "{run:#}");
}

#[test]
fn a_message_without_an_answer_is_not_sent_again() {
    let address = scripted(None, &[("DATA", "354 go on"), (".", "gone")]);
    let server = project(address, ", tls: none").start();
    let run = sent(&server, &json!("bob@example.com"));
    assert_eq!(kinds(&run), ["intent", "unknown", "dead"], "{run:#}");
    assert_eq!(failure(&run)["code"], "call/no-answer", "{run:#}");
}

#[test]
fn a_message_that_did_not_begin_is_sent_again() {
    let address = scripted(None, &[("DATA", "gone")]);
    let server = project(address, ", tls: none").start();
    let run = sent(&server, &json!("bob@example.com"));
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(failure(&run)["code"], "call/not-sent", "{run:#}");
    assert!(kinds(&run).contains(&"retry"), "{run:#}");
}

#[test]
fn a_name_behind_the_door_needs_to_be_allowed() {
    let config = "connections: {mail: {provider: smtp, config: {host: 169.254.169.254}}}\n";
    let project = Project::new(config).workflow("tell", TELL);
    let server = project.start();
    let run = sent(&server, &json!("bob@example.com"));
    assert_eq!(failure(&run)["code"], "call/blocked-address", "{run:#}");
}
