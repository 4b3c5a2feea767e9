//! Reads SPDX licence expressions: identifiers joined with `OR`, `AND`, `WITH` and parentheses.
//!
//! Old manifests write `MIT/Apache-2.0`; the slash is read as `OR`. The list of identifiers is not
//! checked: an unknown one is simply not allowed.

use std::fmt;
use std::iter::Peekable;
use std::str::SplitWhitespace;

type Words<'a> = Peekable<SplitWhitespace<'a>>;

/// A licence expression.
#[derive(Debug, PartialEq)]
pub enum Expression {
    /// `MIT`, or with its exception in one text: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    /// The user chooses one.
    Or(Vec<Expression>),
    /// The user must keep all of them.
    And(Vec<Expression>),
}

/// Why a text is not a licence expression.
#[derive(Debug, PartialEq)]
pub enum Malformed {
    /// A licence or an opening parenthesis should stand before this word, or at the end.
    LicenceExpected(String),
    /// A parenthesis was opened and not closed.
    Unclosed,
    /// This word follows a complete expression.
    Trailing(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LicenceExpected(word) => write!(f, "a licence is missing before `{word}`"),
            Self::Unclosed => write!(f, "a parenthesis is not closed"),
            Self::Trailing(word) => write!(f, "`{word}` follows a complete expression"),
        }
    }
}

impl Expression {
    /// Reads `text`. `AND` binds tighter than `OR`.
    ///
    /// # Errors
    /// The first [`Malformed`] place.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let mut words = spaced.split_whitespace().peekable();
        let expression = any_of(&mut words)?;
        match words.next() {
            None => Ok(expression),
            Some(word) => Err(Malformed::Trailing(word.to_owned())),
        }
    }

    /// True when a choice exists in which `allowed` holds for every licence to keep.
    pub fn is_satisfied(&self, allowed: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(name) => allowed(name),
            Self::Or(choices) => choices.iter().any(|it| it.is_satisfied(allowed)),
            Self::And(parts) => parts.iter().all(|it| it.is_satisfied(allowed)),
        }
    }
}

fn any_of(words: &mut Words<'_>) -> Result<Expression, Malformed> {
    let mut choices = vec![all_of(words)?];
    while words.next_if_eq(&"OR").is_some() {
        choices.push(all_of(words)?);
    }
    Ok(if choices.len() == 1 { choices.remove(0) } else { Expression::Or(choices) })
}

fn all_of(words: &mut Words<'_>) -> Result<Expression, Malformed> {
    let mut parts = vec![one(words)?];
    while words.next_if_eq(&"AND").is_some() {
        parts.push(one(words)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
}

fn one(words: &mut Words<'_>) -> Result<Expression, Malformed> {
    match words.next() {
        Some("(") => {
            let inner = any_of(words)?;
            words.next_if_eq(&")").ok_or(Malformed::Unclosed)?;
            Ok(inner)
        }
        Some(word) if is_licence(word) => {
            let mut name = word.to_owned();
            if words.next_if_eq(&"WITH").is_some() {
                let exception = words.next_if(|it| is_licence(it));
                let exception =
                    exception.ok_or_else(|| Malformed::LicenceExpected("end".to_owned()))?;
                name = format!("{name} WITH {exception}");
            }
            Ok(Expression::Licence(name))
        }
        word => Err(Malformed::LicenceExpected(word.unwrap_or("end").to_owned())),
    }
}

fn is_licence(word: &str) -> bool {
    !matches!(word, "OR" | "AND" | "WITH" | "(" | ")")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(text: &str, allowed: &[&str]) -> bool {
        let expression = Expression::parse(text).expect("the expression is well formed");
        expression.is_satisfied(&|name| allowed.contains(&name))
    }

    #[test]
    fn one_choice_is_enough() {
        assert!(allows("MIT", &["MIT"]));
        assert!(!allows("GPL-3.0-only", &["MIT"]));
        assert!(allows("GPL-3.0-only OR MIT", &["MIT"]));
        assert!(allows("MIT/GPL-2.0", &["MIT"]));
        assert!(allows("MIT OR Apache-2.0 OR LGPL-2.1-or-later", &["Apache-2.0"]));
    }

    #[test]
    fn every_part_is_needed() {
        assert!(!allows("Apache-2.0 AND ISC", &["ISC"]));
        assert!(allows("Apache-2.0 AND ISC", &["ISC", "Apache-2.0"]));
        assert!(allows("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT", "Unicode-3.0"]));
        assert!(!allows("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT", "Apache-2.0"]));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(allows("MIT OR GPL-2.0 AND ISC", &["MIT"]));
        assert!(!allows("(MIT OR GPL-2.0) AND ISC", &["MIT"]));
        assert!(allows("((MIT))", &["MIT"]));
    }

    #[test]
    fn an_exception_makes_another_licence() {
        let text = "Apache-2.0 WITH LLVM-exception";
        assert!(!allows(text, &["Apache-2.0"]));
        assert!(allows(text, &["Apache-2.0 WITH LLVM-exception"]));
        assert!(allows("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", &["MIT"]));
    }

    #[test]
    fn malformed_expressions_are_refused() {
        let expected = |word: &str| Err(Malformed::LicenceExpected(word.to_owned()));
        assert_eq!(Expression::parse(""), expected("end"));
        assert_eq!(Expression::parse("MIT OR"), expected("end"));
        assert_eq!(Expression::parse("AND MIT"), expected("AND"));
        assert_eq!(Expression::parse("MIT WITH"), expected("end"));
        assert_eq!(Expression::parse("(MIT"), Err(Malformed::Unclosed));
        assert_eq!(Expression::parse("MIT ISC"), Err(Malformed::Trailing("ISC".to_owned())));
        assert_eq!(Expression::parse("MIT)"), Err(Malformed::Trailing(")".to_owned())));
    }
}
