//! Manifests: one YAML file a provider, read and checked into an [`Adapter`], or every problem at
//! once with its place. The format is described in `docs/adapters.md`.
//!
//! Owns the top of the file; its parts are read by the modules below.

mod action;
mod auth;
mod becomes;
mod mail;
mod names;
mod oauth;
mod probe;
mod reading;
mod record;
mod request;
mod rules;
mod settings;
mod webhook;

pub use self::webhook::own_webhook;

use std::sync::Arc;

use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{Fields, Node, Source};
use postroom_expr::nearest;

use self::names::Names;
use crate::adapter::{Adapter, Credential, Provider, RateLimit};
use crate::headers::is_header_name;
use crate::scope::REQUEST_ROOTS;

/// The largest manifest that is read, in bytes: an API with a thousand operations has some five
/// million.
const MAX_BYTES: usize = 16 << 20;
/// The most scalars, lists and mappings of a manifest.
const MAX_NODES: usize = 1_500_000;

/// Reads a manifest. It is usable only where no problem is reported.
pub(crate) fn read(file: &str, text: &str) -> Result<Adapter, Vec<Problem>> {
    let mut source = Source::new(file, text);
    let root = source.parse_within(MAX_BYTES, MAX_NODES);
    let adapter = root.and_then(|root| document(&mut source, &root));
    match adapter {
        Some(adapter) if source.problems.is_empty() => Ok(adapter),
        _ => {
            let mut problems = source.problems;
            problems.sort_by_key(|p| p.place.as_ref().map(|place| (place.line, place.column)));
            Err(problems)
        }
    }
}

fn document(source: &mut Source<'_>, root: &Node) -> Option<Adapter> {
    let mut fields = source.map(root, "")?;
    let name = fields.need(source, "adapter").and_then(|node| identifier(source, node, "adapter"));
    let title = fields.need(source, "title").and_then(|node| line(source, node, "title"));
    let docs_url = fields.need(source, "docs").and_then(|node| link(source, node, "docs"));
    let base_url = fields.take("base_url").and_then(|node| base_url(source, node));
    let credentials =
        fields.take("credentials").map(|node| credentials(source, node)).unwrap_or_default();
    let settings = fields.take("settings").map(|node| settings::read(source, node));
    let settings = settings.unwrap_or_default();
    let tokens = fields.take("oauth");
    let oauth = tokens.and_then(|node| oauth::read(source, node, &credentials));
    let auth = fields.take("auth");
    let auth = auth.map(|node| auth::read(source, node, &credentials, tokens.is_some()));
    let (auth, auth_templates) = auth.unwrap_or_default();
    if let Some(node) = tokens {
        oauth::check_use(source, node, &auth);
    }
    let headers = fields.take("headers").map(|node| {
        source.map(node, "headers");
        Names::new(REQUEST_ROOTS).mapping(source, node)
    });
    let key_header =
        fields.take("key_header").and_then(|node| header_name(source, node, "key_header"));
    let limits = fields.take("limits").map(|node| limits(source, node)).unwrap_or_default();
    let limit_headers = fields.take("limit_headers");
    let limit_headers = limit_headers.map(|node| reading::limit_headers(source, node));
    let wording = fields.take("failure").map(|node| rules::wording_of(source, node));
    let rules = fields.take("errors").map(|node| rules::list(source, node, "errors", None));
    let webhook = fields.take("webhook").and_then(|node| webhook::read(source, node, &credentials));
    let provider = Provider {
        name: name.clone().unwrap_or_default(),
        title: title.clone().unwrap_or_default(),
        base_url: base_url.clone(),
        auth: auth.clone(),
        headers,
        key_header,
        wording: wording.unwrap_or_default(),
        rules: rules.unwrap_or_default(),
        auth_templates,
        example_config: settings::example(&settings),
    };
    // A provider that is only listened to has no actions.
    let actions = match webhook {
        Some(_) => fields.take("actions"),
        None => fields.need(source, "actions"),
    };
    let silent = actions.is_none() && webhook.is_some();
    let probe = fields.take("test");
    fields.finish(source);
    let actions = actions.map(|node| action::list(source, node, &Arc::new(provider)));
    let actions = actions.or(silent.then(Vec::new));
    Some(Adapter {
        name: name?,
        title: title?,
        docs_url: docs_url?,
        base_url,
        auth,
        oauth,
        credentials,
        settings,
        limits,
        limit_headers: limit_headers.unwrap_or_default(),
        webhook: webhook.map(Arc::new),
        probe: probe.and_then(|node| probe::read(source, node, actions.as_deref()?)),
        actions: actions?,
        file: source.file.to_owned(),
    })
}

/// A name that stands in `uses`, keys and metrics.
fn identifier(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, path)?;
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if fits {
        return Some(text.to_owned());
    }
    let detail =
        format!("`{path}` is `{text}`, but a name has 1 to 64 letters, digits, `_` or `-`");
    bad(source, node, detail, None);
    None
}

