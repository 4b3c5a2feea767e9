//! What a mapping of a manifest sends, as far as it is known without running it.

use postroom_expr::{Mapping, Template};
use serde_json::{Map, Value, json};

/// What is sent.
pub(super) enum Sent {
    /// Something; more is not known.
    Unknown,
    /// A value of this schema.
    Like(Value),
    /// An object with these fields and no other.
    Fields(Vec<(String, Sent)>),
}

impl Sent {
    /// Reads a mapping over an input.
    pub fn of(mapping: &Mapping, input: &Value) -> Self {
        match mapping {
            Mapping::Literal(text) => match serde_json::from_str::<Value>(text) {
                Ok(value) => Self::Like(json!({ "const": value })),
                Err(_) => Self::Unknown,
            },
            Mapping::Template(template) => Self::of_template(template, input),
            Mapping::List(_) => Self::Unknown,
            Mapping::Object(entries) => Self::Fields(
                entries.iter().map(|(name, it)| (name.clone(), Self::of(it, input))).collect(),
            ),
        }
    }

    /// `input`, with `without`, `pick` and `merge` behind it as imports write them; or one of its
    /// keys, with a default or without.
    fn of_template(template: &Template, input: &Value) -> Self {
        let source = template.source();
        if template.is_literal() {
            return Self::Like(json!({ "const": source }));
        }
        let inside = source.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
        let Some(inside) = inside.map(str::trim).filter(|text| !text.contains("${{")) else {
            return Self::Like(json!({ "type": "string" }));
        };
        if let Some(rest) = inside.strip_prefix("input") {
            if let Some(schema) = whole(rest, input) {
                return Self::Like(schema);
            }
            let bare = rest.strip_suffix("?? omit()").unwrap_or(rest).trim();
            if let Some(name) = key(bare) {
                let found = input.get("properties").and_then(|all| all.get(name));
                return found.map_or(Self::Unknown, |schema| Self::Like(schema.clone()));
            }
        }
        Self::Unknown
    }
}

/// The schema of the input after what follows it.
fn whole(mut rest: &str, input: &Value) -> Option<Value> {
    let mut schema = input.clone();
    while !rest.is_empty() {
        let (call, after) = rest.split_once(')')?;
        let (name, arguments) = call.strip_prefix('.')?.split_once('(')?;
        let quoted: Vec<&str> = arguments.split('\'').skip(1).step_by(2).collect();
        let keep = |known: &str| match name {
            "without" => !quoted.contains(&known),
            "pick" => quoted.contains(&known),
            _ => true,
        };
        match name {
            "without" | "pick" => {
                let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
                if let Some(properties) = properties {
                    properties.retain(|known, _| keep(known));
                }
                if let Some(Value::Array(required)) = schema.get_mut("required") {
                    required.retain(|known| known.as_str().is_some_and(keep));
                }
            }
            "merge" => {
                let field = arguments.strip_prefix('{')?.split_once(':')?.0.trim();
                let words = schema.as_object_mut()?;
                let properties = words.entry("properties").or_insert(Value::Object(Map::new()));
                properties.as_object_mut()?.insert(field.to_owned(), json!({}));
                let required = words.entry("required").or_insert(Value::Array(Vec::new()));
                required.as_array_mut()?.push(field.into());
            }
            _ => return None,
        }
        rest = after;
    }
    Some(schema)
}

/// The key that `.a`, `?.a`, `['a']` or `?['a']` reads.
fn key(text: &str) -> Option<&str> {
    let text = text.strip_prefix('?').unwrap_or(text);
    let word = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match text.strip_prefix('.') {
        Some(name) => Some(name).filter(word),
        None => text.strip_prefix("['")?.strip_suffix("']").filter(|name| !name.contains('\'')),
    }
}
