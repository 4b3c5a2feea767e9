//! PLACEHOLDER of the owner's module: a project opened without a server.

use std::path::PathBuf;

use postroom_core::Problem;

use crate::home;

/// The API of a project, in this process.
pub(crate) struct Local {
    /// The routes of the server.
    pub router: axum::Router,
    /// The admin token of this opening.
    pub token: String,
}

/// Why a project could not be opened here.
pub(crate) enum Unopened {
    /// Another process has the data folder.
    Locked {
        /// The data folder.
        folder: PathBuf,
    },
    /// The configuration or a workflow has problems.
    Problems(Vec<Problem>),
    /// The store cannot be opened.
    Store(anyhow::Error),
}

/// Opens the store and builds the engine without starting it.
///
/// # Errors
/// By what the caller does next.
pub(crate) async fn open_local(options: &home::Options) -> Result<Local, Unopened> {
    let _ = (Unopened::Locked { folder: PathBuf::new() }, Unopened::Problems(Vec::new()));
    let _ = || Local { router: axum::Router::new(), token: String::new() };
    Err(Unopened::Store(anyhow::anyhow!("PLACEHOLDER: nothing opens {options:?}")))
}
