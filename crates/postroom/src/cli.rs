//! The command line: one static tree that the parser, the help, the completions and the test of
//! `docs/cli.md` all read. Says what may be typed; does nothing itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use postroom_core::{EventId, RunId};

mod adapter;
mod connections;
mod files;
mod secrets;
mod sources;
mod workflows;

pub(crate) use adapter::{Adapter, AdapterImport, Try};
pub(crate) use connections::{Connections, Login};
pub(crate) use files::{Dev, EventSchema, FileKind, Schema};
pub(crate) use secrets::Secrets;
pub(crate) use sources::Sources;
pub(crate) use workflows::Workflows;

/// Postroom takes events in, writes each one down, and carries them through workflows to the
/// services that want them. What cannot be delivered waits in the dead-letter office.
#[derive(Debug, Parser)]
#[command(name = "postroom", version, propagate_version = false, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, \
    3 server or store out of reach, 4 the state does not allow it, 130 interrupted.")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
}

/// Options that every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The configuration [default: postroom.yaml or automation.config.yaml here]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder [default: what the configuration says]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Talk to the server at this address instead of looking for one at the data folder
    #[arg(long, global = true, value_name = "URL", env = "POSTROOM_URL")]
    pub url: Option<String>,
    /// The admin token, for a server reached with --url
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "POSTROOM_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Print JSON: exactly what the API answers
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything: take events in, run workflows, serve the API
    Serve(Serve),
    /// Serve, and take every change of the project's files over while it runs
    Dev(Dev),
    /// Check configuration and workflows and report every problem
    Check(Check),
    /// Show what an event would do, request by request; nothing is sent
    Plan(Plan),
    /// Run the tests of the project, offline
    Test(Test),
    /// Turn a run into a test: its event, what providers answered, what should have come of it
    Capture {
        /// The run
        id: RunId,
        /// The file to write; without it, the test is printed
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Send an event
    Send(Send),
    /// Look at runs and steer them
    #[command(subcommand)]
    Runs(Runs),
    /// What runs ask people: look at it and answer
    #[command(subcommand)]
    Approvals(Approvals),
    /// Look at events and replay them
    #[command(subcommand)]
    Events(Events),
    /// The dead-letter office: runs that wait for a person
    #[command(subcommand)]
    Dlq(Dlq),
    /// The workflows of the project and their versions
    #[command(subcommand)]
    Workflows(Workflows),
    /// What is known of providers: the adapters and their actions
    #[command(subcommand)]
    Adapter(Adapter),
    /// Where events come in
    #[command(subcommand)]
    Sources(Sources),
    /// Secrets: where they are found, and those of the sealed file
    #[command(subcommand)]
    Secrets(Secrets),
    /// The accounts at providers
    #[command(subcommand)]
    Connections(Connections),
    /// The admin token
    #[command(subcommand)]
    Token(Token),
    /// Write a working project
    Init(Init),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(Schema),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
    /// Explain a problem by its code; without a code, list them all
    Explain {
        /// The code, as it stands in brackets after an error
        code: Option<String>,
    },
}

/// `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port [default: what the configuration says, else 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Answer provider calls from recorded examples; no account is needed, nothing leaves
    #[arg(long)]
    pub sandbox: bool,
    /// How log lines look [default: what the configuration says, else pretty on a terminal]
    #[arg(long, value_name = "FORMAT")]
    pub log: Option<Log>,
    /// The least important log lines that are still written
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}

/// `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Refuse warnings, and what cannot be checked: reads of something of which nothing is known
    #[arg(long)]
    pub strict: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    /// One JSON object a line.
    Json,
    /// For a person.
    Pretty,
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Faults only.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The event: an envelope as it is sent, or what `events show --json` prints; - is standard
    /// input
    #[arg(long, value_name = "FILE")]
    pub event: PathBuf,
    /// Only this workflow, as if there were no other
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,
    /// What providers answer; without it, and where it says nothing, their recorded examples
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// The time at which the event comes in [default: its own, else now]
    #[arg(long, value_name = "TIME")]
    pub now: Option<jiff::Timestamp>,
}

/// `test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Files or folders of tests [default: tests/ beside the configuration]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only tests whose name or file holds this text
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Write down what came as what is expected, where it differs
    #[arg(long)]
    pub update: bool,
    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// `send`.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// What happened, e.g. ORDER_PAID
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub event_type: Option<String>,
    /// The payload, a JSON object; @FILE reads a file, @- standard input
    #[arg(short, long, value_name = "JSON", default_value = "{}", conflicts_with = "file")]
    pub payload: String,
    /// Read the whole envelope `{"event": .., "payload": ..}` from a file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The key by which a repetition is recognised, unless the payload has an idempotencyKey
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// The correlation id
    #[arg(long, value_name = "ID")]
    pub correlation: Option<String>,
    /// The header that carries the correlation id, if the configuration names another
    #[arg(long, value_name = "NAME", default_value = "X-Correlation-ID")]
    pub correlation_header: String,
    /// The path of the source
    #[arg(long, value_name = "PATH", default_value = "/api/webhooks/ingest")]
    pub source_path: String,
    /// The token of the source, if it asks for one
    #[arg(long, value_name = "TOKEN", env = "POSTROOM_SOURCE_TOKEN", hide_env_values = true)]
    pub source_token: Option<String>,
    /// Ask the server what the event would do, and send nothing
    #[arg(long)]
    pub dry: bool,
}

/// Which page of a list.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// Rows at the most, 1 to 500
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    /// Go on after the page that ended with this cursor
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// Who changes something, and why; the journal keeps it.
#[derive(Debug, Args)]
pub(crate) struct Word {
    /// Why; the journal keeps it
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Who; the journal keeps it
    #[arg(long, value_name = "NAME", env = "USER", default_value = "cli", hide_env_values = true)]
    pub actor: String,
}

