//! Functions on dates. A date is a string in RFC 3339; results are in UTC. There is no clock here:
//! what time it is comes from the scope, so that a run can be repeated.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

use super::signature::takes;
use super::{Call, Function, Gives, Takes, answer, free};
use crate::eval::Answer;
use crate::fault::{Stop, code};
use crate::number::Number;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    free(
        "date",
        (1, 1),
        date,
        takes(&[Takes::TextOrNumber], Gives::Text),
        [
            "date(text), date(seconds) -> string",
            "A date in RFC 3339 and UTC, from such a text, from a day, or from seconds since 1970.",
            "date('2026-01-31T12:00:00+01:00') + ' ' + date(1769817600)",
            r#""2026-01-31T11:00:00Z 2026-01-31T00:00:00Z""#,
        ],
    ),
    free(
        "fromEpoch",
        (1, 1),
        date,
        takes(&[Takes::TextOrNumber], Gives::Text),
        [
            "fromEpoch(seconds) -> string",
            "The date that many seconds after 1970.",
            "fromEpoch(1769817600)",
            r#""2026-01-31T00:00:00Z""#,
        ],
    ),
    free(
        "fromEpochMs",
        (1, 1),
        from_epoch_ms,
        takes(&[Takes::Whole], Gives::Text),
        [
            "fromEpochMs(milliseconds) -> string",
            "The date that many milliseconds after 1970.",
            "fromEpochMs(1769817600500)",
            r#""2026-01-31T00:00:00.5Z""#,
        ],
    ),
    free(
        "epoch",
        (1, 1),
        epoch,
        takes(&[Takes::TextOrNumber], Gives::Int),
        [
            "epoch(date) -> number",
            "Seconds since 1970, rounded down.",
            "epoch('2026-01-31T00:00:00Z')",
            "1769817600",
        ],
    ),
    free(
        "epochMs",
        (1, 1),
        epoch_ms,
        takes(&[Takes::TextOrNumber], Gives::Int),
        [
            "epochMs(date) -> number",
            "Milliseconds since 1970, rounded down.",
            "epochMs('2026-01-31T00:00:00.5Z')",
            "1769817600500",
        ],
    ),
    free(
        "addDuration",
        (2, 2),
        add_duration,
        takes(&[Takes::TextOrNumber, Takes::Text], Gives::Text),
        [
            "addDuration(date, duration) -> string",
            "The date moved by a duration such as '36h', '-15m' or 'P1M'; days are those of UTC.",
            "addDuration('2026-01-31T00:00:00Z', '36h')",
            r#""2026-02-01T12:00:00Z""#,
        ],
    ),
    free(
        "dateDiffSeconds",
        (2, 2),
        difference,
        takes(&[Takes::TextOrNumber], Gives::Number),
        [
            "dateDiffSeconds(from, to) -> number",
            "Seconds from one date to another; negative when the other is earlier.",
            "dateDiffSeconds('2026-01-31', '2026-02-01')",
            "86400",
        ],
    ),
    free(
        "formatDate",
        (2, 3),
        format_date,
        takes(&[Takes::TextOrNumber, Takes::Text], Gives::Text),
        [
            "formatDate(date, pattern, zone?) -> string",
            "The date in a strftime pattern, in UTC or in a time zone of the IANA database.",
            "formatDate('2026-01-31T23:30:00Z', '%d.%m.%Y %H:%M', 'Europe/Berlin')",
            r#""01.02.2026 00:30""#,
        ],
    ),
];

/// Longest pattern and duration; both are written by people.
const MAX_PATTERN_BYTES: usize = 256;

fn timestamp(call: &mut Call<'_, '_>, index: usize) -> Result<Timestamp, Stop> {
    call.spend(4)?;
    if call.args[index].type_name() == "number" {
        return from_seconds(call, index);
    }
    let text = call.text(index)?;
    if let Some(timestamp) = read(&text) {
        return Ok(timestamp);
    }
    let shown: String = text.chars().take(40).collect();
    let fault = call.fault(index, code::VALUE, format!("'{shown}' is not a date"));
    let hint = "a date is written 2026-01-31T12:00:00Z, with `Z` or an offset, or 2026-01-31";
    Err(fault.hint(hint).into())
}

/// A time in RFC 3339, or the start of a day in UTC.
fn read(text: &str) -> Option<Timestamp> {
    if text.len() > 64 {
        return None;
    }
    let day = || {
        let day = text.parse::<Date>().ok().filter(|_| text.len() <= 10)?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse::<Timestamp>().ok().or_else(day)
}

/// Milliseconds since 1970 of a date as expressions write it: RFC 3339, a day, or a number of
/// seconds since 1970. `None` if the text is none of these.
#[must_use]
pub fn moment_ms(text: &str) -> Option<i64> {
    let timestamp = match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => read(text),
    };
    Some(timestamp?.as_millisecond())
}

