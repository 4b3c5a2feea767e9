//! Times and durations for people: how long ago, when exactly, how long it took.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The time at which a command looks at things, and the time zone of the person.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    now_ms: i64,
    zone: TimeZone,
}

impl Moment {
    /// Now, in the zone of this machine.
    pub fn now() -> Self {
        Self { now_ms: Timestamp::now().as_millisecond(), zone: TimeZone::system() }
    }

    /// The time itself, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The time of day.
    pub fn of_day(&self) -> String {
        let now = Timestamp::from_millisecond(self.now_ms).unwrap_or_default();
        now.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// How far away a time is: `3 min ago`, `in 20 s`.
    pub fn ago(&self, at_ms: i64) -> String {
        let away = self.now_ms.abs_diff(at_ms);
        match (away, at_ms > self.now_ms) {
            (0..SECOND, _) => "now".to_owned(),
            // To the nearest: a moment after it was set, a deadline of two days is not `in 1 d`.
            (_, true) => format!("in {}", coarse(away + unit(away) / 2)),
            (_, false) => format!("{} ago", coarse(away)),
        }
    }

    /// The exact time, with its offset from UTC.
    pub fn exact(&self, at_ms: i64) -> String {
        match Timestamp::from_millisecond(at_ms) {
            Ok(time) => {
                let local = time.to_zoned(self.zone.clone());
                local.strftime("%Y-%m-%d %H:%M:%S.%3f %:z").to_string()
            }
            Err(_) => format!("{at_ms} ms since 1970"),
        }
    }

    /// The exact time and how far away it is.
    pub fn both(&self, at_ms: i64) -> String {
        format!("{} ({})", self.exact(at_ms), self.ago(at_ms))
    }
}

/// The unit in which a time is told.
fn unit(ms: u64) -> u64 {
    [DAY, HOUR, MINUTE, SECOND].into_iter().find(|unit| ms >= *unit).unwrap_or(1)
}

/// One number and one unit.
fn coarse(ms: u64) -> String {
    match ms {
        0..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => format!("{} min", ms / MINUTE),
        HOUR..DAY => format!("{} h", ms / HOUR),
        _ => format!("{} d", ms / DAY),
    }
}

/// How long something took, with as much detail as matters at that length.
pub(crate) fn span(ms: u64) -> String {
    let (whole, rest) = match ms {
        0..SECOND => return format!("{ms} ms"),
        SECOND..MINUTE => return format!("{}.{:02} s", ms / SECOND, ms % SECOND / 10),
        MINUTE..HOUR => (MINUTE, SECOND),
        HOUR..DAY => (HOUR, MINUTE),
        _ => (DAY, HOUR),
    };
    match ms % whole / rest {
        0 => coarse(ms),
        part => format!("{} {}", coarse(ms), coarse(part * rest)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 2026-11-03 12:00:00 UTC.
    pub(crate) const NOON_MS: i64 = 1_793_707_200_000;

    /// A moment that stands still.
    pub(crate) fn noon() -> Moment {
        Moment { now_ms: NOON_MS, zone: TimeZone::UTC }
    }

    #[test]
    fn times_read_as_people_say_them() {
        let noon = noon();
        for (away_ms, said) in [
            (0, "now"),
            (999, "now"),
            (20_400, "20 s ago"),
            (3 * 60_000, "3 min ago"),
            (5 * 3_600_000, "5 h ago"),
            (90 * 86_400_000, "90 d ago"),
            (-20_000, "in 20 s"),
            (-(2 * 86_400_000 - 1_000), "in 2 d"),
            (-(3_600_000 - 1_000), "in 1 h"),
        ] {
            assert_eq!(noon.ago(NOON_MS - away_ms), said);
        }
        assert_eq!(noon.both(NOON_MS - 61_001), "2026-11-03 11:58:58.999 +00:00 (1 min ago)");
        assert_eq!(noon.exact(i64::MAX), "9223372036854775807 ms since 1970");
        assert_eq!(noon.of_day(), "12:00:00");
    }

    #[test]
    fn spans_keep_what_matters() {
        for (ms, said) in [
            (7, "7 ms"),
            (1_005, "1.00 s"),
            (59_999, "59.99 s"),
            (60_000, "1 min"),
            (125_000, "2 min 5 s"),
            (3_660_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(ms), said);
        }
    }
}
