//! From JSON Schema to the types of the mapping language.
//!
//! Owns what each keyword says about the kind of a value. Keywords that say nothing of it
//! (`minLength`, `format`), that are not known, or that cannot be expressed make a type wider,
//! never narrower, so that a schema raises no false alarm. Bounded in depth and size; what lies
//! beyond is [`Type::Dyn`]. Refuses to validate values: that is the business of contracts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use postroom_expr::{Field, Object, Rest, Type};
use serde_json::{Map, Value};

/// How deep schemas may nest, references followed.
const MAX_DEPTH: usize = 48;
/// How many schemas within one make up its type, each counted as often as it is referred to.
const MAX_SCHEMAS: usize = 50_000;

/// The type of the values that a schema describes.
#[must_use]
pub fn to_type(schema: &Value) -> Type {
    let mut reader = Reader { root: schema, known: HashMap::new(), left: MAX_SCHEMAS };
    reader.schema(schema, 0)
}

struct Reader<'a> {
    root: &'a Value,
    /// References that were followed, with the number of schemas behind them; `None` while that
    /// goes on.
    known: HashMap<&'a str, Option<(Type, usize)>>,
    left: usize,
}

impl<'a> Reader<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Type {
        let (Value::Object(words), false) = (schema, depth > MAX_DEPTH || self.left == 0) else {
            return Type::Dyn;
        };
        self.left -= 1;
        let mut ty = self.own(words, depth);
        if let Some(Value::String(reference)) = words.get("$ref") {
            let referred = self.reference(reference, depth);
            ty = both(&ty, &referred);
        }
        for part in list(words, "allOf") {
            let part = self.schema(part, depth + 1);
            ty = both(&ty, &part);
        }
        for word in ["anyOf", "oneOf"] {
            if words.get(word).is_some_and(Value::is_array) {
                let cases: Vec<Type> =
                    list(words, word).map(|case| self.schema(case, depth + 1)).collect();
                ty = both(&ty, &Type::union(cases));
            }
        }
        if words.get("nullable") == Some(&Value::Bool(true)) {
            ty = ty.or_null();
        }
        ty
    }

    /// What the schema says by itself.
    fn own(&mut self, words: &'a Map<String, Value>, depth: usize) -> Type {
        let named: Option<Type> = match words.get("type") {
            Some(Value::String(name)) => Some(self.named(name, words, depth)),
            Some(Value::Array(names)) => {
                let names: Vec<Type> = names
                    .iter()
                    .map(|name| self.named(name.as_str().unwrap_or("null"), words, depth))
                    .collect();
                Some(Type::union(names))
            }
            // A bare `type: null` in YAML.
            Some(Value::Null) => Some(Type::Null),
            _ if OBJECT_WORDS.iter().any(|word| words.contains_key(*word)) => {
                Some(self.object(words, depth))
            }
            _ if words.contains_key("items") => Some(self.list(words, depth)),
            _ => None,
        };
        let values = match (words.get("enum"), words.get("const")) {
            (_, Some(value)) => Some(literal(value)),
            (Some(Value::Array(values)), _) => Some(Type::union(values.iter().map(literal))),
            _ => None,
        };
        match (named, values) {
            (Some(named), Some(values)) => both(&named, &values),
            (named, values) => named.or(values).unwrap_or(Type::Dyn),
        }
    }

    fn named(&mut self, name: &str, words: &'a Map<String, Value>, depth: usize) -> Type {
        match name {
            "null" => Type::Null,
            "boolean" => Type::Bool,
            "integer" => Type::Int,
            "number" => Type::Number,
            "string" => Type::TEXT,
            "array" => self.list(words, depth),
            "object" => self.object(words, depth),
            _ => Type::Dyn,
        }
    }

    fn list(&mut self, words: &'a Map<String, Value>, depth: usize) -> Type {
        let first: Vec<Type> =
            list(words, "prefixItems").map(|item| self.schema(item, depth + 1)).collect();
        let others = match words.get("items") {
            Some(Value::Bool(false)) => Type::Never,
            Some(items @ Value::Object(_)) => self.schema(items, depth + 1),
            _ => Type::Dyn,
        };
        let filled = words.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 0);
        Type::List(Arc::new(Type::union(first.into_iter().chain([others]))), filled)
    }

    fn object(&mut self, words: &'a Map<String, Value>, depth: usize) -> Type {
        let required: Vec<&str> = list(words, "required").filter_map(Value::as_str).collect();
        let mut fields = BTreeMap::new();
        let properties = words.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            let ty = self.schema(schema, depth + 1);
            let required = required.contains(&name.as_str());
            fields.insert(Arc::from(name.as_str()), Field { ty, required });
        }
        let patterns = words.get("patternProperties").and_then(Value::as_object);
        let patterns: Vec<Type> = patterns
            .into_iter()
            .flat_map(|patterns| patterns.values())
            .map(|schema| self.schema(schema, depth + 1))
            .collect();
        let rest = match words.get("additionalProperties") {
            Some(Value::Bool(false)) if patterns.is_empty() => Rest::Closed,
            Some(Value::Bool(false)) => Rest::Open(Type::union(patterns)),
            Some(schema @ Value::Object(_)) => {
                let others = self.schema(schema, depth + 1);
                Rest::Open(Type::union(patterns.into_iter().chain([others])))
            }
            // Who lists what there is and no more means that there is no more.
            None if patterns.is_empty() && !fields.is_empty() => Rest::Undeclared,
            _ => Rest::Open(Type::Dyn),
        };
        for name in required {
            let described = fields.contains_key(name);
            if !described {
                let ty = match &rest {
                    Rest::Open(ty) => ty.clone(),
                    _ => Type::Dyn,
                };
                fields.insert(name.into(), Field { ty, required: true });
            }
        }
        Type::object(fields, rest)
    }

    /// What a reference within the document leads to. Others, and circles, are not followed.
    fn reference(&mut self, reference: &'a str, depth: usize) -> Type {
        if let Some(known) = self.known.get(reference) {
            let Some((ty, size)) = known else { return Type::Dyn };
            let Some(left) = self.left.checked_sub(*size) else { return Type::Dyn };
            self.left = left;
            return ty.clone();
        }
        let Some(pointer) = reference.strip_prefix('#') else { return Type::Dyn };
        let Some(found) = self.root.pointer(pointer) else { return Type::Dyn };
        self.known.insert(reference, None);
        let before = self.left;
        let ty = self.schema(found, depth + 1);
        self.known.insert(reference, Some((ty.clone(), before - self.left)));
        ty
    }
}

