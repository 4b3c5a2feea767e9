//! What a newer description means for a manifest: which of its actions would break, and what is
//! merely new. Actions are found by method and path, so it works for imported manifests and for
//! those written by hand.

mod compare;
mod sent;

use postroom_expr::Mapping;
use serde_json::Value;

use self::compare::Compare;
use self::sent::Sent;
use super::Description;
use super::document::Document;
use super::operation::{Operation, essence, is_json};
use super::outputs::Answer;
use super::shape::Part;
use crate::adapter::{Action, Adapter, Call};
use crate::build::{BodyKind, Target};
use crate::url::PathPart;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The action.
    pub action: String,
    /// The version of its contract.
    pub version: u32,
    /// What it is about: `operation`, or a path below `input` or `output`.
    pub at: String,
    /// What is different, in words.
    pub what: String,
    /// Whether calls that work today would fail, or yield what the contract does not say.
    pub breaks: bool,
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// How many requests of the manifest were compared.
    pub compared: usize,
    /// Every difference, in order of the manifest.
    pub changes: Vec<Change>,
}

impl Description {
    /// Compares a manifest with this description.
    #[must_use]
    pub fn drift(&self, adapter: &Adapter) -> Drift {
        let operations = self.document.operations();
        let mut drift = Drift::default();
        for action in &adapter.actions {
            let mut compare = Compare::new(&self.document);
            for call in &action.calls {
                let Some(wanted) = wanted(adapter, call) else { continue };
                drift.compared += 1;
                match self.find(&operations, &wanted) {
                    Some(operation) => against(&mut compare, action, call, operation),
                    None => {
                        let what = format!("{} {} is not there", wanted.method, wanted.path);
                        compare.told("operation", what, true);
                    }
                }
            }
            drift.changes.extend(compare.found.into_iter().map(|(at, what, breaks)| Change {
                action: action.name.clone(),
                version: action.version,
                at,
                what,
                breaks,
            }));
        }
        drift
    }

    /// The operation with this method and path; one whose parameters stand for what the manifest
    /// writes out, if no other fits.
    fn find<'o, 'd>(
        &self,
        operations: &'o [Operation<'d>],
        wanted: &Wanted,
    ) -> Option<&'o Operation<'d>> {
        let whole = self.document.servers().into_iter().next();
        let full = |operation: &Operation<'_>| {
            let server = operation.server.clone().or_else(|| whole.clone());
            format!("{}{}", path_of(&server.unwrap_or_default()), operation.path)
        };
        let same = |operation: &&Operation<'_>| operation.method == wanted.method;
        let fitting = operations.iter().filter(same).filter_map(|operation| {
            Some((written_out(&full(operation), &wanted.path)?, operation))
        });
        fitting.min_by_key(|(written, _)| *written).map(|(_, operation)| operation)
    }
}

/// A request as it is looked for: `{}` stands for a value.
struct Wanted {
    method: String,
    path: String,
}

fn wanted(adapter: &Adapter, call: &Call) -> Option<Wanted> {
    let Target::Path(parts) = &call.request.target else { return None };
    if !call.request.method.is_literal() {
        return None;
    }
    let mut path = path_of(adapter.base_url.as_deref().unwrap_or_default()).to_owned();
    for part in parts {
        path.push_str(match part {
            PathPart::Text(text) => text,
            PathPart::Value(_) => "{}",
        });
    }
    Some(Wanted { method: call.request.method.source().to_ascii_uppercase(), path })
}

/// The path of an address.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// How many parameters of a template the path writes out; `None` where it does not fit.
fn written_out(template: &str, path: &str) -> Option<usize> {
    let (mut left, mut right) = (template.split('/'), path.split('/'));
    let mut written = 0;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some(written),
            (Some(one), Some(other)) if bare(one) == other => {}
            (Some(one), Some(_)) if one.starts_with('{') && one.ends_with('}') => written += 1,
            _ => return None,
        }
    }
}

/// A segment without the names of its parameters.
fn bare(segment: &str) -> String {
    let mut out = String::new();
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str("{}");
        rest = after;
    }
    out + rest
}

fn against<'d>(compare: &mut Compare<'d>, action: &Action, call: &Call, operation: &Operation<'d>) {
    // An action that passes everything on as it is has the provider's own contract.
    let whole = action.calls.len() == 1 && action.returns.is_none() && call.result.is_none();
    query(compare, action, call, operation, whole);
    headers(compare, action, call, operation);
    body(compare, action, call, operation);
    answer(compare, action, call, operation, whole);
}

