//! What one attempt of a step came to. The outcome steers the run; it is data, never an `Err`.

use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::run::Word;

/// The end of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It worked; the output is what later steps may read.
    Done {
        /// The step's output.
        output: Json,
    },
    /// It did not work and trying again may help.
    Retry {
        /// What the provider asked to wait, in milliseconds; wins over the policy's delay.
        after_ms: Option<u64>,
        /// What went wrong.
        failure: Failure,
    },
    /// It did not work and the same request would never work.
    Refused {
        /// What went wrong.
        failure: Failure,
    },
    /// The request was sent and its answer was lost; whether it took effect is not known.
    Unknown {
        /// What is known.
        failure: Failure,
    },
    /// It was not tried: a limit says when it may go. Burns no attempt.
    Wait {
        /// Milliseconds since 1970 at which to try.
        until_ms: i64,
    },
    /// It waits for a time, an event, a person or another run. Burns no attempt.
    Park {
        /// Until when it waits, in milliseconds since 1970.
        until_ms: i64,
        /// When it is to look again whether that has come; not after `until_ms`.
        look_ms: i64,
    },
    /// It is to be carried out for each item of a list.
    Items {
        /// How many items the list has, at least one.
        count: usize,
    },
    /// Its `if` was false.
    Skipped,
    /// The run is to end here, and that is no failure.
    Cancel(Word),
}

/// Why an attempt did not work, in words for a person and a code for a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code: one of ours (`call/timeout`) or the provider's (`card_declined`).
    pub code: String,
    /// What happened, in a sentence.
    pub message: String,
    /// The HTTP status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with a code and a sentence.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status: None, hint: None }
    }

    /// The same with the status of the answer.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same with what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
