//! Operators on types.
//!
//! Owns which kinds each operator takes, as the evaluator does, and comparisons whose answer is
//! known beforehand.

use std::sync::Arc;

use super::{Checker, is_null};
use crate::fault::{Fault, code};
use crate::nearest::nearest;
use crate::tree::{Binary, NodeId, NodeKind};
use crate::types::{Kinds, Type};

impl Checker<'_> {
    pub(super) fn negate(&mut self, operand: NodeId) -> Type {
        let ty = self.ty(operand);
        let hints = (Some("convert it with `double(…)`"), Some("give it a value: `?? 0`"));
        self.wants(operand, &ty, Kinds::NUMBER, "`-` takes a number", hints);
        if ty == Type::Int { Type::Int } else { Type::Number }
    }

    pub(super) fn binary(
        &mut self,
        operator: Binary,
        left: NodeId,
        right: NodeId,
        id: NodeId,
    ) -> Type {
        let (a, b) = (self.ty(left), self.ty(right));
        match operator {
            Binary::Equal | Binary::NotEqual => {
                self.comparable(operator, (left, &a), (right, &b), id);
                Type::Bool
            }
            Binary::In => {
                self.membership((left, &a), (right, &b), id);
                Type::Bool
            }
            _ => {
                let known = self.operands(operator, (left, &a), (right, &b), id);
                if operator.is_ordering() { Type::Bool } else { result(operator, known, &a, &b) }
            }
        }
    }

    /// Reports a comparison whose sides have nothing in common.
    fn comparable(
        &mut self,
        operator: Binary,
        (left, a): (NodeId, &Type),
        (right, b): (NodeId, &Type),
        id: NodeId,
    ) {
        // Asking for null is a guard, also where nobody expects one.
        let null = |node| matches!(self.tree.node(node).kind, NodeKind::Null);
        if null(left) || null(right) || *a == Type::Never || *b == Type::Never || a.overlaps(b) {
            return;
        }
        let answer = if operator == Binary::Equal { "false" } else { "true" };
        self.constant((left, a), (right, b), answer, id);
    }

    fn constant(
        &mut self,
        (left, a): (NodeId, &Type),
        (right, b): (NodeId, &Type),
        answer: &str,
        id: NodeId,
    ) {
        let literal = |node: NodeId| matches!(self.tree.node(node).kind, NodeKind::Str(_));
        let (x, y) = (self.tree.excerpt(left), self.tree.excerpt(right));
        let (x_words, y_words) = (a.phrase(), b.phrase());
        let holds =
            matches!(self.tree.node(id).kind, NodeKind::Binary { operator: Binary::In, .. });
        let why = match (literal(left), literal(right)) {
            _ if holds => format!("`{x}` is {x_words}, and `{y}` holds {y_words}"),
            (false, true) => format!("`{x}` is {x_words}, never {y}"),
            (true, false) => format!("`{y}` is {y_words}, never {x}"),
            _ => format!("`{x}` is {x_words}, and `{y}` is {y_words}"),
        };
        let message = format!("this is always {answer}: {why}");
        let hint = match (one_text(a), one_text(b), a, b) {
            (_, Some(text), Type::Text(Some(known)), _)
            | (Some(text), _, _, Type::Text(Some(known))) => {
                nearest(text, known.iter()).map(|near| format!("did you mean '{near}'?"))
            }
            (_, Some(text), Type::Int | Type::Number, _)
            | (Some(text), _, _, Type::Int | Type::Number)
                if text.parse::<f64>().is_ok() =>
            {
                Some(format!("a number is written without quotes: `{text}`"))
            }
            _ => None,
        };
        let fault = Fault::new(code::NEVER, self.tree.span(id), message);
        self.report(fault.maybe_hint(hint), id);
    }

    fn membership(&mut self, (left, a): (NodeId, &Type), (right, b): (NodeId, &Type), id: NodeId) {
        let hint = match b.without_null().kinds() {
            Kinds::TEXT => Some("for a part of a text, write `text.contains(part)`"),
            _ => None,
        };
        let null = Some("if it may be null, write `(… ?? [])`");
        let taken = Kinds::LIST.or(Kinds::OBJECT);
        if !self.wants(right, b, taken, "`in` takes a list or an object", (hint, null)) {
            return;
        }
        let mut candidates = Vec::new();
        for member in b.members() {
            match member {
                Type::List(item, _) => candidates.push(item.as_ref().clone()),
                Type::Object(object) => {
                    let what = "the keys of an object are text";
                    let hint = Some("convert it with `string(…)`");
                    if !self.wants(left, a, Kinds::TEXT, what, (hint, None)) {
                        return;
                    }
                    candidates.push(object.any_key());
                }
                _ => candidates.push(Type::Dyn),
            }
        }
        let candidates = Type::union(candidates);
        if *a != Type::Never && candidates != Type::Never && !a.overlaps(&candidates) {
            self.constant((left, a), (right, &candidates), "false", id);
        }
    }

    /// Reports operands of kinds that an operator does not take. Returns the kinds they have.
    fn operands(
        &mut self,
        operator: Binary,
        (left, a): (NodeId, &Type),
        (right, b): (NodeId, &Type),
        id: NodeId,
    ) -> Kinds {
        let symbol = operator.symbol();
        let taken = match operator {
            Binary::Add => Kinds::NUMBER.or(Kinds::TEXT).or(Kinds::LIST),
            _ if operator.is_ordering() => Kinds::NUMBER.or(Kinds::TEXT),
            _ => Kinds::NUMBER,
        };
        let known = |ty: &Type| ty.kinds().minus(Kinds::DYN.or(Kinds::NULL));
        let (x, y) = (known(a), known(b));
        let sound = x.within(taken) && y.within(taken) && x.or(y).count() <= 1;
        let either = x.or(y);
        if !sound && x != Kinds::NONE && y != Kinds::NONE
            || !either.within(taken) && (x == Kinds::NONE || y == Kinds::NONE)
        {
            let (a_words, b_words) = (a.without_null().phrase(), b.without_null().phrase());
            let message = format!("`{symbol}` cannot take {a_words} and {b_words}");
            let at = match (operator, x == Kinds::NUMBER, y == Kinds::NUMBER) {
                (Binary::Add, ..) => id,
                (_, true, false) => right,
                (_, false, true) => left,
                _ => id,
            };
            let fault = Fault::new(code::TYPE, self.tree.span(at), message);
            self.report(fault.hint(hint(operator, x, y)), at);
            return Kinds::NONE;
        }
        for (node, ty) in [(left, a), (right, b)] {
            if ty.has_null() {
                let excerpt = self.tree.excerpt(node);
                let message =
                    format!("`{symbol}` cannot take null, but `{excerpt}` {} null", is_null(ty));
                let hint = match operator {
                    Binary::Add => "give it a value: `?? 0` or `?? ''`",
                    _ => "give it a value: `?? 0`",
                };
                let fault = Fault::new(code::MAYBE_NULL, self.tree.span(node), message);
                self.report(fault.hint(hint), node);
                return either;
            }
            if operator == Binary::Remainder && ty.members().contains(&Type::Number) {
                let excerpt = self.tree.excerpt(node);
                let message = format!("`%` takes whole numbers, but `{excerpt}` may have decimals");
                let fault = Fault::new(code::TYPE, self.tree.span(node), message);
                self.report(fault.hint("make it whole with `int(…)` or `.round()`"), node);
                return either;
            }
        }
        either
    }
}

