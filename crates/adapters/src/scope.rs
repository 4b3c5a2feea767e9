//! What the expressions of a manifest can see, and how they are evaluated.
//!
//! Owns the names of the roots and the limits of one evaluation.

use std::borrow::Cow;

use postroom_core::{Failure, Json};
use postroom_expr::{Limits, Mapping, MappingFault, Scope, Template, Value};

use crate::adapter::{Action, Call};
use crate::exchange::Context;

/// What a request may read.
pub(crate) const REQUEST_ROOTS: &[&str] = &["input", "calls", "connection", "key"];
/// What a request with a message may read, outside the message.
pub(crate) const MAIL_ROOTS: &[&str] = &["mail", "input", "calls", "connection", "key"];
/// What says which mail server a message goes to: no event may.
pub(crate) const SERVER_ROOTS: &[&str] = &["connection"];
/// What the request of a call with `pages` may read.
pub(crate) const PAGE_ROOTS: &[&str] = &["page", "input", "calls", "connection", "key"];
/// What the result of a call with `pages` may read.
pub(crate) const PAGED_ROOTS: &[&str] =
    &["items", "page", "response", "input", "calls", "connection", "key"];
/// What rules and results may read.
pub(crate) const RESPONSE_ROOTS: &[&str] = &["response", "input", "calls", "connection", "key"];
/// What sandboxed answers may read.
pub(crate) const SANDBOX_ROOTS: &[&str] = &["sandbox", "input", "calls", "connection", "key"];
/// What describes a webhook.
pub(crate) const WEBHOOK_ROOTS: &[&str] = &["body", "headers", "hash"];
/// What describes one of several events of a webhook.
pub(crate) const ITEM_ROOTS: &[&str] = &["item", "body", "headers", "hash"];
/// What challenges may read.
pub(crate) const CHALLENGE_ROOTS: &[&str] = &["body", "headers", "query"];
/// What answers to challenges may read where they prove that the secret is known.
pub(crate) const ANSWER_ROOTS: &[&str] = &["body", "headers", "query", "hmac"];

/// What one evaluation may take: enough for a request of some megabytes.
pub(crate) const LIMITS: Limits = Limits { fuel: 1_000_000, output_bytes: 8 << 20 };

impl Action {
    /// The scope of a request.
    pub(crate) fn scope<'a>(&'a self, context: &Context<'a>, key: &'a str) -> Scope<'a> {
        let result = |call: &'a Call| {
            let found = context.results.iter().find(|(id, _)| *id == call.id);
            let value = found.map_or(Value::Null, |(_, json)| Value::Json(json.view()));
            (Cow::Borrowed(call.id.as_str()), value)
        };
        Scope::new()
            .with("input", Value::Json(context.input.view()))
            .with("calls", Value::object(self.calls.iter().map(result).collect()))
            .with("connection", Value::Json(context.config.view()))
            .with("key", Value::text(key))
    }

    /// The key of a call: the step's own, or derived from it where the action makes several.
    pub(crate) fn call_key(&self, call: &Call, context: &Context<'_>) -> String {
        if self.calls.len() > 1 {
            format!("{}.{}", context.key, call.id)
        } else {
            context.key.to_owned()
        }
    }

    /// A call by its index.
    pub(crate) fn call(&self, index: usize) -> Result<&Call, Failure> {
        self.calls.get(index).ok_or_else(|| {
            let count = self.calls.len();
            let message = format!("{self} has {count} calls; there is none with index {index}");
            Failure::new("adapter/no-such-call", message)
        })
    }

    /// Evaluates a mapping to JSON.
    pub(crate) fn render(
        &self,
        mapping: &Mapping,
        scope: &Scope<'_>,
        place: &str,
    ) -> Result<Json, Failure> {
        let text = mapping.render(scope, LIMITS).map_err(|fault| self.fault(fault, place))?;
        Json::parse(text).map_err(|error| {
            Failure::new("internal", format!("{self}, {place} is not JSON: {error}"))
        })
    }

    /// Evaluates a template to text.
    pub(crate) fn text(
        &self,
        template: &Template,
        scope: &Scope<'_>,
        place: &str,
    ) -> Result<String, Failure> {
        let value = template.eval(scope, LIMITS).and_then(|value| value.to_text());
        value.map_err(|fault| self.fault(MappingFault { path: String::new(), fault }, place))
    }

    pub(crate) fn fault(&self, fault: MappingFault, place: &str) -> Failure {
        let MappingFault { path, fault } = fault.under(place);
        let failure = Failure::new(fault.code, format!("{self}, {path}: {}", fault.message));
        match fault.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.adapter, self.name)
    }
}
