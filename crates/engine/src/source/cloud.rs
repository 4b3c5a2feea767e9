//! CloudEvents 1.0 over HTTP: one event in headers and body, one in JSON, or a list of them. The
//! repetition of an event is recognised by its source and id together, as the standard says.

use percent_encoding::percent_decode_str;
use postroom_core::json::{MAX_DEPTH, too_deep};
use postroom_core::{Json, Problem, problem};
use postroom_expr::JsonView;

use super::{Reading, Request, Source, Unfit, bad_json, deep, name, utf8};
use crate::Arriving;

/// The most events of one batch.
const MAX_EVENTS: usize = 10_000;

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Binary,
    Structured,
    Batch,
}

/// Whether a request is a CloudEvent by these two headers: its type, and whether it has a version.
#[must_use]
pub fn is_cloud_event(content_type: Option<&str>, versioned: bool) -> bool {
    versioned || content_type.is_some_and(|kind| structured(kind).is_some())
}

/// The mode of a media type of CloudEvents in JSON.
fn structured(content_type: &str) -> Option<Mode> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    // Most requests are turned away by their first letters.
    let start = kind.get(..23)?;
    if !start.eq_ignore_ascii_case("application/cloudevents") {
        return None;
    }
    match kind[23..].to_ascii_lowercase().as_str() {
        "+json" => Some(Mode::Structured),
        "-batch+json" => Some(Mode::Batch),
        _ => None,
    }
}

/// How the event is written, if it is a CloudEvent.
pub(super) fn mode(headers: &[(String, String)]) -> Option<Mode> {
    let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, v)| v);
    let kind = value("content-type").and_then(|kind| structured(kind));
    kind.or_else(|| value("ce-specversion").map(|_| Mode::Binary))
}

fn bad(detail: impl Into<String>) -> Problem {
    let hint = "https://github.com/cloudevents/spec: specversion 1.0 with id, source and type";
    Problem::new(&problem::BAD_ENVELOPE, detail.into()).hint(hint)
}

/// The attributes that are read, as text.
#[derive(Default)]
struct Attributes {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    kind: Option<String>,
    subject: Option<String>,
    time: Option<String>,
}

impl Attributes {
    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "specversion" => Some(&mut self.specversion),
            "id" => Some(&mut self.id),
            "source" => Some(&mut self.source),
            "type" => Some(&mut self.kind),
            "subject" => Some(&mut self.subject),
            "time" => Some(&mut self.time),
            _ => None,
        }
    }

    fn event(self, taken_by: &Source, data: Json) -> Result<Arriving, Problem> {
        let need = |what: &str, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty());
            text.ok_or_else(|| bad(format!("the CloudEvent has no `{what}`")))
        };
        let version = need("specversion", self.specversion)?;
        if version != "1.0" {
            return Err(bad(format!("the CloudEvent has specversion `{version}`; 1.0 is taken")));
        }
        let (id, source) = (need("id", self.id)?, need("source", self.source)?);
        // A URI holds none, so that source and id cannot be told apart in two ways.
        if source.contains(char::is_whitespace) {
            return Err(bad("the `source` of the CloudEvent holds white space"));
        }
        let time = self.time.map(|text| text.parse::<jiff::Timestamp>().map_err(|_| text));
        let time = time.transpose();
        let time =
            time.map_err(|text| bad(format!("`time` is `{text}`, which is no RFC 3339 date")))?;
        Ok(Arriving {
            source: taken_by.name.clone(),
            kind: need("type", self.kind)?,
            data,
            key: Some(format!("{source} {id}")),
            correlation: None,
            subject: self.subject.filter(|subject| !subject.is_empty()),
            time_ms: time.map(jiff::Timestamp::as_millisecond),
        })
    }
}

