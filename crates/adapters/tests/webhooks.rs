//! Signed requests of real providers, each accepted by the provider's own SDK: taken as they are,
//! refused after any change.

#![allow(clippy::unwrap_used)]

use postroom_adapters::{Adapter, Catalog, Described, Incoming, Rejection};
use postroom_core::Json;
use serde_json::Value;
use std::sync::Arc;

const VECTORS: &str = include_str!("webhook-vectors.json");

/// Which built-in manifest verifies which vector.
const MANIFESTS: &[(&str, &str)] = &[
    ("stripe", "stripe"),
    ("stripe-rotation-two-v1", "stripe"),
    ("standard-webhooks", "standard-webhooks"),
    ("svix", "svix"),
    ("resend", "resend"),
    ("github", "github"),
    ("slack", "slack"),
    ("paddle", "paddle"),
    ("twilio-form", "twilio"),
    ("hubspot-v3", "hubspot"),
    ("notion", "notion"),
    ("linear", "linear"),
    ("discord", "discord"),
];

const STRIPE: &str = "
    header: Stripe-Signature
    items: ','
    fields: '='
    field: v1
    algorithm: hmac-sha256
    encoding: hex
    signed: '{timestamp}.{body}'
    timestamp: { field: t, past: 300s }
  event: { type: '${{ body.type }}', id: '${{ body.id }}' }
";
fn manifest(scheme: &str) -> String {
    format!(
        "adapter: signed
title: Signed
docs: https://example.com
credentials:
  secret: {{ env: SIGNED_SECRET, summary: Signing secret. }}
webhook:
  credential: secret
  signature:{scheme}actions: []
"
    )
}

#[derive(Clone)]
struct Vector {
    name: String,
    secret: String,
    url: String,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    now_ms: i64,
}

fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vector = |vector: &Value| Vector {
        name: vector["name"].as_str().unwrap().to_owned(),
        secret: vector["secret"].as_str().or(vector["public_key"].as_str()).unwrap().to_owned(),
        url: vector["url"].as_str().unwrap_or("https://example.com/in").to_owned(),
        body: vector["body"].as_str().unwrap().as_bytes().to_vec(),
        headers: vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        now_ms: vector["now"].as_i64().unwrap() * 1000,
    };
    file["vectors"].as_array().unwrap().iter().map(vector).collect()
}

impl Vector {
    fn verify(&self, adapter: &Adapter) -> Result<(), Rejection> {
        self.verify_with(adapter, &[&self.secret])
    }

    fn incoming(&self) -> Incoming<'_> {
        Incoming { method: "POST", url: &self.url, headers: &self.headers, body: &self.body }
    }

    fn verify_with(&self, adapter: &Adapter, secrets: &[&str]) -> Result<(), Rejection> {
        let webhook = adapter.webhook.as_ref().unwrap();
        let name = webhook.credentials()[0].name.as_str();
        let live: Vec<(&str, &str)> = secrets.iter().map(|secret| (name, *secret)).collect();
        webhook.verify(&self.incoming(), &live, self.now_ms)
    }
}

fn expressible() -> Vec<(Vector, Arc<Adapter>)> {
    let catalog = Catalog::builtin();
    let of = |vector: Vector| {
        let (_, manifest) = MANIFESTS.iter().find(|(name, _)| *name == vector.name)?;
        Some((vector, Arc::clone(catalog.adapter(manifest)?)))
    };
    vectors().into_iter().filter_map(of).collect()
}

fn named(name: &str) -> (Vector, Arc<Adapter>) {
    expressible().into_iter().find(|(vector, _)| vector.name == name).unwrap()
}

