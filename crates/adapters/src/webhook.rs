//! Webhooks: whether a request was signed by who holds the secret, and what it reports.
//!
//! Owns verification as data. The exact bytes that arrived are what is verified, comparison takes
//! constant time, and several live secrets and several signatures may stand side by side while a
//! secret is rotated. No secret and no signature is ever part of a message.

mod address;
mod algorithm;
mod challenge;
mod describe;
mod scheme;
mod time;

use std::borrow::Cow;

use postroom_core::Json;
use postroom_expr::Value;

pub(crate) use self::address::UrlForm;
pub use self::address::form_json;
pub(crate) use self::algorithm::{Algorithm, Encoding, KeyForm};
pub use self::challenge::Answer;
pub(crate) use self::challenge::{Challenge, Content, Proof, Reply};
pub(crate) use self::describe::Describe;
pub use self::describe::Described;
pub(crate) use self::scheme::{Digest, Place, Scheme, Signed};
pub(crate) use self::time::{TimePlace, Timestamp, Unit};
use crate::adapter::Credential;

/// How the webhooks of a provider are verified, answered and described.
#[derive(Debug)]
pub struct Webhook {
    /// Ways to verify, of which one suffices; none where anybody may send.
    pub(crate) schemes: Vec<Scheme>,
    /// The credentials that verify: that of the signing secret first.
    pub(crate) credentials: Vec<Credential>,
    pub(crate) challenges: Vec<Challenge>,
    /// Whether forms are taken, and the field of one that holds JSON instead of all others.
    pub(crate) form: Option<Option<String>>,
    pub(crate) describe: Describe,
    /// What is answered once the events are on disk, where the provider insists.
    pub(crate) acknowledge: Option<Reply>,
    /// Recorded requests without their signatures.
    pub examples: Vec<Example>,
}

/// A recorded request and what comes of it.
#[derive(Debug)]
pub struct Example {
    /// Its headers, without those that sign; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: String,
    /// The events.
    pub events: Vec<Described>,
    /// What is answered, where it is a challenge.
    pub answer: Option<Answer>,
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// In upper case.
    pub method: &'a str,
    /// The whole address that the sender used, with its query.
    pub url: &'a str,
    /// With names in lower case.
    pub headers: &'a [(String, String)],
    /// Exactly the bytes that arrived.
    pub body: &'a [u8],
}

impl<'a> Incoming<'a> {
    fn query(&self) -> &'a str {
        self.url.split_once('?').map_or("", |(_, query)| query)
    }

    fn is_form(&self) -> bool {
        let named = self.headers.iter().find(|(name, _)| name == "content-type");
        let kind = named.and_then(|(_, value)| value.split(';').next()).unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }
}

/// A live secret: the name of its credential, and itself.
pub type Live<'a> = (&'a str, &'a str);

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

    /// Which of several schemes' rejections says most.
    fn weight(&self) -> u8 {
        match self {
            Self::Missing(_) => 0,
            Self::Wrong(_) => 1,
            Self::Stale(_) => 2,
        }
    }
}

type Headers<'a> = &'a [(String, String)];

impl Webhook {
    /// The credentials that verify, that of the signing secret first.
    #[must_use]
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// Whether anybody may send: the manifest says `signature: none`.
    #[must_use]
    pub fn open(&self) -> bool {
        self.schemes.is_empty()
    }

    /// Whether this credential proves a request that reports something.
    #[must_use]
    pub fn verified_by(&self, credential: &str) -> bool {
        self.schemes.iter().any(|scheme| scheme.credential == credential)
    }

    /// Whether one request may report several events.
    #[must_use]
    pub fn several(&self) -> bool {
        self.describe.each.is_some()
    }

    /// Whether the address is part of what is signed, so that it has to be known.
    #[must_use]
    pub fn signs_address(&self) -> bool {
        self.schemes.iter().any(Scheme::signs_address)
    }

    /// Checks that a request was signed with one of the secrets, not too long ago. `now_ms` counts
    /// from 1970.
    ///
    /// # Errors
    /// Why it is refused. The signature is checked before the time, so `Stale` is only said of
    /// requests that were really signed.
    pub fn verify(
        &self,
        incoming: &Incoming<'_>,
        secrets: &[Live<'_>],
        now_ms: i64,
    ) -> Result<(), Rejection> {
        self.signer(incoming, secrets, now_ms).map(drop)
    }

    /// The same, with the place of the secret that signed; none where anybody may send.
    fn signer(
        &self,
        incoming: &Incoming<'_>,
        secrets: &[Live<'_>],
        now_ms: i64,
    ) -> Result<Option<usize>, Rejection> {
        if self.open() {
            return Ok(None);
        }
        let mut rejection: Option<Rejection> = None;
        for scheme in &self.schemes {
            // Of several ways, those count whose secret is set.
            let known = secrets.iter().any(|(name, _)| *name == scheme.credential);
            if !known && self.schemes.len() > 1 {
                continue;
            }
            match scheme.signer(incoming, secrets, now_ms) {
                Ok(index) => return Ok(Some(index)),
                Err(found) if rejection.as_ref().is_none_or(|r| r.weight() < found.weight()) => {
                    rejection = Some(found);
                }
                Err(_) => {}
            }
        }
        Err(rejection.unwrap_or_else(|| Rejection::Wrong(scheme::NO_SECRET.to_owned())))
    }

    /// The body as JSON text: that of a form is made of its fields.
    ///
    /// # Errors
    /// Why a form cannot be read.
    pub fn text<'a>(&self, incoming: &Incoming<'a>) -> Result<Cow<'a, [u8]>, String> {
        match &self.form {
            Some(field) if incoming.is_form() => {
                let json = form_json(incoming.body, field.as_deref())?;
                Ok(Cow::Owned(json.into_bytes()))
            }
            _ => Ok(Cow::Borrowed(incoming.body)),
        }
    }

    /// The answer that the provider insists on once the events are on disk.
    #[must_use]
    pub fn acknowledgement(&self) -> Option<Answer> {
        self.acknowledge.as_ref().and_then(Reply::fixed)
    }
}

/// Headers as an object of texts; of a repeated one, the first.
fn object<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Value<'a> {
    let mut seen: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
    for (name, value) in pairs {
        if !seen.iter().any(|(known, _)| *known == name) {
            seen.push((name, Value::text(value)));
        }
    }
    Value::object(seen)
}

fn header_object(headers: Headers<'_>) -> Value<'_> {
    object(headers.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())))
}

/// The text at a path of names in a JSON body, such as `signature.token`; numbers as written.
fn at_path(body: &[u8], path: &[String]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let json = Json::parse(text.to_owned()).ok()?;
    let mut view = json.view();
    for name in path {
        view = view.get(name)?;
    }
    Some(view.as_str().map_or_else(|| view.raw().to_owned(), Cow::into_owned))
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
