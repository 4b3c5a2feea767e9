//! Operands: literals, names, brackets, and what follows a value.
//!
//! Owns prefix and postfix forms. Calls are in `call`.

use super::Parser;
use crate::fault::code;
use crate::lexer::Tok;
use crate::number::Number;
use crate::tree::{Key, NodeId, NodeKind, Piece, Span, Unary};

impl Parser {
    pub(super) fn unary(&mut self) -> NodeId {
        let start = self.span();
        let not = *self.peek() == Tok::Ident && self.text() == "not" && self.operand_ahead();
        if not {
            self.fault_here(code::SYNTAX, "`not` is not an operator", Some("write `!`"));
        }
        let operator = match self.peek() {
            Tok::P("!") => Unary::Not,
            Tok::P("-") => Unary::Negate,
            Tok::Ident if not => Unary::Not,
            Tok::P("+") => {
                self.fault_here(code::SYNTAX, "a number has no sign `+`", Some("leave it out"));
                while self.eat("+") {}
                return self.nested(Self::unary);
            }
            _ => return self.postfix(),
        };
        self.advance();
        if operator == Unary::Negate
            && let Some(node) = self.smallest_int(start)
        {
            return node;
        }
        let operand = self.nested(Self::unary);
        let span = start.to(self.span_of(operand));
        self.add(NodeKind::Unary { operator, operand }, span)
    }

    fn operand_ahead(&self) -> bool {
        match self.peek_ahead(1) {
            Tok::Number | Tok::Str(_) | Tok::Ident => self.word_ahead(1) != Some("in"),
            Tok::P(symbol) => *symbol == "(" && self.tokens[self.at + 1].spaced,
            _ => false,
        }
    }

    /// `-9223372036854775808`, whose digits alone are no i64.
    fn smallest_int(&mut self, start: Span) -> Option<NodeId> {
        if *self.peek() != Tok::Number || self.text() != "9223372036854775808" {
            return None;
        }
        let span = start.to(self.span());
        self.advance();
        Some(self.add(NodeKind::Int(i64::MIN), span))
    }

    fn postfix(&mut self) -> NodeId {
        let mut node = self.primary();
        loop {
            match *self.peek() {
                Tok::P(symbol @ ("." | "?.")) => node = self.member(node, symbol == "?."),
                Tok::P(symbol @ ("[" | "?[")) => {
                    let opened = self.span();
                    self.advance();
                    let index = self.expression();
                    let end = self.close("]", opened);
                    let span = self.span_of(node).to(end);
                    let optional = symbol == "?[";
                    node = self.add(NodeKind::Index { object: node, index, optional }, span);
                }
                Tok::P("(") => {
                    let hint = Some("only functions and methods can be called");
                    self.fault_here(code::SYNTAX, "this value cannot be called", hint);
                    let opened = self.span();
                    self.advance();
                    self.recover();
                    self.close(")", opened);
                }
                _ => return node,
            }
        }
    }

    fn member(&mut self, object: NodeId, optional: bool) -> NodeId {
        self.advance();
        if *self.peek() != Tok::Ident {
            let shown = self.shown();
            let hint = match self.peek() {
                Tok::Number => Some("an item of a list is written `list[0]`"),
                Tok::Str(_) => Some("a field with an unusual name is written `a['the name']`"),
                _ => None,
            };
            let message = format!("expected the name of a field, found {shown}");
            self.fault_here(code::SYNTAX, &message, hint);
            return object;
        }
        if *self.peek_ahead(1) == Tok::P("(") && !self.tokens[self.at + 1].spaced {
            if optional {
                let hint = Some("write `(a ?? …).method()`, or check it with `has`");
                self.fault_here(code::SYNTAX, "a method cannot be called with `?.`", hint);
            }
            return self.method(object);
        }
        let name: Box<str> = self.text().into();
        let name_span = self.span();
        self.advance();
        let span = self.span_of(object).to(name_span);
        self.add(NodeKind::Member { object, name, name_span, optional }, span)
    }