#[test]
fn no_vector_is_forgotten() {
    let names: Vec<String> = vectors().into_iter().map(|vector| vector.name).collect();
    assert_eq!(names, MANIFESTS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(expressible().len(), MANIFESTS.len());
}

#[test]
fn signed_requests_are_accepted() {
    for (vector, adapter) in expressible() {
        assert_eq!(vector.verify(&adapter), Ok(()), "{}", vector.name);
        let live = ["another", vector.secret.as_str()];
        assert_eq!(vector.verify_with(&adapter, &live), Ok(()), "{}: rotation", vector.name);
        let pasted = format!(" {}\r\n", vector.secret);
        assert_eq!(vector.verify_with(&adapter, &[&pasted]), Ok(()), "{}: pasted", vector.name);
    }
}

#[test]
fn one_changed_byte_of_the_body_is_refused() {
    for (vector, adapter) in expressible() {
        for at in 0..vector.body.len() {
            let mut tampered = vector.clone();
            tampered.body[at] ^= 1;
            assert!(tampered.verify(&adapter).is_err(), "{} at {at}", vector.name);
        }
        for body in [&vector.body[1..], &vector.body[..vector.body.len() - 1], b"", b"\n"] {
            let mut tampered = vector.clone();
            tampered.body = body.to_vec();
            assert!(tampered.verify(&adapter).is_err(), "{}", vector.name);
        }
        let mut longer = vector.clone();
        longer.body.push(b'\n');
        assert!(longer.verify(&adapter).is_err(), "{}", vector.name);
    }
}

#[test]
fn a_changed_header_or_secret_is_refused() {
    let kept =
        ["x-github-event", "x-github-delivery", "linear-event", "linear-delivery", "content-type"];
    for (vector, adapter) in expressible() {
        for index in 0..vector.headers.len() {
            let (name, value) = vector.headers[index].clone();
            if kept.contains(&name.as_str()) {
                continue;
            }
            // Signatures of `v0`, and the first of two under rotation, are not looked at alone.
            let ends = value.find(",v0=").unwrap_or(value.len());
            let starts = value.rfind("v1=").filter(|at| *at < ends).unwrap_or(0);
            for at in starts..ends {
                let mut tampered = vector.clone();
                let mut bytes = value.clone().into_bytes();
                bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
                tampered.headers[index].1 = String::from_utf8(bytes).unwrap();
                assert!(tampered.verify(&adapter).is_err(), "{}, {name} at {at}", vector.name);
            }
            let mut without = vector.clone();
            without.headers.remove(index);
            let missing = matches!(without.verify(&adapter), Err(Rejection::Missing(_)));
            assert!(missing, "{} without {name}", vector.name);
            let mut twice = vector.clone();
            twice.headers.push((name.clone(), value));
            let wrong = matches!(twice.verify(&adapter), Err(Rejection::Wrong(_)));
            assert!(wrong, "{} with two {name}", vector.name);
        }
        for secrets in [&["whsec_d3Jvbmc="][..], &["", " "], &[], &["whsec_"]] {
            let refused = vector.verify_with(&adapter, secrets).unwrap_err();
            assert!(matches!(refused, Rejection::Wrong(_)), "{}", vector.name);
            assert_eq!(refused.kind().status, 401);
            assert!(!refused.detail().contains(&vector.secret), "{}", vector.name);
        }
    }
}

#[test]
fn a_time_outside_the_tolerance_is_refused() {
    for (name, past, future) in [
        ("stripe", Some(300), None),
        ("standard-webhooks", Some(300), Some(300)),
        ("slack", Some(300), None),
        ("paddle", Some(5), None),
        ("linear", Some(60), Some(60)),
        ("github", None, None),
    ] {
        let (vector, adapter) = named(name);
        let at = |offset_s: i64| {
            let mut vector = vector.clone();
            vector.now_ms += offset_s * 1000;
            vector.verify(&adapter)
        };
        let (past_s, future_s) = (past.unwrap_or(i64::from(i32::MAX)), future.unwrap_or(4_000));
        assert_eq!(at(past_s), Ok(()), "{name}");
        assert_eq!(at(-future_s), Ok(()), "{name}");
        if past.is_some() {
            assert!(matches!(at(past_s + 1), Err(Rejection::Stale(_))), "{name}");
        }
        if future.is_some() {
            assert!(matches!(at(-future_s - 1), Err(Rejection::Stale(_))), "{name}");
        }
        let mut fraction = vector.clone();
        fraction.now_ms += past.unwrap_or(0) * 1000 + 999;
        let strict = name == "linear";
        assert_eq!(fraction.verify(&adapter).is_ok(), !strict, "{name}: parts of a second");
    }
}

#[test]
fn a_forged_request_is_wrong_and_not_stale() {
    let (mut vector, adapter) = named("stripe");
    vector.now_ms += 1_000_000;
    vector.body.push(b' ');
    assert!(matches!(vector.verify(&adapter), Err(Rejection::Wrong(_))));
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let (vector, adapter) = named("stripe");
    let refused = |value: &str| {
        let mut vector = vector.clone();
        vector.headers[0].1 = value.to_owned();
        vector.verify(&adapter).unwrap_err()
    };
    let good = "e8d9ff4e109af0206f892bd19e69b73d970845f4605f5388d291cf074f89b545";
    assert!(matches!(refused(""), Rejection::Missing(_)));
    assert!(matches!(refused("t=1795437345"), Rejection::Missing(_)));
    assert!(matches!(refused(&format!("v1={good}")), Rejection::Missing(_)));
    assert!(matches!(refused("t=1795437345,v1="), Rejection::Missing(_)));
    for value in [
        format!("t=1795437345,t=1795437345,v1={good}"),
        format!("t=-1,v1={good}"),
        format!("t=99999999999999999999,v1={good}"),
        format!("t=17954373é5,v1={good}"),
        "t=1795437345,v1=zz".to_owned(),
        "t=1795437345,v1=e8d".to_owned(),
        "t=1795437345,v1=e8".to_owned(),
        format!("t=1795437345,v1={}", "00".repeat(100_000)),
        format!("t=1795437345{}", ",v1=00".repeat(100_000)),
        format!("t=1795437345,v0={good},v1=00"),
    ] {
        assert!(matches!(refused(&value), Rejection::Wrong(_)), "{value:.60}");
    }
}

#[test]
fn the_case_of_hex_and_spaces_between_items_do_not_matter() {
    let (mut vector, adapter) = named("stripe");
    let (name, value) = vector.headers[0].clone();
    let (time, rest) = value.split_once(",v1=").unwrap();
    let hex = rest.split(',').next().unwrap().to_uppercase();
    vector.headers[0] = (name, format!("{time} , v1={hex}"));
    assert_eq!(vector.verify(&adapter), Ok(()));
}

#[test]
fn the_documented_vector_of_github() {
    let (mut vector, adapter) = named("github");
    vector.body = b"Hello, World!".to_vec();
    let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    vector.headers = vec![("x-hub-signature-256".into(), format!("sha256={signature}"))];
    assert_eq!(vector.verify(&adapter), Ok(()));
}

#[test]
fn a_described_event_has_a_type_and_what_else_there_is() {
    let catalog = Catalog::builtin();
    let webhook = catalog.adapter("stripe").unwrap().webhook.as_ref().unwrap();
    assert_eq!(webhook.credentials()[0].env, "STRIPE_WEBHOOK_SECRET");
    let described = |body: &str| webhook.describe(&[], &Json::parse(body.to_owned()).unwrap());
    let event = |id: Option<&str>, time_ms| Described {
        kind: "invoice.paid".into(),
        id: id.map(str::to_owned),
        time_ms,
        subject: None,
        data: None,
    };
    assert_eq!(
        described(r#"{"id":"evt_1","type":"invoice.paid","created":1795437345}"#).unwrap(),
        [event(Some("evt_1"), Some(1_795_437_345_000))]
    );
    assert_eq!(described(r#"{"type":"invoice.paid"}"#).unwrap(), [event(None, None)]);
    for body in ["null", "[]", "{}", r#"{"type":null}"#, r#"{"type":""}"#] {
        assert_eq!(described(body).unwrap_err().code, "source/not-described", "{body}");
    }
    assert!(described(r#"{"type":"a","created":"soon"}"#).is_err());
}

#[test]
fn events_are_described_from_body_and_headers() {
    for (name, kind, id, time_ms) in [
        ("standard-webhooks", "invoice.paid", Some("msg_1"), None),
        ("svix", "invoice.paid", Some("msg_1"), None),
        ("github", "ping", Some("d-1"), None),
        ("slack", "invoice.paid", None, None),
        ("paddle", "customer.created", Some("evt_1"), Some(1_767_225_600_000)),
        ("linear", "Issue.create", Some("d-1"), Some(1_795_437_345_000)),
    ] {
        let (vector, adapter) = named(name);
        let webhook = adapter.webhook.as_ref().unwrap();
        let text = webhook.text(&vector.incoming()).unwrap().into_owned();
        let body = Json::parse(String::from_utf8(text).unwrap()).unwrap();
        let described = webhook.describe(&vector.headers, &body).unwrap();
        let id = id.map(str::to_owned);
        let wanted = Described { kind: kind.into(), id, time_ms, subject: None, data: None };
        assert_eq!(described, [wanted], "{name}");
    }
}

#[test]
fn schemes_that_would_not_protect_are_refused() {
    let mut catalog = Catalog::default();
    for (from, to, told) in [
        ("'{timestamp}.{body}'", "'{timestamp}'", "leaves out `{body}`"),
        ("'{timestamp}.{body}'", "'{timestmp}.{body}'", "`{timestmp}`"),
        ("'{timestamp}.{body}'", "'{id}.{body}'", "`webhook.signature.id` is missing"),
        (
            "    timestamp: { field: t, past: 300s }\n",
            "",
            "`webhook.signature.timestamp` is missing",
        ),
        ("hmac-sha256", "hmac-md5", "`webhook.signature.algorithm` is `hmac-md5`"),
        ("encoding: hex", "encoding: hexx", "did you mean `hex`?"),
        ("    field: v1\n", "", "needs both `fields` and `field`"),
        ("{ field: t,", "{ field: t, header: X,", "exactly one of `header`, `field` and `body`"),
        ("items: ','", "items: ''", "empty separator"),
        ("past: 300s", "past: 300", "has no unit"),
        ("body.type", "bdy.type", "did you mean `body`?"),
        ("hmac-sha256", "sha256", "without `{secret}` anybody could make the digest"),
        ("hmac-sha256", "ed25519", "must be `hex`, `base64` or `spki` for a public key"),
        ("hmac-sha256", "secret", "under which nothing is signed"),
        ("encoding: hex", "encoding: text", "which only `algorithm: secret` has"),
        ("header: Stripe-Signature", "body: sig", "the signature is in the body"),
        ("    header: Stripe-Signature\n", "", "neither `header` nor `body`"),
        ("past: 300s }", "past: 300s }\n    urls: [port]", "`{url}` is not signed"),
        ("past: 300s }", "past: 300s }\n    unsigned_body: true", "`signed` covers the body"),
        ("past: 300s }", "past: 300s }\n    id: X-Id", "`webhook.signature.id` is not part"),
    ] {
        assert!(STRIPE.contains(from), "{from}");
        let text = manifest(&STRIPE.replacen(from, to, 1));
        let problems = catalog.add("signed.yaml", &text).unwrap_err();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.contains(told)), "{told}: {lines:?}");
    }
}
