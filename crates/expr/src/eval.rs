//! The evaluator: walks the tree over a scope.
//!
//! Owns the meaning of every node. Recursion is bounded by the tree's height, which the parser
//! bounds; work and memory are bounded by the meter. Refuses side effects, clocks and randomness:
//! the same expression over the same scope yields the same value.

mod access;
mod equal;
mod macros;
mod meter;
mod operator;

use std::borrow::Cow;

pub(crate) use self::equal::{Unequalled, equal};
pub(crate) use self::meter::{Exhausted, Meter};
use crate::fault::{Fault, Stop, code};
use crate::functions::{Call, Run};
use crate::scope::Scope;
use crate::tree::{Key, NodeId, NodeKind, Piece, Tree, Unary};
use crate::value::{Entry, Value, no_text};

pub(crate) type Answer<'a> = Result<Value<'a>, Stop>;

pub(crate) struct Machine<'e, 'a> {
    tree: &'a Tree,
    scope: &'e Scope<'a>,
    meter: &'e mut Meter,
    /// Values of the names bound by the macros around the current node, outermost first.
    locals: Vec<Value<'a>>,
}

/// Evaluates a tree.
pub(crate) fn run<'a>(tree: &'a Tree, scope: &Scope<'a>, meter: &mut Meter) -> Answer<'a> {
    Machine { tree, scope, meter, locals: Vec::new() }.eval(tree.root)
}

