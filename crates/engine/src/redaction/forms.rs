//! The forms in which a secret turns up in a text: as it is, as JSON and URLs write it, in base64
//! wherever it begins in what was encoded, and in hexadecimal.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The shortest secret that is looked for in text; shorter ones would redact ordinary words.
const SHORTEST: usize = 6;

/// The shortest line of a secret of several lines that is looked for by itself.
const SHORTEST_LINE: usize = 16;

/// The shortest piece of base64 that is looked for.
const SHORTEST_BASE64: usize = 8;

/// Every text that gives a secret away.
pub(super) fn of(secret: &str) -> Vec<String> {
    if secret.len() < SHORTEST {
        return Vec::new();
    }
    let mut forms = vec![secret.to_owned()];
    // A key of several lines is told of line by line.
    if secret.contains('\n') {
        let lines = secret.lines().map(str::trim);
        let lines = lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"));
        forms.extend(lines.map(str::to_owned));
    }
    forms.extend(json(secret));
    for upper in [true, false] {
        for space in ["%20", "+"] {
            forms.push(url(secret, space, upper));
        }
    }
    forms.extend(base64(secret.as_bytes()));
    forms.push(hex(secret.as_bytes(), false));
    forms.push(hex(secret.as_bytes(), true));
    forms
}

/// As JSON writes it, once and within a text that is itself in JSON.
fn json(secret: &str) -> Vec<String> {
    let inside = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
    };
    let once = inside(secret);
    // Some writers escape slashes too.
    let slashes = once.replace('/', "\\/");
    vec![inside(&once), once, slashes]
}

fn url(secret: &str, space: &str, upper: bool) -> String {
    let mut out = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push_str(space),
            _ if upper => out.push_str(&format!("%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

/// What stays the same of the secret's base64 whatever stands before and after it: `Basic` encodes
/// `user:secret`. Three, for the three places at which it may begin in a group of three bytes.
fn base64(secret: &[u8]) -> Vec<String> {
    let mut pieces = Vec::new();
    for before in 0..3 {
        let padded = [&[0; 2][..before], secret].concat();
        // Characters of which bits belong to what stands before or after are left out.
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        for text in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let piece = text.get(first..last).unwrap_or_default();
            if piece.len() >= SHORTEST_BASE64 {
                pieces.push(piece.to_owned());
            }
        }
    }
    pieces
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let digits = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
    bytes.iter().map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Redactor;
    use super::*;
    use crate::secrets::Secret;

    #[test]
    fn every_form_of_a_secret_is_found() {
        let secret = "p\u{e4}ss \"w/rd\\+1";
        let redactor = Redactor::new(&[Secret::new(secret)]);
        let quoted = serde_json::Value::from(secret).to_string();
        let twice = serde_json::Value::from(quoted.as_str()).to_string();
        let texts = [
            secret.to_owned(),
            quoted.clone(),
            twice,
            quoted.replace('/', "\\/"),
            "p%C3%A4ss%20%22w%2Frd%5C%2B1".to_owned(),
            "p%c3%a4ss+%22w%2frd%5c%2b1".to_owned(),
            hex(secret.as_bytes(), false),
            hex(secret.as_bytes(), true),
        ];
        for text in texts {
            let said = format!("before {text} after");
            let clean = redactor.values(&said);
            assert!(clean.contains("***") && !clean.contains("ss"), "{text}: {clean}");
        }
    }

    #[test]
    fn base64_is_found_wherever_the_secret_begins() {
        let secret = "sk_live_4711_abc";
        let redactor = Redactor::new(&[Secret::new(secret)]);
        for user in ["", "u", "us", "usr", "user", "a-longer-one"] {
            for tail in ["", "x", "xy", "xyz"] {
                let text = format!("{user}:{secret}{tail}");
                for encoded in
                    [STANDARD_NO_PAD.encode(text.as_bytes()), URL_SAFE_NO_PAD.encode(&text)]
                {
                    let said = format!("Basic {encoded}=");
                    let clean = redactor.values(&said).into_owned();
                    assert!(clean.contains("***"), "{text}: {clean}");
                    // What is left of the group at either end tells two characters at most.
                    let left = clean.len() - "Basic ***=".len();
                    assert!(left <= (user.len() + tail.len() + 1) * 4 / 3 + 4, "{text}: {clean}");
                }
            }
        }
    }

    #[test]
    fn lines_of_a_key_are_found_and_short_words_are_not() {
        let key =
            "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END KEY-----";
        let redactor = Redactor::new(&[Secret::new(key), Secret::new("short")]);
        assert_eq!(redactor.values("line MIIEvQIBADANBgkqhkiG of it"), "line *** of it");
        assert_eq!(redactor.values("a short -----BEGIN KEY-----"), "a short -----BEGIN KEY-----");
    }
}
