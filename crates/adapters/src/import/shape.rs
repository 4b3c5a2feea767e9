//! One level of a schema, with everything that is said about it brought together: references
//! followed, `allOf` merged, and `oneOf` and `anyOf` laid out as alternatives.
//!
//! What lies below stays a [`Part`] until somebody asks, so cycles cost nothing here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, entries, holds, list, text};
use super::kinds::Kinds;

/// The most alternatives that are kept apart; what is beyond becomes one.
const MAX_ALTERNATIVES: usize = 24;
/// How deep references and combinations may nest on one level.
const MAX_DEPTH: usize = 24;

/// A schema, or several that hold together or instead of one another.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    One(&'a Value),
    All(Vec<Part<'a>>),
    Any(Vec<Part<'a>>),
}

/// What properties that are not listed may be.
#[derive(Clone, Debug, Default)]
pub(super) enum Others<'a> {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Anything, in so many words.
    Open,
    /// There are none.
    Closed,
    /// They are like this.
    Like(Part<'a>),
}

/// Bounds, each by the name of its keyword.
pub(super) const BOUNDS: [&str; 6] =
    ["minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"];

/// One level of a schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape<'a> {
    pub kinds: Kinds,
    pub values: Option<Vec<&'a Value>>,
    pub properties: BTreeMap<&'a str, Part<'a>>,
    pub required: Vec<&'a str>,
    pub others: Others<'a>,
    pub items: Option<Part<'a>>,
    /// In the order of [`BOUNDS`].
    pub bounds: [Option<f64>; 6],
    pub pattern: Option<&'a str>,
    pub format: Option<&'a str>,
    pub description: Option<&'a str>,
    /// What the description gives as values: defaults and examples.
    pub given: Vec<&'a Value>,
    pub default: Option<&'a Value>,
    pub read_only: bool,
    pub write_only: bool,
    /// No item of a list may stand twice.
    pub unique: bool,
    /// The references that led here, each by what is behind it.
    pub origins: Vec<&'a Value>,
    /// What is asked beyond the keywords above, in words.
    pub also: Vec<String>,
}

impl Document {
    /// The alternatives of a part, each of them one level. None where nothing can fit.
    pub fn alternatives<'a>(&'a self, part: &Part<'a>) -> Vec<Shape<'a>> {
        self.alternatives_at(part, 0)
    }

    /// All that a part allows, as one level.
    pub fn shape<'a>(&'a self, part: &Part<'a>) -> Shape<'a> {
        self.alternatives(part).into_iter().reduce(either).unwrap_or_default()
    }

    /// Whether an object of this part may have a field at this path of names.
    pub fn has(&self, part: &Part<'_>, path: &str) -> bool {
        let mut shape = self.shape(part);
        for (index, name) in path.split('.').enumerate() {
            if index > 0 && !shape.kinds.object() {
                return false;
            }
            let Some(part) = shape.properties.get(name).cloned() else { return false };
            shape = self.shape(&part);
        }
        !shape.kinds.object() || shape.kinds == Kinds::ALL
    }

    fn alternatives_at<'a>(&'a self, part: &Part<'a>, depth: usize) -> Vec<Shape<'a>> {
        if depth > MAX_DEPTH {
            return vec![Shape::default()];
        }
        match part {
            Part::One(schema) => self.schema(schema, depth),
            Part::All(parts) => parts.iter().fold(vec![Shape::default()], |shapes, part| {
                both_of(shapes, self.alternatives_at(part, depth + 1))
            }),
            Part::Any(parts) => {
                let shapes = parts.iter().flat_map(|part| self.alternatives_at(part, depth + 1));
                bounded(shapes.collect())
            }
        }
    }

    fn schema<'a>(&'a self, schema: &'a Value, depth: usize) -> Vec<Shape<'a>> {
        if schema == &Value::Bool(false) {
            return Vec::new();
        }
        let reference = text(schema, "$ref");
        let mut shapes = match reference {
            Some(_) if self.old => {
                vec![Shape { description: text(schema, "description"), ..Shape::default() }]
            }
            _ => vec![self.own(schema)],
        };
        if let Some(reference) = reference {
            let behind = self.behind(reference);
            shapes = both_of(shapes, self.schema_at(behind, depth));
            shapes.iter_mut().for_each(|shape| shape.origins.push(behind));
        }
        for part in list(schema, "allOf") {
            shapes = both_of(shapes, self.schema_at(part, depth));
        }
        for word in ["oneOf", "anyOf"] {
            if schema.get(word).is_some_and(Value::is_array) {
                let cases = list(schema, word).flat_map(|part| self.schema_at(part, depth));
                shapes = both_of(shapes, bounded(cases.collect()));
            }
        }
        if holds(schema, "nullable") {
            shapes.iter_mut().for_each(Shape::or_null);
        }
        shapes
    }

    fn schema_at<'a>(&'a self, schema: &'a Value, depth: usize) -> Vec<Shape<'a>> {
        if depth >= MAX_DEPTH { vec![Shape::default()] } else { self.schema(schema, depth + 1) }
    }

