//! A manifest as text: what is short stands in one line, what is long in blocks, as one would
//! write it by hand.

use serde_json::{Map, Value};

/// The longest line that holds a whole list or mapping.
const MAX_LINE: usize = 96;

/// A value to be written, its keys in their order.
#[derive(Clone, Debug)]
pub(super) enum Out {
    Value(Value),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Value(Value::String(text.into()))
    }

    pub fn texts(texts: &[&str]) -> Self {
        Self::List(texts.iter().map(|text| Self::text(*text)).collect())
    }

    pub fn bool(value: bool) -> Self {
        Self::Value(Value::Bool(value))
    }

    /// A mapping of some keys.
    pub fn map<const N: usize>(entries: [(&str, Out); N]) -> Self {
        Self::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The same value without the order of its keys.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Map(entries) => {
                let entry = |(name, value): &(String, Self)| (name.clone(), value.to_value());
                Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }

    /// Appends the value as what stands after a key, or after the dash of a list.
    pub fn write(&self, depth: usize, out: &mut String) {
        let column = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
        if let Self::Value(value) = self
            && !value.is_array()
            && !value.is_object()
        {
            return write_scalar(value, depth, column, out);
        }
        let mut line = String::new();
        if self.flow(&mut line, MAX_LINE.saturating_sub(column)) {
            out.push(' ');
            out.push_str(&line);
            out.push('\n');
            return;
        }
        match self {
            Self::Value(Value::Object(fields)) => {
                let entry =
                    |(name, value): (&String, &Value)| (name.clone(), Self::Value(value.clone()));
                Self::Map(fields.iter().map(entry).collect()).write(depth, out);
            }
            Self::Value(Value::Array(items)) => {
                Self::List(items.iter().cloned().map(Self::Value).collect()).write(depth, out);
            }
            Self::Value(_) => {}
            Self::List(items) => {
                out.push('\n');
                for item in items {
                    indent(depth, out);
                    out.push('-');
                    item.write_item(depth, out);
                }
            }
            Self::Map(entries) => {
                out.push('\n');
                for (name, value) in entries {
                    indent(depth, out);
                    write_entry(name, value, depth, out);
                }
            }
        }
    }

    /// What stands after the dash of a list: a mapping starts on its line.
    fn write_item(&self, depth: usize, out: &mut String) {
        let mut line = String::new();
        match self {
            Self::Map(entries) if !self.flow(&mut line, MAX_LINE - 2 * depth - 2) => {
                for (index, (name, value)) in entries.iter().enumerate() {
                    if index == 0 {
                        out.push(' ');
                    } else {
                        indent(depth + 1, out);
                    }
                    write_entry(name, value, depth + 1, out);
                }
            }
            _ => self.write(depth + 1, out),
        }
    }

    /// Writes the value in one line, or says that there is no room.
    fn flow(&self, out: &mut String, room: usize) -> bool {
        match self {
            Self::Value(Value::Array(items)) => {
                items.len() <= room && list(items.iter().map(|v| Self::Value(v.clone())), out, room)
            }
            Self::Value(Value::Object(fields)) => {
                let entries = fields.iter().map(|(n, v)| (n.as_str(), Self::Value(v.clone())));
                fields.len() <= room && map(entries, out, room)
            }
            Self::Value(value) => {
                out.push_str(&scalar_in_flow(value));
                out.len() <= room
            }
            Self::List(items) => items.len() <= room && list(items.iter().cloned(), out, room),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(name, value)| (name.as_str(), value.clone()));
                entries.len() <= room && map(entries, out, room)
            }
        }
    }
}

/// A scalar after its key; a long text is folded.
fn write_scalar(value: &Value, depth: usize, column: usize, out: &mut String) {
    out.push(' ');
    let line = scalar(value);
    let words = value.as_str().filter(|text| {
        column + line.len() >= MAX_LINE
            && text.split(' ').all(|word| !word.is_empty() && word.len() < MAX_LINE)
            && !text.contains(char::is_control)
            && !text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'])
    });
    let Some(words) = words.filter(|text| text.contains(' ')) else {
        out.push_str(&line);
        out.push('\n');
        return;
    };
    out.push_str(">-");
    let mut room = 0;
    for word in words.split(' ') {
        match word.len() < room {
            true => out.push(' '),
            false => {
                out.push('\n');
                indent(depth, out);
                room = MAX_LINE.saturating_sub(2 * depth).max(40);
            }
        }
        out.push_str(word);
        room = room.saturating_sub(word.len() + 1);
    }
    out.push('\n');
}

/// An entry of a mapping, with its key.
pub(super) fn write_entry(name: &str, value: &Out, depth: usize, out: &mut String) {
    out.push_str(&plain_or_quoted(name, false));
    out.push(':');
    value.write(depth + 1, out);
}

fn list(items: impl Iterator<Item = Out>, out: &mut String, room: usize) -> bool {
    out.push('[');
    for (index, item) in items.enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        if !item.flow(out, room) || out.len() > room {
            return false;
        }
    }
    out.push(']');
    out.len() <= room
}

fn map<'a>(entries: impl Iterator<Item = (&'a str, Out)>, out: &mut String, room: usize) -> bool {
    let mut empty = true;
    out.push('{');
    for (name, value) in entries {
        out.push_str(if empty { " " } else { ", " });
        empty = false;
        out.push_str(&plain_or_quoted(name, true));
        out.push_str(": ");
        if !value.flow(out, room) || out.len() > room {
            return false;
        }
    }
    out.push_str(if empty { "}" } else { " }" });
    out.len() <= room
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain_or_quoted(text, false),
        other => other.to_string(),
    }
}

fn scalar_in_flow(value: &Value) -> String {
    match value {
        Value::String(text) => plain_or_quoted(text, true),
        other => other.to_string(),
    }
}

/// A text, in quotes where YAML would take it for something else.
fn plain_or_quoted(text: &str, flow: bool) -> String {
    let fits = |c: char| {
        c.is_alphanumeric()
            || "_-./@+= ();%!*&$'~^|…".contains(c)
            || (!flow && ":{}?,#\"[]<>".contains(c))
    };
    let starts = text.starts_with(|c: char| c.is_alphabetic() || "/_(".contains(c) || c == '$');
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"];
    let plain = starts
        && text.chars().all(fits)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !word.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes. What JSON lets stand and YAML does not is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for letter in Value::from(text).to_string().chars() {
        match letter {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use postroom_core::yaml::{Source, to_json};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({
            "a": "x: y", "b": "#x", "c": ["1", 1, 1.5, null, true, [], {}], "d e": "a\nb",
            "on": "off", "g": "${{ input.a }}", "h": "/v1/${{ input.a }}", "i": {"j": {"k": "é"}},
            "l": "x".repeat(120), "m": [{"n": "y".repeat(90), "o": 1}, ["z".repeat(99)]],
            "p": "a, b", "q": "{x}", "r": "", "s": " t ", "u": "-1", "v": "it's \"so\"", "w": "~",
            "x": "Bearer {}", "y": "*", "1": "2026-01-01", "=": "@a", "aa": "a\u{7f}\u{2028}b",
        });
        let mut text = String::new();
        for (name, value) in value.as_object().unwrap() {
            write_entry(name, &Out::Value(value.clone()), 0, &mut text);
        }
        let mut source = Source::new("t.yaml", &text);
        let node = source.parse().unwrap_or_else(|| panic!("{:?}\n{text}", source.problems));
        assert_eq!(to_json(&node), value, "{text}");
    }
}
