//! Sources: where events come in over HTTP. A source takes either the event envelope of our own
//! API or a provider's signed webhook; what it makes of a body is decided here, how the body came
//! in is the server's business.

mod cloud;
mod webhook;

use std::borrow::Cow;

pub use postroom_adapters::Answer;
use postroom_core::json::{MAX_DEPTH, too_deep};
use postroom_core::{Json, Problem, problem};
use postroom_expr::JsonView;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::cloud::is_cloud_event;
pub use self::webhook::{Keep, Mounted};
use crate::secrets::Secrets;
use crate::{Arriving, Engine};

/// A place where events come in.
#[derive(Debug)]
pub struct Source {
    /// Its name, which its events carry.
    pub name: String,
    /// The path it is mounted at.
    pub path: String,
    /// What it takes.
    pub takes: Takes,
}

/// What a source takes.
#[derive(Debug)]
pub enum Takes {
    /// `{"event": .., "payload": ..}`, or CloudEvents.
    Envelope {
        /// The name of the secret a sender must show as bearer token, if it must.
        token: Option<String>,
    },
    /// A provider's webhook.
    Webhook(Mounted),
}

/// A request as the server took it in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// In upper case.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// With names in lower case.
    pub headers: &'a [(String, String)],
    /// Exactly the bytes that arrived.
    pub body: &'a [u8],
}

/// What a request comes to.
#[derive(Debug)]
pub enum Reading {
    /// One event.
    Event(Arriving),
    /// Any number of events, which are acknowledged together.
    Events(Vec<Arriving>),
    /// No event: a provider asked whether this is the right place.
    Answer(Answer),
}

/// The exact words of the answer to an envelope without event or payload.
pub const MISSING: &str = "Missing event or payload";

/// Why a body was not taken.
#[derive(Debug)]
pub enum Unfit {
    /// The envelope has no `event` or no `payload`.
    Missing,
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Unfit {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl Source {
    /// Makes events of a request, or an answer: verifies it, checks it, names it.
    ///
    /// # Errors
    /// What is wrong with the request; nothing is kept of it.
    pub fn read(&self, engine: &Engine, request: &Request<'_>) -> Result<Reading, Unfit> {
        let read = match &self.takes {
            Takes::Envelope { token } => {
                if let Some(name) = token {
                    check_token(&*engine.inner.secrets, name, request.headers)?;
                }
                match cloud::mode(request.headers) {
                    None => {
                        return self.envelope(request.headers, request.body).map(Reading::Event);
                    }
                    Some(mode) => self.cloud_events(mode, request),
                }
            }
            Takes::Webhook(mounted) => self.webhook(engine, mounted, request),
        };
        read.inspect_err(|unfit| {
            if let Unfit::Problem(problem) = unfit {
                engine.inner.signals.source_refused(&self.name, problem.kind.code);
            }
        })
    }

    /// Makes an event of an envelope, with nothing verified: the pure part of [`Source::read`].
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn envelope(&self, headers: &[(String, String)], body: &[u8]) -> Result<Arriving, Unfit> {
        let text = utf8(body)?;
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| bad_json(text, &e))?;
        if let Some(offset) = too_deep(body, MAX_DEPTH) {
            return Err(deep(text, offset).into());
        }
        // Read by position, a list would pass for an envelope.
        if !text.trim_start().starts_with('{') {
            let detail = "the body must be a JSON object with `event` and `payload`";
            return Err(Problem::new(&problem::BAD_ENVELOPE, detail).into());
        }
        let (Some(event), Some(payload)) = (envelope.event, envelope.payload) else {
            return Err(Unfit::Missing);
        };
        let wrong = |what: &str| Problem::new(&problem::BAD_ENVELOPE, what.to_owned());
        let kind = name("`event`", JsonView::from_raw(event))?;
        let kind = kind.ok_or_else(|| wrong("`event` must be text, for example \"ORDER_PAID\""))?;
        let view = JsonView::from_raw(payload);
        if !payload.get().starts_with('{') {
            return Err(wrong("`payload` must be a JSON object").into());
        }
        let key = match view.get("idempotencyKey") {
            Some(key) => {
                let text = name("`payload.idempotencyKey`", key)?.filter(|text| !text.is_empty());
                let text = text.ok_or_else(|| wrong("`payload.idempotencyKey` must be text"))?;
                Some(text.into_owned())
            }
            None => header(headers, "idempotency-key"),
        };
        Ok(Arriving {
            source: self.name.clone(),
            kind: kind.into_owned(),
            data: Json::from_raw(payload),
            key,
            correlation: None,
            subject: None,
            time_ms: None,
        })
    }
}

/// The text of a string; `None` for other kinds. Reading turns `\ud800`, half of a character, into
/// U+FFFD, under which different names would be the same one.
fn name<'a>(what: &str, view: JsonView<'a>) -> Result<Option<Cow<'a, str>>, Problem> {
    match view.as_str() {
        Some(Cow::Owned(_)) if serde_json::from_str::<String>(view.raw()).is_err() => {
            Err(halved(what))
        }
        text => Ok(text),
    }
}

