//! Literals: numbers, strings and their escapes.
//!
//! Owns where a literal ends and what its escapes stand for. Refuses to guess values: a number's
//! digits are left to the parser, which knows whether a minus belongs to them.

use super::{Lexer, Tok};
use crate::fault::code;

impl Lexer<'_> {
    pub(super) fn number(&mut self, spaced: bool) {
        let start = self.at;
        let bytes = self.rest().as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end;
        if bytes[0] == b'0' && matches!(bytes.get(1), Some(b'x' | b'X')) {
            end = 2;
            while bytes.get(end).is_some_and(u8::is_ascii_hexdigit) {
                end += 1;
            }
        } else {
            end = digits(0);
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1);
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                let exponent = digits(end + 1 + sign);
                if exponent > end + 1 + sign {
                    end = exponent;
                }
            }
        }
        self.at += end;
        let tail = self.rest();
        let tail =
            &tail[..tail.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(tail.len())];
        if !tail.is_empty() {
            self.at += tail.len();
            let message = format!("`{tail}` does not belong to a number");
            let hint = match tail {
                "u" | "U" => "there is one number type; leave the `u` out",
                _ if tail.starts_with('_') => "write the digits without `_`",
                _ => "put an operator between them, or quotes around a string",
            };
            self.fault(code::SYNTAX, self.at - tail.len(), self.at, message, hint);
            self.at -= tail.len();
            self.push(Tok::Number, start, spaced);
            self.at += tail.len();
            return;
        }
        self.push(Tok::Number, start, spaced);
    }

    pub(super) fn string(&mut self, raw: bool, spaced: bool) {
        let start = self.at;
        self.at += usize::from(raw);
        let opening = self.at;
        let quote = if self.rest().starts_with('"') { "\"" } else { "'" };
        let triple = quote.repeat(3);
        let (closing, long) = match self.rest().starts_with(&triple) {
            true => (triple.as_str(), true),
            false => (quote, false),
        };
        self.at += closing.len();
        let mut value = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(closing) {
                self.at += closing.len();
                break;
            }
            let Some(next) = rest.chars().next().filter(|next| long || *next != '\n') else {
                self.unclosed(opening, closing);
                break;
            };
            if next == '\\' && !raw {
                self.escape(&mut value);
            } else {
                value.push(next);
                self.at += next.len_utf8();
            }
        }
        self.push(Tok::Str(value), start, spaced);
    }

    /// Reports a string without end and goes on where the expression probably does.
    fn unclosed(&mut self, opening: usize, closing: &str) {
        let message = "this string is never closed".to_owned();
        let hint = match closing.len() {
            1 => format!(
                "close it with {closing} on the same line, or escape a quote inside as \\{closing}"
            ),
            _ => format!("close it with {closing}"),
        };
        self.fault(code::UNCLOSED, opening, opening + closing.len(), message, &hint);
        let lost = &self.text[opening..self.at];
        if let Some(at) = lost.find("}}").filter(|_| self.in_double_braces) {
            self.at = opening + at;
            self.inside.clear();
        }
    }

    pub(super) fn smart_quoted(&mut self, opening: char, spaced: bool) {
        let start = self.at;
        self.at += opening.len_utf8();
        let rest = self.rest();
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let quotes = ['“', '”', '„', '‘', '’', '‚', '«', '»', '"', '\''];
        let end = line.find(quotes);
        let value = end.map_or("", |end| &line[..end]).to_owned();
        if let Some(end) = end {
            let quote = line[end..].chars().next().map_or(0, char::len_utf8);
            self.at += end + quote;
        }
        let message = format!("`{opening}` is a typographic quote");
        let end = start + opening.len_utf8();
        self.fault(
            code::SYNTAX,
            start,
            end,
            message,
            "strings stand in plain quotes: '…' or \"…\"",
        );
        self.push(Tok::Str(value), start, spaced);
    }

    /// Reads the escape at the current place.
    pub(super) fn escape(&mut self, out: &mut String) {
        let start = self.at;
        let rest = self.rest();
        let Some(kind) = rest[1..].chars().next() else {
            self.at += 1;
            return;
        };
        self.at += 1 + kind.len_utf8();
        let simple = match kind {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            '\'' | '"' | '\\' | '`' | '$' | '/' => Some(kind),
            'u' => self.hex(4).and_then(|unit| self.surrogates(unit)),
            'x' => self.hex(2).and_then(char::from_u32),
            _ => None,
        };
        match simple {
            Some(character) => out.push(character),
            None => {
                let message = format!("`{}` is not an escape", &self.text[start..self.at]);
                let hint =
                    "escapes are \\n \\t \\r \\' \\\" \\\\ \\` \\$ \\xHH \\uHHHH; none in r'…'";
                self.fault(code::SYNTAX, start, self.at, message, hint);
            }
        }
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let text = self.rest().get(..digits)?;
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += digits;
        u32::from_str_radix(text, 16).ok()
    }

    /// Completes a surrogate pair written as two escapes.
    fn surrogates(&mut self, first: u32) -> Option<char> {
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.rest().starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.hex(4)?.checked_sub(0xDC00)?;
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + second)
    }
}
