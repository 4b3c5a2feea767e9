//! Recorded requests of a `webhook`. Their texts are taken as they stand.

use postroom_core::Json;
use postroom_core::yaml::{Fields, Node, Source, Value, to_json};

use super::super::{bad, optional};
use crate::webhook::{Answer, Described, Example};

pub(super) fn all(source: &mut Source<'_>, node: &Node, path: &str) -> Vec<Example> {
    let nodes = source.list(node, path).unwrap_or_default();
    let mut examples = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        examples.extend(example(source, node, &format!("{path}[{index}]")));
    }
    examples
}

fn example(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Example> {
    let mut fields = source.map(node, path)?;
    let mut headers = Vec::new();
    let named = fields.take("headers");
    let named = named.and_then(|node| source.map(node, &format!("{path}.headers")));
    for (key, node) in named.iter().flat_map(Fields::all) {
        let text = source.text(node, &format!("{path}.headers.{}", key.name))?;
        headers.push((key.name.to_ascii_lowercase(), text.to_owned()));
    }
    let body = fields.need(source, "body").map(|node| match &node.value {
        Value::Str(text) => text.clone(),
        _ => to_json(node).to_string(),
    });
    let mut events = Vec::new();
    if let Some(node) = fields.take("event") {
        events.extend(event(source, node, &format!("{path}.event")));
    }
    let list = fields.take("events");
    let list = list.and_then(|node| source.list(node, &format!("{path}.events")));
    for node in list.unwrap_or_default() {
        events.extend(event(source, node, &format!("{path}.events")));
    }
    let answer = fields.take("answer").and_then(|node| answer(source, node, path));
    fields.finish(source);
    if events.is_empty() == answer.is_none() {
        let detail = format!("`{path}` needs either `event`, `events` or `answer`");
        bad(source, node, detail, None);
    }
    Some(Example { headers, body: body?, events, answer })
}

fn event(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Described> {
    let mut fields = source.map(node, path)?;
    fields.need(source, "type");
    let kind = optional(source, &mut fields, "type");
    let id = optional(source, &mut fields, "id");
    let subject = optional(source, &mut fields, "subject");
    let time_ms = fields.take("time_ms");
    let time_ms =
        time_ms.and_then(|node| source.int(node, &format!("{path}.time_ms"), 0, i64::MAX));
    let data = fields.take("data").map(|node| Json::from_value(&to_json(node)));
    fields.finish(source);
    Some(Described { kind: kind?, id, time_ms, subject, data })
}

fn answer(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Answer> {
    let path = format!("{path}.answer");
    let mut fields = source.map(node, &path)?;
    let status = fields
        .take("status")
        .map_or(Some(200), |node| source.int(node, &format!("{path}.status"), 200, 299));
    let text = optional(source, &mut fields, "text");
    let json = fields.take("json").map(|node| to_json(node).to_string());
    let keep = optional(source, &mut fields, "keep");
    fields.finish(source);
    let body = text.or(json).unwrap_or_default();
    Some(Answer { status: u16::try_from(status?).ok()?, media_type: None, body, keep })
}