/// Words that speak of an object where no `type` does.
const OBJECT_WORDS: &[&str] =
    &["properties", "required", "additionalProperties", "patternProperties"];

fn list<'a>(words: &'a Map<String, Value>, word: &str) -> impl Iterator<Item = &'a Value> {
    words.get(word).and_then(Value::as_array).into_iter().flatten()
}

/// The type of a value that is written out.
fn literal(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Number(number) if number.is_i64() => Type::Int,
        Value::Number(_) => Type::Number,
        Value::String(text) => Type::texts([text.as_str()]),
        Value::Array(items) => Type::list(Type::union(items.iter().map(literal))),
        Value::Object(entries) => {
            Type::closed(entries.iter().map(|(key, value)| (key.as_str(), literal(value))))
        }
    }
}

/// The values of both types; anything where there seem to be none, as that is more likely a
/// schema that says more than its type can.
fn both(a: &Type, b: &Type) -> Type {
    match meet(a, b) {
        Type::Never => Type::Dyn,
        ty => ty,
    }
}

fn meet(a: &Type, b: &Type) -> Type {
    let mut cases = Vec::new();
    for a in a.members() {
        for b in b.members() {
            cases.push(match (a, b) {
                (Type::Dyn, other) | (other, Type::Dyn) => other.clone(),
                (Type::Int, Type::Number) | (Type::Number, Type::Int) => Type::Int,
                (Type::Text(None), text @ Type::Text(_)) => text.clone(),
                (text @ Type::Text(_), Type::Text(None)) => text.clone(),
                (Type::Text(Some(a)), Type::Text(Some(b))) => {
                    Type::texts(a.iter().filter(|text| b.contains(text)).cloned())
                }
                (Type::List(a, one), Type::List(b, other)) => {
                    Type::List(Arc::new(meet(a, b)), *one || *other)
                }
                (Type::Object(a), Type::Object(b)) => objects(a, b),
                (a, b) if a == b => a.clone(),
                _ => Type::Never,
            });
        }
    }
    Type::union(cases)
}

