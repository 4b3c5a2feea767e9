//! Identifiers. Events and runs carry a UUID version 7, so that ids sort by time; in text they
//! wear a prefix that says what they name (`evt_…`, `run_…`). Randomness arrives as an argument.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// What is wrong with the text of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId {
    /// The prefix that was expected, e.g. `run_`.
    pub prefix: &'static str,
    /// The text that was given.
    pub text: String,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an id: expected {}<32 hex digits>", self.text, self.prefix)
    }
}

impl std::error::Error for BadId {}

fn parse_prefixed(prefix: &'static str, text: &str) -> Result<[u8; 16], BadId> {
    let bad = || BadId { prefix, text: text.chars().take(80).collect() };
    let hex = text.strip_prefix(prefix).ok_or_else(bad)?;
    if hex.len() != 32 {
        return Err(bad());
    }
    Uuid::try_parse(hex).map(Uuid::into_bytes).map_err(|_| bad())
}

/// The id of an event, `evt_…` in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

/// The id of a run, `run_…` in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub [u8; 16]);

impl EventId {
    /// The prefix of the text form.
    pub const PREFIX: &'static str = "evt_";

    /// A UUIDv7 from milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid().into_bytes())
    }

    /// Milliseconds since 1970 at which the id was made.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        unix_ms(self.0)
    }
}

impl RunId {
    /// The prefix of the text form.
    pub const PREFIX: &'static str = "run_";

    /// The id of the run that `workflow` makes of `event`. It is derived, so that recording the
    /// same arrival twice makes the same run; its first half is the event's, so that runs sort
    /// like their events.
    #[must_use]
    pub fn derive(event: EventId, workflow: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&event.0);
        context.update(workflow.as_bytes());
        let digest = context.finish();
        let mut id = event.0;
        id[8..].copy_from_slice(&digest.as_ref()[..8]);
        id[8] = (id[8] & 0x3f) | 0x80;
        Self(id)
    }

    /// The least id of a millisecond since 1970: every run of an earlier event has a lesser one.
    #[must_use]
    pub fn least(unix_ms: i64) -> Self {
        let mut id = [0; 16];
        let ms = u64::try_from(unix_ms).unwrap_or(0);
        id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
        Self(id)
    }

    /// Milliseconds since 1970 of the event the run belongs to.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        unix_ms(self.0)
    }
}

fn unix_ms(id: [u8; 16]) -> i64 {
    let mut ms = [0; 8];
    ms[2..].copy_from_slice(&id[..6]);
    i64::from_be_bytes(ms)
}

/// The longest text of an id: a prefix of four letters and the digits.
const TEXT_BYTES: usize = 4 + uuid::fmt::Simple::LENGTH;

/// Writes an id in one piece, so that a text of it is one allocation of the right size.
fn write_prefixed(f: &mut fmt::Formatter<'_>, prefix: &str, bytes: [u8; 16]) -> fmt::Result {
    let mut text = [0; TEXT_BYTES];
    let (head, digits) = text.split_at_mut(prefix.len());
    head.copy_from_slice(prefix.as_bytes());
    Uuid::from_bytes(bytes).simple().encode_lower(digits);
    let text = &text[..prefix.len() + uuid::fmt::Simple::LENGTH];
    f.write_str(std::str::from_utf8(text).unwrap_or_default())
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_prefixed(f, Self::PREFIX, self.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_prefixed(f, Self::PREFIX, self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        parse_prefixed(Self::PREFIX, text).map(Self)
    }
}

impl FromStr for RunId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        parse_prefixed(Self::PREFIX, text).map(Self)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for DefinitionHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DefinitionHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The content hash of a workflow definition: the first 16 bytes of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionHash(pub [u8; 16]);

impl DefinitionHash {
    /// The hash of a definition's stored text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(hash16([text.as_bytes()].into_iter()))
    }
}

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_prefixed(f, "", self.0)
    }
}

impl fmt::Debug for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DefinitionHash {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        parse_prefixed("", text).map(Self)
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_prefixed("", &text).map(Self).map_err(de::Error::custom)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_prefixed(f, "", self.0)
    }
}

/// The hash under which a de-duplication key is remembered. `scope` keeps keys of different
/// owners apart (a source, a workflow).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyHash(pub [u8; 16]);

impl KeyHash {
    /// The hash of `key` within `scope`.
    #[must_use]
    pub fn of(scope: &[&str], key: &str) -> Self {
        Self(hash16(scope.iter().chain([&key]).map(|part| part.as_bytes())))
    }
}

/// SHA-256 over length-prefixed parts, cut to 16 bytes: stable across versions and machines.
fn hash16<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 16];
    out.copy_from_slice(&context.finish().as_ref()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let id = EventId::from_parts(1_795_437_345_000, [7; 10]);
        let text = id.to_string();
        assert!(text.starts_with("evt_"), "{text}");
        assert_eq!(text.parse::<EventId>(), Ok(id));
        assert_eq!(id.unix_ms(), 1_795_437_345_000);
        let run = RunId::derive(id, "invoice");
        assert_eq!(run.unix_ms(), id.unix_ms());
        assert_eq!(run, RunId::derive(id, "invoice"));
        assert_ne!(run, RunId::derive(id, "invoices"));
        assert!(RunId::least(run.unix_ms()) < run && run < RunId::least(run.unix_ms() + 1));
        assert_eq!(run.to_string().parse::<RunId>(), Ok(run));
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["", "evt_", "run_00", "evt_zz", "evt_0000000000000000000000000000000g"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
        assert!("evt_00000000-0000-0000-0000-00000000".parse::<EventId>().is_err());
    }

    #[test]
    fn scopes_do_not_run_into_each_other() {
        assert_ne!(KeyHash::of(&["a", "b"], "c"), KeyHash::of(&["a"], "bc"));
        assert_ne!(KeyHash::of(&["ab"], "c"), KeyHash::of(&["a"], "bc"));
    }
}
