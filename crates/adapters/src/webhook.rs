//! Webhooks: whether a request was signed by who holds the secret, and what it reports.
//!
//! Owns verification as data. The exact bytes that arrived are what is verified, comparison takes
//! constant time, and several live secrets and several signatures may stand side by side while a
//! secret is rotated. No secret and no signature is ever part of a message.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postroom_core::{Failure, Json};
use postroom_expr::{JsonView, Scope, Template, Value};
use ring::hmac;

use crate::adapter::Credential;
use crate::scope::LIMITS;

/// The most signatures of one request that are looked at.
const MAX_SIGNATURES: usize = 16;

/// How the webhooks of a provider are verified and described.
#[derive(Debug)]
pub struct Webhook {
    pub(crate) credential: Credential,
    pub(crate) scheme: Scheme,
    pub(crate) describe: Describe,
}

/// Where a signature stands and what it signs.
#[derive(Debug)]
pub(crate) struct Scheme {
    /// Names of the header, of which the first present counts; lower case.
    pub headers: Vec<String>,
    /// What separates items of the header; without it, all of the header is one item.
    pub items: Option<String>,
    /// What separates a field's name from its value; without it, an item is the signature.
    pub fields: Option<String>,
    /// The name of the fields that hold signatures; others are ignored.
    pub field: Option<String>,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    pub key: KeyForm,
    /// What is taken off the start of the secret first.
    pub key_prefix: Option<String>,
    pub signed: Vec<Signed>,
    pub timestamp: Option<Timestamp>,
    /// Names of the header that holds the id; lower case.
    pub id: Vec<String>,
}

/// How signatures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    HmacSha256,
}

impl Algorithm {
    pub const ALL: &[(&str, Self)] = &[("hmac-sha256", Self::HmacSha256)];

    /// Whether the signature is that of the message, in constant time.
    fn verifies(self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::HmacSha256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key);
                hmac::verify(&key, message, signature).is_ok()
            }
        }
    }
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Hex,
    Base64,
}

impl Encoding {
    pub const ALL: &[(&str, Self)] = &[("hex", Self::Hex), ("base64", Self::Base64)];

    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Hex => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let pairs = text.as_bytes().chunks(2);
                let byte = |pair: &[u8]| {
                    let [high, low] = pair else { return None };
                    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
                };
                pairs.map(byte).collect()
            }
        }
    }
}

/// How a secret becomes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// Its characters are the key.
    Literal,
    /// It is the key in base64.
    Base64,
}

impl KeyForm {
    pub const ALL: &[(&str, Self)] = &[("literal", Self::Literal), ("base64", Self::Base64)];
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    Text(String),
    Timestamp,
    Body,
    Id,
}

impl Signed {
    pub const ALL: &[(&str, Self)] =
        &[("timestamp", Self::Timestamp), ("body", Self::Body), ("id", Self::Id)];
}

/// Where the time of signing stands and how far it may be off.
#[derive(Debug)]
pub(crate) struct Timestamp {
    pub place: TimePlace,
    /// Milliseconds per unit: 1000 for seconds, 1 for milliseconds.
    pub unit_ms: i64,
    pub past_ms: Option<i64>,
    pub future_ms: Option<i64>,
}

/// Where the time of signing stands.
#[derive(Debug)]
pub(crate) enum TimePlace {
    /// A field of the signature header.
    Field(String),
    /// A header of its own; the first present counts; lower case.
    Header(Vec<String>),
    /// A top-level field of the JSON body, which the signature covers.
    Body(String),
}

/// How a webhook becomes an event.
#[derive(Debug)]
pub(crate) struct Describe {
    pub kind: Template,
    pub id: Option<Template>,
    pub time_ms: Option<Template>,
}

/// What a webhook reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The event's type.
    pub kind: String,
    /// What is the same when the provider sends the same event again.
    pub id: Option<String>,
    /// When it happened, in milliseconds since 1970.
    pub time_ms: Option<i64>,
}

/// Why a request is not taken for the provider's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It carries no signature, or lacks what the signature is over.
    Missing(String),
    /// The signature is not one of this body under any of the secrets.
    Wrong(String),
    /// It is signed rightly, but at a time too far away.
    Stale(String),
}

impl Rejection {
    /// What was found, without anything secret.
    #[must_use]
    pub fn detail(&self) -> &str {
        let (Self::Missing(detail) | Self::Wrong(detail) | Self::Stale(detail)) = self;
        detail
    }

