//! The `webhook` of a manifest, and the same of a source in a project's configuration: how requests
//! are signed, answered and what they report.

mod challenge;
mod example;
mod scheme;

use postroom_core::yaml::{Fields, Node, Source, Value};

use self::scheme::Base;
use super::names::Names;
use super::{bad, credential};
use crate::adapter::Credential;
use crate::scope::{ITEM_ROOTS, WEBHOOK_ROOTS};
use crate::webhook::{Describe, Proof, Webhook};

/// Reads how webhooks are verified and described.
pub(super) fn read(
    source: &mut Source<'_>,
    node: &Node,
    credentials: &[Credential],
) -> Option<Webhook> {
    let mut fields = source.map(node, "webhook")?;
    let named = fields
        .take("credential")
        .and_then(|node| credential(source, node, "webhook.credential", credentials));
    let webhook = parts(source, &mut fields, &Base { path: "webhook", named, credentials });
    fields.finish(source);
    webhook
}

/// Reads the same keys of a source in a project's configuration; its secret has the credential
/// given. The caller reads what else there is and finishes the fields.
pub fn own_webhook(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    secret: &Credential,
) -> Option<Webhook> {
    let credentials = std::slice::from_ref(secret);
    parts(source, fields, &Base { path, named: Some(secret), credentials })
}

fn parts(source: &mut Source<'_>, fields: &mut Fields<'_>, base: &Base<'_>) -> Option<Webhook> {
    let signature = fields.need(source, "signature");
    let schemes = signature.and_then(|node| scheme::all(source, node, base));
    let form = fields.take("form").map(|node| form(source, node, base.path));
    let challenges = fields.take("challenges");
    let challenges = challenges.map(|node| challenge::all(source, node, base));
    let described = fields.need(source, "event");
    let described = described.and_then(|node| describe(source, node, base.path));
    let acknowledge = fields
        .take("acknowledge")
        .map(|node| challenge::reply(source, node, &format!("{}.acknowledge", base.path), &[]));
    let examples = fields.take("examples");
    let examples =
        examples.map(|node| example::all(source, node, &format!("{}.examples", base.path)));
    let (schemes, challenges) = (schemes?, challenges.unwrap_or_else(|| Some(Vec::new()))?);
    let mut names: Vec<&str> = schemes.iter().map(|scheme| scheme.credential.as_str()).collect();
    names.extend(challenges.iter().filter_map(|challenge| match &challenge.proof {
        Proof::Token(name, _) => Some(name.as_str()),
        _ => None,
    }));
    let mut known: Vec<Credential> = Vec::new();
    for name in names {
        if !known.iter().any(|credential| credential.name == name) {
            known.extend(base.credentials.iter().find(|it| it.name == name).cloned());
        }
    }
    Some(Webhook {
        schemes,
        credentials: known,
        challenges,
        form: form.map_or(Some(None), |found| found.map(Some))?,
        describe: described?,
        acknowledge: acknowledge.map_or(Some(None), |found| found.map(Some))?,
        examples: examples.unwrap_or_default(),
    })
}

/// `true`, or the field that holds JSON.
fn form(source: &mut Source<'_>, node: &Node, base: &str) -> Option<Option<String>> {
    let path = format!("{base}.form");
    match &node.value {
        Value::Bool(true) => Some(None),
        Value::Map(_) => {
            let mut fields = source.map(node, &path)?;
            let json = fields.need(source, "json");
            let json = json.and_then(|node| source.text(node, &format!("{path}.json")));
            fields.finish(source);
            Some(Some(json?.to_owned()))
        }
        _ => {
            let hint = "write `true`, or `{ json: payload }` where a field of it holds JSON";
            bad(source, node, format!("`{path}` is neither"), Some(hint.to_owned()));
            None
        }
    }
}

fn describe(source: &mut Source<'_>, node: &Node, base: &str) -> Option<Describe> {
    let base = format!("{base}.event");
    let mut fields = source.map(node, &base)?;
    let each = fields.take("each");
    let roots = if each.is_some() { ITEM_ROOTS } else { WEBHOOK_ROOTS };
    // The list is found before there is an item, and before there is anything to hash.
    let whole = &WEBHOOK_ROOTS[..2];
    let each = each.map(|node| Names::new(whole).template(source, node, &format!("{base}.each")));
    let mut names = Names::new(roots);
    let kind = fields
        .need(source, "type")
        .and_then(|node| names.template(source, node, &format!("{base}.type")));
    let mut text = |name: &'static str| {
        let node = fields.take(name)?;
        names.template(source, node, &format!("{base}.{name}"))
    };
    let (id, time_ms, subject) = (text("id"), text("time_ms"), text("subject"));
    let data = fields.take("data").map(|node| names.mapping(source, node));
    fields.finish(source);
    let templates = [&kind, &id, &time_ms, &subject];
    let hashes = templates.into_iter().flatten().any(|template| template.reads_name("hash"))
        || data.as_ref().is_some_and(|data| data.reads_name("hash"));
    let each = each.map_or(Some(None), |found| found.map(Some))?;
    Some(Describe { each, kind: kind?, id, time_ms, subject, data, hashes })
}
