//! Every built-in source, walked: what its manifest records is signed as the provider would, taken,
//! and refused after each change. `docs/sources.md` is held against the manifests.

#![allow(clippy::unwrap_used)]

#[path = "../../core/tests/bless/mod.rs"]
mod bless;
mod signer;

use std::fmt::Write as _;
use std::sync::Arc;

use postroom_adapters::{Adapter, Catalog, Incoming, MANIFESTS, Recorded, Rejection, Webhook};
use postroom_core::Json;
use serde_json::Value;
use signer::{NOW_S, Signed, Signer, URL, signers, webhook};

const BUILT_IN: &[&str] = &[
    "calendly",
    "clerk",
    "discord",
    "github",
    "gitlab",
    "hubspot",
    "lemonsqueezy",
    "linear",
    "mailgun",
    "meta",
    "notion",
    "openai",
    "paddle",
    "resend",
    "sendgrid",
    "shopify",
    "slack",
    "square",
    "standard-webhooks",
    "stripe",
    "svix",
    "telegram",
    "twilio",
    "typeform",
    "workos",
    "zoom",
];

/// A way to verify of a built-in source, and one request that it records.
struct Case {
    name: String,
    adapter: Arc<Adapter>,
    signer: Signer,
    other: Signer,
    headers: Vec<(String, String)>,
    body: String,
    example: usize,
}

impl Case {
    fn webhook(&self) -> &Webhook {
        self.adapter.webhook.as_ref().unwrap()
    }

    fn example(&self) -> &Recorded {
        &self.webhook().examples[self.example]
    }

    fn signed(&self) -> Signed {
        self.signer.sign(&self.headers, &self.body, NOW_S)
    }

    fn verify(&self, signed: &Signed) -> Result<(), Rejection> {
        self.verify_with(signed, &[&self.signer.secret], NOW_S * 1000)
    }

    fn verify_with(&self, signed: &Signed, secrets: &[&str], now_ms: i64) -> Result<(), Rejection> {
        let name = self.signer.credential.as_str();
        let live: Vec<(&str, &str)> = secrets.iter().map(|secret| (name, *secret)).collect();
        self.webhook().verify(&incoming(signed), &live, now_ms)
    }

    fn signs(&self, part: &str) -> bool {
        self.signer.scheme["signed"].as_str().is_some_and(|signed| signed.contains(part))
    }

    fn shows_the_secret(&self) -> bool {
        self.signer.algorithm() == "secret"
    }
}

fn incoming(signed: &Signed) -> Incoming<'_> {
    let body = signed.body.as_bytes();
    Incoming { method: "POST", url: URL, headers: &signed.headers, body }
}

/// Every way to verify of every source, with every request that is signed.
fn cases() -> Vec<Case> {
    let catalog = Catalog::builtin();
    let mut cases = Vec::new();
    for (name, _, text) in MANIFESTS {
        let adapter = catalog.adapter(name).unwrap();
        let Some(found) = &adapter.webhook else { continue };
        let written = webhook(text);
        for (example, recorded) in found.examples.iter().enumerate() {
            // What brings the secret cannot be signed with it.
            if recorded.answer.as_ref().is_some_and(|answer| answer.keep.is_some()) {
                continue;
            }
            let others = signers(&written, 7);
            for (signer, other) in signers(&written, 0).into_iter().zip(others) {
                cases.push(Case {
                    name: format!("{name}, example {example}, {}", signer.credential),
                    adapter: Arc::clone(adapter),
                    signer,
                    other,
                    headers: recorded.headers.clone(),
                    body: recorded.body.clone(),
                    example,
                });
            }
        }
    }
    cases
}