    /// The row of the problem table.
    #[must_use]
    pub fn kind(&self) -> &'static postroom_core::problem::Kind {
        match self {
            Self::Missing(_) => &postroom_core::problem::SIGNATURE_MISSING,
            Self::Wrong(_) => &postroom_core::problem::SIGNATURE_WRONG,
            Self::Stale(_) => &postroom_core::problem::SIGNATURE_STALE,
        }
    }
}

type Headers<'a> = &'a [(String, String)];

impl Webhook {
    /// The credential that holds the signing secret.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Checks that a request was signed with one of the secrets, not too long ago. Header names
    /// are lower case; `body` is exactly what arrived; `now_ms` counts from 1970.
    ///
    /// # Errors
    /// Why it is refused. The signature is checked before the time, so `Stale` is only said of
    /// requests that were really signed.
    pub fn verify(
        &self,
        headers: Headers<'_>,
        body: &[u8],
        secrets: &[&str],
        now_ms: i64,
    ) -> Result<(), Rejection> {
        let scheme = &self.scheme;
        let header = one_of(headers, &scheme.headers)?;
        let items = scheme.split(header);
        let time = match &scheme.timestamp {
            Some(timestamp) => Some((timestamp, timestamp.find(headers, &items, body)?)),
            None => None,
        };
        let time_text = time.as_ref().map_or("", |(_, text)| text.as_ref());
        let message = scheme.message(headers, body, time_text)?;
        let wanted = |item: &&(&str, &str)| scheme.field.as_deref().is_none_or(|f| item.0 == f);
        let mut signatures =
            items.iter().filter(wanted).map(|item| item.1).take(MAX_SIGNATURES).peekable();
        if signatures.peek().is_none() {
            let field = scheme.field.as_deref().unwrap_or_default();
            let name = &scheme.headers[0];
            return Err(Rejection::Missing(format!("`{name}` holds no `{field}` signature")));
        }
        let keys = scheme.keys(secrets)?;
        let decoded: Vec<_> = signatures.filter_map(|text| scheme.encoding.decode(text)).collect();
        let right = decoded.iter().any(|signature| {
            keys.iter().any(|key| scheme.algorithm.verifies(key, &message, signature))
        });
        if !right {
            let detail = "no signature matches the body under the secret of the source";
            return Err(Rejection::Wrong(detail.to_owned()));
        }
        match time {
            Some((timestamp, text)) => timestamp.check(&text, now_ms),
            None => Ok(()),
        }
    }

    /// What a verified webhook reports.
    ///
    /// # Errors
    /// When the body has no type of event where one is expected.
    pub fn describe(&self, headers: Headers<'_>, body: &Json) -> Result<Described, Failure> {
        let header = |(name, value): &'_ (String, String)| {
            (Cow::Owned(name.clone()), Value::text(value.clone()))
        };
        let mut seen: Vec<(Cow<'_, str>, Value<'_>)> = Vec::new();
        for entry in headers.iter().map(header) {
            if !seen.iter().any(|(name, _)| *name == entry.0) {
                seen.push(entry);
            }
        }
        let scope = Scope::new()
            .with("body", Value::Json(body.view()))
            .with("headers", Value::object(seen));
        let fault = |part: &str, why: String| {
            Failure::new("source/not-described", format!("the event's {part}: {why}"))
        };
        let kind = self.describe.kind.eval(&scope, LIMITS);
        let kind = kind.map_err(|why| fault("type", why.to_string()))?;
        // A number or list here is not what the provider sends.
        let kind = kind.as_str().filter(|kind| !kind.is_empty()).map(Cow::into_owned);
        let kind = kind.ok_or_else(|| fault("type", "it is empty or not text".to_owned()))?;
        let optional = |template: &Option<Template>, part: &str| {
            let Some(template) = template else { return Ok(None) };
            let value =
                template.eval(&scope, LIMITS).map_err(|why| fault(part, why.to_string()))?;
            if value.is_null() {
                return Ok(None);
            }
            value.to_text().map(Some).map_err(|why| fault(part, why.to_string()))
        };
        let id = optional(&self.describe.id, "id")?.filter(|id| !id.is_empty());
        let time_ms = match optional(&self.describe.time_ms, "time")? {
            None => None,
            Some(text) => Some(text.parse::<i64>().map_err(|_| {
                fault("time", "it is not a whole number of milliseconds".to_owned())
            })?),
        };
        Ok(Described { kind, id, time_ms })
    }
}

