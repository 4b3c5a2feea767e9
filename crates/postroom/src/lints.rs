//! What the lints of workflows need to know of a project: what actions do, what schemas mark as
//! secret, which requests its tests know.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use postroom_adapters::Catalog;
use postroom_core::Problem;
use postroom_core::definition::{Act, Mode, Step, Workflow};
use postroom_core::lint::{self, Effects, Known};
use postroom_core::typecheck::Contracts;
use postroom_core::yaml::Node;
use postroom_engine::Connection;

use crate::assemble::YAML;
use crate::config::read;
use crate::files;
use crate::fixture::evidence::{self, Requested};

/// The lints of a project's workflows.
pub(crate) struct Lints<'a> {
    pub catalog: &'a Catalog,
    pub contracts: &'a Contracts,
    pub connections: &'a BTreeMap<String, Arc<Connection>>,
    /// Fields that schemas mark as secret.
    pub marked: &'a BTreeMap<String, Vec<Vec<String>>>,
    /// The folder of tests. They are read only where a lint asks for them.
    pub tests: &'a Path,
}

impl Lints<'_> {
    /// The lints of some workflows, each with the tree and the text of its file.
    pub fn of(&self, workflows: &[(&Workflow, &Node, &str)]) -> Vec<Problem> {
        let requested = OnceCell::new();
        let effects = |act: &Act| self.effects(act);
        let rehearsed = |workflow: &Workflow, step: &Step| {
            let requested: &Vec<Requested> = requested.get_or_init(|| self.requested());
            requested.iter().any(|request| request.names(workflow, step))
        };
        let known = Known {
            contracts: self.contracts,
            effects: &effects,
            rehearsed: &rehearsed,
            marked: self.marked,
        };
        let each = workflows.iter();
        each.flat_map(|(workflow, root, text)| lint::workflow(workflow, root, text, &known))
            .collect()
    }

    fn effects(&self, act: &Act) -> Option<Effects> {
        let (_, action) = self.catalog.action(&act.uses).ok()?;
        let effects = action.effects(&act.with);
        if self.connection(act).is_some_and(|known| known.mode == Mode::Dry) {
            // What is only planned does nothing.
            return Some(Effects { unrepeatable: None, destructive: false, ..effects });
        }
        Some(effects)
    }

    /// The connection of a step, if the configuration has it.
    fn connection(&self, act: &Act) -> Option<&Connection> {
        if let Some(name) = &act.connection {
            return self.connections.get(name).map(AsRef::as_ref);
        }
        let mut fitting = self.connections.values().filter(|it| it.adapter == act.uses.adapter);
        fitting.next().filter(|_| fitting.next().is_none()).map(AsRef::as_ref)
    }

    /// The requests that the tests expect. Files that cannot be read are told by `postroom test`.
    fn requested(&self) -> Vec<Requested> {
        let paths = files::of(self.tests, YAML, &mut Vec::new());
        let texts = paths.iter().filter_map(|path| read(path).ok());
        texts.flat_map(|text| evidence::of(&text)).collect()
    }
}
