//! Values for examples: what the description gives where it fits, else something made up.
//!
//! Owns the making up. Each value is tried against the description before it is used.

use serde_json::{Map, Number, Value};

use super::document::Document;
use super::fits::Way;
use super::kinds::Kinds;
use super::pattern;
use super::shape::{Others, Part, Shape};

/// How deep made-up values nest.
const MAX_DEPTH: usize = 12;
/// The largest given value that is taken over, in bytes of JSON.
pub(super) const MAX_GIVEN: usize = 1200;
/// The most items of a list that is made up.
const MAX_ITEMS: usize = 100;
/// How many fields that are not required an object gets beside those that are.
const MAX_EXTRA: usize = 4;

/// Makes examples of one way.
#[derive(Clone, Copy)]
pub(super) struct Maker<'d> {
    pub document: &'d Document,
    pub way: Way,
    /// Whether values that the description gives are taken.
    pub given: bool,
    /// Whether fields that are not required are shown too.
    pub rich: bool,
    /// Whether objects must not be empty: a form cannot say so.
    pub filled: bool,
}

impl<'d> Maker<'d> {
    /// A value that fits a part; `None` where none is found.
    pub fn make(self, part: &Part<'d>) -> Option<Value> {
        self.value(part, 0)
    }

    fn value(self, part: &Part<'d>, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut shapes = self.document.alternatives(part);
        shapes.sort_by_key(|shape| shape.kinds == Kinds::NULL);
        let fits = |value: &Value| self.document.fits(part, value, self.way);
        if self.given {
            let given = shapes.iter().flat_map(|shape| shape.given.iter().chain(&shape.default));
            let usable = |value: &&&Value| {
                !value.is_null() && size(value) <= MAX_GIVEN && fits(value) && self.travels(value)
            };
            if let Some(value) = given.into_iter().find(usable) {
                return Some((*value).clone());
            }
        }
        shapes.iter().find_map(|shape| {
            let rich = self.rich && depth < 2;
            let tries = if rich { &[true, false][..] } else { &[false] };
            tries.iter().find_map(|rich| self.built(shape, *rich, depth).filter(|v| fits(v)))
        })
    }

    /// What is written into a manifest stays one short line or a few of them.
    fn travels(self, value: &Value) -> bool {
        value.as_str().is_none_or(|text| text.len() <= 200 && !text.contains(['\n', '\r']))
    }

    fn built(self, shape: &Shape<'d>, rich: bool, depth: usize) -> Option<Value> {
        if let Some(values) = &shape.values {
            return values
                .iter()
                .find(|value| !value.is_null())
                .or(values.first())
                .copied()
                .cloned();
        }
        let kinds = shape.kinds;
        if kinds.object() && (kinds != Kinds::ALL || !shape.properties.is_empty()) {
            return self.object(shape, rich, depth);
        }
        if kinds.has(Kinds::STRING) {
            return string(shape).map(Value::String);
        }
        if kinds.has(Kinds::INTEGER) {
            return number(shape).map(Value::Number);
        }
        if kinds.has(Kinds::BOOLEAN) {
            return Some(Value::Bool(true));
        }
        if kinds.array() {
            return self.array(shape, depth);
        }
        Some(Value::Null)
    }

