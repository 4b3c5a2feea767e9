//! Runs cargo as a child process, in the root of the workspace.
//!
//! Refuses to hide anything: output is streamed, and the exit code of the child is passed on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// A command that ran and did not succeed.
#[derive(Debug)]
pub struct Unsuccessful {
    /// The command as typed.
    pub command: String,
    /// The exit code to pass on: that of the command, or 1 when a signal ended it.
    pub exit_code: u8,
}

impl fmt::Display for Unsuccessful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed with exit code {}", self.command, self.exit_code)
    }
}

impl std::error::Error for Unsuccessful {}

/// The root of the workspace: the folder above this package.
pub fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Runs `cargo <arguments>` with its output on this terminal.
///
/// # Errors
/// When cargo cannot be started, or ends with a failure ([`Unsuccessful`]).
pub fn stream<S: AsRef<str>>(arguments: &[S]) -> Result<(), Failure> {
    stream_with(arguments, &[])
}

/// Like [`stream`], with environment variables set for the child.
pub fn stream_with<S: AsRef<str>>(
    arguments: &[S],
    variables: &[(&str, &str)],
) -> Result<(), Failure> {
    let mut command = command(arguments);
    command.envs(variables.iter().copied());
    let status = command.status().map_err(|error| format!("cargo does not start: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let exit_code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Box::new(Unsuccessful { command: as_typed(arguments), exit_code }))
}

/// Runs `cargo <arguments>` and returns what it printed on standard output.
///
/// # Errors
/// As [`stream`]; standard error of the child goes to this terminal.
pub fn capture<S: AsRef<str>>(arguments: &[S]) -> Result<Vec<u8>, Failure> {
    let mut command = command(arguments);
    command.stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|error| format!("cargo does not start: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let exit_code = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Box::new(Unsuccessful { command: as_typed(arguments), exit_code }))
}

fn command<S: AsRef<str>>(arguments: &[S]) -> Command {
    #[allow(clippy::disallowed_methods, reason = "cargo says so where it is")]
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments.iter().map(AsRef::as_ref)).current_dir(workspace_root());
    command
}

fn as_typed<S: AsRef<str>>(arguments: &[S]) -> String {
    arguments.iter().fold(String::from("cargo"), |line, argument| line + " " + argument.as_ref())
}