/// Text that is not empty.
fn line(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, path)?.trim();
    if text.is_empty() {
        bad(source, node, format!("`{path}` is empty"), None);
        return None;
    }
    Some(text.to_owned())
}

/// The address of a page, or a page of ours below `docs/`.
fn link(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = line(source, node, path)?;
    if ["https://", "http://", "docs/"].iter().any(|start| text.starts_with(start)) {
        return Some(text);
    }
    bad(source, node, format!("`{path}` is `{text}`, which is no link"), None);
    None
}

fn base_url(source: &mut Source<'_>, node: &Node) -> Option<String> {
    let text = line(source, node, "base_url")?;
    if let Some(why) = crate::url::wrong_base(&text) {
        bad(source, node, format!("`base_url` is `{text}`: {why}"), None);
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn header_name(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, path)?;
    if is_header_name(text) {
        return Some(text.to_owned());
    }
    bad(source, node, format!("`{path}` is `{text}`, which is no header name"), None);
    None
}

fn credentials(source: &mut Source<'_>, node: &Node) -> Vec<Credential> {
    let Some(fields) = source.map(node, "credentials") else { return Vec::new() };
    let entry = |(key, node): &(postroom_core::yaml::Key, Node)| {
        let path = format!("credentials.{}", key.name);
        let mut fields = source.map(node, &path)?;
        let env = fields.need(source, "env").and_then(|node| {
            let text = source.text(node, &format!("{path}.env"))?;
            let fits =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            if text.is_empty() || !text.bytes().all(fits) {
                let detail = format!("`{path}.env` is `{text}`, which is no variable's name");
                bad(source, node, detail, Some("write it like `STRIPE_API_KEY`".to_owned()));
                return None;
            }
            Some(text.to_owned())
        });
        let required = fields.take("required");
        let required = required.map(|node| source.bool(node, &format!("{path}.required")));
        let summary = fields.need(source, "summary");
        let summary = summary.and_then(|node| line(source, node, &format!("{path}.summary")));
        fields.finish(source);
        Some(Credential {
            name: key.name.clone(),
            env: env?,
            required: required.unwrap_or(Some(true))?,
            summary: summary?,
        })
    };
    fields.all().filter_map(entry).collect()
}

/// The credential that a node names.
fn credential<'c>(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    credentials: &'c [Credential],
) -> Option<&'c Credential> {
    let name = source.text(node, path)?;
    let found = credentials.iter().find(|credential| credential.name == name);
    if found.is_none() {
        let names = credentials.iter().map(|credential| credential.name.as_str());
        let hint = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "list it under `credentials`".to_owned(),
        };
        bad(source, node, format!("there is no credential `{name}`"), Some(hint));
    }
    found
}

fn limits(source: &mut Source<'_>, node: &Node) -> Vec<RateLimit> {
    let Some(items) = source.list(node, "limits") else { return Vec::new() };
    let mut limits = Vec::new();
    for (index, node) in items.iter().enumerate() {
        let path = format!("limits[{index}]");
        let Some(mut fields) = source.map(node, &path) else { continue };
        let requests = fields
            .need(source, "requests")
            .and_then(|node| source.int(node, &format!("{path}.requests"), 1, 1_000_000_000));
        let window_ms = fields.need(source, "window").and_then(|node| {
            let ms = source.duration_ms(node, &format!("{path}.window"))?;
            if ms == 0 {
                bad(source, node, format!("`{path}.window` is nothing"), None);
            }
            Some(ms)
        });
        fields.finish(source);
        if let (Some(requests), Some(window_ms)) = (requests, window_ms) {
            limits.push(RateLimit { requests: u32::try_from(requests).unwrap_or(1), window_ms });
        }
    }
    limits
}

/// One of a table of words.
fn choice<T: Clone>(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    table: &[(&str, T)],
) -> Option<T> {
    let text = source.text(node, path)?;
    if let Some((_, value)) = table.iter().find(|(word, _)| *word == text) {
        return Some(value.clone());
    }
    let words = table.iter().map(|(word, _)| *word);
    let hint = match nearest(text, words.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", words.collect::<Vec<_>>().join(", ")),
    };
    bad(source, node, format!("`{path}` is `{text}`"), Some(hint));
    None
}

/// Text of an optional field.
fn optional(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    name: &'static str,
) -> Option<String> {
    let node = fields.take(name)?;
    source.text(node, &fields.path_of(name)).map(str::to_owned)
}

/// Notes a value that cannot be used.
fn bad(source: &mut Source<'_>, node: &Node, detail: String, hint: Option<String>) {
    let mut found = Problem::new(&problem::BAD_VALUE, detail);
    found.hint = hint;
    source.report(found, node.at);
}
