//! Durations in configuration: `500ms`, `30s`, `5m`, `1h30m`, `7d`. A bare number has no unit and
//! is refused, because half the field means seconds by it and half milliseconds.

/// Milliseconds of a duration text, or why it is none.
///
/// # Errors
/// A sentence that says what is wrong and shows a right form.
pub fn parse_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a duration; write for example `500ms`, `30s`, `1h30m`");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_ms = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        total = number
            .checked_mul(unit_ms)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| *ms <= 10 * 365 * 86_400_000)
            .ok_or_else(|| format!("`{text}` is longer than ten years"))?;
    }
    Ok(total)
}

/// The shortest exact text of a number of milliseconds.
#[must_use]
pub fn format_ms(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    for (unit, name) in units {
        if ms >= unit && ms.is_multiple_of(unit) {
            return format!("{}{name}", ms / unit);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        for (text, ms) in
            [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("0s", 0)]
        {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "30", "5 m", "-5s", "1w", "s", "99999999999999999999s", "4000d"] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
        assert_eq!(format_ms(90_000), "90s");
        assert_eq!(format_ms(7_200_000), "2h");
        assert_eq!(format_ms(1), "1ms");
    }
}
