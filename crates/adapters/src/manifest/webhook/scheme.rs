//! The ways to verify of a `webhook`: one, a list of which one suffices, or a word.

use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{Fields, Node, Source, Value};

use super::super::{bad, choice, credential, optional};
use crate::adapter::Credential;
use crate::headers::is_header_name;
use crate::webhook::{
    Algorithm, Digest, Encoding, KeyForm, Place, Scheme, Signed, TimePlace, Timestamp, Unit,
    UrlForm,
};

/// Where the keys stand, and what credentials there are.
pub(super) struct Base<'a> {
    pub path: &'a str,
    /// The credential of a scheme that names none.
    pub named: Option<&'a Credential>,
    pub credentials: &'a [Credential],
}

/// The words that stand for a whole scheme: header, prefix and encoding.
const WORDS: &[(&str, Option<(&str, Encoding)>)] = &[
    ("bearer", Some(("Bearer ", Encoding::Text))),
    ("basic", Some(("Basic ", Encoding::Base64))),
    ("none", None),
];

/// The ways to verify; none where anybody may send.
pub(super) fn all(source: &mut Source<'_>, node: &Node, base: &Base<'_>) -> Option<Vec<Scheme>> {
    let path = format!("{}.signature", base.path);
    match &node.value {
        Value::List(nodes) if !nodes.is_empty() => {
            let mut schemes = Vec::new();
            for (index, node) in nodes.iter().enumerate() {
                schemes.push(scheme(source, node, &format!("{path}[{index}]"), base));
            }
            schemes.into_iter().collect()
        }
        Value::Map(_) => Some(vec![scheme(source, node, &path, base)?]),
        _ => match choice(source, node, &path, WORDS)? {
            None => Some(Vec::new()),
            Some((prefix, encoding)) => {
                let credential = named(source, node, base)?;
                Some(vec![shown(credential, prefix, encoding)])
            }
        },
    }
}

fn named(source: &mut Source<'_>, node: &Node, base: &Base<'_>) -> Option<String> {
    if base.named.is_none() {
        let detail = format!("`{}.credential` is missing", base.path);
        let found = Problem::new(&problem::MISSING_KEY, detail);
        source.report(found.hint("name the credential that holds the signing secret"), node.at);
    }
    base.named.map(|credential| credential.name.clone())
}

/// A secret that is sent along in `Authorization`.
fn shown(credential: String, prefix: &str, encoding: Encoding) -> Scheme {
    Scheme {
        credential,
        place: Place::Header(vec!["authorization".to_owned()]),
        items: None,
        fields: None,
        field: None,
        prefix: Some(prefix.to_owned()),
        algorithm: Algorithm::Secret,
        encoding,
        key: KeyForm::Literal,
        key_prefix: None,
        signed: Vec::new(),
        timestamp: None,
        id: Vec::new(),
        urls: vec![UrlForm::Exact],
        digest: None,
    }
}