#[test]
fn every_source_that_is_promised_is_there_with_an_example() {
    let catalog = Catalog::builtin();
    let with = catalog.adapters().filter(|adapter| adapter.webhook.is_some());
    let names: Vec<&str> = with.map(|adapter| adapter.name.as_str()).collect();
    for name in BUILT_IN {
        assert!(names.contains(name), "{name}");
    }
    for name in names {
        let webhook = catalog.adapter(name).unwrap().webhook.as_ref().unwrap();
        let events = webhook.examples.iter().any(|example| !example.events.is_empty());
        assert!(events && !webhook.open(), "{name}");
    }
}

#[test]
fn what_is_signed_is_taken_and_comes_to_what_is_recorded() {
    for case in cases() {
        let (name, webhook) = (&case.name, case.webhook());
        let signed = case.signed();
        assert_eq!(case.verify(&signed), Ok(()), "{name}");
        let live = [case.other.secret.as_str(), case.signer.secret.as_str()];
        assert_eq!(case.verify_with(&signed, &live, NOW_S * 1000), Ok(()), "{name}: rotation");
        let pasted = format!(" {}\r\n", case.signer.secret);
        assert_eq!(case.verify_with(&signed, &[&pasted], NOW_S * 1000), Ok(()), "{name}: pasted");

        let incoming = incoming(&signed);
        let text = webhook.text(&incoming).unwrap().into_owned();
        let body = Json::parse(String::from_utf8(text).unwrap()).unwrap();
        let secrets = [(case.signer.credential.as_str(), case.signer.secret.as_str())];
        let answer = webhook.challenge(&incoming, &body, &secrets, NOW_S * 1000);
        let example = case.example();
        if let Some(wanted) = &example.answer {
            let answer = answer.unwrap_or_else(|| panic!("{name} is not answered"));
            assert_eq!(answer.status, wanted.status, "{name}");
            let json = |text: &str| serde_json::from_str::<Value>(text).ok();
            assert_eq!(json(&answer.body), json(&wanted.body), "{name}");
            assert!(json(&answer.body).is_some() || answer.body == wanted.body, "{name}");
            continue;
        }
        assert!(answer.is_none(), "{name}");
        let described = webhook.describe(&signed.headers, &body).unwrap();
        assert_eq!(described.len(), example.events.len(), "{name}");
        for (event, wanted) in described.iter().zip(&example.events) {
            assert_eq!(event.kind, wanted.kind, "{name}");
            assert_eq!(event.id, wanted.id, "{name}");
            // Without an id no repetition is recognised.
            assert!(event.id.is_some(), "{name}");
            assert_eq!(event.time_ms, wanted.time_ms, "{name}");
            assert_eq!(event.subject, wanted.subject, "{name}");
            if let Some(wanted) = &wanted.data {
                let data = event.data.as_ref().unwrap_or(&body);
                let value = |json: &Json| serde_json::from_str::<Value>(json.text()).unwrap();
                assert_eq!(value(data), value(wanted), "{name}");
            }
        }
        // Delivered again, it has the ids that it had.
        assert_eq!(webhook.describe(&signed.headers, &body).unwrap(), described, "{name}");
    }
}