    /// What a schema says by itself.
    fn own<'a>(&self, schema: &'a Value) -> Shape<'a> {
        let mut shape = Shape {
            kinds: Kinds::of(schema),
            properties: entries(schema, "properties")
                .map(|(name, node)| (name.as_str(), Part::One(node)))
                .collect(),
            required: list(schema, "required").filter_map(Value::as_str).collect(),
            others: others(schema),
            items: schema.get("items").map(Part::One),
            bounds: BOUNDS.map(|name| schema.get(name).and_then(Value::as_f64)),
            pattern: text(schema, "pattern"),
            format: text(schema, "format"),
            description: text(schema, "description"),
            default: schema.get("default"),
            read_only: holds(schema, "readOnly"),
            write_only: holds(schema, "writeOnly"),
            unique: holds(schema, "uniqueItems"),
            ..Shape::default()
        };
        shape.given.extend(schema.get("example"));
        shape.given.extend(list(schema, "examples"));
        shape.values = match schema.get("const") {
            Some(value) => Some(vec![value]),
            None => schema.get("enum").and_then(Value::as_array).map(|all| all.iter().collect()),
        };
        if holds(schema, "nullable")
            && let Some(values) = &mut shape.values
            && !values.contains(&&Value::Null)
        {
            values.push(&Value::Null);
        }
        shape.exclusive(schema, ("minimum", "exclusiveMinimum", 1.0, "More"), 4);
        shape.exclusive(schema, ("maximum", "exclusiveMaximum", -1.0, "Less"), 5);
        if shape.unique {
            shape.also.push("No item twice.".to_owned());
        }
        if let Some(step) = schema.get("multipleOf") {
            shape.also.push(format!("A multiple of {step}."));
        }
        for (word, say) in [("minProperties", "At least"), ("maxProperties", "At most")] {
            if let Some(count) = schema.get(word) {
                shape.also.push(format!("{say} {count} properties."));
            }
        }
        for word in ["not", "if", "propertyNames", "dependentRequired", "dependentSchemas"] {
            if schema.get(word).is_some() {
                shape.also.push(format!("The description has a rule (`{word}`) beside this."));
            }
        }
        shape
    }
}

impl Shape<'_> {
    pub fn bound(&self, name: &str) -> Option<f64> {
        BOUNDS.iter().position(|known| *known == name).and_then(|index| self.bounds[index])
    }

    fn or_null(&mut self) {
        self.kinds = self.kinds.or(Kinds::NULL);
        if let Some(values) = &mut self.values
            && !values.contains(&&Value::Null)
        {
            values.push(&Value::Null);
        }
    }

    /// A bound that is itself not allowed: the next whole number, or a word about it.
    fn exclusive(
        &mut self,
        schema: &Value,
        (inclusive, word, step, say): (&str, &str, f64, &str),
        slot: usize,
    ) {
        let bound = match schema.get(word) {
            Some(Value::Bool(true)) => schema.get(inclusive).and_then(Value::as_f64),
            Some(value) => value.as_f64(),
            None => None,
        };
        let Some(bound) = bound else { return };
        if self.kinds.without(Kinds::NULL) == Kinds::INTEGER {
            self.bounds[slot] = Some(bound + step);
        } else {
            self.bounds[slot] = Some(bound);
            self.also.push(format!("{say} than {bound}."));
        }
    }
}

fn others(schema: &Value) -> Others<'_> {
    match schema.get("additionalProperties") {
        None if schema.get("patternProperties").is_some() => Others::Open,
        None => Others::Unsaid,
        Some(Value::Bool(false)) => Others::Closed,
        Some(Value::Object(words)) if !words.is_empty() => {
            Others::Like(Part::One(&schema["additionalProperties"]))
        }
        Some(_) => Others::Open,
    }
}

