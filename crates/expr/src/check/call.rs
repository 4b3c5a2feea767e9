//! Calls of functions and methods.
//!
//! Owns how an argument is held against what its function takes, in the words of the evaluator.

use std::sync::Arc;

use super::Checker;
use crate::fault::{Fault, code};
use crate::functions::{Function, Given, Gives, Takes};
use crate::tree::{NodeId, NodeKind};
use crate::types::{Kinds, Type};

impl Checker<'_> {
    pub(super) fn call(&mut self, function: &Function, args: &[NodeId], id: NodeId) -> Type {
        let types: Vec<Type> = args.iter().map(|arg| self.ty(*arg)).collect();
        let takes = function.types.takes;
        if takes.first() == Some(&Takes::Choice) {
            self.choice(function, args, &types, id);
        } else {
            for (index, (arg, ty)) in args.iter().zip(&types).enumerate() {
                if let Some(takes) = takes.get(index).or(takes.last()) {
                    self.argument(function.name, *takes, *arg, ty);
                }
            }
        }
        match function.types.gives {
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Number => Type::Number,
            Gives::Text => Type::TEXT,
            Gives::Dyn => Type::Dyn,
            Gives::By(make) => {
                let texts = args.get(1).and_then(|arg| self.written_texts(*arg));
                make(&Given { types: &types, texts })
            }
            Gives::Node => Type::Never,
        }
    }

    fn written_texts(&self, id: NodeId) -> Option<Vec<Arc<str>>> {
        let NodeKind::List(items) = &self.tree.node(id).kind else { return None };
        let text = |item: &NodeId| match &self.tree.node(*item).kind {
            NodeKind::Str(text) => Some(Arc::from(text.as_ref())),
            _ => None,
        };
        items.iter().map(text).collect()
    }

    fn argument(&mut self, name: &str, takes: Takes, arg: NodeId, ty: &Type) {
        let Some((kinds, wanted)) = kinds(takes) else {
            if takes == Takes::Shown {
                self.shown(arg, ty);
            }
            return;
        };
        let hint = match (wanted, ty.without_null().kinds()) {
            ("text", Kinds::NUMBER) => Some("convert it with `string(…)`"),
            ("text", Kinds::LIST) if name == "contains" => Some("write `x in list`"),
            ("a number", Kinds::TEXT) => Some("convert it with `double(…)`"),
            ("a whole number", Kinds::TEXT) => Some("convert it with `int(…)`"),
            _ => None,
        };
        let null = match wanted {
            "text" => "if it may be null, write `(… ?? '')`",
            "a list" => "if it may be null, write `(… ?? [])`",
            _ => "give it a value with `??`",
        };
        let what = format!("`{name}` needs {wanted}");
        if !self.wants(arg, ty, kinds, &what, (hint, Some(null))) {
            return;
        }
        if takes == Takes::Whole && ty.members().contains(&Type::Number) {
            let excerpt = self.tree.excerpt(arg);
            let message = format!("{what}, but `{excerpt}` may have decimals");
            let fault = Fault::new(code::TYPE, self.tree.span(arg), message);
            self.report(fault.hint("make it whole with `int(…)` or `.round()`"), arg);
        }
        for member in ty.members() {
            match (takes, member) {
                (Takes::Ordered, Type::List(item, _)) => {
                    self.ordered(arg, item, &format!("`{name}`"));
                }
                (_, Type::List(item, _)) => self.items_of(name, takes, arg, item),
                (Takes::Query, Type::Object(object)) => {
                    let values = object.fields.values().map(|field| &field.ty);
                    let rest = match &object.rest {
                        crate::types::Rest::Open(ty) => Some(ty),
                        _ => None,
                    };
                    for ty in values.chain(rest) {
                        self.query_value(arg, ty);
                    }
                }
                _ => {}
            }
        }
    }

    fn items_of(&mut self, name: &str, takes: Takes, arg: NodeId, item: &Type) {
        let (taken, wanted) = match takes {
            Takes::Texts => (Kinds::TEXT, "texts"),
            Takes::Numbers => (Kinds::NUMBER, "numbers"),
            Takes::ShownItems => (EVERYTHING.minus(Kinds::NULL), "texts"),
            _ => return,
        };
        let bad = item.kinds().minus(taken.or(Kinds::DYN));
        if bad == Kinds::NONE {
            return;
        }
        let excerpt = self.tree.excerpt(arg);
        let found = super::of_kinds(item, bad).phrase();
        let message =
            format!("`{name}` needs a list of {wanted}, but items of `{excerpt}` may be {found}");
        let (code, hint) = match bad {
            Kinds::NULL => {
                (code::MAYBE_NULL, Some("leave nulls out with `.filter(x => x != null)`"))
            }
            _ => (code::TYPE, None),
        };
        let fault = Fault::new(code, self.tree.span(arg), message);
        self.report(fault.maybe_hint(hint.map(str::to_owned)), arg);
    }

    fn query_value(&mut self, arg: NodeId, ty: &Type) {
        let scalars = Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOL).or(Kinds::DYN);
        let mut bad = ty.kinds().minus(scalars.or(Kinds::LIST));
        for member in ty.members() {
            if let Type::List(item, _) = member {
                bad = bad.or(item.kinds().minus(scalars));
            }
        }
        if bad == Kinds::NONE {
            return;
        }
        let excerpt = self.tree.excerpt(arg);
        let (code, found, hint) = match bad {
            Kinds::NULL => (code::MAYBE_NULL, "null", "leave it out with `omit()`"),
            _ => (code::TYPE, "a list or an object", "encode it with `json(…)`"),
        };
        let message =
            format!("a value in `{excerpt}` may be {found}, which has no place in a query");
        self.report(Fault::new(code, self.tree.span(arg), message).hint(hint), arg);
    }

    /// `min` and `max`: a list, or several values.
    fn choice(&mut self, function: &Function, args: &[NodeId], types: &[Type], id: NodeId) {
        if let ([arg], [ty]) = (args, types) {
            return self.argument(function.name, Takes::Ordered, *arg, ty);
        }
        let what = format!("`{}`", function.name);
        self.ordered(id, &Type::union(types.iter().cloned()), &what);
    }
}

const EVERYTHING: Kinds =
    Kinds::NULL.or(Kinds::BOOL).or(Kinds::NUMBER).or(Kinds::TEXT).or(Kinds::LIST).or(Kinds::OBJECT);

/// The kinds of an argument and their words; `None` where any kind will do.
fn kinds(takes: Takes) -> Option<(Kinds, &'static str)> {
    Some(match takes {
        Takes::Any | Takes::Shown => return None,
        Takes::Text => (Kinds::TEXT, "text"),
        Takes::Number => (Kinds::NUMBER, "a number"),
        Takes::Whole => (Kinds::NUMBER, "a whole number"),
        Takes::Object | Takes::Query => (Kinds::OBJECT, "an object"),
        Takes::Sized => {
            (Kinds::TEXT.or(Kinds::LIST).or(Kinds::OBJECT), "text, a list or an object")
        }
        Takes::TextOrList => (Kinds::TEXT.or(Kinds::LIST), "text or a list"),
        Takes::TextOrNumber => (Kinds::TEXT.or(Kinds::NUMBER), "text or a number"),
        Takes::TextOrBool => (Kinds::TEXT.or(Kinds::BOOL), "text or true and false"),
        Takes::List
        | Takes::Texts
        | Takes::Numbers
        | Takes::Ordered
        | Takes::Choice
        | Takes::ShownItems => (Kinds::LIST, "a list"),
    })
}