#[test]
fn what_was_changed_is_refused() {
    for case in cases() {
        let (name, signed) = (&case.name, case.signed());
        let refused = |change: &dyn Fn(&mut Signed)| {
            let mut changed = signed.clone();
            change(&mut changed);
            case.verify(&changed).is_err()
        };
        if !case.shows_the_secret() && !case.signs("{body.") {
            for at in 0..signed.body.len() {
                let flip = |changed: &mut Signed| {
                    let mut bytes = changed.body.clone().into_bytes();
                    bytes[at] ^= 1;
                    changed.body = String::from_utf8_lossy(&bytes).into_owned();
                };
                assert!(refused(&flip), "{name}: byte {at} of the body");
            }
            assert!(refused(&|changed| changed.body.clear()), "{name}: no body");
            assert!(refused(&|changed| changed.body.push_str("&a=b")), "{name}: a longer body");
        }
        for part in [case.signer.header(), case.signer.time_header()].into_iter().flatten() {
            let index = signed.headers.iter().position(|(known, _)| *known == part).unwrap();
            let value = &signed.headers[index].1;
            for at in 0..value.len() {
                let flip = |changed: &mut Signed| {
                    let mut bytes = value.clone().into_bytes();
                    bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
                    changed.headers[index].1 = String::from_utf8(bytes).unwrap();
                };
                // The last digits of base64 hold bits that are not part of the signature.
                let padding = value.ends_with('=') && at + 2 >= value.trim_end_matches('=').len();
                assert!(refused(&flip) || padding, "{name}: byte {at} of {part}");
            }
            let mut without = signed.clone();
            without.headers.remove(index);
            let missing = matches!(case.verify(&without), Err(Rejection::Missing(_)));
            assert!(missing, "{name} without {part}");
            let mut twice = signed.clone();
            twice.headers.push(signed.headers[index].clone());
            let wrong = matches!(case.verify(&twice), Err(Rejection::Wrong(_)));
            assert!(wrong, "{name} with two {part}");
        }
        if let Some(path) = case.signer.scheme["body"].as_str() {
            let json: Value = serde_json::from_str(&signed.body).unwrap();
            let pointer = format!("/{}", path.replace('.', "/"));
            for wrong in ["", "00", "zz"] {
                let mut changed = signed.clone();
                let mut json = json.clone();
                *json.pointer_mut(&pointer).unwrap() = wrong.into();
                changed.body = json.to_string();
                assert!(case.verify(&changed).is_err(), "{name}: {wrong}");
            }
        }
    }
}

#[test]
fn another_secret_and_another_time_are_refused() {
    for case in cases() {
        let (name, signed) = (&case.name, case.signed());
        for secrets in [&[case.other.secret.as_str()][..], &["", " "], &[]] {
            let refused = case.verify_with(&signed, secrets, NOW_S * 1000).unwrap_err();
            assert!(matches!(refused, Rejection::Wrong(_)), "{name}: {refused:?}");
            assert_eq!(refused.kind().status, 401);
            assert!(!refused.detail().contains(&case.signer.secret), "{name}");
        }
        let at = |ms: i64| case.verify_with(&signed, &[&case.signer.secret], NOW_S * 1000 + ms);
        for (way, sign) in [("past", 1), ("future", -1)] {
            match case.signer.bound_ms(way) {
                Some(bound) => {
                    assert_eq!(at(sign * bound), Ok(()), "{name}");
                    let late = at(sign * (bound + 1000));
                    assert!(matches!(late, Err(Rejection::Stale(_))), "{name}: {late:?}");
                }
                None => assert_eq!(at(sign * 40_000_000), Ok(()), "{name}"),
            }
        }
    }
}

