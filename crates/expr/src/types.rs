//! What is known of a value before there is one.
//!
//! Owns the type of the checker, how types are united, and what is known of a field. Types are
//! promises: of a schema, of an action's contract. Refuses to guess: what is not known is
//! [`Type::Dyn`], about which nothing is reported.

mod fit;
mod holds;
mod narrow;
mod show;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::fit::{Misfit, Why};
pub(crate) use self::narrow::Test;

/// Texts known one by one in one type; beyond it they are any text.
const MAX_TEXTS: usize = 256;
/// How large a type may grow, what it shares with itself counted as often as it stands there.
/// Beyond it nothing is known. Comparing types takes as long as they are large.
const MAX_WEIGHT: usize = 100_000;
/// Kinds of objects told apart in one type; beyond it they are one.
const MAX_OBJECTS: usize = 32;

/// The type of a value. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// No value: what is left out, the items of an empty list, a place that is never reached.
    Never,
    /// Anything; nothing is known.
    Dyn,
    /// Null.
    Null,
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// Any number.
    Number,
    /// Text: one of these, in ascending order, or any.
    Text(Option<Arc<[Arc<str>]>>),
    /// A list of items of one type; whether it is known to have at least one.
    List(Arc<Type>, bool),
    /// An object.
    Object(Arc<Object>),
    /// One of several, made by [`Type::union`] only.
    Union(Arc<[Type]>),
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The fields it is known to have or may have.
    pub fields: BTreeMap<Arc<str>, Field>,
    /// What is known of all other fields.
    pub rest: Rest,
    weight: usize,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The type of its value.
    pub ty: Type,
    /// Whether it is always there.
    pub required: bool,
}

/// What is known of the fields of an object that are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// There are none.
    Closed,
    /// There may be some, but nobody said so: reading one is taken for a slip, giving one is not.
    Undeclared,
    /// There may be any, of this type.
    Open(Type),
}

/// The kinds of values a type has, as a set of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub const NONE: Self = Self(0);
    pub const NULL: Self = Self(1);
    pub const BOOL: Self = Self(2);
    pub const NUMBER: Self = Self(4);
    pub const TEXT: Self = Self(8);
    pub const LIST: Self = Self(16);
    pub const OBJECT: Self = Self(32);
    pub const DYN: Self = Self(64);

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// How many kinds are in it.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is nothing in it but what `other` has.
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl Type {
    /// Any text.
    pub const TEXT: Self = Self::Text(None);

    /// One of these texts; any text if there are too many.
    pub fn texts<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut texts: Vec<Arc<str>> = texts.into_iter().map(Into::into).collect();
        texts.sort();
        texts.dedup();
        match texts.len() {
            0 => Self::Never,
            1..=MAX_TEXTS => Self::Text(Some(texts.into())),
            _ => Self::TEXT,
        }
    }

    /// A list of items of a type.
    pub fn list(item: Self) -> Self {
        Self::List(Arc::new(item), false)
    }

    /// A list of at least one item of a type.
    pub fn filled_list(item: Self) -> Self {
        Self::List(Arc::new(item), true)
    }

    /// An object that has exactly these fields.
    pub fn closed<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Self)>) -> Self {
        let always = |(key, ty): (K, Self)| (key.into(), Field { ty, required: true });
        Self::object(fields.into_iter().map(always).collect(), Rest::Closed)
    }

    /// An object.
    pub fn object(fields: BTreeMap<Arc<str>, Field>, rest: Rest) -> Self {
        let rest_weight = match &rest {
            Rest::Open(ty) => ty.weight(),
            Rest::Closed | Rest::Undeclared => 0,
        };
        let weight = fields.values().map(|field| field.ty.weight()).sum::<usize>();
        let weight = weight.saturating_add(rest_weight).saturating_add(1);
        match weight > MAX_WEIGHT {
            true => Self::Dyn,
            false => Self::Object(Arc::new(Object { fields, rest, weight })),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::List(item, _) => item.weight().saturating_add(1),
            Self::Object(object) => object.weight,
            Self::Union(members) => members.iter().map(Self::weight).sum(),
            _ => 1,
        }
    }

    /// A value of any of these types.
    pub fn union(types: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Parts::default();
        types.into_iter().for_each(|ty| parts.add(&ty));
        parts.whole()
    }

    /// This type or null.
    #[must_use]
    pub fn or_null(self) -> Self {
        Self::union([self, Self::Null])
    }

    /// This type, null taken out.
    #[must_use]
    pub fn without_null(&self) -> Self {
        match self {
            Self::Null => Self::Never,
            Self::Union(members) => {
                Self::union(members.iter().filter(|member| **member != Self::Null).cloned())
            }
            other => other.clone(),
        }
    }

    /// The types it is made of: itself, unless it is a union.
    pub fn members(&self) -> &[Self] {
        match self {
            Self::Never => &[],
            Self::Union(members) => members,
            other => std::slice::from_ref(other),
        }
    }

    /// Whether null is among its values for all that is known.
    pub fn has_null(&self) -> bool {
        self.members().contains(&Self::Null)
    }

    /// Whether nothing is known of it, but perhaps that it may be null.
    pub fn is_dyn(&self) -> bool {
        self.members().contains(&Self::Dyn)
    }

    pub(crate) fn kinds(&self) -> Kinds {
        let kind = |ty: &Self| match ty {
            Self::Never | Self::Union(_) => Kinds::NONE,
            Self::Dyn => Kinds::DYN,
            Self::Null => Kinds::NULL,
            Self::Bool => Kinds::BOOL,
            Self::Int | Self::Number => Kinds::NUMBER,
            Self::Text(_) => Kinds::TEXT,
            Self::List(..) => Kinds::LIST,
            Self::Object(_) => Kinds::OBJECT,
        };
        self.members().iter().fold(Kinds::NONE, |all, ty| all.or(kind(ty)))
    }

    /// Whether some value could be of both types.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let pair = |a: &Self, b: &Self| match (a, b) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::Text(Some(a)), Self::Text(Some(b))) => a.iter().any(|text| b.contains(text)),
            _ => a.kinds().any_of(b.kinds()),
        };
        self.members().iter().any(|a| other.members().iter().any(|b| pair(a, b)))
    }
}

