//! What a condition says once it came out true or false.
//!
//! Owns the forms of a guard: `has(a.b)`, `'b' in a`, `a.b != null`, `a.b == 'text'`,
//! `a.b in ['x', 'y']`, `type(a.b) == 'string'`, a path that is a condition by itself, anything
//! that comes out otherwise where `a?.b ?? default` is its default or `a.size()` is 0, and `!`,
//! `&&`, `||` of them.
//! Any other condition says nothing, which is always right.

use std::sync::Arc;

use super::env::{Env, Root};
use crate::eval::{self, Meter};
use crate::expr::Limits;
use crate::scope::Scope;
use crate::tree::{Binary, NodeId, NodeKind, Tree, Unary, children};
use crate::types::{Kinds, Test};

/// Conditions looked at to learn what one says; those of `&&` and `||` are looked at twice.
const MAX_CONDITIONS: usize = 256;
/// Paths of one condition in whose place something is tried, and the largest tree that is.
const MAX_TRIED: usize = 4;
const MAX_NODES: usize = 256;
/// Steps that trying something in place of a path may take.
const TRYING_FUEL: u64 = 1_000;

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
    let mut budget = MAX_CONDITIONS;
    assume_within(tree, env, condition, truth, &mut budget)
}

/// Looks at `left` more conditions at most; what is not looked at says nothing.
fn assume_within(tree: &Tree, env: &Env, condition: NodeId, truth: bool, left: &mut usize) -> Env {
    let Some(fewer) = left.checked_sub(1) else { return env.clone() };
    *left = fewer;
    match &tree.node(condition).kind {
        NodeKind::Unary { operator: Unary::Not, operand } => {
            assume_within(tree, env, *operand, !truth, left)
        }
        NodeKind::And(a, b) => both(tree, env, (*a, *b), (truth, true), left),
        NodeKind::Or(a, b) => both(tree, env, (*a, *b), (truth, false), left),
        _ => {
            let mut env = env.clone();
            for (path, test) in test(tree, &env, condition, truth)
                .into_iter()
                .chain(otherwise(tree, condition, truth))
            {
                env.narrow(&path.root, &path.keys, &test);
            }
            env
        }
    }
}

/// Of `&&` (`deciding` true) or `||` (`deciding` false): the right side is only asked where the
/// left one came out as `deciding`.
fn both(
    tree: &Tree,
    env: &Env,
    (first, second): (NodeId, NodeId),
    (truth, deciding): (bool, bool),
    left: &mut usize,
) -> Env {
    let asked = assume_within(tree, env, first, deciding, left);
    if truth == deciding {
        return assume_within(tree, &asked, second, truth, left);
    }
    let at_once = assume_within(tree, env, first, truth, left);
    at_once.join(&assume_within(tree, &asked, second, truth, left))
}

fn test(tree: &Tree, env: &Env, condition: NodeId, truth: bool) -> Option<(Path, Test)> {
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
            let NodeKind::List(items) = &tree.node(*right).kind else {
                return key_in(tree, env, *left, *right, truth);
            };
            let text = |id: &NodeId| match &tree.node(*id).kind {
                NodeKind::Str(text) => Some(Arc::from(text.as_ref())),
                _ => None,
            };
            let texts: Vec<Arc<str>> = items.iter().map(text).collect::<Option<_>>()?;
            Some((path(tree, *left)?, if truth { Test::OneOf(texts) } else { Test::NoneOf(texts) }))
        }
        // A value that came out true is no null, and one that came out false neither.
        _ => Some((path(tree, condition)?, Test::NotNull)),
    }
}

