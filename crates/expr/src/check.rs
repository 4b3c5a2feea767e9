//! The checker: types an expression without evaluating it.
//!
//! Owns the type of every node, following the evaluator: what cannot fault there for any value of
//! the types given is not reported here, and what may fault because of the kind of a value is.
//! What depends on the value itself (a date, an index beyond a list's end, a division by zero)
//! stays with the evaluator. Recursion is bounded by the tree's height.

mod access;
mod call;
mod env;
mod facts;
mod macros;
mod mapping;
mod operator;

use std::ops::Range;
use std::sync::Arc;

pub use self::env::Env;
pub use self::mapping::{Segment, place_text};
use crate::fault::{Fault, code};
use crate::nearest::nearest;
use crate::tree::{Key, NodeId, NodeKind, Piece, Tree, Unary};
use crate::types::{Field, Kinds, Rest, Type};

/// What checking found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The type of the value. [`Type::Never`] where it could not be found out.
    pub ty: Type,
    /// What is wrong, in the order of the text.
    pub findings: Vec<Finding>,
    /// What is read although nothing is known of it.
    pub untyped: Vec<Untyped>,
    /// How many expressions were looked at.
    pub expressions: usize,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in a mapping; empty for an expression or template by itself.
    pub place: Vec<Segment>,
    /// Whether it is about the last key of `place` and not about its value.
    pub on_key: bool,
    /// What; its span is in the text of the expression or template at that place.
    pub fault: Fault,
    /// The path in the scope whose value it is about, where it is about one.
    pub path: Vec<String>,
}

/// A read of something of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untyped {
    /// Where in a mapping.
    pub place: Vec<Segment>,
    /// The bytes of the read in the text at that place.
    pub span: Range<usize>,
    /// The text of the read.
    pub text: String,
}

impl Checked {
    pub(crate) fn of(ty: Type) -> Self {
        Self { ty, findings: Vec::new(), untyped: Vec::new(), expressions: 0 }
    }

    /// Takes in what was found out about a part of it.
    pub(crate) fn absorb(&mut self, part: Self) -> Type {
        self.findings.extend(part.findings);
        self.untyped.extend(part.untyped);
        self.expressions += part.expressions;
        part.ty
    }
}

pub(crate) struct Checker<'t> {
    tree: &'t Tree,
    env: Env,
    findings: Vec<Finding>,
    untyped: Vec<Untyped>,
}

/// Types a tree.
pub(crate) fn run(tree: &Tree, env: &Env) -> Checked {
    checked(tree, env, |_, _| {})
}

/// Types a tree whose value becomes part of a text.
pub(crate) fn run_shown(tree: &Tree, env: &Env) -> Checked {
    checked(tree, env, |checker, ty| checker.shown(tree.root, ty))
}

