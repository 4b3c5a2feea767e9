//! A double that knows of Stripe what Stripe's own description says, and nothing else: it refuses a
//! form that the description does not allow, and answers with the description's example resources.
//!
//! The excerpts beside this file are from github.com/stripe/openapi, MIT, see `LICENSE`:
//! `requests.json` from `spec3.yaml` at 63a6746 (API version 2023-08-16; titles, descriptions and
//! extensions cut out), `answers.json` from `fixtures3.json` at f6c2a48 (August 2026, unchanged).

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Map, Value, json};

use crate::harness::double::Service;
use crate::harness::{Received, Reply, Stripe};

const REQUESTS: &str = include_str!("requests.json");
const ANSWERS: &str = include_str!("answers.json");

/// What a POST to each path may hold.
pub struct Forms {
    described: Value,
    schemas: Schemas,
    compiled: Vec<(String, SchemaIndex)>,
}

impl Forms {
    pub fn new() -> Self {
        let described: Value = serde_json::from_str(REQUESTS).expect("the excerpt");
        let mut compiler = Compiler::new();
        // OpenAPI 3.0 speaks an early dialect.
        compiler.set_default_draft(Draft::V4);
        let mut schemas = Schemas::new();
        let mut compiled = Vec::new();
        for (path, schema) in described.as_object().expect("paths") {
            let at = format!("mem:///{}", compiled.len());
            compiler.add_resource(&at, schema.clone()).expect("a schema");
            let index = compiler.compile(&at, &mut schemas).expect("a schema");
            compiled.push((path.clone(), index));
        }
        Self { described, schemas, compiled }
    }

    /// What is wrong with a form that is posted to a path.
    pub fn check(&self, path: &str, form: &[(String, String)]) -> Result<(), String> {
        let found = self.compiled.iter().find(|(known, _)| matches(known, path));
        let (known, index) = found.ok_or_else(|| format!("{path} is not described"))?;
        let value = typed(nested(form)?, &self.described[known]);
        let checked = self.schemas.validate(&value, *index);
        checked.map_err(|error| format!("{error:#}"))
    }
}

fn matches(known: &str, path: &str) -> bool {
    let (known, path): (Vec<_>, Vec<_>) = (known.split('/').collect(), path.split('/').collect());
    let fits = |(known, part): (&&str, &&str)| known.starts_with('{') || known == part;
    known.len() == path.len() && known.iter().zip(&path).all(fits)
}

/// `a[b]=c` as `{"a": {"b": "c"}}`, `a[0]=c` as `{"a": ["c"]}`.
fn nested(form: &[(String, String)]) -> Result<Value, String> {
    let mut root = json!({});
    for (name, value) in form {
        let mut place = &mut root;
        for part in name.split('[').map(|part| part.trim_end_matches(']')) {
            let object = place.as_object_mut().ok_or_else(|| format!("{name} is text, too"))?;
            place = object.entry(part).or_insert_with(|| json!({}));
        }
        if *place != json!({}) {
            return Err(format!("{name} stands twice"));
        }
        *place = json!(value);
    }
    Ok(listed(root))
}

/// Objects whose names count from 0 as lists.
fn listed(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let object: Map<String, Value> = object.into_iter().map(|(k, v)| (k, listed(v))).collect();
    let item = |index: usize| object.get(&index.to_string());
    match (0..object.len()).map(item).collect::<Option<Vec<_>>>() {
        Some(items) if !items.is_empty() => items.into_iter().cloned().collect(),
        _ => Value::Object(object),
    }
}

/// Texts as the numbers and booleans that a schema wants, where they are some.
fn typed(value: Value, schema: &Value) -> Value {
    if let Some(choices) = schema["anyOf"].as_array() {
        let kind = match &value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            _ => "",
        };
        let fits = |choice: &&Value| kind.is_empty() || choice["type"] == kind;
        let typed_by = choices.iter().filter(fits).map(|choice| typed(value.clone(), choice));
        return typed_by.reduce(|a, b| if a.is_string() { b } else { a }).unwrap_or(value);
    }
    match value {
        Value::Object(object) => {
            let of = |name: &str| match &schema["properties"][name] {
                Value::Null => schema["additionalProperties"].clone(),
                property => property.clone(),
            };
            object.into_iter().map(|(k, v)| (k.clone(), typed(v, &of(&k)))).collect()
        }
        Value::Array(items) => items.into_iter().map(|it| typed(it, &schema["items"])).collect(),
        Value::String(text) => {
            let other = match schema["type"].as_str() {
                Some("integer") => text.parse::<i64>().ok().map(Value::from),
                Some("number") => text.parse::<f64>().ok().map(Value::from),
                Some("boolean") => text.parse::<bool>().ok().map(Value::from),
                _ => None,
            };
            other.unwrap_or(Value::String(text))
        }
        value => value,
    }
}

/// The double's answers.
pub struct Described {
    forms: Forms,
    answers: Value,
}

impl Described {
    pub fn new() -> Self {
        let answers = serde_json::from_str(ANSWERS).expect("the excerpt");
        Self { forms: Forms::new(), answers }
    }
}

impl Service for Described {
    fn answer(&mut self, request: &Received) -> Reply {
        if request.method == "POST"
            && let Err(wrong) = self.forms.check(&request.path, &request.form())
        {
            return Stripe::refusal(400, "invalid_request_error", "not_as_described", &wrong);
        }
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let (resource, changes) = match (request.method.as_str(), &parts[..]) {
            ("GET", ["v1", "customers", id]) => ("customer", json!({"id": id})),
            ("POST", ["v1", "customers"]) => ("customer", json!({})),
            ("POST", ["v1", "invoices"]) => ("invoice", json!({"status": "draft"})),
            ("POST", ["v1", "invoiceitems"]) => ("invoiceitem", json!({})),
            ("POST", ["v1", "invoices", id, "finalize"]) => {
                ("invoice", json!({"id": id, "status": "open"}))
            }
            ("POST", ["v1", "refunds"]) => ("refund", json!({})),
            _ => return Stripe::refusal(404, "invalid_request_error", "unknown_url", ""),
        };
        let mut answer = self.answers[resource].clone();
        for (name, value) in changes.as_object().expect("changes") {
            answer[name] = value.clone();
        }
        Reply::json(200, &answer)
    }
}
