//! Text into tokens.
//!
//! Owns the spelling of the language: literals, escapes, comments, and where a `${{ }}` ends.
//! Nesting of template strings is a stack here, not recursion. Reports what cannot be a token and
//! goes on with what was probably meant, so that one slip yields one fault.

mod literal;

use crate::fault::{Fault, code};
use crate::tree::Span;

/// The kinds of tokens. Numbers and words are read from the source by their span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok {
    Number,
    Str(String),
    Ident,
    /// `` ` `` that opens or closes a template string.
    Backtick,
    /// Text inside a template string.
    Text(String),
    /// `${` inside a template string, and the `}` that belongs to it.
    Open,
    Close,
    /// Punctuation and operators.
    P(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub kind: Tok,
    pub span: Span,
    /// Whether white space or a comment stands before it.
    pub spaced: bool,
}

/// All tokens of an expression, the last one being [`Tok::End`].
pub(crate) struct Tokens {
    pub tokens: Vec<Token>,
    pub faults: Vec<Fault>,
    /// For an expression inside `${{`: the index after its `}}`. `None` when it is missing.
    pub closed_at: Option<usize>,
}

/// Longest first, so that the first that matches is the right one.
const PUNCTUATION: &[&str] = &[
    "?.", "?[", "??", "=>", "==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", "!", "<",
    ">", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?",
];