/// Of a path compared with a literal.
fn compared(tree: &Tree, left: NodeId, right: NodeId, equal: bool) -> Option<(Path, Test)> {
    let literal = &tree.node(right).kind;
    if let (NodeKind::Call { function, args }, NodeKind::Str(kind)) =
        (&tree.node(left).kind, literal)
        && function.name == "type"
        && let [of] = args.as_ref()
    {
        return Some((path(tree, *of)?, of_kind(kind, equal)?));
    }
    if let (NodeKind::Coalesce(value, default), NodeKind::Str(text)) =
        (&tree.node(left).kind, literal)
        && equal
        && matches!(&tree.node(*default).kind, NodeKind::Str(default) if default != text)
    {
        return Some((path(tree, *value)?, is(literal, true)));
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

/// What the name of a kind, as `type` gives it, says.
fn of_kind(name: &str, equal: bool) -> Option<Test> {
    let kinds = match name {
        "null" => return Some(if equal { Test::Nullish } else { Test::NotNull }),
        "bool" => Kinds::BOOL,
        "number" => Kinds::NUMBER,
        "string" => Kinds::TEXT,
        "list" => Kinds::LIST,
        "object" => Kinds::OBJECT,
        _ => return None,
    };
    Some(if equal { Test::Kind(kinds) } else { Test::NotKind(kinds) })
}

/// Of `'key' in a.b`, where `a.b` is an object and no list.
fn key_in(tree: &Tree, env: &Env, key: NodeId, of: NodeId, truth: bool) -> Option<(Path, Test)> {
    let NodeKind::Str(key) = &tree.node(key).kind else { return None };
    let mut path = path(tree, of)?;
    if !env.at(&path.root, &path.keys).kinds().within(Kinds::OBJECT) {
        return None;
    }
    path.keys.push(key.as_ref().into());
    Some((path, if truth { Test::Present } else { Test::Absent }))
}

/// The paths that led to something else than what the condition comes out otherwise with: not to
/// null where a default stands behind them, and not to an empty list where their size is asked.
/// `a?.b ?? 0 > 5` is false where `a?.b` is null, and `a.size() > 0` where there is no item.
fn otherwise(tree: &Tree, condition: NodeId, truth: bool) -> Vec<(Path, Test)> {
    let mut instead = Vec::new();
    if tree.nodes.len() <= MAX_NODES {
        replaceable(tree, condition, &mut instead);
        instead.truncate(MAX_TRIED);
    }
    let stands = |Instead { node, path: of, kind, test }: Instead| {
        let path = path(tree, of)?;
        let mut nodes = tree.nodes.clone();
        nodes[node.0 as usize].kind = kind;
        let replaced = Tree { source: Arc::clone(&tree.source), nodes, root: condition };
        let limits = Limits { fuel: TRYING_FUEL, output_bytes: 4096 };
        // Whatever else it reads is not known here, and then this is a fault.
        let answer =
            eval::run(&replaced, &Scope::new(), &mut Meter::new(limits)).ok()?.as_bool()?;
        (answer != truth).then_some((path, test))
    };
    instead.into_iter().filter_map(stands).collect()
}

/// What is tried in place of a node, the path it stands for, and what is known if it was not so.
struct Instead {
    node: NodeId,
    path: NodeId,
    kind: NodeKind,
    test: Test,
}

/// What can be tried at a node or below, outside of macros.
fn replaceable(tree: &Tree, id: NodeId, found: &mut Vec<Instead>) {
    let empty = || NodeKind::List(Box::default());
    match &tree.node(id).kind {
        NodeKind::Coalesce(value, default) => {
            let kind = tree.node(*default).kind.clone();
            let list = matches!(&kind, NodeKind::List(items) if items.is_empty());
            let test = if list { Test::Filled } else { Test::NotNull };
            found.push(Instead { node: id, path: *value, kind, test });
        }
        NodeKind::Call { function, args } if function.name == "size" => match args.as_ref() {
            [list] if path(tree, *list).is_some() => {
                found.push(Instead { node: *list, path: *list, kind: empty(), test: Test::Filled });
            }
            _ => args.iter().for_each(|arg| replaceable(tree, *arg, found)),
        },
        NodeKind::Macro { list, .. } => replaceable(tree, *list, found),
        kind => children(kind, |child| replaceable(tree, child, found)),
    }
}
