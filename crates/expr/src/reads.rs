//! What an expression reads.
//!
//! Owns the walk that finds static paths, for whoever checks them against what exists.

use std::ops::Range;

use crate::tree::{NodeId, NodeKind, Tree, children};

/// One place at which an expression reads from its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The path as far as it is known without evaluating, for example `["steps", "invoice",
    /// "output", "status"]`. It ends before the first index that is not a literal string.
    pub path: Vec<String>,
    /// The bytes of that path in the source.
    pub span: Range<usize>,
}

/// All reads of a tree, in the order of the source.
pub(crate) fn of(tree: &Tree) -> Vec<Read> {
    let mut reads = Vec::new();
    visit(tree, tree.root, &mut reads);
    reads
}

/// Whether a name of the scope is among what a tree reads.
pub(crate) fn has(tree: &Tree, name: &str) -> bool {
    tree.nodes.iter().any(|node| matches!(&node.kind, NodeKind::Name(known) if **known == *name))
}

fn visit(tree: &Tree, id: NodeId, reads: &mut Vec<Read>) {
    match path(tree, id) {
        Some(path) => reads.push(Read { path, span: tree.span(id) }),
        None => children(&tree.node(id).kind, |child| visit(tree, child, reads)),
    }
}

/// The path that a node is, if it is one that starts at the scope.
fn path(tree: &Tree, id: NodeId) -> Option<Vec<String>> {
    match &tree.node(id).kind {
        NodeKind::Name(name) => Some(vec![name.to_string()]),
        NodeKind::Member { object, name, .. } => {
            let mut path = path(tree, *object)?;
            path.push(name.to_string());
            Some(path)
        }
        NodeKind::Index { object, index, .. } => {
            let NodeKind::Str(key) = &tree.node(*index).kind else { return None };
            let mut path = path(tree, *object)?;
            path.push(key.to_string());
            Some(path)
        }
        _ => None,
    }
}