    fn object(self, shape: &Shape<'d>, rich: bool, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        for name in &shape.required {
            let part = match (shape.properties.get(name), &shape.others) {
                (Some(part), _) | (None, Others::Like(part)) => part.clone(),
                _ => Part::All(Vec::new()),
            };
            let own = self.document.shape(&part);
            if shape.properties.contains_key(name) && self.left_out(&own) {
                continue;
            }
            fields.insert((*name).to_owned(), self.value(&part, depth + 1)?);
        }
        if rich {
            let extra = shape.properties.iter().filter(|(name, _)| !shape.required.contains(name));
            let extra = extra.filter_map(|(name, part)| self.extra(name, part, depth));
            fields.extend(extra.take(MAX_EXTRA.saturating_sub(fields.len())));
        }
        if fields.is_empty() && self.filled && depth > 0 {
            let mut any = shape.properties.iter().filter_map(|(name, part)| {
                let value = self.value(part, depth + 1).filter(|value| !value.is_null())?;
                Some(((*name).to_owned(), value))
            });
            fields.extend(any.next());
        }
        Some(Value::Object(fields))
    }

    /// A field that is not required, where it is simple and means something.
    fn extra(self, name: &str, part: &Part<'d>, depth: usize) -> Option<(String, Value)> {
        let own = self.document.shape(part);
        let simple = own.values.is_some() || !own.given.is_empty() || own.format.is_some();
        let scalar = !own.kinds.object() && !own.kinds.array();
        let text = name.contains("name") || name.contains("description") || name == "id";
        if self.left_out(&own) || !scalar || !(simple || text) {
            return None;
        }
        let value = self.value(part, depth + 1)?;
        Some((name.to_owned(), value)).filter(|(_, value)| !value.is_null())
    }

    fn left_out(self, own: &Shape<'_>) -> bool {
        match self.way {
            Way::Request => own.read_only,
            Way::Answer => own.write_only,
        }
    }

    fn array(self, shape: &Shape<'d>, depth: usize) -> Option<Value> {
        let least = shape.bound("minItems").unwrap_or(0.0) as usize;
        let part = shape.items.clone().unwrap_or(Part::All(Vec::new()));
        let most = shape.bound("maxItems").map_or(usize::MAX, |most| most as usize);
        let item = if most == 0 { None } else { self.value(&part, depth + 1) };
        match item {
            Some(item) => {
                let count = least.clamp(1, MAX_ITEMS);
                let vary = |index| if shape.unique { varied(&item, index) } else { item.clone() };
                Some(Value::Array((0..count).map(vary).collect()))
            }
            None if least == 0 => Some(Value::Array(Vec::new())),
            None => None,
        }
    }
}

/// An item like another, but not the same.
fn varied(item: &Value, index: usize) -> Value {
    match item {
        Value::String(text) => match text.parse::<usize>() {
            Ok(number) => (number + index).to_string().into(),
            Err(_) if index == 0 => item.clone(),
            Err(_) => format!("{text}{index}").into(),
        },
        Value::Number(number) => {
            number.as_u64().map_or(item.clone(), |n| (n + index as u64).into())
        }
        _ => item.clone(),
    }
}

/// The bytes of a value as JSON, near enough.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + 4 + size(value)).sum::<usize>() + 2
        }
    }
}

fn string(shape: &Shape<'_>) -> Option<String> {
    let least = shape.bound("minLength").unwrap_or(0.0) as usize;
    let most = shape.bound("maxLength").map_or(usize::MAX, |most| most as usize);
    if let Some(pattern) = shape.pattern
        && let Some(text) = pattern::text(pattern, least, most)
    {
        return Some(text);
    }
    let text = match shape.format.unwrap_or_default() {
        "date-time" | "google-datetime" => "2026-01-31T12:00:00Z",
        "date" => "2026-01-31",
        "time" => "12:00:00Z",
        "email" => "ada@example.com",
        "uri" | "url" | "uri-reference" => "https://example.com/",
        "uuid" => "0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "hostname" => "example.com",
        "byte" => "dGV4dA==",
        "int64" | "uint64" | "int32" | "uint32" | "snowflake" => "1",
        _ => "text",
    };
    let mut text: String = text.chars().take(most).collect();
    while text.chars().count() < least {
        text.push('x');
    }
    Some(text)
}

fn number(shape: &Shape<'_>) -> Option<Number> {
    let least = shape.bound("minimum");
    let most = shape.bound("maximum");
    let wanted = match (least, most) {
        (Some(least), _) if least > 1.0 => least.ceil(),
        (_, Some(most)) if most < 1.0 => most.floor(),
        _ => 1.0,
    };
    if wanted.abs() < 9e15 { Some(Number::from(wanted as i64)) } else { Number::from_f64(wanted) }
}
