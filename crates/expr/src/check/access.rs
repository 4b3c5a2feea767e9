//! Fields and items.
//!
//! Owns what is said of a field that is not known, may be missing, or is read of something that
//! may be null.

use std::ops::Range;
use std::sync::Arc;

use super::{Checker, is_null, of_kinds};
use crate::fault::{Fault, code};
use crate::nearest::nearest;
use crate::tree::{NodeId, NodeKind};
use crate::types::{Kinds, Object, Rest, Type};

/// Most keys that an index is looked up under one by one.
const MAX_KEYS: usize = 32;

/// What a read does where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// It faults.
    Plainly,
    /// It yields null.
    OrNull,
    /// It is only asked whether there is something.
    IfThere,
}

impl Reads {
    pub fn of(optional: bool) -> Self {
        if optional { Self::OrNull } else { Self::Plainly }
    }
}

/// What the cases of a type say about a read.
#[derive(Default)]
struct Cases {
    values: Vec<Type>,
    null: bool,
    missing: bool,
    lacking: Vec<Arc<Object>>,
    other: Option<Kinds>,
}

impl Cases {
    fn value(self, reads: Reads) -> Type {
        let absent = self.null || self.missing || !self.lacking.is_empty();
        let null = (reads == Reads::OrNull && absent).then_some(Type::Null);
        Type::union(self.values.into_iter().chain(null))
    }
}

