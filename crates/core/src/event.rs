//! What arrived: the envelope, with the fields of CloudEvents 1.0, and the data as the bytes that
//! came in.

use serde::{Deserialize, Serialize};

use crate::id::{EventId, RunId};
use crate::json::Json;

/// The longest type, source, correlation id or de-duplication key, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// Something that happened, written down once and never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Our id.
    pub id: EventId,
    /// Which source it came in by, e.g. `ingest` or `stripe`.
    pub source: String,
    /// What happened, e.g. `CREATE_STRIPE_INVOICE` or `invoice.paid`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, in milliseconds since 1970, by the sender's word where it gives one.
    pub time_ms: i64,
    /// When it was written down here.
    pub received_ms: i64,
    /// What ties together everything that follows from one cause.
    pub correlation: String,
    /// What it is about (CloudEvents `subject`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The key by which a repetition is recognised within its source and type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The event and run this one follows from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The payload.
    pub data: Json,
}

impl Event {
    /// The hops of an event that follows from this one.
    #[must_use]
    pub fn next_hops(&self) -> u16 {
        self.cause.as_ref().map_or(0, |cause| cause.hops).saturating_add(1)
    }
}

/// Where an event comes from when it is not from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The event before.
    pub event: EventId,
    /// The run that emitted it; none when a person replayed the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// How many events lie between this one and the first of its line.
    pub hops: u16,
}

/// Why a name from outside cannot be taken.
///
/// # Errors
/// A sentence: empty, too long, or with control characters.
pub fn check_name(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(format!("{what} has {} bytes, at most {MAX_NAME_BYTES} are taken", text.len()));
    }
    if let Some(found) = text.chars().find(|c| c.is_control()) {
        return Err(format!("{what} holds the control character U+{:04X}", u32::from(found)));
    }
    Ok(())
}