fn bounded(mut shapes: Vec<Shape<'_>>) -> Vec<Shape<'_>> {
    if shapes.len() > MAX_ALTERNATIVES {
        let rest = shapes.split_off(MAX_ALTERNATIVES - 1);
        shapes.extend(rest.into_iter().reduce(either));
    }
    shapes
}

/// Every pair of alternatives that can hold at once.
fn both_of<'a>(left: Vec<Shape<'a>>, right: Vec<Shape<'a>>) -> Vec<Shape<'a>> {
    let (left, right) = match left.len() * right.len() > MAX_ALTERNATIVES {
        true if left.len() > right.len() => (merged(left), right),
        true => (left, merged(right)),
        false => (left, right),
    };
    let mut shapes = Vec::with_capacity(left.len() * right.len());
    for one in &left {
        shapes.extend(right.iter().filter_map(|other| both(one.clone(), other.clone())));
    }
    shapes
}

fn merged(shapes: Vec<Shape<'_>>) -> Vec<Shape<'_>> {
    shapes.into_iter().reduce(either).into_iter().collect()
}

/// What fits both; `None` where nothing does.
fn both<'a>(left: Shape<'a>, right: Shape<'a>) -> Option<Shape<'a>> {
    let kinds = left.kinds.and(right.kinds);
    if kinds.none() {
        return None;
    }
    let values = match (left.values, right.values) {
        (Some(left), Some(right)) => {
            Some(left.into_iter().filter(|value| right.contains(value)).collect::<Vec<_>>())
        }
        (left, right) => left.or(right),
    };
    if values.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let mut properties = left.properties;
    for (name, part) in right.properties {
        let part = match properties.remove(name) {
            Some(known) => Part::All(vec![known, part]),
            None => part,
        };
        properties.insert(name, part);
    }
    let mut required = left.required;
    for name in right.required {
        if !required.contains(&name) {
            required.push(name);
        }
    }
    let pair = |index: usize| match (left.bounds[index], right.bounds[index]) {
        (Some(left), Some(right)) if index.is_multiple_of(2) => Some(left.max(right)),
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    };
    Some(Shape {
        kinds,
        values,
        properties,
        required,
        others: match (left.others, right.others) {
            (Others::Unsaid, other) | (other, Others::Unsaid) => other,
            (Others::Closed, _) | (_, Others::Closed) => Others::Closed,
            (Others::Open, other) | (other, Others::Open) => other,
            (Others::Like(left), Others::Like(right)) => Others::Like(Part::All(vec![left, right])),
        },
        items: match (left.items, right.items) {
            (Some(left), Some(right)) => Some(Part::All(vec![left, right])),
            (left, right) => left.or(right),
        },
        bounds: [0, 1, 2, 3, 4, 5].map(pair),
        pattern: left.pattern.or(right.pattern),
        format: left.format.or(right.format),
        description: left.description.or(right.description),
        given: [left.given, right.given].concat(),
        default: left.default.or(right.default),
        read_only: left.read_only || right.read_only,
        write_only: left.write_only || right.write_only,
        unique: left.unique || right.unique,
        origins: [left.origins, right.origins].concat(),
        also: [left.also, right.also].concat(),
    })
}

/// What is said of a kind that one of two has, or both.
fn one_or_both<T>(has: (bool, bool), left: T, right: T, both: impl Fn(T, T) -> T) -> T {
    match has {
        (true, true) => both(left, right),
        (true, false) => left,
        _ => right,
    }
}

fn either_others<'a>(left: Others<'a>, right: Others<'a>) -> Others<'a> {
    match (left, right) {
        (Others::Closed, Others::Closed) => Others::Closed,
        (Others::Like(left), Others::Like(right)) => Others::Like(Part::Any(vec![left, right])),
        (Others::Unsaid | Others::Closed, Others::Unsaid | Others::Closed) => Others::Unsaid,
        _ => Others::Open,
    }
}

/// What fits one of the two, or comes near: wider than both, never narrower. What only one of them
/// says about a kind that the other does not have stays as it is.
fn either<'a>(left: Shape<'a>, right: Shape<'a>) -> Shape<'a> {
    let values = match (left.values, right.values) {
        (Some(mut left), Some(right)) => {
            let fresh: Vec<_> = right.into_iter().filter(|value| !left.contains(value)).collect();
            left.extend(fresh);
            Some(left)
        }
        _ => None,
    };
    let (one, other) = (left.kinds.object(), right.kinds.object());
    let mut properties = left.properties;
    for (name, part) in right.properties {
        let part = match properties.remove(name) {
            Some(Part::Any(mut parts)) => {
                parts.push(part);
                Part::Any(parts)
            }
            Some(known) => Part::Any(vec![known, part]),
            None => part,
        };
        properties.insert(name, part);
    }
    let required = one_or_both((one, other), left.required, right.required, |left, right| {
        left.into_iter().filter(|name| right.contains(name)).collect()
    });
    let others = one_or_both((one, other), left.others, right.others, either_others);
    let lists = (left.kinds.array(), right.kinds.array());
    let items = match (lists, left.items, right.items) {
        ((true, true), Some(left), Some(right)) => Some(Part::Any(vec![left, right])),
        ((true, true), ..) => None,
        ((true, false), items, _) | (_, _, items) => items,
    };
    let pair = |index: usize| {
        let concerned = [Kinds::STRING, Kinds::ARRAY, Kinds::NUMBER][index / 2];
        let (one, other) = (left.kinds.and(concerned), right.kinds.and(concerned));
        match (left.bounds[index], right.bounds[index]) {
            (Some(left), Some(right)) if index.is_multiple_of(2) => Some(left.min(right)),
            (Some(left), Some(right)) => Some(left.max(right)),
            (bound, _) if other.none() => bound,
            (_, bound) if one.none() => bound,
            _ => None,
        }
    };
    Shape {
        kinds: left.kinds.or(right.kinds),
        values,
        properties,
        required,
        others,
        items,
        bounds: [0, 1, 2, 3, 4, 5].map(pair),
        pattern: left.pattern.filter(|pattern| right.pattern == Some(pattern)),
        format: left.format.filter(|format| right.format == Some(format)),
        description: left.description.or(right.description),
        given: [left.given, right.given].concat(),
        default: left.default.or(right.default),
        read_only: left.read_only && right.read_only,
        write_only: left.write_only && right.write_only,
        unique: left.unique && right.unique,
        origins: [left.origins, right.origins].concat(),
        also: match left.also == right.also {
            true => left.also,
            false => Vec::new(),
        },
    }
}
