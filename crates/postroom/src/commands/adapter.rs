//! `adapter`: what is known of providers, asked of the manifests themselves: those that come with
//! Postroom and those of the project, if there is one.

mod list;

use postroom_adapters::Catalog;

use crate::assemble;
use crate::cli::Adapter;
use crate::exit::Failed;
use crate::output::Output;
use crate::{config, home};

/// Carries out `adapter ...`.
pub(super) fn run(
    command: &Adapter,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    match command {
        Adapter::List => list::run(&catalog(options)?, output),
    }
}

/// All adapters of the project; outside of one, those that come with Postroom.
fn catalog(options: &home::Options) -> Result<Catalog, Failed> {
    if options.config.is_none() && config::path(None).is_err() {
        return Ok(Catalog::builtin());
    }
    let loaded = config::load(options.config.as_deref())?;
    Ok(assemble::adapters(&loaded)?)
}
