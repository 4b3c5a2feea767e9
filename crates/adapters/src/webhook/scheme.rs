//! One way to verify: where the signature stands, what it signs, and under which key.

use std::borrow::Cow;

use ring::digest;

use super::{
    Algorithm, Encoding, Incoming, KeyForm, Live, Rejection, Timestamp, UrlForm, address, at_path,
    one_of,
};

/// The most signatures of one request that are looked at.
const MAX_SIGNATURES: usize = 16;

pub(super) const NO_SECRET: &str =
    "the source has no usable secret; set it as the provider shows it";

/// Where a signature stands and what it signs.
#[derive(Debug)]
pub(crate) struct Scheme {
    /// The name of the credential that holds the secret.
    pub credential: String,
    pub place: Place,
    /// What separates items of the header; without it, all of the header is one item.
    pub items: Option<String>,
    /// What separates a field's name from its value; without it, an item is the signature.
    pub fields: Option<String>,
    /// The name of the fields that hold signatures; others are ignored.
    pub field: Option<String>,
    /// What stands before each signature; one without it does not count.
    pub prefix: Option<String>,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    pub key: KeyForm,
    /// What is taken off the start of the secret first.
    pub key_prefix: Option<String>,
    pub signed: Vec<Signed>,
    pub timestamp: Option<Timestamp>,
    /// Names of the header that holds the id; lower case.
    pub id: Vec<String>,
    /// How the sender may have written the address; the first is tried first.
    pub urls: Vec<UrlForm>,
    /// Where the address holds a digest of the body instead of the signature being over it.
    pub digest: Option<Digest>,
}

/// Where signatures stand.
#[derive(Debug)]
pub(crate) enum Place {
    /// A header, of whose names the first present counts; lower case.
    Header(Vec<String>),
    /// A field of the JSON body.
    Body(Vec<String>),
}

/// A query parameter that holds the digest of the body in hexadecimal.
#[derive(Debug)]
pub(crate) struct Digest {
    pub query: String,
    pub algorithm: Algorithm,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    Text(String),
    Timestamp,
    Body,
    Id,
    Url,
    Method,
    /// The sorted fields of a form.
    Form,
    /// The secret, in a plain digest.
    Secret,
    /// A field of the JSON body.
    Field(Vec<String>),
}

impl Signed {
    pub const ALL: &[(&str, Self)] = &[
        ("timestamp", Self::Timestamp),
        ("body", Self::Body),
        ("id", Self::Id),
        ("url", Self::Url),
        ("method", Self::Method),
        ("form", Self::Form),
        ("secret", Self::Secret),
    ];
}

/// What of a request is the same for every key and address.
struct Parts<'a> {
    incoming: Incoming<'a>,
    time: &'a str,
    id: &'a str,
    /// The fields of a form as they are signed.
    form: String,
}

impl Scheme {
    pub fn signs_address(&self) -> bool {
        self.signed.contains(&Signed::Url)
    }

