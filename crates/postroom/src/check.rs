//! PLACEHOLDER of the owner's module: checking a project.

use crate::exit::Failed;
use crate::home;
use crate::output::Output;

/// Checks configuration and workflows.
pub(crate) fn run(options: &home::Options, output: &Output) -> Result<(), Failed> {
    let _ = output;
    Err(anyhow::anyhow!("PLACEHOLDER: {options:?}").into())
}
