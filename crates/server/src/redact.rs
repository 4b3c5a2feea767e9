//! What answers of the API hold is looked through once more before it leaves: an event may have
//! brought a secret in, and its bytes are kept as they came. Only reads and orders pass here, never
//! the ingest of events.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use postroom_core::{Json, Problem, problem};

use crate::App;
use crate::answer::Refusal;

/// The most bytes of an answer. A page holds 500 rows, and rows are bounded.
const MAX_ANSWER_BYTES: usize = 1 << 30;

/// Answers without the values of secrets.
pub(crate) async fn answers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = next.run(request).await.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_ANSWER_BYTES).await else {
        let broken = Problem::new(&problem::INTERNAL, "the answer broke off");
        return Refusal(broken).into_response();
    };
    let redaction = app.engine.redaction();
    let clean = match std::str::from_utf8(&bytes).map(|text| redaction.values(text)) {
        Ok(Cow::Owned(clean)) => clean,
        _ => return Response::from_parts(parts, Body::from(bytes)),
    };
    // A secret of digits may have stood in a number.
    let json = Json::parse(clean.clone()).map(|_| clean.clone()).or_else(|_| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Json::parse(text).map(|json| redaction.json(json).text().to_owned())
    });
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(json.unwrap_or(clean)))
}
