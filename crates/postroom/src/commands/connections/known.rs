//! What `connections list` and `connections test` know: connections, and secrets of every place,
//! Vault included.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_core::{Problem, problem};
use postroom_engine::oauth::Folder;
use postroom_engine::{Connection, Project};

use super::Accounts;
use crate::exit::Failed;
use crate::secrets::Keeper;

/// The connections of a project, and what they need.
pub(super) struct Known {
    pub project: Project,
    pub keeper: Arc<Keeper>,
    pub folder: Folder,
}

impl Accounts {
    /// With what Vault says, where there is one.
    pub(super) async fn known(self) -> Known {
        let Self { assembled, folder } = self;
        assembled.secrets.ask().await;
        Known { project: assembled.project, keeper: Arc::new(assembled.secrets), folder }
    }
}

impl Known {
    /// All connections, or the one of a name.
    pub fn named(&self, name: Option<&str>) -> Result<BTreeMap<String, Arc<Connection>>, Failed> {
        let all = &self.project.connections;
        let Some(name) = name else { return Ok(all.clone()) };
        if let Some(found) = all.get(name) {
            return Ok(BTreeMap::from([(name.to_owned(), Arc::clone(found))]));
        }
        let detail = format!("there is no connection `{name}`");
        let names = all.keys().map(String::as_str);
        let hint = match postroom_expr::nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", names.collect::<Vec<_>>().join(", ")),
        };
        let found = Problem::new(&problem::UNKNOWN_CONNECTION, detail).hint(hint);
        Err(Failed::Problems(vec![found]))
    }
}