/// A number of milliseconds since 1970 as expressions show a date: RFC 3339 in UTC.
#[must_use]
pub fn moment_text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |moment| moment.to_string())
}

fn from_seconds(call: &mut Call<'_, '_>, index: usize) -> Result<Timestamp, Stop> {
    let number = call.number(index)?;
    let timestamp = match number {
        Number::Int(seconds) => Timestamp::from_second(seconds).ok(),
        // Microseconds are what a float of today's seconds can tell apart.
        Number::Float(seconds) if seconds.abs() < 1e12 => {
            Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
        }
        Number::Float(_) => None,
    };
    match timestamp {
        Some(timestamp) => Ok(timestamp),
        None => {
            let fault = call.fault(
                index,
                code::VALUE,
                format!("{number} seconds are out of the range of dates"),
            );
            Err(fault.hint("for milliseconds, write `fromEpochMs(…)`").into())
        }
    }
}

fn shown<'a>(call: &mut Call<'_, '_>, timestamp: Timestamp) -> Answer<'a> {
    let text = timestamp.to_string();
    call.build(text.len())?;
    answer(text)
}

fn date<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let timestamp = timestamp(call, 0)?;
    shown(call, timestamp)
}

fn from_epoch_ms<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let milliseconds = call.whole(0)?;
    match Timestamp::from_millisecond(milliseconds) {
        Ok(timestamp) => shown(call, timestamp),
        Err(_) => call.bad(0, format!("{milliseconds} milliseconds are out of the range of dates")),
    }
}

fn epoch<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let nanoseconds = timestamp(call, 0)?.as_nanosecond();
    Ok(Value::Int(nanoseconds.div_euclid(1_000_000_000) as i64))
}

fn epoch_ms<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let nanoseconds = timestamp(call, 0)?.as_nanosecond();
    Ok(Value::Int(nanoseconds.div_euclid(1_000_000) as i64))
}

fn short_text(call: &Call<'_, '_>, index: usize) -> Result<String, Stop> {
    let text = call.text(index)?;
    if text.len() > MAX_PATTERN_BYTES {
        return call.bad(index, format!("this is longer than {MAX_PATTERN_BYTES} bytes"));
    }
    Ok(text.into_owned())
}

fn add_duration<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let start = timestamp(call, 0)?;
    let text = short_text(call, 1)?;
    let Ok(span) = text.parse::<Span>() else {
        let fault = call.fault(1, code::VALUE, format!("'{text}' is not a duration"));
        let hint = "a duration is written '36h', '15m 30s', '2 days', or as in ISO 8601 'P1DT12H'";
        return Err(fault.hint(hint).into());
    };
    match start.to_zoned(TimeZone::UTC).checked_add(span) {
        Ok(moved) => shown(call, moved.timestamp()),
        Err(_) => call.bad(1, "the result is out of the range of dates"),
    }
}

fn difference<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let (from, to) = (timestamp(call, 0)?, timestamp(call, 1)?);
    let nanoseconds = to.as_nanosecond() - from.as_nanosecond();
    let seconds = match nanoseconds % 1_000_000_000 {
        0 => Some(Number::Int((nanoseconds / 1_000_000_000) as i64)),
        _ => Number::from_f64(nanoseconds as f64 / 1e9),
    };
    seconds
        .map(Value::from)
        .ok_or_else(|| call.fault(0, code::OVERFLOW, "the dates are too far apart").into())
}

fn format_date<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let timestamp = timestamp(call, 0)?;
    let pattern = short_text(call, 1)?;
    let zone = match call.has(2) {
        false => TimeZone::UTC,
        true => {
            let name = short_text(call, 2)?;
            // Not the database of the machine: results must not depend on where they are computed.
            match TimeZoneDatabase::bundled().get(&name) {
                Ok(zone) => zone,
                Err(_) => {
                    let fault =
                        call.fault(2, code::VALUE, format!("there is no time zone '{name}'"));
                    return Err(fault.hint("zones are named as in 'Europe/Berlin'").into());
                }
            }
        }
    };
    call.spend(pattern.len())?;
    let zoned = timestamp.to_zoned(zone);
    match jiff::fmt::strtime::format(pattern.as_bytes(), &zoned) {
        Ok(text) => {
            call.build(text.len())?;
            answer(text)
        }
        Err(error) => call.bad(1, format!("the pattern is not understood: {error}")),
    }
}
