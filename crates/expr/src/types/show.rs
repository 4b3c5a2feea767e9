//! Types in words: short enough for a message.

use std::fmt;

use super::{Object, Rest, Type};

/// Texts and fields shown before the rest is left out.
const SHOWN: usize = 5;
/// How deep the type of an item or field is shown.
const MAX_DEPTH: usize = 3;

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&words(self, false, 0))
    }
}

impl Type {
    /// The type with its article: `a number`, `text or null`.
    pub fn phrase(&self) -> String {
        words(self, true, 0)
    }
}

fn words(ty: &Type, article: bool, depth: usize) -> String {
    let a = |noun: &str| match (article, noun.starts_with('o')) {
        (false, _) => noun.to_owned(),
        (true, true) => format!("an {noun}"),
        (true, false) => format!("a {noun}"),
    };
    match ty {
        Type::Never => "nothing".to_owned(),
        Type::Dyn => "anything".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Bool => "true or false".to_owned(),
        Type::Int => a("whole number"),
        Type::Number => a("number"),
        Type::Text(Some(texts)) if texts.len() <= SHOWN => {
            joined(texts.iter().map(|text| format!("'{}'", short(text))).collect())
        }
        Type::Text(_) => "text".to_owned(),
        Type::List(..) if depth >= MAX_DEPTH => a("list"),
        Type::List(item, _) => match item.as_ref() {
            Type::Never => a("list without items"),
            Type::Dyn => a("list"),
            item @ Type::Union(_) => a(&format!("list of ({})", words(item, false, depth + 1))),
            item => a(&format!("list of {}", words(item, false, depth + 1))),
        },
        Type::Object(object) => a(&fields(object)),
        Type::Union(members) => {
            joined(members.iter().map(|member| words(member, article, depth + 1)).collect())
        }
    }
}

fn fields(object: &Object) -> String {
    let names: Vec<&str> = object.fields.keys().take(SHOWN).map(AsRef::as_ref).collect();
    let more = if object.fields.len() > names.len() { ", …" } else { "" };
    match (names.is_empty(), &object.rest) {
        (true, Rest::Closed) => "object without fields".to_owned(),
        (true, Rest::Open(ty)) if !ty.is_dyn() => {
            format!("object of {}", words(ty, false, MAX_DEPTH))
        }
        (true, _) => "object".to_owned(),
        (false, _) => format!("object with {}{more}", names.join(", ")),
    }
}

fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// `a`, `a or b`, `a, b or c`.
fn joined(mut words: Vec<String>) -> String {
    words.dedup();
    match (words.pop(), words.is_empty()) {
        (Some(last), false) => format!("{} or {last}", words.join(", ")),
        (last, _) => last.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_short_words() {
        let of = |rest| Type::object(std::collections::BTreeMap::new(), rest);
        for (ty, shown, phrase) in [
            (Type::Number, "number", "a number"),
            (Type::Int.or_null(), "whole number or null", "a whole number or null"),
            (Type::list(Type::TEXT), "list of text", "a list of text"),
            (
                Type::list(Type::TEXT.or_null()),
                "list of (text or null)",
                "a list of (text or null)",
            ),
            (Type::texts(["a", "b", "c"]), "'a', 'b' or 'c'", "'a', 'b' or 'c'"),
            (
                Type::closed([("a", Type::Int), ("b", Type::Dyn)]),
                "object with a, b",
                "an object with a, b",
            ),
            (of(Rest::Closed), "object without fields", "an object without fields"),
            (of(Rest::Open(Type::Bool)), "object of true or false", "an object of true or false"),
            (of(Rest::Open(Type::Dyn)), "object", "an object"),
        ] {
            assert_eq!((ty.to_string().as_str(), ty.phrase().as_str()), (shown, phrase));
        }
    }
}
