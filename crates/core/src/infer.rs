//! A JSON Schema of values that were seen: what they have in common, and nothing of the values
//! themselves.
//!
//! Owns what may be concluded. Every value it was inferred from is valid against the schema. No
//! value stands in it, no list of the texts that occurred, and no key that looks like data: events
//! hold personal data, and a schema is shown to everybody. Refuses to guess: a format is named only
//! where every text has it, an item of lists only where there was one.

use std::collections::{BTreeMap, BTreeSet};

use postroom_expr::{JsonView, Kind, Number};
use serde_json::{Map, Value, json};

/// The most keys that are taken for names. An object with more is a table by something, such as the
/// ids of customers.
const MAX_NAMES: usize = 100;

/// The longest key that is taken for a name, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The most digits in a name. `address2` and `sha256` are names, `user_48213` is data.
const MAX_NAME_DIGITS: usize = 3;

/// What the values at one place have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    null: bool,
    boolean: bool,
    number: Option<Numbers>,
    text: Option<Format>,
    list: Option<Box<Self>>,
    object: Option<Fields>,
}

/// The numbers of one place; the later one covers the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Numbers {
    Whole,
    Any,
}

/// The format that every text of one place has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    DateTime,
    Date,
    Uuid,
    /// None that all of them have.
    Free,
}

/// The objects of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields {
    seen: u64,
    /// Values by key, and how many of the objects had it.
    named: BTreeMap<String, (Shape, u64)>,
    /// There were keys that are no names.
    others: bool,
    /// There were more keys than names.
    table: bool,
}

impl Shape {
    /// Takes one more value in.
    pub fn learn(&mut self, value: JsonView<'_>) {
        match value.kind() {
            Kind::Null => self.null = true,
            Kind::Bool => self.boolean = true,
            Kind::Number => self.number = self.number.max(Some(Numbers::of(value))),
            Kind::String => {
                let found = Format::of(&value.as_str().unwrap_or_default());
                let same = self.text.is_none_or(|known| known == found);
                self.text = Some(if same { found } else { Format::Free });
            }
            Kind::Array => {
                let items = self.list.get_or_insert_default();
                value.items().for_each(|item| items.learn(item));
            }
            Kind::Object => self.object.get_or_insert_default().learn(value),
        }
    }

    /// The schema of all values taken in so far. What there was nothing of is left open.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = Map::new();
        let mut types = Vec::new();
        if let Some(fields) = &self.object {
            types.push("object");
            fields.describe(&mut schema);
        }
        if let Some(items) = &self.list {
            types.push("array");
            if **items != Self::default() {
                schema.insert("items".to_owned(), items.schema());
            }
        }
        if let Some(format) = self.text {
            types.push("string");
            if let Some(name) = format.name() {
                schema.insert("format".to_owned(), name.into());
            }
        }
        types.extend(self.number.map(Numbers::name));
        types.extend(self.boolean.then_some("boolean"));
        types.extend(self.null.then_some("null"));
        match types.as_slice() {
            // A place where there was never anything says nothing of what may come.
            [] | ["null"] => {}
            [only] => drop(schema.insert("type".to_owned(), json!(only))),
            several => drop(schema.insert("type".to_owned(), json!(several))),
        }
        Value::Object(schema)
    }
}

impl Numbers {
    fn of(value: JsonView<'_>) -> Self {
        // `1.0` may be whole by chance; a number that does not fit is none we can hold exactly.
        let written_whole = !value.raw().contains(['.', 'e', 'E']);
        match value.as_number() {
            Some(Number::Int(_)) if written_whole => Self::Whole,
            _ => Self::Any,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Whole => "integer",
            Self::Any => "number",
        }
    }
}

impl Fields {
    fn learn(&mut self, object: JsonView<'_>) {
        self.seen += 1;
        let mut met = BTreeSet::new();
        for (key, value) in object.entries() {
            if !is_name(&key) {
                self.others = true;
                continue;
            }
            if self.table {
                continue;
            }
            let (shape, times) = self.named.entry(key.clone().into_owned()).or_default();
            shape.learn(value);
            // A key that stands twice is still in one object.
            *times += u64::from(met.insert(key));
        }
        if self.named.len() > MAX_NAMES {
            self.named.clear();
            self.table = true;
        }
    }

    fn describe(&self, schema: &mut Map<String, Value>) {
        let named = self.named.iter();
        let properties: Map<String, Value> =
            named.clone().map(|(key, (shape, _))| (key.clone(), shape.schema())).collect();
        let always = named.filter(|(_, (_, times))| *times == self.seen);
        let always: Vec<&str> = always.map(|(key, _)| key.as_str()).collect();
        if !properties.is_empty() {
            schema.insert("properties".to_owned(), Value::Object(properties));
        }
        if !always.is_empty() {
            schema.insert("required".to_owned(), json!(always));
        }
        // Without the word it is as open, but who reads another key is told of it.
        if self.others || self.table {
            schema.insert("additionalProperties".to_owned(), true.into());
        }
    }
}

/// Whether a key is a name that somebody gave, and not data.
fn is_name(key: &str) -> bool {
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_$-".contains(c);
    starts && key.len() <= MAX_NAME_BYTES && digits <= MAX_NAME_DIGITS && key.chars().all(fits)
}

impl Format {
    fn of(text: &str) -> Self {
        if is_date(text) {
            return Self::Date;
        }
        if let Some((date, time)) = text.split_once('T')
            && is_date(date)
            && is_time(time)
        {
            return Self::DateTime;
        }
        if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() {
            return Self::Uuid;
        }
        Self::Free
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::DateTime => Some("date-time"),
            Self::Date => Some("date"),
            Self::Uuid => Some("uuid"),
            Self::Free => None,
        }
    }
}