fn scheme(source: &mut Source<'_>, node: &Node, base: &str, webhook: &Base<'_>) -> Option<Scheme> {
    let mut fields = source.map(node, base)?;
    let own = fields.take("credential");
    let credential = match own {
        Some(node) => {
            let path = format!("{base}.credential");
            credential(source, node, &path, webhook.credentials).map(|it| it.name.clone())
        }
        None => named(source, node, webhook),
    };
    let place = place(source, &mut fields, node, base);
    let items = optional(source, &mut fields, "items");
    let separator = optional(source, &mut fields, "fields");
    let field = optional(source, &mut fields, "field");
    let prefix = optional(source, &mut fields, "prefix");
    let algorithm = fields.take("algorithm").map_or(Some(Algorithm::HmacSha256), |node| {
        choice(source, node, &format!("{base}.algorithm"), Algorithm::ALL)
    });
    let usual = match algorithm {
        Some(Algorithm::Secret) => Encoding::Text,
        _ => Encoding::Hex,
    };
    let encoding = fields.take("encoding").map_or(Some(usual), |node| {
        choice(source, node, &format!("{base}.encoding"), Encoding::ALL)
    });
    let key = fields.take("key").map_or(Some(KeyForm::Literal), |node| {
        choice(source, node, &format!("{base}.key"), KeyForm::ALL)
    });
    let key_prefix = optional(source, &mut fields, "key_prefix");
    let id = fields
        .take("id")
        .map_or(Some(Vec::new()), |node| header_names(source, node, &format!("{base}.id")));
    let timestamp = fields.take("timestamp");
    let timestamp = timestamp.map(|node| time(source, node, base, field.is_some()));
    let urls = fields.take("urls").map(|node| urls(source, node, base));
    let digest = fields.take("body_digest").map(|node| body_digest(source, node, base));
    let signed_at = fields.take("signed");
    let signed = match signed_at {
        Some(node) => signed(source, node, base),
        None if algorithm == Some(Algorithm::Secret) => Some(Vec::new()),
        None => Some(vec![Signed::Body]),
    };
    let unsigned = fields.take("unsigned_body");
    let unsigned = unsigned.map(|node| source.bool(node, &format!("{base}.unsigned_body")));
    fields.finish(source);
    let has_urls = urls.is_some();
    let scheme = Scheme {
        credential: credential?,
        place: place?,
        items,
        fields: separator,
        field,
        prefix,
        algorithm: algorithm?,
        encoding: encoding?,
        key: key?,
        key_prefix,
        signed: signed?,
        timestamp: timestamp.map_or(Some(None), |found| found.map(Some))?,
        id: id?,
        urls: urls.unwrap_or_else(|| Some(vec![UrlForm::Exact]))?,
        digest: digest.map_or(Some(None), |found| found.map(Some))?,
    };
    let unsigned = unsigned.flatten().unwrap_or(false);
    for detail in faults(&scheme, base, unsigned, has_urls) {
        bad(source, signed_at.unwrap_or(node), detail, None);
    }
    Some(scheme)
}

/// What does not go together, and what would not protect.
fn faults(scheme: &Scheme, base: &str, unsigned_body: bool, has_urls: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |wrong: bool, what: &str| {
        if wrong {
            found.push(format!("`{base}{what}"));
        }
    };
    let signs = |part: &Signed| scheme.signed.contains(part);
    check(
        scheme.fields.is_some() != scheme.field.is_some(),
        "` needs both `fields` and `field`, or neither",
    );
    let separators = [&scheme.items, &scheme.fields, &scheme.prefix];
    check(separators.into_iter().flatten().any(String::is_empty), "` has an empty separator");
    let in_body = matches!(scheme.place, Place::Body(_));
    let cut = scheme.items.is_some() || scheme.fields.is_some();
    check(
        in_body && cut,
        "` cuts a header into `items` or `fields`, but the signature is in the body",
    );
    let secret = scheme.algorithm == Algorithm::Secret;
    let text = scheme.encoding == Encoding::Text;
    check(text && !secret, ".encoding` is `text`, which only `algorithm: secret` has");
    if secret {
        let more = !scheme.signed.is_empty() || scheme.timestamp.is_some() || has_urls;
        check(more, "` has `algorithm: secret`, under which nothing is signed");
        return found;
    }
    for (part, gone, name) in [
        (Signed::Timestamp, scheme.timestamp.is_none(), "timestamp"),
        (Signed::Id, scheme.id.is_empty(), "id"),
    ] {
        let what = format!(".signed` holds `{{{name}}}`, but `{base}.{name}` is missing");
        check(signs(&part) && gone, &what);
    }
    check(!signs(&Signed::Id) && !scheme.id.is_empty(), ".id` is not part of `signed`");
    check(has_urls && !signs(&Signed::Url), ".urls` is there, but `{url}` is not signed");
    let digest = scheme.digest.is_some();
    let over_url = signs(&Signed::Url) && signs(&Signed::Form);
    check(digest && !over_url, ".body_digest` needs `{url}{form}` in `signed`");
    let body = signs(&Signed::Body) || signs(&Signed::Form);
    check(!body && !unsigned_body, ".signed` leaves out `{body}`: anybody could change it");
    check(body && unsigned_body, ".unsigned_body` is said, but `signed` covers the body");
    let plain = scheme.algorithm.digest().is_some();
    let holds = if plain { ": without `{secret}` anybody could make the digest" } else { "" };
    let what = format!(".signed` does not fit the algorithm{holds}");
    check(plain != signs(&Signed::Secret), &what);
    let literal = scheme.algorithm.public() && scheme.key == KeyForm::Literal;
    check(literal, ".key` must be `hex`, `base64` or `spki` for a public key");
    found
}

