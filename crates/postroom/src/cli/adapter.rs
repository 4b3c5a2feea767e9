//! `adapter` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `adapter`.
#[derive(Debug, Subcommand)]
pub(crate) enum Adapter {
    /// List the adapters: those that come with Postroom and those of the project
    List,
    /// Show all that is known of an adapter or an action
    Show {
        /// An adapter, an action as in stripe/refund, or a version of one as in stripe/refund@1
        name: String,
        /// Print the page of the reference, as Markdown
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
    },
    /// Try one action by hand; nothing is sent unless --live says so
    Try(Try),
    /// Tell what breaks where one contract takes the place of another, with file and line
    Diff {
        /// What is used now: an action, an adapter or the file of a manifest
        #[arg(value_name = "OLD")]
        old: String,
        /// What would take its place
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Write an adapter from the description of an API; without a choice, list its operations
    Import(AdapterImport),
    /// Compare an adapter with a newer description of its API
    Drift {
        /// The adapter's name, or the file of its manifest
        manifest: String,
        /// The description; - is standard input
        #[arg(value_name = "SPEC")]
        spec: PathBuf,
    },
}

/// `adapter import`.
#[derive(Debug, Args)]
pub(crate) struct AdapterImport {
    /// The description: OpenAPI 3.0 or 3.1 in JSON or YAML, or a Google Discovery document; - is
    /// standard input
    #[arg(value_name = "SPEC")]
    pub spec: PathBuf,
    /// These operations, by the names of the description; `*` stands for any letters
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub operations: Vec<String>,
    /// The operations of these groups
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Every operation
    #[arg(long, conflicts_with_all = ["operations", "tags"])]
    pub all: bool,
    /// The name of the adapter, as in `uses: NAME/action` [default: from the title of the API]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The file to write [default: adapters/NAME.yaml]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Overwrite the file that is there
    #[arg(long)]
    pub force: bool,
}

/// `adapter try`.
#[derive(Debug, Args)]
pub(crate) struct Try {
    /// The action, as in slack/post_message or stripe/refund@1
    #[arg(value_name = "ACTION")]
    pub uses: String,
    /// Values of the input by name, as in amount=1500 or metadata.order=A-1 [default: the
    /// example's input, where nothing is sent]
    #[arg(value_name = "NAME=VALUE", conflicts_with = "input")]
    pub values: Vec<String>,
    /// The input as JSON in a file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// The connection to use [default: that of the provider]
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Send it
    #[arg(long)]
    pub live: bool,
    /// Answer it from the recorded example, and show what comes of it
    #[arg(long, conflicts_with = "live")]
    pub sandbox: bool,
    /// Do not ask before something is sent that moves money or destroys something
    #[arg(short, long, requires = "live")]
    pub yes: bool,
}
