//! Blanks out what is not code in Rust source: comments, and the inside of string and character
//! literals.
//!
//! The checks search the result, so that a brace in a string or a word in a comment fools none of
//! them. Not a lexer: numbers, paths and operators pass through untouched.

/// Returns `source` with every byte of a comment or literal replaced by a space.
///
/// Line breaks stay, so byte offsets and line numbers are those of `source`. Quotes are blanked
/// too; lifetimes, labels and raw identifiers are code and stay.
pub fn mask(source: &str) -> String {
    let mut masker = Masker { bytes: source.as_bytes(), at: 0, code: Vec::new() };
    masker.code.reserve(source.len());
    while masker.at < masker.bytes.len() {
        masker.step();
    }
    String::from_utf8_lossy(&masker.code).into_owned()
}

struct Masker<'a> {
    bytes: &'a [u8],
    at: usize,
    code: Vec<u8>,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        match rest[0] {
            b'/' if rest.starts_with(b"//") => self.blank(line_length(rest)),
            b'/' if rest.starts_with(b"/*") => self.blank(block_comment_length(rest)),
            b'"' => self.blank(string_length(rest)),
            b'\'' => match char_length(rest) {
                Some(length) => self.blank(length),
                None => self.keep(1),
            },
            first if is_identifier(first) => self.word(),
            // A byte of a character outside ASCII is of no interest to any check.
            first if first >= 0x80 => self.blank(1),
            _ => self.keep(1),
        }
    }

    /// An identifier, or the prefix of a literal: `r#"`, `b"`, `br"`, `c"`, `cr"`, `b'`.
    fn word(&mut self) {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take_while(|byte| is_identifier(**byte)).count();
        let (word, after) = rest.split_at(length);
        match word {
            b"r" | b"br" | b"cr" => {
                if let Some(literal) = raw_string_length(after) {
                    return self.blank(length + literal);
                }
            }
            b"b" if after.first() == Some(&b'\'') => {
                if let Some(literal) = char_length(after) {
                    return self.blank(length + literal);
                }
            }
            _ => {}
        }
        self.keep(length);
    }

    fn keep(&mut self, length: usize) {
        self.code.extend_from_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
    }

    fn blank(&mut self, length: usize) {
        let end = (self.at + length).min(self.bytes.len());
        let blanked = self.bytes[self.at..end].iter();
        self.code.extend(blanked.map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        self.at = end;
    }
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// Block comments nest. One that is never closed runs to the end of the file.
fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `rest` opens with the quote.
fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `rest` follows the `r`. None when it is a raw identifier (`r#type`) or no literal at all.
fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let body = hashes + 1;
    let ends_at = |at: &usize| {
        rest[*at] == b'"' && rest[at + 1..].iter().take_while(|it| **it == b'#').count() >= hashes
    };
    match (body..rest.len()).find(ends_at) {
        Some(quote) => Some(quote + 1 + hashes),
        None => Some(rest.len()),
    }
}

/// `rest` opens with an apostrophe. None when it starts a lifetime or a label.
fn char_length(rest: &[u8]) -> Option<usize> {
    let first = *rest.get(1)?;
    if first == b'\\' {
        // The escaped character may itself be an apostrophe.
        let close = rest.iter().skip(3).take(12).position(|byte| *byte == b'\'')?;
        return Some(close + 4);
    }
    let width = match first {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let masked = mask(source);
        assert_eq!(masked, expected);
        assert_eq!(masked.len(), source.len(), "offsets must stay those of the source");
    }

    #[test]
    fn comments_are_blank_to_their_end() {
        check("a // {\nb", "a     \nb");
        check("a /* { /* } */ { */ b", "a                   b");
        check("a /* never closed {", "a                  ");
        check("//! docs {\n/// more {\n", "          \n          \n");
    }

    #[test]
    fn strings_are_blank_with_their_quotes() {
        check(r#"f("{ \" }") + 1"#, "f(        ) + 1");
        check(r#"b"{" c"{""#, "b    c   ");
        check(r#"x = "\\"; y"#, "x =     ; y");
        check("\"a\n{\" b", "  \n   b");
        check(r#"url = "http://x"; {"#, "url =           ; {");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        check(r#"r"\" {"#, "     {");
        check("r#\"a\"b{\"# {", "          {");
        check("br##\"}\"#\"## x", "            x");
        check("let r#type = r; {", "let r#type = r; {");
    }

    #[test]
    fn characters_are_blank_and_lifetimes_stay() {
        check("'{' '}'", "       ");
        check(r"'\'' '\\' '\u{7b}' {", "                   {");
        check("b'{' b'\\''", "          ");
        check("fn f<'a>(x: &'a str) -> &'static str {", "fn f<'a>(x: &'a str) -> &'static str {");
        check("'outer: loop { break 'outer; }", "'outer: loop { break 'outer; }");
        check("('a', 'b')", "(   ,    )");
    }

    #[test]
    fn characters_outside_ascii_keep_the_length() {
        check("'é' {", "     {");
        check("// ü\n{", "     \n{");
        check("\"→\" {", "      {");
        check("'🦀' {", "       {");
    }
}
