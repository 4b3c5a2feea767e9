//! A provider as data: what a manifest becomes once it is read and checked.
//!
//! Owns the types. Reading them is `manifest`, using them `build`, `interpret`, `sandbox` and
//! `webhook`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postroom_core::lint::Deprecated;
use postroom_core::{Failure, Json};
use postroom_expr::{Expr, Mapping, Template};

use crate::becomes::Becomes;
use crate::build::Request;
use crate::exchange::HttpResponse;
use crate::headers::header_value;
use crate::lookup::{Lookup, RecordedLookup};
use crate::oauth::OAuth;
use crate::pages::Pages;
use crate::quota::LimitHeaders;
use crate::webhook::Webhook;

/// A provider: its account settings, actions and webhooks.
#[derive(Debug)]
pub struct Adapter {
    /// Its name, as in `uses: name/action`.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The provider's own documentation.
    pub docs_url: String,
    /// Where its API is, unless the connection says otherwise.
    pub base_url: Option<String>,
    /// Headers that carry credentials, on every request.
    pub auth: Vec<SecretHeader>,
    /// Where its access tokens come from, if it gives them out by OAuth2.
    pub oauth: Option<OAuth>,
    /// The credentials that a connection to it holds.
    pub credentials: Vec<Credential>,
    /// The settings of a connection that are no secrets.
    pub settings: Vec<Setting>,
    /// How many requests it takes, per connection. All of them hold at once.
    pub limits: Vec<RateLimit>,
    /// In which headers it tells how many more it takes.
    pub limit_headers: Vec<LimitHeaders>,
    /// How its webhooks are verified and described, if it sends any.
    pub webhook: Option<Arc<Webhook>>,
    /// What tests a connection to it, if it says so.
    pub probe: Option<Probe>,
    /// What can be done with it; every version of every action.
    pub actions: Vec<Arc<Action>>,
    /// The file it was read from.
    pub file: String,
}

/// A credential by name; its value is never seen here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its name within the adapter.
    pub name: String,
    /// The environment variable it comes from, unless the connection says otherwise.
    pub env: String,
    /// Whether actions are refused without it.
    pub required: bool,
    /// What it is and where to find it.
    pub summary: String,
}

/// A setting of a connection that is no secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name, as in `connection.name`.
    pub name: String,
    /// Whether a connection must have it.
    pub required: bool,
    /// What it is and where to find it.
    pub summary: String,
    /// A value of the kind.
    pub example: serde_json::Value,
}

/// The name of the header of a credential that travels in the path.
pub(crate) const PATH: &str = ":path";

/// What stands in the path for a credential until the request is sent.
pub(crate) const VEILED: &str = "***";

/// A call that changes nothing, by which a connection is tested.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The action.
    pub action: String,
    /// What it is given.
    pub input: Json,
}

/// A header whose value holds a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHeader {
    /// The header's name; `:path` where the value comes between base URL and path instead.
    pub header: String,
    /// The value, with `{}` where the credential stands.
    pub template: String,
    /// The name of the credential. When it is optional and not set, the header is left out.
    pub credential: String,
    /// Whether the value is sent as `Basic` and the base64 of the filled template.
    pub basic: bool,
}

impl SecretHeader {
    /// The header's value with the credential in place. White space around the credential, such
    /// as the newline at the end of a file, is not part of it.
    ///
    /// # Errors
    /// When the credential cannot stand in a header. The message does not show it.
    pub fn fill(&self, secret: &str) -> Result<String, Failure> {
        let filled = self.template.replace("{}", secret.trim());
        let value = if self.basic { format!("Basic {}", STANDARD.encode(filled)) } else { filled };
        header_value(&value).map_err(|_| {
            let name = &self.credential;
            let message = format!("the credential `{name}` holds a character no header can carry");
            Failure::new("adapter/bad-credential", message)
                .with_hint("set it again, without line breaks and in plain ASCII")
        })?;
        Ok(value)
    }
}

/// At most so many requests in any window of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests.
    pub requests: u32,
    /// The window, in milliseconds.
    pub window_ms: u64,
}

/// What happens when a call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// The provider recognises the key sent with it and answers as the first time.
    Key,
    /// The same state comes about again; repeating has no further effect.
    Natural,
    /// It changes nothing.
    Read,
    /// It takes effect again.
    None,
}

impl Idempotency {
    pub(crate) const ALL: [Self; 4] = [Self::Key, Self::Natural, Self::Read, Self::None];