impl Object {
    /// What is known of a field: its type, and whether it is always there. `None` where it is
    /// not among those that may be read.
    pub(crate) fn field(&self, name: &str) -> Option<(Type, bool)> {
        match (self.fields.get(name), &self.rest) {
            (Some(field), _) => Some((field.ty.clone(), field.required)),
            (None, Rest::Open(ty)) => Some((ty.clone(), false)),
            (None, Rest::Closed | Rest::Undeclared) => None,
        }
    }

    /// The type of any of its values.
    pub(crate) fn any_value(&self) -> Type {
        let rest = match &self.rest {
            Rest::Closed => Type::Never,
            Rest::Undeclared => Type::Dyn,
            Rest::Open(ty) => ty.clone(),
        };
        Type::union(self.fields.values().map(|field| field.ty.clone()).chain([rest]))
    }

    /// The type of any of its keys.
    pub(crate) fn any_key(&self) -> Type {
        match self.rest {
            Rest::Closed => Type::texts(self.fields.keys().map(Arc::clone)),
            _ => Type::TEXT,
        }
    }
}

/// A union being put together.
#[derive(Default)]
struct Parts {
    anything: bool,
    null: bool,
    bool: bool,
    number: Option<Type>,
    text: Option<Option<Vec<Arc<str>>>>,
    items: Option<(Type, bool)>,
    objects: Vec<Arc<Object>>,
}

impl Parts {
    fn add(&mut self, ty: &Type) {
        match ty {
            Type::Never => {}
            Type::Dyn => self.anything = true,
            Type::Null => self.null = true,
            Type::Bool => self.bool = true,
            Type::Int => drop(self.number.get_or_insert(Type::Int)),
            Type::Number => self.number = Some(Type::Number),
            Type::Text(more) => match (&mut self.text, more) {
                (Some(Some(known)), Some(more)) => known.extend(more.iter().cloned()),
                (text @ None, Some(more)) => *text = Some(Some(more.to_vec())),
                (text, _) => *text = Some(None),
            },
            Type::List(item, filled) => {
                let item = item.as_ref();
                self.items = Some(match self.items.take() {
                    Some((known, both)) if known == *item => (known, both && *filled),
                    Some((known, both)) => (Type::union([known, item.clone()]), both && *filled),
                    None => (item.clone(), *filled),
                });
            }
            Type::Object(object) => {
                if !self.objects.contains(object) {
                    self.objects.push(Arc::clone(object));
                }
            }
            Type::Union(members) => members.iter().for_each(|member| self.add(member)),
        }
    }

