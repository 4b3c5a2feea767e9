//! `adapter` on the command line.

use clap::Subcommand;

/// `adapter`.
#[derive(Debug, Subcommand)]
pub(crate) enum Adapter {
    /// List the adapters: those that come with Postroom and those of the project
    List,
}
