//! The hot path: a body comes in, an acknowledgement goes out once the event is on disk.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use postroom_core::{Problem, problem};
use postroom_engine::source::{
    Answer, MISSING, Reading, Request as Arrived, Takes, Unfit, is_cloud_event,
};
use postroom_engine::{Accepted, Arriving, Source};
use serde::Serialize;
use tracing::{debug, info};

use crate::answer::Refusal;
use crate::route::{Route, Token, get, post};
use crate::{App, Options, dry};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CE_SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The route by which a provider asks whether a source is there, where it asks by `GET`.
pub(crate) fn challenge(source: &Arc<Source>) -> Option<Route> {
    let Takes::Webhook(mounted) = &source.takes else { return None };
    if !mounted.webhook.answers_get() {
        return None;
    }
    let asked = Arc::clone(source);
    let handler = move |State(app): State<Arc<App>>, request: Request| async move {
        take(&app, &asked, request).await
    };
    let route = get(source.path.clone(), handler)
        .does(format!("ask_{}", source.name), format!("Answers a challenge of {}.", mounted.title))
        .says("text/plain", "What the provider wants to hear.")
        .refuses(&[&problem::SIGNATURE_MISSING, &problem::SIGNATURE_WRONG]);
    Some(route)
}

/// The route of a source.
pub(crate) fn route(source: &Arc<Source>, options: &Options) -> Route {
    let mounted = Arc::clone(source);
    let handler = move |State(app): State<Arc<App>>, request: Request| async move {
        take(&app, &mounted, request).await
    };
    let route = post(source.path.clone(), handler)
        .header(options.correlation_header.clone(), "The correlation id; made up unless given.")
        .answers(202, "Accepted", "The event is on disk.")
        .refuses(&[&problem::SHUTTING_DOWN])
        .stored();
    let route = dry::describe(route);
    let name = &source.name;
    match &source.takes {
        Takes::Envelope { token } => {
            let about = "The key by which a repetition is recognised, unless the payload has one.";
            let route = route
                .does(format!("send_{name}"), "Takes an event in.")
                .header("idempotency-key".to_owned(), about)
                .event("Envelope")
                .answers(400, "Missing", "The envelope has no event or no payload.");
            match token {
                None => route,
                Some(_) => route.token(Token::Source).refuses(&[&problem::SOURCE_OFF]),
            }
        }
        Takes::Webhook(mounted) => route
            .does(format!("send_{name}"), format!("Takes a webhook of {} in.", mounted.title))
            .event("Webhook")
            .refuses(&[
                &problem::SIGNATURE_MISSING,
                &problem::SIGNATURE_WRONG,
                &problem::SIGNATURE_STALE,
                &problem::SOURCE_OFF,
            ]),
    }
}

async fn take(app: &App, source: &Source, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match collect(app, body).await {
        Ok(body) => body,
        Err(problem) => return refuse(source, problem),
    };
    let started = Instant::now();
    let dry = match dry::wanted(&head.uri, &head.headers) {
        Ok(dry) => dry,
        Err(problem) => return refuse(source, problem),
    };
    let headers = wanted(app, source, &head.headers);
    let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let arrived = Arrived { method: head.method.as_str(), target, headers: &headers, body: &body };
    let mut arriving = match source.read(&app.engine, &arrived) {
        Ok(Reading::Event(arriving)) => arriving,
        Ok(Reading::Answer(answer)) => {
            info!(source = source.name, status = answer.status, "answered a challenge");
            return answered(&answer);
        }
        Ok(Reading::Events(events)) => {
            let correlation = correlation(app, headers);
            drop((head, body));
            return take_all(app, source, events, correlation, dry).await;
        }
        Err(Unfit::Missing) => {
            debug!(source = source.name, "an envelope without event or payload");
            let body = format!(r#"{{"error":"{MISSING}"}}"#);
            return (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, JSON)], body).into_response();
        }
        Err(Unfit::Problem(problem)) => return refuse(source, problem),
    };
    arriving.correlation = correlation(app, headers);
    if dry {
        return dry::answer(app, arriving).await;
    }
    // While the answer is waited for, the connection looks whether its peer is still there. It can
    // do so in the memory that holds this request, once nobody looks at that any more.
    drop((head, body));
    match app.engine.ingest(arriving).await {
        Ok(accepted) => {
            app.engine.signals().ingest_seconds.observe(started.elapsed().as_secs_f64());
            acknowledge(app, source, status(&accepted), &accepted.correlation)
        }
        Err(rejected) => Refusal::from(rejected).into_response(),
    }
}

