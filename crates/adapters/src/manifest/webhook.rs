//! The `webhook` of a manifest: how requests are signed, and what they report.

use postroom_core::yaml::{Node, Source, Value};

use super::names::Names;
use super::{bad, choice, credential, optional};
use crate::adapter::Credential;
use crate::headers::is_header_name;
use crate::scope::WEBHOOK_ROOTS;
use crate::webhook::{
    Algorithm, Describe, Encoding, KeyForm, Scheme, Signed, TimePlace, Timestamp, Webhook,
};

/// Reads how webhooks are verified and described.
pub(super) fn read(
    source: &mut Source<'_>,
    node: &Node,
    credentials: &[Credential],
) -> Option<Webhook> {
    let mut fields = source.map(node, "webhook")?;
    let credential = fields
        .need(source, "credential")
        .and_then(|node| credential(source, node, "webhook.credential", credentials));
    let scheme = fields.need(source, "signature").and_then(|node| scheme(source, node));
    let describe = fields.need(source, "event").and_then(|node| describe(source, node));
    fields.finish(source);
    Some(Webhook { credential: credential?.clone(), scheme: scheme?, describe: describe? })
}

fn scheme(source: &mut Source<'_>, node: &Node) -> Option<Scheme> {
    let base = "webhook.signature";
    let mut fields = source.map(node, base)?;
    let headers = fields
        .need(source, "header")
        .and_then(|node| header_names(source, node, "webhook.signature.header"));
    let items = optional(source, &mut fields, "items");
    let separator = optional(source, &mut fields, "fields");
    let field = optional(source, &mut fields, "field");
    if separator.is_some() != field.is_some() {
        let detail = format!("`{base}` needs both `fields` and `field`, or neither");
        bad(source, node, detail, None);
    }
    if [&items, &separator].into_iter().flatten().any(String::is_empty) {
        bad(source, node, format!("`{base}` has an empty separator"), None);
    }
    let mut word =
        |name: &'static str| Some((fields.need(source, name)?, format!("{base}.{name}")));
    let (algorithm, encoding) = (word("algorithm"), word("encoding"));
    let algorithm = algorithm.and_then(|(n, path)| choice(source, n, &path, Algorithm::ALL));
    let encoding = encoding.and_then(|(n, path)| choice(source, n, &path, Encoding::ALL));
    let key = fields.take("key").map_or(Some(KeyForm::Literal), |node| {
        choice(source, node, "webhook.signature.key", KeyForm::ALL)
    });
    let key_prefix = optional(source, &mut fields, "key_prefix");
    let id = fields
        .take("id")
        .map_or(Some(Vec::new()), |node| header_names(source, node, "webhook.signature.id"));
    let timestamp = fields.take("timestamp").map(|node| timestamp(source, node, field.is_some()));
    let signed_at = fields.need(source, "signed");
    let signed = signed_at.and_then(|node| signed(source, node));
    fields.finish(source);
    let (id, signed) = (id?, signed?);
    if let Some(node) = signed_at {
        let missing = [
            (Signed::Timestamp, timestamp.is_none(), "timestamp"),
            (Signed::Id, id.is_empty(), "id"),
        ];
        for (_, _, name) in missing.iter().filter(|(part, gone, _)| *gone && signed.contains(part))
        {
            let detail =
                format!("`{base}.signed` holds `{{{name}}}`, but `{base}.{name}` is missing");
            bad(source, node, detail, None);
        }
        if !signed.contains(&Signed::Body) {
            let detail = format!("`{base}.signed` leaves out `{{body}}`: anybody could change it");
            bad(source, node, detail, None);
        }
    }
    Some(Scheme {
        headers: headers?,
        items,
        fields: separator,
        field,
        algorithm: algorithm?,
        encoding: encoding?,
        key: key?,
        key_prefix,
        signed,
        timestamp: timestamp.map_or(Some(None), |found| found.map(Some))?,
        id,
    })
}

/// One header name, or several of which the first present counts.
fn header_names(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Vec<String>> {
    let nodes = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut names = Vec::new();
    for node in nodes {
        let name = source.text(node, path)?;
        if !is_header_name(name) {
            bad(source, node, format!("`{path}` is `{name}`, which is no header name"), None);
            return None;
        }
        names.push(name.to_ascii_lowercase());
    }
    if names.is_empty() {
        bad(source, node, format!("`{path}` is empty"), None);
        return None;
    }
    Some(names)
}

fn timestamp(source: &mut Source<'_>, node: &Node, has_fields: bool) -> Option<Timestamp> {
    let base = "webhook.signature.timestamp";
    let mut fields = source.map(node, base)?;
    let header = fields.take("header");
    let header = header.map(|node| header_names(source, node, &format!("{base}.header")));
    let field = optional(source, &mut fields, "field");
    let body = optional(source, &mut fields, "body");
    if field.is_some() && !has_fields {
        let detail = format!("`{base}.field` needs `fields` and `field` in the signature");
        bad(source, node, detail, None);
    }
    let place = match (header, field, body) {
        (Some(names), None, None) => names.map(TimePlace::Header),
        (None, Some(field), None) => Some(TimePlace::Field(field)),
        (None, None, Some(field)) => Some(TimePlace::Body(field)),
        _ => {
            let detail = format!("`{base}` needs exactly one of `header`, `field` and `body`");
            bad(source, node, detail, None);
            None
        }
    };
    let units = [("s", 1000), ("ms", 1)];
    let unit = fields
        .take("unit")
        .map_or(Some(1000), |node| choice(source, node, &format!("{base}.unit"), &units));
    let mut bound = |name: &'static str| {
        let node = fields.take(name)?;
        let ms = source.duration_ms(node, &format!("{base}.{name}"))?;
        i64::try_from(ms).ok()
    };
    let (past_ms, future_ms) = (bound("past"), bound("future"));
    fields.finish(source);
    Some(Timestamp { place: place?, unit_ms: unit?, past_ms, future_ms })
}

/// Cuts `{timestamp}.{body}` into its parts.
fn signed(source: &mut Source<'_>, node: &Node) -> Option<Vec<Signed>> {
    let path = "webhook.signature.signed";
    let mut rest = source.text(node, path)?;
    let mut parts = Vec::new();
    while let Some(start) = rest.find('{') {
        if start > 0 {
            parts.push(Signed::Text(rest[..start].to_owned()));
        }
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end);
        let name = rest[start..end].trim_start_matches('{');
        let Some((_, part)) = Signed::ALL.iter().find(|(known, _)| *known == name) else {
            let known: Vec<String> = Signed::ALL.iter().map(|(n, _)| format!("{{{n}}}")).collect();
            let detail = format!("`{path}` holds `{{{name}}}`");
            bad(source, node, detail, Some(format!("known here: {}", known.join(", "))));
            return None;
        };
        parts.push(part.clone());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    if !rest.is_empty() {
        parts.push(Signed::Text(rest.to_owned()));
    }
    Some(parts)
}

fn describe(source: &mut Source<'_>, node: &Node) -> Option<Describe> {
    let mut fields = source.map(node, "webhook.event")?;
    let mut names = Names::new(WEBHOOK_ROOTS);
    let kind = fields
        .need(source, "type")
        .and_then(|node| names.template(source, node, "webhook.event.type"));
    let id = fields.take("id").and_then(|node| names.template(source, node, "webhook.event.id"));
    let time_ms = fields
        .take("time_ms")
        .and_then(|node| names.template(source, node, "webhook.event.time_ms"));
    fields.finish(source);
    Some(Describe { kind: kind?, id, time_ms })
}
