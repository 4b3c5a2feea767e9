//! What becomes part of the value of an expression.
//!
//! Owns the walk that follows values from where they are read to what the expression gives. A value
//! that is only compared, counted, hashed or cut is not part of it. Where it is not certain that a
//! value comes through, it does not: who asks wants no false alarm.

use std::ops::Range;

use crate::check::Segment;
use crate::functions::Function;
use crate::mapping::Mapping;
use crate::tree::{Binary, Macro, NodeId, NodeKind, Piece, Tree};

/// A value that becomes part of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Where in a mapping it becomes part; empty for an expression or template by itself.
    pub place: Vec<Segment>,
    /// The path it is read from, for example `["event", "data", "cards", "[]", "number"]`; `[]` is
    /// any item of a list, or a key that is not known without evaluating.
    pub path: Vec<String>,
    /// The bytes of the read in the text at that place.
    pub span: Range<usize>,
}

/// An item of a list in a path.
const ITEM: &str = "[]";

/// Functions that give back what they are given, in another form or as a part of something larger.
const CARRIERS: &[&str] = &[
    "string",
    "lower",
    "upper",
    "trim",
    "replace",
    "padStart",
    "padEnd",
    "split",
    "join",
    "json",
    "parseJson",
    "base64",
    "base64url",
    "fromBase64",
    "fromBase64url",
    "hex",
    "urlEncode",
    "urlDecode",
    "queryString",
    "merge",
    "flatten",
    "values",
    "entries",
];

/// Functions that give back some items of a list. Of a text, `slice` gives a part, and the end of a
/// secret may be shown.
const SOME_OF: &[&str] = &["distinct", "sort", "slice"];

/// All values that become part of a tree's.
pub(crate) fn of(tree: &Tree) -> Vec<Shown> {
    let mut walk = Walk { tree, locals: Vec::new(), shown: Vec::new() };
    walk.visit(tree.root);
    walk.shown
}

struct Walk<'t> {
    tree: &'t Tree,
    /// What the names bound by macros may stand for, the outermost first.
    locals: Vec<Vec<Vec<String>>>,
    shown: Vec<Shown>,
}

