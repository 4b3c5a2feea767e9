//! What a verified webhook reports: one event, or one for each item of a list in it.

use std::borrow::Cow;

use postroom_core::{Failure, Json};
use postroom_expr::{Mapping, Scope, Template, Value};
use ring::digest;

use super::{Headers, Webhook, header_object};
use crate::scope::LIMITS;

/// The most events of one request.
const MAX_EVENTS: usize = 10_000;

/// How a webhook becomes events.
#[derive(Debug)]
pub(crate) struct Describe {
    /// The list of which each item is an event; without it, all of the body is one.
    pub each: Option<Template>,
    pub kind: Template,
    pub id: Option<Template>,
    pub time_ms: Option<Template>,
    pub subject: Option<Template>,
    /// The event's data; without it, the item or the body.
    pub data: Option<Mapping>,
    /// Whether the hash is read anywhere, which takes time to make.
    pub hashes: bool,
}

/// What a webhook reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// The event's type.
    pub kind: String,
    /// What is the same when the provider sends the same event again.
    pub id: Option<String>,
    /// When it happened, in milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// What it is about.
    pub subject: Option<String>,
    /// The event's data, where it is not the whole body.
    pub data: Option<Json>,
}

impl Webhook {
    /// What a verified webhook reports.
    ///
    /// # Errors
    /// When the body has no type of event where one is expected.
    pub fn describe(&self, headers: Headers<'_>, body: &Json) -> Result<Vec<Described>, Failure> {
        let describe = &self.describe;
        let scope = Scope::new()
            .with("body", Value::Json(body.view()))
            .with("headers", header_object(headers));
        let Some(each) = &describe.each else {
            return Ok(vec![describe.event(scope, body.text(), None)?]);
        };
        let items = each.eval(&scope, LIMITS).map_err(|why| fault("items", &why.to_string()))?;
        let mut texts = Vec::new();
        match &items {
            Value::Json(view) if view.raw().starts_with('[') => {
                texts.extend(view.items().map(|item| item.raw().to_owned()));
            }
            Value::List(list) => texts.extend(list.iter().map(|item| {
                let mut text = String::new();
                item.write_json(&mut text);
                text
            })),
            _ => return Err(fault("items", "they are no list")),
        }
        if texts.len() > MAX_EVENTS {
            let why = format!("there are {}, at most {MAX_EVENTS} are taken", texts.len());
            return Err(fault("items", &why));
        }
        let event = |text: String| {
            let item = Json::parse(text).map_err(|why| fault("items", &why.to_string()))?;
            let scope = Scope::new()
                .with("body", Value::Json(body.view()))
                .with("headers", header_object(headers))
                .with("item", Value::Json(item.view()));
            describe.event(scope, item.text(), Some(&item))
        };
        texts.into_iter().map(event).collect()
    }
}

fn fault(part: &str, why: &str) -> Failure {
    Failure::new("source/not-described", format!("the event's {part}: {why}"))
}

impl Describe {
    fn event(
        &self,
        mut scope: Scope<'_>,
        text: &str,
        item: Option<&Json>,
    ) -> Result<Described, Failure> {
        if self.hashes {
            let hash = digest::digest(&digest::SHA256, text.as_bytes());
            let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            scope.set("hash", Value::text(hex));
        }
        let kind = self.kind.eval(&scope, LIMITS);
        let kind = kind.map_err(|why| fault("type", &why.to_string()))?;
        // A number or list here is not what the provider sends.
        let kind = kind.as_str().filter(|kind| !kind.is_empty()).map(Cow::into_owned);
        let kind = kind.ok_or_else(|| fault("type", "it is empty or not text"))?;
        let id = optional(self.id.as_ref(), &scope, "id")?.filter(|id| !id.is_empty());
        let time_ms = match optional(self.time_ms.as_ref(), &scope, "time")? {
            None => None,
            Some(text) => Some(
                text.parse::<i64>()
                    .map_err(|_| fault("time", "it is not a whole number of milliseconds"))?,
            ),
        };
        let subject = optional(self.subject.as_ref(), &scope, "subject")?;
        let subject = subject.filter(|subject| !subject.is_empty());
        let data = match &self.data {
            None => item.cloned(),
            Some(mapping) => {
                let text = mapping.render(&scope, LIMITS);
                let text = text.map_err(|why| fault("data", &why.to_string()))?;
                Some(Json::parse(text).map_err(|why| fault("data", &why.to_string()))?)
            }
        };
        Ok(Described { kind, id, time_ms, subject, data })
    }
}

fn optional(
    template: Option<&Template>,
    scope: &Scope<'_>,
    part: &str,
) -> Result<Option<String>, Failure> {
    let Some(template) = template else { return Ok(None) };
    let value = template.eval(scope, LIMITS).map_err(|why| fault(part, &why.to_string()))?;
    if value.is_null() {
        return Ok(None);
    }
    value.to_text().map(Some).map_err(|why| fault(part, &why.to_string()))
}
