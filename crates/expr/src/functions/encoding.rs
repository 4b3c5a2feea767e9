//! Encodings of text. What is encoded are the UTF-8 bytes of a string; what is decoded must be
//! such.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};

use super::signature::{TEXT_TO_TEXT, takes};
use super::{Call, Function, Gives, Takes, answer, free};
use crate::eval::Answer;
use crate::fault::{Stop, code};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    free(
        "base64",
        (1, 1),
        base64,
        TEXT_TO_TEXT,
        ["base64(text) -> string", "In base64, padded.", "base64('user:key')", r#""dXNlcjprZXk=""#],
    ),
    free(
        "base64url",
        (1, 1),
        base64url,
        TEXT_TO_TEXT,
        [
            "base64url(text) -> string",
            "In the URL-safe alphabet of base64, without padding.",
            "base64url('a?>b')",
            r#""YT8-Yg""#,
        ],
    ),
    free(
        "fromBase64",
        (1, 1),
        from_base64,
        TEXT_TO_TEXT,
        [
            "fromBase64(text) -> string",
            "Decodes padded base64.",
            "fromBase64('dXNlcjprZXk=')",
            r#""user:key""#,
        ],
    ),
    free(
        "fromBase64url",
        (1, 1),
        from_base64url,
        TEXT_TO_TEXT,
        [
            "fromBase64url(text) -> string",
            "Decodes URL-safe base64 without padding.",
            "fromBase64url('YT8-Yg')",
            r#""a?>b""#,
        ],
    ),
    free(
        "hex",
        (1, 1),
        hex_text,
        TEXT_TO_TEXT,
        ["hex(text) -> string", "The bytes in hexadecimal.", "hex('ab')", r#""6162""#],
    ),
    free(
        "urlEncode",
        (1, 1),
        url_encode,
        TEXT_TO_TEXT,
        [
            "urlEncode(text) -> string",
            "Safe as one part of a URL: all but letters, digits and `-_.~` as %XX.",
            "urlEncode('a b/ä')",
            r#""a%20b%2F%C3%A4""#,
        ],
    ),
    free(
        "urlDecode",
        (1, 1),
        url_decode,
        TEXT_TO_TEXT,
        [
            "urlDecode(text) -> string",
            "Replaces each %XX by its byte.",
            "urlDecode('a%20b')",
            r#""a b""#,
        ],
    ),
    free(
        "queryString",
        (1, 1),
        query_string,
        takes(&[Takes::Query], Gives::Text),
        [
            "queryString(object) -> string",
            "A URL's query: encoded `key=value` joined by `&`; a list repeats its key.",
            "queryString({q: 'a b', tag: ['x', 'y']})",
            r#""q=a%20b&tag=x&tag=y""#,
        ],
    ),
];

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn encode<'a>(call: &mut Call<'_, 'a>, engine: &GeneralPurpose) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len().div_ceil(3) * 4)?;
    answer(engine.encode(text.as_bytes()))
}

fn decode<'a>(call: &mut Call<'_, 'a>, engine: &GeneralPurpose) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len())?;
    match engine.decode(text.as_bytes()) {
        Ok(bytes) => utf8(call, bytes),
        Err(error) => call.bad(0, format!("this is not base64: {error}")),
    }
}

fn utf8<'a>(call: &mut Call<'_, 'a>, bytes: Vec<u8>) -> Answer<'a> {
    match String::from_utf8(bytes) {
        Ok(text) => answer(text),
        Err(_) => call.bad(0, "the decoded bytes are not text in UTF-8"),
    }
}

fn base64<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    encode(call, &STANDARD)
}

fn base64url<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    encode(call, &URL_SAFE_NO_PAD)
}

fn from_base64<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    decode(call, &STANDARD)
}

fn from_base64url<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    decode(call, &URL_SAFE_NO_PAD)
}

fn hex_text<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len() * 2)?;
    answer(hex(text.as_bytes()))
}

fn percent(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn url_encode<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len() * 3)?;
    let mut out = String::new();
    percent(&text, &mut out);
    answer(out)
}

fn url_decode<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let text = call.text(0)?;
    call.build(text.len())?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => return call.bad(0, "a `%` is not followed by two hexadecimal digits"),
        }
        rest = &after[2..];
    }
    utf8(call, bytes)
}

fn query_string<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let mut out = String::new();
    for (key, value) in call.object(0)?.iter() {
        let values = match value.items() {
            Some(items) => items.into_owned(),
            None => vec![value.clone()],
        };
        call.spend(values.len())?;
        for value in &values {
            let text = query_value(call, key, value)?;
            call.build((key.len() + text.len()) * 3 + 2)?;
            if !out.is_empty() {
                out.push('&');
            }
            percent(key, &mut out);
            out.push('=');
            percent(&text, &mut out);
        }
    }
    answer(out)
}

fn query_value<'a>(call: &mut Call<'_, 'a>, key: &str, value: &Value<'a>) -> Result<String, Stop> {
    match value.type_name() {
        "null" => {
            let message = format!("the value of `{key}` is null, which has no text");
            let hint = "leave it out with `omit()`";
            Err(call.fault(0, code::NULL, message).hint(hint).into())
        }
        kind @ ("list" | "object") => {
            let message = format!("the value of `{key}` is {}", crate::eval::article(kind));
            Err(call.fault(0, code::TYPE, message).hint("encode it with `json(…)`").into())
        }
        _ => call.text_of(0, value),
    }
}
