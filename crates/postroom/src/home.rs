//! PLACEHOLDER of the owner's module: where a project and its data are.

use std::path::PathBuf;

/// Which project and which data folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The configuration, if named.
    pub config: Option<PathBuf>,
    /// The data folder, if named.
    pub data: Option<PathBuf>,
}

/// A new admin token.
pub(crate) struct NewToken {
    /// The token, shown once.
    pub token: String,
    /// The file that holds its hash.
    pub file: PathBuf,
}

/// Makes a new admin token and keeps its hash.
pub(crate) fn new_token(options: &Options) -> anyhow::Result<NewToken> {
    anyhow::bail!("PLACEHOLDER: no token for {options:?}")
}
