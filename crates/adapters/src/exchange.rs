//! What passes between the interpreter and whoever talks to the network: requests to send, answers
//! that came back, answers that did not.

use postroom_core::{Failure, Json};

use crate::adapter::{PATH, SecretHeader, VEILED};

/// What a call is made from.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The action's input, already checked with `Action::check_input`.
    pub input: &'a Json,
    /// Results of earlier calls of this action, by call id. A skipped call has none.
    pub results: &'a [(String, Json)],
    /// The connection's settings that are not secret; `null` when it has none.
    pub config: &'a Json,
    /// The connection's base URL, if it has its own.
    pub base_url: Option<&'a str>,
    /// The idempotency key of the step. Calls of an action with several derive theirs from it.
    pub key: &'a str,
}

/// What to do for a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Planned {
    /// Send this.
    Send(HttpRequest),
    /// The call's `if` is false: go on with the next one.
    Skip,
}

/// A request without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, in upper case.
    pub method: String,
    /// The absolute URL with its query.
    pub url: String,
    /// Headers in the order in which they are set. Names and values are safe to send.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// Headers that the sender fills in with credentials, just before sending.
    pub secrets: Vec<SecretHeader>,
    /// The key that is sent, if the provider honours one on this call.
    pub idempotency_key: Option<String>,
}

impl HttpRequest {
    /// Puts a credential where it belongs, just before sending.
    ///
    /// # Errors
    /// When the credential cannot stand there. The message does not show it.
    pub fn fill(&mut self, slot: &SecretHeader, secret: &str) -> Result<(), Failure> {
        let value = slot.fill(secret)?;
        if slot.header == PATH {
            let mut path = String::new();
            crate::url::push_segment(&mut path, &value);
            // A colon may stand in a segment, and some providers know no other way to write it.
            self.url = self.url.replacen(VEILED, &path.replace("%3A", ":"), 1);
        } else {
            self.headers.push((slot.header.clone(), value));
        }
        Ok(())
    }

    /// Whether it asks and changes nothing, by its method.
    #[must_use]
    pub fn reads(&self) -> bool {
        READS.contains(&self.method.as_str())
    }
}

/// The methods that change nothing.
pub(crate) const READS: [&str; 2] = ["GET", "HEAD"];

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The headers. Names are compared without regard to case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, decompressed.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Connection refused, name not found, TLS failed: nothing reached the provider.
    NotSent,
    /// It was sent, in part or whole, and the connection ended without an answer.
    NoAnswer,
    /// It was sent and no answer came in time.
    TimedOut,
}

impl Lost {
    /// Every way in which an answer is lost.
    pub const ALL: [Self; 3] = [Self::TimedOut, Self::NoAnswer, Self::NotSent];

    /// The word of tests and plans.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TimedOut => "timeout",
            Self::NoAnswer => "no-answer",
            Self::NotSent => "not-sent",
        }
    }
}
