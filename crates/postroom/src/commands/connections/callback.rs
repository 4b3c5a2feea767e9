//! The page to which a browser comes back: on this machine alone, for one login.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::exit::Failed;

/// The fields with which a browser came back, and who waits for what they come to.
pub(super) struct Back {
    pub fields: Vec<(String, String)>,
    pub told: oneshot::Sender<Result<String, String>>,
}

/// Listens for browsers until it is dropped.
pub(super) struct Callback {
    pub address: SocketAddr,
    pub back: mpsc::Receiver<Back>,
    server: Option<tokio::task::JoinHandle<()>>,
    stop: Option<oneshot::Sender<()>>,
}

/// Where the browser comes back to.
pub(super) const PATH: &str = "/callback";

impl Callback {
    /// Listens at a port of this machine; at a free one if none is named.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn listen(port: Option<u16>) -> Result<Self, Failed> {
        let wanted = SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(0)));
        let listener = TcpListener::bind(wanted)
            .await
            .with_context(|| format!("cannot listen at {wanted}; choose another with --port"))?;
        let address = listener.local_addr().context("the system does not say where it listens")?;
        let (came, back) = mpsc::channel(1);
        let (stop, stopped) = oneshot::channel();
        let router = Router::new().route(PATH, get(answer)).with_state(came);
        let serve = axum::serve(listener, router).with_graceful_shutdown(async {
            // Dropped or told, it is over.
            let _ = stopped.await;
        });
        let server = tokio::spawn(async move {
            // It ends by itself only when it is told to.
            let _ = serve.await;
        });
        Ok(Self { address, back, server: Some(server), stop: Some(stop) })
    }

    /// Stops listening once the browser has its page.
    pub async fn close(mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            // A browser that keeps its connection open must not keep the command.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(2), server).await;
        }
    }
}

async fn answer(
    State(came): State<mpsc::Sender<Back>>,
    Query(fields): Query<Vec<(String, String)>>,
) -> impl IntoResponse {
    let (told, hear) = oneshot::channel();
    let over = || Err("this login is over".to_owned());
    let said = match came.send(Back { fields, told }).await {
        Ok(()) => hear.await.unwrap_or_else(|_| over()),
        Err(_) => over(),
    };
    let (status, text) = match said {
        Ok(text) => (StatusCode::OK, text),
        Err(text) => (StatusCode::BAD_REQUEST, text),
    };
    // What a provider says stands in it, so it is text and nothing else.
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONNECTION, "close"),
    ];
    (status, headers, format!("{text}\n"))
}
