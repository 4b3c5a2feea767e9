//! What each command does: one file a family, dispatched here. A command asks the API or the
//! owner of a file, and hands what it learned to the output.

mod adapter;
mod approvals;
mod ask;
mod bulk;
mod capture;
mod connections;
mod dev;
mod dlq;
mod events;
mod explain;
mod inferred;
pub(crate) mod init;
mod lineage;
mod plan;
mod runs;
mod schema;
mod secrets;
mod send;
mod sources;
mod test;
mod timeline;
mod version;
mod versions;
mod workflows;

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use clap::CommandFactory;
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::cli::{self, Cli, Command};
use crate::exit::Failed;
use crate::output::{self, Output};
use crate::reach::Reach;
use crate::{check, home, serve};

/// Carries the command out. Ctrl-C ends it, except where the command has to say how far it came:
/// the server, and orders about many runs.
pub(crate) async fn run(cli: &Cli, output: &Output) -> Result<(), Failed> {
    let command = Box::pin(dispatch(cli, output));
    let own = matches!(cli.command, Command::Serve(_) | Command::Dev(_) | Command::Dlq(_));
    // Ctrl-C in an editor is the editor's.
    if own || matches!(cli.command, Command::Secrets(cli::Secrets::Edit)) {
        return command.await;
    }
    tokio::select! {
        ended = command => ended,
        _ = tokio::signal::ctrl_c() => Err(Failed::Interrupted),
    }
}

async fn dispatch(cli: &Cli, output: &Output) -> Result<(), Failed> {
    let global = &cli.global;
    let options = home::Options { config: global.config.clone(), data: global.data.clone() };
    match &cli.command {
        Command::Serve(args) => serve::run(args, &options, output).await,
        Command::Dev(args) => dev::run(args, &options, output).await,
        Command::Check(args) => check::run(args, &options, output),
        Command::Capture { id, out } => {
            capture::run(*id, out.as_deref(), global, &options, output).await
        }
        Command::Plan(args) => plan::run(args, &options, output),
        Command::Send(args) => send::run(args, global, output).await,
        Command::Runs(command) => runs::run(command, &Reach::find(global).await?, output).await,
        Command::Approvals(command) => {
            approvals::run(command, &Reach::find(global).await?, output).await
        }
        Command::Events(command) => {
            events::run(command, &Reach::find(global).await?, &options, output).await
        }
        Command::Dlq(command) => dlq::run(command, global, output).await,
        Command::Workflows(command) => workflows::run(command, global, output).await,
        Command::Adapter(command) => adapter::run(command, &options, output).await,
        Command::Test(args) => test::run(args, &options, output),
        Command::Sources(command) => sources::run(command, &options, output),
        Command::Connections(command) => connections::run(command, &options, output).await,
        Command::Secrets(command) => secrets::run(command, &options, output).await,
        Command::Token(cli::Token::New) => token(&options, output),
        Command::Init(args) => init::run(args, output),
        Command::Schema(args) => schema::run(args, &options, output),
        Command::Completions { shell } => completions(*shell, output),
        Command::Version => version::run(output),
        Command::Explain { code } => explain::run(code.as_deref(), output),
    }
}

fn token(options: &home::Options, output: &Output) -> Result<(), Failed> {
    let made = home::new_token(options)?;
    if output.json {
        return output.print(&serde_json::json!({ "token": made.token }).to_string());
    }
    output.print(&made.token)?;
    output.say(&output::hint(&format!(
        "this is shown once; {} keeps only its hash. A server that runs takes it at its next start",
        made.file.display()
    )));
    Ok(())
}

fn completions(shell: clap_complete::Shell, output: &Output) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postroom", &mut script);
    output.print(&String::from_utf8_lossy(&script))
}

/// One page of a list as the API answers it.
#[derive(serde::Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    next: Option<String>,
}

/// Reads an answer of the API.
fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failed> {
    serde_json::from_slice(body).map_err(|error| strange(&error))
}

/// Reads one row of a list.
fn read_row<T: DeserializeOwned>(row: &RawValue) -> Result<T, Failed> {
    serde_json::from_str(row.get()).map_err(|error| strange(&error))
}

fn strange(error: &serde_json::Error) -> Failed {
    let what = "the server answered what this version does not understand";
    Failed::Other(anyhow::anyhow!("{what}: {error}; --json prints it as it is"))
}

/// Says that a list goes on.
fn more(output: &Output, next: Option<&str>) {
    if let Some(cursor) = next.filter(|_| !output.json) {
        output.say(&output::hint(&format!("there are more: --cursor {cursor}")));
    }
}

/// The text of a file, or of standard input for `-`, with the name to speak of it.
fn file_text(file: &Path) -> Result<(String, String), Failed> {
    let (name, read) = if file == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        ("standard input".to_owned(), read.map(|_| text))
    } else {
        (file.display().to_string(), std::fs::read_to_string(file))
    };
    match read {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let detail = format!("cannot read {name}: {error}");
            Err(Failed::usage(detail, "name a file of UTF-8 text, or - for standard input"))
        }
    }
}

/// A field and its value, in a block of them.
fn field(name: &str, value: impl AsRef<str>) -> Vec<comfy_table::Cell> {
    let value = output::cell(value);
    vec![output::cell(name).fg(comfy_table::Color::DarkGrey), value]
}

/// How far a long order has come, on a terminal only.
fn progress(total: usize, what: &str, output: &Output) -> ProgressBar {
    if output.json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total as u64);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/cli.md");

    /// Every command that does something, with its full name.
    fn leaves(command: &clap::Command, name: &str, found: &mut Vec<(String, clap::Command)>) {
        let mut inner = command.get_subcommands().filter(|sub| sub.get_name() != "help").peekable();
        if inner.peek().is_none() {
            found.push((name.to_owned(), command.clone()));
        }
        for sub in inner {
            leaves(sub, &format!("{name} {}", sub.get_name()), found);
        }
    }

    #[test]
    fn every_command_and_option_is_documented() {
        let mut commands = Vec::new();
        leaves(&Cli::command(), "postroom", &mut commands);
        assert!(commands.len() > 15, "{}", commands.len());
        for (name, command) in commands {
            let heading = format!("### `{name}`\n");
            let (_, section) =
                PAGE.split_once(&heading).unwrap_or_else(|| panic!("docs/cli.md lacks {heading}"));
            let section = section.split("\n## ").next().and_then(|s| s.split("\n### ").next());
            let section = section.unwrap();
            assert!(section.contains("```"), "{name} needs an example");
            assert!(section.contains("Exit codes: 0"), "{name} needs its exit codes");
            for option in command.get_arguments().filter(|option| !option.is_global_set()) {
                let Some(long) = option.get_long().filter(|long| *long != "help") else { continue };
                assert!(section.contains(&format!("`--{long}")), "{name} lacks --{long}");
            }
        }
        for option in Cli::command().get_arguments().filter(|option| option.is_global_set()) {
            let long = option.get_long().unwrap();
            assert!(PAGE.contains(&format!("`--{long}")), "docs/cli.md lacks --{long}");
        }
    }

    #[test]
    fn completions_hold_every_command() {
        let mut script = Vec::new();
        clap_complete::generate(
            clap_complete::Shell::Bash,
            &mut Cli::command(),
            "postroom",
            &mut script,
        );
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("redrive") && script.contains("explain"));
    }
}
