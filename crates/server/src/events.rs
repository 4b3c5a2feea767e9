//! Events over the API: list, show, replay.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use postroom_core::{EventId, Problem, problem};
use postroom_engine::EventFilter;
use serde_json::{Value, json};

use crate::App;
use crate::answer::Refusal;
use crate::api::Parameters;
use crate::views::{EventPage, EventView, List};

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/events", get(list))
        .route("/events/{id}", get(show))
        .route("/events/{id}/replay", post(replay))
}

async fn list(
    State(app): State<Arc<App>>,
    query: Query<Vec<(String, String)>>,
) -> Result<Json<List<EventView>>, Refusal> {
    let mut parameters = Parameters::new(query)?;
    let filter = EventFilter {
        kind: parameters.take("type"),
        source: parameters.take("source"),
        correlation: parameters.take("correlation"),
        unrouted: parameters.parse("unrouted")?.unwrap_or(false),
        before: parameters.parse("cursor")?,
        limit: parameters.limit()?,
    };
    parameters.finish()?;
    let page = app.engine.events(filter).await?;
    let next = page.rows.last().filter(|_| page.more).map(|row| row.event.id.to_string());
    Ok(Json(List { data: page.rows.into_iter().map(EventView::from).collect(), next }))
}

fn parse(id: &str) -> Result<EventId, Problem> {
    id.parse()
        .map_err(|bad: postroom_core::id::BadId| Problem::new(&problem::BAD_QUERY, bad.to_string()))
}

fn missing(id: &str) -> Problem {
    Problem::new(&problem::NOT_FOUND, format!("there is no event {id}"))
}

async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<EventPage>, Refusal> {
    let details = app.engine.event(parse(&id)?).await?;
    Ok(Json(details.ok_or_else(|| missing(&id))?.into()))
}

async fn replay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let accepted = app.engine.replay(parse(&id)?).await?.ok_or_else(|| missing(&id))?;
    let body = json!({
        "event": accepted.event,
        "correlationId": accepted.correlation,
        "runs": accepted.runs,
    });
    Ok((StatusCode::ACCEPTED, Json(body)))
}