fn one_text(ty: &Type) -> Option<&str> {
    match ty {
        Type::Text(Some(texts)) if texts.len() == 1 => texts.first().map(AsRef::as_ref),
        _ => None,
    }
}

fn hint(operator: Binary, x: Kinds, y: Kinds) -> &'static str {
    let text = x.any_of(Kinds::TEXT) || y.any_of(Kinds::TEXT);
    match operator {
        Binary::Add if text => {
            "for text, write `…${x}…` in backticks or `string(x)`; for a sum, `double(x)`"
        }
        Binary::Add if x == Kinds::OBJECT && y == Kinds::OBJECT => {
            "to combine objects, write `a.merge(b)`"
        }
        _ if text => "convert the text with `double(…)`",
        _ if operator.is_ordering() => "numbers are compared with numbers, texts with texts",
        _ => "it takes two numbers",
    }
}

/// The type of a sum, product and the like, given the kinds of its operands.
fn result(operator: Binary, kinds: Kinds, a: &Type, b: &Type) -> Type {
    let whole = *a == Type::Int && *b == Type::Int && operator != Binary::Divide;
    match (operator, kinds) {
        (Binary::Remainder, _) => Type::Int,
        (_, Kinds::NUMBER) if whole => Type::Int,
        (_, Kinds::NUMBER) => Type::Number,
        (Binary::Add, Kinds::TEXT) => Type::TEXT,
        (Binary::Add, Kinds::LIST) => {
            let items = |ty: &Type| match ty.without_null() {
                Type::List(item, filled) => (item.as_ref().clone(), filled),
                _ => (Type::Dyn, false),
            };
            let ((a, one), (b, other)) = (items(a), items(b));
            Type::List(Arc::new(Type::union([a, b])), one || other)
        }
        (Binary::Add, Kinds::NONE) if a.is_dyn() || b.is_dyn() => Type::Dyn,
        (Binary::Add, _) => Type::Never,
        _ => Type::Number,
    }
}
