//! What an operation answers, as the output of an action and its recorded success.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::document::{Document, entries};
use super::example::{Maker, size};
use super::fits::Way;
use super::operation::{Content, Operation, essence, is_json};
use super::shape::Part;
use super::writer::Out;

/// The largest answer that is taken over from a description, in bytes of JSON.
const MAX_GIVEN: usize = 1500;

/// What an operation answers when it worked.
pub(super) enum Answer<'d> {
    /// Nothing, with this status.
    Nothing(u16),
    /// The description does not say.
    Unsaid(u16),
    /// Text.
    Text(u16),
    /// JSON like this; the first status, and what the description gives as examples.
    Json(u16, Part<'d>, Vec<&'d Value>),
}

impl<'d> Answer<'d> {
    /// Reads an operation.
    ///
    /// # Errors
    /// Why its answers are of no use.
    pub fn of(document: &'d Document, operation: &Operation<'d>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut given = Vec::new();
        let mut first = None;
        let mut text = None;
        let mut other: Vec<&str> = Vec::new();
        let mut nothing = None;
        for (status, answer) in operation.answers(document) {
            let contents = document.contents(answer);
            if contents.is_empty() {
                nothing = nothing.or(Some(status));
            }
            let json: Option<&Content<'d>> = contents.iter().find(|c| is_json(c.media));
            if let Some(content) = json {
                first = first.or(Some(status));
                parts.push(content.part.clone());
                given.extend(content.given.iter().copied());
            } else if contents.iter().any(|c| is_text(c.media)) {
                text = text.or(Some(status));
            } else {
                other.extend(contents.iter().map(|content| content.media));
            }
        }
        if let Some(status) = first {
            if nothing.is_some() {
                parts.push(Part::One(&NOTHING));
            }
            let part = match parts.len() {
                1 => parts.swap_remove(0),
                _ => Part::Any(parts),
            };
            return Ok(Self::Json(status, part, given));
        }
        if let Some(status) = text {
            return Ok(Self::Text(status));
        }
        match (nothing, other.is_empty()) {
            (Some(status @ (204 | 205)), _) => Ok(Self::Nothing(status)),
            (Some(status), _) => Ok(Self::Unsaid(status)),
            (None, false) => Err(format!("it answers {}, which is not kept", other.join(" or "))),
            (None, true) => {
                let redirect = entries(operation.node, "responses")
                    .find(|(status, _)| status.starts_with('3') && *status != "304");
                match redirect {
                    Some((status, _)) => Err(format!(
                        "it answers {status} and nothing else; redirects are not followed"
                    )),
                    None => Ok(Self::Unsaid(200)),
                }
            }
        }
    }

    /// The recorded success: its response, and the output.
    pub fn example(
        &self,
        document: &'d Document,
        fits: impl Fn(&Value) -> bool,
    ) -> Option<Example> {
        let (status, body) = match self {
            Self::Nothing(status) | Self::Unsaid(status) => (*status, Value::Null),
            Self::Text(status) => (*status, Value::from("text")),
            Self::Json(status, part, given) => {
                let usable = |value: &&&Value| {
                    size(value) <= MAX_GIVEN
                        && document.fits(part, value, Way::Answer)
                        && fits(value)
                        && !too_plain(value)
                };
                let body = given.iter().find(usable).map(|value| (*value).clone());
                let body = body.or_else(|| made(document, part, &fits))?;
                (*status, body)
            }
        };
        let mut response = Vec::new();
        if status != 200 {
            response.push(("status".to_owned(), Out::Value(status.into())));
        }
        if matches!(self, Self::Text(_)) {
            let headers = Out::map([("content-type", Out::text("text/plain"))]);
            response.push(("headers".to_owned(), headers));
            response.push(("text".to_owned(), Out::Value(body.clone())));
        } else if matches!(self, Self::Json(..)) {
            response.push(("body".to_owned(), Out::Value(body.clone())));
        }
        Some(Example { response: Out::Map(response), output: body })
    }
}

/// A recorded success.
pub(super) struct Example {
    pub response: Out,
    pub output: Value,
}

/// The schema of an answer without a body.
static NOTHING: LazyLock<Value> = LazyLock::new(|| json!({ "type": "null" }));

/// A scalar is never what a whole answer looks like; descriptions hold such slips.
fn too_plain(value: &Value) -> bool {
    value.is_string() && serde_json::from_str::<Value>(value.as_str().unwrap_or_default()).is_ok()
}

fn made<'d>(
    document: &'d Document,
    part: &Part<'d>,
    fits: &impl Fn(&Value) -> bool,
) -> Option<Value> {
    let ways = [(true, true), (false, true), (true, false), (false, false)];
    ways.into_iter().find_map(|(given, rich)| {
        let maker = Maker { document, way: Way::Answer, given, rich, filled: false };
        maker.make(part).filter(|value| size(value) <= 4 * MAX_GIVEN || !rich).filter(fits)
    })
}

fn is_text(media: &str) -> bool {
    let media = essence(media);
    media.starts_with("text/") && media != "text/event-stream"
        || media.ends_with("xml")
        || media == "application/sdp"
}