fn checked(tree: &Tree, env: &Env, also: impl FnOnce(&mut Checker<'_>, &Type)) -> Checked {
    let mut checker = Checker { tree, env: env.clone(), findings: Vec::new(), untyped: Vec::new() };
    let ty = checker.ty(tree.root);
    also(&mut checker, &ty);
    let Checker { mut findings, untyped, .. } = checker;
    findings.sort_by_key(|finding| finding.fault.span.start);
    Checked { ty, findings, untyped, expressions: 1 }
}

/// What is known once a tree came out true, or false.
pub(crate) fn assume(tree: &Tree, env: &Env, truth: bool) -> Env {
    facts::assume(tree, env, tree.root, truth)
}

/// The path of names that a tree is, if it is one.
pub(crate) fn path(tree: &Tree) -> Option<Vec<String>> {
    facts::path(tree, tree.root).and_then(facts::Path::of_scope)
}

/// Types a mapping and holds it against what is wanted.
pub(crate) use self::mapping::run as mapping;

impl Checker<'_> {
    /// The type of a node. A value of which nothing is known is counted here.
    fn ty(&mut self, id: NodeId) -> Type {
        let ty = self.node(id);
        let read = match &self.tree.node(id).kind {
            NodeKind::Name(_)
            | NodeKind::Local(_)
            | NodeKind::Member { .. }
            | NodeKind::Index { .. } => true,
            // What it is made of is counted already.
            NodeKind::Call { args, .. } => args.len() < 2,
            _ => false,
        };
        if read && ty.is_dyn() && !self.counted_below(id) {
            self.count_untyped(id);
        }
        ty
    }

    fn counted_below(&self, id: NodeId) -> bool {
        let span = self.tree.span(id);
        let call = matches!(self.tree.node(id).kind, NodeKind::Call { .. });
        call && self
            .untyped
            .iter()
            .any(|known| span.start <= known.span.start && known.span.end <= span.end)
    }

    fn count_untyped(&mut self, id: NodeId) {
        let (span, text) = (self.tree.span(id), self.tree.excerpt(id));
        self.untyped.push(Untyped { place: Vec::new(), span, text });
    }

    fn node(&mut self, id: NodeId) -> Type {
        let tree = self.tree;
        match &tree.node(id).kind {
            NodeKind::Null => Type::Null,
            NodeKind::Bool(_) => Type::Bool,
            NodeKind::Int(_) => Type::Int,
            NodeKind::Float(_) => Type::Number,
            NodeKind::Str(text) => Type::texts([text.as_ref()]),
            NodeKind::Template(pieces) => self.template(pieces),
            NodeKind::Name(name) => self.name(name, id),
            NodeKind::Local(depth) => self.env.local(usize::from(*depth)),
            NodeKind::List(items) => self.list(items),
            NodeKind::Object(entries) => self.object(entries),
            NodeKind::Member { object, name, name_span, optional } => {
                let ty = self.node(*object);
                self.field(*object, &ty, name, name_span.range(), access::Reads::of(*optional))
            }
            NodeKind::Index { object, index, optional } => {
                let ty = self.node(*object);
                self.index(*object, &ty, *index, access::Reads::of(*optional))
            }
            NodeKind::Unary { operator: Unary::Not, operand } => {
                self.condition(*operand);
                Type::Bool
            }
            NodeKind::Unary { operator: Unary::Negate, operand } => self.negate(*operand),
            NodeKind::Binary { operator, left, right } => self.binary(*operator, *left, *right, id),
            NodeKind::And(left, right) => self.logic(*left, *right, true),
            NodeKind::Or(left, right) => self.logic(*left, *right, false),
            NodeKind::Coalesce(left, right) => {
                let (left, right) = (self.ty(*left), self.ty(*right));
                Type::union([left.without_null(), right])
            }
            NodeKind::Ternary { condition, then, otherwise } => {
                self.condition(*condition);
                let then = self.under(*condition, true, |checker| checker.ty(*then));
                let otherwise = self.under(*condition, false, |checker| checker.ty(*otherwise));
                Type::union([then, otherwise])
            }
            NodeKind::Has(path) => {
                if self.found(*path).is_dyn() {
                    self.count_untyped(*path);
                }
                Type::Bool
            }
            NodeKind::Macro { kind, list, filter, body } => {
                self.macro_call(*kind, *list, *filter, *body)
            }
            NodeKind::Call { function, args } => self.call(function, args, id),
            NodeKind::Omit | NodeKind::Invalid => Type::Never,
        }
    }

    /// Does something with what is known once a condition came out.
    fn under<T>(&mut self, condition: NodeId, truth: bool, work: impl FnOnce(&mut Self) -> T) -> T {
        let narrowed = facts::assume(self.tree, &self.env, condition, truth);
        let before = std::mem::replace(&mut self.env, narrowed);
        let result = work(self);
        self.env = before;
        result
    }

    fn logic(&mut self, left: NodeId, right: NodeId, and: bool) -> Type {
        self.condition(left);
        self.under(left, and, |checker| checker.condition(right));
        Type::Bool
    }

    fn name(&mut self, name: &str, id: NodeId) -> Type {
        if let Some(ty) = self.env.get(name) {
            return ty.clone();
        }
        let hint = match nearest(name, self.env.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", self.env.names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{name}` is not known here");
        self.report(Fault::new(code::UNKNOWN_NAME, self.tree.span(id), message).hint(hint), id);
        Type::Never
    }

    fn template(&mut self, pieces: &[Piece]) -> Type {
        for piece in pieces {
            if let Piece::Value(node) = piece {
                let ty = self.ty(*node);
                self.shown(*node, &ty);
            }
        }
        Type::TEXT
    }

    /// A value that becomes part of a text.
    fn shown(&mut self, id: NodeId, ty: &Type) {
        if !ty.has_null() {
            return;
        }
        let (excerpt, is) = (self.tree.excerpt(id), is_null(ty));
        let message = format!("`{excerpt}` {is} null, which has no text");
        let fault = Fault::new(code::MAYBE_NULL, self.tree.span(id), message);
        self.report(fault.hint("say what should stand here instead, for example `?? ''`"), id);
    }

    fn list(&mut self, items: &[NodeId]) -> Type {
        let filled = items.iter().any(|item| !crate::omit::may_omit(self.tree, *item));
        let types: Vec<Type> = items.iter().map(|item| self.ty(*item)).collect();
        Type::List(Arc::new(Type::union(types)), filled)
    }

    fn object(&mut self, entries: &[(Key, NodeId)]) -> Type {
        let mut fields = std::collections::BTreeMap::new();
        let mut others = Vec::new();
        for (key, node) in entries {
            let computed = match key {
                Key::Name(_) => None,
                Key::Computed(key) => {
                    let ty = self.ty(*key);
                    let hint = Some("convert it with `string(…)`");
                    self.wants(*key, &ty, Kinds::TEXT, "a key must be text", (hint, hint));
                    Some(ty)
                }
            };
            let required = !crate::omit::may_omit(self.tree, *node);
            let ty = self.ty(*node);
            let name: Option<Arc<str>> = match (key, computed) {
                (Key::Name(name), _) => Some(name.as_ref().into()),
                (_, Some(Type::Text(Some(texts)))) if texts.len() == 1 => texts.first().cloned(),
                _ => None,
            };
            match name {
                Some(name) => drop(fields.insert(name, Field { ty, required })),
                None => others.push(ty),
            }
        }
        let rest = if others.is_empty() { Rest::Closed } else { Rest::Open(Type::union(others)) };
        Type::object(fields, rest)
    }

    /// A value that must be true or false.
    fn condition(&mut self, id: NodeId) {
        let ty = self.ty(id);
        let hint = match ty.without_null().kinds() {
            Kinds::TEXT => "compare it, for example `!= ''`",
            Kinds::NUMBER => "compare it, for example `!= 0`",
            Kinds::LIST => "compare its size, for example `.size() > 0`",
            _ => "only true or false is a condition; compare it with something",
        };
        let null = "compare it, or give it a value: `?? false`";
        let what = "a condition must be true or false";
        self.wants(id, &ty, Kinds::BOOL, what, (Some(hint), Some(null)));
    }

    /// Reports a value that may be of a kind that is not taken. The hints are for a wrong kind and
    /// for null.
    fn wants(
        &mut self,
        id: NodeId,
        ty: &Type,
        taken: Kinds,
        what: &str,
        (hint, null): (Option<&str>, Option<&str>),
    ) -> bool {
        let bad = ty.kinds().minus(taken.or(Kinds::DYN));
        if bad == Kinds::NONE {
            return true;
        }
        let excerpt = self.tree.excerpt(id);
        let is = if bad == ty.kinds() { "is" } else { "may be" };
        let (code, found, hint) = if bad == Kinds::NULL {
            (code::MAYBE_NULL, "null".to_owned(), null)
        } else {
            (code::TYPE, of_kinds(ty, bad).phrase(), hint)
        };
        let message = format!("{what}, but `{excerpt}` {is} {found}");
        let fault = Fault::new(code, self.tree.span(id), message);
        self.report(fault.maybe_hint(hint.map(str::to_owned)), id);
        false
    }

    /// Notes a fault about the value of a node.
    fn report(&mut self, fault: Fault, about: NodeId) {
        let path = facts::path(self.tree, about).and_then(facts::Path::of_scope);
        let finding =
            Finding { place: Vec::new(), on_key: false, fault, path: path.unwrap_or_default() };
        // What is looked at twice, such as the list of a macro, is told once.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// The members of a type that are of some kinds.
fn of_kinds(ty: &Type, kinds: Kinds) -> Type {
    Type::union(ty.members().iter().filter(|member| member.kinds().any_of(kinds)).cloned())
}

/// Whether a type that has null is nothing else.
fn is_null(ty: &Type) -> &'static str {
    if *ty == Type::Null { "is" } else { "may be" }
}