/// The number that two digits write, if it lies within bounds.
fn two(text: &str, least: u32, most: u32) -> Option<u32> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (least..=most).contains(number))
}

/// Whether a text is a date by RFC 3339: `2026-11-25`.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let four = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    let (Some(year), Some(month)) = (year.parse::<u32>().ok().filter(|_| four), two(month, 1, 12))
    else {
        return false;
    };
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    two(day, 1, days).is_some()
}

/// Whether a text is so many parts of a time of day: hours, minutes, seconds.
fn is_clock(text: &str, parts: usize) -> bool {
    let most = [23, 59, 59];
    let fits = text.split(':').zip(most).filter(|(part, most)| two(part, 0, *most).is_some());
    fits.count() == parts && text.split(':').count() == parts
}

/// Whether a text is a time with its offset by RFC 3339: `09:00:00.5Z`, `09:00:00+01:00`.
fn is_time(text: &str) -> bool {
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, None),
        None => match text.rfind(['+', '-']) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => return false,
        },
    };
    let (local, fraction) = match local.split_once('.') {
        Some((local, fraction)) => (local, Some(fraction)),
        None => (local, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_clock(local, 3)
        && fraction.is_none_or(digits)
        && offset.is_none_or(|offset| is_clock(offset, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(values: &[Value]) -> Value {
        let mut shape = Shape::default();
        for value in values {
            shape.learn(JsonView::parse(&value.to_string()).unwrap());
        }
        shape.schema()
    }

    #[test]
    fn what_values_have_in_common() {
        for (values, schema) in [
            (vec![], json!({})),
            (vec![json!(1), json!(-7)], json!({"type": "integer"})),
            (vec![json!(1), json!(1.5)], json!({"type": "number"})),
            (vec![json!(1.0)], json!({"type": "number"})),
            (vec![json!(18_446_744_073_709_551_615_u64)], json!({"type": "number"})),
            (vec![json!(null)], json!({})),
            (vec![json!("a"), json!(null)], json!({"type": ["string", "null"]})),
            (
                vec![json!(true), json!("a"), json!(2)],
                json!({"type": ["string", "integer", "boolean"]}),
            ),
            (vec![json!([])], json!({"type": "array"})),
            (
                vec![json!([1]), json!([]), json!(["a", null])],
                json!({"type": "array", "items": {"type": ["string", "integer", "null"]}}),
            ),
            (
                vec![json!({"a": 1, "b": "x"}), json!({"a": null})],
                json!({
                    "type": "object",
                    "properties": {"a": {"type": ["integer", "null"]}, "b": {"type": "string"}},
                    "required": ["a"],
                }),
            ),
            (
                vec![json!([{"a": 1}, {"b": 2}])],
                json!({"type": "array", "items": {
                    "type": "object",
                    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                }}),
            ),
        ] {
            assert_eq!(inferred(&values), schema, "{values:?}");
        }
    }

    #[test]
    fn a_format_is_named_where_every_text_has_it() {
        let uuid = "0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        for (texts, format) in [
            (vec!["2026-11-25T09:00:00Z", "2024-02-29T23:59:59.123+01:00"], Some("date-time")),
            (vec!["2026-11-25", "2000-02-29"], Some("date")),
            (vec![uuid], Some("uuid")),
            (vec!["2026-11-25", "2026-11-25T09:00:00Z"], None),
            (vec![uuid, ""], None),
            (vec!["2026-02-29"], None),
            (vec!["1900-02-29"], None),
            (vec!["2026-11-25T09:00:00"], None),
            (vec!["2026-11-25T24:00:00Z"], None),
            (vec!["2026-11-25T09:00Z"], None),
            (vec!["2026-11-25T09:00:00.Z"], None),
            (vec!["2026-11-25T09:00:00+1:00"], None),
            (vec!["2026-11-25 09:00:00Z"], None),
            (vec!["+026-11-25"], None),
            (vec!["ann@example.com"], None),
            (vec!["0193a1b2c3d47e5f8a9b0c1d2e3f4a5b"], None),
        ] {
            let values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
            let schema = inferred(&values);
            assert_eq!(schema.get("format").and_then(Value::as_str), format, "{texts:?}");
        }
    }

    #[test]
    fn no_value_and_no_key_that_is_data_stands_in_it() {
        let event = json!({
            "email": "ann@example.com",
            "card": "4242424242424242",
            "scores": {"ann@example.com": 7, "user_48213": 8, "total": 15},
            "sha256": "a",
        });
        let schema = inferred(&[event]);
        let text = schema.to_string();
        for data in ["ann", "4242", "48213", "7", "8", "15"] {
            assert!(!text.replace("sha256", "").contains(data), "{data}: {text}");
        }
        let scores = json!({
            "type": "object",
            "properties": {"total": {"type": "integer"}},
            "required": ["total"],
            "additionalProperties": true,
        });
        assert_eq!(schema["properties"]["scores"], scores);
        // A table by names of people.
        let name = |n: usize| {
            let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
            format!("{}{}", letter(n / 26), letter(n))
        };
        let table: Map<String, Value> = (0..=MAX_NAMES).map(|n| (name(n), json!(n))).collect();
        let wanted = json!({"type": "object", "additionalProperties": true});
        assert_eq!(inferred(&[Value::Object(table)]), wanted);
    }

    #[test]
    fn a_key_that_stands_twice_is_required_once() {
        let mut shape = Shape::default();
        for text in [r#"{"a": 1, "a": "x"}"#, "{}"] {
            shape.learn(JsonView::parse(text).unwrap());
        }
        let schema = shape.schema();
        assert_eq!(schema["properties"]["a"], json!({"type": ["string", "integer"]}));
        assert_eq!(schema.get("required"), None);
    }
}
