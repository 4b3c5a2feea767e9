//! What answers tell of a provider's rate limit: how many requests are left, and until when.

use crate::adapter::Adapter;
use crate::exchange::HttpResponse;
use crate::retry_after;

/// The headers in which a provider tells its limit. A provider may have several such pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHeaders {
    /// Requests that are left; lower case.
    pub remaining: String,
    /// When there are more; lower case.
    pub reset: String,
    /// How that is written.
    pub unit: ResetUnit,
}

/// How the time of a reset is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetUnit {
    /// Seconds since 1970.
    Epoch,
    /// Seconds from now, which may have a fraction.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// Text such as `1s`, `6m0s` or `250ms`.
    Text,
}

impl ResetUnit {
    pub(crate) const ALL: [(&str, Self); 4] = [
        ("epoch", Self::Epoch),
        ("seconds", Self::Seconds),
        ("ms", Self::Milliseconds),
        ("text", Self::Text),
    ];
}

/// The longest pause that is believed, in milliseconds: a day.
const MAX_PAUSE_MS: i64 = 86_400_000;

impl Adapter {
    /// Until when nothing more may be sent, by the word of an answer; in milliseconds since 1970.
    /// One that says how long to wait is believed in that, whatever else it counts.
    #[must_use]
    pub fn paused_until_ms(&self, response: &HttpResponse, now_ms: i64) -> Option<i64> {
        let named = |name: &str| {
            let mut headers = response.headers.iter();
            headers.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        if response.status == 429 && retry_after::from_headers(named).is_some() {
            return None;
        }
        let until = self.limit_headers.iter().filter_map(|headers| {
            let one = |name: &str| {
                let mut values =
                    response.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
                values.next().map(|(_, value)| value.trim())
            };
            let left: f64 = one(&headers.remaining)?.parse().ok()?;
            if left > 0.0 {
                return None;
            }
            let until = headers.unit.until_ms(one(&headers.reset)?, now_ms)?;
            // A clock that differs from ours, or nonsense, must not stop a connection for long.
            (until > now_ms && until - now_ms <= MAX_PAUSE_MS).then_some(until)
        });
        until.max()
    }
}

impl ResetUnit {
    fn until_ms(self, text: &str, now_ms: i64) -> Option<i64> {
        let whole = |ms: f64| {
            // A float in this range is exact, and the cast saturates beyond it.
            #[allow(clippy::cast_possible_truncation)]
            (ms.is_finite() && ms >= 0.0).then_some(ms.ceil() as i64)
        };
        let number = |unit_ms: f64| whole(text.parse::<f64>().ok()? * unit_ms);
        match self {
            Self::Epoch => number(1000.0),
            Self::Seconds => now_ms.checked_add(number(1000.0)?),
            Self::Milliseconds => now_ms.checked_add(number(1.0)?),
            Self::Text => now_ms.checked_add(whole(written_ms(text)?)?),
        }
    }
}

/// `6m0s`, `1h2m`, `1.5s`, `250ms` in milliseconds.
fn written_ms(text: &str) -> Option<f64> {
    let (mut rest, mut ms) = (text, 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map(|end| end + digits);
        let end = unit.unwrap_or(rest.len());
        ms += number
            * match &rest[digits..end] {
                "ms" => 1.0,
                "s" => 1_000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    Some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_read_in_every_form() {
        let now = 1_000_000;
        for (unit, text, until) in [
            (ResetUnit::Epoch, "1060", Some(1_060_000)),
            (ResetUnit::Seconds, "2", Some(1_002_000)),
            (ResetUnit::Seconds, "0.25", Some(1_000_250)),
            (ResetUnit::Milliseconds, "250", Some(1_000_250)),
            (ResetUnit::Text, "6m0s", Some(1_360_000)),
            (ResetUnit::Text, "1s", Some(1_001_000)),
            (ResetUnit::Text, "250ms", Some(1_000_250)),
            (ResetUnit::Text, "1h2m3.5s", Some(4_723_500)),
            (ResetUnit::Text, "soon", None),
            (ResetUnit::Text, "", None),
            (ResetUnit::Text, "5", None),
            (ResetUnit::Seconds, "-1", None),
            (ResetUnit::Seconds, "NaN", None),
            (ResetUnit::Epoch, "later", None),
        ] {
            assert_eq!(unit.until_ms(text, now), until, "{unit:?} {text}");
        }
    }
}
