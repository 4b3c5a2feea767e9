//! PLACEHOLDER of the owner's module: the server.

use crate::exit::Failed;
use crate::output::Output;
use crate::{cli, home};

/// Serves until told to stop.
pub(crate) async fn run(
    args: &cli::Serve,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let _ = output;
    Err(anyhow::anyhow!("PLACEHOLDER: {args:?} {options:?}").into())
}
