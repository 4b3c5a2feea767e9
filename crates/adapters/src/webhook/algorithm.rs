//! How signatures are made and written, and how a secret becomes a key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::{digest, hmac, signature};

/// How signatures are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    /// A plain digest, of a text that holds the secret.
    Sha1,
    Sha256,
    Sha512,
    Ed25519,
    EcdsaP256,
    /// No signature: the secret itself is sent along.
    Secret,
}

impl Algorithm {
    pub const ALL: &[(&str, Self)] = &[
        ("hmac-sha256", Self::HmacSha256),
        ("hmac-sha1", Self::HmacSha1),
        ("hmac-sha512", Self::HmacSha512),
        ("sha256", Self::Sha256),
        ("sha1", Self::Sha1),
        ("sha512", Self::Sha512),
        ("ed25519", Self::Ed25519),
        ("ecdsa-p256", Self::EcdsaP256),
        ("secret", Self::Secret),
    ];

    /// The digest of a plain digest.
    pub fn digest(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => Some(&digest::SHA256),
            Self::Sha512 => Some(&digest::SHA512),
            _ => None,
        }
    }

    fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::HmacSha1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::HmacSha256 => Some(hmac::HMAC_SHA256),
            Self::HmacSha512 => Some(hmac::HMAC_SHA512),
            _ => None,
        }
    }

    /// Whether a key of the provider is public: it proves a signature and cannot make one.
    pub fn public(self) -> bool {
        matches!(self, Self::Ed25519 | Self::EcdsaP256)
    }

    /// Whether the signature is that of the message, in constant time.
    pub fn verifies(self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        if let Some(algorithm) = self.hmac() {
            return hmac::verify(&hmac::Key::new(algorithm, key), message, signature).is_ok();
        }
        if let Some(algorithm) = self.digest() {
            return same(digest::digest(algorithm, message).as_ref(), signature);
        }
        let algorithm: &dyn signature::VerificationAlgorithm = match self {
            Self::Ed25519 => &signature::ED25519,
            Self::EcdsaP256 => &signature::ECDSA_P256_SHA256_ASN1,
            _ => return same(key, signature),
        };
        algorithm.verify(key.into(), message.into(), signature.into()).is_ok()
    }
}

/// Compares hashes, so that the time taken says nothing about where the bytes differ.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    let hash = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
    hash(left).as_ref() == hash(right).as_ref()
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Hex,
    Base64,
    /// As it is: a secret that is sent along.
    Text,
}

impl Encoding {
    pub const ALL: &[(&str, Self)] =
        &[("hex", Self::Hex), ("base64", Self::Base64), ("text", Self::Text)];

    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => base64(text),
            Self::Hex => hex(text),
            Self::Text => Some(text.as_bytes().to_vec()),
        }
    }
}

/// How a secret becomes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// Its characters are the key.
    Literal,
    /// It is the key in base64.
    Base64,
    /// It is the key in hexadecimal.
    Hex,
    /// It is a public key in base64 of DER, as in a PEM file, with or without its frame.
    Spki,
}

/// What stands before the point of a P-256 key in DER (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What stands before an Ed25519 key in DER (RFC 8410).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl KeyForm {
    pub const ALL: &[(&str, Self)] = &[
        ("literal", Self::Literal),
        ("base64", Self::Base64),
        ("hex", Self::Hex),
        ("spki", Self::Spki),
    ];

    /// The key of a secret; never an empty one.
    pub fn key(self, secret: &str) -> Option<Vec<u8>> {
        let key = match self {
            Self::Literal => Some(secret.as_bytes().to_vec()),
            Self::Base64 => base64(secret),
            Self::Hex => hex(secret),
            Self::Spki => {
                let bare = secret.replace("-----BEGIN PUBLIC KEY-----", "");
                let bare = bare.replace("-----END PUBLIC KEY-----", "");
                let text: String = bare.split_whitespace().collect();
                let der = base64(&text)?;
                let bare = der.strip_prefix(P256).or_else(|| der.strip_prefix(ED25519));
                bare.map(<[u8]>::to_vec)
            }
        };
        key.filter(|key| !key.is_empty())
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
    };
    text.as_bytes().chunks(2).map(byte).collect()
}