fn halved(what: &str) -> Problem {
    let detail = format!("{what} holds half of a character (a surrogate without its partner)");
    Problem::new(&problem::BAD_ENVELOPE, detail)
}

fn header(headers: &[(String, String)], name: &str) -> Option<String> {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

fn check_token(
    secrets: &dyn Secrets,
    name: &str,
    headers: &[(String, String)],
) -> Result<(), Problem> {
    let wanted = secrets.get(name).ok_or_else(|| {
        let detail = format!("the source asks for a token, but {name} is not set");
        Problem::new(&problem::SOURCE_OFF, detail).hint(format!("set {name} and restart"))
    })?;
    let shown = header(headers, "authorization").ok_or_else(|| {
        Problem::new(&problem::UNAUTHENTICATED, "the source takes only requests with its token")
    })?;
    let shown = shown.strip_prefix("Bearer ").unwrap_or(&shown).trim();
    if same(wanted.expose(), shown) {
        return Ok(());
    }
    Err(Problem::new(&problem::FORBIDDEN, "the token is not the source's"))
}

/// Compares hashes, so that the time taken says nothing about where the texts differ.
fn same(left: &str, right: &str) -> bool {
    let hash = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash(left).as_ref() == hash(right).as_ref()
}

fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        let detail = format!("byte {} of the body is not UTF-8", error.valid_up_to());
        Problem::new(&problem::NOT_UTF8, detail)
    })
}

fn bad_json(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim().is_empty() {
        return Problem::new(&problem::BAD_JSON, "the body is empty");
    }
    // The library's text ends in its own position; the envelope's own type errors have one too.
    Problem::new(&problem::BAD_JSON, format!("the body is not an event envelope: {error}"))
}

fn deep(text: &str, offset: usize) -> Problem {
    let line = text[..offset].matches('\n').count() + 1;
    let column = offset - text[..offset].rfind('\n').map_or(0, |n| n + 1) + 1;
    let detail =
        format!("line {line} column {column} opens level {}, {MAX_DEPTH} are taken", MAX_DEPTH + 1);
    Problem::new(&problem::TOO_DEEP, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Arriving, Unfit> {
        let takes = Takes::Envelope { token: None };
        let source = Source { name: "ingest".into(), path: "/".into(), takes };
        source.envelope(&[], body.as_bytes())
    }

    #[test]
    fn half_a_character_is_no_part_of_a_name() {
        for half in
            [r"\ud800", r"\uDBFF", r"\udc00x", r"\ud83d\ud83d", r"a\ud800\n", r"\uD83D\\ude00"]
        {
            for (body, field) in [
                (format!(r#"{{"event":"{half}","payload":{{}}}}"#), "`event`"),
                (
                    format!(r#"{{"event":"A","payload":{{"idempotencyKey":"{half}"}}}}"#),
                    "`payload.idempotencyKey`",
                ),
            ] {
                let Err(Unfit::Problem(problem)) = read(&body) else { panic!("taken: {body}") };
                assert_eq!(problem.kind, &problem::BAD_ENVELOPE, "{body}");
                assert!(problem.detail.starts_with(field), "{problem}");
            }
        }
    }

    #[test]
    fn whole_characters_in_names_and_anything_in_a_payload_are_taken() {
        let payload = r#"{"x\ud800":"\ud800","idempotencyKey":"\u00e9\ufffd"}"#;
        let body = format!(r#"{{"event":"\ud83d\ude00\u0041","payload":{payload}}}"#);
        let arriving = read(&body).unwrap();
        assert_eq!(arriving.kind, "\u{1f600}A");
        assert_eq!(arriving.key.as_deref(), Some("\u{e9}\u{fffd}"));
        assert_eq!(arriving.data.text(), payload);
    }
}
