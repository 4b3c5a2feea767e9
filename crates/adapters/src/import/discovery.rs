//! Google's Discovery documents, said in the words of OpenAPI 3.0.
//!
//! Owns what a Discovery document means: methods in nested resources, `$ref` by bare name, numbers
//! written as texts, `repeated` parameters.

use serde_json::{Map, Value, json};

use super::document::{entries, holds, list, text};

/// Resources nest no deeper in any document there is.
const MAX_DEPTH: usize = 8;

/// The same description as OpenAPI.
pub(super) fn openapi(root: &Value) -> Value {
    let mut paths = Map::new();
    let name = text(root, "name").unwrap_or_default();
    methods(root, name, &mut Vec::new(), &mut paths);
    let schemas: Map<String, Value> =
        entries(root, "schemas").map(|(name, node)| (name.clone(), schema(node))).collect();
    let base = [text(root, "rootUrl"), text(root, "servicePath")];
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": root.get("title"),
            "description": root.get("description"),
            "version": root.get("revision"),
        },
        "externalDocs": { "url": root.get("documentationLink") },
        "servers": [{ "url": base.map(Option::unwrap_or_default).concat() }],
        "security": [{ "oauth2": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "oauth2": { "type": "oauth2", "flows": {} } },
        },
    })
}

fn methods(node: &Value, api: &str, above: &mut Vec<String>, paths: &mut Map<String, Value>) {
    for (_, method) in entries(node, "methods") {
        let Some(verb) = text(method, "httpMethod") else { continue };
        // `{+name}` may hold slashes; they travel encoded.
        let path = text(method, "path").unwrap_or_default().replace("{+", "{");
        let id = text(method, "id").unwrap_or_default();
        let id = id.strip_prefix(api).unwrap_or(id).trim_start_matches('.');
        let parameters: Vec<Value> = entries(method, "parameters").map(parameter).collect();
        let media = |node: &Value| json!({ "application/json": { "schema": schema(node) } });
        let answer = match method.get("response") {
            Some(node) => json!({ "200": { "content": media(node) } }),
            None => json!({ "204": {} }),
        };
        let mut operation = json!({
            "operationId": id,
            "description": method.get("description"),
            "tags": above,
            "parameters": parameters,
            "responses": answer,
        });
        if let Some(node) = method.get("request") {
            operation["requestBody"] = json!({ "required": true, "content": media(node) });
        }
        if holds(method, "deprecated") {
            operation["deprecated"] = Value::Bool(true);
        }
        let slot = paths.entry(format!("/{}", path.trim_start_matches('/')));
        let slot = slot.or_insert_with(|| Value::Object(Map::new()));
        slot[verb.to_ascii_lowercase()] = operation;
    }
    if above.len() < MAX_DEPTH {
        for (name, resource) in entries(node, "resources") {
            above.push(name.clone());
            methods(resource, api, above, paths);
            above.pop();
        }
    }
}

fn parameter((name, node): (&String, &Value)) -> Value {
    let one = schema(node);
    let shape = match holds(node, "repeated") {
        true => json!({ "type": "array", "items": one }),
        false => one,
    };
    json!({
        "name": name,
        "in": node.get("location"),
        "required": holds(node, "required"),
        "description": node.get("description"),
        "schema": shape,
    })
}

/// A schema. Names in `annotations` ask for a field in some methods only, so nothing is required.
fn schema(node: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in node.as_object().into_iter().flatten() {
        match key.as_str() {
            "$ref" => {
                let name = value.as_str().unwrap_or_default();
                out.insert(key.clone(), format!("#/components/schemas/{name}").into());
            }
            "type" if value == "any" => {}
            "type" | "description" | "format" | "enum" | "pattern" | "readOnly" | "deprecated" => {
                out.insert(key.clone(), value.clone());
            }
            "default" => {
                out.insert(key.clone(), spelled(text(node, "type"), value));
            }
            "minimum" | "maximum" => {
                out.insert(key.clone(), spelled(Some("number"), value));
            }
            "items" | "additionalProperties" => {
                out.insert(key.clone(), schema(value));
            }
            "properties" => {
                let fields = entries(node, key).map(|(name, node)| (name.clone(), schema(node)));
                out.insert(key.clone(), Value::Object(fields.collect()));
            }
            _ => {}
        }
    }
    if list(node, "enum").next().is_some() && holds(node, "repeated") {
        out.remove("default");
    }
    Value::Object(out)
}

/// A number or bool that is written as a text.
fn spelled(kind: Option<&str>, value: &Value) -> Value {
    match (kind, value.as_str()) {
        (Some("integer" | "number" | "boolean"), Some(text)) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        _ => value.clone(),
    }
}
