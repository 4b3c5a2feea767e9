//! Dry runs over HTTP: whether a request asks for one, and the plan as its answer. What speaks of a
//! dry run without being clear is refused: it must never go out for real.

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use postroom_core::{Json, Problem, problem};
use postroom_engine::Arriving;
use postroom_engine::rehearsal::{self, Unplayed};
use tracing::{error, info};

use crate::App;
use crate::answer::Refusal;
use crate::route::Route;

/// The query parameter.
const PARAMETER: &str = "dry";

/// The header, on the request and on the answer.
const HEADER: HeaderName = HeaderName::from_static(HEADER_TEXT);
const HEADER_TEXT: &str = "x-dry-run";

/// What a route of a source says of dry runs.
pub(crate) fn describe(route: Route) -> Route {
    let about = "Nothing is written and nothing sent; the answer is the plan.";
    route
        .flag("query", PARAMETER, about)
        .flag("header", HEADER_TEXT, "The same as `dry`.")
        .answers(200, "Plan", "The plan of a dry run: what the event would do.")
        .refuses(&[&problem::DRY_UNCLEAR, &problem::DRY_BUSY, &problem::DRY_ENDLESS])
}

/// Whether a request asks for a dry run.
pub(crate) fn wanted(uri: &Uri, headers: &HeaderMap) -> Result<bool, Problem> {
    let (mut asked, mut headed) = (Vec::new(), Vec::new());
    if uri.query().is_some() {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(pairs) = query.map_err(|_| unclear("the query cannot be read".to_owned()))?;
        for (name, value) in pairs.iter().filter(|(name, _)| speaks_of_it(name)) {
            asked.push(flag(&format!("the parameter `{name}`"), name == PARAMETER, Some(value))?);
        }
    }
    for (name, value) in headers.iter().filter(|(name, _)| speaks_of_it(name.as_str())) {
        let what = format!("the header `{name}`");
        headed.push(flag(&what, *name == HEADER, value.to_str().ok())?);
    }
    match (&asked[..], &headed[..]) {
        ([], []) => Ok(false),
        ([dry], []) | ([], [dry]) => Ok(*dry),
        ([one], [other]) if one == other => Ok(*one),
        ([_], [_]) => Err(unclear("parameter and header do not say the same".to_owned())),
        _ => Err(unclear("it is said more than once".to_owned())),
    }
}

/// Whether a name is one of ours, or a slip away from it. Asked of every header of every event.
fn speaks_of_it(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    let letters = letters.map(|byte| byte.to_ascii_lowercase());
    let known = ["dry", "dryrun", "xdry", "xdryrun"];
    known.iter().any(|known| letters.clone().eq(known.bytes()))
}

fn flag(what: &str, ours: bool, value: Option<&str>) -> Result<bool, Problem> {
    match (ours, value) {
        (true, Some("true")) => Ok(true),
        (true, Some("false")) => Ok(false),
        (true, _) => Err(unclear(format!("{what} is neither `true` nor `false`"))),
        (false, _) => Err(unclear(format!("{what} is not known"))),
    }
}

/// What a request with several events is told.
pub(crate) fn one_event_only() -> Problem {
    let detail = "a dry run plays one event, and the request has none or several";
    Problem::new(&problem::DRY_UNCLEAR, detail).hint("send one of them alone")
}

fn unclear(why: String) -> Problem {
    Problem::new(&problem::DRY_UNCLEAR, why).hint(
        "write `?dry=true` or `X-Dry-Run: true` for a dry run, neither of them for a real one",
    )
}

/// Plays an event and answers what it would do.
pub(crate) async fn answer(app: &App, event: Arriving) -> Response {
    let (source, kind) = (event.source.clone(), event.kind.clone());
    let plan = match app.dry_runs.play(&app.engine, event).await {
        Ok(plan) => plan,
        Err(unplayed) => return Refusal(refused(unplayed)).into_response(),
    };
    info!(source, event = kind, requests = plan.requests.len(), "dry run");
    let plan = match Json::from_serialize(&plan) {
        Ok(plan) => app.engine.redaction().json(plan),
        Err(_) => return Refusal(refused(Unplayed::Broken)).into_response(),
    };
    let mut response = (StatusCode::OK, axum::Json(plan)).into_response();
    response.headers_mut().insert(HEADER, HeaderValue::from_static("true"));
    response
}

fn refused(unplayed: Unplayed) -> Problem {
    match unplayed {
        Unplayed::Busy => {
            Problem::new(&problem::DRY_BUSY, "as many dry runs as may be are under way")
        }
        Unplayed::Stopping => Problem::new(&problem::SHUTTING_DOWN, "the server is stopping"),
        Unplayed::Failed(rehearsal::Error::Event(why)) => Problem::new(&problem::BAD_ENVELOPE, why),
        Unplayed::Failed(why) => Problem::new(&problem::DRY_ENDLESS, why.to_string())
            .hint("`postroom plan --event FILE` plays it without bounds"),
        Unplayed::Broken => {
            error!("a dry run broke");
            Problem::new(&problem::INTERNAL, "the dry run broke; nothing was written or sent")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, headers: &[(&str, &str)]) -> Result<bool, String> {
        let header = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        // `collect` would keep only one header of a name.
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(header) {
            map.append(name, value);
        }
        wanted(&uri.parse().unwrap(), &map).map_err(|problem| problem.detail)
    }

    #[test]
    fn a_dry_run_is_asked_for_in_one_way_or_both() {
        for (uri, headers, dry) in [
            ("/in", &[][..], false),
            ("/in?other=1&laundry=2&dryer=3", &[("x-laundry", "true")][..], false),
            ("/in?dry=true", &[][..], true),
            ("/in?%64ry=tru%65", &[][..], true),
            ("/in?dry=false", &[][..], false),
            ("/in", &[("X-Dry-Run", "true")][..], true),
            ("/in?a=b", &[("x-dry-run", "false")][..], false),
            ("/in?dry=true", &[("x-dry-run", "true")][..], true),
        ] {
            assert_eq!(asked(uri, headers), Ok(dry), "{uri} {headers:?}");
        }
    }

    #[test]
    fn what_speaks_of_a_dry_run_and_is_not_clear_is_refused() {
        for (uri, headers) in [
            ("/in?dry", &[][..]),
            ("/in?dry=", &[][..]),
            ("/in?dry=1", &[][..]),
            ("/in?dry=TRUE", &[][..]),
            ("/in?dry=yes", &[][..]),
            ("/in?dry=true&dry=true", &[][..]),
            ("/in?dry=true&dry=false", &[][..]),
            ("/in?Dry=true", &[][..]),
            ("/in?dryRun=true", &[][..]),
            ("/in?dry_run=true", &[][..]),
            ("/in?dry-run=false", &[][..]),
            ("/in", &[("x-dry-run", "")][..]),
            ("/in", &[("x-dry-run", "1")][..]),
            ("/in", &[("x-dry-run", "True")][..]),
            ("/in", &[("x-dry-run", "tru\u{e9}")][..]),
            ("/in", &[("x-dry-run", "true"), ("x-dry-run", "true")][..]),
            ("/in?a=b", &[("x-dry-run", "true"), ("x-dry-run", "true")][..]),
            ("/in", &[("dry-run", "true")][..]),
            ("/in", &[("x-dryrun", "true")][..]),
            ("/in", &[("x-dry", "true")][..]),
            ("/in?dry=false", &[("x-dry-run", "true")][..]),
            ("/in?dry=true", &[("x-dry-run", "false")][..]),
        ] {
            assert!(asked(uri, headers).is_err(), "{uri} {headers:?}");
        }
    }
}