impl Source {
    pub(super) fn cloud_events(&self, mode: Mode, request: &Request<'_>) -> Result<Reading, Unfit> {
        if mode == Mode::Binary {
            return Ok(Reading::Event(self.binary(request)?));
        }
        let text = utf8(request.body)?;
        let view = JsonView::parse(text);
        let view = match view {
            Ok(view) => view,
            Err(_) => {
                let parsed = Json::parse(text.to_owned());
                let why = parsed.map_err(|error| bad_json(text, &error));
                return Err(why.err().unwrap_or_else(|| bad("it is no JSON")).into());
            }
        };
        if let Some(offset) = too_deep(request.body, MAX_DEPTH) {
            return Err(deep(text, offset).into());
        }
        if mode == Mode::Structured {
            return Ok(Reading::Event(self.structured(view)?));
        }
        if !view.raw().starts_with('[') {
            return Err(bad("a batch of CloudEvents is a JSON list").into());
        }
        let count = view.len();
        if count > MAX_EVENTS {
            let detail = format!("the batch has {count} events, at most {MAX_EVENTS} are taken");
            return Err(bad(detail).into());
        }
        let events: Result<Vec<Arriving>, Problem> =
            view.items().map(|item| self.structured(item)).collect();
        Ok(Reading::Events(events?))
    }

    /// Attributes in headers, data in the body.
    fn binary(&self, request: &Request<'_>) -> Result<Arriving, Problem> {
        let mut attributes = Attributes::default();
        for (header, value) in request.headers {
            let Some(attribute) = header.strip_prefix("ce-") else { continue };
            if attribute == "datacontenttype" {
                return Err(bad("`ce-datacontenttype` is there; `content-type` says it"));
            }
            let Some(slot) = attributes.slot(attribute) else { continue };
            if slot.is_some() {
                return Err(bad(format!("the header `{header}` stands twice")));
            }
            *slot = Some(header_text(header, value)?);
        }
        let text = utf8(request.body)?;
        let data = if text.trim().is_empty() {
            Json::null()
        } else {
            json_type(request.headers)?;
            if let Some(offset) = too_deep(request.body, MAX_DEPTH) {
                return Err(deep(text, offset));
            }
            Json::parse(text.to_owned()).map_err(|error| bad_json(text, &error))?
        };
        attributes.event(self, data)
    }

    /// Attributes and data in JSON.
    fn structured(&self, view: JsonView<'_>) -> Result<Arriving, Problem> {
        if !view.raw().starts_with('{') {
            return Err(bad("a CloudEvent is a JSON object"));
        }
        let mut attributes = Attributes::default();
        for attribute in ["specversion", "id", "source", "type", "subject", "time"] {
            let Some(value) = view.get(attribute).filter(|value| value.raw() != "null") else {
                continue;
            };
            let text = name(&format!("`{attribute}`"), value)?;
            let text = text.ok_or_else(|| bad(format!("`{attribute}` must be text")))?;
            if let Some(slot) = attributes.slot(attribute) {
                *slot = Some(text.into_owned());
            }
        }
        if view.get("data_base64").is_some() {
            return Err(bad("`data_base64` holds bytes; only JSON data is taken"));
        }
        let data = view.get("data").map_or_else(
            || Ok(Json::null()),
            |data| Json::parse(data.raw().to_owned()).map_err(|error| bad(error.to_string())),
        )?;
        attributes.event(self, data)
    }
}

/// Data that is no JSON cannot be read by any workflow.
fn json_type(headers: &[(String, String)]) -> Result<(), Problem> {
    let kind = headers.iter().find(|(name, _)| name == "content-type");
    let kind = kind.map_or("", |(_, value)| value.split(';').next().unwrap_or_default().trim());
    let kind = kind.to_ascii_lowercase();
    if kind.is_empty() || kind.ends_with("/json") || kind.ends_with("+json") {
        return Ok(());
    }
    Err(bad(format!("the data is `{kind}`; only JSON data is taken")))
}

