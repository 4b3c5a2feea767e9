//! The versions of a workflow: what the store keeps of it, which one the project has, and how many
//! runs are on each.

use std::collections::HashMap;

use postroom_core::DefinitionHash;
use postroom_core::definition::Stored;
use postroom_core::run::RunState;
use postroom_store::{Error, RunFilter};

use crate::Engine;

/// Runs looked at to count those that have not ended, at most.
const COUNTED: usize = 10_000;

/// Runs looked up at once.
const PAGE: usize = 500;

/// A version of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its hash.
    pub hash: DefinitionHash,
    /// What is kept of it.
    pub stored: Stored,
    /// Whether it is the one that new events start.
    pub active: bool,
    /// Runs on it that have not ended.
    pub open: u64,
}

/// Every version of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Versions {
    /// The versions, the one that was seen last first; those of which it is not known come last.
    pub versions: Vec<Version>,
    /// Whether there may be more runs that have not ended than were counted.
    pub more: bool,
}

impl Engine {
    /// Every version of a workflow that is kept; none if there never was one of that name.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn versions(&self, name: &str) -> Result<Versions, Error> {
        let project = self.project();
        let known = project.workflows.iter().find(|(_, workflow)| workflow.name == name);
        let active = known.map(|(stored, workflow)| (workflow.hash, stored.file.clone()));
        let (open, more) = self.open_runs(name).await?;
        let kept = self.inner.store.definitions(None).await?.into_iter();
        let kept = kept.filter(|(kept, _)| kept == name);
        let version = |(_, mut stored): (String, Stored)| {
            let hash = stored.hash();
            let now = active.as_ref().filter(|(active, _)| *active == hash);
            // The store remembers where the file first lay; it may have been renamed since.
            if let Some((_, file)) = now {
                stored.file.clone_from(file);
            }
            let open = open.get(&hash).copied().unwrap_or_default();
            Version { hash, active: now.is_some(), open, stored }
        };
        let mut versions: Vec<Version> = kept.map(version).collect();
        versions.sort_by_key(|version| {
            std::cmp::Reverse((version.stored.first_seen_ms, version.active, version.hash))
        });
        Ok(Versions { versions, more })
    }

    /// How many runs of a workflow have not ended, by version, and whether there may be more.
    async fn open_runs(&self, name: &str) -> Result<(HashMap<DefinitionHash, u64>, bool), Error> {
        let mut open: HashMap<DefinitionHash, u64> = HashMap::new();
        let mut left = COUNTED;
        for state in RunState::ALL.into_iter().filter(|state| !state.ended()) {
            let workflow = Some(name.to_owned());
            let mut filter = RunFilter { state: Some(state), workflow, ..RunFilter::default() };
            loop {
                if left == 0 {
                    return Ok((open, true));
                }
                filter.limit = PAGE.min(left);
                let page = self.inner.store.runs(filter.clone()).await?;
                left -= page.rows.len().min(left);
                for (run, _) in &page.rows {
                    *open.entry(run.definition).or_default() += 1;
                }
                filter.before = page.rows.last().map(|(run, _)| run.id);
                if !page.more {
                    break;
                }
            }
        }
        Ok((open, false))
    }
}
