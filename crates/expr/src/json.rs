//! A borrowed JSON value: validated text, walked lazily, never copied.
//!
//! Owns reading. Refuses to build a tree, to recurse (deep nesting costs nothing) and to change
//! anything: what is copied from a payload keeps its exact bytes, so a 30-digit number stays one.
//!
//! Where an object repeats a key, the first one counts: reading can stop there.

mod scan;

use std::borrow::Cow;
use std::fmt;

use crate::number::Number;

/// The six kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// Any number.
    Number,
    /// A string.
    String,
    /// An array; the language says list.
    Array,
    /// An object.
    Object,
}

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonFault {
    /// Byte in the text where reading stopped.
    pub offset: usize,
    /// What was wrong there.
    pub message: String,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {}", self.message, self.offset)
    }
}

impl std::error::Error for JsonFault {}

/// A borrowed JSON value: validated JSON text, walked lazily, never copied.
///
/// A view taken out of an object does not know its end before somebody asks for its text, so a
/// path such as `a.b.c` reads no byte after the value it is looking for.
#[derive(Clone, Copy)]
pub struct JsonView<'a> {
    /// Starts at the value's first byte. Unless `exact`, the rest of the document follows.
    text: &'a str,
    exact: bool,
}

impl<'a> JsonView<'a> {
    /// Views a raw value; serde_json validated it.
    pub fn from_raw(raw: &'a serde_json::value::RawValue) -> Self {
        Self { text: raw.get().trim_ascii(), exact: true }
    }

    /// Validates a text and views it.
    ///
    /// # Errors
    /// When the text is not exactly one JSON value, with the byte where that showed.
    pub fn parse(text: &'a str) -> Result<Self, JsonFault> {
        match serde_json::from_str::<&serde_json::value::RawValue>(text) {
            Ok(raw) => Ok(Self::from_raw(raw)),
            Err(error) => Err(json_fault(text, &error)),
        }
    }

    fn bytes(self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The exact text of the value. Costs a scan to its end for a view taken out of an object.
    pub fn raw(self) -> &'a str {
        if self.exact { self.text } else { &self.text[..scan::value_end(self.bytes(), 0)] }
    }

    /// The kind of the value; reads one byte.
    pub fn kind(self) -> Kind {
        match self.bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Null,
        }
    }

    /// The value of a key of an object; the first one where keys repeat. `None` for other kinds.
    pub fn get(self, key: &str) -> Option<JsonView<'a>> {
        self.locate(key).0
    }

    /// Like [`get`](Self::get), and how many bytes were read to find out.
    pub(crate) fn locate(self, key: &str) -> (Option<JsonView<'a>>, usize) {
        let bytes = self.bytes();
        if self.kind() != Kind::Object {
            return (None, 1);
        }
        // Only a key that needs no escaping can be compared with the raw text.
        let comparable = memchr::memchr2(b'"', b'\\', key.as_bytes()).is_none();
        let mut at = scan::space_end(bytes, 1);
        while bytes.get(at) == Some(&b'"') {
            let (end, escaped) = scan::string_end(bytes, at + 1);
            let inside = bytes.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
            let found = if escaped {
                scan::unescape(&self.text[at + 1..end - 1]) == key
            } else {
                comparable && inside == key.as_bytes()
            };
            at = scan::space_end(bytes, end);
            at = scan::space_end(bytes, at + 1);
            if found {
                return (Some(Self { text: &self.text[at..], exact: false }), at);
            }
            at = scan::space_end(bytes, scan::value_end(bytes, at));
            if bytes.get(at) != Some(&b',') {
                break;
            }
            at = scan::space_end(bytes, at + 1);
        }
        (None, at)
    }

    /// How many bytes after the start of this value a part of it starts.
    pub(crate) fn offset_of(self, part: JsonView<'a>) -> usize {
        (part.text.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    /// The item of an array, counted from 0. `None` past the end and for other kinds.
    pub fn at(self, index: usize) -> Option<JsonView<'a>> {
        self.items().nth(index)
    }

    /// The number of items or entries; 0 for other kinds. Costs a scan.
    pub fn len(self) -> usize {
        match self.kind() {
            Kind::Array => self.items().count(),
            Kind::Object => self.entries().count(),
            _ => 0,
        }
    }

    /// Whether there are no items or entries.
    pub fn is_empty(self) -> bool {
        let bytes = self.bytes();
        match self.kind() {
            Kind::Array | Kind::Object => {
                matches!(bytes.get(scan::space_end(bytes, 1)), Some(b']' | b'}') | None)
            }
            _ => true,
        }
    }

    /// The items of an array; nothing for other kinds.
    pub fn items(self) -> Items<'a> {
        let at = if self.kind() == Kind::Array { 1 } else { self.text.len() };
        Items { text: self.text, at }
    }

    /// The entries of an object in their order, repeated keys included; nothing for other kinds.
    pub fn entries(self) -> Entries<'a> {
        let at = if self.kind() == Kind::Object { 1 } else { self.text.len() };
        Entries { text: self.text, at }
    }

    /// The text of a string, borrowed when it holds no escapes. Lone surrogates become U+FFFD.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        let (end, escaped) = scan::string_end(self.bytes(), 1);
        let inside = self.text.get(1..end.saturating_sub(1)).unwrap_or_default();
        Some(if escaped { scan::unescape(inside) } else { Cow::Borrowed(inside) })
    }

    /// The value of a boolean.
    pub fn as_bool(self) -> Option<bool> {
        match self.bytes().first() {
            Some(b't') => Some(true),
            Some(b'f') => Some(false),
            _ => None,
        }
    }

    /// The value of a number. `None` also for one that is too large for an `f64`, such as `1e400`.
    pub fn as_number(self) -> Option<Number> {
        if self.kind() != Kind::Number {
            return None;
        }
        Number::parse(self.raw())
    }
}

fn json_fault(text: &str, error: &serde_json::Error) -> JsonFault {
    let line_start = match error.line().checked_sub(2) {
        Some(newline) => {
            memchr::memchr_iter(b'\n', text.as_bytes()).nth(newline).map_or(0, |at| at + 1)
        }
        None => 0,
    };
    let mut offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let full = error.to_string();
    let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
    JsonFault { offset, message }
}

impl fmt::Debug for JsonView<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.raw())
    }
}

/// Iterator over the items of an array.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    text: &'a str,
    /// After the opening bracket or after an item.
    at: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = JsonView<'a>;

    fn next(&mut self) -> Option<JsonView<'a>> {
        let (start, end) = next_value(self.text, self.at)?;
        self.at = end;
        Some(JsonView { text: &self.text[start..end], exact: true })
    }
}

/// Iterator over the entries of an object.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Cow<'a, str>, JsonView<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (start, end) = next_value(self.text, self.at)?;
        let key = JsonView { text: &self.text[start..end], exact: true }.as_str()?;
        let bytes = self.text.as_bytes();
        let colon = scan::space_end(bytes, end);
        let start = scan::space_end(bytes, colon + 1);
        let end = scan::value_end(bytes, start);
        self.at = end;
        Some((key, JsonView { text: &self.text[start..end], exact: true }))
    }
}

/// Skips white space and a comma from `at`; the range of the value there, `None` at the end.
fn next_value(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut start = scan::space_end(bytes, at);
    if bytes.get(start) == Some(&b',') {
        start = scan::space_end(bytes, start + 1);
    }
    match bytes.get(start) {
        None | Some(b']' | b'}') => None,
        Some(_) => Some((start, scan::value_end(bytes, start))),
    }
}
