//! The OpenAPI document a server hands out, and whether answers are as it says. Stricter than the
//! document itself: a field that it does not name is a fault here.

use serde_json::Value;

use super::client::Answer;
use super::server::Server;

/// What a server says of itself.
pub struct Contract(pub Value);

impl Contract {
    #[track_caller]
    pub fn of(server: &Server) -> Self {
        let answer = server.client.get("/api/openapi.json");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        Self(answer.json())
    }

    /// Every path with a method, in upper case.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.0["paths"].as_object().expect("paths");
        let methods = |(path, item): (&String, &Value)| {
            let methods = item.as_object().expect("methods");
            methods.keys().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(methods).collect()
    }

    /// An operation.
    pub fn operation(&self, method: &str, path: &str) -> &Value {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not in the document");
        operation
    }

    /// Asserts that an answer of an operation is one of those the document says.
    #[track_caller]
    pub fn holds(&self, method: &str, path: &str, answer: &Answer) {
        let what = format!("{method} {path}: {} {}", answer.status, answer.text());
        let said = &self.operation(method, path)["responses"][answer.status.to_string()];
        assert!(said.is_object(), "no such status in the document: {what}");
        let kind = answer.header("content-type").unwrap_or_default();
        let schema = &said["content"][kind]["schema"];
        assert!(schema.is_object(), "no such content as `{kind}` in the document: {what}");
        let body = match kind.ends_with("json") {
            true => answer.json(),
            false => Value::from(answer.text()),
        };
        let mut faults = Vec::new();
        self.compare(schema, &body, "", &mut faults);
        assert!(faults.is_empty(), "{faults:#?}: {what}");
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
            Some(pointer) => self.0.pointer(pointer).expect("a schema of the document"),
            None => schema,
        }
    }

    fn compare(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["anyOf"].as_array() {
            let fits = |choice: &&Value| {
                let mut faults = Vec::new();
                self.compare(choice, value, at, &mut faults);
                faults.is_empty()
            };
            if !choices.iter().any(|choice| fits(&choice)) {
                faults.push(format!("{at}: fits no choice: {value}"));
            }
        }
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect::<Vec<_>>(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
            faults.push(format!("{at}: is not {kinds:?}: {value}"));
        }
        let listed = schema["enum"].as_array();
        if listed.is_some_and(|listed| !listed.contains(value)) {
            faults.push(format!("{at}: is not listed: {value}"));
        }
        if schema.get("const").is_some_and(|only| only != value) {
            faults.push(format!("{at}: is not the constant: {value}"));
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.compare(&schema["items"], item, &format!("{at}/{index}"), faults);
        }
        if kinds.contains(&"object") && value.is_object() {
            self.compare_fields(schema, value, at, faults);
        }
    }

    fn compare_fields(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if value.get(name).is_none() {
                faults.push(format!("{at}: `{name}` is missing"));
            }
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Bool(true)) => {}
                (Value::Null, Value::Null | Value::Bool(false)) => {
                    faults.push(format!("{at}: is not in the document"));
                }
                (Value::Null, others) => self.compare(others, value, &at, faults),
                (schema, _) => self.compare(schema, value, &at, faults),
            }
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the document has a type `{other}`"),
    }
}
