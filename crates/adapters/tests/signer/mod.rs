//! Signs requests as a provider would: driven by the text of a manifest, and sharing no code with
//! what verifies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postroom_core::yaml::{Source, to_json};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use ring::{digest, hmac};
use serde_json::Value;

/// When requests are signed, in seconds since 1970.
pub const NOW_S: i64 = 1_795_437_345;

/// The address that is called. Its query has an escape, which some decode before they sign.
pub const URL: &str = "https://hooks.example.com/in?from=a%3Ab";

/// A request as it is delivered.
#[derive(Clone, Debug)]
pub struct Signed {
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What signs by one scheme of a manifest.
pub struct Signer {
    /// The scheme as it stands in the manifest.
    pub scheme: Value,
    /// The name of its credential.
    pub credential: String,
    /// What the receiver is given.
    pub secret: String,
    key: Key,
}

enum Key {
    Bytes(Vec<u8>),
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

/// The `webhook` of a manifest.
pub fn webhook(text: &str) -> Value {
    to_json(&Source::new("m.yaml", text).parse().unwrap())["webhook"].clone()
}

/// A signer for each scheme of a `webhook`; `seed` tells their secrets apart.
pub fn signers(webhook: &Value, seed: u8) -> Vec<Signer> {
    let schemes = match &webhook["signature"] {
        Value::Array(schemes) => schemes.clone(),
        scheme => vec![scheme.clone()],
    };
    schemes.into_iter().map(|scheme| Signer::new(scheme, webhook, seed)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(value: &'a Value, key: &str, usual: &'a str) -> &'a str {
    value[key].as_str().unwrap_or(usual)
}

/// The first of one name or several.
fn first(value: &Value) -> Option<String> {
    let name = value.as_str().or_else(|| value[0].as_str())?;
    Some(name.to_ascii_lowercase())
}

fn set(body: &str, path: &str, value: Value) -> String {
    let mut json: Value = serde_json::from_str(body).unwrap();
    let pointer = format!("/{}", path.replace('.', "/"));
    *json.pointer_mut(&pointer).unwrap() = value;
    json.to_string()
}

impl Signer {
    fn new(scheme: Value, webhook: &Value, seed: u8) -> Self {
        let credential = scheme["credential"].as_str().or(webhook["credential"].as_str());
        let credential = credential.unwrap().to_owned();
        let prefix = text(&scheme, "key_prefix", "").to_owned();
        let written = |bytes: &[u8]| match text(&scheme, "key", "literal") {
            "hex" => hex(bytes),
            _ => format!("{prefix}{}", STANDARD.encode(bytes)),
        };
        let (key, secret) = match text(&scheme, "algorithm", "hmac-sha256") {
            "ed25519" => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
                let public = written(pair.public_key().as_ref());
                (Key::Ed25519(pair), public)
            }
            "ecdsa-p256" => {
                let random = SystemRandom::new();
                let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
                let der = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
                let digits: Vec<char> = der.chars().collect();
                let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16);
                let mut der: Vec<u8> = digits.chunks(2).map(|pair| byte(pair).unwrap()).collect();
                der.extend_from_slice(pair.public_key().as_ref());
                (Key::EcdsaP256(pair), STANDARD.encode(der))
            }
            _ if text(&scheme, "key", "literal") == "literal" => {
                let secret = if seed == 0 { "example".to_owned() } else { format!("other{seed}") };
                (Key::Bytes(secret.clone().into_bytes()), secret)
            }
            _ => (Key::Bytes(vec![seed + 1; 32]), written(&[seed + 1; 32])),
        };
        Self { scheme, credential, secret, key }
    }

    /// The header that holds the signature, in lower case.
    pub fn header(&self) -> Option<String> {
        first(&self.scheme["header"])
    }

    /// The header that holds the time, in lower case.
    pub fn time_header(&self) -> Option<String> {
        first(&self.scheme["timestamp"]["header"])
    }

    /// How far the time may be off in this direction, in milliseconds.
    pub fn bound_ms(&self, way: &str) -> Option<i64> {
        let text = self.scheme["timestamp"][way].as_str()?;
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap());
        let unit_ms = match unit {
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => panic!("{text}"),
        };
        Some(digits.parse::<i64>().unwrap() * unit_ms)
    }

    pub fn algorithm(&self) -> &str {
        text(&self.scheme, "algorithm", "hmac-sha256")
    }

