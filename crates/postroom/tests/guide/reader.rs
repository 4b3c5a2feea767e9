//! Somebody who reads the guide and does what it says, in a folder of their own, with one server in a
//! second terminal.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::harness::{PATIENCE, Server};
use super::page;

/// Where a page says that the server is.
const SAID_ADDRESS: &str = "127.0.0.1:3000";
const SAID_URL: &str = "http://localhost:3000";

/// A run whose time comes sooner than this is waited for: it is about to go on, or to try again.
const SOON_MS: i64 = 60_000;

pub struct Reader {
    folder: TempDir,
    /// Where commands are run.
    here: PathBuf,
    server: Option<Serving>,
    /// The last run and event that were shown: what `run_…` and `evt_…` of a command stand for.
    run: Option<String>,
    event: Option<String>,
}

struct Serving {
    server: Server,
    /// Whether it follows the files.
    dev: bool,
    /// How many lines of what it tells were looked at.
    seen: usize,
}

impl Reader {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let here = folder.path().to_owned();
        Self { folder, here, server: None, run: None, event: None }
    }

    /// Writes a file. Gives back what `dev` says of it, if it runs.
    pub fn writes(&mut self, name: &str, text: &str, place: &str) -> Option<String> {
        let path = self.here.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the project");
        // Renamed into place, so that `dev` sees all of it.
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)).expect(place);
        self.swaps(place)
    }

    /// What `dev` says of a change, once it has dealt with it; `None` if it does not run.
    fn swaps(&mut self, place: &str) -> Option<String> {
        let serving = self.server.as_ref().filter(|serving| serving.dev)?;
        let told = &serving.server.told;
        let dealt = |line: &str| line.contains("swapped in:") || line.contains("not swapped:");
        let before = told.all()[..serving.seen].iter().filter(|line| dealt(line)).count();
        let line = told.wait_for_nth(before + 1, place, dealt);
        assert!(line.is_some(), "{place}: it ended:\n{}", told.text());
        Some(self.heard())
    }

    /// The files that `dev` follows.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folders = ["", "workflows", "tests", "schemas"].map(|folder| self.here.join(folder));
        let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut files: Vec<_> =
            paths.filter_map(|path| Some((path.clone(), std::fs::read(&path).ok()?))).collect();
        files.sort();
        files
    }

    /// Runs a command. Gives back what a terminal would show of it.
    pub fn runs(&mut self, command: &str, place: &str) -> String {
        let mut words = page::words(place, command);
        for word in &mut words {
            self.name(word, place);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["cd", folder] => {
                self.here.push(folder);
                assert!(self.here.is_dir(), "{place}: there is no {folder}");
                String::new()
            }
            ["cat", file] => std::fs::read_to_string(self.here.join(file)).expect(place),
            ["sed", "-i", ..] => {
                let edited = Command::new("sed").args(&words[1..]).current_dir(&self.here).status();
                assert!(edited.is_ok_and(|status| status.success()), "{place}: `{command}` fails");
                self.swaps(place).unwrap_or_default()
            }
            ["curl", ..] => {
                self.rests();
                let answer = self.curls(&words[1..], place);
                self.looks_at(answer)
            }
            ["postroom", "serve" | "dev", ..] => self.serves(&words[1..]),
            ["postroom", ..] => {
                self.rests();
                let before = self.files();
                let shown = self.plays(&words[1..]);
                if self.files() != before {
                    self.swaps(place);
                }
                self.looks_at(shown)
            }
            _ => panic!("{place}: nothing executes `{command}`"),
        }
    }

    /// Ends the server, as Ctrl-C does.
    pub fn stops_serving(&mut self) {
        let Some(mut serving) = self.server.take() else { return };
        serving.server.terminate();
        let code = serving.server.ended().code();
        assert_eq!(code, Some(0), "{}", serving.server.told.text());
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
        command.args(arguments).current_dir(&self.here).stdin(Stdio::null());
        let env = [("PATH", "/usr/bin:/bin"), ("USER", "ann"), ("TZ", "UTC")];
        command.env_clear().envs(env);
        command
    }

    /// Starts the server in place of the one before, and waits until it is ready.
    fn serves(&mut self, arguments: &[&str]) -> String {
        self.stops_serving();
        let mut command = self.program(arguments);
        command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let first = !self.here.join("data/admin.token.sha256").exists();
        let child = command.spawn().expect("the binary starts");
        let server = Server::ready(child, &self.here.join("data"));
        let dev = arguments[0] == "dev";
        // What it tells comes beside the log line by which it is known to be ready.
        let last = match (dev, first, arguments.contains(&"--sandbox")) {
            (true, ..) => "  watching;",
            (_, true, _) => "  admin token, shown only this once:",
            (.., true) => "  sandbox:",
            _ => "  data ",
        };
        server.told.wait_for(last, |line| line.contains(last));
        self.server = Some(Serving { server, dev, seen: 0 });
        self.heard()
    }

    /// What the server has told since it was last listened to.
    fn heard(&mut self) -> String {
        let serving = self.server.as_mut().expect("a server");
        let all = serving.server.told.all();
        let new = all[serving.seen..].join("\n");
        serving.seen = all.len();
        self.shown(&format!("{}\n", new.trim_end()))
    }

    /// Runs the binary to its end, both of its outputs in one stream as at a terminal.
    fn plays(&self, arguments: &[&str]) -> String {
        let path = self.folder.path().join("shown");
        let open = |options: &mut OpenOptions| -> File {
            options.create(true).append(true).open(&path).expect("a file for what is shown")
        };
        let _ = std::fs::remove_file(&path);
        let (out, err) = (open(&mut OpenOptions::new()), open(&mut OpenOptions::new()));
        let status = self.program(arguments).stdout(out).stderr(err).status();
        let code = status.expect("the binary starts").code();
        let mut shown = std::fs::read_to_string(&path).expect("what is shown");
        if code != Some(0) {
            let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            shown.push_str(&format!("[exit code {code}]\n"));
        }
        self.shown(&shown)
    }

    /// Sends what `curl` would send: `-X`, `-H`, `-d` and a URL of the server are understood.
    fn curls(&self, words: &[&str], place: &str) -> String {
        let serving = self.server.as_ref().unwrap_or_else(|| panic!("{place}: nothing serves"));
        let (mut method, mut path, mut body) = ("GET", None, None);
        let mut headers = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{place}: {word} what?"));
            match *word {
                "-X" => method = value(),
                "-d" => body = Some(*value()),
                "-H" => headers.push(value().split_once(": ").expect("a header has a name")),
                url => path = Some(url.strip_prefix(SAID_URL).expect("an option, or our URL")),
            }
        }
        let path = path.unwrap_or_else(|| panic!("{place}: no URL"));
        let body = body.unwrap_or_default().as_bytes();
        let answer = serving.server.client.request(method, path, &headers, body);
        format!("{}\n", answer.text().trim_end())
    }

    /// Waits until no run is at work, or soon will be, so that what is shown does not depend on how
    /// fast anybody is.
    fn rests(&self) {
        let Some(serving) = &self.server else { return };
        let server = &serving.server;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now_ms = i64::try_from(super::harness::unix_seconds()).expect("seconds") * 1000;
            let busy = |run: &Value| {
                let due = run["due_ms"].as_i64();
                match run["state"].as_str() {
                    Some("queued" | "running") => true,
                    Some("sleeping") => due.is_none_or(|due_ms| due_ms < now_ms + SOON_MS),
                    _ => false,
                }
            };
            let runs = server.read("/runs?limit=500");
            let rows = runs["data"].as_array().expect("runs");
            if !rows.iter().any(busy) {
                return;
            }
            assert!(Instant::now() < deadline, "still at work: {runs:#}\n{}", server.log.text());
            server.log.pause();
        }
    }

    /// An output as the page would have it, were it not for ids and times: nobody's folder and port.
    fn shown(&self, text: &str) -> String {
        let folder = self.folder.path().canonicalize().expect("our folder");
        let address = self.server.as_ref().map(|serving| serving.server.client.address.to_string());
        let mut text = text.to_owned();
        for folder in [folder.as_path(), self.folder.path()] {
            text = text.replace(&folder.display().to_string(), "…");
        }
        let token = text.split_once("only this once: ").map(|(_, rest)| rest.to_owned());
        if let Some(token) = token.as_deref().and_then(|rest| rest.lines().next()) {
            text = text.replace(token, "…");
        }
        address.map_or(text.clone(), |address| text.replace(&address, SAID_ADDRESS))
    }

    /// Remembers the first run and the first event that an output names.
    fn looks_at(&mut self, shown: String) -> String {
        self.run = id_of("run_", &shown).or(self.run.take());
        self.event = id_of("evt_", &shown).or(self.event.take());
        shown
    }

    /// Puts the id in that a reader would paste.
    fn name(&self, word: &mut String, place: &str) {
        for (said, known) in [("run_…", &self.run), ("evt_…", &self.event)] {
            if word.contains(said) {
                let id = known.as_ref().unwrap_or_else(|| panic!("{place}: {said} was not shown"));
                *word = word.replace(said, id);
            }
        }
    }
}

fn id_of(prefix: &str, text: &str) -> Option<String> {
    let is_id = |id: &&str| id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut found = text.match_indices(prefix);
    found.find_map(|(at, _)| {
        let id = text.get(at + prefix.len()..at + prefix.len() + 32).filter(is_id)?;
        Some(format!("{prefix}{id}"))
    })
}
