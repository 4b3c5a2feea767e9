//! How many webhooks a core verifies in a second: each HMAC scheme of the built-in sources, with a
//! body of 1 kB. `cargo run --release -p postroom-adapters --example verify_speed`

#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/signer/mod.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod signer;

use std::time::{Duration, Instant};

use postroom_adapters::{Catalog, Incoming, MANIFESTS};

/// How long each scheme is measured.
const WHILE: Duration = Duration::from_millis(300);

/// What the issue asks for.
const WANTED: f64 = 20_000.0;

fn main() {
    let catalog = Catalog::builtin();
    let filling = "x".repeat(1_000);
    for (name, _, text) in MANIFESTS {
        let Some(webhook) = &catalog.adapter(name).unwrap().webhook else { continue };
        for signer in signer::signers(&signer::webhook(text), 0) {
            if !signer.algorithm().starts_with("hmac") || signer.scheme["body"].is_string() {
                continue;
            }
            let seconds = signer::NOW_S;
            let mut headers: Vec<(String, String)> =
                ["webhook-id", "svix-id"].map(|id| (id.to_owned(), "msg_1".to_owned())).into();
            let mut body = format!(r#"{{"webhookTimestamp":{},"a":"{filling}"}}"#, seconds * 1000);
            if *name == "twilio" {
                let form = "application/x-www-form-urlencoded".to_owned();
                headers.push(("content-type".to_owned(), form));
                body = format!("a={filling}");
            }
            let signed = signer.sign(&headers, &body, seconds);
            let incoming = Incoming {
                method: "POST",
                url: signer::URL,
                headers: &signed.headers,
                body: signed.body.as_bytes(),
            };
            let secrets = [(signer.credential.as_str(), signer.secret.as_str())];
            let (started, mut count) = (Instant::now(), 0_u32);
            while started.elapsed() < WHILE {
                webhook.verify(&incoming, &secrets, seconds * 1000).unwrap();
                count += 1;
            }
            let rate = f64::from(count) / started.elapsed().as_secs_f64();
            let verdict = if rate > WANTED { "" } else { "  TOO SLOW" };
            println!("{name:<20} {:<14} {rate:>10.0}/s{verdict}", signer.credential);
        }
    }
}