impl Checker<'_> {
    /// The type of a field of a value.
    pub(super) fn field(
        &mut self,
        object: NodeId,
        ty: &Type,
        name: &str,
        span: Range<usize>,
        reads: Reads,
    ) -> Type {
        let mut cases = Cases::default();
        for member in ty.members() {
            match member {
                Type::Dyn => cases.values.push(Type::Dyn),
                Type::Null => cases.null = true,
                Type::Object(known) => match known.field(name) {
                    Some((ty, true)) => cases.values.push(ty),
                    // An object of which nothing is known may as well have it.
                    Some((Type::Dyn, false)) if !known.fields.contains_key(name) => {
                        cases.values.push(Type::Dyn);
                    }
                    Some((ty, false)) => {
                        cases.values.push(ty);
                        cases.missing = true;
                    }
                    None => cases.lacking.push(Arc::clone(known)),
                },
                other => {
                    cases.other = Some(cases.other.unwrap_or(Kinds::NONE).or(other.kinds()));
                }
            }
        }
        let excerpt = self.tree.excerpt(object);
        let step = step(name);
        if let Some(other) = cases.other {
            self.no_fields(object, ty, name, span, other);
        } else if cases.values.is_empty() && !cases.lacking.is_empty() {
            self.unknown_field(object, &cases.lacking, name, span);
            return Type::Never;
        } else if cases.null && reads == Reads::Plainly {
            let message = format!("`{excerpt}` {} null, so it has no `{name}`", is_null(ty));
            let fault = Fault::new(code::MAYBE_NULL, span, message);
            self.report(fault.hint(format!("write `?{step}` if it may be null")), object);
        } else if (cases.missing || !cases.lacking.is_empty()) && reads == Reads::Plainly {
            let message = format!("`{excerpt}` may have no field `{name}`");
            let fault = Fault::new(code::MAYBE_MISSING, span, message);
            let whole = format!("{excerpt}{step}");
            let hint = format!("write `?{step}`, which is null then, or ask `has({whole})` first");
            self.report(fault.hint(hint), object);
        }
        cases.value(reads)
    }

    fn no_fields(&mut self, id: NodeId, ty: &Type, name: &str, span: Range<usize>, kinds: Kinds) {
        let excerpt = self.tree.excerpt(id);
        let is = if kinds == ty.kinds() { "is" } else { "may be" };
        let message =
            format!("`{excerpt}` {is} {}, so it has no fields", of_kinds(ty, kinds).phrase());
        let hint = match crate::functions::find(name) {
            Some(function) => Some(format!("to call the function, write `{}`", function.signature)),
            None if kinds == Kinds::LIST => {
                Some(format!("for the `{name}` of each item, write `.map(x => x.{name})`"))
            }
            None => None,
        };
        self.report(Fault::new(code::TYPE, span, message).maybe_hint(hint), id);
    }

    fn unknown_field(
        &mut self,
        id: NodeId,
        objects: &[Arc<Object>],
        name: &str,
        span: Range<usize>,
    ) {
        let mut names: Vec<&str> =
            objects.iter().flat_map(|object| object.fields.keys().map(AsRef::as_ref)).collect();
        names.sort_unstable();
        names.dedup();
        let hint = match nearest(name, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "it has no fields".to_owned(),
            None => {
                let shown: Vec<String> =
                    names.iter().take(8).map(|name| format!("`{name}`")).collect();
                let more = if names.len() > 8 { ", …" } else { "" };
                format!("it has {}{more}", shown.join(", "))
            }
        };
        let message = format!("`{}` has no field `{name}`", self.tree.excerpt(id));
        self.report(Fault::new(code::UNKNOWN_FIELD, span, message).hint(hint), id);
    }

    /// The type of an item of a list, or of a field by a computed name.
    pub(super) fn index(&mut self, object: NodeId, ty: &Type, index: NodeId, reads: Reads) -> Type {
        let key = self.ty(index);
        if let Type::Text(Some(keys)) = &key
            && keys.len() <= MAX_KEYS
            && ty.kinds().within(Kinds::OBJECT.or(Kinds::NULL).or(Kinds::DYN))
        {
            let span = self.tree.span(index);
            let known = self.findings.len();
            let mut values = Vec::new();
            for key in keys.iter() {
                values.push(self.field(object, ty, key, span.clone(), reads));
                if self.findings.len() > known {
                    break;
                }
            }
            return Type::union(values);
        }
        let mut cases = Cases::default();
        for member in ty.members() {
            match member {
                Type::Dyn => cases.values.push(Type::Dyn),
                Type::Null => cases.null = true,
                Type::List(item, _) => {
                    self.list_index(&key, index);
                    cases.values.push(item.as_ref().clone());
                    // Whether there is such an item is a matter of the value.
                    cases.missing |= reads == Reads::OrNull;
                }
                Type::Object(known) => {
                    let what = "the index of an object is text";
                    self.wants(index, &key, Kinds::TEXT, what, (None, None));
                    cases.values.push(known.any_value());
                    cases.missing |= known.rest != Rest::Open(Type::Dyn);
                }
                other => {
                    cases.other = Some(cases.other.unwrap_or(Kinds::NONE).or(other.kinds()));
                }
            }
        }
        self.index_faults(object, ty, index, reads, &cases);
        cases.value(reads)
    }

    fn list_index(&mut self, key: &Type, index: NodeId) {
        let what = "the index of a list is a whole number";
        if self.wants(index, key, Kinds::NUMBER, what, (None, None))
            && key.members().contains(&Type::Number)
        {
            let message = format!("{what}, but `{}` may have decimals", self.tree.excerpt(index));
            let fault = Fault::new(code::TYPE, self.tree.span(index), message);
            self.report(fault.hint("make it whole with `int(…)` or `.floor()`"), index);
        }
    }

    fn index_faults(
        &mut self,
        object: NodeId,
        ty: &Type,
        index: NodeId,
        reads: Reads,
        cases: &Cases,
    ) {
        let excerpt = self.tree.excerpt(object);
        if let Some(other) = cases.other {
            let is = if other == ty.kinds() { "is" } else { "may be" };
            let found = of_kinds(ty, other).phrase();
            let message = format!("`{excerpt}` {is} {found}, so it has no items");
            let hint = (other == Kinds::TEXT).then(|| "a character is `text.charAt(0)`".to_owned());
            let fault = Fault::new(code::TYPE, self.tree.span(object), message);
            self.report(fault.maybe_hint(hint), object);
        } else if cases.null && reads == Reads::Plainly {
            let message = format!("`{excerpt}` {} null, so it has no items", is_null(ty));
            let fault = Fault::new(code::MAYBE_NULL, self.tree.span(object), message);
            self.report(fault.hint("write `?[…]` if it may be null"), object);
        } else if cases.missing && reads == Reads::Plainly {
            let key = self.tree.excerpt(index);
            let message = format!("`{excerpt}` may have no field `{key}`");
            let fault = Fault::new(code::MAYBE_MISSING, self.tree.span(index), message);
            self.report(fault.hint("write `?[…]`, which is null then"), object);
        }
    }

    /// The type of what a path leads to where it leads somewhere, for `has`.
    pub(super) fn found(&mut self, id: NodeId) -> Type {
        let tree = self.tree;
        let (NodeKind::Member { object, .. } | NodeKind::Index { object, .. }) =
            &tree.node(id).kind
        else {
            return self.node(id);
        };
        let ty = self.found(*object).without_null();
        match &tree.node(id).kind {
            NodeKind::Member { name, name_span, .. } => {
                self.field(*object, &ty, name, name_span.range(), Reads::IfThere)
            }
            NodeKind::Index { index, .. } => self.index(*object, &ty, *index, Reads::IfThere),
            _ => Type::Never,
        }
    }
}

/// A field as it is written behind a value.
fn step(name: &str) -> String {
    let plain = name.chars().all(|c| c == '_' || c.is_alphanumeric());
    if plain { format!(".{name}") } else { format!("['{name}']") }
}
