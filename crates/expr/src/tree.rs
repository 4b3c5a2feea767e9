//! The parsed expression: an arena of nodes.
//!
//! Owns the shape of the tree. Every node keeps the bytes it was read from and has an id, so that
//! faults can point at it and side tables (types, for one) can be laid out beside it.

use std::ops::Range;
use std::sync::Arc;

use crate::functions::Function;

/// Index of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub u32);

/// Bytes of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        // Sources are at most a few KiB; a text beyond 4 GiB was refused before.
        Self { start: start as u32, end: end as u32 }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub fn to(self, end: Span) -> Self {
        Self { start: self.start, end: end.end }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub span: Span,
    /// Longest way down from here; bounds the recursion of everything that walks the tree.
    pub height: u16,
    pub kind: NodeKind,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Box<str>),
    Template(Box<[Piece]>),
    /// A root name, looked up in the scope.
    Name(Box<str>),
    /// A name bound by a macro: how many bindings enclose that one.
    Local(u16),
    List(Box<[NodeId]>),
    Object(Box<[(Key, NodeId)]>),
    Member {
        object: NodeId,
        name: Box<str>,
        name_span: Span,
        optional: bool,
    },
    Index {
        object: NodeId,
        index: NodeId,
        optional: bool,
    },
    Unary {
        operator: Unary,
        operand: NodeId,
    },
    Binary {
        operator: Binary,
        left: NodeId,
        right: NodeId,
    },
    And(NodeId, NodeId),
    Or(NodeId, NodeId),
    Coalesce(NodeId, NodeId),
    Ternary {
        condition: NodeId,
        then: NodeId,
        otherwise: NodeId,
    },
    Has(NodeId),
    Omit,
    Macro {
        kind: Macro,
        list: NodeId,
        filter: Option<NodeId>,
        body: NodeId,
    },
    Call {
        function: &'static Function,
        args: Box<[NodeId]>,
    },
    /// Stands where a fault was reported; never evaluated.
    Invalid,
}

#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(Box<str>),
    Value(NodeId),
}

#[derive(Clone, Debug)]
pub(crate) enum Key {
    Name(Box<str>),
    Computed(NodeId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    Negate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

impl Binary {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
        }
    }

    pub fn is_ordering(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }
}

/// What binds a name and evaluates its body once per item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    Map,
    Filter,
    All,
    Exists,
    ExistsOne,
    SortBy,
    GroupBy,
}

/// A complete expression.
#[derive(Debug)]
pub(crate) struct Tree {
    pub source: Arc<str>,
    pub nodes: Vec<Node>,
    pub root: NodeId,
}

impl Tree {
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn span(&self, id: NodeId) -> Range<usize> {
        self.node(id).span.range()
    }

    /// The source text of a node, cut to a length that fits into a message.
    pub fn excerpt(&self, id: NodeId) -> String {
        let text = self.source.get(self.span(id)).unwrap_or_default();
        let mut short: String = text.chars().take(60).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        short
    }
}

/// Calls `visit` for each node directly below one of this kind, in the order of the source.
pub(crate) fn children(kind: &NodeKind, mut visit: impl FnMut(NodeId)) {
    match kind {
        NodeKind::Template(pieces) => {
            for piece in pieces {
                if let Piece::Value(node) = piece {
                    visit(*node);
                }
            }
        }
        NodeKind::List(nodes) | NodeKind::Call { args: nodes, .. } => {
            nodes.iter().copied().for_each(visit);
        }
        NodeKind::Object(entries) => {
            for (key, value) in entries {
                if let Key::Computed(key) = key {
                    visit(*key);
                }
                visit(*value);
            }
        }
        NodeKind::Member { object: node, .. }
        | NodeKind::Unary { operand: node, .. }
        | NodeKind::Has(node) => visit(*node),
        NodeKind::Index { object: left, index: right, .. }
        | NodeKind::Binary { left, right, .. }
        | NodeKind::And(left, right)
        | NodeKind::Or(left, right)
        | NodeKind::Coalesce(left, right) => {
            visit(*left);
            visit(*right);
        }
        NodeKind::Ternary { condition, then, otherwise } => {
            visit(*condition);
            visit(*then);
            visit(*otherwise);
        }
        NodeKind::Macro { list, filter, body, .. } => {
            visit(*list);
            if let Some(filter) = filter {
                visit(*filter);
            }
            visit(*body);
        }
        NodeKind::Null
        | NodeKind::Bool(_)
        | NodeKind::Int(_)
        | NodeKind::Float(_)
        | NodeKind::Str(_)
        | NodeKind::Name(_)
        | NodeKind::Local(_)
        | NodeKind::Omit
        | NodeKind::Invalid => {}
    }
}
