//! What an expression evaluates to.
//!
//! Owns the value type, how it is looked into and how it is written as JSON or as text. Payloads
//! stay [`JsonView`]s until an operation needs their content. Refuses truthiness: only a bool is a
//! condition.

use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;

use crate::fault::{Fault, code};
use crate::json::{JsonView, Kind};
use crate::number::Number;

/// An entry of an object.
pub type Entry<'a> = (Cow<'a, str>, Value<'a>);

/// A value. Cheap to clone: lists and objects are shared.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// A string.
    Str(Cow<'a, str>),
    /// A list.
    List(Rc<[Value<'a>]>),
    /// An object. Its keys are distinct, in the order in which they are written.
    Object(Rc<[Entry<'a>]>),
    /// A part of a payload, of any kind.
    Json(JsonView<'a>),
}

/// Writing stopped because the text would have become too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl<'a> Value<'a> {
    /// An object of entries, whose keys must be distinct.
    pub fn object(entries: Vec<Entry<'a>>) -> Self {
        Self::Object(entries.into())
    }

    /// A list.
    pub fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(items.into())
    }

    /// A string.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Str(text.into())
    }

    /// The kind in the words of the language: null, bool, number, string, list, object.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Float(_) => "number",
            Self::Str(_) => "string",
            Self::List(_) => "list",
            Self::Object(_) => "object",
            Self::Json(view) => match view.kind() {
                Kind::Null => "null",
                Kind::Bool => "bool",
                Kind::Number => "number",
                Kind::String => "string",
                Kind::Array => "list",
                Kind::Object => "object",
            },
        }
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Json(view) => view.kind() == Kind::Null,
            _ => false,
        }
    }

    /// The same value with a payload's null, bool, number or string read out of its text. Lists
    /// and objects stay views. `None` for a number that is too large to be represented.
    pub(crate) fn plain(self) -> Option<Self> {
        let Self::Json(view) = self else { return Some(self) };
        Some(match view.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(view.as_bool()?),
            Kind::Number => view.as_number()?.into(),
            Kind::String => Self::Str(view.as_str()?),
            Kind::Array | Kind::Object => self,
        })
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            Self::Json(view) => view.as_bool(),
            _ => None,
        }
    }

    /// The number, if this is one that can be represented.
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Int(int) => Some(Number::Int(*int)),
            Self::Float(float) => Some(Number::Float(*float)),
            Self::Json(view) => view.as_number(),
            _ => None,
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Str(text) => Some(Cow::Borrowed(text)),
            Self::Json(view) => view.as_str(),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub(crate) fn items(&self) -> Option<Cow<'_, [Value<'a>]>> {
        match self {
            Self::List(items) => Some(Cow::Borrowed(items)),
            Self::Json(view) if view.kind() == Kind::Array => {
                Some(Cow::Owned(view.items().map(Value::Json).collect()))
            }
            _ => None,
        }
    }

    /// The entries with distinct keys, if this is an object.
    pub(crate) fn entries(&self) -> Option<Cow<'_, [Entry<'a>]>> {
        match self {
            Self::Object(entries) => Some(Cow::Borrowed(entries)),
            Self::Json(view) if view.kind() == Kind::Object => {
                let mut seen = HashSet::new();
                let mut entries = Vec::new();
                for (key, view) in view.entries() {
                    if seen.insert(key.clone()) {
                        entries.push((key, Value::Json(view)));
                    }
                }
                Some(Cow::Owned(entries))
            }
            _ => None,
        }
    }

    /// The value of a key, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Object(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
            }
            Self::Json(view) => view.get(key).map(Value::Json),
            _ => None,
        }
    }

    /// Appends the value as compact JSON. A part of a payload is copied as it is, so large numbers
    /// keep their digits.
    pub fn write_json(&self, out: &mut String) {
        // Without a bound there is nothing to exceed.
        let _ = self.write_json_within(out, usize::MAX);
    }

    /// Like [`write_json`](Self::write_json), but stops when `out` grows beyond `limit` bytes.
    ///
    /// # Errors
    /// When it had to stop; `out` then holds a part of the text.
    pub fn write_json_within(&self, out: &mut String, limit: usize) -> Result<(), TooLong> {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Self::Int(int) => out.push_str(&int.to_string()),
            Self::Float(float) => out.push_str(&Number::Float(*float).to_string()),
            Self::Str(text) => write_string(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json_within(out, limit)?;
                }
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(key, out);
                    out.push(':');
                    value.write_json_within(out, limit)?;
                }
                out.push('}');
            }
            Self::Json(view) => out.push_str(view.raw()),
        }
        if out.len() > limit { Err(TooLong) } else { Ok(()) }
    }

    /// The value as it stands in the middle of text: a string bare, a number or bool as in JSON, a
    /// list or object as JSON text.
    ///
    /// # Errors
    /// Null has no text: [`code::NULL`], with an empty span.
    pub fn to_text(&self) -> Result<String, Fault> {
        let mut out = String::new();
        match self.write_text_within(&mut out, usize::MAX) {
            Some(_) => Ok(out),
            None => Err(no_text(0..0)),
        }
    }

    /// Appends the text of [`to_text`](Self::to_text). `None` for null.
    pub(crate) fn write_text_within(
        &self,
        out: &mut String,
        limit: usize,
    ) -> Option<Result<(), TooLong>> {
        if self.is_null() {
            return None;
        }
        Some(match self.as_str() {
            Some(text) if out.len() + text.len() <= limit => {
                out.push_str(&text);
                Ok(())
            }
            Some(_) => Err(TooLong),
            None => self.write_json_within(out, limit),
        })
    }
}

/// Null where text is needed.
pub(crate) fn no_text(span: std::ops::Range<usize>) -> Fault {
    Fault::new(code::NULL, span, "null has no text")
        .hint("say what should stand here instead, for example `?? ''`")
}

impl From<Number> for Value<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(int) => Self::Int(int),
            Number::Float(float) => Self::Float(float),
        }
    }
}

/// Appends a JSON string with its quotes.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => out.push_str(&format!("\\u{other:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}
