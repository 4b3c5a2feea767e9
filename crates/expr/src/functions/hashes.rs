//! Hashes of text, in hexadecimal. They sign and fingerprint; secrets reach them through the
//! scope.

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use ring::hmac;

use super::encoding::hex;
use super::signature::{TEXT_TO_TEXT, takes};
use super::{Call, Function, Gives, Takes, answer, free};
use crate::eval::Answer;

pub(super) const TABLE: &[Function] = &[
    free(
        "sha256",
        (1, 1),
        sha256,
        TEXT_TO_TEXT,
        [
            "sha256(text) -> string",
            "The SHA-256 of the text.",
            "sha256('a').substring(0, 16)",
            r#""ca978112ca1bbdca""#,
        ],
    ),
    free(
        "sha512",
        (1, 1),
        sha512,
        TEXT_TO_TEXT,
        [
            "sha512(text) -> string",
            "The SHA-512 of the text.",
            "sha512('a').substring(0, 16)",
            r#""1f40fc92da241694""#,
        ],
    ),
    free(
        "sha1",
        (1, 1),
        sha1,
        TEXT_TO_TEXT,
        [
            "sha1(text) -> string",
            "The SHA-1 of the text, for services that still ask for it.",
            "sha1('a').substring(0, 16)",
            r#""86f7e437faa5a7fc""#,
        ],
    ),
    free(
        "hmacSha256",
        (2, 2),
        hmac_sha256,
        takes(&[Takes::Text], Gives::Text),
        [
            "hmacSha256(key, text) -> string",
            "The HMAC-SHA-256 of the text under a key.",
            "hmacSha256('key', 'The quick brown fox jumps over the lazy dog').substring(0, 16)",
            r#""f7bc83f430538424""#,
        ],
    ),
];

/// Bytes hashed per unit of fuel: about as long as a step takes.
const BYTES_PER_STEP: usize = 64;

fn hash<'a>(call: &mut Call<'_, 'a>, algorithm: &'static Algorithm) -> Answer<'a> {
    let text = call.text(0)?;
    call.spend(text.len() / BYTES_PER_STEP)?;
    let hash = digest(algorithm, text.as_bytes());
    call.build(hash.as_ref().len() * 2)?;
    answer(hex(hash.as_ref()))
}

fn sha256<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    hash(call, &SHA256)
}

fn sha512<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    hash(call, &SHA512)
}

fn sha1<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    hash(call, &SHA1_FOR_LEGACY_USE_ONLY)
}

fn hmac_sha256<'a>(call: &mut Call<'_, 'a>) -> Answer<'a> {
    let (key, text) = (call.text(0)?, call.text(1)?);
    call.spend((key.len() + text.len()) / BYTES_PER_STEP)?;
    call.build(64)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    answer(hex(hmac::sign(&key, text.as_bytes()).as_ref()))
}
