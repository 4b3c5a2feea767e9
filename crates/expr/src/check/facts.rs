//! What a condition says once it came out true or false.
//!
//! Owns the forms of a guard: `has(a.b)`, `a.b != null`, `a.b == 'text'`, `a.b in ['x', 'y']`,
//! `a?.b ?? '' != ''`, a path that is a condition by itself, and `!`, `&&`, `||` of them. Any
//! other condition says nothing, which is always right.

use std::sync::Arc;

use super::env::{Env, Root};
use crate::tree::{Binary, NodeId, NodeKind, Tree, Unary};
use crate::types::Test;

/// A path that is known without evaluating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub root: Root,
    pub keys: Vec<Arc<str>>,
}

impl Path {
    /// Its words, if it starts at a name of the scope.
    pub fn of_scope(self) -> Option<Vec<String>> {
        let Root::Name(root) = self.root else { return None };
        Some(std::iter::once(root).chain(self.keys).map(|key| key.to_string()).collect())
    }
}

/// The path that a node is.
pub(super) fn path(tree: &Tree, id: NodeId) -> Option<Path> {
    let below = |object: NodeId, key: &str| {
        let mut path = path(tree, object)?;
        path.keys.push(key.into());
        Some(path)
    };
    match &tree.node(id).kind {
        NodeKind::Name(name) => {
            Some(Path { root: Root::Name(name.as_ref().into()), keys: Vec::new() })
        }
        NodeKind::Local(depth) => {
            Some(Path { root: Root::Local(usize::from(*depth)), keys: Vec::new() })
        }
        NodeKind::Member { object, name, .. } => below(*object, name),
        NodeKind::Index { object, index, .. } => match &tree.node(*index).kind {
            NodeKind::Str(key) => below(*object, key),
            _ => None,
        },
        _ => None,
    }
}

/// What is known once a condition came out.
pub(super) fn assume(tree: &Tree, env: &Env, condition: NodeId, truth: bool) -> Env {
    match &tree.node(condition).kind {
        NodeKind::Unary { operator: Unary::Not, operand } => assume(tree, env, *operand, !truth),
        NodeKind::And(left, right) => both(tree, env, (*left, *right), truth, true),
        NodeKind::Or(left, right) => both(tree, env, (*left, *right), truth, false),
        _ => match test(tree, condition, truth) {
            Some((path, test)) => {
                let mut env = env.clone();
                env.narrow(&path.root, &path.keys, &test);
                env
            }
            None => env.clone(),
        },
    }
}

/// Of `&&` (`deciding` true) or `||` (`deciding` false): the right side is only asked where the
/// left one came out as `deciding`.
fn both(tree: &Tree, env: &Env, sides: (NodeId, NodeId), truth: bool, deciding: bool) -> Env {
    let (left, right) = sides;
    let asked = assume(tree, env, left, deciding);
    if truth == deciding {
        return assume(tree, &asked, right, truth);
    }
    let at_once = assume(tree, env, left, truth);
    at_once.join(&assume(tree, &asked, right, truth))
}

fn test(tree: &Tree, condition: NodeId, truth: bool) -> Option<(Path, Test)> {
    match &tree.node(condition).kind {
        NodeKind::Has(node) => {
            Some((path(tree, *node)?, if truth { Test::Present } else { Test::Absent }))
        }
        NodeKind::Binary {
            operator: operator @ (Binary::Equal | Binary::NotEqual),
            left,
            right,
        } => {
            let equal = (*operator == Binary::Equal) == truth;
            compared(tree, *left, *right, equal).or_else(|| compared(tree, *right, *left, equal))
        }
        NodeKind::Binary { operator: Binary::In, left, right } => {
            let NodeKind::List(items) = &tree.node(*right).kind else { return None };
            let text = |id: &NodeId| match &tree.node(*id).kind {
                NodeKind::Str(text) => Some(Arc::from(text.as_ref())),
                _ => None,
            };
            let texts: Vec<Arc<str>> = items.iter().map(text).collect::<Option<_>>()?;
            Some((path(tree, *left)?, if truth { Test::OneOf(texts) } else { Test::NoneOf(texts) }))
        }
        NodeKind::Coalesce(left, right) => match &tree.node(*right).kind {
            NodeKind::Bool(default) if *default != truth => {
                Some((path(tree, *left)?, Test::NotNull))
            }
            _ => None,
        },
        // A value that came out true is no null, and one that came out false neither.
        _ => Some((path(tree, condition)?, Test::NotNull)),
    }
}

/// Of a path compared with a literal.
fn compared(tree: &Tree, left: NodeId, right: NodeId, equal: bool) -> Option<(Path, Test)> {
    let literal = &tree.node(right).kind;
    if let NodeKind::Coalesce(value, default) = &tree.node(left).kind {
        let default = &tree.node(*default).kind;
        if !is_literal(default) || !is_literal(literal) {
            return None;
        }
        let is_default = same(default, literal);
        return match (is_default, equal) {
            (true, false) => Some((path(tree, *value)?, Test::NotNull)),
            (false, true) => Some((path(tree, *value)?, is(literal, true))),
            _ => None,
        };
    }
    if !is_literal(literal) {
        return None;
    }
    let numeric = matches!(literal, NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_));
    if numeric && !equal {
        return None;
    }
    Some((path(tree, left)?, is(literal, equal)))
}

fn is(literal: &NodeKind, equal: bool) -> Test {
    match (literal, equal) {
        (NodeKind::Null, true) => Test::Nullish,
        (NodeKind::Str(text), true) => Test::OneOf(vec![text.as_ref().into()]),
        (NodeKind::Str(text), false) => Test::NoneOf(vec![text.as_ref().into()]),
        _ => Test::NotNull,
    }
}

fn is_literal(kind: &NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::Null
            | NodeKind::Bool(_)
            | NodeKind::Int(_)
            | NodeKind::Float(_)
            | NodeKind::Str(_)
    )
}

fn same(a: &NodeKind, b: &NodeKind) -> bool {
    match (a, b) {
        (NodeKind::Null, NodeKind::Null) => true,
        (NodeKind::Bool(a), NodeKind::Bool(b)) => a == b,
        (NodeKind::Int(a), NodeKind::Int(b)) => a == b,
        (NodeKind::Float(a), NodeKind::Float(b)) => a == b,
        (NodeKind::Int(a), NodeKind::Float(b)) | (NodeKind::Float(b), NodeKind::Int(a)) => {
            *a as f64 == *b
        }
        (NodeKind::Str(a), NodeKind::Str(b)) => a == b,
        _ => false,
    }
}