    fn whole(self) -> Type {
        let mut members = Vec::new();
        if self.anything {
            members.push(Type::Dyn);
        } else {
            members.extend(self.bool.then_some(Type::Bool));
            members.extend(self.number);
            members.extend(self.text.map(|texts| texts.map_or(Type::TEXT, Type::texts)));
            members.extend(self.items.map(|(item, filled)| Type::List(Arc::new(item), filled)));
            if self.objects.len() > MAX_OBJECTS {
                members.push(merged(&self.objects));
            } else {
                members.extend(self.objects.into_iter().map(Type::Object));
            }
        }
        members.extend(self.null.then_some(Type::Null));
        match members.len() {
            0 => Type::Never,
            1 => members.remove(0),
            _ => Type::Union(members.into()),
        }
    }
}

/// One object of which each of these is a case.
fn merged(objects: &[Arc<Object>]) -> Type {
    let mut fields: BTreeMap<Arc<str>, Field> = BTreeMap::new();
    let mut rest = Rest::Closed;
    for object in objects {
        rest = match (rest, &object.rest) {
            (Rest::Open(a), Rest::Open(b)) => Rest::Open(Type::union([a, b.clone()])),
            (Rest::Open(_), Rest::Undeclared) | (Rest::Undeclared, Rest::Open(_)) => {
                Rest::Open(Type::Dyn)
            }
            (open @ Rest::Open(_), _) => open,
            (_, open @ Rest::Open(_)) => open.clone(),
            (Rest::Closed, Rest::Closed) => Rest::Closed,
            _ => Rest::Undeclared,
        };
        for key in object.fields.keys() {
            let known = objects.iter().map(|object| object.field(key));
            let required = known.clone().all(|field| matches!(field, Some((_, true))));
            let ty = Type::union(known.flatten().map(|(ty, _)| ty));
            fields.entry(Arc::clone(key)).or_insert(Field { ty, required });
        }
    }
    Type::object(fields, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unions_are_flat_and_in_one_order() {
        let texts = Type::union([Type::texts(["b"]), Type::texts(["a", "b"])]);
        assert_eq!(texts, Type::texts(["a", "b"]));
        assert_eq!(Type::union([Type::Int, Type::Number]), Type::Number);
        assert_eq!(Type::union([Type::Null, Type::Never]), Type::Null);
        assert_eq!(Type::union([Type::TEXT, texts]), Type::TEXT);
        let a = Type::union([Type::Null, Type::union([Type::TEXT, Type::Bool])]);
        assert_eq!(a, Type::union([Type::Bool, Type::Null, Type::TEXT]));
        assert_eq!(a.without_null(), Type::union([Type::Bool, Type::TEXT]));
        assert_eq!(Type::union([Type::Dyn, Type::TEXT]), Type::Dyn);
        assert!(Type::Dyn.or_null().has_null() && Type::Dyn.or_null().is_dyn());
        let lists = Type::union([Type::list(Type::Never), Type::list(Type::Int)]);
        assert_eq!(lists, Type::list(Type::Int));
    }

    #[test]
    fn many_objects_become_one() {
        let object =
            |n: usize| Type::closed([(format!("k{n}"), Type::Int), ("id".into(), Type::TEXT)]);
        let Type::Object(one) = Type::union((0..100).map(object)) else { panic!("not one") };
        assert_eq!(one.field("id"), Some((Type::TEXT, true)));
        assert_eq!(one.field("k7"), Some((Type::Int, false)));
        assert_eq!(one.field("k100"), None);
    }

    #[test]
    fn a_type_that_doubles_at_each_step_ends() {
        let step = |ty: Type| Type::closed([("a", ty.clone()), ("b", Type::list(ty))]);
        let deep = || (0..200).fold(Type::Int, |ty, _| step(ty));
        assert_eq!(Type::union([deep(), deep()]), deep());
    }

    #[test]
    fn overlap_is_by_kind_and_by_known_texts() {
        assert!(Type::Int.overlaps(&Type::Number));
        assert!(!Type::Int.overlaps(&Type::TEXT));
        assert!(!Type::texts(["a"]).overlaps(&Type::texts(["b", "c"])));
        assert!(Type::texts(["a"]).overlaps(&Type::TEXT));
        assert!(Type::Dyn.overlaps(&Type::Null));
        assert!(!Type::Never.overlaps(&Type::Dyn));
    }
}
