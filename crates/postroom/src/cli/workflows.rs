//! `workflows` on the command line.

use clap::Subcommand;

/// `workflows`.
#[derive(Debug, Subcommand)]
pub(crate) enum Workflows {
    /// List the workflows of the project
    List,
    /// Show a workflow: what starts it, its steps, its text
    Show {
        /// The workflow
        name: String,
    },
    /// List every version of a workflow that is kept, and how many runs are on each
    Versions {
        /// The workflow
        name: String,
    },
    /// Show what differs between two versions of a workflow
    Diff {
        /// The workflow
        name: String,
        /// The start of a version's hash, `active`, `previous`, or `disk` for the file as it is
        #[arg(value_name = "OLD", default_value = "previous")]
        old: String,
        /// The other one, named in the same way
        #[arg(value_name = "NEW", default_value = "active")]
        new: String,
    },
    /// Write an earlier version of a workflow back into its file
    Rollback {
        /// The workflow
        name: String,
        /// The start of the version's hash, or `previous`
        #[arg(value_name = "VERSION", default_value = "previous")]
        version: String,
        /// Give up changes of the file that no version has
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}
