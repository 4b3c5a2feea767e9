//! Forms and queries as a server reads them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::described::Parameter;

/// What a text form says before anybody knows its types.
pub enum Tree {
    Leaf(String),
    /// A name that stands several times.
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
    /// JSON text.
    Json(Value),
}

/// The pairs of a query or form.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name, true), decoded(value, true))
        })
        .collect()
}

/// Percent-decoded; in forms `+` is a space.
pub fn decoded(text: &str, form: bool) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex: Vec<u8> = bytes.by_ref().take(2).collect();
                let hex = String::from_utf8(hex).unwrap();
                out.push(u8::from_str_radix(&hex, 16).unwrap());
            }
            b'+' if form => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap()
}

/// A form with nested names.
pub fn form(text: &str) -> Tree {
    let mut root = Tree::Map(BTreeMap::new());
    for (name, value) in pairs(text) {
        put(&mut root, &path(&name), value);
    }
    root
}

/// A query parameter by its style.
pub fn parameter(parameter: &Parameter, pairs: &[(String, String)]) -> Result<Tree, String> {
    let name = &parameter.name;
    let bare = pairs.iter().all(|(known, _)| known == name);
    if parameter.json {
        let value =
            serde_json::from_str(&pairs[0].1).map_err(|error| format!("{name}: {error}"))?;
        return Ok(Tree::Json(value));
    }
    match (parameter.style.as_str(), parameter.explode, pairs) {
        ("deepObject", ..) => {
            let mut root = Tree::Map(BTreeMap::new());
            for (known, value) in pairs {
                put(&mut root, &path(known), value.clone());
            }
            match root {
                Tree::Map(mut all) => Ok(all.remove(name).unwrap_or(Tree::Map(all))),
                other => Ok(other),
            }
        }
        _ if !bare => Err(format!("`{name}` is written in brackets")),
        ("spaceDelimited", false, [(_, value)]) => Ok(split(value, ' ')),
        ("pipeDelimited", false, [(_, value)]) => Ok(split(value, '|')),
        (_, false, [(_, value)]) => Ok(split(value, ',')),
        (_, false, _) => Err(format!("`{name}` stands several times")),
        (_, true, [(_, value)]) => Ok(Tree::Leaf(value.clone())),
        (_, true, many) => {
            Ok(Tree::List(many.iter().map(|(_, value)| Tree::Leaf(value.clone())).collect()))
        }
    }
}

fn split(value: &str, separator: char) -> Tree {
    match value.contains(separator) {
        true => Tree::List(value.split(separator).map(|it| Tree::Leaf(it.to_owned())).collect()),
        false => Tree::Leaf(value.to_owned()),
    }
}

fn path(name: &str) -> Vec<String> {
    let mut parts = name.split('[');
    let mut path = vec![parts.next().unwrap_or_default().to_owned()];
    path.extend(parts.map(|part| part.trim_end_matches(']').to_owned()));
    path
}

fn put(node: &mut Tree, path: &[String], value: String) {
    let Tree::Map(entries) = node else { return };
    let Some((name, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        let leaf = Tree::Leaf(value);
        match entries.remove(name) {
            None => entries.insert(name.clone(), leaf),
            Some(Tree::List(mut items)) => {
                items.push(leaf);
                entries.insert(name.clone(), Tree::List(items))
            }
            Some(known) => entries.insert(name.clone(), Tree::List(vec![known, leaf])),
        };
        return;
    }
    let inner = entries.entry(name.clone()).or_insert_with(|| Tree::Map(BTreeMap::new()));
    put(inner, rest, value);
}