    fn primary(&mut self) -> NodeId {
        let span = self.span();
        match self.peek().clone() {
            Tok::Number => self.number(),
            Tok::Str(text) => {
                self.advance();
                self.add(NodeKind::Str(text.into()), span)
            }
            Tok::Backtick => self.template(),
            Tok::Ident => self.name(),
            Tok::P("(") => {
                self.advance();
                let node = self.expression();
                let end = self.close(")", span);
                // The parentheses belong to what a fault about the value points at.
                let whole = span.to(end);
                self.nodes[node.0 as usize].span = whole;
                node
            }
            Tok::P("[") => {
                let items = self.sequence(span, "]", Self::expression);
                let span = span.to(items.1);
                self.add(NodeKind::List(items.0.into()), span)
            }
            Tok::P("{") => self.object(),
            _ => self.no_operand(),
        }
    }

    fn no_operand(&mut self) -> NodeId {
        let shown = self.shown();
        let span = self.span();
        let hint = match self.peek() {
            Tok::P("=>") => {
                Some("a lambda stands inside `map`, `filter` and the like: list.map(x => …)")
            }
            Tok::P(
                "&&" | "||" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "*" | "/" | "%" | "??",
            ) => Some("a value is missing before it"),
            _ => None,
        };
        self.fault_here(code::SYNTAX, &format!("expected a value, found {shown}"), hint);
        if matches!(self.peek(), Tok::P("=>" | "." | "?." | ":" | "?")) {
            self.advance();
        }
        self.recover();
        self.reported_at = Some(self.at);
        self.add(NodeKind::Invalid, span)
    }

    fn number(&mut self) -> NodeId {
        let span = self.span();
        let text = self.text().to_owned();
        self.advance();
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = match hex {
            Some(digits) => i64::from_str_radix(digits, 16).ok().map(Number::Int),
            None if text.starts_with('.') => Number::parse(&format!("0{text}")),
            None => Number::parse(&text),
        };
        match number {
            Some(Number::Int(int)) => self.add(NodeKind::Int(int), span),
            Some(Number::Float(float)) => self.add(NodeKind::Float(float), span),
            None => {
                let message = format!("`{text}` is not a number that can be represented");
                self.fault_at(code::OVERFLOW, span, &message, None);
                self.add(NodeKind::Invalid, span)
            }
        }
    }

    fn name(&mut self) -> NodeId {
        let span = self.span();
        if *self.peek_ahead(1) == Tok::P("(") && self.text() != "in" {
            return self.free_call();
        }
        let text = self.text().to_owned();
        self.advance();
        let kind = match text.as_str() {
            "null" => NodeKind::Null,
            "true" => NodeKind::Bool(true),
            "false" => NodeKind::Bool(false),
            "in" => {
                self.at -= 1;
                self.fault_here(code::SYNTAX, "`in` needs a value on its left", None);
                self.advance();
                NodeKind::Invalid
            }
            _ => match self.bound.iter().rposition(|bound| *bound == text) {
                Some(depth) => NodeKind::Local(depth as u16),
                None => {
                    self.foreign_word(&text, span);
                    NodeKind::Name(text.into())
                }
            },
        };
        self.add(kind, span)
    }

    /// Words of other languages for what this one spells differently.
    fn foreign_word(&mut self, word: &str, span: Span) {
        let hint = match word {
            "None" | "nil" | "undefined" | "NULL" | "Null" => "write `null`",
            "True" | "TRUE" => "write `true`",
            "False" | "FALSE" => "write `false`",
            "if" => "a choice is written `condition ? value : other value`",
            _ => return,
        };
        let message = format!("`{word}` is not a word of this language");
        self.fault_at(code::SYNTAX, span, &message, Some(hint.to_owned()));
        if word == "if" {
            self.recover();
            self.reported_at = Some(self.at);
        }
    }

