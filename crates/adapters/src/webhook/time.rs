//! The time of signing: where it stands, how it is written, and how far it may be off.

use std::borrow::Cow;

use super::{Headers, Incoming, Rejection, at_path, one_of};
use crate::retry_after::http_date;

/// Where the time of signing stands and how far it may be off.
#[derive(Debug)]
pub(crate) struct Timestamp {
    pub place: TimePlace,
    pub unit: Unit,
    pub past_ms: Option<i64>,
    pub future_ms: Option<i64>,
}

/// Where the time of signing stands.
#[derive(Debug)]
pub(crate) enum TimePlace {
    /// A field of the signature header.
    Field(String),
    /// A header of its own; the first present counts; lower case.
    Header(Vec<String>),
    /// A field of the JSON body, by the names on the way to it, which the signature covers.
    Body(Vec<String>),
}

/// How the time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
    /// As in the header `Date`.
    HttpDate,
    /// RFC 3339, which ISO 8601 is for most.
    Iso,
}

impl Unit {
    pub const ALL: &[(&str, Self)] = &[
        ("s", Self::Seconds),
        ("ms", Self::Milliseconds),
        ("http-date", Self::HttpDate),
        ("iso", Self::Iso),
    ];

    /// Milliseconds per unit: parts of it decide nothing.
    fn ms(self) -> i64 {
        if self == Self::Seconds || self == Self::HttpDate { 1000 } else { 1 }
    }

    /// The time in this unit, counted from 1970.
    fn read(self, text: &str) -> Option<i64> {
        match self {
            Self::HttpDate => Some(http_date(text)?.as_second()),
            Self::Iso => Some(text.trim().parse::<jiff::Timestamp>().ok()?.as_millisecond()),
            Self::Seconds | Self::Milliseconds => {
                let digits = (1..=16).contains(&text.len());
                let digits = digits && text.bytes().all(|byte| byte.is_ascii_digit());
                if digits { text.parse().ok() } else { None }
            }
        }
    }
}

impl Timestamp {
    pub fn find<'h>(
        &self,
        incoming: &Incoming<'h>,
        items: &[(Cow<'h, str>, Cow<'h, str>)],
    ) -> Result<Cow<'h, str>, Rejection> {
        let headers: Headers<'h> = incoming.headers;
        match &self.place {
            TimePlace::Header(names) => Ok(Cow::Borrowed(one_of(headers, names)?)),
            TimePlace::Field(field) => {
                let mut found = items.iter().filter(|(name, _)| name == field);
                match (found.next(), found.next()) {
                    (Some((_, text)), None) => Ok(text.clone()),
                    (None, _) => {
                        Err(Rejection::Missing(format!("the signature has no time (`{field}`)")))
                    }
                    _ => Err(Rejection::Wrong(format!("the signature has several `{field}`"))),
                }
            }
            TimePlace::Body(path) => {
                let found = at_path(incoming.body, path).map(Cow::Owned);
                found.ok_or_else(|| {
                    let path = path.join(".");
                    Rejection::Missing(format!("the body has no time of signing (`{path}`)"))
                })
            }
        }
    }

    pub fn check(&self, text: &str, now_ms: i64) -> Result<(), Rejection> {
        let Some(time) = self.unit.read(text) else {
            let wanted = match self.unit {
                Unit::Seconds | Unit::Milliseconds => "is not a number",
                Unit::HttpDate => "is no HTTP date",
                Unit::Iso => "is no RFC 3339 date",
            };
            return Err(Rejection::Wrong(format!("the time of signing {wanted}")));
        };
        // Both are counted in the provider's unit, so that a fraction of a second decides nothing.
        let unit_ms = self.unit.ms();
        let age_ms =
            now_ms.div_euclid(unit_ms).checked_sub(time).and_then(|age| age.checked_mul(unit_ms));
        let within = |age: i64| {
            self.past_ms.is_none_or(|past| age <= past)
                && self.future_ms.is_none_or(|future| age >= -future)
        };
        match age_ms {
            Some(age) if within(age) => Ok(()),
            Some(age) => {
                let way = if age > 0 { "ago" } else { "ahead of the clock here" };
                let seconds = age.unsigned_abs() / 1000;
                Err(Rejection::Stale(format!("it was signed {seconds} s {way}")))
            }
            None => Err(Rejection::Stale("it was signed in another age".to_owned())),
        }
    }
}
