//! Values that nobody told us of and that a name gives away: `"api_key": "…"` in an answer, a
//! header `Authorization: …`, `token=…` in a URL. Prose is left alone: `invalid token: expired` is
//! what a person needs to read.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use postroom_core::lint::says_secret;

use super::VEIL;

/// What is in the names of secrets, whichever way they are written. Whether a name is one of a
/// secret says [`says_secret`].
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "apikey",
    "api_key",
    "api-key",
    "privatekey",
    "private_key",
    "private-key",
];

/// Schemes of authorization that stand right before what they carry.
const SCHEMES: &[&str] = &["bearer ", "basic "];

/// The shortest text that counts as a credential where only its looks say so.
const SHORTEST: usize = 12;

/// The longest name that is looked at.
const LONGEST_NAME: usize = 64;

/// Looks for names of secrets.
pub(super) struct Names {
    words: Option<AhoCorasick>,
}

impl Names {
    pub fn new() -> Self {
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(WORDS.iter().chain(SCHEMES));
        Self { words: built.ok() }
    }

    /// The text with what names give away replaced; `None` if there is nothing of the kind.
    pub fn clean(&self, text: &str) -> Option<String> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for word in self.words.as_ref()?.find_iter(text) {
            let value = match word.pattern().as_usize() < WORDS.len() {
                true => value_of(text, word.range()),
                false => carried(text, word.end()),
            };
            let Some(value) = value else { continue };
            // A name within a value that is taken out anyway.
            let fresh = found.last().is_none_or(|last| value.start >= last.end);
            if fresh && !value.is_empty() && &text[value.clone()] != VEIL {
                found.push(value);
            }
        }
        if found.is_empty() {
            return None;
        }
        let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
        for value in found {
            clean.push_str(&text[at..value.start]);
            // A number in JSON becomes a text.
            let quote = if is_number(text, &value) { "\"" } else { "" };
            clean.push_str(&format!("{quote}{VEIL}{quote}"));
            at = value.end;
        }
        clean.push_str(&text[at..]);
        Some(clean)
    }
}

fn is_number(text: &str, value: &Range<usize>) -> bool {
    let digits = text[value.clone()].bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    digits && text[..value.start].trim_end().ends_with(':')
}

/// What follows a scheme of authorization.
fn carried(text: &str, start: usize) -> Option<Range<usize>> {
    let end =
        start + length(&text[start..], |c| c.is_ascii_alphanumeric() || "-._~+/=".contains(c));
    looks_secret(&text[start..end]).then_some(start..end)
}

/// The value of the name that holds the word, if it is the name of a secret and has a value.
fn value_of(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let before = text[..word.start].chars().rev().take(LONGEST_NAME).take_while(|c| in_name(*c));
    // All of them are one byte long.
    let start = word.start - before.count();
    let end = word.end + length(&text[word.end..], in_name);
    if end - start > LONGEST_NAME || !says_secret(&text[start..end]) {
        return None;
    }
    let name = &text[start..end];
    let quote = quote_at(&text[end..]);
    let mut at = end + quote.map_or(0, str::len);
    at += length(&text[at..], |c| c == ' ');
    let sign = text[at..].chars().next().filter(|c| matches!(c, ':' | '='))?;
    at += 1;
    at += length(&text[at..], |c| c == ' ' || c == '\n' || c == '\t');
    if let Some(opened) = quote_at(&text[at..]) {
        let inside = at + opened.len();
        return Some(inside..inside + closed(&text[inside..], opened));
    }
    let rest = &text[at..];
    if quote.is_some() {
        // `null`, `true` and what is inside of lists and objects give nothing away.
        let number = rest.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        return number.then(|| at..at + length(rest, |c| !",}] \r\n".contains(c)));
    }
    if sign == '=' {
        let end = at + length(rest, |c| !c.is_whitespace() && !"&;,)>]}\"'`".contains(c));
        return Some(at..end);
    }
    if name.to_ascii_lowercase().ends_with("authorization") {
        return Some(at..at + length(rest, |c| !"\r\n\"',;".contains(c)));
    }
    let end = at + length(rest, |c| !c.is_whitespace() && !",;\"'`".contains(c));
    looks_secret(&text[at..end]).then_some(at..end)
}

/// A quote at the beginning, as it is or as JSON within JSON writes it.
fn quote_at(text: &str) -> Option<&'static str> {
    ["\\\"", "\"", "'"].into_iter().find(|quote| text.starts_with(quote))
}

/// How long a quoted value is; all the rest if it is not closed.
fn closed(text: &str, quote: &str) -> usize {
    if quote.len() > 1 {
        return text.find(quote).unwrap_or(text.len());
    }
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if quote.starts_with(c) => return at,
            _ => {}
        }
    }
    text.len()
}

fn length(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !fits(c)).unwrap_or(text.len())
}

/// Whether a text can hardly be a word: long, and with digits in it.
fn looks_secret(text: &str) -> bool {
    text.len() >= SHORTEST && text.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_gives_away_is_taken_out() {
        for (text, clean) in [
            (r#"{"api_key":"abc","id":1}"#, r#"{"api_key":"***","id":1}"#),
            (r#"{"Password" : "a\"b"}"#, r#"{"Password" : "***"}"#),
            (r#"{"clientSecret":12345}"#, r#"{"clientSecret":"***"}"#),
            (r#"{\"token\":\"abc\",\"a\":1}"#, r#"{\"token\":\"***\",\"a\":1}"#),
            (
                r#"{"headers":{"Authorization":"Bearer x"}}"#,
                r#"{"headers":{"Authorization":"***"}}"#,
            ),
            ("Authorization: Bearer abc.def\nX: 1", "Authorization: ***\nX: 1"),
            ("x-api-key: 0123456789abcdef", "x-api-key: ***"),
            ("GET /a?access_token=abc&b=1", "GET /a?access_token=***&b=1"),
            ("sent with Bearer eyJhbGciOi1.x_y", "sent with Bearer ***"),
            (r#"{"token":"cut off"#, r#"{"token":"***"#),
            ("{'password': 'p'}", "{'password': '***'}"),
        ] {
            assert_eq!(Names::new().clean(text).as_deref(), Some(clean), "{text}");
        }
    }

    #[test]
    fn prose_and_other_names_are_left_alone() {
        for text in [
            "Invalid token: expired",
            "the password is wrong",
            r#"{"token":null,"has_password":true,"secret":{"a":1},"password":""}"#,
            r#"{"next_page_token":"abc","tokens":3,"param":"token"}"#,
            "basic authentication is needed",
            "Bearer token",
            r#"{"token":"***"}"#,
            "",
            "token=",
            "\u{e9}token\u{e9}",
        ] {
            assert_eq!(Names::new().clean(text), None, "{text}");
        }
    }
}
