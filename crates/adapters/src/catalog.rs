//! All adapters by name: the built-in ones and the user's own.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use postroom_core::Problem;
use postroom_core::definition::ActionRef;
use postroom_core::problem;
use postroom_expr::nearest;

use crate::adapter::{Action, Adapter};
use crate::manifest;

/// The built-in manifests by name, with file and text: all that lies in `manifests/`.
pub const MANIFESTS: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/manifests.rs"));

/// The built-in adapters that were asked for so far. Reading all would take longer than starting,
/// and more memory than all else together.
static READ: [OnceLock<Option<Arc<Adapter>>>; MANIFESTS.len()] =
    [const { OnceLock::new() }; MANIFESTS.len()];

/// All adapters by name. Cheap to clone: the adapters are shared.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    own: BTreeMap<String, Arc<Adapter>>,
    builtin: bool,
}

impl Catalog {
    /// The built-in adapters. Each is read when it is first asked for.
    #[must_use]
    pub fn builtin() -> Self {
        Self { own: BTreeMap::new(), builtin: true }
    }

    /// Adds a manifest. It takes the place of an adapter of the same name.
    ///
    /// # Errors
    /// Every problem found in it; the catalog is then as before.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Vec<Problem>> {
        self.insert(file, text).map(drop)
    }

    /// The same, for who goes on with the adapter.
    ///
    /// # Errors
    /// Those of [`Catalog::add`].
    pub fn insert(&mut self, file: &str, text: &str) -> Result<Arc<Adapter>, Vec<Problem>> {
        let adapter = Arc::new(manifest::read(file, text)?);
        self.own.insert(adapter.name.clone(), Arc::clone(&adapter));
        Ok(adapter)
    }

    /// The adapter of a name.
    #[must_use]
    pub fn adapter(&self, name: &str) -> Option<&Arc<Adapter>> {
        self.own.get(name).or_else(|| if self.builtin { builtin(name) } else { None })
    }

    /// Whether an adapter was added, and did not come with Postroom.
    #[must_use]
    pub fn is_own(&self, name: &str) -> bool {
        self.own.contains_key(name)
    }

    /// The names of all adapters, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let built_in = MANIFESTS.iter().map(|(name, ..)| *name).filter(|_| self.builtin);
        let mut names: Vec<&str> = self.own.keys().map(String::as_str).chain(built_in).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// All adapters, by name. Reads every built-in one.
    pub fn adapters(&self) -> impl Iterator<Item = &Arc<Adapter>> {
        self.names().into_iter().filter_map(|name| self.adapter(name))
    }

    /// The action that a step uses; the newest version where none is given.
    ///
    /// # Errors
    /// A problem without a place that names the nearest adapter, action or version there is.
    pub fn action(&self, uses: &ActionRef) -> Result<(Arc<Adapter>, Arc<Action>), Problem> {
        let Some(adapter) = self.adapter(&uses.adapter) else {
            let detail = format!("there is no adapter `{}`", uses.adapter);
            let names = self.names().into_iter();
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

/// A built-in adapter. That every manifest can be read is held by a test.
fn builtin(name: &str) -> Option<&'static Arc<Adapter>> {
    let index = MANIFESTS.binary_search_by(|(known, ..)| (*known).cmp(name)).ok()?;
    let (_, file, text) = MANIFESTS[index];
    READ[index].get_or_init(|| manifest::read(file, text).ok().map(Arc::new)).as_ref()
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