#[test]
fn the_case_of_hex_does_not_matter() {
    let mut seen = 0;
    for case in cases() {
        let scheme = &case.signer.scheme;
        let hex = scheme["encoding"].as_str().unwrap_or("hex") == "hex";
        let (Some(header), true) = (case.signer.header(), hex && !case.shows_the_secret()) else {
            continue;
        };
        let mut signed = case.signed();
        let index = signed.headers.iter().position(|(known, _)| *known == header).unwrap();
        let value = signed.headers[index].1.clone();
        let at = value.rfind('=').map_or(0, |at| at + 1);
        signed.headers[index].1 = format!("{}{}", &value[..at], value[at..].to_uppercase());
        assert_eq!(case.verify(&signed), Ok(()), "{}", case.name);
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn an_empty_body_is_no_event_even_where_it_is_signed() {
    for case in cases() {
        if case.signer.scheme["body"].is_string()
            || case.signer.scheme["timestamp"]["body"].is_string()
        {
            continue;
        }
        let signed = case.signer.sign(&case.headers, "", NOW_S);
        assert_eq!(case.verify(&signed), Ok(()), "{}", case.name);
        let text = case.webhook().text(&incoming(&signed)).unwrap().into_owned();
        let json = Json::parse(String::from_utf8(text).unwrap());
        // A form without fields is an object without any.
        if let Ok(body) = json {
            let described = case.webhook().describe(&signed.headers, &body);
            // Its headers say enough of a call-back without fields.
            assert!(described.is_err() || case.name.starts_with("twilio"), "{}", case.name);
        }
    }
}

#[test]
fn a_handshake_brings_the_secret_and_is_not_signed() {
    let catalog = Catalog::builtin();
    let notion = catalog.adapter("notion").unwrap().webhook.as_ref().unwrap();
    let body = r#"{"verification_token":"secret_abc"}"#;
    let signed = Signed { headers: Vec::new(), body: body.to_owned() };
    let greeting = |body: &str| {
        let json = Json::parse(body.to_owned()).unwrap();
        notion.greeting(&incoming(&Signed { body: body.to_owned(), ..signed.clone() }), &json)
    };
    assert_eq!(greeting(body).unwrap().keep.as_deref(), Some("secret_abc"));
    for odd in [
        "{}",
        "[]",
        r#"{"verification_token":7}"#,
        r#"{"verification_token":""}"#,
        r#"{"verification_token":"a b\n"}"#,
    ] {
        let kept = greeting(odd).and_then(|answer| answer.keep);
        assert!(kept.is_none() || kept.as_deref() == Some("7"), "{odd}: {kept:?}");
    }
    let refused = notion.verify(&incoming(&signed), &[("webhook_secret", "x")], 0).unwrap_err();
    assert!(matches!(refused, Rejection::Missing(_)));
}

#[test]
fn a_visit_has_to_show_the_token() {
    let catalog = Catalog::builtin();
    let meta = catalog.adapter("meta").unwrap().webhook.as_ref().unwrap();
    let visit = |query: &str, secrets: &[(&str, &str)]| {
        let url = format!("https://hooks.example.com/in?{query}");
        let incoming = Incoming { method: "GET", url: &url, headers: &[], body: b"" };
        meta.visit(&incoming, secrets)
    };
    let token = [("verify_token", "mine"), ("webhook_secret", "app")];
    let good = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=mine";
    let answer = visit(good, &token).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "1158201444"));
    assert_eq!(answer.media_type.as_deref(), Some("text/plain; charset=utf-8"));
    for (query, secrets) in [
        (good, &[][..]),
        (good, &[("webhook_secret", "mine")][..]),
        (good, &[("verify_token", "")][..]),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=app", &token[..]),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=", &token[..]),
        ("hub.mode=subscribe&hub.challenge=1", &token[..]),
        ("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=mine", &token[..]),
        ("hub.mode=subscribe&hub.verify_token=mine", &token[..]),
        ("", &token[..]),
    ] {
        assert!(visit(query, secrets).is_err(), "{query}");
    }
}