    fn tag(&self, message: &[u8]) -> Vec<u8> {
        match (&self.key, self.algorithm()) {
            (Key::Ed25519(pair), _) => pair.sign(message).as_ref().to_vec(),
            (Key::EcdsaP256(pair), _) => {
                pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            (Key::Bytes(key), "secret") => key.clone(),
            (Key::Bytes(key), algorithm) => {
                let kind = match algorithm {
                    "hmac-sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                    "hmac-sha256" => hmac::HMAC_SHA256,
                    "hmac-sha512" => hmac::HMAC_SHA512,
                    "sha256" => {
                        return digest::digest(&digest::SHA256, message).as_ref().to_vec();
                    }
                    other => panic!("{other}"),
                };
                hmac::sign(&hmac::Key::new(kind, key), message).as_ref().to_vec()
            }
        }
    }

    /// Signs a request with these headers and this body, at this time.
    pub fn sign(&self, headers: &[(String, String)], body: &str, now_s: i64) -> Signed {
        let scheme = &self.scheme;
        let mut headers = headers.to_vec();
        let mut body = body.to_owned();
        let time = match text(&scheme["timestamp"], "unit", "s") {
            "s" => now_s.to_string(),
            "ms" => (now_s * 1000).to_string(),
            "iso" => "2026-11-23T12:35:45Z".to_owned(),
            _ => "Mon, 23 Nov 2026 12:35:45 GMT".to_owned(),
        };
        if let Some(name) = self.time_header() {
            headers.push((name, time.clone()));
        }
        if let Some(path) = scheme["timestamp"]["body"].as_str() {
            let number: Value = serde_json::from_str(&time).unwrap();
            let json: Value = serde_json::from_str(&body).unwrap_or_default();
            let old = json.pointer(&format!("/{}", path.replace('.', "/")));
            if let Some(old) = old {
                let new = if old.is_string() { Value::String(time.clone()) } else { number };
                body = set(&body, path, new);
            }
        }
        let id = first(&scheme["id"]).map(|name| {
            let known = headers.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| value.clone()).unwrap_or_default()
        });
        let message = self.message(&body, &time, id.as_deref().unwrap_or_default(), &headers);
        let tag = self.tag(&message);
        let usual = if self.algorithm() == "secret" { "text" } else { "hex" };
        let tag = match text(scheme, "encoding", usual) {
            "hex" => hex(&tag),
            "base64" => STANDARD.encode(&tag),
            _ => String::from_utf8(tag).unwrap(),
        };
        let mut shown = format!("{}{tag}", text(scheme, "prefix", ""));
        if let (Some(field), Some(separator)) =
            (scheme["field"].as_str(), scheme["fields"].as_str())
        {
            shown = format!("{field}{separator}{shown}");
            if let Some(field) = scheme["timestamp"]["field"].as_str() {
                let items = text(scheme, "items", ",");
                shown = format!("{field}{separator}{time}{items}{shown}");
            }
        }
        match (self.header(), scheme["body"].as_str()) {
            (Some(name), _) => headers.push((name, shown)),
            (None, Some(path)) => body = set(&body, path, Value::String(shown)),
            _ => panic!("{scheme}"),
        }
        Signed { headers, body }
    }

    fn message(&self, body: &str, time: &str, id: &str, headers: &[(String, String)]) -> Vec<u8> {
        let template = text(&self.scheme, "signed", "{body}");
        let is_form = headers.iter().any(|(name, value)| {
            name == "content-type" && value.starts_with("application/x-www-form-urlencoded")
        });
        let mut form = String::new();
        if is_form && template.contains("{form}") {
            let plain = |text: &str| {
                let json = format!("${{{{ urlDecode({text:?}) }}}}");
                let template = postroom_expr::Template::parse(&json).unwrap();
                let scope = postroom_expr::Scope::new();
                let value = template.eval(&scope, postroom_expr::Limits::default()).unwrap();
                value.to_text().unwrap()
            };
            let mut fields: Vec<(String, String)> = body
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (plain(name), plain(value)))
                .collect();
            fields.sort();
            form = fields.into_iter().flat_map(|(name, value)| [name, value]).collect();
        }
        let mut message = template.to_owned();
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        while let Some(at) = message.find("{body.") {
            let end = at + message[at..].find('}').unwrap();
            let pointer = format!("/{}", message[at + 6..end].replace('.', "/"));
            let value = json.pointer(&pointer).and_then(Value::as_str).unwrap();
            message.replace_range(at..=end, value);
        }
        for (part, value) in
            [("{method}", "POST"), ("{timestamp}", time), ("{id}", id), ("{form}", &form)]
        {
            message = message.replace(part, value);
        }
        message.replace("{url}", URL).replace("{body}", body).into_bytes()
    }
}