/// Which version of its workflow a run goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Version {
    /// The one it started with.
    Same,
    /// The newest the project has.
    Newest,
}

/// `runs`.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List runs, newest first
    List {
        /// Only in this state: queued, running, sleeping, succeeded, dead or cancelled
        #[arg(long)]
        state: Option<String>,
        /// Only of this workflow
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// Only of this event
        #[arg(long, value_name = "ID")]
        event: Option<EventId>,
        /// Only those whose last failure has this code
        #[arg(long)]
        code: Option<String>,
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
    /// Show a run: what it works on, what it did, what went wrong
    Show {
        /// The run
        id: RunId,
    },
    /// End a run; what it already did stays done
    Cancel {
        /// The run
        id: RunId,
        /// Who and why.
        #[command(flatten)]
        word: Word,
    },
    /// Send a run out again from the step that failed
    Retry {
        /// The run
        id: RunId,
        /// Which version of the workflow it goes on with [default: asks at a terminal if there is
        /// a newer one, else same]
        #[arg(long, value_name = "WHICH")]
        version: Option<Version>,
        /// Who and why.
        #[command(flatten)]
        word: Word,
    },
}

/// `approvals`.
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List the questions that wait for a person, newest first
    List {
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
    /// Answer yes; the run goes on
    Approve(Answer),
    /// Answer no; the run ends as cancelled, unless its workflow says that it goes on
    Reject(Answer),
}

/// `approvals approve` and `approvals reject`.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The run
    pub id: RunId,
    /// The step that asks, if several do
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
    /// Who and why.
    #[command(flatten)]
    pub word: Word,
}

/// `events`.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// List events, newest first
    List {
        /// Only of this type
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Only of this source
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// Only with this correlation id
        #[arg(long, value_name = "ID")]
        correlation: Option<String>,
        /// Only those that started no run
        #[arg(long)]
        unrouted: bool,
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
    /// Show an event: its data, its runs, and workflows that came near
    Show {
        /// The event
        id: EventId,
    },
    /// Send an old event through the workflows as they are now
    Replay {
        /// The event
        id: EventId,
    },
    /// Infer the schema of a type from its stored events
    Schema(EventSchema),
}

/// Which dead letters: one, or all that a filter selects.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true)]
pub(crate) struct Which {
    /// This one
    #[arg(conflicts_with_all = ["all", "workflow", "code"])]
    pub id: Option<RunId>,
    /// All of them
    #[arg(long, conflicts_with_all = ["workflow", "code"])]
    pub all: bool,
    /// All of this workflow
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,
    /// All whose last failure has this code
    #[arg(long)]
    pub code: Option<String>,
}

/// `dlq`.
#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// List dead letters, newest first
    List {
        /// Only of this workflow
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// Only those whose last failure has this code
        #[arg(long)]
        code: Option<String>,
        /// Which page.
        #[command(flatten)]
        page: Page,
    },
    /// Show a dead letter: what it works on, what it did, what went wrong
    Show {
        /// The run
        id: RunId,
    },
    /// Send dead letters out again from the step that failed
    Redrive {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Which version of the workflow they go on with [default: asks at a terminal if there is
        /// a newer one, else same]
        #[arg(long, value_name = "WHICH")]
        version: Option<Version>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Who and why.
        #[command(flatten)]
        word: Word,
    },
    /// End dead letters for good; they stay readable as cancelled runs
    Discard {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Who and why.
        #[command(flatten)]
        word: Word,
    },
}

/// `token`.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a new admin token, which replaces the old one
    New,
}

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder to write it to
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    fn parse(line: &str) -> Result<Cli, clap::error::ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_that_are_taken() {
        for line in [
            "postroom serve --config a.yaml --listen 127.0.0.1:0 --data d --sandbox --log json",
            "postroom serve --log-level debug",
            "postroom dev --listen 127.0.0.1:0 --sandbox",
            "postroom dev --sandbox=false",
            "postroom check --json --config a.yaml",
            "postroom --json check",
            "postroom check --strict",
            "postroom send ORDER_PAID --payload {} --key k --correlation c",
            "postroom send --file -",
            "postroom runs list --state dead --limit 500 --cursor run_1",
            "postroom dlq redrive run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b",
            "postroom dlq redrive --all --yes",
            "postroom dlq redrive --workflow a --code b --version newest --note n",
            "postroom dlq discard --code b -y",
            "postroom init --force",
            "postroom events schema ORDER_PAID --limit 20 --write --force",
            "postroom schema workflow",
            "postroom schema --write",
            "postroom schema --write schemas",
            "postroom explain",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
    }

    #[test]
    fn lines_that_are_refused() {
        use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument, ValueValidation};
        for (line, why) in [
            ("postroom events schema A --force", MissingRequiredArgument),
            ("postroom schema test --write", ArgumentConflict),
            ("postroom send", MissingRequiredArgument),
            ("postroom send A --file b", ArgumentConflict),
            ("postroom send --file b --payload {}", ArgumentConflict),
            ("postroom dlq redrive", MissingRequiredArgument),
            ("postroom dlq redrive run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b --all", ArgumentConflict),
            // In a path this would order all of them.
            ("postroom dlq redrive ..", ValueValidation),
            ("postroom runs show evt_1", ValueValidation),
            ("postroom dlq discard --all --workflow a", ArgumentConflict),
            ("postroom runs list --limit 501", ValueValidation),
        ] {
            assert_eq!(parse(line).err(), Some(why), "{line}");
        }
    }
}