/// The text of a header: unquoted, then percent-decoded once.
fn header_text(header: &str, value: &str) -> Result<String, Problem> {
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = match unquoted {
        None => value.to_owned(),
        Some(inner) => {
            let (mut text, mut escaped) = (String::new(), false);
            for character in inner.chars() {
                escaped = character == '\\' && !escaped;
                if !escaped {
                    text.push(character);
                }
            }
            text
        }
    };
    let decoded = percent_decode_str(&value).decode_utf8();
    let decoded = decoded.map_err(|_| bad(format!("the header `{header}` is not UTF-8")))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Takes;

    fn read(headers: &[(&str, &str)], body: &str) -> Result<Vec<Arriving>, String> {
        let takes = Takes::Envelope { token: None };
        let source = Source { name: "ingest".into(), path: "/".into(), takes };
        let headers: Vec<(String, String)> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let request =
            Request { method: "POST", target: "/", headers: &headers, body: body.as_bytes() };
        let mode = mode(&headers).expect("a CloudEvent");
        match source.cloud_events(mode, &request) {
            Ok(Reading::Event(event)) => Ok(vec![event]),
            Ok(Reading::Events(events)) => Ok(events),
            Ok(Reading::Answer(_)) => panic!("no CloudEvent is answered"),
            Err(Unfit::Problem(problem)) => Err(problem.detail),
            Err(Unfit::Missing) => panic!("no envelope"),
        }
    }

    const BINARY: &[(&str, &str)] = &[
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "order.paid"),
        ("content-type", "application/json"),
    ];

    fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        let others = BINARY.iter().copied().filter(|(known, _)| *known != name);
        others.chain([(name, value)]).collect()
    }

    #[test]
    fn an_event_in_headers() {
        let mut headers = with("ce-subject", "Euro%20%E2%82%AC%20%f0%9F%98%80");
        headers.extend([("ce-time", "2026-01-01T00:00:00Z"), ("ce-other", "x")]);
        let events = read(&headers, r#"{"a":1.0}"#).unwrap();
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!((event.kind.as_str(), event.key.as_deref()), ("order.paid", Some("/shop 1")));
        assert_eq!(event.subject.as_deref(), Some("Euro € 😀"));
        assert_eq!(event.time_ms, Some(1_767_225_600_000));
        assert_eq!(event.data.text(), r#"{"a":1.0}"#);
        assert_eq!(read(BINARY, "").unwrap()[0].data.text(), "null");
        let quoted = read(&with("ce-subject", r#""a \"b\\ %41""#), "1").unwrap();
        assert_eq!(quoted[0].subject.as_deref(), Some(r#"a "b\ A"#));
        let raw = read(&with("ce-subject", "%"), "1").unwrap();
        assert_eq!(raw[0].subject.as_deref(), Some("%"));
    }

    #[test]
    fn events_in_json_one_and_many() {
        let event = r#"{"specversion":"1.0","id":"7","source":"urn:a","type":"t","data":[1],"subject":null}"#;
        let one = read(&[("content-type", "application/cloudevents+json; charset=utf-8")], event);
        assert_eq!(one.unwrap()[0].data.text(), "[1]");
        let batch = [("content-type", "application/cloudevents-batch+json")];
        assert_eq!(read(&batch, &format!("[{event},{event}]")).unwrap().len(), 2);
        assert_eq!(read(&batch, "[]").unwrap().len(), 0);
        assert!(read(&batch, event).unwrap_err().contains("JSON list"));
        assert!(read(&batch, "[").is_err());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for (headers, body, told) in [
            (with("ce-subject", "%C0%A0"), "1", "`ce-subject` is not UTF-8"),
            (with("ce-specversion", "0.3"), "1", "specversion `0.3`"),
            (with("ce-id", ""), "1", "no `id`"),
            (with("ce-source", "a%20b"), "1", "white space"),
            (with("ce-time", "today"), "1", "no RFC 3339 date"),
            (with("ce-datacontenttype", "text/plain"), "1", "`content-type` says it"),
            (with("content-type", "text/plain"), "1", "only JSON data"),
            ([BINARY, &[("ce-id", "2")]].concat(), "1", "stands twice"),
        ] {
            let refused = read(&headers, body).unwrap_err();
            assert!(refused.contains(told), "{told}: {refused}");
        }
        let json = [("content-type", "application/cloudevents+json")];
        for (body, told) in [
            ("3", "a JSON object"),
            (r#"{"specversion":"1.0","id":1,"source":"a","type":"t"}"#, "`id` must be text"),
            (
                r#"{"specversion":"1.0","id":"1","source":"a","type":"t","data_base64":""}"#,
                "only JSON data",
            ),
        ] {
            let refused = read(&json, body).unwrap_err();
            assert!(refused.contains(told), "{told}: {refused}");
        }
    }
}
