//! Whether the process lives, whether it can take events, and its figures.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use postroom_core::run::RunState;

use crate::answer::Refusal;
use crate::{AdminToken, App};

/// 200 as long as the process answers at all.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// 200 if events can be written down, else 503 with the reason.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let failing = match app.engine.stats().await {
        Ok(stats) => stats.failing,
        Err(error) => Some(error.to_string()),
    };
    match failing {
        _ if app.engine.stopping() => not_ready("the server is stopping"),
        Some(why) => not_ready(&why),
        None => "ready\n".into_response(),
    }
}

fn not_ready(why: &str) -> Response {
    let retry = [(header::RETRY_AFTER, "5")];
    (StatusCode::SERVICE_UNAVAILABLE, retry, format!("not ready: {why}\n")).into_response()
}

/// Every metric in the OpenMetrics text format.
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if app.options.metrics_need_token {
        AdminToken::check(&app.tokens, &headers)?;
    }
    let text = app.engine.signals().render(app.engine.stats().await?);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// A first page that says what is where. Holds counts, no data of events.
pub(crate) async fn overview(State(app): State<Arc<App>>) -> Result<Html<String>, Refusal> {
    let stats = app.engine.stats().await?;
    let mut rows = String::new();
    for state in RunState::ALL {
        let count = stats.runs.get(&state).copied().unwrap_or(0);
        rows.push_str(&format!("<tr><td>{}<td style=text-align:right>{count}", state.name()));
    }
    let metrics = app.options.metrics_path.as_deref().map_or(String::new(), |path| {
        format!("<li><a href=\"{path}\">{path}</a>: metrics in OpenMetrics text")
    });
    Ok(Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Postroom</title>\
         <style>body{{font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem;padding:0 1rem}}\
         td{{padding:.1rem 1rem .1rem 0}}</style><h1>Postroom {}</h1>\
         <table><tr><th align=left>runs<th>{rows}</table>\
         <ul><li>POST /api/webhooks/ingest: events\
         <li>GET /api/v1/runs, /events, /dead-letters, /workflows: the API (admin token)\
         {metrics}<li><a href=/readyz>/readyz</a>, <a href=/healthz>/healthz</a>: health</ul>",
        env!("CARGO_PKG_VERSION")
    )))
}
