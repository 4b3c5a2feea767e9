//! Holds the requests of a manifest against the description it was made of: an independent
//! reading of OpenAPI and Discovery, and another library's JSON Schema. It shares no code with
//! the import.

mod coerce;
mod described;
mod wire;

use std::collections::BTreeMap;

use boon::{Compiler, Draft, Schemas};
use postroom_adapters::{Adapter, Catalog, Context, HttpRequest, Planned};
use postroom_core::Json;
use serde_json::{Map, Value};

use described::{Described, Operation, Parameter};
use wire::Tree;

/// What came of a check.
#[derive(Default)]
pub struct Verdict {
    /// Requests that were built.
    pub requests: usize,
    /// What does not fit, each with its action.
    pub misfits: Vec<String>,
}

/// Builds the request of each action's example and holds it against the description.
pub fn check(description: &Value, manifest: &str) -> Result<Verdict, String> {
    let mut catalog = Catalog::default();
    catalog.add("the manifest", manifest).map_err(|problems| {
        problems.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("\n")
    })?;
    let adapter = catalog.adapters().next().ok_or("no adapter")?;
    let mut oracle = Oracle::new(Described::read(description));
    let mut verdict = Verdict::default();
    for action in &adapter.actions {
        for told in action.rehearse() {
            verdict.misfits.push(told);
        }
        let Some(example) = &action.example else { continue };
        let config = Json::null();
        let context = Context {
            input: &example.input,
            results: &[],
            config: &config,
            base_url: None,
            key: "run-1.step",
        };
        match action.request(0, &context) {
            Ok(Planned::Send(request)) => {
                verdict.requests += 1;
                let told = oracle.request(&request, adapter);
                verdict.misfits.extend(told.into_iter().map(|what| format!("{action}: {what}")));
            }
            Ok(Planned::Skip) => verdict.misfits.push(format!("{action}: it is skipped")),
            Err(failure) => verdict.misfits.push(format!("{action}: {}", failure.message)),
        }
    }
    Ok(verdict)
}

struct Oracle {
    described: Described,
    compiler: Compiler,
    schemas: Schemas,
    count: usize,
}

impl Oracle {
    fn new(described: Described) -> Self {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(if described.old { Draft::V4 } else { Draft::V2020_12 });
        compiler.add_resource("http://d/spec", described.root.clone()).expect("a resource");
        Self { described, compiler, schemas: Schemas::new(), count: 0 }
    }

