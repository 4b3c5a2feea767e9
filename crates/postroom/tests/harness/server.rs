//! The real binary, serving: its address, its log, its API, and its end.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use serde_json::Value;

use super::PATIENCE;
use super::client::{Answer, Client};
use super::lines::Lines;

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub client: Client,
    /// A token for the API, good for this start.
    pub token: String,
    /// The log.
    pub log: Lines,
    /// What a person at a terminal would see.
    pub told: Lines,
}

/// A server that did not start.
#[derive(Debug)]
pub struct Refused {
    pub code: Option<i32>,
    pub text: String,
}

impl Server {
    /// Waits until a child that serves, with its data in a folder, is ready.
    #[track_caller]
    pub fn ready(child: Child, data: &Path) -> Self {
        Self::ready_after(child, data, |_| ())
    }

    /// The same, once something was done that it waits for.
    #[track_caller]
    pub(super) fn ready_after(mut child: Child, data: &Path, act: impl FnOnce(&Lines)) -> Self {
        let log = Lines::gather(child.stdout.take().expect("piped"));
        let told = Lines::gather(child.stderr.take().expect("piped"));
        act(&told);
        // As JSON, or as `dev` shows it to a person.
        let fits = |line: &str| {
            ["\"message\":\"ready\"", "  ready url="].iter().any(|it| line.contains(it))
        };
        let ready = log.wait_for("ready", fits);
        let Some(line) = ready else {
            told.wait_for_end();
            let status = child.wait();
            panic!("it ended with {status:?} instead of serving:\n{}", told.text());
        };
        let (_, address) = line.split_once("http://").expect("a URL");
        let end = address.find(['"', ' ']).expect("more after the URL");
        let address: SocketAddr = address[..end].parse().expect("an address");
        let note = std::fs::read_to_string(data.join("server.json")).expect("server.json");
        let note: Value = serde_json::from_str(&note).expect("server.json is JSON");
        let token = note["token"].as_str().expect("a token").to_owned();
        Self { child, client: Client { address }, token, log, told }
    }

    /// Asks the API with the token.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let path = format!("/api/v1{path}");
        self.client.request(method, &path, &[("authorization", &bearer)], body.as_bytes())
    }

    /// Reads from the API what must be there.
    #[track_caller]
    pub fn read(&self, path: &str) -> Value {
        let answer = self.api("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Posts a body to the ingest endpoint.
    #[track_caller]
    pub fn post(&self, body: &str) -> Answer {
        let json = [("content-type", "application/json")];
        self.client.request("POST", "/api/webhooks/ingest", &json, body.as_bytes())
    }

    /// Sends an event that must be taken; gives back its correlation id.
    #[track_caller]
    pub fn send(&self, event: &str, payload: &Value) -> String {
        let answer =
            self.post(&serde_json::json!({"event": event, "payload": payload}).to_string());
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["correlationId"].as_str().expect("a correlation id").to_owned()
    }

    /// The event that came in with a correlation id, with its runs and near workflows; not those
    /// that steps emitted since.
    #[track_caller]
    pub fn event(&self, correlation: &str) -> Value {
        let found = self.read(&format!("/events?correlation={correlation}"));
        let rows = found["data"].as_array().expect("events").iter();
        let ours = |row: &&Value| row["source"] == "emit" || row["source"] == "call";
        let rows: Vec<&Value> = rows.filter(|row| !ours(row)).collect();
        assert_eq!(rows.len(), 1, "{correlation}: {found}");
        let id = rows[0]["id"].as_str().expect("an id");
        self.read(&format!("/events/{id}"))
    }

    /// The only run of an event, once its state is one of those named.
    #[track_caller]
    pub fn run(&self, correlation: &str, states: &[&str]) -> Value {
        let event = self.event(correlation);
        let runs = event["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 1, "{event}");
        self.run_by_id(runs[0]["id"].as_str().expect("an id"), states)
    }

    /// A run, once its state is one of those named.
    #[track_caller]
    pub fn run_by_id(&self, id: &str, states: &[&str]) -> Value {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let run = self.read(&format!("/runs/{id}"));
            let state = run["state"].as_str().expect("a state");
            if states.contains(&state) {
                return run;
            }
            let late = std::time::Instant::now() > deadline;
            assert!(!late, "still {state}: {run:#}\n{}", self.log.text());
            self.log.pause();
        }
    }

    /// Every run there is, once none is under way any more.
    #[track_caller]
    pub fn ended_runs(&self) -> Vec<Value> {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let stats = self.read("/stats");
            let count = |state: &str| stats["runs"][state].as_u64().unwrap_or(0);
            let left = count("queued") + count("running") + count("sleeping");
            if left == 0 {
                return self.all("/runs?");
            }
            let late = std::time::Instant::now() > deadline;
            assert!(
                !late,
                "{left} runs are left: {stats}\n{:#?}",
                self.all("/runs?state=sleeping")
            );
            self.log.pause();
        }
    }

    /// Every row of a list, page by page. The path has its `?` already.
    #[track_caller]
    pub fn all(&self, path: &str) -> Vec<Value> {
        let path = format!("{path}&limit=500").replace("?&", "?");
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.read(&format!("{path}{cursor}"));
            rows.extend(page["data"].as_array().expect("rows").iter().cloned());
            let Some(next) = page["next"].as_str() else { return rows };
            cursor = format!("&cursor={next}");
        }
    }

    /// The value of a metric, by its name with labels as it stands in the text.
    #[track_caller]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let answer = self.client.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.trim().parse().expect("a metric is a number"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// The same, for a server that others still hold.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot signal");
    }

    /// Bounds the size that files may grow to from now on, in bytes: with 0 nothing can be
    /// written any more. Only for a project that has `file_blocks`.
    #[track_caller]
    pub fn bound_files(&self, bytes: Option<u64>) {
        let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let (pid, bound) = (self.pid().to_string(), format!("--fsize={bytes}:unlimited"));
        let status = Command::new("prlimit").args(["--pid", &pid, &bound]).status();
        assert!(status.is_ok_and(|status| status.success()), "prlimit cannot set the bound");
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        self.log.wait_for_end();
        self.child.wait().expect("the end of the process")
    }

    pub fn lives(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
