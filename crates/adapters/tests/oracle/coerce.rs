//! Texts of forms and queries as the values that their schema asks for.

use serde_json::{Map, Value, json};

use super::described::Described;
use super::wire::Tree;

/// The value of a text form.
pub fn coerce(described: &Described, schema: &Value, tree: &Tree) -> Value {
    let mut cases = Vec::new();
    collect(described, schema, 0, &mut cases);
    let may = |wanted: &str| {
        cases.iter().any(|case| match &case["type"] {
            Value::String(name) => name == wanted,
            Value::Array(names) => names.iter().any(|name| name == wanted),
            _ => false,
        })
    };
    let inner = |word: &str| {
        let found: Vec<Value> = cases.iter().filter_map(|case| case.get(word)).cloned().collect();
        if found.len() == 1 { found[0].clone() } else { json!({ "anyOf": found }) }
    };
    let items = |trees: Vec<&Tree>| {
        let schema = inner("items");
        trees.into_iter().map(|tree| coerce(described, &schema, tree)).collect()
    };
    match tree {
        Tree::Json(value) => value.clone(),
        Tree::Leaf(text) => {
            let number = text.parse::<i64>().map(Value::from).ok();
            let number = number.or_else(|| text.parse::<f64>().map(Value::from).ok());
            if let Some(number) = number.filter(|_| may("integer") || may("number")) {
                return number;
            }
            match text.as_str() {
                "true" | "false" if may("boolean") => Value::Bool(text == "true"),
                _ if may("array") && !may("string") => Value::Array(items(vec![tree])),
                text => Value::from(text),
            }
        }
        Tree::List(trees) => Value::Array(items(trees.iter().collect())),
        Tree::Map(entries) => {
            let numbered = entries.keys().all(|name| name.parse::<usize>().is_ok());
            if may("array") && numbered {
                let mut sorted: Vec<(usize, &Tree)> =
                    entries.iter().map(|(name, tree)| (name.parse().unwrap(), tree)).collect();
                sorted.sort_by_key(|(index, _)| *index);
                return Value::Array(items(sorted.into_iter().map(|(_, tree)| tree).collect()));
            }
            let entry = |(name, tree): (&String, &Tree)| {
                let own: Vec<Value> = cases
                    .iter()
                    .filter_map(|case| {
                        let own = case["properties"].get(name);
                        own.or_else(|| case.get("additionalProperties"))
                    })
                    .cloned()
                    .collect();
                (name.clone(), coerce(described, &json!({ "anyOf": own }), tree))
            };
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

fn collect(described: &Described, schema: &Value, depth: usize, out: &mut Vec<Value>) {
    if depth > 8 {
        return;
    }
    let schema = described.resolve(schema);
    out.push(schema.clone());
    for word in ["allOf", "anyOf", "oneOf"] {
        for case in schema[word].as_array().into_iter().flatten() {
            collect(described, case, depth + 1, out);
        }
    }
}