/// What people type for something the language spells differently: what they typed, what it is
/// read as, and the hint.
const SLIPS: &[(&str, &str, &str)] = &[
    ("===", "==", "equality is `==`"),
    ("!==", "!=", "inequality is `!=`"),
    ("<>", "!=", "inequality is `!=`"),
    ("**", "*", "there is no power operator; write `x * x`"),
    ("?.[", "?[", "an optional index is written `a?[0]`"),
    (".?", "?.", "an optional field is written `a?.b`"),
    ("->", "=>", "a lambda is written `x => …`"),
    ("=", "==", "to compare, write `==`; there is no assignment"),
    ("&", "&&", "the logical operator is `&&`"),
    ("|", "||", "the logical operator is `||`; functions are called as `value.name()`"),
    ("≠", "!=", "inequality is `!=`"),
    ("≤", "<=", "write `<=`"),
    ("≥", ">=", "write `>=`"),
    ("−", "-", "write the plain minus `-`"),
    ("×", "*", "write `*`"),
    ("÷", "/", "write `/`"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Braces,
    Backticks,
    /// `${` … `}` of a template string.
    Hole,
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Whether the expression ends with `}}` rather than with the text.
    in_double_braces: bool,
    inside: Vec<(Inside, usize)>,
    out: Tokens,
}

/// Reads a text that is one expression.
pub(crate) fn whole(text: &str) -> Tokens {
    Lexer::new(text, 0, false).run()
}

/// Reads the expression that starts at `at`, after a `${{`, up to its `}}`.
pub(crate) fn embedded(text: &str, at: usize) -> Tokens {
    Lexer::new(text, at, true).run()
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str, at: usize, in_double_braces: bool) -> Self {
        let out = Tokens { tokens: Vec::new(), faults: Vec::new(), closed_at: None };
        Self { text, at, in_double_braces, inside: Vec::new(), out }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: Tok, start: usize, spaced: bool) {
        self.out.tokens.push(Token { kind, span: Span::new(start, self.at), spaced });
    }

    fn fault(&mut self, code: &'static str, start: usize, end: usize, message: String, hint: &str) {
        self.out.faults.push(Fault::new(code, start..end, message).hint(hint));
    }

    fn run(mut self) -> Tokens {
        loop {
            if self.inside.last().map(|(inside, _)| *inside) == Some(Inside::Backticks) {
                if self.at >= self.text.len() {
                    break;
                }
                self.template_text();
                continue;
            }
            let before = self.at;
            self.skip_space();
            let spaced = self.at > before;
            if self.at >= self.text.len() || self.ends_here() {
                break;
            }
            self.token(spaced);
        }
        let end = self.at;
        if let Some((_, start)) =
            self.inside.iter().find(|(inside, _)| *inside == Inside::Backticks)
        {
            let start = *start;
            let message = "this template string is never closed".to_owned();
            self.fault(code::UNCLOSED, start, start + 1, message, "close it with a backtick");
        }
        if self.ends_here() {
            self.out.closed_at = Some(self.at + 2);
        }
        self.push(Tok::End, end, true);
        self.out
    }

    fn ends_here(&self) -> bool {
        self.in_double_braces && self.inside.is_empty() && self.rest().starts_with("}}")
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn token(&mut self, spaced: bool) {
        let start = self.at;
        let rest = self.rest();
        let mut characters = rest.chars();
        let first = characters.next().unwrap_or(' ');
        let second = characters.next().unwrap_or(' ');
        match first {
            '0'..='9' => self.number(spaced),
            '.' if second.is_ascii_digit() => self.number(spaced),
            '\'' | '"' => self.string(false, spaced),
            'r' | 'R' if matches!(second, '\'' | '"') => self.string(true, spaced),
            '“' | '”' | '„' | '‘' | '’' | '‚' | '«' | '»' => {
                self.smart_quoted(first, spaced);
            }
            '`' => {
                self.at += 1;
                self.inside.push((Inside::Backticks, start));
                self.push(Tok::Backtick, start, spaced);
            }
            _ if first == '_' || first.is_alphabetic() => {
                let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric());
                self.at += end.unwrap_or(rest.len());
                self.push(Tok::Ident, start, spaced);
            }
            _ => self.punctuation(spaced),
        }
    }

    fn punctuation(&mut self, spaced: bool) {
        let start = self.at;
        let rest = self.rest();
        let exact = PUNCTUATION.iter().find(|symbol| rest.starts_with(**symbol));
        let slip =
            SLIPS.iter().find(|(typed, ..)| rest.starts_with(typed)).filter(|(typed, ..)| {
                exact.is_none_or(|symbol| typed.len() > symbol.len() && *symbol != "=>")
            });
        if let Some((typed, meant, hint)) = slip {
            self.at += typed.len();
            let message = format!("`{typed}` is not an operator of this language");
            self.fault(code::SYNTAX, start, self.at, message, hint);
            self.push(Tok::P(meant), start, spaced);
            return;
        }
        let Some(&symbol) = exact else {
            let character = rest.chars().next().unwrap_or(' ');
            self.at += character.len_utf8();
            self.stray(character, start);
            return;
        };
        let digit_follows = rest.as_bytes().get(2).is_some_and(u8::is_ascii_digit);
        // `a ?.5 : 1` is a choice, `a ?[1] : [2]` too, `a?[1]` is an index.
        let split = (symbol == "?." && digit_follows) || (symbol == "?[" && spaced);
        let symbol = if split { "?" } else { symbol };
        self.at += symbol.len();
        match symbol {
            "{" => self.inside.push((Inside::Braces, start)),
            "}" if self.inside.pop().map(|(inside, _)| inside) == Some(Inside::Hole) => {
                return self.push(Tok::Close, start, spaced);
            }
            _ => {}
        }
        self.push(Tok::P(symbol), start, spaced);
    }

    fn stray(&mut self, character: char, start: usize) {
        let hint = match character {
            ';' => "an expression is one value; there are no statements",
            '#' => "a comment starts with `//`",
            '$' => "inside `${{ }}` names stand without `$`",
            '@' => "names stand without `@`",
            '\\' => "escapes are for strings only",
            _ => "remove it, or put it into a string",
        };
        let message = format!("`{}` has no meaning here", character.escape_debug());
        self.fault(code::SYNTAX, start, self.at, message, hint);
    }

    /// Text of a template string up to its end or its next `${`.
    fn template_text(&mut self) {
        let start = self.at;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.is_empty() || rest.starts_with('`') || rest.starts_with("${") {
                break;
            }
            if rest.starts_with('\\') {
                self.escape(&mut text);
            } else {
                let length = rest
                    .find(['`', '\\', '$'])
                    .filter(|at| *at > 0)
                    .unwrap_or_else(|| if rest.starts_with('$') { 1 } else { rest.len() });
                text.push_str(&rest[..length]);
                self.at += length;
            }
        }
        if self.at > start {
            self.push(Tok::Text(text), start, false);
        }
        let start = self.at;
        if self.rest().starts_with('`') {
            self.at += 1;
            self.inside.pop();
            self.push(Tok::Backtick, start, false);
        } else if self.rest().starts_with("${") {
            self.at += 2;
            self.inside.push((Inside::Hole, start));
            self.push(Tok::Open, start, false);
        }
    }
}
