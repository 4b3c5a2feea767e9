//! The API under `/api/v1`: what it has in common and what is no family of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use postroom_core::definition::Mode;
use serde::Serialize;

use crate::answer::Refusal;
use crate::route::{Route, Token, get};
use crate::{App, approvals, events, runs, workflows};

/// Every route of the API.
pub(crate) fn table() -> Vec<Route> {
    let own = vec![
        get("/adapters", adapters)
            .does("listAdapters", "The adapters that workflows may use.")
            .answers(200, "AdapterList", "All of them."),
        get("/connections", connections)
            .does("listConnections", "The accounts at providers, without credentials.")
            .answers(200, "ConnectionList", "All of them."),
        get("/stats", stats)
            .does("stats", "Counts of the store.")
            .answers(200, "Stats", "As they are now.")
            .stored(),
    ];
    let families = [events::routes(), runs::routes(), approvals::routes(), workflows::routes()];
    let routes = families.into_iter().flatten().chain(own);
    routes.map(|route| route.below("/api/v1").token(Token::Admin)).collect()
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
    mode: Mode,
    /// Names under which credentials are looked up; never the credentials.
    credentials: BTreeMap<String, String>,
    /// How its access stands, if its tokens come by OAuth2; never a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<postroom_engine::oauth::State>,
}

async fn connections(State(app): State<Arc<App>>) -> Json<Vec<ConnectionView>> {
    let project = app.engine.project();
    let views = project.connections.values().map(|connection| ConnectionView {
        name: connection.name.clone(),
        adapter: connection.adapter.clone(),
        base_url: connection.base_url.clone(),
        mode: connection.mode,
        credentials: connection.credentials.clone(),
        access: app.engine.access_state(connection),
    });
    Json(views.collect())
}

#[derive(Serialize)]
struct StatsView {
    runs: BTreeMap<&'static str, u64>,
    at_work: u64,
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
        at_work: stats.at_work,
        oldest_due_ms: stats.oldest_due_ms,
        dedupe_keys: stats.dedupe_keys,
        disk_bytes: stats.disk_bytes,
        failing: stats.failing,
        now_ms: app.engine.now_ms(),
    }))
}
