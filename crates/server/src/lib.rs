//! HTTP in: ingest endpoints, the API, metrics and health. Everything it knows it asks the engine.

mod answer;
mod api;
mod auth;
mod events;
mod extract;
mod health;
mod ingest;
mod listen;
mod route;
mod runs;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use postroom_engine::{Engine, Source};

pub use auth::AdminToken;
pub use listen::{Listening, serve};

/// Bounds and modes of the server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The most bytes a body may have.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// The header that carries the correlation id, in lower case.
    pub correlation_header: String,
    /// Where metrics are, if anywhere.
    pub metrics_path: Option<String>,
    /// Whether metrics need the admin token.
    pub metrics_need_token: bool,
    /// Whether health endpoints are there.
    pub health: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            body_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            correlation_header: "x-correlation-id".to_owned(),
            metrics_path: Some("/metrics".to_owned()),
            metrics_need_token: false,
            health: true,
        }
    }
}

/// What every handler shares.
struct App {
    engine: Engine,
    options: Options,
    tokens: Vec<AdminToken>,
    sources: Vec<Arc<Source>>,
}

/// The routes of a server.
pub fn router(
    engine: Engine,
    sources: Vec<Arc<Source>>,
    tokens: Vec<AdminToken>,
    options: Options,
) -> Router {
    let app = Arc::new(App { engine, options, tokens, sources });
    let mut router = Router::new()
        .nest("/api/v1", api::routes(&app))
        .route("/", get(health::overview))
        .fallback(answer::no_such_path);
    if app.options.health {
        router = router.route("/healthz", get(health::alive)).route("/readyz", get(health::ready));
    }
    if let Some(path) = &app.options.metrics_path {
        router = router.route(path, get(health::metrics));
    }
    for source in &app.sources {
        router = router.merge(ingest::route(source));
    }
    // Holds for the routes that are there by now.
    router.method_not_allowed_fallback(answer::no_such_method).with_state(app)
}
