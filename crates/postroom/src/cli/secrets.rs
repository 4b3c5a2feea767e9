//! `secrets` on the command line. No value is ever an argument: those are seen by every process.

use clap::Subcommand;

/// `secrets`.
#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Make a key and a sealed file that opens with it
    Init,
    /// Set a secret in the sealed file; the value is read from standard input, or asked for
    Set {
        /// Its name, as connections refer to it
        name: String,
    },
    /// List names, where each secret is found and since when; never a value
    List,
    /// Replace a secret and let the old value count for signatures for a while; without a name,
    /// seal the file anew for its recipients
    Rotate {
        /// Its name
        #[arg(conflicts_with = "new_key")]
        name: Option<String>,
        /// How long what was signed with the old value is still taken
        #[arg(long, value_name = "TIME", default_value = "7d", conflicts_with = "new_key")]
        keep: String,
        /// Make a new key, which takes the place of the old one
        #[arg(long)]
        new_key: bool,
    },
    /// Open the sealed file in your editor
    Edit,
}
