//! HTTP in: ingest endpoints, the API, metrics and health. Everything it knows it asks the engine.

mod answer;
mod api;
mod approvals;
mod auth;
mod dry;
mod events;
mod extract;
mod health;
mod ingest;
mod listen;
mod openapi;
mod redact;
mod route;
mod runs;
#[cfg(test)]
mod tests;
mod views;
mod workflows;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use axum::{Router, middleware};
use bytes::Bytes;
use postroom_engine::rehearsal::{DryRuns, EmptyStore};
use postroom_engine::{Engine, Source};

use route::{Route, Token, get};

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

const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            body_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            correlation_header: CORRELATION_HEADER.to_string(),
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
    correlation_header: HeaderName,
    tokens: Vec<AdminToken>,
    dry_runs: DryRuns,
    /// The OpenAPI document.
    document: Bytes,
}

/// The routes of a server. Dry runs are played on stores that `empty` makes.
pub fn router(
    engine: Engine,
    sources: &[Arc<Source>],
    tokens: Vec<AdminToken>,
    options: Options,
    empty: EmptyStore,
) -> Router {
    let routes = table(sources, &options);
    let document = openapi::document(&routes).to_string().into();
    let name = options.correlation_header.as_bytes();
    // The configuration lets no other name through.
    let correlation_header = match HeaderName::from_bytes(name) {
        // The constant is not counted when it is copied into each answer.
        Ok(name) if name != CORRELATION_HEADER => name,
        _ => CORRELATION_HEADER,
    };
    let app = Arc::new(App {
        engine,
        options,
        correlation_header,
        tokens,
        dry_runs: DryRuns::new(empty),
        document,
    });
    let admin = middleware::from_fn_with_state(Arc::clone(&app), auth::admin);
    let redact = middleware::from_fn_with_state(Arc::clone(&app), redact::answers);
    let mut router = Router::new().fallback(answer::no_such_path);
    for route in routes {
        let handler = match route.about.token {
            Token::Admin => route.handler.layer(redact.clone()).layer(admin.clone()),
            // A source asks for its token itself.
            Token::Source | Token::None => route.handler,
        };
        router = router.route(&route.path, handler);
    }
    // Holds for the routes that are there by now.
    router.method_not_allowed_fallback(answer::no_such_method).with_state(app)
}

/// Every route, that of the document about all of them included.
fn table(sources: &[Arc<Source>], options: &Options) -> Vec<Route> {
    let taking = sources.iter().map(|source| ingest::route(source, options));
    let mut routes: Vec<Route> = taking.chain(health::routes(options)).collect();
    routes.extend(sources.iter().filter_map(ingest::challenge));
    routes.extend(api::table());
    let document = get("/api/openapi.json", openapi::serve)
        .does("openapi", "This document.")
        .answers(200, "Document", "An OpenAPI document.");
    routes.push(document);
    routes
}
