//! Answers: problems as RFC 9457 documents, and nothing that says more than it should.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postroom_core::{Problem, problem};
use postroom_engine::Rejected;
use serde::Serialize;

/// A problem on its way out.
pub(crate) struct Refusal(pub Problem);

/// Seconds after which a sender may try again when we are at fault.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = self.0;
        let status =
            StatusCode::from_u16(problem.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let document = Document {
            r#type: format!("/docs/problems#{}", problem.kind.code.replace('/', "-")),
            title: problem.kind.title,
            status: problem.kind.status,
            detail: &problem.detail,
            code: problem.kind.code,
            hint: problem.hint.as_deref(),
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, content_type);
        if matches!(problem.kind.status, 429 | 503) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if matches!(problem.kind.status, 408 | 413) {
            // The rest of the body is not read, so nothing can follow on this connection.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if problem.kind.status == 401 {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<postroom_engine::StoreError> for Refusal {
    fn from(error: postroom_engine::StoreError) -> Self {
        let kind = match error {
            postroom_engine::StoreError::Lost { .. } => &problem::LOST,
            _ => &problem::UNAVAILABLE,
        };
        Self(Problem::new(kind, error.to_string()))
    }
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        Self(match rejected {
            Rejected::Invalid(why) => Problem::new(&problem::BAD_ENVELOPE, why),
            Rejected::Overloaded => {
                Problem::new(&problem::OVERLOADED, "too many events wait to be written")
            }
            Rejected::Stopping => Problem::new(&problem::SHUTTING_DOWN, "the server is stopping"),
            Rejected::Unavailable(why) => Problem::new(&problem::UNAVAILABLE, why),
            Rejected::Lost(why) => {
                let detail = format!("the event may have been written down: {why}");
                Problem::new(&problem::LOST, detail)
                    .hint("send it again with the same idempotency key; that is always safe")
            }
        })
    }
}

pub(crate) async fn no_such_path(uri: axum::http::Uri) -> Refusal {
    let problem = Problem::new(&problem::NOT_FOUND, format!("nothing is at {}", uri.path()));
    Refusal(problem.hint("events go to POST /api/webhooks/ingest, the API is under /api/v1"))
}

pub(crate) async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> Refusal {
    let detail = format!("{} does not take {method}", uri.path());
    Refusal(Problem::new(&problem::METHOD_NOT_ALLOWED, detail))
}
