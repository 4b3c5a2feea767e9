//! What to do about a value that is not what was wanted, and about text that is not YAML.

use super::Value;

/// How a value is written that is of the wanted kind.
pub(super) fn wanted(wanted: &str, found: &Value) -> Option<&'static str> {
    Some(match (wanted, found) {
        ("a mapping", _) => "a mapping is `key: value`, one a line, or `{ key: value }`",
        ("a list", _) => "a list is `- item`, one a line, or `[item, item]`",
        ("text", Value::Int(_) | Value::Float(_) | Value::Bool(_)) => "put it in quotes",
        ("text", _) => "write one text here",
        ("true or false", _) => "write `true` or `false`, without quotes",
        ("a whole number", _) => "write a number without quotes and without a point",
        ("a number between 0 and 1", _) => "write for example `0.2`",
        ("a number of seconds or a `${{ }}`", _) => "write for example `60`, without quotes",
        _ => return None,
    })
}

/// What to look for where the text is not YAML.
pub(super) fn syntax(message: &str) -> &'static str {
    let of = |part: &str| message.contains(part);
    if of("stands twice") {
        "keep one of the two"
    } else if of("nest deeper") {
        "lay it out flatter"
    } else if of("too large once") {
        "write fewer aliases"
    } else if of("several YAML documents") {
        "make a file of each; `---` begins another document"
    } else if of("mapping values are not allowed") {
        "put a text that holds `: ` in quotes"
    } else {
        "look at this place and just before it for a bracket or a quote that is open, or an \
         indentation that is off"
    }
}
