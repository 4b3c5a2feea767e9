//! Macros: a body typed once for any item.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Checker;
use crate::fault::{Fault, code};
use crate::omit;
use crate::tree::{Macro, NodeId};
use crate::types::{Kinds, Rest, Type};

impl Checker<'_> {
    pub(super) fn macro_call(
        &mut self,
        kind: Macro,
        list: NodeId,
        filter: Option<NodeId>,
        body: NodeId,
    ) -> Type {
        let ty = self.ty(list);
        let item = self.items(list, &ty);
        match kind {
            Macro::Map => {
                self.env.bind(item);
                let mapped = match filter {
                    Some(filter) => {
                        self.condition(filter);
                        self.under(filter, true, |checker| checker.ty(body))
                    }
                    None => self.ty(body),
                };
                self.env.unbind();
                let filled = filter.is_none() && is_filled(&ty) && !omit::may_omit(self.tree, body);
                Type::List(Arc::new(mapped), filled)
            }
            Macro::Filter => {
                self.env.bind(item);
                self.condition(body);
                let kept = self.under(body, true, |checker| checker.env.unbind());
                self.env.unbind();
                Type::list(kept)
            }
            Macro::All | Macro::Exists | Macro::ExistsOne => {
                self.env.bind(item);
                self.condition(body);
                self.env.unbind();
                Type::Bool
            }
            Macro::SortBy => {
                let key = self.bound(item.clone(), body);
                self.ordered(body, &key, "`sortBy`");
                Type::List(Arc::new(item), is_filled(&ty))
            }
            Macro::GroupBy => {
                let key = self.bound(item.clone(), body);
                let taken = Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOL);
                let what = "groups are named by texts, numbers or true and false";
                self.wants(body, &key, taken, what, (None, Some("give it a value: `?? ''`")));
                Type::object(BTreeMap::new(), Rest::Open(Type::filled_list(item)))
            }
        }
    }

    fn bound(&mut self, item: Type, body: NodeId) -> Type {
        self.env.bind(item);
        let ty = self.ty(body);
        self.env.unbind();
        ty
    }

    /// What a macro goes through: the items of a list, the keys of an object.
    fn items(&mut self, list: NodeId, ty: &Type) -> Type {
        let taken = Kinds::LIST.or(Kinds::OBJECT);
        let null = Some("if it may be null, write `(… ?? [])`");
        self.wants(list, ty, taken, "this goes through the items of a list", (None, null));
        Type::union(ty.members().iter().map(|member| match member {
            Type::List(item, _) => item.as_ref().clone(),
            Type::Object(object) => object.any_key(),
            Type::Dyn => Type::Dyn,
            _ => Type::Never,
        }))
    }

    /// Reports values that have no common order.
    pub(super) fn ordered(&mut self, about: NodeId, ty: &Type, what: &str) -> bool {
        let kinds = ty.kinds().minus(Kinds::DYN);
        let taken = Kinds::NUMBER.or(Kinds::TEXT);
        if kinds.within(taken) && kinds.count() <= 1 {
            return true;
        }
        let (code, hint) = match kinds {
            _ if kinds.within(taken.or(Kinds::NULL)) && kinds.minus(Kinds::NULL).count() <= 1 => {
                (code::MAYBE_NULL, "leave nulls out with `.filter(x => x != null)`")
            }
            _ => (code::TYPE, "say what to sort by: `.sortBy(x => …)`"),
        };
        let message =
            format!("{what} puts numbers or texts in order, but these are {}", ty.phrase());
        self.report(Fault::new(code, self.tree.span(about), message).hint(hint), about);
        false
    }
}

/// Whether there is at least one item.
fn is_filled(ty: &Type) -> bool {
    matches!(ty, Type::List(_, true))
}
