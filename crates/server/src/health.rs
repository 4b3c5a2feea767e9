//! Whether the process lives, whether it can take events, and its figures.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use postroom_core::run::RunState;
use postroom_core::{Problem, problem};

use crate::answer::Refusal;
use crate::route::{Route, Token, get};
use crate::{App, Options};

/// The media type of metrics.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is there beside sources and API, as far as it is not turned off.
pub(crate) fn routes(options: &Options) -> Vec<Route> {
    let overview = get("/", overview)
        .does("overview", "A page that says what is where.")
        .says("text/html; charset=utf-8", "The page.")
        .stored();
    let mut routes = vec![overview];
    if options.health {
        let alive = get("/healthz", alive)
            .does("alive", "Whether the process lives.")
            .says("text/plain; charset=utf-8", "It does.");
        let ready = get("/readyz", ready)
            .does("ready", "Whether events can be written down.")
            .says("text/plain; charset=utf-8", "They can.")
            .refuses(&[&problem::SHUTTING_DOWN])
            .stored();
        routes.extend([alive, ready]);
    }
    if let Some(path) = &options.metrics_path {
        let metrics = get(path.clone(), metrics)
            .does("metrics", "Every metric.")
            .says(METRICS, "OpenMetrics text.")
            .stored();
        let token = if options.metrics_need_token { Token::Admin } else { Token::None };
        routes.push(metrics.token(token));
    }
    routes
}

/// 200 as long as the process answers at all.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// 200 if events can be written down, else why not.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Refusal> {
    let failing = app.engine.stats().await?.failing;
    if app.engine.stopping() {
        let problem = Problem::new(&problem::SHUTTING_DOWN, "the server is stopping");
        return Err(Refusal(problem));
    }
    match failing {
        Some(why) => Err(Refusal(Problem::new(&problem::UNAVAILABLE, why))),
        None => Ok("ready\n"),
    }
}

/// Every metric in the OpenMetrics text format.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let text = app.engine.signals().render(app.engine.stats().await?);
    Ok(([(header::CONTENT_TYPE, METRICS)], text).into_response())
}

/// A first page that says what is where. Holds counts, no data of events.
pub(crate) async fn overview(State(app): State<Arc<App>>) -> Result<Html<String>, Refusal> {
    let stats = app.engine.stats().await?;
    let mut rows = String::new();
    for state in RunState::ALL {
        let count = stats.runs.get(&state).copied().unwrap_or(0);
        rows.push_str(&format!("<tr><td>{}<td style=text-align:right>{count}", state.name()));
    }
    let at_work = stats.at_work;
    rows.push_str(&format!("<tr><td>at work now<td style=text-align:right>{at_work}"));
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