    /// The place of the secret under which the request is signed.
    pub fn signer(
        &self,
        incoming: &Incoming<'_>,
        secrets: &[Live<'_>],
        now_ms: i64,
    ) -> Result<usize, Rejection> {
        let (found, named) = self.find(incoming)?;
        let items = self.split(found);
        let time = match &self.timestamp {
            Some(timestamp) => Some((timestamp, timestamp.find(incoming, &items)?)),
            None => None,
        };
        let signatures = self.signatures(&items, &named)?;
        let keys = self.keys(secrets)?;
        let parts = Parts {
            incoming: *incoming,
            time: time.as_ref().map_or("", |(_, text)| text.as_ref()),
            id: match self.signed.contains(&Signed::Id) {
                true => one_of(incoming.headers, &self.id)?,
                false => "",
            },
            form: self.form(incoming)?,
        };
        let signer = self.right(&parts, &keys, &signatures)?;
        let signer = signer.ok_or_else(|| {
            let detail = match self.algorithm {
                Algorithm::Secret => "what was shown is not the secret of the source",
                _ => "no signature matches the body under the secret of the source",
            };
            Rejection::Wrong(detail.to_owned())
        })?;
        match time {
            Some((timestamp, text)) => timestamp.check(&text, now_ms).map(|()| signer),
            None => Ok(signer),
        }
    }

    /// The text that holds the signatures, and what it is called.
    fn find<'h>(&self, incoming: &Incoming<'h>) -> Result<(Cow<'h, str>, String), Rejection> {
        match &self.place {
            Place::Header(names) => {
                Ok((Cow::Borrowed(one_of(incoming.headers, names)?), names[0].clone()))
            }
            Place::Body(path) => {
                let name = path.join(".");
                let found = at_path(incoming.body, path).map(Cow::Owned);
                let found = found.ok_or_else(|| {
                    Rejection::Missing(format!("the body has no signature (`{name}`)"))
                })?;
                Ok((found, name))
            }
        }
    }

