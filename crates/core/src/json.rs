//! JSON text that is known to be valid, kept as the bytes that arrived. It is shared, never
//! re-serialised, and read through [`JsonView`] without building a tree.

use std::fmt;
use std::sync::Arc;

use postroom_expr::JsonView;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// How deep arrays and objects may nest in anything Postroom accepts.
pub const MAX_DEPTH: usize = 64;

/// Valid JSON text, cheap to clone.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Takes over JSON text after checking that it is JSON.
    ///
    /// # Errors
    /// What and where (line, column) the text stops being JSON.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        Ok(Self(RawValue::from_string(text)?.into()))
    }

    /// Copies a borrowed value that the parser has already checked.
    #[must_use]
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(raw.to_owned().into())
    }

    /// The JSON text of anything that serialises.
    ///
    /// # Errors
    /// If the value cannot be written as JSON (a map whose keys are not strings).
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::value::to_raw_value(value)?.into()))
    }

    /// The text of a value made here. Its keys are text, so that it can always be written.
    #[must_use]
    pub fn from_value(value: &serde_json::Value) -> Self {
        Self::from_serialize(value).unwrap_or_else(|_| Self::null())
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// The exact text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// A view to read from.
    #[must_use]
    pub fn view(&self) -> JsonView<'_> {
        JsonView::from_raw(&self.0)
    }

    /// The raw value, for embedding into other JSON.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Box::<RawValue>::deserialize(deserializer)?.into()))
    }
}

/// The byte offset at which `text` nests deeper than `limit`, if it does. `text` must be JSON.
#[must_use]
pub fn too_deep(text: &[u8], limit: usize) -> Option<usize> {
    // Most texts have fewer brackets than the limit, strings included.
    memchr::memchr2_iter(b'[', b'{', text).nth(limit)?;
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for (offset, byte) in text.iter().enumerate() {
        if in_string {
            match (escaped, byte) {
                (true, _) => escaped = false,
                (false, b'\\') => escaped = true,
                (false, b'"') => in_string = false,
                (false, _) => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return Some(offset);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_ignores_brackets_in_strings() {
        assert_eq!(too_deep(br#"{"a":"[[[[\"[","b":[1]}"#, 2), None);
        assert_eq!(too_deep(b"[[[1]]]", 2), Some(2));
    }

    #[test]
    fn text_survives_untouched() {
        let json = Json::parse(r#"{"n": 123456789012345678901234567890, "x":1.0}"#.into()).unwrap();
        let wrapped = serde_json::to_string(&json).unwrap();
        assert_eq!(wrapped, json.text());
        let back: Json = serde_json::from_str(&wrapped).unwrap();
        assert_eq!(back, json);
    }
}