impl Walk<'_> {
    fn visit(&mut self, id: NodeId) {
        let tree = self.tree;
        match &tree.node(id).kind {
            NodeKind::Name(_)
            | NodeKind::Local(_)
            | NodeKind::Member { .. }
            | NodeKind::Index { .. } => {
                let span = tree.span(id);
                let read = |path| Shown { place: Vec::new(), path, span: span.clone() };
                let shown: Vec<Shown> = self.paths(id).into_iter().map(read).collect();
                self.shown.extend(shown);
            }
            NodeKind::Template(pieces) => {
                for piece in pieces {
                    if let Piece::Value(value) = piece {
                        self.visit(*value);
                    }
                }
            }
            NodeKind::List(items) => items.iter().for_each(|item| self.visit(*item)),
            NodeKind::Object(entries) => entries.iter().for_each(|(_, value)| self.visit(*value)),
            NodeKind::Coalesce(left, right)
            | NodeKind::Binary { operator: Binary::Add, left, right } => {
                self.visit(*left);
                self.visit(*right);
            }
            NodeKind::Ternary { then, otherwise, .. } => {
                self.visit(*then);
                self.visit(*otherwise);
            }
            NodeKind::Macro { kind: Macro::Map, list, body, .. } => {
                let items = self.items(*list);
                self.locals.push(items);
                self.visit(*body);
                self.locals.pop();
            }
            NodeKind::Macro {
                kind: Macro::Filter | Macro::SortBy | Macro::GroupBy, list, ..
            } => {
                self.visit(*list);
            }
            NodeKind::Call { function, args } => self.call(function, args),
            _ => {}
        }
    }

    fn call(&mut self, function: &Function, args: &[NodeId]) {
        let of_list = ["first", "last", "distinct", "sort"].contains(&function.name);
        let carried = match CARRIERS.contains(&function.name) {
            true => args,
            false if of_list => args.get(..1).unwrap_or_default(),
            false => &[],
        };
        carried.iter().for_each(|arg| self.visit(*arg));
    }

    /// The paths of whose values the node's value is one.
    fn paths(&self, id: NodeId) -> Vec<Vec<String>> {
        let tree = self.tree;
        let below = |object: NodeId, key: &str| {
            let mut paths = self.paths(object);
            paths.iter_mut().for_each(|path| path.push(key.to_owned()));
            paths
        };
        match &tree.node(id).kind {
            NodeKind::Name(name) => vec![vec![name.to_string()]],
            NodeKind::Local(depth) => {
                self.locals.get(usize::from(*depth)).cloned().unwrap_or_default()
            }
            NodeKind::Member { object, name, .. } => below(*object, name),
            NodeKind::Index { object, index, .. } => match &tree.node(*index).kind {
                NodeKind::Str(key) => below(*object, key),
                _ => below(*object, ITEM),
            },
            NodeKind::Coalesce(left, right) => [self.paths(*left), self.paths(*right)].concat(),
            NodeKind::Ternary { then, otherwise, .. } => {
                [self.paths(*then), self.paths(*otherwise)].concat()
            }
            NodeKind::Macro { kind: Macro::Filter | Macro::SortBy, list, .. } => self.paths(*list),
            NodeKind::Call { function, args } => match (function.name, args.first()) {
                ("first" | "last", Some(list)) => self.items(*list),
                (name, Some(list)) if SOME_OF.contains(&name) => self.paths(*list),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The paths of the items of a list.
    fn items(&self, list: NodeId) -> Vec<Vec<String>> {
        let mut paths = self.paths(list);
        paths.iter_mut().for_each(|path| path.push(ITEM.to_owned()));
        paths
    }
}

/// All values that become part of a mapping's.
pub(crate) fn of_mapping(mapping: &Mapping) -> Vec<Shown> {
    let mut shown = Vec::new();
    collect(mapping, &mut Vec::new(), &mut shown);
    shown
}

fn collect(mapping: &Mapping, place: &mut Vec<Segment>, shown: &mut Vec<Shown>) {
    match mapping {
        Mapping::Literal(_) => {}
        Mapping::Template(template) => {
            let placed = |found| Shown { place: place.clone(), ..found };
            shown.extend(template.shows().into_iter().map(placed));
        }
        Mapping::List(items) => {
            for (index, item) in items.iter().enumerate() {
                place.push(Segment::Index(index));
                collect(item, place, shown);
                place.pop();
            }
        }
        Mapping::Object(entries) => {
            for (key, value) in entries {
                place.push(Segment::Key(key.clone()));
                collect(value, place, shown);
                place.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Expr, Template};

    fn shown(text: &str) -> String {
        let shown = Expr::parse(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let paths: Vec<String> = shown.shows().iter().map(|shown| shown.path.join(".")).collect();
        paths.join(" ")
    }

    #[test]
    fn values_come_through_what_gives_them_back() {
        for (text, paths) in [
            ("a.b", "a.b"),
            ("a?.b['c']", "a.b.c"),
            ("a.b[0].c", "a.b.[].c"),
            ("a[b.c]", "a.[]"),
            ("a.b ?? c.d", "a.b c.d"),
            ("(a.b ?? c).d", "a.b.d c.d"),
            ("a.x ? b.y : 'no'", "b.y"),
            ("'key ' + a.b", "a.b"),
            ("`key ${a.b}`", "a.b"),
            ("{k: a.b, l: [c]}", "a.b c"),
            ("a.b.trim().lower()", "a.b"),
            ("base64(a.b)", "a.b"),
            ("json(a)", "a"),
            ("a.cards.map(c, c.number)", "a.cards.[].number"),
            ("a.cards.filter(c, c.cvc != '')", "a.cards"),
            ("a.cards.filter(c, true).first().cvc", "a.cards.[].cvc"),
            ("a.map(x, x.b.map(y, [x.c, y.d]))", "a.[].c a.[].b.[].d"),
        ] {
            assert_eq!(shown(text), paths, "{text}");
        }
    }

    #[test]
    fn what_is_compared_counted_hashed_or_cut_is_not_shown() {
        for text in [
            "a.b == 'x'",
            "has(a.b)",
            "!a.b",
            "a.b != null && a.c",
            "a.b.size()",
            "a.b.contains('x')",
            "sha256(a.b)",
            "hmacSha256(a.b, 'x')",
            "a.b.slice(-4)",
            "a.b.substring(0, 2)",
            "a.exists(x, x.secret == '1')",
            "a.without(['b'])",
            "{k: a.b}.l",
            "a.b * 2",
            "omit()",
            "'text'",
        ] {
            assert_eq!(shown(text), "", "{text}");
        }
    }

    #[test]
    fn spans_are_those_of_the_reads_in_the_whole_text() {
        let template = Template::parse("a ${{ event.token }} b").unwrap();
        let shown = template.shows();
        assert_eq!(&template.source()[shown[0].span.clone()], "event.token");
    }
}
