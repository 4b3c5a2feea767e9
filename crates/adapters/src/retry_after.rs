//! How long a provider asks to wait: `Retry-After` in seconds or as an HTTP date, and
//! `retry-after-ms`. Zero, negative, past and absurdly long waits are ignored, as is a date without
//! a `Date` header to count from: there is no clock here.

use jiff::Timestamp;
use jiff::civil::DateTime;

/// The longest wait that is believed, in milliseconds: 2^31 - 1, about 24.8 days.
const MAX_MS: i64 = i32::MAX as i64;

/// The wait that an answer's headers ask for, in milliseconds.
pub(crate) fn from_headers<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    let exact = header("retry-after-ms").and_then(|text| milliseconds(text, 1.0));
    exact.or_else(|| from_text(header("retry-after")?, header("date")))
}

/// The wait of a `Retry-After` value, in milliseconds. `date` is the answer's `Date`.
pub(crate) fn from_text(text: &str, date: Option<&str>) -> Option<u64> {
    if let Some(ms) = milliseconds(text, 1000.0) {
        return Some(ms);
    }
    let until = http_date(text)?.as_millisecond();
    let now = http_date(date?)?.as_millisecond();
    bounded(until.checked_sub(now)?)
}

/// A number times its unit, such as `2` or `0.5` seconds.
fn milliseconds(text: &str, unit_ms: f64) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let ms = (text.parse::<f64>().ok()? * unit_ms).ceil();
    // A float in this range is exact, and the cast saturates beyond it.
    #[allow(clippy::cast_possible_truncation)]
    bounded(ms as i64)
}

fn bounded(ms: i64) -> Option<u64> {
    if (1..=MAX_MS).contains(&ms) { u64::try_from(ms).ok() } else { None }
}

/// A date in one of the three forms of RFC 9110, section 5.6.7.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = forms.iter().find_map(|form| DateTime::strptime(form, text).ok())?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (text, ms) in [
            ("120", Some(120_000)),
            (" 1 ", Some(1_000)),
            ("0.5", Some(500)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10_000)),
            ("Sun Nov  6 08:49:47 1994", Some(10_000)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None),
            ("0", None),
            ("-5", None),
            ("99999999999", None),
            ("1e9", None),
            ("soon", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(from_text(text, now), ms, "{text}");
        }
        assert_eq!(from_text("Sun, 06 Nov 1994 08:49:47 GMT", None), None);
    }

    #[test]
    fn milliseconds_win() {
        let header = |name: &str| match name {
            "retry-after-ms" => Some("250"),
            "retry-after" => Some("1"),
            _ => None,
        };
        assert_eq!(from_headers(header), Some(250));
        assert_eq!(from_headers(|name| (name == "retry-after").then_some("1")), Some(1_000));
    }
}
