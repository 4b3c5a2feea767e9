//! The yardstick: an axum handler that parses the same body and answers 202, and does nothing else.
//!
//! Runs as a process of its own, as the product does: this program started with the hidden first
//! argument `bare`. Ends when the program that started it closes its standard input.

use std::io::Read;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::server::{Server, free_address};

const ARGUMENT: &str = "bare";

#[derive(Deserialize)]
struct Envelope<'a> {
    event: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The address to listen on, when the arguments of this process ask for the bare server.
pub fn address_from(arguments: impl Iterator<Item = String>) -> Option<anyhow::Result<SocketAddr>> {
    let mut arguments = arguments.skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT) {
        return None;
    }
    let address = arguments.next().unwrap_or_default();
    Some(address.parse().with_context(|| format!("`{address}` is no address")))
}

/// Starts the bare server as another process and waits until it is ready.
pub async fn start() -> anyhow::Result<Server> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ARGUMENT).arg(address.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
    Server::start("bare axum", command, address).await
}

/// Serves until standard input ends.
pub fn serve(address: SocketAddr) -> anyhow::Result<()> {
    std::thread::spawn(|| {
        // An error means the same as the end: nobody holds the other side any more.
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        #[allow(clippy::disallowed_methods, reason = "its parent is gone; nothing is left to do")]
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { accept(TcpListener::bind(address).await?).await })
}

/// Answers requests on `listener`; ends only with an error.
pub async fn accept(listener: TcpListener) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/api/webhooks/ingest", post(acknowledge))
        .with_state(Arc::new(AtomicU64::new(0)));
    let listener = listener.tap_io(|stream| {
        // Without it answers wait for Nagle's delay; the figures would show it.
        let _kept_default = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn acknowledge(State(next): State<Arc<AtomicU64>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Envelope<'_>>(&body) {
        Ok(envelope) if !envelope.event.is_empty() && envelope.payload.get() != "null" => {
            let id = next.fetch_add(1, Ordering::Relaxed);
            let answer = format!("{{\"status\":\"queued\",\"correlationId\":\"evt_{id:032x}\"}}");
            let json = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::ACCEPTED, json, answer).into_response()
        }
        _ => (StatusCode::BAD_REQUEST, "Missing event or payload").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Option<Result<SocketAddr, ()>> {
        let arguments = arguments.iter().map(|it| (*it).to_owned());
        address_from(arguments).map(|it| it.map_err(drop))
    }

    #[test]
    fn only_the_first_argument_asks_for_the_bare_server() {
        let address = SocketAddr::from(([127, 0, 0, 1], 4000));
        assert_eq!(parsed(&["bench", "bare", "127.0.0.1:4000"]), Some(Ok(address)));
        assert_eq!(parsed(&["bench", "bare"]), Some(Err(())));
        assert_eq!(parsed(&["bench", "ingest", "bare"]), None);
        assert_eq!(parsed(&["bench"]), None);
    }
}
