//! The part of JSON Schema that contracts are written in, and what it says about a value.
//!
//! Owns the list of keywords. A schema with any other keyword is refused when it is read, because a
//! constraint that is not enforced would be a promise not kept.

use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{Node, Source, Value as Yaml, to_json};
use postroom_expr::nearest;
use postroom_expr::{JsonView, Kind, Number};
use serde_json::Value;

/// The most problems told about one value.
const MAX_PROBLEMS: usize = 8;

/// Keywords that say something to a reader and constrain nothing.
const ANNOTATIONS: &[&str] = &["title", "description", "examples", "format", "deprecated"];

/// Keywords that are enforced.
const KEYWORDS: &[&str] = &[
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
];

const TYPES: &[&str] = &["null", "boolean", "integer", "number", "string", "array", "object"];

/// Reads a schema, reporting what is not in the subset.
pub(crate) fn read(source: &mut Source<'_>, node: &Node, path: &str) -> Value {
    read_at(source, node, path);
    to_json(node)
}

fn read_at(source: &mut Source<'_>, node: &Node, path: &str) {
    let Some(fields) = source.map(node, path) else { return };
    for (key, node) in fields.all() {
        let path = format!("{path}.{}", key.name);
        match key.name.as_str() {
            name if ANNOTATIONS.contains(&name) => {}
            "type" => read_types(source, node, &path),
            "properties" => {
                let Some(fields) = source.map(node, &path) else { continue };
                for (key, node) in fields.all() {
                    read_at(source, node, &format!("{path}.{}", key.name));
                }
            }
            "additionalProperties" if matches!(node.value, Yaml::Bool(_)) => {}
            "additionalProperties" | "items" => read_at(source, node, &path),
            "required" => {
                for item in source.list(node, &path).unwrap_or_default() {
                    source.text(item, &path);
                }
            }
            "enum" => {
                source.list(node, &path);
            }
            "const" => {}
            "minItems" | "maxItems" | "minLength" | "maxLength" => {
                source.int(node, &path, 0, i64::MAX);
            }
            "minimum" | "maximum" => {
                if !matches!(node.value, Yaml::Int(_) | Yaml::Float(_)) {
                    source.wrong_type(node, &path, "a number");
                }
            }
            name => {
                let detail = format!("`{path}` is no schema keyword that is enforced");
                let known = KEYWORDS.iter().chain(ANNOTATIONS).copied();
                let hint = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("enforced here: {}", KEYWORDS.join(", ")),
                };
                source.report(Problem::new(&problem::UNKNOWN_KEY, detail).hint(hint), key.at);
            }
        }
    }
    unknown_required(source, node, path);
}

/// A required property that is neither described nor allowed could never be given.
fn unknown_required(source: &mut Source<'_>, node: &Node, path: &str) {
    let schema = to_json(node);
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let names = schema.get("required").and_then(Value::as_array);
    for name in names.into_iter().flatten().filter_map(Value::as_str) {
        if properties.is_some_and(|known| known.contains_key(name)) {
            continue;
        }
        let detail = format!("`{path}.required` names `{name}`, which is not among `properties`");
        let mut found = Problem::new(&problem::BAD_VALUE, detail);
        let known = properties.into_iter().flat_map(|known| known.keys().map(String::as_str));
        if let Some(near) = nearest(name, known) {
            found = found.hint(format!("did you mean `{near}`?"));
        }
        source.report(found, node.at);
    }
}

fn read_types(source: &mut Source<'_>, node: &Node, path: &str) {
    let one = std::slice::from_ref(node);
    let names = match &node.value {
        Yaml::List(items) => items,
        // A bare `type: null` is the YAML null, not the name of the type.
        Yaml::Null => return,
        _ => one,
    };
    for node in names {
        let Some(name) = source.text(node, path) else { continue };
        if !TYPES.contains(&name) {
            let detail = format!("`{path}` is `{name}`, which is no type");
            let hint = format!("one of {}", TYPES.join(", "));
            source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), node.at);
        }
    }
}

/// One thing about a value that does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Path, what was expected and what was found.
    pub message: String,
    /// The nearest name, for one that is not known.
    pub hint: Option<String>,
}

/// What about a value does not fit a schema that was read before; at most a handful.
pub(crate) fn check(schema: &Value, view: JsonView<'_>, path: &str) -> Vec<Misfit> {
    let mut found = Vec::new();
    check_at(schema, view, path, &mut found);
    found
}

