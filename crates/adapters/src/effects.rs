//! What an action does with the input that a step gives it, before anything runs: for the lints of
//! workflows. Where it depends on a value that only an event brings, the harmless answer is given.

use postroom_core::Json;
use postroom_core::lint::{Effects, Exposed, Exposure};
use postroom_expr::{Mapping, Scope, Shown};

use crate::adapter::{Action, Idempotency};
use crate::build::Target;
use crate::exchange::Context;
use crate::scope::LIMITS;
use crate::url::PathPart;

/// Inputs that people read, where an adapter has them.
const MESSAGES: &[&str] =
    &["text", "message", "subject", "title", "description", "body", "html", "content", "blocks"];

impl Action {
    /// What it does with an input that is still to be made.
    #[must_use]
    pub fn effects(&self, with: &Mapping) -> Effects {
        let (destructive, deprecated) = (self.destructive, self.deprecated.clone());
        if let Some(becomes) = &self.becomes {
            return Effects { destructive, deprecated, ..becomes.effects(with) };
        }
        Effects {
            calls: !self.calls.is_empty(),
            unrepeatable: self.unrepeatable(with),
            destructive,
            exposed: self.exposed(),
            deprecated,
        }
    }

    /// The inputs that say where a call goes.
    #[must_use]
    pub fn address_inputs(&self, call: usize) -> Vec<String> {
        let Some(Target::Url(template)) = self.calls.get(call).map(|call| &call.request.target)
        else {
            return Vec::new();
        };
        let paths = template.reads().into_iter().map(|read| read.path);
        let inputs = paths.filter(|path| path.first().is_some_and(|root| root == "input"));
        inputs.filter_map(|path| path.into_iter().nth(1)).collect()
    }

    /// Whether one of its calls takes effect again when it is repeated: then the inputs that decide
    /// about that.
    fn unrepeatable(&self, with: &Mapping) -> Option<Vec<String>> {
        let written = Written::of(with);
        let config = Json::null();
        let context = Context {
            input: &written.input,
            results: &[],
            config: &config,
            base_url: None,
            key: "",
        };
        self.calls.iter().enumerate().find_map(|(index, call)| {
            let reads = call.by_input.iter().flat_map(|template| template.reads());
            let reads: Vec<Vec<String>> = reads.map(|read| read.path).collect();
            let none = reads.iter().all(|path| written.knows(path))
                && self.idempotency(index, &context) == Idempotency::None;
            let mut inputs: Vec<String> =
                reads.into_iter().filter_map(|path| path.into_iter().nth(1)).collect();
            inputs.sort();
            inputs.dedup();
            none.then_some(inputs)
        })
    }

    /// The inputs that come to stand in a URL, and those that people read.
    fn exposed(&self) -> Vec<Exposed> {
        let mut exposed = Vec::new();
        let mut any_address = false;
        for call in &self.calls {
            let shown: Vec<Shown> = match &call.request.target {
                Target::Path(parts) => {
                    let values = parts.iter().filter_map(|part| match part {
                        PathPart::Text(_) => None,
                        PathPart::Value(template) => Some(template),
                    });
                    values.flat_map(|template| template.shows()).collect()
                }
                Target::Server(_) => Vec::new(),
                Target::Url(template) => {
                    any_address = true;
                    template.shows()
                }
            };
            let query = call.request.query.iter().flat_map(Mapping::shows);
            for Shown { path, .. } in shown.into_iter().chain(query) {
                let Some((root, input)) = path.split_first() else { continue };
                if root == "input" && !input.is_empty() {
                    exposed.push(Exposed { input: input.to_vec(), how: Exposure::Url });
                }
            }
        }
        // What goes anywhere is the body of somebody's API, whatever its name.
        if !any_address && !self.calls.is_empty() {
            let inputs = self.input.get("properties").and_then(|known| known.as_object());
            let names = inputs.into_iter().flat_map(|known| known.keys());
            for name in names.filter(|name| MESSAGES.contains(&name.as_str())) {
                exposed.push(Exposed { input: vec![name.clone()], how: Exposure::Message });
            }
        }
        exposed
    }
}

