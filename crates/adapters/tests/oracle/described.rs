//! A description as the check reads it: operations, their parameters and bodies, and schemas in
//! a dialect that a validator understands.

use std::cell::RefCell;
use std::collections::BTreeMap;

use boon::{Compiler, Schemas};
use serde_json::{Map, Value, json};

/// A description.
pub struct Described {
    pub root: Value,
    pub old: bool,
    operations: Vec<Operation>,
}

/// An operation.
#[derive(Clone)]
pub struct Operation {
    method: String,
    template: String,
    servers: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub bodies: Vec<Body>,
    pub body_required: bool,
}

/// A parameter.
#[derive(Clone)]
pub struct Parameter {
    pub name: String,
    pub place: String,
    pub required: bool,
    pub schema: Value,
    pub style: String,
    pub explode: bool,
    pub json: bool,
}

/// A body.
#[derive(Clone)]
pub struct Body {
    pub media: String,
    pub schema: Value,
}

impl Described {
    pub fn read(description: &Value) -> Self {
        let mut root = description.clone();
        let discovery = root.get("discoveryVersion").is_some();
        let old = discovery || root["openapi"].as_str().is_some_and(|it| it.starts_with("3.0"));
        let dialect =
            Dialect { original: description, old, discovery, patterns: RefCell::default() };
        dialect.walk(&mut root);
        let mut described = Self { root, old, operations: Vec::new() };
        let operations = match discovery {
            true => described.methods(),
            false => described.paths(),
        };
        described.operations = operations;
        described
    }

    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        resolve(&self.root, value)
    }

    /// The operation whose template fits best, and what stands for its parameters.
    pub fn find(
        &self,
        method: &str,
        path: &str,
        base: &str,
    ) -> Option<(&Operation, BTreeMap<String, String>)> {
        let mut best: Option<(&Operation, BTreeMap<String, String>)> = None;
        let fits =
            |it: &&Operation| it.method == method && it.servers.iter().any(|server| server == base);
        for operation in self.operations.iter().filter(fits) {
            let mut found = BTreeMap::new();
            if matches(&operation.template, path, &mut found) {
                let fewer = best.as_ref().is_none_or(|(_, known)| found.len() < known.len());
                if fewer {
                    best = Some((operation, found));
                }
            }
        }
        best
    }

    fn paths(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (template, item) in self.root["paths"].as_object().into_iter().flatten() {
            let item = self.resolve(item);
            for (method, node) in item.as_object().into_iter().flatten() {
                if !node.is_object() || ["servers", "parameters"].contains(&method.as_str()) {
                    continue;
                }
                let mut parameters: Vec<Parameter> = Vec::new();
                let all = [&item["parameters"], &node["parameters"]];
                for parameter in all.into_iter().filter_map(Value::as_array).flatten() {
                    let one = self.parameter(self.resolve(parameter));
                    parameters.retain(|it| (&it.name, &it.place) != (&one.name, &one.place));
                    parameters.push(one);
                }
                let body = self.resolve(&node["requestBody"]);
                let content = body["content"].as_object();
                let bodies = content.into_iter().flatten().map(|(media, node)| Body {
                    media: media.split(';').next().unwrap_or_default().to_ascii_lowercase(),
                    schema: node.get("schema").cloned().unwrap_or(json!({})),
                });
                operations.push(Operation {
                    method: method.to_ascii_uppercase(),
                    template: template.clone(),
                    servers: self.servers(item, node),
                    parameters,
                    bodies: bodies.collect(),
                    body_required: body["required"] == true,
                });
            }
        }
        operations
    }

    fn servers(&self, item: &Value, node: &Value) -> Vec<String> {
        let all = [&node["servers"], &item["servers"], &self.root["servers"]];
        let list = all.into_iter().find_map(Value::as_array);
        let url = |server: &Value| {
            let mut url = server["url"].as_str().unwrap_or_default().to_owned();
            for (name, variable) in server["variables"].as_object().into_iter().flatten() {
                let value = variable["default"].as_str().unwrap_or_default();
                url = url.replace(&format!("{{{name}}}"), value);
            }
            url.trim_end_matches('/').to_owned()
        };
        list.into_iter().flatten().map(url).collect()
    }

    fn parameter(&self, node: &Value) -> Parameter {
        let place = node["in"].as_str().unwrap_or_default().to_owned();
        let usual = if ["query", "cookie"].contains(&place.as_str()) { "form" } else { "simple" };
        let style = node["style"].as_str().unwrap_or(usual).to_owned();
        let content = node["content"].as_object().and_then(|content| content.values().next());
        let schema = content.map_or(&node["schema"], |content| &content["schema"]);
        Parameter {
            name: node["name"].as_str().unwrap_or_default().to_owned(),
            required: node["required"] == true,
            schema: if schema.is_null() { json!({}) } else { schema.clone() },
            explode: node["explode"].as_bool().unwrap_or(style == "form"),
            json: content.is_some(),
            place,
            style,
        }
    }

    /// The methods of a Discovery document.
    fn methods(&self) -> Vec<Operation> {
        let text = |name: &str| self.root[name].as_str().unwrap_or_default();
        let base = format!("{}{}", text("rootUrl"), text("servicePath"));
        let mut operations = Vec::new();
        let mut waiting = vec![&self.root];
        while let Some(node) = waiting.pop() {
            waiting.extend(node["resources"].as_object().into_iter().flat_map(Map::values));
            for method in node["methods"].as_object().into_iter().flat_map(Map::values) {
                let parameters = method["parameters"].as_object().into_iter().flatten();
                let parameter = |(name, node): (&String, &Value)| {
                    let mut schema = node.clone();
                    schema.as_object_mut().map(|words| words.remove("required"));
                    if node["repeated"] == true {
                        schema = json!({ "type": "array", "items": schema });
                    }
                    Parameter {
                        name: name.clone(),
                        place: node["location"].as_str().unwrap_or_default().to_owned(),
                        required: node["required"] == true,
                        schema,
                        style: "form".to_owned(),
                        explode: true,
                        json: false,
                    }
                };
                let request = method.get("request");
                let path = method["path"].as_str().unwrap_or_default().replace("{+", "{");
                operations.push(Operation {
                    method: method["httpMethod"].as_str().unwrap_or_default().to_owned(),
                    template: format!("/{path}"),
                    servers: vec![base.trim_end_matches('/').to_owned()],
                    parameters: parameters.map(parameter).collect(),
                    bodies: request
                        .map(|schema| Body {
                            media: "application/json".to_owned(),
                            schema: schema.clone(),
                        })
                        .into_iter()
                        .collect(),
                    body_required: request.is_some(),
                });
            }
        }
        operations
    }
}

