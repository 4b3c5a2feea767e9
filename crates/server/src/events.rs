//! Events over the API: list, show, replay.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postroom_core::{EventId, Problem, problem};
use postroom_engine::EventFilter;
use serde_json::{Value, json};

use crate::App;
use crate::answer::Refusal;
use crate::extract::{Body, Nothing, Parameters, Path};
use crate::route::{Route, get, post};
use crate::views::{EventPage, EventView, List};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/events", list)
            .does("listEvents", "Events, newest first, without their data.")
            .query(&[
                ("type", "Name", "Only of this type."),
                ("source", "Name", "Only of this source."),
                ("correlation", "Name", "Only with this correlation id."),
                ("unrouted", "Flag", "Only those that started no run."),
                ("cursor", "EventId", "The `next` of the page before."),
                ("limit", "Limit", "Rows at the most."),
            ])
            .answers(200, "EventList", "One page.")
            .stored(),
        get("/events/{id}", show)
            .does("getEvent", "An event, its runs, and the workflows that it came near.")
            .of("EventId")
            .answers(200, "Event", "The event.")
            .stored(),
        post("/events/{id}/replay", replay)
            .does("replayEvent", "Sends an event through the workflows as they are now.")
            .of("EventId")
            .order("Nothing")
            .answers(202, "Replayed", "The new event is on disk.")
            .refuses(&[&problem::OVERLOADED, &problem::SHUTTING_DOWN])
            .stored(),
    ]
}

async fn list(
    State(app): State<Arc<App>>,
    mut parameters: Parameters,
) -> Result<Json<List<EventView>>, Refusal> {
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

fn missing(id: EventId) -> Problem {
    Problem::new(&problem::NOT_FOUND, format!("there is no event {id}"))
}

async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<EventId>,
) -> Result<Json<EventPage>, Refusal> {
    let details = app.engine.event(id).await?;
    Ok(Json(details.ok_or_else(|| missing(id))?.into()))
}

async fn replay(
    State(app): State<Arc<App>>,
    Path(id): Path<EventId>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let accepted = app.engine.replay(id).await?.ok_or_else(|| missing(id))?;
    let body = json!({
        "event": accepted.event,
        "correlationId": accepted.correlation,
        "runs": accepted.runs,
    });
    Ok((StatusCode::ACCEPTED, Json(body)))
}
