//! Tokens into a tree: a Pratt parser that goes on after a fault.
//!
//! Owns precedence, the limits on source and nesting, and recovery: after a bad token it resumes
//! at the next `,` `)` `]` `}` or the end, so that one run reports several faults. Refuses to look
//! at values or types.

mod call;
mod operand;

use std::sync::Arc;

use crate::fault::{Fault, code};
use crate::lexer::{Tok, Token, Tokens};
use crate::tree::{Binary, Node, NodeId, NodeKind, Span, Tree};

/// The longest source of one expression, in bytes.
pub const MAX_SOURCE_BYTES: usize = 16 * 1024;
/// The deepest nesting of brackets, operators' right sides and calls.
pub const MAX_NESTING: usize = 64;
/// The highest tree, which also bounds chains such as `a + b + c + …`.
pub const MAX_HEIGHT: usize = 256;
/// Faults after this many are noise.
const MAX_FAULTS: usize = 20;

/// How tightly an infix operator binds; larger is tighter.
mod power {
    pub const TERNARY: u8 = 1;
    pub const OR: u8 = 2;
    pub const AND: u8 = 3;
    pub const RELATION: u8 = 4;
    pub const SUM: u8 = 5;
    pub const PRODUCT: u8 = 6;
    pub const COALESCE: u8 = 7;
}

pub(crate) struct Parser {
    source: Arc<str>,
    tokens: Vec<Token>,
    at: usize,
    nodes: Vec<Node>,
    faults: Vec<Fault>,
    /// Names bound by the macros around the current place.
    bound: Vec<String>,
    nesting: usize,
    /// Index of the token at which a fault was last reported; a second one there is an echo.
    reported_at: Option<usize>,
}

#[derive(Clone, Copy)]
enum Infix {
    Ternary,
    Or,
    And,
    Coalesce,
    Binary(Binary),
}

/// Parses the tokens of one expression.
pub(crate) fn parse(source: Arc<str>, tokens: Tokens) -> Result<Tree, Vec<Fault>> {
    let start = tokens.tokens.first().map_or(0, |token| token.span.start as usize);
    let end = tokens.tokens.last().map_or(0, |token| token.span.end as usize);
    if end - start > MAX_SOURCE_BYTES {
        let message = format!("this expression is longer than {MAX_SOURCE_BYTES} bytes");
        let fault = Fault::new(code::TOO_LARGE, start..end, message);
        return Err(vec![fault.hint("split it over several steps")]);
    }
    let mut parser = Parser {
        source,
        tokens: tokens.tokens,
        at: 0,
        nodes: Vec::new(),
        faults: tokens.faults,
        bound: Vec::new(),
        nesting: 0,
        reported_at: None,
    };
    let root = parser.complete();
    parser.check_height(root);
    let Parser { source, nodes, mut faults, .. } = parser;
    let tree = Tree { source, nodes, root };
    if faults.is_empty() {
        crate::omit::check(&tree, &mut faults);
    }
    if faults.is_empty() {
        return Ok(tree);
    }
    // What the lexer reported comes first, and a second fault at the same place is its echo.
    faults.sort_by_key(|fault| fault.span.start);
    faults.dedup_by_key(|fault| fault.span.start);
    faults.truncate(MAX_FAULTS);
    Err(faults)
}

impl Parser {
    fn complete(&mut self) -> NodeId {
        if matches!(self.peek(), Tok::End) {
            self.fault_here(code::SYNTAX, "an expression is missing here", None);
            return self.add(NodeKind::Invalid, self.span());
        }
        let root = self.expression();
        while !matches!(self.peek(), Tok::End) {
            self.left_over();
            self.advance();
            self.recover();
            if !matches!(self.peek(), Tok::End) {
                self.reported_at = Some(self.at);
                self.advance();
            }
            // What follows may hold more faults; its value is of no interest.
            if self.starts_operand() {
                self.expression();
            }
        }
        root
    }

    fn left_over(&mut self) {
        let shown = self.shown();
        let hint = match self.peek() {
            Tok::P(")" | "]" | "}") | Tok::Close => Some("there is no bracket for it to close"),
            Tok::P(",") => Some("one value is expected; write `[a, b]` for a list"),
            Tok::P("=>") => {
                Some("a lambda stands inside `map`, `filter` and the like: list.map(x => …)")
            }
            Tok::Number if shown.starts_with("`.") => {
                Some("an item of a list is written `list[0]`")
            }
            _ if self.starts_operand() => Some("an operator is missing before it"),
            _ => None,
        };
        self.fault_here(code::SYNTAX, &format!("{shown} does not belong here"), hint);
    }

    fn expression(&mut self) -> NodeId {
        self.nested(|parser| parser.infix(0))
    }

