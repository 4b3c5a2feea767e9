//! Whether every value of one type may stand where another is wanted.
//!
//! Owns the one way in which a value is given to a contract: no coercion, but a text of unknown
//! content is taken where only some texts are, as its content is a matter of the value.

use super::{Object, Rest, Type};
use crate::nearest::nearest;

/// Why a type does not fit, and where inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The path inside the value: `.lines[].id`; empty for the value itself.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// Why a type does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It may be null.
    Null,
    /// It may be another kind of value.
    Kind {
        /// What is there.
        found: Type,
        /// What is taken.
        wanted: Type,
    },
    /// A field that is needed is never there.
    Missing {
        /// The field.
        key: String,
    },
    /// A field that is needed may not be there.
    MaybeMissing {
        /// The field.
        key: String,
    },
    /// A field that is not taken.
    Unknown {
        /// The field.
        key: String,
        /// The nearest one that is.
        near: Option<String>,
    },
}

impl Type {
    /// Whether any value of `from` may stand where this type is wanted.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn takes(&self, from: &Self) -> Result<(), Misfit> {
        if self.is_dyn() {
            return Ok(());
        }
        let mut null = false;
        for member in from.members() {
            match member {
                Self::Null if !self.has_null() => null = true,
                _ => takes_member(self, member)?,
            }
        }
        // Null is told last: where the kind is wrong as well, that is the better word.
        if null { Err(Misfit { path: String::new(), why: Why::Null }) } else { Ok(()) }
    }
}

fn takes_member(wanted: &Type, from: &Type) -> Result<(), Misfit> {
    let mut nearest_miss = None;
    for member in wanted.members() {
        match pair(member, from) {
            Ok(()) => return Ok(()),
            Err(Some(misfit)) => nearest_miss = Some(misfit),
            Err(None) => {}
        }
    }
    Err(nearest_miss.unwrap_or_else(|| Misfit {
        path: String::new(),
        why: Why::Kind { found: from.clone(), wanted: wanted.clone() },
    }))
}

/// `Err(None)` where the kinds differ.
fn pair(wanted: &Type, from: &Type) -> Result<(), Option<Misfit>> {
    match (wanted, from) {
        (Type::Dyn, _) | (_, Type::Dyn | Type::Never) => Ok(()),
        (Type::Null, Type::Null)
        | (Type::Bool, Type::Bool)
        | (Type::Int, Type::Int)
        | (Type::Number, Type::Int | Type::Number)
        | (Type::Text(None), Type::Text(_))
        | (Type::Text(_), Type::Text(None)) => Ok(()),
        (Type::Text(Some(wanted)), Type::Text(Some(from))) => {
            if from.iter().all(|text| wanted.contains(text)) { Ok(()) } else { Err(None) }
        }
        (Type::List(wanted, _), Type::List(from, _)) => {
            wanted.takes(from).map_err(|misfit| Some(inside("[]", misfit)))
        }
        (Type::Object(wanted), Type::Object(from)) => objects(wanted, from).map_err(Some),
        _ => Err(None),
    }
}

fn inside(step: &str, mut misfit: Misfit) -> Misfit {
    misfit.path.insert_str(0, step);
    misfit
}

fn objects(wanted: &Object, from: &Object) -> Result<(), Misfit> {
    let misfit = |why| Err(Misfit { path: String::new(), why });
    for (key, field) in &wanted.fields {
        let known = match (from.fields.get(key), &from.rest) {
            (Some(field), _) => Some((&field.ty, field.required)),
            // Nothing is known of what it has: as good as anything.
            (None, Rest::Open(ty)) if ty.is_dyn() => continue,
            (None, Rest::Open(ty)) => Some((ty, false)),
            (None, _) => None,
        };
        let key_text = key.to_string();
        match known {
            None if field.required => return misfit(Why::Missing { key: key_text }),
            None => {}
            Some((_, false)) if field.required => {
                return misfit(Why::MaybeMissing { key: key_text });
            }
            Some((ty, _)) => {
                field.ty.takes(ty).map_err(|found| inside(&format!(".{key}"), found))?;
            }
        }
    }
    for (key, field) in &from.fields {
        if wanted.fields.contains_key(key) {
            continue;
        }
        match &wanted.rest {
            Rest::Undeclared => {}
            Rest::Open(ty) => {
                ty.takes(&field.ty).map_err(|found| inside(&format!(".{key}"), found))?;
            }
            Rest::Closed => {
                let near = nearest(key, wanted.fields.keys());
                return misfit(Why::Unknown { key: key.to_string(), near });
            }
        }
    }
    match (&wanted.rest, &from.rest) {
        (Rest::Open(wanted), Rest::Open(from)) => {
            wanted.takes(from).map_err(|found| inside(".*", found))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Field;
    use super::*;

    fn optional(key: &str, ty: Type, rest: Rest) -> Type {
        Type::object([(key.into(), Field { ty, required: false })].into(), rest)
    }

    #[test]
    fn what_fits_and_what_does_not() {
        let wanted = Type::closed([("id", Type::TEXT), ("lines", Type::list(Type::Int))]);
        let given = |lines: Type| Type::closed([("id", Type::texts(["a"])), ("lines", lines)]);
        assert_eq!(wanted.takes(&given(Type::list(Type::Int))), Ok(()));
        assert_eq!(wanted.takes(&Type::Dyn), Ok(()));
        let misfit = wanted.takes(&given(Type::list(Type::Int.or_null()))).unwrap_err();
        assert_eq!(misfit, Misfit { path: ".lines[]".into(), why: Why::Null });
        let misfit = wanted.takes(&optional("id", Type::TEXT, Rest::Closed)).unwrap_err();
        assert_eq!(misfit.why, Why::MaybeMissing { key: "id".into() });
        let typo = Type::closed([("idd", Type::TEXT)]);
        let misfit = optional("id", Type::TEXT, Rest::Closed).takes(&typo).unwrap_err();
        assert_eq!(misfit.why, Why::Unknown { key: "idd".into(), near: Some("id".into()) });
        assert!(Type::Int.takes(&Type::Number).is_err());
        assert!(Type::texts(["a"]).takes(&Type::TEXT).is_ok());
        assert!(Type::texts(["a"]).takes(&Type::texts(["a", "b"])).is_err());
        assert!(Type::TEXT.takes(&Type::Dyn.or_null()).is_err());
    }
}
