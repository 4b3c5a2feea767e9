//! What people are told of actions: a call's request in a line, and what repeating does.

use crate::adapter::{Action, Call, Idempotency};
use crate::build::Target;
use crate::url::PathPart;

impl Call {
    /// Its request in a line, as the manifest has it: `POST /v1/refunds`.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{} ", self.request.method.source());
        match &self.request.target {
            Target::Server(_) => line.push_str("by SMTP"),
            Target::Path(parts) => line.extend(parts.iter().map(|part| match part {
                PathPart::Text(text) => text.as_str(),
                PathPart::Value(template) => template.source(),
            })),
            Target::Url(template) => line.push_str(template.source()),
        }
        line
    }

    /// Whether its input decides what repeating does.
    #[must_use]
    pub fn repeats_by_input(&self) -> bool {
        self.by_input.is_some()
    }
}

impl Action {
    /// What happens when the whole of it is repeated: what its least repeatable call does. One
    /// that calls nobody reads. Where the input decides, this is the careful answer.
    #[must_use]
    pub fn repeating(&self) -> Idempotency {
        let calls = self.performer().calls.iter().map(|call| call.idempotency);
        calls.max_by_key(|idempotency| idempotency.risk()).unwrap_or(Idempotency::Read)
    }
}

impl Idempotency {
    /// How much repeating may do: the more, the higher.
    #[must_use]
    pub fn risk(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::Natural => 1,
            Self::Key => 2,
            Self::None => 3,
        }
    }
}
