//! Contracts for people: the fields of a JSON Schema, one a line, in the words of the checker.

use serde_json::{Map, Value};

/// How deep a contract is told.
const MAX_DEPTH: usize = 6;

/// A field of a contract.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// The way to it: `items[].sku`.
    pub path: String,
    /// How deep it lies, from 0.
    pub depth: usize,
    /// What it holds.
    pub kind: String,
    /// Whether it must be there.
    pub needed: bool,
    /// What it is for.
    pub about: String,
}

/// The fields of a contract, those that must be there first.
pub(super) fn of(schema: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    below(schema, "", 0, &mut fields);
    fields
}

fn below(schema: &Value, path: &str, depth: usize, fields: &mut Vec<Field>) {
    if depth > MAX_DEPTH {
        return;
    }
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|needed| needed == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut named: Vec<(&String, &Value)> = properties.into_iter().flatten().collect();
    named.sort_by_key(|(name, _)| !required(name));
    for (name, schema) in named {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let needed = required(name);
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let (kind, about) = (kind(schema), about.trim().to_owned());
        fields.push(Field { path: path.clone(), depth, kind, needed, about });
        below(schema, &path, depth + 1, fields);
    }
    let deeper = |part: &Value| part.get("properties").is_some();
    if let Some(items) = schema.get("items").filter(|items| deeper(items)) {
        below(items, &format!("{path}[]"), depth, fields);
    }
    if let Some(others) = schema.get("additionalProperties").filter(|others| deeper(others)) {
        let path = if path.is_empty() { "*".to_owned() } else { format!("{path}.*") };
        below(others, &path, depth, fields);
    }
}

/// Whether a field of an `input` must be given, or one of an `output` may be missing.
pub(super) fn needed(what: &str, field: &Field) -> &'static str {
    match (what, field.needed) {
        ("input", true) => "needed",
        ("output", false) => "may be missing",
        _ => "",
    }
}

/// What a schema takes, in a few words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(value) = schema.get("const") {
        return literal(value);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(literal).collect();
        return match values.as_slice() {
            [one] => one.clone(),
            _ => format!("one of {}", values.join(", ")),
        };
    }
    let Some(words) = schema.as_object() else { return "anything".to_owned() };
    let kinds: Vec<String> = match words.get("type") {
        Some(Value::String(name)) => vec![named(name, words)],
        Some(Value::Array(names)) => {
            let names = names.iter().map(|name| name.as_str().unwrap_or("null"));
            names.map(|name| named(name, words)).collect()
        }
        _ if words.contains_key("properties") => vec![named("object", words)],
        _ if words.contains_key("items") => vec![named("array", words)],
        _ => vec!["anything".to_owned()],
    };
    kinds.join(" or ")
}

fn named(name: &str, words: &Map<String, Value>) -> String {
    match name {
        "string" => format!("text{}", bounds(words, "minLength", "maxLength", " characters")),
        "integer" => format!("whole number{}", bounds(words, "minimum", "maximum", "")),
        "number" => format!("number{}", bounds(words, "minimum", "maximum", "")),
        "boolean" => "true or false".to_owned(),
        "array" => {
            let items = words.get("items").map(kind).filter(|kind| kind != "anything");
            let of = items.map(|kind| format!(" of {kind}")).unwrap_or_default();
            format!("list{of}{}", bounds(words, "minItems", "maxItems", " items"))
        }
        "object" => {
            let others = words.get("additionalProperties").filter(|others| others.is_object());
            let others = others.map(kind).filter(|kind| kind != "anything");
            let of = others.map(|kind| format!(" of {kind}")).unwrap_or_default();
            format!("object{of}")
        }
        _ => "null".to_owned(),
    }
}

fn bounds(words: &Map<String, Value>, least: &str, most: &str, what: &str) -> String {
    match (words.get(least), words.get(most)) {
        (Some(least), Some(most)) if least == most => format!(", {least}{what}"),
        (Some(least), Some(most)) => format!(", {least} to {most}{what}"),
        (Some(least), None) => format!(", at least {least}{what}"),
        (None, Some(most)) => format!(", at most {most}{what}"),
        (None, None) => String::new(),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_told_with_what_they_hold() {
        let schema = json!({
            "type": "object",
            "required": ["to"],
            "properties": {
                "amount": {"type": "integer", "minimum": 1, "maximum": 99},
                "items": {"type": "array", "maxItems": 5, "items": {
                    "type": "object", "required": ["sku"],
                    "properties": {"sku": {"type": "string", "description": "Of the shop."}},
                }},
                "kind": {"enum": ["a", 2, null]},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                "to": {"type": ["string", "null"], "maxLength": 4},
            },
        });
        let told: Vec<String> = of(&schema)
            .into_iter()
            .map(|it| {
                format!("{}{} {}: {}", it.path, if it.needed { "!" } else { "" }, it.kind, it.about)
            })
            .collect();
        assert_eq!(
            told,
            [
                "to! text, at most 4 characters or null: ",
                "amount whole number, 1 to 99: ",
                "items list of object, at most 5 items: ",
                "items[].sku! text: Of the shop.",
                "kind one of `a`, 2, null: ",
                "metadata object of text: ",
            ]
        );
        assert!(of(&json!({})).is_empty());
        assert_eq!(kind(&json!({})), "anything");
    }
}
