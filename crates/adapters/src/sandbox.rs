//! Answers without a provider: the recorded example, with what must differ from call to call
//! filled in. The same key yields the same object, another key another one.

use std::borrow::Cow;

use postroom_core::{Failure, Json};
use postroom_expr::{JsonView, Kind, Value};
use ring::digest::{Context as Digest, SHA256};

use crate::adapter::Action;
use crate::exchange::{Context, HttpRequest, HttpResponse};

/// The header that marks an answer as made up.
pub const SANDBOX_HEADER: &str = "x-postroom-sandbox";

impl Action {
    /// The answer of the recorded example to a request, with the call's `sandbox` entries laid over
    /// its body and `x-postroom-sandbox: true` among its headers.
    ///
    /// # Errors
    /// When the manifest records no answer for this call, or an expression has no value.
    pub fn sandbox(
        &self,
        call: usize,
        request: &HttpRequest,
        context: &Context<'_>,
    ) -> Result<HttpResponse, Failure> {
        let call = self.call(call)?;
        let example = self.example.iter().flat_map(|example| &example.responses);
        let Some((_, recorded)) = example.into_iter().find(|(id, _)| *id == call.id) else {
            let message = format!("{self} has no recorded answer for the call `{}`", call.id);
            return Err(Failure::new("adapter/no-example", message)
                .with_hint("add it under `example` in the manifest"));
        };
        let mut response = recorded.clone();
        response.headers.push((SANDBOX_HEADER.to_owned(), "true".to_owned()));
        let Some(overlay) = &call.sandbox else { return Ok(response) };
        let key = self.call_key(call, context);
        let hash = self.hash(&call.id, request.idempotency_key.as_deref().unwrap_or(&key));
        let facts = Value::object(vec![(Cow::Borrowed("hash"), Value::text(hash.as_str()))]);
        let scope = self.scope(context, &key).with("sandbox", facts);
        let overlay = self.render(overlay, &scope, &format!("{}.sandbox", call.id))?;
        response.body = merge(&recorded.body, &overlay);
        Ok(response)
    }

    /// 24 hexadecimal digits that stand for one object made by one call.
    fn hash(&self, call: &str, key: &str) -> String {
        let mut digest = Digest::new(&SHA256);
        for part in [&self.adapter, &self.name, call, key] {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
        let digest = digest.finish();
        digest.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The recorded object with entries of the overlay in place of or after its own.
fn merge(recorded: &[u8], overlay: &Json) -> Vec<u8> {
    let recorded = std::str::from_utf8(recorded).ok().and_then(|text| JsonView::parse(text).ok());
    let Some(recorded) = recorded.filter(|view| view.kind() == Kind::Object) else {
        return overlay.text().as_bytes().to_vec();
    };
    let overlay = overlay.view();
    let kept = recorded.entries().filter(|(name, _)| overlay.get(name).is_none());
    let entries: Vec<_> =
        kept.chain(overlay.entries()).map(|(name, view)| (name, Value::Json(view))).collect();
    let mut out = String::new();
    Value::object(entries).write_json(&mut out);
    out.into_bytes()
}