/// Takes the events of one request in together.
async fn take_all(
    app: &App,
    source: &Source,
    mut events: Vec<Arriving>,
    correlation: Option<String>,
    dry: bool,
) -> Response {
    let started = Instant::now();
    events.iter_mut().for_each(|event| event.correlation.clone_from(&correlation));
    if dry {
        return match (events.pop(), events.is_empty()) {
            (Some(event), true) => dry::answer(app, event).await,
            _ => refuse(source, dry::one_event_only()),
        };
    }
    let accepted = match app.engine.ingest_all(events).await {
        Ok(accepted) => accepted,
        Err(rejected) => return Refusal::from(rejected).into_response(),
    };
    app.engine.signals().ingest_seconds.observe(started.elapsed().as_secs_f64());
    if let Some(answer) = own_answer(source) {
        return answered(&answer);
    }
    let event = |accepted: &'_ Accepted| {
        let (status, correlation) = (status(accepted), &accepted.correlation);
        serde_json::json!({"status": status, "correlationId": correlation})
    };
    let new = accepted.is_empty() || accepted.iter().any(|accepted| !accepted.duplicate);
    let body = serde_json::json!({
        "status": if new { "queued" } else { "duplicate" },
        "events": accepted.iter().map(event).collect::<Vec<_>>(),
    });
    (StatusCode::ACCEPTED, axum::Json(body)).into_response()
}

fn status(accepted: &Accepted) -> &'static str {
    if accepted.duplicate { "duplicate" } else { "queued" }
}

/// The correlation id that the sender gave.
fn correlation(app: &App, headers: Vec<(String, String)>) -> Option<String> {
    let name = app.correlation_header.as_str();
    headers.into_iter().find(|(known, value)| known == name && !value.is_empty()).map(|h| h.1)
}

/// What the provider insists on as acknowledgement.
fn own_answer(source: &Source) -> Option<Answer> {
    match &source.takes {
        Takes::Envelope { .. } => None,
        Takes::Webhook(mounted) => mounted.webhook.acknowledgement(),
    }
}

fn answered(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    if let Some(kind) = answer.media_type.as_deref().and_then(|it| HeaderValue::from_str(it).ok()) {
        headers.insert(header::CONTENT_TYPE, kind);
        // What a sender gave us to say is never a page.
        let text = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, text);
    }
    response
}

#[derive(Serialize)]
struct Acknowledgement<'a> {
    status: &'a str,
    #[serde(rename = "correlationId")]
    correlation: &'a str,
}

fn acknowledge(app: &App, source: &Source, status: &str, correlation: &str) -> Response {
    let mut response = match own_answer(source) {
        Some(answer) => answered(&answer),
        None => {
            // Two texts always serialise.
            let text = serde_json::to_vec(&Acknowledgement { status, correlation });
            let mut response = Response::new(Body::from(text.unwrap_or_default()));
            *response.status_mut() = StatusCode::ACCEPTED;
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        }
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(correlation) {
        headers.insert(app.correlation_header.clone(), value);
    }
    response
}

fn refuse(source: &Source, problem: Problem) -> Response {
    info!(source = source.name, code = problem.kind.code, detail = problem.detail, "refused");
    Refusal(problem).into_response()
}

/// The headers that the source or we read; a value that is not text cannot be used by any source.
fn wanted(app: &App, source: &Source, headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&str, &HeaderValue)| {
        Some((name.to_owned(), value.to_str().ok()?.to_owned()))
    };
    let all = match source.takes {
        Takes::Webhook(_) => true,
        Takes::Envelope { .. } => {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            is_cloud_event(kind, headers.contains_key(CE_SPECVERSION))
        }
    };
    match all {
        true => headers.iter().filter_map(|(name, value)| text((name.as_str(), value))).collect(),
        false => {
            let names = [&header::AUTHORIZATION, &IDEMPOTENCY_KEY, &app.correlation_header];
            let found = |name: &HeaderName| text((name.as_str(), headers.get(name)?));
            names.into_iter().filter_map(found).collect()
        }
    }
}

/// The whole body, within the bounds of the server.
pub(crate) async fn collect(app: &App, body: Body) -> Result<Bytes, Problem> {
    let limit = app.options.max_body_bytes;
    // What is announced to be too large is not waited for.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let collected =
        tokio::time::timeout(app.options.body_timeout, whole(Limited::new(body, limit)));
    match collected.await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(error)) => {
            Err(Problem::new(&problem::BAD_JSON, format!("the body broke off: {error}")))
        }
        Err(_) => {
            let seconds = app.options.body_timeout.as_secs();
            let detail = format!("the body did not arrive within {seconds} s");
            Err(Problem::new(&problem::BODY_TIMEOUT, detail))
        }
    }
}

/// All of a body. Most come in one piece, which is not copied.
async fn whole(mut body: Limited<Body>) -> Result<Bytes, axum::BoxError> {
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = data;
            continue;
        }
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&data);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                all.extend_from_slice(&data);
            }
        }
        return Ok(all.freeze());
    }
    Ok(first)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(&problem::BODY_TOO_LARGE, format!("the body is larger than {limit} bytes"))
}
