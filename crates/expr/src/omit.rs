//! Where `omit()` may stand.
//!
//! Owns the rule: where its absence has a meaning, as the value of an object's key, as an item of
//! a list, as what `map` makes of an item, or as the whole expression, and in a branch of any of
//! these.

use crate::fault::{Fault, code};
use crate::tree::{Macro, NodeId, NodeKind, Tree, children};

/// Reports each `omit()` of a tree that stands where nothing can be left out.
pub(crate) fn check(tree: &Tree, faults: &mut Vec<Fault>) {
    if tree.nodes.iter().any(|node| matches!(node.kind, NodeKind::Omit)) {
        visit(tree, tree.root, true, faults);
    }
}

/// Whether the value of the expression itself may be `omit()`.
pub(crate) fn may_omit(tree: &Tree, id: NodeId) -> bool {
    match &tree.node(id).kind {
        NodeKind::Omit => true,
        NodeKind::Ternary { then, otherwise, .. } => {
            may_omit(tree, *then) || may_omit(tree, *otherwise)
        }
        NodeKind::Coalesce(_, right) => may_omit(tree, *right),
        _ => false,
    }
}

/// The fault for an `omit()` that cannot be honoured.
pub(crate) fn misplaced(span: std::ops::Range<usize>) -> Fault {
    Fault::new(code::OMIT, span, "`omit()` can leave out a key or a list item, nothing else")
        .hint("let it be the whole value: `${{ condition ? value : omit() }}`")
}

/// `free` says whether leaving this node out has a meaning. Trees are of bounded height.
fn visit(tree: &Tree, id: NodeId, free: bool, faults: &mut Vec<Fault>) {
    let node = tree.node(id);
    match &node.kind {
        NodeKind::Omit if !free => faults.push(misplaced(node.span.range())),
        NodeKind::Ternary { condition, then, otherwise } => {
            visit(tree, *condition, false, faults);
            visit(tree, *then, free, faults);
            visit(tree, *otherwise, free, faults);
        }
        NodeKind::Coalesce(left, right) => {
            visit(tree, *left, false, faults);
            visit(tree, *right, free, faults);
        }
        NodeKind::List(items) => items.iter().for_each(|item| visit(tree, *item, true, faults)),
        NodeKind::Object(entries) => {
            for (key, value) in entries {
                if let crate::tree::Key::Computed(key) = key {
                    visit(tree, *key, false, faults);
                }
                visit(tree, *value, true, faults);
            }
        }
        NodeKind::Macro { kind: Macro::Map, list, filter, body } => {
            visit(tree, *list, false, faults);
            if let Some(filter) = filter {
                visit(tree, *filter, false, faults);
            }
            visit(tree, *body, true, faults);
        }
        kind => children(kind, |child| visit(tree, child, false, faults)),
    }
}