fn check_at(schema: &Value, view: JsonView<'_>, path: &str, found: &mut Vec<Misfit>) {
    if found.len() >= MAX_PROBLEMS {
        return;
    }
    let mut tell = |message: String| found.push(Misfit { message, hint: None });
    if let Some(wanted) = schema.get("type")
        && !types(wanted).any(|name| is_type(view, name))
    {
        let wanted: Vec<&str> = types(wanted).map(type_words).collect();
        return tell(format!("`{path}` must be {}, but is {}", wanted.join(" or "), excerpt(view)));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array)
        && !values.iter().any(|value| same(value, view))
    {
        let names: Vec<String> = values.iter().map(plain).collect();
        return tell(format!(
            "`{path}` must be one of {}, but is {}",
            names.join(", "),
            excerpt(view)
        ));
    }
    if let Some(value) = schema.get("const").filter(|value| !same(value, view)) {
        return tell(format!("`{path}` must be {}, but is {}", plain(value), excerpt(view)));
    }
    match view.kind() {
        Kind::Number => check_number(schema, view, path, &mut tell),
        Kind::String => {
            let length = view.as_str().map_or(0, |text| text.chars().count());
            check_size(schema, ("minLength", "maxLength"), (length, "characters"), path, &mut tell);
        }
        Kind::Array => {
            check_size(schema, ("minItems", "maxItems"), (view.len(), "items"), path, &mut tell);
            if let Some(items) = schema.get("items") {
                for (index, item) in view.items().enumerate() {
                    check_at(items, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        Kind::Object => check_object(schema, view, path, found),
        Kind::Null | Kind::Bool => {}
    }
}

fn check_number(schema: &Value, view: JsonView<'_>, path: &str, tell: &mut impl FnMut(String)) {
    let Some(number) = view.as_number() else {
        return tell(format!("`{path}` is a number too large to be represented"));
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(least) = bound("minimum").filter(|least| number.as_f64() < *least) {
        tell(format!("`{path}` must be at least {least}, but is {number}"));
    }
    if let Some(most) = bound("maximum").filter(|most| number.as_f64() > *most) {
        tell(format!("`{path}` must be at most {most}, but is {number}"));
    }
}

fn check_size(
    schema: &Value,
    (least, most): (&str, &str),
    (size, unit): (usize, &str),
    path: &str,
    tell: &mut impl FnMut(String),
) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    let size = size as u64;
    if let Some(least) = bound(least).filter(|least| size < *least) {
        tell(format!("`{path}` must have at least {least} {unit}, but has {size}"));
    }
    if let Some(most) = bound(most).filter(|most| size > *most) {
        tell(format!("`{path}` must have at most {most} {unit}, but has {size}"));
    }
}

fn check_object(schema: &Value, view: JsonView<'_>, path: &str, found: &mut Vec<Misfit>) {
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if view.get(name).is_none() {
            found.push(Misfit { message: format!("`{path}.{name}` is missing"), hint: None });
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties");
    for (name, value) in view.entries() {
        let known = properties.and_then(|known| known.get(name.as_ref()));
        // Most members need no text of their place.
        let path = || format!("{path}.{}", crate::build::shown(&name));
        match (known, others) {
            (Some(schema), _) => check_at(schema, value, &path(), found),
            (None, Some(Value::Bool(false))) if found.len() < MAX_PROBLEMS => {
                let names: Vec<&str> =
                    properties.into_iter().flat_map(|p| p.keys().map(String::as_str)).collect();
                let hint = match nearest(&name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", names.join(", ")),
                };
                let message = format!("`{}` is not known", path());
                found.push(Misfit { message, hint: Some(hint) });
            }
            (None, Some(schema @ Value::Object(_))) => check_at(schema, value, &path(), found),
            (None, _) => {}
        }
    }
}

fn types(wanted: &Value) -> impl Iterator<Item = &str> {
    let one = wanted.as_str();
    let null = wanted.is_null().then_some("null");
    let many = wanted.as_array().into_iter().flatten();
    one.into_iter().chain(null).chain(many.map(|name| name.as_str().unwrap_or("null")))
}

fn is_type(view: JsonView<'_>, name: &str) -> bool {
    match (name, view.kind()) {
        ("null", Kind::Null)
        | ("boolean", Kind::Bool)
        | ("number", Kind::Number)
        | ("string", Kind::String)
        | ("array", Kind::Array)
        | ("object", Kind::Object) => true,
        ("integer", Kind::Number) => matches!(view.as_number(), Some(Number::Int(_))),
        _ => false,
    }
}

fn type_words(name: &str) -> &str {
    match name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    }
}

/// The kind of a value in the words of messages.
pub(crate) fn kind_name(view: JsonView<'_>) -> &'static str {
    match view.kind() {
        Kind::Null => "null",
        Kind::Bool => "true or false",
        Kind::Number => "a number",
        Kind::String => "text",
        Kind::Array => "a list",
        Kind::Object => "an object",
    }
}

/// The value as a message shows it. Long texts are cut: they may hold anything.
fn excerpt(view: JsonView<'_>) -> String {
    match view.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Array | Kind::Object => kind_name(view).to_owned(),
        Kind::Bool => view.raw().to_owned(),
        Kind::Number => format!("the number {}", view.raw().chars().take(40).collect::<String>()),
        Kind::String => {
            let text = view.as_str().unwrap_or_default();
            let short: String = text.chars().take(40).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            format!("the text `{}{more}`", crate::build::shown(&short))
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

fn same(value: &Value, view: JsonView<'_>) -> bool {
    match value {
        Value::String(text) => view.as_str().is_some_and(|found| found == text.as_str()),
        Value::Number(number) => {
            view.as_number().is_some_and(|found| number.as_f64() == Some(found.as_f64()))
        }
        other => serde_json::from_str::<Value>(view.raw()).is_ok_and(|found| found == *other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(yaml: &str) -> Result<Value, Vec<String>> {
        let mut source = Source::new("s.yaml", yaml);
        let node = source.parse().unwrap();
        let schema = read(&mut source, &node, "input");
        match source.problems.is_empty() {
            true => Ok(schema),
            false => Err(source.problems.iter().map(ToString::to_string).collect()),
        }
    }

    fn misfits(yaml: &str, json: &str) -> Vec<String> {
        let view = JsonView::parse(json).unwrap();
        let found = check(&schema(yaml).unwrap(), view, "input");
        found
            .into_iter()
            .map(|m| m.message + &m.hint.map_or(String::new(), |h| format!(" ({h})")))
            .collect()
    }

    const INVOICE: &str = "
type: object
additionalProperties: false
required: [customerId, amount]
properties:
  customerId: {type: string, minLength: 1, maxLength: 10}
  amount: {type: integer, minimum: 1, maximum: 99}
  kind: {enum: [a, 2, null]}
  tags: {type: array, maxItems: 2, items: {type: [string, 'null']}}
  metadata: {type: object, additionalProperties: {type: string}}
  on: {type: boolean}
  v: {const: 1}
";

    #[test]
    fn what_fits_fits() {
        for json in [
            r#"{"customerId":"c","amount":1}"#,
            r#"{"customerId":"c","amount":15.0,"kind":null,"tags":["a",null],"on":true}"#,
            r#"{"customerId":"c","amount":9,"kind":2,"metadata":{"x":"y"},"v":1.0}"#,
        ] {
            assert_eq!(misfits(INVOICE, json), [""; 0], "{json}");
        }
    }

    #[test]
    fn each_misfit_names_path_expectation_and_finding() {
        for (json, message) in [
            ("[]", "`input` must be an object, but is a list"),
            (r#"{"customerId":"c"}"#, "`input.amount` is missing"),
            (
                r#"{"customerId":"c","amount":"1500"}"#,
                "`input.amount` must be a whole number, but is the text `1500`",
            ),
            (
                r#"{"customerId":"c","amount":1.5}"#,
                "`input.amount` must be a whole number, but is the number 1.5",
            ),
            (r#"{"customerId":"c","amount":0}"#, "`input.amount` must be at least 1, but is 0"),
            (r#"{"customerId":"c","amount":100}"#, "`input.amount` must be at most 99, but is 100"),
            (
                r#"{"customerId":"","amount":1}"#,
                "`input.customerId` must have at least 1 characters, but has 0",
            ),
            (
                r#"{"customerId":"c","amount":1,"custmerId":1,"kind":"b"}"#,
                "`input.custmerId` is not known (did you mean `customerId`?)",
            ),
            (
                r#"{"customerId":"c","amount":1,"kind":"b"}"#,
                "`input.kind` must be one of `a`, 2, null, but is the text `b`",
            ),
            (
                r#"{"customerId":"c","amount":1,"tags":["a",1]}"#,
                "`input.tags[1]` must be text or null, but is the number 1",
            ),
            (
                r#"{"customerId":"c","amount":1,"tags":["a","b","c"]}"#,
                "`input.tags` must have at most 2 items, but has 3",
            ),
            (
                r#"{"customerId":"c","amount":1,"metadata":{"x":1}}"#,
                "`input.metadata.x` must be text, but is the number 1",
            ),
            (r#"{"customerId":"c","amount":1,"v":2}"#, "`input.v` must be 1, but is the number 2"),
        ] {
            assert_eq!(misfits(INVOICE, json).first().map(String::as_str), Some(message), "{json}");
        }
    }

    #[test]
    fn the_number_of_misfits_is_bounded() {
        let json = format!("[{}]", vec!["1"; 10_000].join(","));
        let found = misfits("{type: array, items: {type: string}}", &json);
        assert_eq!(found.len(), MAX_PROBLEMS);
    }

    #[test]
    fn what_is_not_enforced_is_refused() {
        let told = schema("{type: object, properties: {a: {patern: x}, b: {type: strng}}}");
        assert_eq!(
            told.unwrap_err(),
            [
                "s.yaml:1:33: `input.properties.a.patern` is no schema keyword that is enforced \
                 [config/unknown-key]; enforced here: type, enum, const, properties, required, \
                 additionalProperties, items, minItems, maxItems, minLength, maxLength, minimum, \
                 maximum",
                "s.yaml:1:55: `input.properties.b.type` is `strng`, which is no type \
                 [config/bad-value]; one of null, boolean, integer, number, string, array, object",
            ]
        );
        let told =
            schema("{additionalProperties: false, properties: {amount: {}}, required: [amuont]}");
        assert!(told.unwrap_err()[0].contains("did you mean `amount`?"));
    }
}
