//! What differs between two contracts of an action: what breaks who uses it, and what is merely
//! new. Inputs break where less is taken, outputs where more may come.

use std::collections::BTreeSet;

use postroom_adapters::{Action, Idempotency};
use postroom_core::schema::to_type;
use serde_json::Value;

use super::fields::kind;

/// A difference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Where: `input.customerId`, `output`, `repeating`.
    pub at: String,
    /// What.
    pub what: String,
    /// Whether it breaks who uses the action.
    pub breaks: bool,
}

/// Everything that differs between two versions of an action, what breaks first.
pub(super) fn of(old: &Action, new: &Action) -> Vec<Change> {
    let mut found = Found(Vec::new());
    found.input(&old.input, &new.input, "input");
    found.output(&old.output, &new.output, "output");
    found.repeating(old, new);
    let Found(mut changes) = found;
    changes.sort_by_key(|change| !change.breaks);
    changes
}

struct Found(Vec<Change>);

impl Found {
    fn add(&mut self, breaks: bool, at: &str, what: impl Into<String>) {
        self.0.push(Change { at: at.to_owned(), what: what.into(), breaks });
    }

    fn repeating(&mut self, old: &Action, new: &Action) {
        let (was, is) = (old.repeating(), new.repeating());
        let words = format!("is `{}` now, was `{}`", is.word(), was.word());
        if was != is {
            let weaker = is == Idempotency::None || was == Idempotency::Read;
            self.add(weaker, "idempotency", words);
        }
        match (old.destructive, new.destructive) {
            (false, true) => self.add(true, "destructive", "is true now: a step needs a guard"),
            (true, false) => self.add(false, "destructive", "is false now"),
            _ => {}
        }
        if let (None, Some(said)) = (&old.deprecated, &new.deprecated) {
            self.add(false, "deprecated", format!("since {}: {}", said.since, said.note));
        }
    }

    /// What is taken: it breaks where it is less.
    fn input(&mut self, old: &Value, new: &Value, at: &str) {
        let closed = new.get("additionalProperties") == Some(&Value::Bool(false));
        for name in names(old, new) {
            let path = format!("{at}.{name}");
            let needed = requires(new, name);
            match (property(old, name), property(new, name)) {
                (Some(_), None) if closed => self.add(true, &path, "is not taken any more"),
                (Some(_), None) => self.add(true, &path, "is not known any more"),
                (None, Some(is)) if needed => {
                    self.add(true, &path, format!("is new and needed: {}", kind(is)));
                }
                (None, Some(is)) => self.add(false, &path, format!("may be given: {}", kind(is))),
                (Some(was), Some(is)) => {
                    match (requires(old, name), needed) {
                        (false, true) => self.add(true, &path, "is needed now"),
                        (true, false) => self.add(false, &path, "may be left out now"),
                        _ => {}
                    }
                    self.taken(was, is, &path);
                }
                (None, None) => {}
            }
        }
    }

    fn taken(&mut self, was: &Value, is: &Value, path: &str) {
        if is_object(was) && is_object(is) {
            return self.input(was, is, path);
        }
        if let (Some(was), Some(is)) = (items(was), items(is)) {
            self.taken(was, is, &format!("{path}[]"));
        }
        let (old, new) = (kind(was), kind(is));
        if old == new || (items(was).is_some() && items(is).is_some()) {
            return self.bounds(was, is, path);
        }
        let words = format!("takes {new} now, took {old}");
        let fits = to_type(is).takes(&to_type(was)).is_ok() && !narrower(was, is);
        self.add(!fits, path, words);
    }

    /// Bounds of a list whose items were compared.
    fn bounds(&mut self, was: &Value, is: &Value, path: &str) {
        if narrower(was, is) {
            self.add(true, path, format!("takes {} now, took {}", kind(is), kind(was)));
        }
    }

    /// What comes: it breaks where it is more than was said.
    fn output(&mut self, old: &Value, new: &Value, at: &str) {
        for name in names(old, new) {
            let path = format!("{at}.{name}");
            match (property(old, name), property(new, name)) {
                (Some(_), None) => self.add(true, &path, "is gone"),
                (None, Some(is)) => self.add(false, &path, format!("is new: {}", kind(is))),
                (Some(was), Some(is)) => {
                    match (requires(old, name), requires(new, name)) {
                        (true, false) => self.add(true, &path, "may be missing now"),
                        (false, true) => self.add(false, &path, "is always there now"),
                        _ => {}
                    }
                    self.given(was, is, &path);
                }
                (None, None) => {}
            }
        }
    }

