//! What the integration tests share: the real binary as a child process, a small HTTP client, and
//! doubles of the services it calls. Nothing here sleeps: whoever waits, waits for a log line, a
//! request at a double, or the end of a process, and gives up loudly after [`PATIENCE`].
#![allow(dead_code, reason = "no single test program needs all of the harness")]
#![allow(unused_imports, reason = "no single test program needs all of the harness")]

pub mod begun;
pub mod certificate;
pub mod chance;
pub mod client;
pub mod contract;
pub mod double;
pub mod doubles;
pub mod ledger;
pub mod lines;
pub mod meeting;
pub mod project;
pub mod server;
pub mod stripe;
mod wire;

use std::time::Duration;

pub use certificate::Certificate;
pub use chance::Chance;
pub use client::{Answer, Client};
pub use contract::Contract;
pub use double::{Double, Fault, Received, Reply, Service};
pub use doubles::Doubles;
pub use ledger::Ledger;
pub use lines::Lines;
pub use meeting::{Meeting, Place};
pub use project::{Project, Ran, TEMPLATE};
pub use server::{Refused, Server};
pub use stripe::Stripe;

/// How long anything may take before a test gives up. Far longer than anything takes, because
/// machines of CI are slow; a test that passes never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Seconds since 1970, for signatures that must be of now.
#[allow(clippy::disallowed_methods, reason = "signatures are checked against the real clock")]
pub fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs()
}
