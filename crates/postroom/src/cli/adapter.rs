//! `adapter` on the command line.

use clap::Subcommand;

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
    /// Tell what breaks where one contract takes the place of another, with file and line
    Diff {
        /// What is used now: an action, an adapter or the file of a manifest
        #[arg(value_name = "OLD")]
        old: String,
        /// What would take its place
        #[arg(value_name = "NEW")]
        new: String,
    },
}