fn resolve<'a>(root: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..16 {
        let Some(to) = value["$ref"].as_str().and_then(|to| to.strip_prefix('#')) else { break };
        value = root.pointer(to).unwrap_or(&Value::Null);
    }
    value
}

/// Whether a path is made of a template; its values are decoded.
fn matches(template: &str, path: &str, found: &mut BTreeMap<String, String>) -> bool {
    let Some((before, after)) = template.split_once('{') else { return template == path };
    let Some(rest) = path.strip_prefix(before) else { return false };
    let Some((name, after)) = after.split_once('}') else { return false };
    let end = rest.find('/').unwrap_or(rest.len());
    // The longest value first: what follows in the segment is short.
    for at in (1..=end).rev().filter(|at| rest.is_char_boundary(*at)) {
        let mut inner = found.clone();
        if matches(after, &rest[at..], &mut inner) {
            inner.insert(name.to_owned(), super::wire::decoded(&rest[..at], false));
            *found = inner;
            return true;
        }
    }
    false
}

/// Makes schemas of a description what a validator understands.
struct Dialect<'a> {
    original: &'a Value,
    old: bool,
    discovery: bool,
    patterns: RefCell<BTreeMap<String, bool>>,
}

impl Dialect<'_> {
    /// Finds the schemas of a document.
    fn walk(&self, node: &mut Value) {
        match node {
            Value::Object(words) => {
                for (name, value) in words {
                    match name.as_str() {
                        "schemas" if value.is_object() => {
                            value
                                .as_object_mut()
                                .into_iter()
                                .flat_map(Map::values_mut)
                                .for_each(|schema| self.schema(schema));
                        }
                        "schema" if value.is_object() => self.schema(value),
                        "request" | "response" if self.discovery => self.schema(value),
                        "parameters" if self.discovery && value.is_object() => {
                            value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(
                                |schema| {
                                    let required = schema["required"] == true;
                                    self.schema(schema);
                                    schema["required"] = Value::Bool(required);
                                },
                            );
                        }
                        _ => self.walk(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn schema(&self, schema: &mut Value) {
        let Some(words) = schema.as_object_mut() else { return };
        for word in
            ["example", "examples", "discriminator", "xml", "default", "format", "$recursiveAnchor"]
        {
            words.remove(word);
        }
        if self.discovery {
            self.discovered(words);
        }
        if words.get("pattern").and_then(Value::as_str).is_some_and(|it| !self.compiles(it)) {
            words.remove("pattern");
        }
        if self.old
            && words.get("nullable") == Some(&Value::Bool(true))
            && let Some(kind) = words.get("type").cloned()
        {
            words.insert("type".to_owned(), json!([kind, "null"]));
        }
        if !self.old {
            // A slip of descriptions that were 3.0 once.
            for word in ["exclusiveMinimum", "exclusiveMaximum"] {
                if words.get(word).is_some_and(Value::is_boolean) {
                    words.remove(word);
                }
            }
        }
        self.written_by_the_caller(words);
        for (name, value) in words.iter_mut() {
            match name.as_str() {
                "properties" | "patternProperties" | "$defs" | "dependentSchemas" => {
                    let all = value.as_object_mut();
                    all.into_iter().flat_map(Map::values_mut).for_each(|it| self.schema(it));
                }
                "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                    let all = value.as_array_mut();
                    all.into_iter().flatten().for_each(|it| self.schema(it));
                }
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "propertyNames"
                | "contains" => self.schema(value),
                "$ref" => {
                    // What lies in other documents, or nowhere, is not known.
                    let inside = value.as_str().and_then(|to| to.strip_prefix('#'));
                    let there = |to: &str| self.discovery || self.original.pointer(to).is_some();
                    if !inside.is_some_and(there) {
                        *value = json!("#/x-anything");
                    }
                }
                _ => {}
            }
        }
        if words.get("$ref") == Some(&json!("#/x-anything")) {
            *schema = json!({});
        }
    }

    /// Fields that only the provider writes are not asked of a caller.
    fn written_by_the_caller(&self, words: &mut Map<String, Value>) {
        let properties = words.get("properties").cloned().unwrap_or_default();
        let read_only = |name: &Value| {
            let property = &properties[name.as_str().unwrap_or_default()];
            property["readOnly"] == true || resolve(self.original, property)["readOnly"] == true
        };
        if let Some(Value::Array(required)) = words.get_mut("required") {
            required.retain(|name| !read_only(name));
            // Draft 4 wants at least one.
            if required.is_empty() {
                words.remove("required");
            }
        }
    }

    fn discovered(&self, words: &mut Map<String, Value>) {
        words.remove("id");
        for word in ["required", "repeated", "annotations", "enumDescriptions"] {
            words.remove(word);
        }
        if words.get("type") == Some(&json!("any")) {
            words.remove("type");
        }
        for word in ["minimum", "maximum"] {
            if let Some(number) = words.get(word).and_then(Value::as_str) {
                words[word] = serde_json::from_str(number).unwrap_or(Value::Null);
            }
        }
        if let Some(name) = words.get("$ref").and_then(Value::as_str) {
            words["$ref"] = json!(format!("#/schemas/{name}"));
        }
    }

    fn compiles(&self, pattern: &str) -> bool {
        *self.patterns.borrow_mut().entry(pattern.to_owned()).or_insert_with(|| {
            let mut compiler = Compiler::new();
            let added = compiler.add_resource("http://d/p", json!({ "pattern": pattern }));
            added.is_ok() && compiler.compile("http://d/p", &mut Schemas::new()).is_ok()
        })
    }
}