    /// The items of a signature header as field and value; the field is empty without one.
    fn split<'h>(&self, found: Cow<'h, str>) -> Vec<(Cow<'h, str>, Cow<'h, str>)> {
        let found: &'h str = match found {
            Cow::Borrowed(text) => text,
            // A signature in the body is one item.
            Cow::Owned(text) => return vec![(Cow::Borrowed(""), Cow::Owned(text))],
        };
        let items: Vec<&str> = match &self.items {
            Some(separator) => found.split(separator.as_str()).collect(),
            None => vec![found],
        };
        let field = |item: &'h str| match &self.fields {
            None => Some(("", item.trim())),
            Some(separator) => {
                let (name, value) = item.split_once(separator.as_str())?;
                Some((name.trim(), value.trim()))
            }
        };
        let fields = items.into_iter().filter_map(field).filter(|(_, value)| !value.is_empty());
        fields.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect()
    }

    /// The signatures among the items, decoded.
    fn signatures(
        &self,
        items: &[(Cow<'_, str>, Cow<'_, str>)],
        named: &str,
    ) -> Result<Vec<Vec<u8>>, Rejection> {
        let wanted = |item: &&(Cow<'_, str>, Cow<'_, str>)| {
            self.field.as_deref().is_none_or(|field| item.0 == field)
        };
        let bare = |(_, text): &'_ (Cow<'_, str>, Cow<'_, str>)| {
            let Some(prefix) = &self.prefix else { return Some(text.to_string()) };
            let (start, rest) = text.split_at_checked(prefix.len())?;
            // The words of `Authorization` are the same in any case.
            start.eq_ignore_ascii_case(prefix).then(|| rest.trim_start().to_owned())
        };
        let texts = items.iter().filter(wanted).filter_map(bare).take(MAX_SIGNATURES);
        let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            let word = self.field.as_deref().or(self.prefix.as_deref()).unwrap_or_default();
            let what = match self.algorithm {
                Algorithm::Secret => "secret",
                _ => "signature",
            };
            return Err(Rejection::Missing(format!("`{named}` holds no `{word}` {what}")));
        }
        Ok(texts.iter().filter_map(|text| self.encoding.decode(text)).collect())
    }

    /// The secret under which one of the signatures is right.
    fn right(
        &self,
        parts: &Parts<'_>,
        keys: &[(usize, Vec<u8>)],
        signatures: &[Vec<u8>],
    ) -> Result<Option<usize>, Rejection> {
        if self.algorithm == Algorithm::Secret {
            let right = |(_, key): &&(usize, Vec<u8>)| {
                signatures.iter().any(|shown| self.algorithm.verifies(key, &[], shown))
            };
            return Ok(keys.iter().find(right).map(|(index, _)| *index));
        }
        let plain = [UrlForm::Exact];
        let forms = if self.signs_address() { self.urls.as_slice() } else { &plain };
        for url in forms.iter().filter_map(|form| form.of(parts.incoming.url)) {
            let shared = match self.signed.contains(&Signed::Secret) {
                true => None,
                false => Some(self.message(parts, &url, &[])?),
            };
            for (index, key) in keys {
                let own;
                let message = match &shared {
                    Some(message) => message,
                    None => {
                        own = self.message(parts, &url, key)?;
                        &own
                    }
                };
                if signatures.iter().any(|s| self.algorithm.verifies(key, message, s)) {
                    return Ok(Some(*index));
                }
            }
        }
        Ok(None)
    }

    fn message(&self, parts: &Parts<'_>, url: &str, key: &[u8]) -> Result<Vec<u8>, Rejection> {
        let body = parts.incoming.body;
        let mut message = Vec::with_capacity(body.len() + 64);
        for part in &self.signed {
            match part {
                Signed::Text(text) => message.extend_from_slice(text.as_bytes()),
                Signed::Timestamp => message.extend_from_slice(parts.time.as_bytes()),
                Signed::Body => message.extend_from_slice(body),
                Signed::Id => message.extend_from_slice(parts.id.as_bytes()),
                Signed::Url => message.extend_from_slice(url.as_bytes()),
                Signed::Method => message.extend_from_slice(parts.incoming.method.as_bytes()),
                Signed::Form => message.extend_from_slice(parts.form.as_bytes()),
                Signed::Secret => message.extend_from_slice(key),
                Signed::Field(path) => {
                    let found = at_path(body, path).ok_or_else(|| {
                        let path = path.join(".");
                        Rejection::Missing(format!("the body has no `{path}`, which is signed"))
                    })?;
                    message.extend_from_slice(found.as_bytes());
                }
            }
        }
        Ok(message)
    }

    /// The fields of a form as they are signed; nothing where the address holds a digest of the
    /// body, which then has to be right. A body that neither covers is not the sender's.
    fn form(&self, incoming: &Incoming<'_>) -> Result<String, Rejection> {
        if !self.signed.contains(&Signed::Form) {
            return Ok(String::new());
        }
        if let Some(Digest { query, algorithm }) = &self.digest {
            let fields = address::fields(incoming.query()).unwrap_or_default();
            let found = fields.iter().find(|(name, _)| name == query);
            if let (Some((_, text)), Some(algorithm)) = (found, algorithm.digest()) {
                let wanted = digest::digest(algorithm, incoming.body);
                let shown = Encoding::Hex.decode(text).unwrap_or_default();
                if super::algorithm::same(wanted.as_ref(), &shown) {
                    return Ok(String::new());
                }
                let detail = format!("`{query}` of the address is not the digest of the body");
                return Err(Rejection::Wrong(detail));
            }
        }
        if incoming.is_form() {
            let form = address::sorted(incoming.body);
            return form.ok_or_else(|| Rejection::Wrong("the form is not UTF-8".to_owned()));
        }
        if incoming.body.is_empty() {
            return Ok(String::new());
        }
        Err(Rejection::Missing("the signature is not over this body, which is no form".to_owned()))
    }

    /// The keys of the secrets, each with its secret's place. White space around a secret, such as
    /// the newline at the end of a file, is not part of it.
    fn keys(&self, secrets: &[Live<'_>]) -> Result<Vec<(usize, Vec<u8>)>, Rejection> {
        let ours = secrets.iter().enumerate().filter(|(_, (name, _))| *name == self.credential);
        let key = |(index, (_, secret)): (usize, &Live<'_>)| {
            let secret = secret.trim();
            let bare = self.key_prefix.as_deref().and_then(|prefix| secret.strip_prefix(prefix));
            Some((index, self.key.key(bare.unwrap_or(secret))?))
        };
        let keys: Vec<_> = ours.filter_map(key).collect();
        if keys.is_empty() {
            return Err(Rejection::Wrong(NO_SECRET.to_owned()));
        }
        Ok(keys)
    }
}