/// What of an input is written out, and the keys whose values only a run knows.
pub(crate) struct Written {
    pub input: Json,
    open: Vec<String>,
    whole: bool,
}

impl Written {
    pub fn of(with: &Mapping) -> Self {
        let Mapping::Object(entries) = with else {
            return Self { input: Json::null(), open: Vec::new(), whole: false };
        };
        let fixed = |value: &Mapping| value.reads().is_empty();
        let known = entries.iter().filter(|(_, value)| fixed(value)).cloned().collect();
        let text = Mapping::Object(known).render(&Scope::new(), LIMITS);
        let input = text.ok().and_then(|text| Json::parse(text).ok());
        Self {
            whole: input.is_some(),
            input: input.unwrap_or_else(Json::null),
            open: entries.iter().filter(|(_, v)| !fixed(v)).map(|(key, _)| key.clone()).collect(),
        }
    }

    /// Whether what stands at a path does not depend on the event.
    pub fn knows(&self, path: &[String]) -> bool {
        match path {
            [root, key, ..] if root == "input" => self.whole && !self.open.contains(key),
            [root] if root == "input" => self.whole && self.open.is_empty(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use postroom_core::definition::ActionRef;
    use postroom_expr::JsonView;

    use super::*;
    use crate::Catalog;

    fn effects(uses: &str, with: &str) -> Effects {
        let (adapter, action) = uses.split_once('/').unwrap();
        let uses =
            ActionRef { adapter: adapter.to_owned(), action: action.to_owned(), version: None };
        let (_, action) = Catalog::builtin().action(&uses).unwrap();
        let with = Mapping::from_json(JsonView::parse(with).unwrap()).unwrap();
        action.effects(&with)
    }

    #[test]
    fn what_cannot_be_repeated_is_known_where_the_input_says_so() {
        for (uses, with, unrepeatable) in [
            ("slack/post_message", r#"{"channel": "a"}"#, true),
            ("stripe/refund", r#"{"chargeId": "${{ event.data.id }}"}"#, false),
            ("local/echo", "{}", false),
            ("http/request", r#"{"url": "https://a.example"}"#, false),
            ("http/request", r#"{"url": "${{ event.data.url }}", "method": "POST"}"#, true),
            ("http/request", r#"{"url": "https://a.example", "method": "PUT"}"#, false),
            ("http/request", r#"{"url": "a", "method": "POST", "idempotencyHeader": "K"}"#, false),
            // Only the event knows.
            ("http/request", r#"{"url": "a", "method": "${{ event.data.method }}"}"#, false),
            (
                "http/request",
                r#"{"url": "a", "method": "POST", "idempotencyHeader": "${{ event.data.h }}"}"#,
                false,
            ),
        ] {
            assert_eq!(effects(uses, with).unrepeatable.is_some(), unrepeatable, "{uses} {with}");
        }
    }

    #[test]
    fn inputs_that_decide_about_repeating_are_named() {
        let post = effects("http/request", r#"{"url": "a", "method": "POST"}"#);
        assert_eq!(post.unrepeatable.unwrap(), ["idempotencyHeader", "method"]);
    }

    #[test]
    fn inputs_that_are_logged_or_read_are_known() {
        let of = |uses: &str| -> Vec<(String, Exposure)> {
            let exposed = effects(uses, "{}").exposed;
            exposed.into_iter().map(|it| (it.input.join("."), it.how)).collect()
        };
        assert_eq!(
            of("http/request"),
            [("url".to_owned(), Exposure::Url), ("query".to_owned(), Exposure::Url)],
        );
        assert!(of("slack/post_message").contains(&("text".to_owned(), Exposure::Message)));
        assert!(of("stripe/create_invoice").contains(&("customerId".to_owned(), Exposure::Url)));
        assert!(of("local/echo").is_empty());
        assert!(effects("stripe/refund", "{}").destructive);
    }
}