fn objects(a: &Object, b: &Object) -> Type {
    let mut fields = a.fields.clone();
    for (name, other) in &b.fields {
        let field = fields.entry(Arc::clone(name)).or_insert_with(|| other.clone());
        field.required |= other.required;
        let ty = both(&field.ty, &other.ty);
        field.ty = ty;
    }
    let rest = match (&a.rest, &b.rest) {
        (Rest::Open(Type::Dyn), other) | (other, Rest::Open(Type::Dyn)) => other.clone(),
        (Rest::Open(a), Rest::Open(b)) => Rest::Open(both(a, b)),
        (Rest::Open(ty), _) | (_, Rest::Open(ty)) => Rest::Open(ty.clone()),
        (Rest::Closed, Rest::Closed) => Rest::Closed,
        // Each part knows its own fields only.
        _ => Rest::Undeclared,
    };
    Type::object(fields, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(schema: &Value) -> String {
        to_type(schema).to_string()
    }

    #[test]
    fn keywords_become_types() {
        for (schema, ty) in [
            (json!({}), "anything"),
            (json!(true), "anything"),
            (json!({"type": "string", "format": "date", "minLength": 3}), "text"),
            (json!({"type": ["integer", "null"]}), "whole number or null"),
            (json!({"type": "number", "nullable": true}), "number or null"),
            (json!({"enum": ["a", 2, null]}), "whole number, 'a' or null"),
            (json!({"type": "string", "enum": ["a", "b", 3]}), "'a' or 'b'"),
            (json!({"const": "v1"}), "'v1'"),
            (json!({"type": "array", "items": {"type": "boolean"}}), "list of true or false"),
            (
                json!({"prefixItems": [{"type": "string"}], "items": false, "type": "array"}),
                "list of text",
            ),
            (json!({"type": "array"}), "list"),
            (json!({"type": "object"}), "object"),
            (json!({"properties": {"a": {}}, "required": ["a", "b"]}), "object with a, b"),
            (json!({"additionalProperties": {"type": "string"}}), "object of text"),
            (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), "text or null"),
            (json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}), "number"),
            (
                json!({"allOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}}},
                    {"properties": {"b": {}}, "required": ["a"]},
                ]}),
                "object with a, b",
            ),
            (json!({"allOf": [{"type": "string"}, {"type": "integer"}]}), "anything"),
            (json!({"not": {"type": "string"}, "if": {}, "then": {}}), "anything"),
            (json!({"$ref": "https://example.com/a.json"}), "anything"),
            (json!({"type": "strnig"}), "anything"),
            (
                json!({"$defs": {"m": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/m"}}}),
                "object with a",
            ),
        ] {
            assert_eq!(shown(&schema), ty, "{schema}");
        }
    }

    #[test]
    fn a_described_object_is_open_to_what_is_given_and_closed_to_what_is_read() {
        let Type::Object(object) = to_type(&json!({"properties": {"a": {"type": "string"}}}))
        else {
            panic!("no object")
        };
        assert_eq!(object.rest, Rest::Undeclared);
        let open = to_type(&json!({"properties": {"a": {}}, "additionalProperties": true}));
        let Type::Object(open) = open else { panic!("no object") };
        assert_eq!(open.rest, Rest::Open(Type::Dyn));
    }

    #[test]
    fn circles_and_size_are_bounded() {
        let tree = json!({
            "$defs": {"node": {"properties": {
                "id": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            }}},
            "$ref": "#/$defs/node",
        });
        assert_eq!(shown(&tree), "object with children, id");
        assert_eq!(shown(&json!({"$ref": "#"})), "anything");
        // Twice as wide at each level, by references.
        let mut defs = Map::new();
        for n in 0..40 {
            let next = format!("#/$defs/d{}", n + 1);
            let schema = json!({"properties": {"a": {"$ref": next}, "b": {"$ref": next}}});
            defs.insert(format!("d{n}"), schema);
        }
        assert_eq!(shown(&json!({"$defs": defs, "$ref": "#/$defs/d0"})), "object with a, b");
        let mut deep = json!({"type": "string"});
        for _ in 0..100 {
            deep = json!({"type": "array", "items": deep});
        }
        assert!(shown(&deep).starts_with("list of list"));
    }
}