fn query<'d>(
    compare: &mut Compare<'d>,
    action: &Action,
    call: &Call,
    operation: &Operation<'d>,
    whole: bool,
) {
    let sent: &[(String, Mapping)] = match &call.request.query {
        None => &[],
        Some(Mapping::Object(entries)) => entries,
        // What is not known cannot be missing.
        Some(_) => return,
    };
    let parameters = || operation.parameters.iter().filter(|it| it.place == "query");
    let named = |name: &str, known: &str| known == name || known.strip_suffix("[]") == Some(name);
    for (name, mapping) in sent {
        let at = format!("input.{name}");
        match parameters().find(|parameter| named(name, parameter.name)) {
            None => compare.told(&at, format!("the query takes no `{name}`"), true),
            Some(parameter) => {
                compare.input(&Sent::of(mapping, &action.input), &parameter.part, &at);
            }
        }
    }
    for parameter in parameters().filter(|it| !sent.iter().any(|(name, _)| named(name, it.name))) {
        let at = format!("input.{}", parameter.name);
        if parameter.required {
            compare.told(&at, "the query needs it, and it is not sent".to_owned(), true);
        } else if whole {
            compare.told(&at, "the query may have it".to_owned(), false);
        }
    }
}

fn headers(compare: &mut Compare<'_>, action: &Action, call: &Call, operation: &Operation<'_>) {
    let provider = &action.provider;
    let mut sent: Vec<String> =
        ["accept", "content-type", "authorization"].map(String::from).into();
    sent.extend(provider.auth.iter().map(|auth| auth.header.to_ascii_lowercase()));
    sent.extend(provider.key_header.iter().map(|name| name.to_ascii_lowercase()));
    for mapping in [&provider.headers, &call.request.headers].into_iter().flatten() {
        let Mapping::Object(entries) = mapping else { return };
        sent.extend(entries.iter().map(|(name, _)| name.to_ascii_lowercase()));
    }
    for parameter in operation.parameters.iter().filter(|it| it.place == "header" && it.required) {
        if !sent.contains(&parameter.name.to_ascii_lowercase()) {
            let what = format!("the header `{}` is needed, and it is not sent", parameter.name);
            compare.told("input", what, true);
        }
    }
}

fn body<'d>(compare: &mut Compare<'d>, action: &Action, call: &Call, operation: &Operation<'d>) {
    let document = compare.document;
    let node = operation.node.get("requestBody").map(|node| document.resolve(node));
    let contents = node.map(|node| document.contents(node)).unwrap_or_default();
    let body = call.request.bodies.first();
    let Some(body) = body else {
        if node.is_some_and(|node| super::document::holds(node, "required")) {
            compare.told("input", "a body is needed, and none is sent".to_owned(), true);
        }
        return;
    };
    let fits = |media: &str| match body.kind {
        BodyKind::Json => is_json(media),
        BodyKind::Form => essence(media) == "application/x-www-form-urlencoded",
        _ => essence(media).starts_with("text/"),
    };
    let Some(content) = contents.iter().find(|content| fits(content.media)) else {
        let what = format!("no body is taken that is written as `{}`", body.kind.key());
        return compare.told("input", what, true);
    };
    let Mapping::Object(entries) = &body.content else { return };
    if let Some((_, mapping)) = entries.first() {
        compare.input(&Sent::of(mapping, &action.input), &content.part, "input");
    }
}

fn answer<'d>(
    compare: &mut Compare<'d>,
    action: &Action,
    call: &Call,
    operation: &Operation<'d>,
    whole: bool,
) {
    let part = match Answer::of(compare.document, operation) {
        Ok(Answer::Json(_, part, _)) => part,
        Ok(Answer::Nothing(_)) => {
            let wanted = action.output.get("properties").is_some();
            if whole && wanted {
                compare.told("output", "it answers nothing".to_owned(), true);
            }
            return;
        }
        Ok(_) => return,
        Err(why) => return compare.told("output", why, true),
    };
    if whole {
        return compare.output(&action.output, &part, "output");
    }
    let Some(result) = &call.result else { return };
    let mut known: Vec<Vec<String>> = Vec::new();
    for (_, read) in result.reads() {
        let Some(path) = read.path.strip_prefix(&["response".to_owned(), "body".to_owned()]) else {
            continue;
        };
        if path.is_empty() || known.iter().any(|other| other == path) {
            continue;
        }
        known.push(path.to_vec());
        if let Some(gone) = missing(compare.document, &part, path) {
            let at = format!("response.body.{}", path[..=gone].join("."));
            let what = format!("{} reads it, and answers have no such field", call.id);
            compare.told(&at, what, true);
        }
    }
}

/// The first name of a path that answers do not have.
fn missing<'d>(document: &'d Document, part: &Part<'d>, path: &[String]) -> Option<usize> {
    let mut part = part.clone();
    for (index, name) in path.iter().enumerate() {
        let shape = document.shape(&part);
        if shape.properties.is_empty() {
            return None;
        }
        match shape.properties.get(name.as_str()) {
            Some(inner) => part = inner.clone(),
            None if shape.open() => return None,
            None => return Some(index),
        }
    }
    None
}

/// The value of a keyword that lists names.
fn names<'v>(schema: &'v Value, word: &str) -> Vec<&'v str> {
    super::document::list(schema, word).filter_map(Value::as_str).collect()
}
