//! Operators on values.
//!
//! Owns which kinds each operator takes and the words of its refusal. The arithmetic itself is
//! [`Number`]'s.

use std::cmp::Ordering;

use super::{Answer, Machine, article};
use crate::fault::{Stop, code};
use crate::number::{NoResult, Number};
use crate::tree::{Binary, NodeId};
use crate::value::Value;

impl<'a> Machine<'_, 'a> {
    pub(super) fn binary(
        &mut self,
        operator: Binary,
        left: NodeId,
        right: NodeId,
        id: NodeId,
    ) -> Answer<'a> {
        match operator {
            Binary::Equal | Binary::NotEqual => {
                let (a, b) = (self.eval(left)?, self.eval(right)?);
                let equal = self.equal(&a, &b, id)?;
                Ok(Value::Bool(equal == (operator == Binary::Equal)))
            }
            Binary::In => {
                let (a, b) = (self.plain(left)?, self.eval(right)?);
                self.contains(&a, &b, left, right).map(Value::Bool)
            }
            _ => {
                let (a, b) = (self.plain(left)?, self.plain(right)?);
                if operator.is_ordering() {
                    let order = self.order(operator, &a, &b, (left, right), id)?;
                    return Ok(Value::Bool(match operator {
                        Binary::Less => order == Ordering::Less,
                        Binary::LessEqual => order != Ordering::Greater,
                        Binary::Greater => order == Ordering::Greater,
                        _ => order != Ordering::Less,
                    }));
                }
                if let (Some(x), Some(y)) = (a.as_number(), b.as_number()) {
                    return self.arithmetic(operator, x, y, id);
                }
                match (operator, &a, &b) {
                    (Binary::Add, Value::Str(x), Value::Str(y)) => {
                        self.build(x.len() + y.len(), id)?;
                        Ok(Value::Str(format!("{x}{y}").into()))
                    }
                    (Binary::Add, ..) if a.type_name() == "list" && b.type_name() == "list" => {
                        let mut items = self.items_of(&a, left)?;
                        items.extend(self.items_of(&b, right)?);
                        Ok(Value::list(items))
                    }
                    _ => Err(self.refused(operator, &a, &b, (left, right), id)),
                }
            }
        }
    }

    fn arithmetic(&self, operator: Binary, x: Number, y: Number, id: NodeId) -> Answer<'a> {
        let result = match operator {
            Binary::Add => x.checked_add(y),
            Binary::Subtract => x.checked_sub(y),
            Binary::Multiply => x.checked_mul(y),
            Binary::Divide => x.checked_div(y),
            _ => x.checked_rem(y),
        };
        result
            .map(Value::from)
            .map_err(|reason| self.no_result(reason, &format!("{x} {} {y}", operator.symbol()), id))
    }

    fn no_result(&self, reason: NoResult, sum: &str, id: NodeId) -> Stop {
        let fault = match reason {
            NoResult::Overflow => {
                let message = format!("the result of {sum} is too large for a number");
                self.fault(code::OVERFLOW, id, message)
            }
            NoResult::DivisionByZero => {
                self.fault(code::DIVISION, id, format!("{sum} divides by zero"))
            }
            NoResult::NotWhole => {
                let message = format!("the remainder of {sum} is defined for whole numbers only");
                self.fault(code::TYPE, id, message)
                    .hint("make them whole with `int(…)` or `.round()`")
            }
        };
        fault.into()
    }

    pub(super) fn negate(&mut self, operand: NodeId, id: NodeId) -> Answer<'a> {
        let value = self.plain(operand)?;
        match value.as_number() {
            Some(number) => number
                .checked_neg()
                .map(Value::from)
                .map_err(|reason| self.no_result(reason, &format!("-({number})"), id)),
            None => {
                let kind = article(value.type_name());
                let message =
                    format!("`-` takes a number, but `{}` is {kind}", self.tree.excerpt(operand));
                Err(self.fault(code::TYPE, operand, message).into())
            }
        }
    }

    fn order(
        &mut self,
        operator: Binary,
        a: &Value<'a>,
        b: &Value<'a>,
        nodes: (NodeId, NodeId),
        id: NodeId,
    ) -> Result<Ordering, Stop> {
        if let (Some(x), Some(y)) = (a.as_number(), b.as_number()) {
            return Ok(x.compare(y));
        }
        if let (Value::Str(x), Value::Str(y)) = (a, b) {
            self.read(x.len().min(y.len()), id)?;
            return Ok(x.cmp(y));
        }
        Err(self.refused(operator, a, b, nodes, id))
    }

    /// Operands of kinds that an operator does not take.
    fn refused(
        &self,
        operator: Binary,
        a: &Value<'a>,
        b: &Value<'a>,
        (left, right): (NodeId, NodeId),
        id: NodeId,
    ) -> Stop {
        let symbol = operator.symbol();
        for (value, node) in [(a, left), (b, right)] {
            if value.is_null() {
                let message = format!(
                    "`{symbol}` cannot take null, but `{}` is null",
                    self.tree.excerpt(node)
                );
                let hint = match operator {
                    Binary::Add => "give it a value: `?? 0` or `?? ''`",
                    _ => "give it a value: `?? 0`",
                };
                return self.fault(code::NULL, node, message).hint(hint).into();
            }
        }
        let (x, y) = (a.type_name(), b.type_name());
        let message = format!("`{symbol}` cannot take {} and {}", article(x), article(y));
        let hint = match (operator, x, y) {
            (Binary::Add, "string", _) | (Binary::Add, _, "string") => {
                "for text, write `…${x}…` in backticks or `string(x)`; for a sum, `double(x)`"
            }
            (Binary::Add, "object", "object") => "to combine objects, write `a.merge(b)`",
            (_, "string", _) | (_, _, "string") => "convert the string with `double(…)`",
            _ if operator.is_ordering() => {
                "numbers are compared with numbers, strings with strings"
            }
            _ => "it takes two numbers",
        };
        // Where one operand alone is wrong, point at it.
        let at = match (operator, x, y) {
            (Binary::Add, ..) => id,
            (_, "number", _) => right,
            (_, _, "number") => left,
            _ => id,
        };
        self.fault(code::TYPE, at, message).hint(hint).into()
    }

    fn contains(
        &mut self,
        item: &Value<'a>,
        list: &Value<'a>,
        left: NodeId,
        right: NodeId,
    ) -> Result<bool, Stop> {
        match list.type_name() {
            "list" => {
                for candidate in self.items_of(list, right)? {
                    if self.equal(item, &candidate, right)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            "object" => match item {
                Value::Str(key) => Ok(self.field(list, key, right)?.is_some()),
                other => {
                    let kind = article(other.type_name());
                    let message = format!("the keys of an object are strings, but this is {kind}");
                    Err(self.fault(code::TYPE, left, message).into())
                }
            },
            kind => {
                let excerpt = self.tree.excerpt(right);
                let message =
                    format!("`in` takes a list or an object, but `{excerpt}` is {}", article(kind));
                let hint = match kind {
                    "string" => {
                        Some("for a part of a string, write `text.contains(part)`".to_owned())
                    }
                    "null" => Some("if it may be null, write `(… ?? [])`".to_owned()),
                    _ => None,
                };
                let code = if kind == "null" { code::NULL } else { code::TYPE };
                Err(self.fault(code, right, message).maybe_hint(hint).into())
            }
        }
    }
}