    /// Items with commas between them, a trailing one allowed, up to a bracket. Stands on what
    /// comes before the first item.
    pub(super) fn sequence<T>(
        &mut self,
        opened: Span,
        closing: &'static str,
        mut item: impl FnMut(&mut Self) -> T,
    ) -> (Vec<T>, Span) {
        self.advance();
        let mut items = Vec::new();
        while !matches!(self.peek(), Tok::P(")" | "]" | "}") | Tok::Close | Tok::End) {
            items.push(item(self));
            if self.eat(",") {
                continue;
            }
            if !matches!(self.peek(), Tok::P(")" | "]" | "}") | Tok::Close | Tok::End) {
                self.unexpected(opened, closing);
                self.recover();
                self.reported_at = Some(self.at);
            }
            if !self.eat(",") {
                break;
            }
        }
        let end = self.close(closing, opened);
        (items, end)
    }

    fn object(&mut self) -> NodeId {
        let span = self.span();
        let (entries, end) = self.sequence(span, "}", Self::entry);
        let mut seen: Vec<&str> = Vec::new();
        let mut repeated = Vec::new();
        for (key, value) in &entries {
            if let Key::Name(name) = key {
                if seen.contains(&name.as_ref()) {
                    repeated.push((name.clone(), self.span_of(*value)));
                }
                seen.push(name);
            }
        }
        for (name, span) in repeated {
            let message = format!("the key `{name}` is given twice");
            self.fault_at(code::SYNTAX, span, &message, Some("remove one of them".to_owned()));
        }
        self.add(NodeKind::Object(entries.into()), span.to(end))
    }

    fn entry(&mut self) -> (Key, NodeId) {
        let key = match self.peek().clone() {
            Tok::Ident => {
                let name = self.text().into();
                self.advance();
                Key::Name(name)
            }
            Tok::Str(text) => {
                self.advance();
                Key::Name(text.into())
            }
            Tok::P("[") => {
                let opened = self.span();
                self.advance();
                let node = self.expression();
                self.close("]", opened);
                Key::Computed(node)
            }
            _ => {
                let shown = self.shown();
                let hint =
                    "keys are names, strings, or expressions in brackets: {a: 1, 'b c': 2, [x]: 3}";
                let message = format!("expected a key, found {shown}");
                self.fault_here(code::SYNTAX, &message, Some(hint));
                return (Key::Name("".into()), self.no_operand());
            }
        };
        if !self.eat(":") {
            let shown = self.shown();
            let message = format!("expected `:` after the key, found {shown}");
            let hint = Some("an entry is written `key: value`");
            self.fault_here(code::SYNTAX, &message, hint);
            return (key, self.no_operand());
        }
        (key, self.expression())
    }

    fn template(&mut self) -> NodeId {
        let start = self.span();
        self.advance();
        let mut pieces = Vec::new();
        loop {
            match self.peek().clone() {
                Tok::Text(text) => {
                    self.advance();
                    pieces.push(Piece::Text(text.into()));
                }
                Tok::Open => {
                    let opened = self.span();
                    self.advance();
                    pieces.push(Piece::Value(self.expression()));
                    if *self.peek() == Tok::Close {
                        self.advance();
                        continue;
                    }
                    let shown = self.shown();
                    self.fault_here(code::SYNTAX, &format!("expected `}}`, found {shown}"), None);
                    self.recover();
                    while !matches!(self.peek(), Tok::Close | Tok::Backtick | Tok::End) {
                        self.advance();
                    }
                    if *self.peek() == Tok::Close {
                        self.advance();
                    } else if *self.peek() == Tok::End {
                        self.reported_at = Some(self.at);
                        return self.add(NodeKind::Invalid, opened);
                    }
                }
                Tok::Backtick => {
                    let span = start.to(self.span());
                    self.advance();
                    return self.add(NodeKind::Template(pieces.into()), span);
                }
                _ => {
                    // The lexer reported that it is never closed.
                    self.reported_at = Some(self.at);
                    return self.add(NodeKind::Invalid, start);
                }
            }
        }
    }
}