/// A source of one scheme, as a project would write it.
fn own(signature: &str) -> (Arc<Adapter>, Vec<Signer>) {
    let text = format!(
        "adapter: own\ntitle: Own\ndocs: https://example.com\ncredentials:\n  \
         secret: {{ env: SECRET, summary: Secret. }}\nwebhook:\n  credential: secret\n  \
         signature: {signature}\n  event: {{ type: a, id: '${{{{ hash }}}}' }}\n"
    );
    let mut catalog = Catalog::default();
    catalog.add("own.yaml", &text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    (Arc::clone(catalog.adapter("own").unwrap()), signers(&webhook(&text), 0))
}

#[test]
fn whatever_a_scheme_says_is_verified() {
    for signature in [
        "{ header: X-S, algorithm: hmac-sha512 }",
        "{ header: X-S, algorithm: hmac-sha1, encoding: base64 }",
        "{ header: X-S, algorithm: sha256, signed: '{secret}{body}' }",
        "{ header: X-S, algorithm: sha256, signed: '{secret}{method}{url}{body}' }",
        "{ header: X-S, algorithm: ed25519, key: base64 }",
        "{ header: X-S, algorithm: ecdsa-p256, key: spki, encoding: base64 }",
        "{ header: X-S, key: hex, signed: '{timestamp}\n{body}', \
         timestamp: { header: X-T, unit: http-date, past: 60s } }",
        "{ header: X-S, signed: '{timestamp}{body}', \
         timestamp: { header: X-T, unit: iso, past: 60s, future: 60s } }",
    ] {
        let (adapter, signers) = own(signature);
        let webhook = adapter.webhook.as_ref().unwrap();
        let signer = &signers[0];
        let secret = match signer.scheme["algorithm"].as_str() {
            Some("sha256") => signer.secret.clone(),
            _ => signer.secret.clone(),
        };
        let mut signed = signer.sign(&[], "{\"a\":1}", NOW_S);
        if signature.contains("{secret}") {
            let plain = signer.scheme["signed"].as_str().unwrap();
            let message = plain
                .replace("{secret}", &secret)
                .replace("{method}", "POST")
                .replace("{url}", URL)
                .replace("{body}", &signed.body);
            let digest = ring::digest::digest(&ring::digest::SHA256, message.as_bytes());
            let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            signed.headers = vec![("x-s".to_owned(), hex)];
        }
        let live = [("secret", secret.as_str())];
        let verify =
            |signed: &Signed, now_s: i64| webhook.verify(&incoming(signed), &live, now_s * 1000);
        assert_eq!(verify(&signed, NOW_S), Ok(()), "{signature}");
        let mut changed = signed.clone();
        changed.body.push(' ');
        assert!(matches!(verify(&changed, NOW_S), Err(Rejection::Wrong(_))), "{signature}");
        if signature.contains("past") {
            let stale = verify(&signed, NOW_S + 61);
            assert!(matches!(stale, Err(Rejection::Stale(_))), "{signature}: {stale:?}");
        }
    }
}

#[test]
fn a_word_stands_for_a_secret_that_is_shown() {
    let shown = |signature: &str, header: &str, secret: &str| {
        let (adapter, _) = match signature {
            "none" => (own("none").0, ()),
            word => (own(word).0, ()),
        };
        let webhook = Arc::clone(adapter.webhook.as_ref().unwrap());
        let headers = vec![("authorization".to_owned(), header.to_owned())];
        let signed = Signed { headers, body: "{}".to_owned() };
        webhook.verify(&incoming(&signed), &[("secret", secret)], 0)
    };
    assert_eq!(shown("bearer", "Bearer s3cret", "s3cret"), Ok(()));
    assert_eq!(shown("bearer", "bearer  s3cret", "s3cret\n"), Ok(()));
    assert_eq!(shown("basic", "Basic dXNlcjpwYXNz", "user:pass"), Ok(()));
    assert_eq!(shown("none", "", ""), Ok(()));
    for (word, header, secret) in [
        ("bearer", "Bearer s3cre", "s3cret"),
        ("bearer", "s3cret", "s3cret"),
        ("bearer", "Bearer ", ""),
        ("bearer", "", "s3cret"),
        ("basic", "Basic dXNlcjpwYXNz", "user:other"),
        ("basic", "Basic user:pass", "user:pass"),
    ] {
        assert!(shown(word, header, secret).is_err(), "{word} {header}");
    }
}

#[test]
fn the_digest_in_the_address_stands_for_a_body_that_is_no_form() {
    let catalog = Catalog::builtin();
    let twilio = catalog.adapter("twilio").unwrap().webhook.as_ref().unwrap();
    let body = r#"{"a":1}"#;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let digest = hex(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()).as_ref());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"12345");
    let verify = |url: &str, signed: &str, body: &str| {
        use base64::Engine as _;
        let tag = ring::hmac::sign(&key, signed.as_bytes());
        let tag = base64::engine::general_purpose::STANDARD.encode(tag.as_ref());
        let headers = vec![("x-twilio-signature".to_owned(), tag)];
        let body = body.as_bytes();
        let incoming = Incoming { method: "POST", url, headers: &headers, body };
        twilio.verify(&incoming, &[("auth_token", "12345")], 0)
    };
    let url = format!("https://a.example/in?bodySHA256={digest}");
    let ported = format!("https://a.example:443/in?bodySHA256={digest}");
    assert_eq!(verify(&url, &url, body), Ok(()));
    assert_eq!(verify(&url, &ported, body), Ok(()));
    assert_eq!(verify(&ported, &url, body), Ok(()));
    assert!(verify(&url, &url, r#"{"a":2}"#).is_err());
    assert!(verify(&url, "https://a.example/in", body).is_err());
    // Nothing covers this body.
    assert!(verify("https://a.example/in", "https://a.example/in", body).is_err());
    assert_eq!(verify("https://a.example/in", "https://a.example/in", ""), Ok(()));
}

/// What the page says of a source.
fn section(adapter: &Adapter, text: &str) -> String {
    let (found, written) = (adapter.webhook.as_ref().unwrap(), webhook(text));
    let mut page = format!("\n### {}\n\n", adapter.title);
    let name = &adapter.name;
    let path = format!("/api/webhooks/{name}");
    let _ = write!(
        page,
        "```yaml\nsources:\n  - {{ name: {name}, provider: {name}, endpoint: {path} }}\n```\n\n"
    );
    for credential in found.credentials() {
        let _ = writeln!(page, "* `{}`: {}", credential.env, credential.summary);
    }
    if found.signs_address() {
        page.push_str("* The address is signed: set `server.publicUrl`.\n");
    }
    for signer in signers(&written, 0) {
        let place = signer.scheme["header"].as_str().map(str::to_owned).or(signer.header());
        let place = match (place, signer.scheme["body"].as_str()) {
            (Some(header), _) => format!("`{header}`"),
            (None, path) => format!("`{}` of the body", path.unwrap_or_default()),
        };
        let bound = |way: &str| signer.scheme["timestamp"][way].as_str();
        let time = match (bound("past"), bound("future")) {
            (Some(past), Some(future)) if past == future => {
                format!(", at most {past} ago or ahead")
            }
            (Some(past), None) => format!(", at most {past} ago"),
            (Some(past), Some(future)) => format!(", at most {past} ago and {future} ahead"),
            _ => String::new(),
        };
        let signed = match signer.algorithm() {
            "secret" => "the secret itself".to_owned(),
            algorithm => {
                let template = signer.scheme["signed"].as_str().unwrap_or("{body}");
                format!("{algorithm} over `{template}`")
            }
        };
        let _ = writeln!(page, "* In {place}: {signed}{time}.");
    }
    let kinds: Vec<String> = found
        .examples
        .iter()
        .flat_map(|example| &example.events)
        .map(|event| format!("`{}`", event.kind))
        .collect();
    let event = &written["event"];
    let list = if found.several() { "; one for each item of a list" } else { "" };
    let _ = writeln!(page, "* Events such as {}{list}.", kinds.join(", "));
    let id = event["id"].as_str().unwrap_or("none");
    let _ = writeln!(page, "* A repetition has the same `{id}`.");
    if written["challenges"].is_array() {
        page.push_str("* What it asks to see whether the source is there is answered.\n");
    }
    page
}

#[test]
fn the_page_about_sources_is_what_the_manifests_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sources.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mark = "test sources` writes them. -->\n";
    let (start, _) = page.split_once(mark).unwrap();
    let catalog = Catalog::builtin();
    let mut wanted = format!("{start}{mark}");
    for (name, _, text) in MANIFESTS {
        let adapter = catalog.adapter(name).unwrap();
        if adapter.webhook.is_some() {
            wanted.push_str(&section(adapter, text));
        }
    }
    bless::check(path, &wanted);
}
