//! All adapters by name: the built-in ones and the user's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_core::Problem;
use postroom_core::definition::ActionRef;
use postroom_core::problem;
use postroom_expr::nearest;

use crate::adapter::{Action, Adapter};
use crate::manifest;

/// The built-in manifests: file and text. One entry here is all it takes to add one.
pub const MANIFESTS: &[(&str, &str)] = &[
    ("manifests/http.yaml", include_str!("../manifests/http.yaml")),
    ("manifests/local.yaml", include_str!("../manifests/local.yaml")),
    ("manifests/slack.yaml", include_str!("../manifests/slack.yaml")),
    ("manifests/stripe.yaml", include_str!("../manifests/stripe.yaml")),
];

/// All adapters by name. Cheap to clone: the adapters are shared.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    adapters: BTreeMap<String, Arc<Adapter>>,
}

impl Catalog {
    /// The built-in adapters.
    ///
    /// # Errors
    /// Every problem of every built-in manifest; a test walks them, so there is none.
    pub fn builtin() -> Result<Self, Vec<Problem>> {
        let mut catalog = Self::default();
        let mut problems = Vec::new();
        for (file, text) in MANIFESTS {
            if let Err(found) = catalog.add(file, text) {
                problems.extend(found);
            }
        }
        if problems.is_empty() { Ok(catalog) } else { Err(problems) }
    }

    /// Adds a manifest. It takes the place of an adapter of the same name.
    ///
    /// # Errors
    /// Every problem found in it; the catalog is then as before.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Vec<Problem>> {
        let adapter = manifest::read(file, text)?;
        self.adapters.insert(adapter.name.clone(), Arc::new(adapter));
        Ok(())
    }

    /// The adapter of a name.
    #[must_use]
    pub fn adapter(&self, name: &str) -> Option<&Arc<Adapter>> {
        self.adapters.get(name)
    }

    /// All adapters, by name.
    pub fn adapters(&self) -> impl Iterator<Item = &Arc<Adapter>> {
        self.adapters.values()
    }

    /// The action that a step uses; the newest version where none is given.
    ///
    /// # Errors
    /// A problem without a place that names the nearest adapter, action or version there is.
    pub fn action(&self, uses: &ActionRef) -> Result<(Arc<Adapter>, Arc<Action>), Problem> {
        let Some(adapter) = self.adapter(&uses.adapter) else {
            let detail = format!("there is no adapter `{}`", uses.adapter);
            let names = self.adapters.keys().map(String::as_str);
            return Err(unknown(&problem::UNKNOWN_ADAPTER, detail, &uses.adapter, names));
        };
        let named = adapter.actions.iter().filter(|action| action.name == uses.action);
        let found = match uses.version {
            None => named.clone().max_by_key(|action| action.version),
            Some(version) => named.clone().find(|action| action.version == version),
        };
        if let Some(action) = found {
            return Ok((Arc::clone(adapter), Arc::clone(action)));
        }
        let versions: Vec<String> = named.map(|action| action.version.to_string()).collect();
        if let (Some(version), false) = (uses.version, versions.is_empty()) {
            let name = format!("{}/{}", uses.adapter, uses.action);
            let detail = format!("`{name}` has no version {version}");
            let hint = format!("it has {}", versions.join(", "));
            return Err(Problem::new(&problem::UNKNOWN_ACTION, detail).hint(hint));
        }
        let detail = format!("the adapter `{}` has no action `{}`", uses.adapter, uses.action);
        let names = adapter.actions.iter().map(|action| action.name.as_str());
        Err(unknown(&problem::UNKNOWN_ACTION, detail, &uses.action, names))
    }
}

fn unknown<'a>(
    kind: &'static problem::Kind,
    detail: String,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Problem {
    let known: Vec<&str> = known.collect();
    let problem = Problem::new(kind, detail);
    match nearest(name, known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("known here: {}", known.join(", "))),
    }
}
