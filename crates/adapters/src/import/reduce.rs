//! From a description's schema to one that contracts enforce, bounded so that a person can read
//! it. What cannot be said becomes wider, never narrower, and a description says what was dropped.

use serde_json::{Number, Value};

use super::document::Document;
use super::fits::Way;
use super::kinds::Kinds;
use super::shape::{BOUNDS, Others, Part, Shape};
use super::words;
use super::writer::Out;

/// How deep schemas nest.
const MAX_DEPTH: usize = 6;
/// The most values of an enumeration that are listed.
pub(super) const MAX_VALUES: usize = 40;
/// The longest enumeration, in bytes.
const MAX_VALUES_BYTES: usize = 800;
/// The most fields of an object of an answer that are listed.
const MAX_FIELDS: usize = 80;
/// The longest description of a field, in characters.
const MAX_WORDS: usize = 140;

/// How many schemas make up one input or output.
pub(super) const BUDGET: usize = 240;

/// Reduces the schemas of one way.
#[derive(Clone, Copy)]
pub(super) struct Reducer<'d> {
    pub document: &'d Document,
    pub way: Way,
}

/// What may still be written, and what it is written within.
pub(super) struct Room<'d> {
    /// How many schemas.
    pub left: usize,
    /// What references led to on the way here.
    above: Vec<&'d Value>,
}

impl<'d> Room<'d> {
    /// Room for so many schemas.
    pub fn new(left: usize) -> Self {
        Self { left, above: Vec::new() }
    }

    /// Whether this is described already, above itself: a circle.
    fn within(&self, shape: &Shape<'d>) -> bool {
        let known = |origin: &&Value| self.above.iter().any(|it| std::ptr::eq(*it, *origin));
        shape.origins.iter().any(known)
    }
}

impl<'d> Reducer<'d> {
    /// The reduced schema of a part, in at most so many schemas.
    pub fn schema(self, part: &Part<'d>, budget: usize) -> Out {
        self.part(part, 0, &mut Room::new(budget))
    }

    fn part(self, part: &Part<'d>, depth: usize, room: &mut Room<'d>) -> Out {
        room.left = room.left.saturating_sub(1);
        let shape = self.document.shape(part);
        self.shape(&shape, depth, room)
    }

    /// The reduced schema of one level, and of what is below as far as the budget goes.
    pub fn shape(self, shape: &Shape<'d>, depth: usize, room: &mut Room<'d>) -> Out {
        let mut notes = shape.also.clone();
        let mut out = Vec::new();
        let values = self.values(shape, &mut notes);
        // The values say it all.
        let names = match values {
            Some(_) if !shape.kinds.object() && !shape.kinds.array() => Vec::new(),
            _ => shape.kinds.names(),
        };
        match names.as_slice() {
            [] => {}
            [name] => out.push(("type".to_owned(), Out::text(*name))),
            names => out.push(("type".to_owned(), Out::texts(names))),
        }
        out.extend(values);
        if shape.kinds.object() {
            self.object(shape, depth, room, &mut out, &mut notes);
        }
        if shape.kinds.array()
            && let Some(items) = &shape.items
        {
            match depth < MAX_DEPTH && room.left > 0 {
                true => out.push(("items".to_owned(), self.part(items, depth + 1, room))),
                false => notes.push("Its items are not described here.".to_owned()),
            }
        }
        self.bounds(shape, &mut out);
        if let Some(pattern) = shape.pattern {
            let short = pattern.chars().count() <= 60;
            let pattern = if short { pattern } else { "see the description of the API" };
            notes.push(format!("Pattern: {pattern}"));
        }
        self.describe(shape, depth, notes, &mut out);
        Out::Map(out)
    }

    fn values(self, shape: &Shape<'d>, notes: &mut Vec<String>) -> Option<(String, Out)> {
        let values = shape.values.as_ref()?;
        let bytes: usize = values.iter().map(|value| super::example::size(value)).sum();
        if values.len() <= MAX_VALUES && bytes <= MAX_VALUES_BYTES {
            let values = values.iter().map(|value| Out::Value((*value).clone())).collect();
            return Some(("enum".to_owned(), Out::List(values)));
        }
        let some = values.iter().take(3).map(|value| match value {
            Value::String(text) => text.chars().take(40).collect(),
            other => other.to_string(),
        });
        let some: Vec<String> = some.collect();
        notes.push(format!("One of {} values, such as {}.", values.len(), some.join(", ")));
        None
    }

