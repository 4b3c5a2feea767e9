//! Whether a value is what a description asks for: JSON Schema as descriptions use it, so that
//! examples are tried before they are written down.
//!
//! Formats are not checked. A field that is only read is not asked for in requests, nor one that
//! is only written in answers.

use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax;
use serde_json::{Map, Value};

use super::document::{Document, entries, holds, list, text};
use super::kinds::Kinds;
use super::shape::Part;

/// How deep values are looked at.
const MAX_DEPTH: usize = 64;

/// Which way a value travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Answer,
}

impl Way {
    /// The word by which a property does not travel this way.
    pub fn never(self) -> &'static str {
        match self {
            Self::Request => "readOnly",
            Self::Answer => "writeOnly",
        }
    }
}

impl Document {
    /// Whether a value fits a part.
    pub fn fits(&self, part: &Part<'_>, value: &Value, way: Way) -> bool {
        match part {
            Part::One(schema) => self.fits_schema(schema, value, way, 0),
            Part::All(parts) => parts.iter().all(|part| self.fits(part, value, way)),
            Part::Any(parts) => parts.iter().any(|part| self.fits(part, value, way)),
        }
    }

    fn fits_schema(&self, schema: &Value, value: &Value, way: Way, depth: usize) -> bool {
        let Some(words) = schema.as_object() else { return schema != &Value::Bool(false) };
        if depth > MAX_DEPTH {
            return true;
        }
        let fits = |schema: &Value| self.fits_schema(schema, value, way, depth + 1);
        if let Some(reference) = text(schema, "$ref") {
            let found = fits(self.behind(reference));
            if !found || self.old {
                return found;
            }
        }
        if self.old && value.is_null() && holds(schema, "nullable") {
            return true;
        }
        if words.contains_key("type") && !Kinds::of(schema).has(Kinds::of_value(value)) {
            return false;
        }
        if words.contains_key("enum") && !list(schema, "enum").any(|known| same(known, value)) {
            return false;
        }
        if words.get("const").is_some_and(|known| !same(known, value)) {
            return false;
        }
        let count = |word: &str| list(schema, word).filter(|schema| fits(schema)).count();
        if words.contains_key("oneOf") && count("oneOf") != 1 {
            return false;
        }
        if words.contains_key("anyOf") && count("anyOf") == 0 {
            return false;
        }
        if !list(schema, "allOf").all(fits) || words.get("not").is_some_and(fits) {
            return false;
        }
        match value {
            Value::Number(number) => in_bounds(schema, number.as_f64().unwrap_or(0.0)),
            Value::String(text) => text_fits(schema, text),
            Value::Array(items) => self.items_fit(schema, items, way, depth),
            Value::Object(fields) => self.fields_fit(schema, fields, way, depth),
            Value::Null | Value::Bool(_) => true,
        }
    }

    fn items_fit(&self, schema: &Value, items: &[Value], way: Way, depth: usize) -> bool {
        let twice = || items.iter().enumerate().any(|(at, item)| items[..at].contains(item));
        size_fits(schema, ("minItems", "maxItems"), items.len())
            && !(holds(schema, "uniqueItems") && twice())
            && items.iter().enumerate().all(|(index, item)| {
                let own = list(schema, "prefixItems").nth(index).or_else(|| schema.get("items"));
                own.is_none_or(|own| self.fits_schema(own, item, way, depth + 1))
            })
    }

    fn fields_fit(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        way: Way,
        depth: usize,
    ) -> bool {
        let properties = schema.get("properties").and_then(Value::as_object);
        let known = |name: &str| properties.and_then(|known| known.get(name));
        let asked = list(schema, "required")
            .filter_map(Value::as_str)
            .filter(|name| !known(name).is_some_and(|node| holds(self.resolve(node), way.never())));
        size_fits(schema, ("minProperties", "maxProperties"), fields.len())
            && asked.into_iter().all(|name| fields.contains_key(name))
            && fields.iter().all(|(name, value)| {
                let fits = |schema| self.fits_schema(schema, value, way, depth + 1);
                let mut named = schema.get("propertyNames").is_none_or(|names| {
                    let name = Value::String(name.clone());
                    self.fits_schema(names, &name, way, depth + 1)
                });
                let mut found = known(name).is_some();
                named &= known(name).is_none_or(fits);
                for (pattern, node) in entries(schema, "patternProperties") {
                    if matches(pattern, name).unwrap_or(true) {
                        found = true;
                        named &= fits(node);
                    }
                }
                named && (found || schema.get("additionalProperties").is_none_or(fits))
            })
    }
}

fn in_bounds(schema: &Value, number: f64) -> bool {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let strict = |name: &str| holds(schema, name);
    let above = bound("minimum")
        .is_none_or(|least| number > least || (number == least && !strict("exclusiveMinimum")));
    let below = bound("maximum")
        .is_none_or(|most| number < most || (number == most && !strict("exclusiveMaximum")));
    let step = bound("multipleOf").is_none_or(|step| {
        let times = number / step;
        (times - times.round()).abs() < 1e-9
    });
    above
        && below
        && step
        && bound("exclusiveMinimum").is_none_or(|least| number > least)
        && bound("exclusiveMaximum").is_none_or(|most| number < most)
}

fn text_fits(schema: &Value, value: &str) -> bool {
    size_fits(schema, ("minLength", "maxLength"), value.chars().count())
        && text(schema, "pattern").is_none_or(|pattern| matches(pattern, value).unwrap_or(true))
}

fn size_fits(schema: &Value, (least, most): (&str, &str), size: usize) -> bool {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let size = size as f64;
    bound(least).is_none_or(|least| size >= least) && bound(most).is_none_or(|most| size <= most)
}

/// Whether a text has what a pattern asks for; `None` for a pattern that is not understood.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let machine = PikeVM::builder().syntax(syntax).build(pattern).ok()?;
    let mut cache = machine.create_cache();
    Some(machine.is_match(&mut cache, text))
}

/// `1` and `1.0` are the same number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (left, right) => left == right,
    }
}
