//! The `auth` of a manifest: where credentials travel.

use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{Fields, Node, Source};
use postroom_expr::Template;

use super::names::Names;
use super::{bad, credential, header_name};
use crate::adapter::{Credential, PATH, SecretHeader};
use crate::headers::header_value;
use crate::oauth::ACCESS_TOKEN;

/// What a value may read beside the credential.
const ROOTS: &[&str] = &["connection"];

/// Reads `auth`: the headers, and the templates of those that read settings of the connection.
pub(super) fn read(
    source: &mut Source<'_>,
    node: &Node,
    credentials: &[Credential],
    tokens: bool,
) -> (Vec<SecretHeader>, Vec<(usize, Template)>) {
    let (mut headers, mut templates) = (Vec::new(), Vec::new());
    for (index, node) in source.list(node, "auth").unwrap_or_default().iter().enumerate() {
        let path = format!("auth[{index}]");
        let Some(mut fields) = source.map(node, &path) else { continue };
        let slot = slot(source, &mut fields, &path);
        let basic = fields.take("basic").map(|node| source.bool(node, &format!("{path}.basic")));
        let name = fields.need(source, "credential").and_then(|node| {
            let path = format!("{path}.credential");
            if tokens && source.text(node, &path) == Some(ACCESS_TOKEN) {
                return Some(ACCESS_TOKEN.to_owned());
            }
            credential(source, node, &path, credentials).map(|found| found.name.clone())
        });
        fields.finish(source);
        if let (Some((header, template, parsed)), Some(basic), Some(credential)) =
            (slot, basic.unwrap_or(Some(false)), name)
        {
            templates.extend(parsed.map(|parsed| (headers.len(), parsed)));
            headers.push(SecretHeader { header, template, credential, basic });
        }
    }
    (headers, templates)
}

/// Where the credential goes: a header with its `template`, or a segment of the `path`.
fn slot(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
) -> Option<(String, String, Option<Template>)> {
    let (header, segment) = (fields.take("header"), fields.take("path"));
    let template = fields.take("template");
    let node = match (header, segment) {
        (Some(node), None) => template.map(|node| (node, "template")).or(Some((node, ""))),
        (None, Some(node)) if template.is_none() => Some((node, "path")),
        _ => None,
    };
    let Some((node, part)) = node else {
        let detail = format!("`{path}` needs `header` with `template`, or `path` alone");
        let hint = "for example `{ header: Authorization, template: \"Bearer {}\", … }`";
        source.report(Problem::new(&problem::MISSING_KEY, detail).hint(hint), fields.at);
        return None;
    };
    let header = match header {
        Some(node) => header_name(source, node, &format!("{path}.header"))?,
        None => PATH.to_owned(),
    };
    if part.is_empty() {
        return Some((header, "{}".to_owned(), None));
    }
    let at = format!("{path}.{part}");
    let text = source.text(node, &at)?;
    let one_segment = header != PATH || !text.contains('/');
    if text.matches("{}").count() != 1 || header_value(text).is_err() || !one_segment {
        let detail = format!("`{at}` needs one `{{}}` where the credential goes");
        let hint =
            if one_segment { "for example `Bearer {}`" } else { "it is one segment, no `/`" };
        bad(source, node, detail, Some(hint.to_owned()));
        return None;
    }
    let parsed = match text.contains("${{") {
        true => Some(Names::new(ROOTS).template(source, node, &at)?),
        false => None,
    };
    Some((header, text.to_owned(), parsed))
}
