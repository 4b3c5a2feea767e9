//! A description as it was read: its tree, and where references in it lead.
//!
//! Owns the two dialects of schemas. References to other documents are not followed: what lies
//! behind them may be anything.

use serde_json::Value;

use super::discovery;

/// How many references in a row are followed.
const MAX_HOPS: usize = 16;

/// What is behind a reference that leads nowhere: a schema that takes anything.
static ANYTHING: Value = Value::Bool(true);

/// A description.
#[derive(Debug)]
pub(super) struct Document {
    pub root: Value,
    /// OpenAPI 3.0 and Discovery: words beside a `$ref` do not count, and `exclusiveMinimum` is
    /// true or false.
    pub old: bool,
}

impl Document {
    /// Takes a tree for a description.
    ///
    /// # Errors
    /// Why it is none that can be imported.
    pub fn new(root: Value) -> Result<Self, String> {
        if root.get("discoveryVersion").is_some() {
            return Ok(Self { root: discovery::openapi(&root), old: true });
        }
        let version = root.get("openapi").and_then(Value::as_str);
        match version {
            Some(version) if version.starts_with("3.0") => Ok(Self { root, old: true }),
            Some(version) if version.starts_with("3.") => Ok(Self { root, old: false }),
            Some(version) => Err(format!("it is OpenAPI {version}")),
            None => Err(match root.get("swagger").and_then(Value::as_str) {
                Some(version) => format!("it is Swagger {version}"),
                None => "it says neither `openapi` nor `discoveryVersion`".to_owned(),
            }),
        }
    }

    /// What a value is once references are followed.
    pub fn resolve<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        for _ in 0..MAX_HOPS {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
            value = self.behind(reference);
        }
        &ANYTHING
    }

    /// What a reference leads to.
    pub fn behind<'a>(&'a self, reference: &str) -> &'a Value {
        let pointer = reference.strip_prefix('#').map(decoded);
        pointer.and_then(|pointer| self.root.pointer(&pointer)).unwrap_or(&ANYTHING)
    }
}

/// A pointer in a URL's fragment may be percent-encoded.
fn decoded(pointer: &str) -> String {
    let mut out = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The items of a list under a key.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The entries of a mapping under a key.
pub(super) fn entries<'a>(
    value: &'a Value,
    key: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// The text under a key.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Whether a key says true.
pub(super) fn holds(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}
