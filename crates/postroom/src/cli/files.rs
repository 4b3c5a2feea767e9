//! What may be typed after the commands about the files of a project: those that follow them, and
//! those that describe them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Address and port [default: what the configuration says, else 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Answer provider calls from recorded examples [default: `dev.sandbox` of the configuration]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    pub sandbox: Option<bool>,
}

/// `schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Which; without it they are listed
    pub kind: Option<FileKind>,
    /// Write all of them into a folder [default: .postroom/schemas/ beside the configuration]
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with = "kind")]
    pub write: Option<Option<PathBuf>>,
}

/// A kind of file that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    /// Workflows.
    Workflow,
    /// The configuration.
    Config,
    /// Tests of workflows.
    Test,
    /// Manifests of adapters.
    Adapter,
}

/// `events schema`.
#[derive(Debug, Args)]
pub(crate) struct EventSchema {
    /// The type, e.g. ORDER_PAID
    #[arg(value_name = "TYPE")]
    pub kind: String,
    /// Look at so many events, the newest, 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub limit: u16,
    /// Write it to `schemas/TYPE.json`, where `check` looks
    #[arg(long)]
    pub write: bool,
    /// Overwrite the schema that is there
    #[arg(long, requires = "write")]
    pub force: bool,
}