    /// The word of manifests.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Natural => "natural",
            Self::Read => "read",
            Self::None => "none",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|idempotency| idempotency.word() == word)
    }

    /// Whether a call whose answer was lost may be sent again.
    #[must_use]
    pub fn repeatable(self) -> bool {
        self != Self::None
    }
}

/// One version of something that can be done with a provider.
#[derive(Debug)]
pub struct Action {
    /// The adapter's name.
    pub adapter: String,
    /// Its name, as in `uses: adapter/name`.
    pub name: String,
    /// The version of its contract, as in `uses: adapter/name@version`.
    pub version: u32,
    /// What it does, in a sentence.
    pub summary: String,
    /// JSON Schema of the input, in the subset that [`Action::check_input`] enforces.
    pub input: serde_json::Value,
    /// JSON Schema of the output. Tests hold examples against it; answers are not checked.
    pub output: serde_json::Value,
    /// Whether it moves money or destroys something, so that a person should be asked first.
    pub destructive: bool,
    /// Whether it is on its way out.
    pub deprecated: Option<Deprecated>,
    /// The newer version that performs it, if it makes no calls of its own.
    pub becomes: Option<Becomes>,
    /// The calls it makes, in order. Empty for an action that only computes, and for one that
    /// another version performs: see [`Action::performer`].
    pub calls: Vec<Call>,
    /// A recorded success.
    pub example: Option<Example>,
    /// Recorded failures.
    pub failures: Vec<RecordedFailure>,
    /// Recorded answers to look-ups.
    pub lookups: Vec<RecordedLookup>,
    pub(crate) returns: Option<Mapping>,
    pub(crate) provider: Arc<Provider>,
}

/// One request of an action.
#[derive(Debug)]
pub struct Call {
    /// Its name within the action; the journal and derived keys use it.
    pub id: String,
    /// What happens when it is repeated. Where that depends on the input this is the careful
    /// answer, `None`; [`Action::idempotency`] knows.
    pub idempotency: Idempotency,
    pub(crate) by_input: Option<Template>,
    pub(crate) condition: Option<Expr>,
    pub(crate) request: Request,
    pub(crate) result: Option<Mapping>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) sandbox: Option<Mapping>,
    pub(crate) pages: Option<Pages>,
    pub(crate) lookup: Option<Lookup>,
}

/// A recorded success of an action.
#[derive(Clone, Debug)]
pub struct Example {
    /// The input.
    pub input: Json,
    /// What the provider answered, by call id.
    pub responses: Vec<(String, HttpResponse)>,
    /// The output.
    pub output: Json,
}

/// A recorded answer and what it must be taken for.
#[derive(Clone, Debug)]
pub struct RecordedFailure {
    /// What happened, in a few words.
    pub name: String,
    /// The index of the call that was answered so.
    pub call: usize,
    /// The answer.
    pub response: HttpResponse,
    /// What it must be taken for.
    pub outcome: Expected,
    /// The failure's code, if it is stated.
    pub code: Option<String>,
    /// The wait that the provider asks for in milliseconds, if it is stated.
    pub after_ms: Option<u64>,
}

/// The kind of an outcome, as manifests name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It worked.
    Done,
    /// Trying again may help.
    Retry,
    /// The same request would never work.
    Refused,
    /// Whether it took effect is not known.
    Unknown,
}

impl Expected {
    pub(crate) const ALL: [Self; 4] = [Self::Done, Self::Retry, Self::Refused, Self::Unknown];

    /// The word of manifests.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry => "retry",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// What all actions of an adapter share.
#[derive(Debug)]
pub(crate) struct Provider {
    pub name: String,
    pub title: String,
    pub base_url: Option<String>,
    pub auth: Vec<SecretHeader>,
    pub headers: Option<Mapping>,
    pub key_header: Option<String>,
    pub wording: Wording,
    pub rules: Vec<Rule>,
    /// The templates of `auth` that read settings of the connection.
    pub auth_templates: Vec<(usize, Template)>,
    /// The settings with which examples are played.
    pub example_config: Json,
}

/// How the words of a failure are read out of an answer.
#[derive(Debug, Default)]
pub(crate) struct Wording {
    pub code: Option<Template>,
    pub message: Option<Template>,
    pub hint: Option<Template>,
}

/// What an answer for which the condition holds is taken for.
#[derive(Debug)]
pub(crate) struct Rule {
    pub when: Expr,
    pub then: Expected,
    pub wording: Wording,
    pub after: Option<Template>,
}
