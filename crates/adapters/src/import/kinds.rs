//! Sets of the kinds of JSON values, as `type` names them. A number includes the whole ones.

use serde_json::Value;

/// Some of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Default for Kinds {
    /// All of them: nothing is said.
    fn default() -> Self {
        Self::ALL
    }
}

impl Kinds {
    pub const ALL: Self = Self(0x7f);
    pub const NONE: Self = Self(0);
    pub const NULL: Self = Self(1);
    pub const BOOLEAN: Self = Self(2);
    pub const INTEGER: Self = Self(4);
    pub const NUMBER: Self = Self(4 | 8);
    pub const STRING: Self = Self(16);
    pub const ARRAY: Self = Self(32);
    pub const OBJECT: Self = Self(64);

    /// By the name in `type`, in the order in which they are written.
    const NAMES: [(&'static str, Self); 7] = [
        ("string", Self::STRING),
        ("number", Self::NUMBER),
        ("integer", Self::INTEGER),
        ("boolean", Self::BOOLEAN),
        ("object", Self::OBJECT),
        ("array", Self::ARRAY),
        ("null", Self::NULL),
    ];

    /// What a schema says by itself. Who lists properties and names no type means an object.
    pub fn of(schema: &Value) -> Self {
        let named = |name: &Value| match name {
            Value::Null => Self::NULL,
            name => Self::named(name.as_str().unwrap_or_default()),
        };
        match schema.get("type") {
            Some(Value::Array(names)) => names.iter().map(named).fold(Self(0), Self::or),
            Some(name) => named(name),
            None if schema.get("properties").is_some() => Self::OBJECT,
            None if schema.get("items").is_some() => Self::ARRAY,
            None => match (schema.get("enum"), schema.get("const")) {
                (Some(Value::Array(values)), _) => {
                    values.iter().map(Self::of_value).fold(Self(0), Self::or)
                }
                (_, Some(value)) => Self::of_value(value),
                _ => Self::ALL,
            },
        }
    }

    pub fn named(name: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::ALL, |(_, kind)| *kind)
    }

    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
                Self::INTEGER
            }
            Value::Number(_) => Self(8),
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn none(self) -> bool {
        self.0 == 0
    }

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn object(self) -> bool {
        self.has(Self::OBJECT)
    }

    pub fn array(self) -> bool {
        self.has(Self::ARRAY)
    }

    /// The names for `type`; none where nothing is said.
    pub fn names(self) -> Vec<&'static str> {
        if self == Self::ALL {
            return Vec::new();
        }
        let mut left = self;
        let mut names = Vec::new();
        for (name, kind) in Self::NAMES {
            if left.has(kind) {
                names.push(name);
                left = left.without(kind);
            }
        }
        names
    }
}