fn place(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    node: &Node,
    base: &str,
) -> Option<Place> {
    let header = fields.take("header");
    let header = header.map(|node| header_names(source, node, &format!("{base}.header")));
    match (header, optional(source, fields, "body")) {
        (Some(names), None) => names.map(Place::Header),
        (None, Some(path)) => Some(Place::Body(steps(&path))),
        (None, None) => {
            let detail = format!("`{base}` has neither `header` nor `body`");
            let found = Problem::new(&problem::MISSING_KEY, detail);
            source.report(found.hint("say where the signature stands"), node.at);
            None
        }
        (Some(_), Some(_)) => {
            let detail = format!("`{base}` has both `header` and `body`");
            bad(source, node, detail, None);
            None
        }
    }
}

/// The names of a path such as `signature.token`.
fn steps(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
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

fn urls(source: &mut Source<'_>, node: &Node, base: &str) -> Option<Vec<UrlForm>> {
    let path = format!("{base}.urls");
    let nodes = source.list(node, &path)?;
    let mut forms = Vec::new();
    for node in nodes {
        forms.push(choice(source, node, &path, UrlForm::ALL)?);
    }
    if forms.is_empty() {
        bad(source, node, format!("`{path}` is empty"), None);
        return None;
    }
    Some(forms)
}

fn body_digest(source: &mut Source<'_>, node: &Node, base: &str) -> Option<Digest> {
    let path = format!("{base}.body_digest");
    let mut fields = source.map(node, &path)?;
    let query = fields.need(source, "query");
    let query = query.and_then(|node| source.text(node, &format!("{path}.query")));
    let algorithm = fields.take("algorithm").map_or(Some(Algorithm::Sha256), |node| {
        let plain = Algorithm::ALL.iter().filter(|(_, known)| known.digest().is_some());
        let plain: Vec<(&str, Algorithm)> = plain.copied().collect();
        choice(source, node, &format!("{path}.algorithm"), &plain)
    });
    fields.finish(source);
    Some(Digest { query: query?.to_owned(), algorithm: algorithm? })
}

fn time(source: &mut Source<'_>, node: &Node, base: &str, has_fields: bool) -> Option<Timestamp> {
    let base = format!("{base}.timestamp");
    let mut fields = source.map(node, &base)?;
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
        (None, None, Some(path)) => Some(TimePlace::Body(steps(&path))),
        _ => {
            let detail = format!("`{base}` needs exactly one of `header`, `field` and `body`");
            bad(source, node, detail, None);
            None
        }
    };
    let unit = fields.take("unit").map_or(Some(Unit::Seconds), |node| {
        choice(source, node, &format!("{base}.unit"), Unit::ALL)
    });
    let mut bound = |name: &'static str| {
        let node = fields.take(name)?;
        let ms = source.duration_ms(node, &format!("{base}.{name}"))?;
        i64::try_from(ms).ok()
    };
    let (past_ms, future_ms) = (bound("past"), bound("future"));
    fields.finish(source);
    Some(Timestamp { place: place?, unit: unit?, past_ms, future_ms })
}

/// Cuts `{timestamp}.{body}` into its parts.
fn signed(source: &mut Source<'_>, node: &Node, base: &str) -> Option<Vec<Signed>> {
    let path = format!("{base}.signed");
    let mut rest = source.text(node, &path)?;
    let mut parts = Vec::new();
    while let Some(start) = rest.find('{') {
        if start > 0 {
            parts.push(Signed::Text(rest[..start].to_owned()));
        }
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end);
        let name = rest[start..end].trim_start_matches('{');
        let known = Signed::ALL.iter().find(|(known, _)| *known == name).map(|(_, it)| it.clone());
        let field = name.strip_prefix("body.").map(|path| Signed::Field(steps(path)));
        let Some(part) = known.or(field) else {
            let known: Vec<String> = Signed::ALL.iter().map(|(n, _)| format!("{{{n}}}")).collect();
            let detail = format!("`{path}` holds `{{{name}}}`");
            let hint = format!("known here: {}, {{body.<field>}}", known.join(", "));
            bad(source, node, detail, Some(hint));
            return None;
        };
        parts.push(part);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    if !rest.is_empty() {
        parts.push(Signed::Text(rest.to_owned()));
    }
    Some(parts)
}
