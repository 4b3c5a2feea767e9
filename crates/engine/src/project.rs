//! What an engine works with: checked workflows, adapters, connections and bounds. Built by the
//! configuration loader; nothing here reads a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_adapters::{Adapter, Catalog, OAuth, RateLimit};
use postroom_core::definition::{Mode, Stored, Workflow};
use postroom_core::trigger::Router;
use postroom_core::{Json, Problem, problem};

use crate::outbound::{Allow, Authority};

/// A checked project. A copy shares what it holds.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its workflows, each with the form in which it is kept.
    pub workflows: Vec<(Stored, Arc<Workflow>)>,
    /// Which events start what.
    pub router: Router,
    /// The adapters it may use.
    pub catalog: Arc<Catalog>,
    /// Its connections by name.
    pub connections: BTreeMap<String, Arc<Connection>>,
}

/// An account at a provider.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// The adapter it belongs to.
    pub adapter: String,
    /// Used instead of the adapter's own base URL.
    pub base_url: Option<String>,
    /// Settings that are no secrets, readable by manifests as `connection`.
    pub config: Json,
    /// Under which name each credential of the adapter is kept.
    pub credentials: BTreeMap<String, String>,
    /// Where it may go beside public addresses.
    pub allow: Vec<Allow>,
    /// Whose certificates it believes, if not those of the web.
    pub authority: Option<Authority>,
    /// Where its access tokens come from, if not from a credential.
    pub oauth: Option<OAuth>,
    /// How fast it may be used; the adapter's own limits when empty.
    pub limits: Vec<RateLimit>,
    /// Whether what would change something there is sent.
    pub mode: Mode,
}

impl Connection {
    /// The connection an adapter has without configuration: its own base URL, limits and names of
    /// credentials.
    #[must_use]
    pub fn default_of(adapter: &Adapter) -> Self {
        let credentials = adapter.credentials.iter().map(|c| (c.name.clone(), c.env.clone()));
        Self {
            name: adapter.name.clone(),
            adapter: adapter.name.clone(),
            base_url: None,
            config: Json::null(),
            credentials: credentials.collect(),
            allow: Vec::new(),
            authority: None,
            oauth: adapter.oauth.clone(),
            limits: adapter.limits.clone(),
            mode: Mode::Live,
        }
    }
}

impl Project {
    /// Puts a project together; refuses workflows that use what is not there.
    ///
    /// # Errors
    /// Every unknown adapter, action and connection, and every name that stands twice.
    pub fn new(
        workflows: Vec<(Stored, Workflow)>,
        catalog: Arc<Catalog>,
        mut connections: BTreeMap<String, Arc<Connection>>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for (_, workflow) in &workflows {
            if let Some(other) = names.insert(&workflow.name, &workflow.file) {
                let detail = format!("{other} also defines workflow `{}`", workflow.name);
                problems.push(file_problem(&problem::DUPLICATE_NAME, detail, workflow));
            }
            for step in &workflow.steps {
                let Some(act) = step.act() else { continue };
                match catalog.action(&act.uses) {
                    Ok((adapter, _)) => {
                        let configured = connections.values().any(|c| c.adapter == adapter.name);
                        if !configured
                            && let Err(found) = adapter.check_settings(&adapter.name, &Json::null())
                        {
                            problems.push(found.at(place(workflow)));
                        }
                        let default = || Arc::new(Connection::default_of(&adapter));
                        connections.entry(adapter.name.clone()).or_insert_with(default);
                    }
                    Err(mut found) => {
                        found.detail = format!("step `{}`: {}", step.id, found.detail);
                        found.place = Some(place(workflow));
                        problems.push(found);
                    }
                }
                if let Some(name) = &act.connection
                    && connections.get(name).is_none_or(|c| c.adapter != act.uses.adapter)
                {
                    let detail = format!(
                        "step `{}` uses connection `{name}`, which is none of adapter `{}`",
                        step.id, act.uses.adapter
                    );
                    problems.push(file_problem(&problem::UNKNOWN_CONNECTION, detail, workflow));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let workflows: Vec<_> = workflows.into_iter().map(|(s, w)| (s, Arc::new(w))).collect();
        let router = Router::new(workflows.iter().map(|(_, w)| Arc::clone(w)).collect());
        Ok(Self { workflows, router, catalog, connections })
    }

    /// The connection a step uses. A run that began before the project changed may use an adapter
    /// that no workflow uses any more; it has the connection that the adapter has by itself.
    #[must_use]
    pub fn connection(&self, name: Option<&str>, adapter: &str) -> Option<Arc<Connection>> {
        if let Some(name) = name {
            return self.connections.get(name).cloned();
        }
        // The adapter's only configured connection, else the one it has by itself.
        let mut of_adapter =
            self.connections.values().filter(|c| c.adapter == adapter && c.name != adapter);
        match (of_adapter.next(), of_adapter.next()) {
            (Some(only), None) => Some(Arc::clone(only)),
            _ => self.connections.get(adapter).cloned().or_else(|| {
                let adapter = self.catalog.adapter(adapter)?;
                Some(Arc::new(Connection::default_of(adapter)))
            }),
        }
    }
}

fn place(workflow: &Workflow) -> problem::Place {
    problem::Place { file: workflow.file.clone(), line: 0, column: 0, len: 0 }
}

fn file_problem(kind: &'static problem::Kind, detail: String, workflow: &Workflow) -> Problem {
    Problem::new(kind, detail).at(place(workflow))
}

/// Bounds and modes of an engine.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Steps at work at once.
    pub concurrency: usize,
    /// Runs whose last commit may be under way while their workers go on.
    pub commits_in_flight: usize,
    /// How long an owner may be silent before its runs go to another, in milliseconds.
    pub lease_ms: i64,
    /// Owners that a run may lose one after the other, before it is a dead letter; at least 1.
    pub losses: u32,
    /// How long repetitions of events and runs are recognised, in milliseconds.
    pub dedupe_window_ms: i64,
    /// Arrivals that may wait to be written.
    pub arriving: usize,
    /// The most hops of an event that a step emits, where its workflow does not say otherwise.
    pub max_hops: u16,
    /// Provider calls are answered from recorded examples.
    pub sandbox: bool,
    /// What may be forgotten.
    pub retention: Retention,
    /// Ids and jitter follow from this instead of from chance, for rehearsals.
    pub seed: Option<u64>,
}

/// What may be forgotten of runs that have ended; what is `None` is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Keep this many succeeded and cancelled runs.
    pub ended_count: Option<u64>,
    /// Keep this many dead letters.
    pub dead_count: Option<u64>,
    /// Keep dead letters this long, in milliseconds.
    pub dead_age_ms: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 5,
            commits_in_flight: 1024,
            lease_ms: 30_000,
            losses: 5,
            dedupe_window_ms: 3 * 86_400_000,
            arriving: 10_000,
            max_hops: 16,
            sandbox: false,
            retention: Retention::default(),
            seed: None,
        }
    }
}
