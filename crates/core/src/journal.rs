//! What a run writes down as it goes: one entry for every thing that happened, append-only.

use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::outcome::Failure;

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
    /// Which try of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Which call of an action that makes several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What came out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it will be tried again.
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
}

/// The kinds of journal entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A call to a provider that honours no idempotency key is about to be made.
    Intent,
    /// One call of an action that makes several succeeded.
    Called,
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
        }
    }

    /// The same about a step.
    #[must_use]
    pub fn step(mut self, step: &str, attempt: u32) -> Self {
        self.step = Some(step.to_owned());
        self.attempt = Some(attempt);
        self
    }
}