    /// Runs one level deeper, unless that is too deep.
    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> NodeId) -> NodeId {
        if self.nesting >= MAX_NESTING {
            let message = format!("nested deeper than {MAX_NESTING} levels");
            self.fault_here(code::TOO_LARGE, &message, Some("split it over several steps"));
            let span = self.span();
            // Everything after this would only report the same again.
            self.at = self.tokens.len() - 1;
            self.reported_at = Some(self.at);
            return self.add(NodeKind::Invalid, span);
        }
        self.nesting += 1;
        let node = parse(self);
        self.nesting -= 1;
        node
    }

    fn infix(&mut self, least: u8) -> NodeId {
        let mut left = self.unary();
        while let Some((infix, binding)) = self.infix_operator() {
            if binding < least {
                break;
            }
            if let Infix::Binary(operator) = infix {
                self.refuse_chain(left, operator);
            }
            let operator_at = self.at;
            self.advance();
            left = match infix {
                Infix::Ternary => self.ternary(left),
                Infix::Or => self.both(left, operator_at, binding + 1, NodeKind::Or),
                Infix::And => self.both(left, operator_at, binding + 1, NodeKind::And),
                // Right associative: `a ?? (b ?? c)`.
                Infix::Coalesce => self.both(left, operator_at, binding, NodeKind::Coalesce),
                Infix::Binary(operator) => {
                    self.both(left, operator_at, binding + 1, |left, right| NodeKind::Binary {
                        operator,
                        left,
                        right,
                    })
                }
            };
        }
        left
    }

    fn both(
        &mut self,
        left: NodeId,
        operator_at: usize,
        least: u8,
        kind: impl FnOnce(NodeId, NodeId) -> NodeKind,
    ) -> NodeId {
        if !self.starts_operand() {
            let operator = self.text_of(operator_at).to_owned();
            let shown = self.shown();
            let message = format!("`{operator}` needs a value on its right, found {shown}");
            let hint = format!("write a value behind `{operator}`, or remove it");
            self.fault_here(code::SYNTAX, &message, Some(&hint));
        }
        let right = self.nested(|parser| parser.infix(least));
        let span = self.span_of(left).to(self.span_of(right));
        self.add(kind(left, right), span)
    }

    fn ternary(&mut self, condition: NodeId) -> NodeId {
        let then = self.expression();
        if !self.eat(":") {
            let shown = self.shown();
            self.fault_here(
                code::SYNTAX,
                &format!("expected `:` and the other value, found {shown}"),
                Some("a choice is written `condition ? value : other value`"),
            );
            return then;
        }
        let otherwise = self.nested(|parser| parser.infix(power::TERNARY));
        let span = self.span_of(condition).to(self.span_of(otherwise));
        self.add(NodeKind::Ternary { condition, then, otherwise }, span)
    }

    /// `a < b < c` compares a bool with `c`, which nobody means.
    fn refuse_chain(&mut self, left: NodeId, operator: Binary) {
        let NodeKind::Binary { operator: before, .. } = self.nodes[left.0 as usize].kind else {
            return;
        };
        let parenthesised = self.at > 0 && matches!(self.tokens[self.at - 1].kind, Tok::P(")"));
        if before.is_ordering() && operator.is_ordering() && !parenthesised {
            self.fault_here(
                code::SYNTAX,
                "comparisons cannot be chained",
                Some("write `a < b && b < c`"),
            );
        }
    }

    /// The operator at the current place, if there is one, and how tightly it binds.
    fn infix_operator(&mut self) -> Option<(Infix, u8)> {
        let symbol = match self.peek() {
            Tok::P(symbol) => *symbol,
            Tok::Ident if self.text() == "in" => "in",
            Tok::Ident => self.word_operator()?,
            _ => return None,
        };
        Some(match symbol {
            "?" => (Infix::Ternary, power::TERNARY),
            "||" => (Infix::Or, power::OR),
            "&&" => (Infix::And, power::AND),
            "??" => (Infix::Coalesce, power::COALESCE),
            "==" => (Infix::Binary(Binary::Equal), power::RELATION),
            "!=" => (Infix::Binary(Binary::NotEqual), power::RELATION),
            "<" => (Infix::Binary(Binary::Less), power::RELATION),
            "<=" => (Infix::Binary(Binary::LessEqual), power::RELATION),
            ">" => (Infix::Binary(Binary::Greater), power::RELATION),
            ">=" => (Infix::Binary(Binary::GreaterEqual), power::RELATION),
            "in" => (Infix::Binary(Binary::In), power::RELATION),
            "+" => (Infix::Binary(Binary::Add), power::SUM),
            "-" => (Infix::Binary(Binary::Subtract), power::SUM),
            "*" => (Infix::Binary(Binary::Multiply), power::PRODUCT),
            "/" => (Infix::Binary(Binary::Divide), power::PRODUCT),
            "%" => (Infix::Binary(Binary::Remainder), power::PRODUCT),
            _ => return None,
        })
    }

    /// A word that is an operator elsewhere: reported, and read as what it means there.
    fn word_operator(&mut self) -> Option<&'static str> {
        let word = self.text().to_owned();
        let (meant, hint) = match word.as_str() {
            "and" | "AND" => ("&&", "write `&&`"),
            "or" | "OR" => ("||", "write `||`"),
            "is" | "eq" => ("==", "write `==`"),
            "ne" => ("!=", "write `!=`"),
            "mod" => ("%", "write `%`"),
            "div" => ("/", "write `/`"),
            "not" if self.word_ahead(1) == Some("in") => ("in", "write `!(x in list)`"),
            _ => return None,
        };
        self.fault_here(code::SYNTAX, &format!("`{word}` is not an operator"), Some(hint));
        if word == "not" {
            self.advance();
        }
        Some(meant)
    }

    // Tokens.

    fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn peek(&self) -> &Tok {
        &self.token().kind
    }

    fn peek_ahead(&self, count: usize) -> &Tok {
        &self.tokens[(self.at + count).min(self.tokens.len() - 1)].kind
    }

    fn word_ahead(&self, count: usize) -> Option<&str> {
        (*self.peek_ahead(count) == Tok::Ident).then(|| self.text_of(self.at + count))
    }

    fn span(&self) -> Span {
        self.token().span
    }

    fn text_of(&self, token: usize) -> &str {
        self.source.get(self.tokens[token].span.range()).unwrap_or_default()
    }

    fn text(&self) -> &str {
        self.text_of(self.at)
    }

    /// Goes to the next token; the last one stays.
    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn eat(&mut self, symbol: &'static str) -> bool {
        let found = *self.peek() == Tok::P(symbol);
        if found {
            self.advance();
        }
        found
    }

    /// The current token as a message names it.
    fn shown(&self) -> String {
        match self.peek() {
            Tok::End => "the end of the expression".to_owned(),
            Tok::Text(_) => "text".to_owned(),
            _ => format!("`{}`", self.text().chars().take(40).collect::<String>()),
        }
    }

    /// Whether a value can start at the current token.
    fn starts_operand(&self) -> bool {
        match self.peek() {
            Tok::Number | Tok::Str(_) | Tok::Ident | Tok::Backtick => true,
            Tok::P(symbol) => matches!(*symbol, "(" | "[" | "{" | "!" | "-"),
            _ => false,
        }
    }

    // Faults.

    fn fault_here(&mut self, code: &'static str, message: &str, hint: Option<&str>) {
        if self.reported_at == Some(self.at) {
            return;
        }
        self.reported_at = Some(self.at);
        let fault = Fault::new(code, self.span().range(), message);
        self.faults.push(fault.maybe_hint(hint.map(str::to_owned)));
    }

    fn fault_at(&mut self, code: &'static str, span: Span, message: &str, hint: Option<String>) {
        self.faults.push(Fault::new(code, span.range(), message).maybe_hint(hint));
    }

    /// Skips to the next token at which an enclosing construct can go on.
    fn recover(&mut self) {
        let mut open = 0usize;
        loop {
            match self.peek() {
                Tok::End => return,
                Tok::P("," | ")" | "]" | "}") | Tok::Close if open == 0 => return,
                Tok::P("(" | "[" | "{" | "?[") | Tok::Open => open += 1,
                Tok::P(")" | "]" | "}") | Tok::Close => open -= 1,
                _ => {}
            }
            self.advance();
        }
    }

    /// Takes the bracket that ends a construct, or reports that it is missing.
    fn close(&mut self, closing: &'static str, opened: Span) -> Span {
        let span = self.span();
        if self.eat(closing) {
            return span;
        }
        if self.reported_at != Some(self.at) {
            let opening = self.source.get(opened.range()).unwrap_or_default().to_owned();
            if matches!(self.peek(), Tok::End) {
                self.reported_at = Some(self.at);
                let hint = Some(format!("close it with `{closing}`"));
                self.fault_at(
                    code::SYNTAX,
                    opened,
                    &format!("this `{opening}` is never closed"),
                    hint,
                );
            } else {
                self.unexpected(opened, closing);
            }
        }
        self.recover();
        let span = self.span();
        self.eat(closing);
        span
    }

    /// Reports what stands where a bracket should be closed.
    fn unexpected(&mut self, opened: Span, closing: &'static str) {
        let opening = self.source.get(opened.range()).unwrap_or_default();
        let hint = match self.starts_operand() {
            true => "a comma or an operator is missing before it".to_owned(),
            false => format!("the `{opening}` before it is still open"),
        };
        let message = format!("expected `{closing}`, found {}", self.shown());
        self.fault_here(code::SYNTAX, &message, Some(&hint));
    }

    // Nodes.

    fn add(&mut self, kind: NodeKind, span: Span) -> NodeId {
        let mut height = 0;
        crate::tree::children(&kind, |child| {
            height = height.max(self.nodes[child.0 as usize].height + 1);
        });
        // Sources are bounded, so there are far fewer nodes than a u32 counts.
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { span, height, kind });
        id
    }

    fn span_of(&self, node: NodeId) -> Span {
        self.nodes[node.0 as usize].span
    }

    fn check_height(&mut self, root: NodeId) {
        if self.nodes[root.0 as usize].height as usize > MAX_HEIGHT {
            let message = format!("more than {MAX_HEIGHT} operations hang on one another");
            let hint = Some("split it over several steps".to_owned());
            self.fault_at(code::TOO_LARGE, self.span_of(root), &message, hint);
        }
    }
}
