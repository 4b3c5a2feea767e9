//! The request of a call: where it goes and what it carries.

use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{Fields, Node, Source};
use postroom_expr::{Mapping, Template};

use super::names::Names;
use super::{bad, choice, mail};
use crate::adapter::Provider;
use crate::build::{Body, BodyKind, METHODS, Request, Target};
use crate::form::Lists;
use crate::scope::{MAIL_ROOTS, REQUEST_ROOTS, SERVER_ROOTS};
use crate::smtp::{METHOD, Server};
use crate::url::{PathPart, path_parts, wrong_path_text};

/// Reads a request.
pub(super) fn read(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    provider: &Provider,
    names: &mut Names<'_>,
) -> Option<Request> {
    let mut fields = source.map(node, path)?;
    let method = fields.need(source, "method").and_then(|node| method(source, node, path, names));
    let target = target(source, &mut fields, path, provider, names);
    let mail = fields.take("mail");
    let mail = mail.and_then(|node| mail::read(source, node, &format!("{path}.mail"), names));
    let with_mail = mail.is_some();
    if with_mail {
        names.set_roots(MAIL_ROOTS);
    }
    let query = fields.take("query").map(|node| names.mapping(source, node));
    let headers = fields.take("headers").map(|node| names.mapping(source, node));
    let mut bodies = Vec::new();
    for kind in BodyKind::ALL {
        if let Some(node) = fields.take(kind.key()) {
            let content = Mapping::Object(vec![("body".to_owned(), names.mapping(source, node))]);
            bodies.push(Body { kind, content });
        }
    }
    if with_mail {
        names.set_roots(REQUEST_ROOTS);
    }
    let table = [("index", Lists::Index), ("bracket", Lists::Bracket), ("repeat", Lists::Repeat)];
    let lists = fields.take("lists");
    let lists = lists.map(|node| choice(source, node, &format!("{path}.lists"), &table));
    fields.finish(source);
    let lists = lists.unwrap_or(Some(Lists::default()))?;
    Some(Request { method: method?, target: target?, mail, query, headers, bodies, lists })
}

/// Reads a message for a mail server.
pub(super) fn native(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    names: &mut Names<'_>,
) -> Option<Request> {
    let mut fields = source.map(node, path)?;
    let mut server = Names::new(SERVER_ROOTS);
    let [host, port, tls] = ["host", "port", "tls"].map(|name| {
        let node = fields.need(source, name)?;
        server.template(source, node, &format!("{path}.{name}"))
    });
    let mail = fields.need(source, "mail");
    let mail = mail.and_then(|node| mail::read(source, node, &format!("{path}.mail"), names));
    fields.finish(source);
    let server = Server { host: host?, port: port?, tls: tls? };
    Some(Request {
        method: Template::parse(METHOD).ok()?,
        target: Target::Server(Box::new(server)),
        mail: Some(mail?),
        query: None,
        headers: None,
        bodies: Vec::new(),
        lists: Lists::default(),
    })
}

fn method(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    names: &mut Names<'_>,
) -> Option<Template> {
    let path = format!("{path}.method");
    let template = names.template(source, node, &path)?;
    if template.is_literal() {
        let table: Vec<(&str, ())> = METHODS.iter().map(|method| (*method, ())).collect();
        choice(source, node, &path, &table)?;
    }
    Some(template)
}

/// Exactly one of `path` and `url`.
fn target(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    provider: &Provider,
    names: &mut Names<'_>,
) -> Option<Target> {
    match (fields.take("path"), fields.take("url")) {
        (Some(node), None) => {
            let path = format!("{path}.path");
            names.template(source, node, &path)?;
            path_target(source, node, &path)
        }
        (None, Some(node)) => {
            let path = format!("{path}.url");
            let template = names.template(source, node, &path)?;
            if !provider.auth.is_empty() {
                let detail = format!("`{path}` would send the credentials of `auth` anywhere");
                let hint = "give the `path` below `base_url`".to_owned();
                bad(source, node, detail, Some(hint));
            }
            Some(Target::Url(template))
        }
        (found, other) => {
            let node = found.or(other);
            let (kind, word) = match node {
                Some(_) => (&problem::BAD_VALUE, "both"),
                None => (&problem::MISSING_KEY, "neither"),
            };
            let at = node.map_or(fields.at, |node| node.at);
            let detail = format!("`{path}` has {word} `path` and `url`; it needs one of them");
            source.report(Problem::new(kind, detail), at);
            None
        }
    }
}

fn path_target(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Target> {
    let text = source.text(node, path)?;
    let parts = path_parts(text)?;
    let starts = matches!(parts.first(), Some(PathPart::Text(text)) if text.starts_with('/'));
    let mut why = (!starts).then_some("it must start with `/`");
    for part in &parts {
        if let PathPart::Text(text) = part {
            why = why.or_else(|| wrong_path_text(text));
        }
    }
    if let Some(why) = why {
        bad(source, node, format!("`{path}` is `{text}`: {why}"), None);
        return None;
    }
    Some(Target::Path(parts))
}
