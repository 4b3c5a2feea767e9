//! Form bodies and queries: nested JSON as `a[b]=c` and `a[0]=x`, percent-encoded by the rules of
//! the WHATWG URL standard. Null is left out, as an empty object or list is.

use postroom_expr::{JsonView, Kind};

use crate::url::push_form;

/// How the items of a list are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lists {
    /// `a[0]=x&a[1]=y`
    #[default]
    Index,
    /// `a[]=x&a[]=y`
    Bracket,
    /// `a=x&a=y`
    Repeat,
}

/// The form text of an object; `None` for anything else.
pub(crate) fn encode(view: JsonView<'_>, lists: Lists) -> Option<String> {
    if view.kind() != Kind::Object {
        return None;
    }
    let mut out = String::new();
    for (key, value) in view.entries() {
        push(&mut out, &key, value, lists);
    }
    Some(out)
}

/// Nesting is bounded: the view was rendered from a mapping or checked on arrival.
fn push(out: &mut String, name: &str, view: JsonView<'_>, lists: Lists) {
    match view.kind() {
        Kind::Null => {}
        Kind::Object => {
            for (key, value) in view.entries() {
                push(out, &format!("{name}[{key}]"), value, lists);
            }
        }
        Kind::Array => {
            for (index, item) in view.items().enumerate() {
                let name = match lists {
                    Lists::Index => format!("{name}[{index}]"),
                    Lists::Bracket => format!("{name}[]"),
                    Lists::Repeat => name.to_owned(),
                };
                push(out, &name, item, lists);
            }
        }
        Kind::Bool | Kind::Number | Kind::String => {
            if !out.is_empty() {
                out.push('&');
            }
            push_form(out, name);
            out.push('=');
            push_form(out, &scalar(view));
        }
    }
}

/// The text of a string, number or bool. A whole number is written without fraction or exponent,
/// as `1500.0` and `15e2` are the same amount but not the same text.
pub(crate) fn scalar(view: JsonView<'_>) -> String {
    if let Some(text) = view.as_str() {
        return text.into_owned();
    }
    let raw = view.raw();
    match view.as_number() {
        Some(number) if raw.contains(['.', 'e', 'E']) => number.to_string(),
        _ => raw.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(json: &str, lists: Lists) -> String {
        encode(JsonView::parse(json).unwrap(), lists).unwrap()
    }

    #[test]
    fn nested_values_get_brackets() {
        let json = r#"{"a":{"b":"x y","n":null},"l":[1,{"c":true}],"e":[],"o":{},"q&":"=é"}"#;
        assert_eq!(
            form(json, Lists::Index),
            "a%5Bb%5D=x+y&l%5B0%5D=1&l%5B1%5D%5Bc%5D=true&q%26=%3D%C3%A9"
        );
        assert_eq!(form(r#"{"t":["a","b"]}"#, Lists::Repeat), "t=a&t=b");
        assert_eq!(form(r#"{"t":["a","b"]}"#, Lists::Bracket), "t%5B%5D=a&t%5B%5D=b");
    }

    #[test]
    fn numbers_keep_their_digits_and_lose_their_dress() {
        let json = r#"{"a":1500,"b":1500.0,"c":15e2,"d":19.99,"e":123456789012345678901234567890}"#;
        assert_eq!(
            form(json, Lists::Index),
            "a=1500&b=1500&c=1500&d=19.99&e=123456789012345678901234567890"
        );
    }

    #[test]
    fn only_objects_are_forms() {
        assert_eq!(encode(JsonView::parse("[1]").unwrap(), Lists::Index), None);
        assert_eq!(form("{}", Lists::Index), "");
    }
}