    fn object(
        self,
        shape: &Shape<'d>,
        depth: usize,
        room: &mut Room<'d>,
        out: &mut Vec<(String, Out)>,
        notes: &mut Vec<String>,
    ) {
        let mut fields: Vec<(&str, Shape<'d>)> = Vec::new();
        for name in &shape.required {
            if let Some(part) = shape.properties.get(name) {
                fields.push((name, self.document.shape(part)));
            }
        }
        for (name, part) in &shape.properties {
            if !shape.required.contains(name) {
                fields.push((name, self.document.shape(part)));
            }
        }
        fields.retain(|(_, shape)| !self.left_out(shape));
        let known = |name: &str| fields.iter().any(|(known, _)| *known == name);
        let required: Vec<&str> = shape
            .required
            .iter()
            .copied()
            .filter(|name| known(name) || !shape.properties.contains_key(name))
            .collect();
        if room.within(shape) || depth >= MAX_DEPTH || (room.left < fields.len() && depth > 0) {
            if !fields.is_empty() {
                notes.push("Its fields are not described here.".to_owned());
            }
            return;
        }
        let all = fields.len();
        if self.way == Way::Answer {
            fields.truncate(MAX_FIELDS);
        }
        let cut = fields.len() < all;
        if cut {
            notes.push(format!("{} of {all} fields are listed.", fields.len()));
        }
        let undescribed = required.iter().any(|name| !shape.properties.contains_key(name));
        let required: Vec<&str> = required
            .into_iter()
            .filter(|name| !cut || fields.iter().any(|(known, _)| known == name))
            .collect();
        if !required.is_empty() {
            out.push(("required".to_owned(), Out::texts(&required)));
        }
        let others = self.others(shape, cut || undescribed, fields.is_empty(), depth, room);
        out.extend(others.map(|others| ("additionalProperties".to_owned(), others)));
        if fields.is_empty() {
            return;
        }
        let listed = self.fields(fields, &shape.origins, depth, room);
        out.push(("properties".to_owned(), Out::Map(listed)));
    }

    /// The schemas of fields. Each gets its share of the room, so that none starves the others.
    fn fields(
        self,
        fields: Vec<(&str, Shape<'d>)>,
        origins: &[&'d Value],
        depth: usize,
        room: &mut Room<'d>,
    ) -> Vec<(String, Out)> {
        let mut listed = Vec::new();
        let known = room.above.len();
        room.above.extend(origins);
        let mut left = room.left.saturating_sub(fields.len());
        let mut waiting = fields.len();
        for (name, shape) in fields {
            let share = left / waiting.max(1);
            room.left = share;
            listed.push((name.to_owned(), self.shape(&shape, depth + 1, room)));
            left -= share - room.left.min(share);
            waiting -= 1;
        }
        room.left = left;
        room.above.truncate(known);
        listed
    }

    /// What is said of properties that are not listed. Inputs are closed where the description
    /// lists what there is, so that a slip is told; outputs stay as the description has them.
    fn others(
        self,
        shape: &Shape<'d>,
        open: bool,
        empty: bool,
        depth: usize,
        room: &mut Room<'d>,
    ) -> Option<Out> {
        match &shape.others {
            _ if open => Some(Out::bool(true)),
            Others::Open => Some(Out::bool(true)),
            Others::Like(_) if depth >= MAX_DEPTH || room.left == 0 => Some(Out::bool(true)),
            Others::Like(part) => Some(self.part(part, depth + 1, room)),
            Others::Closed => Some(Out::bool(false)),
            Others::Unsaid if !empty && self.way == Way::Request => Some(Out::bool(false)),
            Others::Unsaid => None,
        }
    }

    fn left_out(self, shape: &Shape<'_>) -> bool {
        match self.way {
            Way::Request => shape.read_only,
            Way::Answer => shape.write_only,
        }
    }

    fn bounds(self, shape: &Shape<'d>, out: &mut Vec<(String, Out)>) {
        // Outputs are for the checker, which asks for kinds.
        if self.way == Way::Answer {
            return;
        }
        let concerns = [Kinds::STRING, Kinds::STRING, Kinds::ARRAY, Kinds::ARRAY];
        for (index, name) in BOUNDS.iter().enumerate() {
            let kind = concerns.get(index).copied().unwrap_or(Kinds::INTEGER);
            if shape.kinds.and(kind).none() {
                continue;
            }
            let Some(bound) = shape.bounds[index] else { continue };
            let whole = bound.fract() == 0.0 && bound.abs() < 9e15;
            let size = index < 4;
            if size && (!whole || bound < 0.0 || (index.is_multiple_of(2) && bound == 0.0)) {
                continue;
            }
            let number = match whole {
                true => Some(Number::from(bound as i64)),
                false => Number::from_f64(bound).filter(|_| bound.abs() < 9e15),
            };
            out.extend(number.map(|number| ((*name).to_owned(), Out::Value(number.into()))));
        }
    }

    fn describe(
        self,
        shape: &Shape<'d>,
        depth: usize,
        notes: Vec<String>,
        out: &mut Vec<(String, Out)>,
    ) {
        let mut said = Vec::new();
        if self.way == Way::Request {
            // The input as a whole is what the summary is about.
            let own = shape.description.filter(|_| depth > 0);
            said.extend(own.map(|text| words::ended(words::sentence(text, MAX_WORDS))));
            said.retain(|text| !text.is_empty());
            if let Some(default) = shape.default.filter(|value| !value.is_null()) {
                let shown = match default {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                if shown.len() <= 60 && !shown.is_empty() {
                    said.push(format!("Default: {}.", words::plain(&shown)));
                }
            }
        }
        said.extend(notes);
        if !said.is_empty() {
            out.push(("description".to_owned(), Out::text(said.join(" "))));
        }
    }
}
