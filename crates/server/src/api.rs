//! The API under `/api/v1`: what it has in common and what is no family of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router, middleware};
use postroom_core::{Problem, problem};
use serde::{Deserialize, Serialize};

use crate::answer::Refusal;
use crate::{App, auth, events, runs};

/// The most rows of a page.
const MAX_LIMIT: usize = 500;

pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .merge(events::routes())
        .merge(runs::routes())
        .route("/workflows", get(workflows))
        .route("/adapters", get(adapters))
        .route("/connections", get(connections))
        .route("/stats", get(stats))
        .layer(middleware::from_fn_with_state(Arc::clone(app), auth::admin))
}

/// Query parameters, each of which a handler has to know.
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Takes them apart.
    ///
    /// # Errors
    /// A parameter that stands twice.
    pub fn new(query: Query<Vec<(String, String)>>) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in query.0 {
            if parameters.contains_key(&name) {
                let detail = format!("`{name}` stands twice");
                return Err(Problem::new(&problem::BAD_QUERY, detail));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }

    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// A parameter that is more than text.
    pub fn parse<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem>
    where
        T::Err: std::fmt::Display,
    {
        let parsed = self.take(name).map(|text| text.parse::<T>()).transpose();
        parsed.map_err(|why| Problem::new(&problem::BAD_QUERY, format!("`{name}`: {why}")))
    }

    /// How many rows are wanted: 50 unless said, 500 at the most.
    pub fn limit(&mut self) -> Result<usize, Problem> {
        let limit = self.parse::<usize>("limit")?.unwrap_or(50);
        if (1..=MAX_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("`limit` is {limit}, but must lie between 1 and {MAX_LIMIT}");
        Err(Problem::new(&problem::BAD_QUERY, detail))
    }

    /// Refuses what nobody asked for: a filter with a slip in it would select everything.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let detail = format!("there is no parameter `{name}` here");
                Err(Problem::new(&problem::BAD_QUERY, detail))
            }
        }
    }
}

/// A body that may be left out.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Wish {
    /// Why, in the person's words.
    pub note: Option<String>,
    /// Who, if the caller knows better than "api".
    pub actor: Option<String>,
    /// `same` or `newest`: which version of the workflow a redrive goes on with.
    pub version: Option<String>,
    /// Which runs, in a bulk order.
    pub workflow: Option<String>,
    /// Which runs, in a bulk order.
    pub code: Option<String>,
    /// How many runs at the most, in a bulk order.
    pub limit: Option<usize>,
}

impl Wish {
    /// Reads the body; none at all wishes nothing in particular.
    pub fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(body)
            .map_err(|error| Problem::new(&problem::BAD_JSON, error.to_string()))
    }

    pub fn actor(&self) -> &str {
        self.actor.as_deref().unwrap_or("api")
    }

    /// Whether the newest version of the workflow is wanted.
    pub fn newest(&self) -> Result<bool, Problem> {
        match self.version.as_deref() {
            None | Some("same") => Ok(false),
            Some("newest") => Ok(true),
            Some(other) => {
                let detail = format!("`version` is `{other}`, but must be `same` or `newest`");
                Err(Problem::new(&problem::BAD_ENVELOPE, detail))
            }
        }
    }
}

#[derive(Serialize)]
struct WorkflowView {
    name: String,
    file: String,
    definition: String,
    events: Vec<String>,
    steps: Vec<String>,
}

async fn workflows(State(app): State<Arc<App>>) -> Json<Vec<WorkflowView>> {
    let project = app.engine.project();
    let view = |(_, workflow): &(_, Arc<postroom_core::Workflow>)| WorkflowView {
        name: workflow.name.clone(),
        file: workflow.file.clone(),
        definition: workflow.hash.to_string(),
        events: workflow.triggers.iter().map(|trigger| trigger.event.clone()).collect(),
        steps: workflow.steps.iter().map(|step| format!("{}: {}", step.id, step.uses)).collect(),
    };
    Json(project.workflows.iter().map(view).collect())
}

#[derive(Serialize)]
struct AdapterView {
    name: String,
    title: String,
    docs: String,
    actions: Vec<String>,
}

async fn adapters(State(app): State<Arc<App>>) -> Json<Vec<AdapterView>> {
    let project = app.engine.project();
    let views = project.catalog.adapters().map(|adapter| AdapterView {
        name: adapter.name.clone(),
        title: adapter.title.clone(),
        docs: adapter.docs_url.clone(),
        actions: adapter.actions.iter().map(|a| format!("{}@{}", a.name, a.version)).collect(),
    });
    Json(views.collect())
}

#[derive(Serialize)]
struct ConnectionView {
    name: String,
    adapter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    /// Names under which credentials are looked up; never the credentials.
    credentials: BTreeMap<String, String>,
}

async fn connections(State(app): State<Arc<App>>) -> Json<Vec<ConnectionView>> {
    let project = app.engine.project();
    let views = project.connections.values().map(|connection| ConnectionView {
        name: connection.name.clone(),
        adapter: connection.adapter.clone(),
        base_url: connection.base_url.clone(),
        credentials: connection.credentials.clone(),
    });
    Json(views.collect())
}

#[derive(Serialize)]
struct StatsView {
    runs: BTreeMap<&'static str, u64>,
    oldest_due_ms: Option<i64>,
    dedupe_keys: u64,
    disk_bytes: u64,
    failing: Option<String>,
    now_ms: i64,
}

async fn stats(State(app): State<Arc<App>>) -> Result<Json<StatsView>, Refusal> {
    let stats = app.engine.stats().await?;
    Ok(Json(StatsView {
        runs: stats.runs.iter().map(|(state, count)| (state.name(), *count)).collect(),
        oldest_due_ms: stats.oldest_due_ms,
        dedupe_keys: stats.dedupe_keys,
        disk_bytes: stats.disk_bytes,
        failing: stats.failing,
        now_ms: app.engine.now_ms(),
    }))
}
