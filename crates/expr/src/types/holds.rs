//! Whether a value is of a type.

use super::{Object, Rest, Type};
use crate::json::{JsonView, Kind};
use crate::number::Number;

impl Type {
    /// Whether a value is one of this type.
    pub fn holds(&self, value: JsonView<'_>) -> bool {
        match self {
            Self::Never => false,
            Self::Dyn => true,
            Self::Null => value.kind() == Kind::Null,
            Self::Bool => value.kind() == Kind::Bool,
            Self::Int => matches!(value.as_number(), Some(Number::Int(_))),
            Self::Number => value.as_number().is_some(),
            Self::Text(None) => value.kind() == Kind::String,
            Self::Text(Some(texts)) => {
                value.as_str().is_some_and(|found| texts.iter().any(|text| **text == *found))
            }
            Self::List(item, filled) => {
                value.kind() == Kind::Array
                    && !(value.is_empty() && *filled)
                    && value.items().all(|value| item.holds(value))
            }
            Self::Object(object) => value.kind() == Kind::Object && object.holds(value),
            Self::Union(members) => members.iter().any(|member| member.holds(value)),
        }
    }
}

impl Object {
    fn holds(&self, value: JsonView<'_>) -> bool {
        self.fields.iter().all(|(name, field)| match value.get(name) {
            Some(value) => field.ty.holds(value),
            None => !field.required,
        }) && value.entries().all(|(name, value)| match &self.rest {
            _ if self.fields.contains_key(name.as_ref()) => true,
            Rest::Closed => false,
            Rest::Undeclared => true,
            Rest::Open(ty) => ty.holds(value),
        })
    }
}
