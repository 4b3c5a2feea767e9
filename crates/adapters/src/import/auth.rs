//! How a description says that callers prove who they are, as credentials and headers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, entries, list, text};
use super::operation::Operation;
use super::words;
use super::writer::Out;

/// Credentials, the headers they travel in, and what a person must know about them.
#[derive(Debug, Default)]
pub(super) struct Auth {
    pub credentials: Vec<(String, Out)>,
    pub headers: Vec<Out>,
    /// The names of those headers, in lower case.
    pub names: Vec<String>,
    pub remarks: Vec<String>,
}

/// A header that a scheme asks for.
struct Scheme {
    header: String,
    template: &'static str,
    basic: bool,
    credential: &'static str,
    summary: String,
    rank: u8,
}

impl Auth {
    /// What most of the operations ask for.
    pub fn of(document: &Document, adapter: &str, operations: &[&Operation<'_>]) -> Self {
        let schemes = document.root.get("components").and_then(|all| all.get("securitySchemes"));
        let known: BTreeMap<&str, Scheme> = schemes
            .into_iter()
            .flat_map(|schemes| schemes.as_object().into_iter().flatten())
            .filter_map(|(name, node)| Some((name.as_str(), scheme(document.resolve(node))?)))
            .collect();
        let mut asked: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
        let whole: Vec<Vec<&str>> = list(&document.root, "security").map(names).collect();
        for operation in operations {
            let own: Vec<Vec<&str>> = list(operation.node, "security").map(names).collect();
            let ways = if own.is_empty() { &whole } else { &own };
            for way in ways {
                if !way.is_empty() && way.iter().all(|name| known.contains_key(name)) {
                    *asked.entry(way.clone()).or_default() += 1;
                }
            }
        }
        let rank = |way: &[&str]| way.iter().filter_map(|name| Some(known.get(name)?.rank)).max();
        let best = asked.iter().max_by_key(|(way, count)| (**count, rank(way)));
        let mut way = best.map(|(way, _)| way.clone());
        if way.is_none() && known.len() == 1 {
            way = Some(known.keys().copied().collect());
        }
        let mut auth = Self::default();
        let Some(way) = way else {
            auth.remarks.push(match schemes.is_some() {
                true => "its way of proving who calls cannot be said here".to_owned(),
                false => "it does not say how callers prove who they are".to_owned(),
            });
            auth.remarks.push("add `credentials` and `auth` by hand".to_owned());
            return auth;
        };
        for name in &way {
            auth.add(&known[name], adapter, way.len() > 1);
        }
        let counted: usize = asked.get(&way).copied().unwrap_or_default();
        let others: usize = asked.values().copied().max().unwrap_or_default();
        if counted < operations.len() && asked.len() > 1 && counted == others {
            let names: Vec<String> =
                asked.keys().filter(|other| **other != way).map(|names| names.join("+")).collect();
            auth.remarks.push(format!(
                "{counted} of {} operations take `{}`; others ask for `{}`, which a connection \
                 with another token may have",
                operations.len(),
                way.join("+"),
                names.join("`, `")
            ));
        }
        auth
    }

    fn add(&mut self, scheme: &Scheme, adapter: &str, several: bool) {
        let name = match several {
            true => words::snake(&scheme.header),
            false => scheme.credential.to_owned(),
        };
        let variable = format!("{adapter}_{name}").to_ascii_uppercase().replace('-', "_");
        let credential = Out::map([
            ("env", Out::text(variable)),
            ("summary", Out::text(scheme.summary.clone())),
        ]);
        self.credentials.push((name.clone(), credential));
        let mut header = vec![("header".to_owned(), Out::text(scheme.header.clone()))];
        if scheme.template != "{}" {
            header.push(("template".to_owned(), Out::text(scheme.template)));
        }
        header.push(("credential".to_owned(), Out::text(name)));
        if scheme.basic {
            header.push(("basic".to_owned(), Out::bool(true)));
        }
        self.headers.push(Out::Map(header));
        self.names.push(scheme.header.to_ascii_lowercase());
    }
}

fn names(requirement: &Value) -> Vec<&str> {
    requirement.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

fn scheme(node: &Value) -> Option<Scheme> {
    let said = text(node, "description").map(|text| words::sentence(text, 100));
    let said = said.filter(|text| !text.is_empty());
    let kind = text(node, "type")?;
    let http = text(node, "scheme").unwrap_or_default().to_ascii_lowercase();
    let scheme = |header: &str, template, basic, credential, summary: &str, rank| Scheme {
        header: header.to_owned(),
        template,
        basic,
        credential,
        summary: said.clone().unwrap_or_else(|| summary.to_owned()),
        rank,
    };
    match (kind, http.as_str()) {
        ("http", "bearer") => {
            Some(scheme("Authorization", "Bearer {}", false, "token", "Access token.", 3))
        }
        ("http", "basic") => {
            let mut found = scheme("Authorization", "{}", true, "login", "", 0);
            found.summary = "User and password, written as user:password.".to_owned();
            Some(found)
        }
        ("oauth2" | "openIdConnect", _) => {
            let mut found = scheme("Authorization", "Bearer {}", false, "token", "", 2);
            found.summary = "Access token (OAuth 2).".to_owned();
            Some(found)
        }
        ("apiKey", _) if text(node, "in") == Some("header") => {
            Some(scheme(text(node, "name")?, "{}", false, "api_key", "API key.", 1))
        }
        _ => None,
    }
}

/// Where answers that refuse a request hold their words, if most of them agree.
pub(super) fn failure(document: &Document, operations: &[&Operation<'_>]) -> Vec<(String, Out)> {
    let mut counts: BTreeMap<(Option<&str>, Option<&str>), usize> = BTreeMap::new();
    for operation in operations {
        let refusals = entries(operation.node, "responses")
            .filter(|(status, _)| status.starts_with('4') || *status == "default");
        for (_, answer) in refusals.take(3) {
            for content in document.contents(document.resolve(answer)) {
                let holds = |path: &&&str| document.has(&content.part, path);
                let code = CODES.iter().find(holds).copied();
                let message = MESSAGES.iter().find(holds).copied();
                if code.is_some() || message.is_some() {
                    *counts.entry((code, message)).or_default() += 1;
                }
            }
        }
    }
    let Some(((code, message), _)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
        return Vec::new();
    };
    let entry = |name: &str, path: &str| {
        (name.to_owned(), Out::text(format!("${{{{ response.body.{path} }}}}")))
    };
    let code = code.map(|path| entry("code", path));
    code.into_iter().chain(message.map(|path| entry("message", path))).collect()
}

/// Where codes of failures stand, the surest first.
const CODES: [&str; 6] = ["error.code", "error.type", "code", "error_code", "name", "error"];
/// Where the words of failures stand.
const MESSAGES: [&str; 5] =
    ["error.message", "error.detail", "message", "error_description", "detail"];
