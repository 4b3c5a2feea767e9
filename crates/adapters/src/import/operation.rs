//! The operations of a description: where each goes, what it takes and what it answers.

use serde_json::Value;

use super::document::{Document, entries, holds, list, text};
use super::shape::Part;
use super::words;

/// The methods of operations; others cannot be sent.
const METHODS: [&str; 7] = ["get", "head", "options", "post", "put", "patch", "delete"];

/// One operation.
#[derive(Debug)]
pub(super) struct Operation<'d> {
    /// The description's own name for it, or its method and path.
    pub id: String,
    /// The method, in upper case.
    pub method: String,
    pub path: &'d str,
    pub summary: String,
    pub tags: Vec<&'d str>,
    pub deprecated: bool,
    pub parameters: Vec<Parameter<'d>>,
    pub node: &'d Value,
    /// Where it is, if it says that it is elsewhere.
    pub server: Option<String>,
}

/// A parameter in the path, the query or a header.
#[derive(Clone, Debug)]
pub(super) struct Parameter<'d> {
    pub name: &'d str,
    /// `path`, `query`, `header` or `cookie`.
    pub place: &'d str,
    pub required: bool,
    pub part: Part<'d>,
    pub description: Option<&'d str>,
    pub style: Option<&'d str>,
    pub explode: Option<bool>,
    /// Its value is written as JSON text.
    pub json: bool,
    pub given: Option<&'d Value>,
}

/// A body of a request, or of an answer.
#[derive(Clone, Debug)]
pub(super) struct Content<'d> {
    /// Its media type.
    pub media: &'d str,
    pub part: Part<'d>,
    pub given: Vec<&'d Value>,
    pub node: &'d Value,
}

impl Document {
    /// Every operation, in order of path and method.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let mut found = Vec::new();
        for (path, item) in entries(&self.root, "paths") {
            let item = self.resolve(item);
            for method in METHODS {
                if let Some(node) = item.get(method).filter(|node| node.is_object()) {
                    found.push(self.operation(path, item, method, node));
                }
            }
        }
        found
    }

    fn operation<'d>(
        &'d self,
        path: &'d str,
        item: &'d Value,
        method: &str,
        node: &'d Value,
    ) -> Operation<'d> {
        let id = text(node, "operationId")
            .map_or_else(|| format!("{method} {}", path.trim_start_matches('/')), str::to_owned);
        let mut parameters: Vec<Parameter<'d>> = Vec::new();
        for parameter in list(item, "parameters").chain(list(node, "parameters")) {
            let Some(parameter) = self.parameter(self.resolve(parameter)) else { continue };
            // What the operation says takes the place of what its path says.
            parameters
                .retain(|known| (known.name, known.place) != (parameter.name, parameter.place));
            parameters.push(parameter);
        }
        let summary = [text(node, "summary"), text(node, "description")];
        let summary = summary
            .into_iter()
            .flatten()
            .map(|text| words::sentence(text, 160))
            .find(|text| !text.is_empty())
            .unwrap_or_else(|| id.clone());
        let server = list(node, "servers").next().or_else(|| list(item, "servers").next());
        Operation {
            id,
            method: method.to_ascii_uppercase(),
            path,
            summary: words::ended(summary),
            tags: list(node, "tags").filter_map(Value::as_str).collect(),
            deprecated: holds(node, "deprecated"),
            parameters,
            node,
            server: server.map(server_url),
        }
    }

    fn parameter<'d>(&'d self, node: &'d Value) -> Option<Parameter<'d>> {
        let content = entries(node, "content").next().map(|(_, content)| content);
        let schema = node.get("schema").or_else(|| content?.get("schema"));
        let mut given = node.get("example");
        if given.is_none() {
            given = entries(node, "examples").find_map(|(_, node)| self.resolve(node).get("value"));
        }
        Some(Parameter {
            name: text(node, "name")?,
            place: text(node, "in")?,
            required: holds(node, "required"),
            part: schema.map_or(Part::All(Vec::new()), Part::One),
            description: text(node, "description"),
            style: text(node, "style"),
            explode: node.get("explode").and_then(Value::as_bool),
            json: content.is_some(),
            given,
        })
    }

    /// What a request or an answer may carry.
    pub fn contents<'d>(&'d self, node: &'d Value) -> Vec<Content<'d>> {
        let content = |(media, node): (&'d String, &'d Value)| {
            let mut given: Vec<&Value> = node.get("example").into_iter().collect();
            let named = entries(node, "examples").take(8);
            given.extend(named.filter_map(|(_, node)| self.resolve(node).get("value")));
            Content {
                media,
                part: node.get("schema").map_or(Part::All(Vec::new()), Part::One),
                given,
                node,
            }
        };
        entries(node, "content").map(content).collect()
    }

    /// The addresses at which the API is, with the defaults of their variables.
    pub fn servers(&self) -> Vec<String> {
        list(&self.root, "servers").map(server_url).collect()
    }
}

impl<'d> Operation<'d> {
    /// The answers that mean that it worked, by status.
    pub fn answers(&self, document: &'d Document) -> Vec<(u16, &'d Value)> {
        let status = |status: &str| match status {
            "2XX" | "2xx" => Some(200),
            status => status.parse().ok().filter(|status| (200..300).contains(status)),
        };
        entries(self.node, "responses")
            .filter_map(|(name, answer)| Some((status(name)?, document.resolve(answer))))
            .collect()
    }
}

fn server_url(node: &Value) -> String {
    let mut url = text(node, "url").unwrap_or_default().to_owned();
    for (name, variable) in entries(node, "variables") {
        let default = text(variable, "default").unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    url.trim_end_matches('/').to_owned()
}

/// Whether a media type is JSON: `application/json`, or one that ends in `+json`.
pub(super) fn is_json(media: &str) -> bool {
    let media = essence(media);
    media == "application/json" || media == "*/*" || media.ends_with("+json")
}

/// A media type without its parameters.
pub(super) fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