impl Scheme {
    /// The items of a signature header as field and value; the field is empty without one.
    fn split<'h>(&self, header: &'h str) -> Vec<(&'h str, &'h str)> {
        let items: Vec<&str> = match &self.items {
            Some(separator) => header.split(separator.as_str()).collect(),
            None => vec![header],
        };
        let field = |item: &'h str| match &self.fields {
            None => Some(("", item.trim())),
            Some(separator) => {
                let (name, value) = item.split_once(separator.as_str())?;
                Some((name.trim(), value.trim()))
            }
        };
        items.into_iter().filter_map(field).filter(|(_, value)| !value.is_empty()).collect()
    }

    fn message(&self, headers: Headers<'_>, body: &[u8], time: &str) -> Result<Vec<u8>, Rejection> {
        let mut message = Vec::with_capacity(body.len() + 64);
        for part in &self.signed {
            match part {
                Signed::Text(text) => message.extend_from_slice(text.as_bytes()),
                Signed::Timestamp => message.extend_from_slice(time.as_bytes()),
                Signed::Body => message.extend_from_slice(body),
                Signed::Id => message.extend_from_slice(one_of(headers, &self.id)?.as_bytes()),
            }
        }
        Ok(message)
    }

    /// The keys of the secrets. White space around a secret, such as the newline at the end of a
    /// file, is not part of it.
    fn keys(&self, secrets: &[&str]) -> Result<Vec<Vec<u8>>, Rejection> {
        let key = |secret: &&str| {
            let secret = secret.trim();
            let bare = self.key_prefix.as_deref().and_then(|prefix| secret.strip_prefix(prefix));
            let bare = bare.unwrap_or(secret);
            match self.key {
                _ if bare.is_empty() => None,
                KeyForm::Literal => Some(bare.as_bytes().to_vec()),
                KeyForm::Base64 => STANDARD.decode(bare).ok().filter(|key| !key.is_empty()),
            }
        };
        let keys: Vec<_> = secrets.iter().filter_map(key).collect();
        if keys.is_empty() {
            let detail = "the source has no usable secret; set it as the provider shows it";
            return Err(Rejection::Wrong(detail.to_owned()));
        }
        Ok(keys)
    }
}

impl Timestamp {
    fn find<'h>(
        &self,
        headers: Headers<'h>,
        items: &[(&'h str, &'h str)],
        body: &'h [u8],
    ) -> Result<Cow<'h, str>, Rejection> {
        match &self.place {
            TimePlace::Header(names) => Ok(Cow::Borrowed(one_of(headers, names)?)),
            TimePlace::Field(field) => {
                let mut found = items.iter().filter(|(name, _)| name == field);
                match (found.next(), found.next()) {
                    (Some((_, text)), None) => Ok(Cow::Borrowed(*text)),
                    (None, _) => {
                        Err(Rejection::Missing(format!("the signature has no time (`{field}`)")))
                    }
                    _ => Err(Rejection::Wrong(format!("the signature has several `{field}`"))),
                }
            }
            TimePlace::Body(field) => {
                let text = std::str::from_utf8(body).ok();
                let view = text.and_then(|text| JsonView::parse(text).ok());
                let found = view.and_then(|view| view.get(field));
                found.map(|view| Cow::Borrowed(view.raw())).ok_or_else(|| {
                    Rejection::Missing(format!("the body has no time of signing (`{field}`)"))
                })
            }
        }
    }

    fn check(&self, text: &str, now_ms: i64) -> Result<(), Rejection> {
        let digits =
            !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
        let time = if digits { text.parse::<i64>().ok() } else { None };
        let Some(time) = time else {
            return Err(Rejection::Wrong("the time of signing is not a number".to_owned()));
        };
        // Both are counted in the provider's unit, so that a fraction of a second decides nothing.
        let age_ms = now_ms
            .div_euclid(self.unit_ms)
            .checked_sub(time)
            .and_then(|age| age.checked_mul(self.unit_ms));
        let within = |age: i64| {
            self.past_ms.is_none_or(|past| age <= past)
                && self.future_ms.is_none_or(|future| age >= -future)
        };
        match age_ms {
            Some(age) if within(age) => Ok(()),
            Some(age) => {
                let way = if age > 0 { "ago" } else { "ahead of the clock here" };
                let seconds = age.unsigned_abs() / 1000;
                Err(Rejection::Stale(format!("it was signed {seconds} s {way}")))
            }
            None => Err(Rejection::Stale("it was signed in another age".to_owned())),
        }
    }
}

/// The one value of the first of these headers that is there. A repeated header is refused: what
/// one reader takes for the signature another may not.
fn one_of<'h>(headers: Headers<'h>, names: &[String]) -> Result<&'h str, Rejection> {
    for name in names {
        let mut values = headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => return Ok(value),
            (Some(_), Some(_)) => {
                return Err(Rejection::Wrong(format!("the header `{name}` stands twice")));
            }
            (None, _) => {}
        }
    }
    Err(Rejection::Missing(format!("the header `{}` is missing", names.join("` or `"))))
}
