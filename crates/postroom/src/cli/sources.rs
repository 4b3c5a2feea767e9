//! `sources` on the command line.

use clap::Subcommand;

/// `sources`.
#[derive(Debug, Subcommand)]
pub(crate) enum Sources {
    /// List the sources of the project, and whether their secrets are set
    List,
    /// Print the token that a provider showed when it first called a source
    Token {
        /// The source
        name: String,
    },
}