impl<'a> Machine<'_, 'a> {
    fn eval(&mut self, id: NodeId) -> Answer<'a> {
        self.spend(1, id)?;
        let tree = self.tree;
        match &tree.node(id).kind {
            NodeKind::Null => Ok(Value::Null),
            NodeKind::Bool(bool) => Ok(Value::Bool(*bool)),
            NodeKind::Int(int) => Ok(Value::Int(*int)),
            NodeKind::Float(float) => Ok(Value::Float(*float)),
            NodeKind::Str(text) => Ok(Value::Str(Cow::Borrowed(text))),
            NodeKind::Template(pieces) => self.template(pieces, id),
            NodeKind::Name(name) => self.name(name, id),
            NodeKind::Local(depth) => match self.locals.get(usize::from(*depth)) {
                Some(value) => Ok(value.clone()),
                None => Err(self.broken(id)),
            },
            NodeKind::List(items) => self.list(items),
            NodeKind::Object(entries) => self.object(entries, id),
            NodeKind::Member { object, name, name_span, optional } => {
                self.member(*object, name, *name_span, *optional)
            }
            NodeKind::Index { object, index, optional } => self.index(*object, *index, *optional),
            NodeKind::Unary { operator: Unary::Not, operand } => {
                Ok(Value::Bool(!self.bool(*operand)?))
            }
            NodeKind::Unary { operator: Unary::Negate, operand } => self.negate(*operand, id),
            NodeKind::Binary { operator, left, right } => self.binary(*operator, *left, *right, id),
            NodeKind::And(left, right) => Ok(Value::Bool(self.bool(*left)? && self.bool(*right)?)),
            NodeKind::Or(left, right) => Ok(Value::Bool(self.bool(*left)? || self.bool(*right)?)),
            NodeKind::Coalesce(left, right) => {
                let value = self.eval(*left)?;
                if value.is_null() { self.eval(*right) } else { Ok(value) }
            }
            NodeKind::Ternary { condition, then, otherwise } => {
                let chosen = if self.bool(*condition)? { *then } else { *otherwise };
                self.eval(chosen)
            }
            NodeKind::Has(path) => Ok(Value::Bool(self.find(*path)?.is_some())),
            NodeKind::Omit => Err(Stop::Omit),
            NodeKind::Macro { kind, list, filter, body } => {
                self.macro_call(*kind, *list, *filter, *body, id)
            }
            NodeKind::Call { function, args } => {
                let Run::Native(run) = function.run else { return Err(self.broken(id)) };
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    values.push(self.eval(*arg)?);
                }
                run(&mut Call::new(tree, id, args, &values, self.meter))
            }
            NodeKind::Invalid => Err(self.broken(id)),
        }
    }

    /// Evaluates a node and reads a payload's scalar out of its text.
    fn plain(&mut self, id: NodeId) -> Answer<'a> {
        let value = self.eval(id)?;
        self.read_out(value, id)
    }

    fn read_out(&mut self, value: Value<'a>, id: NodeId) -> Answer<'a> {
        let Value::Json(view) = value else { return Ok(value) };
        let Some(plain) = value.plain() else {
            let text: String = view.raw().chars().take(40).collect();
            let message = format!("the number {text} is too large to calculate with");
            return Err(self.fault(code::OVERFLOW, id, message).into());
        };
        if let Value::Str(Cow::Owned(text)) = &plain {
            self.build(text.len(), id)?;
        }
        Ok(plain)
    }

    fn bool(&mut self, id: NodeId) -> Result<bool, Stop> {
        let value = self.eval(id)?;
        match value.as_bool() {
            Some(bool) => Ok(bool),
            None => {
                let message = format!(
                    "expected true or false, but `{}` is {}",
                    self.tree.excerpt(id),
                    article(value.type_name())
                );
                let hint = match value.type_name() {
                    "null" => "compare it, or give it a value: `?? false`",
                    "string" => "compare it, for example `!= ''`",
                    "number" => "compare it, for example `!= 0`",
                    "list" => "compare its size, for example `.size() > 0`",
                    _ => "only a bool is a condition; compare it with something",
                };
                let code = if value.is_null() { code::NULL } else { code::TYPE };
                Err(self.fault(code, id, message).hint(hint).into())
            }
        }
    }

    fn template(&mut self, pieces: &'a [Piece], id: NodeId) -> Answer<'a> {
        let mut out = String::new();
        for piece in pieces {
            let before = out.len();
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(node) => {
                    let value = self.eval(*node)?;
                    let room = before + self.meter.room();
                    match value.write_text_within(&mut out, room) {
                        None => return Err(no_text(self.tree.span(*node)).into()),
                        Some(Ok(())) => {}
                        Some(Err(_)) => return Err(self.exhausted(Exhausted::Output, *node)),
                    }
                }
            }
            self.build(out.len() - before, id)?;
        }
        Ok(Value::Str(out.into()))
    }

    fn list(&mut self, nodes: &'a [NodeId]) -> Answer<'a> {
        let mut items = Vec::with_capacity(nodes.len());
        for node in nodes {
            match self.eval(*node) {
                Ok(value) => items.push(value),
                Err(Stop::Omit) => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(Value::list(items))
    }

    fn object(&mut self, nodes: &'a [(Key, NodeId)], id: NodeId) -> Answer<'a> {
        let mut entries: Vec<Entry<'a>> = Vec::with_capacity(nodes.len());
        let computed = nodes.iter().any(|(key, _)| matches!(key, Key::Computed(_)));
        for (key, node) in nodes {
            let key: Cow<'a, str> = match key {
                Key::Name(name) => Cow::Borrowed(name),
                Key::Computed(key) => match self.plain(*key)? {
                    Value::Str(text) => text,
                    other => {
                        let kind = article(other.type_name());
                        let message = format!("a key must be a string, but this is {kind}");
                        let fault = self.fault(code::TYPE, *key, message);
                        return Err(fault.hint("convert it with `string(…)`").into());
                    }
                },
            };
            if computed && entries.iter().any(|(known, _)| *known == key) {
                let message = format!("the key `{key}` is given twice");
                return Err(self.fault(code::VALUE, id, message).into());
            }
            match self.eval(*node) {
                Ok(value) => entries.push((key, value)),
                Err(Stop::Omit) => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(Value::object(entries))
    }

    fn fault(&self, code: &'static str, id: NodeId, message: impl Into<String>) -> Fault {
        Fault::new(code, self.tree.span(id), message)
    }

    /// A node that the parser never lets through.
    fn broken(&self, id: NodeId) -> Stop {
        self.fault(code::SYNTAX, id, "this was not understood").into()
    }

    fn exhausted(&self, exhausted: Exhausted, id: NodeId) -> Stop {
        exhausted_at(exhausted, self.tree, id)
    }

    #[inline]
    fn spend(&mut self, steps: usize, id: NodeId) -> Result<(), Stop> {
        self.meter.spend(steps).map_err(|exhausted| self.exhausted(exhausted, id))
    }

    fn read(&mut self, bytes: usize, id: NodeId) -> Result<(), Stop> {
        self.meter.read(bytes).map_err(|exhausted| self.exhausted(exhausted, id))
    }

    fn build(&mut self, bytes: usize, id: NodeId) -> Result<(), Stop> {
        self.meter.build(bytes).map_err(|exhausted| self.exhausted(exhausted, id))
    }
}

/// The fault for a bound that was reached at a node.
pub(crate) fn exhausted_at(exhausted: Exhausted, tree: &Tree, id: NodeId) -> Stop {
    let (code, message, hint) = match exhausted {
        Exhausted::Fuel => (
            code::FUEL,
            "the expression takes more steps than its limit",
            "work on fewer items, or split it over several steps",
        ),
        Exhausted::Output => (
            code::OUTPUT,
            "the expression produces more bytes than its limit",
            "pass on less, or a reference to it",
        ),
    };
    Fault::new(code, tree.span(id), message).hint(hint).into()
}

/// A kind of value with its article.
pub(crate) fn article(kind: &str) -> String {
    match kind {
        "null" => kind.to_owned(),
        "object" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}
