//! What a function takes and gives, for the checker.
//!
//! Owns the words in which the rows of the table state it. What an implementation refuses because
//! of the kind of an argument is refused here; what depends on the argument's content is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::{Field, Object, Rest, Type};

/// The types of a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature {
    /// By argument, a method's receiver first; the last one holds for all that follow.
    pub takes: &'static [Takes],
    pub gives: Gives,
}

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Anything.
    Any,
    /// Anything that has a text: all but null.
    Shown,
    Text,
    Number,
    Whole,
    List,
    Object,
    /// Something with a size.
    Sized,
    TextOrList,
    TextOrNumber,
    TextOrBool,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Numbers,
    /// A list of only numbers or only texts.
    Ordered,
    /// One list of only numbers or only texts, or several arguments that are.
    Choice,
    /// A list of what has a text.
    ShownItems,
    /// An object of what can stand in the query of a URL.
    Query,
}

/// What a function gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gives {
    Bool,
    Int,
    Number,
    Text,
    Dyn,
    /// Computed from the arguments.
    By(fn(&Given<'_>) -> Type),
    /// The node says it: macros, `has` and `omit`.
    Node,
}

/// The arguments of a call, as far as they are known.
pub(crate) struct Given<'a> {
    pub types: &'a [Type],
    /// The second argument, where it is a list of texts written out.
    pub texts: Option<Vec<Arc<str>>>,
}

impl Given<'_> {
    fn first(&self) -> Type {
        self.types.first().cloned().unwrap_or(Type::Never)
    }

    /// The items of the first argument.
    fn items(&self) -> Type {
        Type::union(self.first().members().iter().map(|member| match member {
            Type::List(item, _) => item.as_ref().clone(),
            Type::Dyn => Type::Dyn,
            _ => Type::Never,
        }))
    }

    /// Something made of each object that the first argument may be.
    fn each_object(&self, make: impl Fn(&Arc<Object>) -> Type) -> Type {
        Type::union(self.first().members().iter().map(|member| match member {
            Type::Object(object) => make(object),
            Type::Dyn => Type::Dyn,
            _ => Type::Never,
        }))
    }
}

pub(super) const TEXT_TO_TEXT: Signature = takes(&[Takes::Text], Gives::Text);
pub(super) const TEXTS_TO_BOOL: Signature = takes(&[Takes::Text, Takes::Text], Gives::Bool);
pub(super) const NODE: Signature = takes(&[], Gives::Node);

pub(super) const fn takes(takes: &'static [Takes], gives: Gives) -> Signature {
    Signature { takes, gives }
}

/// Part of a text or of a list, of which nothing may be left.
pub(super) fn part(given: &Given<'_>) -> Type {
    Type::union(given.first().members().iter().map(|member| match member {
        Type::Text(_) => Type::TEXT,
        Type::List(item, _) => Type::list(item.as_ref().clone()),
        other => other.clone(),
    }))
    .without_null()
}

/// Lists of some of the items, none of them empty.
pub(super) fn chunks(given: &Given<'_>) -> Type {
    Type::list(Type::filled_list(given.items()))
}

/// The first argument as it is.
pub(super) fn same(given: &Given<'_>) -> Type {
    given.first().without_null()
}

/// A text or list the other way round: any text, the same list.
pub(super) fn reversed(given: &Given<'_>) -> Type {
    Type::union(given.first().members().iter().map(|member| match member {
        Type::Text(_) => Type::TEXT,
        other => other.clone(),
    }))
    .without_null()
}

/// A number whose wholeness is that of the first argument.
pub(super) fn same_number(given: &Given<'_>) -> Type {
    if given.first() == Type::Int { Type::Int } else { Type::Number }
}

/// A whole number, unless decimals are asked for.
pub(super) fn rounded(given: &Given<'_>) -> Type {
    if given.types.len() < 2 { Type::Int } else { same_number(given) }
}

/// The sum of a list.
pub(super) fn total(given: &Given<'_>) -> Type {
    match given.items() {
        Type::Int | Type::Never => Type::Int,
        _ => Type::Number,
    }
}

/// An item, or null where there is none.
pub(super) fn one_item(given: &Given<'_>) -> Type {
    match given.types.first() {
        Some(Type::List(item, true)) => item.as_ref().clone(),
        _ => given.items().or_null(),
    }
}

/// One item of a list, or one of several arguments.
pub(super) fn choice(given: &Given<'_>) -> Type {
    match given.types {
        [_] => one_item(given),
        several => Type::union(several.iter().cloned()),
    }
}

/// A list of texts.
pub(super) fn texts(_: &Given<'_>) -> Type {
    Type::list(Type::TEXT)
}

/// The names that `type` gives.
pub(super) fn kind_names(_: &Given<'_>) -> Type {
    Type::texts(["null", "bool", "number", "string", "list", "object"])
}

