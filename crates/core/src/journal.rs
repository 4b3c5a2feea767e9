//! What a run writes down as it goes: one entry for every thing that happened, append-only.

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::json::Json;
use crate::outcome::Failure;
use crate::run::label;

/// One thing that happened to a run. The JSON form is stored and shown; fields are only ever
/// added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    pub kind: Kind,
    /// The step it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Which item of the step's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<usize>,
    /// Which try of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Which call of an action that makes several: the one that succeeded, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What came out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it will be tried again, or until when it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<i64>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Who did it, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The request that was made: method and URL without secrets, and the idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The answer came from the sandbox, not from the provider.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sandbox: bool,
    /// Something was planned instead of done; what came of it is made up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry: bool,
    /// What would have been done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Box<Unsent>>,
    /// What the provider answered to a call that failed, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Excerpt>,
    /// The run that the step waits for, or has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<RunId>,
    /// What a person is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
}

/// What a run that succeeded came to: the output of its step `return`, or of the last one that
/// ended.
#[must_use]
pub fn output(entries: &[Entry]) -> Option<Json> {
    let done = |entry: &&Entry| entry.kind == Kind::Done && entry.item.is_none();
    entries.iter().rev().find(done).and_then(|entry| entry.output.clone())
}

/// The most bytes of an answer's body that are kept.
pub const MAX_EXCERPT_BYTES: usize = 4096;

/// What is kept of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The status.
    pub status: u16,
    /// Headers that say what the body is and when to try again; names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The start of the body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// There was more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Excerpt {
    /// What is kept of an answer: the body up to [`MAX_EXCERPT_BYTES`], no cookies, nothing that
    /// only the connection is about. `clean` takes secrets out of a text.
    pub fn of(
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
        clean: impl Fn(String) -> String,
    ) -> Self {
        let (body, cut) = start(body, &clean);
        let headers = headers.iter().filter_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let short = value.len() <= 256;
            (short && telling(&name)).then(|| (name, clean(value.clone())))
        });
        Self { status, headers: headers.take(16).collect(), body, cut }
    }
}

/// The start of a body without secrets, and whether there was more.
fn start(body: &[u8], clean: impl Fn(String) -> String) -> (String, bool) {
    // A secret at the cut must not be left in part, so it is taken out before.
    let start = &body[..body.len().min(16 * MAX_EXCERPT_BYTES)];
    let mut text = clean(String::from_utf8_lossy(start).into_owned());
    let cut = start.len() < body.len() || text.len() > MAX_EXCERPT_BYTES;
    text.truncate(text.floor_char_boundary(MAX_EXCERPT_BYTES));
    (text, cut)
}

/// What was planned and not done: a request with method and URL, or an event with its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsent {
    /// The method of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Its absolute URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The type of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The key by which a repetition would be recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The start of the body, or of the event's data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// There was more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Unsent {
    /// A request that is not sent. `clean` takes secrets out of a text.
    pub fn request(
        method: &str,
        url: &str,
        key: Option<&str>,
        body: &[u8],
        clean: impl Fn(String) -> String,
    ) -> Self {
        let method = Some(method.to_owned());
        Self { method, url: Some(clean(url.to_owned())), ..Self::of(key, body, clean) }
    }

    /// An event that is not written down.
    pub fn event(
        kind: &str,
        key: Option<&str>,
        data: &[u8],
        clean: impl Fn(String) -> String,
    ) -> Self {
        Self { event: Some(kind.to_owned()), ..Self::of(key, data, clean) }
    }

    fn of(key: Option<&str>, body: &[u8], clean: impl Fn(String) -> String) -> Self {
        let (body, cut) = start(body, &clean);
        let idempotency_key = key.map(|key| clean(key.to_owned()));
        Self { idempotency_key, body, cut, ..Self::default() }
    }
}

/// Whether a header says something about what to do next.
fn telling(name: &str) -> bool {
    ["content-type", "date", "location", "retry-after", "retry-after-ms"].contains(&name)
        || ["ratelimit", "rate-limit", "should-retry", "request-id"]
            .iter()
            .any(|p| name.contains(p))
}

/// The kinds of journal entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A call to a provider that honours no idempotency key is about to be made.
    Intent,
    /// One call of an action that makes several succeeded.
    Called,
    /// The step waits for a time, an event, a person or another run.
    Waits,
    /// The step succeeded.
    Done,
    /// The step's condition was false.
    Skipped,
    /// The try failed and another is due.
    Retry,
    /// The step failed for good.
    Failed,
    /// The step's answer was lost.
    Unknown,
    /// The attempt was cut off, because the run is to end.
    Aborted,
    /// Somebody ends the run; a call that must not be cut off is waited for.
    Cancelling,
    /// The run ended well.
    Succeeded,
    /// The run ended in the dead-letter office.
    Dead,
    /// A person ended the run.
    Cancelled,
    /// A person sent the run out again.
    Redriven,
}

impl Entry {
    /// An entry of a kind at a time, with nothing else said.
    #[must_use]
    pub fn new(kind: Kind, at_ms: i64) -> Self {
        Self {
            at_ms,
            kind,
            step: None,
            item: None,
            attempt: None,
            call: None,
            output: None,
            failure: None,
            due_ms: None,
            took_ms: None,
            actor: None,
            note: None,
            request: None,
            sandbox: false,
            dry: false,
            planned: None,
            answer: None,
            child: None,
            ask: None,
        }
    }

    /// The step it is about, with the item of its list; empty for what is about the run.
    #[must_use]
    pub fn label(&self) -> String {
        label(self.step.as_deref().unwrap_or_default(), self.item)
    }

    /// The same about a step.
    #[must_use]
    pub fn step(mut self, step: &str, attempt: u32) -> Self {
        self.step = Some(step.to_owned());
        self.attempt = Some(attempt);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_answer_is_bounded_and_clean() {
        let clean = |text: String| text.replace("sk_live_1", "***");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [
            header("Set-Cookie", "a=b"),
            header("Retry-After", "3"),
            header("X-Request-Id", "sk_live_1"),
        ];
        let short = Excerpt::of(400, &headers, b"{\"key\":\"sk_live_1\"}", clean);
        assert_eq!(short.body, "{\"key\":\"***\"}");
        assert!(!short.cut);
        assert_eq!(short.headers, [header("retry-after", "3"), header("x-request-id", "***")]);
        // The secret stands across the cut.
        let long = format!("{}sk_live_1{}", "\u{e9}".repeat(2045), "x".repeat(5000));
        let cut = Excerpt::of(500, &[], long.as_bytes(), clean);
        assert!(cut.cut && cut.body.len() <= MAX_EXCERPT_BYTES, "{}", cut.body.len());
        assert!(!cut.body.contains("sk_"), "{}", &cut.body[4000..]);
        let key = Some("sk_live_1");
        let unsent =
            Unsent::request("POST", "https://a.test/sk_live_1", key, long.as_bytes(), clean);
        assert_eq!((&unsent.body, unsent.cut), (&cut.body, true));
        assert_eq!(unsent.url.as_deref(), Some("https://a.test/***"));
        assert_eq!(unsent.idempotency_key.as_deref(), Some("***"));
        let json = serde_json::to_string(&Entry::new(Kind::Dead, 1)).unwrap();
        assert_eq!(json, r#"{"at_ms":1,"kind":"dead"}"#);
    }
}