    /// What of a request is not as the description has it.
    fn request(&mut self, request: &HttpRequest, adapter: &Adapter) -> Vec<String> {
        let base = adapter.base_url.clone().unwrap_or_default();
        let Some(rest) = request.url.strip_prefix(&base) else {
            return vec![format!("{} is not below {base}", request.url)];
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Some((operation, segments)) = self.described.find(&request.method, path, &base) else {
            return vec![format!("the description has no {} {path} at {base}", request.method)];
        };
        let operation = operation.clone();
        let mut told = Vec::new();
        for parameter in operation.parameters.iter().filter(|it| it.place == "path") {
            let Some(value) = segments.get(&parameter.name) else { continue };
            let value =
                coerce::coerce(&self.described, &parameter.schema, &Tree::Leaf(value.clone()));
            self.value(&parameter.schema, &value, &parameter.name, &mut told);
        }
        self.query(&operation, query, &mut told);
        self.headers(&operation, request, &mut told);
        self.body(&operation, request, &mut told);
        told
    }

    fn query(&mut self, operation: &Operation, query: &str, told: &mut Vec<String>) {
        let declared: Vec<&Parameter> =
            operation.parameters.iter().filter(|it| it.place == "query").collect();
        let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (name, value) in wire::pairs(query) {
            let base = name.split('[').next().unwrap_or_default().to_owned();
            let known = |wanted: &str| declared.iter().any(|it| it.name == wanted);
            let owner = if known(&name) { name.clone() } else { base };
            if !known(&owner) {
                told.push(format!("the query has `{name}`, which is not described"));
                continue;
            }
            groups.entry(owner).or_default().push((name, value));
        }
        for parameter in declared {
            let Some(pairs) = groups.get(&parameter.name) else {
                if parameter.required {
                    told.push(format!("the query lacks `{}`", parameter.name));
                }
                continue;
            };
            let tree = match wire::parameter(parameter, pairs) {
                Ok(tree) => tree,
                Err(why) => {
                    told.push(why);
                    continue;
                }
            };
            let value = match tree {
                Tree::Json(value) => value,
                tree => coerce::coerce(&self.described, &parameter.schema, &tree),
            };
            self.value(&parameter.schema, &value, &parameter.name, told);
        }
    }

    fn headers(&mut self, operation: &Operation, request: &HttpRequest, told: &mut Vec<String>) {
        let sent = |name: &str| {
            let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        for parameter in operation.parameters.iter().filter(|it| it.place == "header") {
            let ignored = ["accept", "content-type", "authorization"];
            if ignored.contains(&parameter.name.to_ascii_lowercase().as_str()) {
                continue;
            }
            match sent(&parameter.name) {
                None if parameter.required => told.push(format!("no header `{}`", parameter.name)),
                None => {}
                Some(value) => {
                    let tree = Tree::Leaf(value);
                    let value = coerce::coerce(&self.described, &parameter.schema, &tree);
                    self.value(&parameter.schema, &value, &parameter.name, told);
                }
            }
        }
    }

    fn body(&mut self, operation: &Operation, request: &HttpRequest, told: &mut Vec<String>) {
        let media =
            request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let Some((_, media)) = media.filter(|_| !request.body.is_empty()) else {
            if operation.body_required && request.body.is_empty() {
                // An empty form is an empty body.
                let form = |media: &str| media.contains("urlencoded");
                if !operation.bodies.iter().any(|body| form(&body.media)) {
                    told.push("there is no body".to_owned());
                }
            }
            return;
        };
        let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let found = operation.bodies.iter().find(|body| {
            body.media == essence || (body.media == "*/*" && essence == "application/json")
        });
        let Some(body) = found.cloned() else {
            told.push(format!("a body of {essence} is not described"));
            return;
        };
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let value = if essence.contains("json") {
            match serde_json::from_str(&text) {
                Ok(value) => value,
                Err(error) => {
                    told.push(format!("the body is no JSON: {error}"));
                    return;
                }
            }
        } else if essence.contains("urlencoded") {
            let tree = wire::form(&text);
            coerce::coerce(&self.described, &body.schema, &tree)
        } else {
            Value::String(text)
        };
        self.value(&body.schema, &value, "body", told);
    }

    /// Holds a value against a schema with another library.
    fn value(&mut self, schema: &Value, value: &Value, what: &str, told: &mut Vec<String>) {
        self.count += 1;
        let url = format!("http://d/check/{}", self.count);
        // References lead into the description.
        let schema = absolute(schema);
        if let Err(error) = self.compiler.add_resource(&url, schema) {
            told.push(format!("`{what}`: {error}"));
            return;
        }
        match self.compiler.compile(&url, &mut self.schemas) {
            Err(error) => told.push(format!("`{what}`: its schema does not compile: {error:#}")),
            Ok(index) => {
                if let Err(error) = self.schemas.validate(value, index) {
                    let error = format!("{error:#}").replace('\n', " ");
                    let error: String = error.chars().take(600).collect();
                    told.push(format!("`{what}` is {value}: {error}"));
                }
            }
        }
    }
}

fn absolute(schema: &Value) -> Value {
    match schema {
        Value::Object(words) => {
            let word = |(name, value): (&String, &Value)| match (name.as_str(), value) {
                ("$ref", Value::String(to)) if to.starts_with('#') => {
                    (name.clone(), Value::String(format!("http://d/spec{to}")))
                }
                _ => (name.clone(), absolute(value)),
            };
            Value::Object(words.iter().map(word).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(absolute).collect()),
        other => other.clone(),
    }
}