/// A list with the items of lists in their place.
pub(super) fn flat(given: &Given<'_>) -> Type {
    let items = given.items();
    Type::list(Type::union(items.members().iter().map(|member| match member {
        Type::List(item, _) => item.as_ref().clone(),
        other => other.clone(),
    })))
}

/// The keys of an object.
pub(super) fn keys(given: &Given<'_>) -> Type {
    match given.each_object(|object| object.any_key()) {
        Type::Dyn => Type::list(Type::TEXT),
        keys => Type::list(keys),
    }
}

/// The values of an object.
pub(super) fn values(given: &Given<'_>) -> Type {
    Type::list(given.each_object(|object| object.any_value()))
}

/// The entries of an object.
pub(super) fn entries(given: &Given<'_>) -> Type {
    let Type::List(key, _) = keys(given) else { return Type::Dyn };
    let Type::List(value, _) = values(given) else { return Type::Dyn };
    Type::list(Type::closed([("key", key.as_ref().clone()), ("value", value.as_ref().clone())]))
}

/// Two objects in one.
pub(super) fn merge(given: &Given<'_>) -> Type {
    let other = given.types.get(1).cloned().unwrap_or(Type::Never);
    given.each_object(|left| {
        Type::union(other.members().iter().map(|member| match member {
            Type::Object(right) => merged(left, right),
            Type::Dyn => Type::Dyn,
            _ => Type::Never,
        }))
    })
}

fn merged(left: &Object, right: &Object) -> Type {
    let mut fields = BTreeMap::new();
    for key in left.fields.keys().chain(right.fields.keys()) {
        let (was, is) = (left.field(key), right.fields.get(key));
        // What is not listed on the right may still be there and win.
        let is = match (is, &right.rest) {
            (Some(field), _) => Some((field.ty.clone(), field.required)),
            (None, Rest::Open(ty)) => Some((ty.clone(), false)),
            (None, Rest::Closed | Rest::Undeclared) => None,
        };
        let field = match (was, is) {
            (_, Some((ty, true))) => Field { ty, required: true },
            (Some((was, required)), Some((is, false))) => {
                Field { ty: Type::union([was, is]), required }
            }
            (Some((ty, required)), None) | (None, Some((ty, required))) => Field { ty, required },
            (None, None) => continue,
        };
        fields.insert(Arc::clone(key), field);
    }
    let rest = match (&left.rest, &right.rest) {
        (Rest::Open(a), Rest::Open(b)) => Rest::Open(Type::union([a.clone(), b.clone()])),
        (open @ Rest::Open(_), Rest::Closed) | (Rest::Closed, open @ Rest::Open(_)) => open.clone(),
        (Rest::Closed, Rest::Closed) => Rest::Closed,
        (Rest::Open(_), Rest::Undeclared) | (Rest::Undeclared, Rest::Open(_)) => {
            Rest::Open(Type::Dyn)
        }
        _ => Rest::Undeclared,
    };
    Type::object(fields, rest)
}

/// An object with some keys only.
pub(super) fn pick(given: &Given<'_>) -> Type {
    let listed = given.texts.as_deref();
    let possible = possible_keys(given);
    given.each_object(|object| {
        let may_stay = |key: &Arc<str>| possible.as_ref().is_none_or(|keys| keys.contains(key));
        let kept = object.fields.iter().filter(|(key, _)| may_stay(key)).map(|(key, field)| {
            let required = field.required && listed.is_some();
            (Arc::clone(key), Field { ty: field.ty.clone(), required })
        });
        Type::object(kept.collect(), object.rest.clone())
    })
}

/// An object without some keys.
pub(super) fn without(given: &Given<'_>) -> Type {
    let listed = given.texts.as_deref();
    let possible = possible_keys(given);
    given.each_object(|object| {
        let goes = |key: &Arc<str>| listed.is_some_and(|keys| keys.contains(key));
        let may_go = |key: &Arc<str>| possible.as_ref().is_none_or(|keys| keys.contains(key));
        let kept = object.fields.iter().filter(|(key, _)| !goes(key)).map(|(key, field)| {
            let required = field.required && !may_go(key);
            (Arc::clone(key), Field { ty: field.ty.clone(), required })
        });
        Type::object(kept.collect(), object.rest.clone())
    })
}

/// The keys that the second argument may name, if they are known.
fn possible_keys(given: &Given<'_>) -> Option<Vec<Arc<str>>> {
    if let Some(texts) = &given.texts {
        return Some(texts.clone());
    }
    match given.types.get(1) {
        Some(Type::List(item, _)) => match item.as_ref() {
            Type::Never => Some(Vec::new()),
            Type::Text(Some(texts)) => Some(texts.to_vec()),
            _ => None,
        },
        _ => None,
    }
}
