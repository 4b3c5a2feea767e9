//! Challenges: requests by which a provider asks whether this is the right place. They are
//! answered at once and become no event.

use postroom_core::Json;
use postroom_expr::{Expr, Mapping, Scope, Template, Value};
use ring::hmac;

use super::{
    Incoming, Live, Rejection, Webhook, address, algorithm, header_object, object, scheme,
};
use crate::scope::LIMITS;

/// The most bytes of a token that is kept for the operator.
const MAX_KEPT: usize = 512;

/// A request that is answered and becomes no event.
#[derive(Debug)]
pub(crate) struct Challenge {
    /// `GET` or `POST`.
    pub method: &'static str,
    pub when: Expr,
    pub proof: Proof,
    /// The text whose HMAC-SHA256 under the secret the answer reads as `hmac`.
    pub hmac: Option<Template>,
    /// What is kept for the operator.
    pub keep: Option<Template>,
    pub answer: Reply,
}

/// How a challenge proves where it comes from.
#[derive(Debug)]
pub(crate) enum Proof {
    /// It is signed like any other request.
    Signature,
    /// It shows a secret of its own: the name of the credential, and where it is shown.
    Token(String, Template),
    /// Not at all. Taken only as long as the source has no secret: it is what brings the secret.
    None,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Empty,
    /// Text and its media type.
    Text(Template, String),
    Json(Mapping),
}

/// An answer as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The type of the body, where there is one.
    pub media_type: Option<String>,
    /// The body.
    pub body: String,
    /// What the operator has to be given: a token that the provider shows only here.
    pub keep: Option<String>,
}

impl Reply {
    /// The answer where it reads nothing of the request.
    pub fn fixed(&self) -> Option<Answer> {
        self.answer(&Scope::new()).ok()
    }

    fn answer(&self, scope: &Scope<'_>) -> Result<Answer, String> {
        let (media_type, body) = match &self.content {
            Content::Empty => (None, String::new()),
            Content::Text(template, media_type) => {
                let text = template.eval(scope, LIMITS).and_then(|value| value.to_text());
                (Some(media_type.clone()), text.map_err(|fault| fault.to_string())?)
            }
            Content::Json(mapping) => {
                let text = mapping.render(scope, LIMITS).map_err(|fault| fault.to_string())?;
                (Some("application/json".to_owned()), text)
            }
        };
        Ok(Answer { status: self.status, media_type, body, keep: None })
    }
}

impl Webhook {
    /// Whether a `GET` may be a challenge.
    #[must_use]
    pub fn answers_get(&self) -> bool {
        self.challenges.iter().any(|challenge| challenge.method == "GET")
    }

    /// Whether a challenge may come before there is a secret.
    #[must_use]
    pub fn greets(&self) -> bool {
        self.challenges.iter().any(|challenge| matches!(challenge.proof, Proof::None))
    }

    /// The answer to an unsigned greeting, for a source without a secret.
    #[must_use]
    pub fn greeting(&self, incoming: &Incoming<'_>, body: &Json) -> Option<Answer> {
        let scope = scope(incoming, body);
        let unsigned = |challenge: &&Challenge| matches!(challenge.proof, Proof::None);
        let challenge = self.challenges.iter().filter(unsigned).find(|it| it.fits("POST", &scope));
        challenge.and_then(|challenge| challenge.answer(&scope).ok())
    }

    /// The answer to a challenge that was signed; `None` where the request is none. The secret that
    /// signed it is looked for anew: challenges are rare.
    #[must_use]
    pub fn challenge(
        &self,
        incoming: &Incoming<'_>,
        body: &Json,
        secrets: &[Live<'_>],
        now_ms: i64,
    ) -> Option<Answer> {
        if self.challenges.is_empty() {
            return None;
        }
        let mut scope = scope(incoming, body);
        let signed = |challenge: &&Challenge| matches!(challenge.proof, Proof::Signature);
        let challenge = self.challenges.iter().filter(signed).find(|it| it.fits("POST", &scope))?;
        if let Some(text) = &challenge.hmac {
            // Whoever could ask for this without a signature could have any request signed.
            let index = self.signer(incoming, secrets, now_ms).ok()??;
            let (_, secret) = secrets.get(index)?;
            let text = text.eval(&scope, LIMITS).and_then(|value| value.to_text()).ok()?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.trim().as_bytes());
            let tag = hmac::sign(&key, text.as_bytes());
            let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            scope.set("hmac", Value::text(hex));
        }
        challenge.answer(&scope).ok()
    }

    /// The answer to a `GET`, which no signature covers.
    ///
    /// # Errors
    /// It is no challenge, or does not show the secret.
    pub fn visit(
        &self,
        incoming: &Incoming<'_>,
        secrets: &[Live<'_>],
    ) -> Result<Answer, Rejection> {
        let body = Json::null();
        let scope = scope(incoming, &body);
        let missing = || Rejection::Missing("the request is no challenge of the provider".into());
        let challenge = self.challenges.iter().find(|it| it.fits("GET", &scope));
        let challenge = challenge.ok_or_else(missing)?;
        let Proof::Token(credential, shown) = &challenge.proof else { return Err(missing()) };
        let shown = shown.eval(&scope, LIMITS).and_then(|value| value.to_text());
        let shown = shown.map_err(|_| missing())?;
        let mut wanted = secrets.iter().filter(|(name, _)| name == credential).peekable();
        if wanted.peek().is_none() {
            return Err(Rejection::Wrong(scheme::NO_SECRET.to_owned()));
        }
        let right = |(_, secret): &Live<'_>| {
            algorithm::same(secret.trim().as_bytes(), shown.as_bytes()) && !shown.is_empty()
        };
        if !wanted.any(right) {
            let detail = "what was shown is not the secret of the source";
            return Err(Rejection::Wrong(detail.to_owned()));
        }
        challenge.answer(&scope).map_err(|_| missing())
    }
}

impl Challenge {
    /// A condition that cannot be evaluated on a request does not fit it.
    fn fits(&self, method: &str, scope: &Scope<'_>) -> bool {
        self.method == method
            && self.when.eval(scope, LIMITS).is_ok_and(|value| value.as_bool() == Some(true))
    }

    fn answer(&self, scope: &Scope<'_>) -> Result<Answer, String> {
        let mut answer = self.answer.answer(scope)?;
        if let Some(keep) = &self.keep {
            let text = keep.eval(scope, LIMITS).and_then(|value| value.to_text());
            let text = text.map_err(|fault| fault.to_string())?;
            if text.is_empty()
                || text.len() > MAX_KEPT
                || !text.bytes().all(|b| b.is_ascii_graphic())
            {
                return Err("what is to be kept is no token".to_owned());
            }
            answer.keep = Some(text);
        }
        Ok(answer)
    }
}

fn scope<'a>(incoming: &Incoming<'a>, body: &'a Json) -> Scope<'a> {
    let query = address::fields(incoming.query()).unwrap_or_default();
    let query = query.into_iter().map(|(name, value)| (name.into(), value.into()));
    Scope::new()
        .with("body", Value::Json(body.view()))
        .with("headers", header_object(incoming.headers))
        .with("query", object(query))
}
