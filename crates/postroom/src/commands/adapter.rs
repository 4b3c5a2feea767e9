//! `adapter`: what is known of providers, asked of the manifests themselves: those that come with
//! Postroom and those of the project, if there is one.

mod changes;
mod diff;
mod drift;
mod fields;
mod import;
mod list;
mod page;
mod show;
mod trial;
mod words;

use std::sync::Arc;

use postroom_adapters::{Catalog, MANIFESTS};
use postroom_core::{Problem, problem};
use postroom_expr::nearest;

use crate::assemble;
use crate::cli::Adapter;
use crate::config::Loaded;
use crate::exit::{Failed, Refused, Said};
use crate::output::Output;
use crate::{config, home};

/// What is known here.
struct Known {
    catalog: Catalog,
    /// The project, if there is one.
    loaded: Option<Loaded>,
}

/// Carries out `adapter ...`.
pub(super) async fn run(
    command: &Adapter,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    match command {
        // A description is read beside a project with problems too.
        Adapter::Import(args) => import::run(args, output),
        Adapter::Drift { manifest, spec } => drift::run(manifest, spec, options, output),
        Adapter::List => list::run(&known(options)?.catalog, output),
        Adapter::Show { name, markdown } => show::run(name, *markdown, &known(options)?, output),
        Adapter::Diff { old, new } => diff::run(old, new, &known(options)?, output),
        Adapter::Try(args) => trial::run(args, known(options)?, options, output).await,
    }
}

/// All adapters of the project; outside of one, those that come with Postroom.
fn known(options: &home::Options) -> Result<Known, Failed> {
    if options.config.is_none() && config::path(None).is_err() {
        return Ok(Known { catalog: Catalog::builtin(), loaded: None });
    }
    let loaded = config::load(options.config.as_deref())?;
    Ok(Known { catalog: assemble::adapters(&loaded)?, loaded: Some(loaded) })
}

impl Known {
    /// The text of an adapter's manifest.
    fn manifest(&self, adapter: &postroom_adapters::Adapter) -> Result<String, Failed> {
        match &self.loaded {
            Some(loaded) if self.catalog.is_own(&adapter.name) => {
                Ok(config::read(&loaded.folder.join(&adapter.file))?)
            }
            _ => {
                let mut texts = MANIFESTS.iter().filter(|(name, ..)| *name == adapter.name);
                Ok(texts.next().map(|(.., text)| (*text).to_owned()).unwrap_or_default())
            }
        }
    }
}

/// The adapter of a name.
fn adapter(name: &str, catalog: &Catalog) -> Result<Arc<postroom_adapters::Adapter>, Failed> {
    let found = catalog.adapter(name).cloned();
    found.ok_or_else(|| {
        let near = nearest(name, catalog.names());
        let hint = near.map_or_else(
            || "`postroom adapter list` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let detail = format!("there is no adapter `{name}`");
        not_there(Problem::new(&problem::UNKNOWN_ADAPTER, detail).hint(hint))
    })
}

/// What was asked for is not there.
fn not_there(problem: Problem) -> Failed {
    let said = Said { detail: problem.detail, hint: problem.hint };
    Failed::Refused(Refused { status: 404, code: Some(problem.kind.code.to_owned()), said })
}
