//! A user's project in a folder of its own, removed with it, and the ways to start the binary on
//! it. The child sees only the variables a test gives it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::begun::Begun;
use super::lines::Lines;
use super::server::{Refused, Server};

/// The configuration template, word for word.
pub const TEMPLATE: &str = "\
# automation.config.yaml
queue:
  name: solopreneur-automation
  connection:
    host: ${REDIS_HOST}
    port: ${REDIS_PORT}
    password: ${REDIS_PASSWORD}
  defaultJobOptions:
    attempts: 3
    backoff:
      type: exponential
      delay: 2000
    removeOnComplete: 100
    removeOnFail: 50
adapters:
  - name: stripe-invoice
    provider: stripe
    endpoint: /api/webhooks/stripe
    rateLimit:
      maxRequests: 100
      windowMs: 1000
    idempotency: true
observability:
  logging:
    format: json
    correlationIdHeader: X-Correlation-ID
  metrics:
    enabled: true
    endpoint: /metrics
    scrapeInterval: 15s
deadLetterQueue:
  name: solopreneur-dlq
  alertOnThreshold: 10
  retentionDays: 30
";

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// What a command printed that must have ended well.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out
    }

    /// The same, as JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.good();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// A project on disk.
pub struct Project {
    folder: TempDir,
    config: PathBuf,
    env: Vec<(String, String)>,
    sandbox: bool,
    file_blocks: Option<u64>,
}

impl Project {
    /// A project with this configuration and nothing else.
    pub fn new(config: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().join("automation.config.yaml");
        let project =
            Self { folder, config: path, env: Vec::new(), sandbox: false, file_blocks: None };
        project.file("automation.config.yaml", config)
    }

    /// A project with the configuration of somewhere else, and data of its own.
    pub fn at(config: &Path) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let config = config.to_owned();
        Self { folder, config, env: Vec::new(), sandbox: false, file_blocks: None }
    }

    /// With this file.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// With this workflow.
    pub fn workflow(self, name: &str, text: &str) -> Self {
        self.file(&format!("workflows/{name}.yaml"), text)
    }

    /// With this variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With provider calls answered from recorded examples.
    pub fn sandbox(mut self) -> Self {
        self.sandbox = true;
        self
    }

    /// With files bounded to so many blocks of 512 bytes: a disk that is soon full.
    pub fn file_blocks(mut self, blocks: u64) -> Self {
        self.file_blocks = Some(blocks);
        self
    }

    /// With room again.
    pub fn unbounded(mut self) -> Self {
        self.file_blocks = None;
        self
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        let parent = path.parent().expect("a path in the project has a folder");
        std::fs::create_dir_all(parent).expect("the folder of a project's file");
        // Renamed into place, so that whoever looks sees all of it.
        let mut new = path.clone().into_os_string();
        new.push(".new");
        std::fs::write(&new, text).expect("a file of the project");
        std::fs::rename(&new, &path).expect("a file of the project");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Every file of the data folder and the folders in it.
    pub fn data_files(&self) -> Vec<PathBuf> {
        fn below(folder: &Path) -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).expect("a folder");
            let paths = entries.map(|entry| entry.expect("an entry").path());
            paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
        }
        below(&self.data())
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let binary = env!("CARGO_BIN_EXE_postroom");
        let mut command = match self.file_blocks {
            None => Command::new(binary),
            Some(blocks) => {
                // A write past the bound fails with EFBIG instead of ending the process.
                let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$@\"");
                let mut shell = Command::new("sh");
                shell.args(["-c", &script, "sh", binary]);
                shell
            }
        };
        command.arg(name).arg("--config").arg(&self.config);
        command.arg("--data").arg(self.data()).args(["--listen", "127.0.0.1:0"]);
        if self.sandbox {
            command.arg("--sandbox");
        }
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.env.iter().cloned());
        command.current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs another command of the binary on this project, and waits for its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
        command.args(arguments).arg("--config").arg(&self.config).arg("--data").arg(self.data());
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.env.iter().cloned());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        let ended = command.output().expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }

    /// The same, with this on its standard input.
    #[track_caller]
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
        command.args(arguments).arg("--config").arg(&self.config).arg("--data").arg(self.data());
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.env.iter().cloned());
        command.current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("the command takes its input");
        drop(stdin);
        let ended = child.wait_with_output().expect("the end of the command");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }

    /// Begins another command of the binary on this project.
    pub fn begin(&self, arguments: &[&str]) -> Begun {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
        command.args(arguments).arg("--config").arg(&self.config).arg("--data").arg(self.data());
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.env.iter().cloned());
        command.current_dir(self.folder.path());
        Begun::of(command)
    }

    /// Runs another command as a person at a terminal does, who types this. What a terminal shows
    /// is one stream: both outputs, and what is typed.
    #[track_caller]
    pub fn run_at_terminal(&self, arguments: &[&str], typed: &str) -> Ran {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let (config, data) = (self.config.display().to_string(), self.data().display().to_string());
        let ours = [env!("CARGO_BIN_EXE_postroom")].into_iter().chain(arguments.iter().copied());
        let more = ["--config", &config, "--data", &data];
        let line: Vec<String> = ours.chain(more).map(quoted).collect();
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm");
        command.envs(self.env.iter().cloned()).current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("`script` of util-linux is there");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(typed.as_bytes()).expect("the terminal takes what is typed");
        let ended = child.wait_with_output().expect("the binary starts");
        drop(input);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }

    /// Starts the server and waits until it is ready.
    #[track_caller]
    pub fn start(&self) -> Server {
        let child = self.command("serve").spawn().expect("the binary starts");
        Server::ready(child, &self.data())
    }

    /// Starts `dev` and waits until it is ready.
    #[track_caller]
    pub fn dev(&self) -> Server {
        self.dev_after(|_| ())
    }

    /// The same, once something was done that it waits for; what it tells meanwhile is handed on.
    #[track_caller]
    pub fn dev_after(&self, act: impl FnOnce(&Lines)) -> Server {
        let child = self.command("dev").spawn().expect("the binary starts");
        Server::ready_after(child, &self.data(), act)
    }

    /// The same, with the project in the same hands as the server.
    #[track_caller]
    pub fn start_kept(self) -> (Self, Server) {
        let server = self.start();
        (self, server)
    }

    /// Starts the server, which must end by itself without being ready.
    #[track_caller]
    pub fn refused(&self) -> Refused {
        let mut child = self.command("serve").spawn().expect("the binary starts");
        let stdout = Lines::gather(child.stdout.take().expect("piped"));
        let stderr = Lines::gather(child.stderr.take().expect("piped"));
        let early = stdout.wait_for("the end", |line| line.contains("\"ready\""));
        if early.is_some() {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it serves:\n{}", stdout.text());
        }
        stderr.wait_for_end();
        let code = child.wait().expect("the end of the process").code();
        Refused { code, text: format!("{}\n{}", stdout.text(), stderr.text()) }
    }
}