    fn given(&mut self, was: &Value, is: &Value, path: &str) {
        if is_object(was) && is_object(is) {
            return self.output(was, is, path);
        }
        if let (Some(was), Some(is)) = (items(was), items(is)) {
            return self.given(was, is, &format!("{path}[]"));
        }
        let (old, new) = (to_type(was), to_type(is));
        if old == new {
            return;
        }
        let fits = old.takes(&new).is_ok();
        if !fits && new.has_null() && !old.has_null() && old.takes(&new.without_null()).is_ok() {
            return self.add(true, path, "may be null now");
        }
        self.add(!fits, path, format!("is {} now, was {}", kind(is), kind(was)));
    }
}

fn property<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    schema.get("properties")?.get(name)
}

fn property_names(schema: &Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, _)| name.as_str())
}

/// Whether it is an object and nothing else, so that its fields are what there is to compare.
fn is_object(schema: &Value) -> bool {
    match schema.get("type") {
        Some(kind) => kind == "object",
        None => schema.get("properties").is_some(),
    }
}

fn names<'s>(old: &'s Value, new: &'s Value) -> BTreeSet<&'s str> {
    property_names(old).chain(property_names(new)).collect()
}

fn requires(schema: &Value, name: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|needed| needed == name))
}

fn items(schema: &Value) -> Option<&Value> {
    schema.get("items").filter(|items| items.is_object())
}

/// Whether bounds leave less room than they did.
fn narrower(was: &Value, is: &Value) -> bool {
    let bound = |schema: &Value, word: &str| schema.get(word).and_then(Value::as_f64);
    let least = ["minLength", "minItems", "minimum"]
        .iter()
        .any(|word| bound(is, word).is_some_and(|is| bound(was, word).is_none_or(|was| is > was)));
    let most = ["maxLength", "maxItems", "maximum"]
        .iter()
        .any(|word| bound(is, word).is_some_and(|is| bound(was, word).is_none_or(|was| is < was)));
    least || most
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(changes: &[Change]) -> Vec<String> {
        let sign = |breaks: bool| if breaks { "!" } else { "+" };
        changes.iter().map(|it| format!("{} {} {}", sign(it.breaks), it.at, it.what)).collect()
    }

    #[test]
    fn inputs_break_where_less_is_taken() {
        let old = json!({"additionalProperties": false, "required": ["a"], "properties": {
            "a": {"type": "string"}, "b": {"type": "integer"}, "c": {}, "d": {"enum": ["x", "y"]},
            "e": {"type": "string", "maxLength": 9}, "f": {"type": "array", "items": {"type": "string"}},
        }});
        let new = json!({"additionalProperties": false, "required": ["b", "n"], "properties": {
            "a": {"type": ["string", "null"]}, "b": {"type": "integer"}, "n": {"type": "string"},
            "d": {"enum": ["x"]}, "e": {"type": "string", "maxLength": 5}, "o": {"type": "boolean"},
            "f": {"type": "array", "items": {"type": "integer"}},
        }});
        let mut found = Found(Vec::new());
        found.input(&old, &new, "input");
        assert_eq!(
            told(&found.0),
            [
                "+ input.a may be left out now",
                "+ input.a takes text or null now, took text",
                "! input.b is needed now",
                "! input.c is not taken any more",
                "! input.d takes `x` now, took one of `x`, `y`",
                "! input.e takes text, at most 5 characters now, took text, at most 9 characters",
                "! input.f[] takes whole number now, took text",
                "! input.n is new and needed: text",
                "+ input.o may be given: true or false",
            ]
        );
    }

    #[test]
    fn outputs_break_where_more_may_come() {
        let old = json!({"required": ["a", "b", "c"], "properties": {
            "a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "integer"},
            "d": {"type": "object", "properties": {"x": {"type": "string"}}}, "e": {"type": "number"},
        }});
        let new = json!({"required": ["a", "c"], "properties": {
            "a": {"type": ["string", "null"]}, "b": {"type": "string"}, "c": {"type": "string"},
            "d": {"type": "object", "properties": {}}, "e": {"type": "integer"}, "n": {},
        }});
        let mut found = Found(Vec::new());
        found.output(&old, &new, "output");
        assert_eq!(
            told(&found.0),
            [
                "! output.a may be null now",
                "! output.b may be missing now",
                "! output.c is text now, was whole number",
                "! output.d.x is gone",
                "+ output.e is whole number now, was number",
                "+ output.n is new: anything",
            ]
        );
    }
}
