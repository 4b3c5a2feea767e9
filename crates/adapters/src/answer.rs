//! An answer as expressions see it: `response.status`, `response.headers`, `response.body` and
//! `response.text`.

use std::borrow::Cow;

use postroom_core::Json;
use postroom_core::json::{MAX_DEPTH, too_deep};
use postroom_expr::Value;

use crate::exchange::HttpResponse;

/// An answer, read once.
pub(crate) struct Answer<'a> {
    pub status: u16,
    /// Lower-case names, values of repeated headers joined with commas.
    pub headers: Vec<(String, String)>,
    pub text: Cow<'a, str>,
    /// The body, if it is JSON.
    json: Option<Json>,
    /// The headers promise JSON and the body is none.
    pub broken: bool,
}

impl<'a> Answer<'a> {
    pub fn read(response: &'a HttpResponse) -> Self {
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in &response.headers {
            let name = name.to_ascii_lowercase();
            match headers.iter_mut().find(|(known, _)| *known == name) {
                Some((_, joined)) => {
                    joined.push_str(", ");
                    joined.push_str(value);
                }
                None => headers.push((name, value.clone())),
            }
        }
        let text = String::from_utf8_lossy(&response.body);
        let kind = headers.iter().find(|(name, _)| name == "content-type");
        let promised = kind.is_some_and(|(_, kind)| kind.to_ascii_lowercase().contains("json"));
        let looks = text.trim_start().starts_with(['{', '[']);
        let json = if (promised || looks) && too_deep(&response.body, MAX_DEPTH).is_none() {
            Json::parse(text.clone().into_owned()).ok()
        } else {
            None
        };
        let broken = promised && json.is_none() && !text.trim().is_empty();
        Self { status: response.status, headers, text, json, broken }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body: JSON where it is that, null where there is none, text otherwise.
    pub fn body(&self) -> Value<'_> {
        match &self.json {
            Some(json) => Value::Json(json.view()),
            None if self.text.is_empty() => Value::Null,
            None => Value::text(&*self.text),
        }
    }

    /// The value of the root `response`.
    pub fn value(&self) -> Value<'_> {
        let headers =
            self.headers.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), text(value)));
        Value::object(vec![
            (Cow::Borrowed("status"), Value::Int(i64::from(self.status))),
            (Cow::Borrowed("headers"), Value::object(headers.collect())),
            (Cow::Borrowed("body"), self.body()),
            (Cow::Borrowed("text"), Value::text(&*self.text)),
        ])
    }
}

fn text(text: &str) -> Value<'_> {
    Value::text(text)
}
