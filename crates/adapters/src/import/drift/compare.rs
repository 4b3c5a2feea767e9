//! An old contract against what a newer description says: what it no longer takes, what it no
//! longer gives, and what is new.

use serde_json::Value;

use super::names;
use super::sent::Sent;
use crate::import::document::{Document, list};
use crate::import::fits::Way;
use crate::import::kinds::Kinds;
use crate::import::reduce::MAX_VALUES;
use crate::import::shape::{Others, Part, Shape};

/// How deep is compared.
const MAX_DEPTH: usize = 8;

/// A comparison at work.
pub(super) struct Compare<'d> {
    pub document: &'d Document,
    /// Where, what, and whether it breaks.
    pub found: Vec<(String, String, bool)>,
}

impl<'d> Compare<'d> {
    pub fn new(document: &'d Document) -> Self {
        Self { document, found: Vec::new() }
    }

    pub fn told(&mut self, at: &str, what: String, breaks: bool) {
        self.found.push((at.to_owned(), what, breaks));
    }

    /// What is sent against what is taken.
    pub fn input(&mut self, sent: &Sent, part: &Part<'d>, at: &str) {
        match sent {
            Sent::Unknown => {}
            Sent::Like(old) => self.taken(old, part, at, 0),
            Sent::Fields(fields) => {
                let shape = self.document.shape(part);
                if shape.properties.is_empty() {
                    return;
                }
                for (name, sent) in fields {
                    let at = format!("{at}.{name}");
                    match shape.properties.get(name.as_str()) {
                        Some(part) => self.input(sent, part, &at),
                        None if shape.open() => {}
                        None => self.told(&at, "it is not taken any more".to_owned(), true),
                    }
                }
                let sent = |name: &str| fields.iter().any(|(known, _)| known == name);
                for name in self.needed(&shape).into_iter().filter(|name| !sent(name)) {
                    let at = format!("{at}.{name}");
                    self.told(&at, "it is needed, and it is not sent".to_owned(), true);
                }
            }
        }
    }

    fn taken(&mut self, old: &Value, part: &Part<'d>, at: &str, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let shape = self.document.shape(part);
        let kinds = Kinds::of(old);
        let lost = kinds.without(shape.kinds);
        if kinds != Kinds::ALL && !lost.none() {
            let now = shape.kinds.names().join(" or ");
            let was = kinds.names().join(" or ");
            return self.told(at, format!("it was {was}, and now only {now} is taken"), true);
        }
        self.values_taken(old, &shape, at);
        if let (Some(old), Some(items)) = (old.get("items"), &shape.items) {
            self.taken(old, items, &format!("{at}[]"), depth + 1);
        }
        let Some(properties) = old.get("properties").and_then(Value::as_object) else { return };
        if shape.properties.is_empty() {
            return;
        }
        for (name, old) in properties {
            let at = format!("{at}.{name}");
            match shape.properties.get(name.as_str()) {
                Some(part) => self.taken(old, part, &at, depth + 1),
                None if shape.open() => {}
                None => self.told(&at, "it is not taken any more".to_owned(), true),
            }
        }
        let was = names(old, "required");
        for name in self.needed(&shape).into_iter().filter(|name| !was.contains(name)) {
            let at = format!("{at}.{name}");
            match properties.contains_key(name) {
                true => self.told(&at, "it may not be left out any more".to_owned(), true),
                false => self.told(&at, "it is new, and it is needed".to_owned(), true),
            }
        }
        for (name, part) in &shape.properties {
            let fresh = !properties.contains_key(*name) && !shape.required.contains(name);
            if fresh && !self.document.shape(part).read_only {
                self.told(&format!("{at}.{name}"), "it is new, and may be given".to_owned(), false);
            }
        }
    }

    fn values_taken(&mut self, old: &Value, shape: &Shape<'d>, at: &str) {
        let Some(now) = &shape.values else { return };
        let mut was: Vec<&Value> = list(old, "enum").collect();
        was.extend(old.get("const"));
        let gone: Vec<String> = was
            .iter()
            .filter(|value| !now.contains(value))
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect();
        if !gone.is_empty() {
            self.told(at, format!("it does not take {} any more", gone.join(", ")), true);
        } else if was.is_empty() && now.len() <= MAX_VALUES && Kinds::of(old) != Kinds::ALL {
            self.told(at, format!("it takes only {} values now", now.len()), true);
        }
    }

    /// An old output against what is answered.
    pub fn output(&mut self, old: &Value, part: &Part<'d>, at: &str) {
        self.given(old, part, at, 0);
    }

    fn given(&mut self, old: &Value, part: &Part<'d>, at: &str, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let shape = self.document.shape(part);
        let kinds = match list(old, "enum").next() {
            Some(_) if old.get("type").is_none() => {
                list(old, "enum").map(Kinds::of_value).fold(Kinds::NONE, Kinds::or)
            }
            _ => Kinds::of(old),
        };
        let fresh = shape.kinds.without(kinds);
        if kinds != Kinds::ALL && !fresh.none() {
            let was = kinds.names().join(" or ");
            let now = match shape.kinds.names() {
                names if names.is_empty() => "anything".to_owned(),
                names => names.join(" or "),
            };
            return self.told(at, format!("it was {was}, and now it is {now}"), true);
        }
        if let (Some(_), Some(now)) = (list(old, "enum").next(), &shape.values) {
            let fresh: Vec<String> = now
                .iter()
                .filter(|value| !list(old, "enum").any(|known| known == **value))
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            if !fresh.is_empty() {
                self.told(at, format!("it may be {} too", fresh.join(", ")), false);
            }
        }
        if let (Some(old), Some(items)) = (old.get("items"), &shape.items) {
            self.given(old, items, &format!("{at}[]"), depth + 1);
        }
        let Some(properties) = old.get("properties").and_then(Value::as_object) else { return };
        let was = names(old, "required");
        for (name, old) in properties {
            let at = format!("{at}.{name}");
            match shape.properties.get(name.as_str()) {
                None => self.told(&at, "it is not answered any more".to_owned(), true),
                Some(_) if was.contains(&name.as_str()) && !shape.required.contains(&&**name) => {
                    self.told(&at, "it may be missing now".to_owned(), true);
                }
                Some(part) => self.given(old, part, &at, depth + 1),
            }
        }
        // Where the old contract lists a part of what there was, nothing tells what is new.
        if old.get("additionalProperties").is_some() {
            return;
        }
        for (name, part) in &shape.properties {
            if !properties.contains_key(*name) && !self.document.shape(part).write_only {
                self.told(&format!("{at}.{name}"), "it is new".to_owned(), false);
            }
        }
    }

    /// The fields that have to be given.
    fn needed(&self, shape: &Shape<'d>) -> Vec<&'d str> {
        let given = |name: &&str| {
            let part = shape.properties.get(name);
            part.is_none_or(|part| !self.document.left_out(part, Way::Request))
        };
        shape.required.iter().copied().filter(given).collect()
    }
}

impl Document {
    /// Whether a property does not travel this way.
    fn left_out(&self, part: &Part<'_>, way: Way) -> bool {
        let shape = self.shape(part);
        match way {
            Way::Request => shape.read_only,
            Way::Answer => shape.write_only,
        }
    }
}

impl Shape<'_> {
    /// Whether it says that there are properties it does not list.
    pub fn open(&self) -> bool {
        matches!(self.others, Others::Open | Others::Like(_))
    }
}
