//! Recorded exchanges: the example of an action and its failures. Their texts are taken as they
//! stand; there are no expressions in them.

use postroom_core::Json;
use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{Fields, Node, Source, Value, to_json};
use postroom_expr::nearest;

use super::{bad, choice, line, optional};
use crate::adapter::{Call, Example, Expected, RecordedFailure};
use crate::exchange::HttpResponse;
use crate::lookup::RecordedLookup;

/// Reads the recorded success.
pub(super) fn example(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    calls: &[Call],
) -> Option<Example> {
    let mut fields = source.map(node, path)?;
    let input = fields.take("input").map_or_else(Json::null, json);
    let output = fields.take("output").map_or_else(Json::null, json);
    let mut responses = Vec::new();
    match calls {
        [] => {}
        [call] => {
            if let Some(node) = fields.need(source, "response")
                && let Some(found) = response(source, node, &format!("{path}.response"))
            {
                responses.push((call.id.clone(), found));
            }
        }
        _ => {
            let path = format!("{path}.responses");
            let named = fields.need(source, "responses").and_then(|node| source.map(node, &path));
            for (key, node) in named.iter().flat_map(Fields::all) {
                if !calls.iter().any(|call| call.id == key.name) {
                    let detail = format!("`{path}.{}` answers no call", key.name);
                    let mut found = Problem::new(&problem::UNKNOWN_KEY, detail);
                    if let Some(near) = nearest(&key.name, calls.iter().map(|c| c.id.as_str())) {
                        found = found.hint(format!("did you mean `{near}`?"));
                    }
                    source.report(found, key.at);
                }
                if let Some(found) = response(source, node, &format!("{path}.{}", key.name)) {
                    responses.push((key.name.clone(), found));
                }
            }
        }
    }
    fields.finish(source);
    Some(Example { input, responses, output })
}

/// Reads the recorded failures.
pub(super) fn failures(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    calls: &[Call],
) -> Vec<RecordedFailure> {
    let mut failures = Vec::new();
    for (index, node) in source.list(node, path).unwrap_or_default().iter().enumerate() {
        if let Some(found) = failure(source, node, &format!("{path}[{index}]"), calls) {
            failures.push(found);
        }
    }
    failures
}

fn failure(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    calls: &[Call],
) -> Option<RecordedFailure> {
    let mut fields = source.map(node, path)?;
    let name = fields.need(source, "name").and_then(|node| line(source, node, path));
    let call = of_call(source, &mut fields, path, calls);
    let response = fields
        .need(source, "response")
        .and_then(|node| response(source, node, &format!("{path}.response")));
    let outcome = fields.need(source, "outcome").and_then(|node| {
        let table = Expected::ALL.map(|expected| (expected.word(), expected));
        choice(source, node, &format!("{path}.outcome"), &table)
    });
    let code = optional(source, &mut fields, "code");
    let after = fields.take("after");
    let after_ms = after.and_then(|node| source.duration_ms(node, &format!("{path}.after")));
    fields.finish(source);
    Some(RecordedFailure {
        name: name?,
        call: call?,
        response: response?,
        outcome: outcome?,
        code,
        after_ms,
    })
}

/// Reads the recorded answers to look-ups.
pub(super) fn lookups(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    calls: &[Call],
) -> Vec<RecordedLookup> {
    let mut lookups = Vec::new();
    for (index, node) in source.list(node, path).unwrap_or_default().iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(mut fields) = source.map(node, &path) else { continue };
        let name = fields.need(source, "name").and_then(|node| line(source, node, &path));
        let call = of_call(source, &mut fields, &path, calls);
        let response = fields
            .need(source, "response")
            .and_then(|node| response(source, node, &format!("{path}.response")));
        let found = fields
            .need(source, "found")
            .and_then(|node| source.bool(node, &format!("{path}.found")));
        fields.finish(source);
        if let (Some(name), Some(call), Some(response), Some(found)) = (name, call, response, found)
        {
            lookups.push(RecordedLookup { name, call, response, found });
        }
    }
    lookups
}

/// The call that a record is about; with one call there is no need to name it.
fn of_call(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    calls: &[Call],
) -> Option<usize> {
    match calls {
        [_] => Some(0),
        _ => fields.need(source, "call").and_then(|node| {
            let table: Vec<(&str, usize)> =
                calls.iter().enumerate().map(|(index, call)| (call.id.as_str(), index)).collect();
            choice(source, node, &format!("{path}.call"), &table)
        }),
    }
}

fn response(source: &mut Source<'_>, node: &Node, path: &str) -> Option<HttpResponse> {
    let mut fields = source.map(node, path)?;
    let status = fields
        .take("status")
        .map_or(Some(200), |node| source.int(node, &format!("{path}.status"), 100, 599));
    let mut headers = Vec::new();
    let named =
        fields.take("headers").and_then(|node| source.map(node, &format!("{path}.headers")));
    for (key, node) in named.iter().flat_map(Fields::all) {
        if let Some(value) = source.text(node, &format!("{path}.headers.{}", key.name)) {
            headers.push((key.name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    let body = match (fields.take("body"), fields.take("text")) {
        (Some(node), None) => {
            if !headers.iter().any(|(name, _)| name == "content-type") {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            written(node)
        }
        (None, Some(node)) => source.text(node, &format!("{path}.text"))?.to_owned(),
        (Some(_), Some(node)) => {
            bad(source, node, format!("`{path}` has both `body` and `text`"), None);
            return None;
        }
        (None, None) => String::new(),
    };
    fields.finish(source);
    let status = u16::try_from(status?).unwrap_or(200);
    Some(HttpResponse { status, headers, body: body.into_bytes() })
}

fn json(node: &Node) -> Json {
    Json::parse(written(node)).unwrap_or_else(|_| Json::null())
}

/// The JSON text of a tree, with its keys in the order of the file.
fn written(node: &Node) -> String {
    match &node.value {
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(written).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(entries) => {
            let entry = |(key, node): &(postroom_core::yaml::Key, Node)| {
                let name = serde_json::Value::String(key.name.clone());
                format!("{name}:{}", written(node))
            };
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(","))
        }
        _ => to_json(node).to_string(),
    }
}
