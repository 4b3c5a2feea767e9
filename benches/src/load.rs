//! Sends ingest requests as fast as a number of kept connections allows, and counts what comes
//! back.
//!
//! One task a connection, one request at a time on each; a request is one write and one read. Runs
//! on one thread, to leave the rest of the machine to the server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use crate::histogram::Histogram;
use crate::wire::{Connection, IngestRequest};

/// The status of an acknowledged event.
const ACCEPTED: u16 = 202;
/// How long after its end a load may take to come home.
const GRACE: Duration = Duration::from_secs(30);

/// What to send. Ends at whichever bound is met first.
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// Requests under way at any time.
    pub connections: usize,
    /// Bound in time.
    pub duration: Duration,
    /// Bound in number.
    pub requests: u64,
}

/// What came back.
pub struct Outcome {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies of the acknowledged requests.
    pub latencies: Histogram,
    /// Answers with another status, by status.
    pub refused: BTreeMap<u16, u64>,
}

impl Outcome {
    /// Acknowledged requests a second.
    pub fn rate(&self) -> f64 {
        self.latencies.total() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Hands out the numbers that make requests unique, to every load of this process.
#[derive(Clone)]
pub struct Keys(Arc<AtomicU64>);

impl Keys {
    /// Starts at the clock, so that a later process on the same store does not repeat numbers.
    pub fn new() -> Self {
        #[allow(clippy::disallowed_methods, reason = "keys differ from run to run")]
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(AtomicU64::new(since.as_secs() * 1_000_000)))
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Load {
    /// Sends it.
    ///
    /// # Errors
    /// When a connection fails: a server that drops connections has no figures.
    pub async fn send(&self, keys: &Keys) -> anyhow::Result<Outcome> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let open = Connection::open(self.address).await;
            connections.push(open.with_context(|| format!("{} refuses", self.address))?);
        }
        let start = Instant::now();
        let left = Arc::new(AtomicU64::new(self.requests));
        let mut tasks = JoinSet::new();
        for connection in connections {
            let sender = Sender {
                request: IngestRequest::new(self.address),
                keys: keys.clone(),
                left: Arc::clone(&left),
                end: start + self.duration,
                latencies: Histogram::new(),
                refused: BTreeMap::new(),
            };
            tasks.spawn(sender.send(connection));
        }
        let senders = tokio::time::timeout(self.duration + GRACE, collect(&mut tasks)).await;
        let senders = senders.context("the server stopped answering")??;
        let elapsed = start.elapsed();
        let mut outcome =
            Outcome { elapsed, latencies: Histogram::new(), refused: BTreeMap::new() };
        for sender in senders {
            outcome.latencies.merge(&sender.latencies);
            for (status, count) in sender.refused {
                *outcome.refused.entry(status).or_default() += count;
            }
        }
        if outcome.latencies.total() == 0 {
            bail!("nothing was accepted; refused by status: {:?}", outcome.refused);
        }
        Ok(outcome)
    }
}

async fn collect(tasks: &mut JoinSet<anyhow::Result<Sender>>) -> anyhow::Result<Vec<Sender>> {
    let mut senders = Vec::with_capacity(tasks.len());
    while let Some(finished) = tasks.join_next().await {
        senders.push(finished.context("a sender panicked")??);
    }
    Ok(senders)
}

/// What one connection's task owns.
struct Sender {
    request: IngestRequest,
    keys: Keys,
    left: Arc<AtomicU64>,
    end: Instant,
    latencies: Histogram,
    refused: BTreeMap<u16, u64>,
}

impl Sender {
    async fn send(mut self, mut connection: Connection) -> anyhow::Result<Self> {
        let mut sent = Instant::now();
        while sent < self.end && self.may_send() {
            let bytes = self.request.with_key(self.keys.next());
            let answer = connection.call(bytes).await.context("a connection broke")?;
            let answered = Instant::now();
            if answer.status == ACCEPTED {
                self.latencies.record(answered - sent);
            } else {
                *self.refused.entry(answer.status).or_default() += 1;
            }
            sent = answered;
        }
        Ok(self)
    }

    fn may_send(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_load_ends_at_its_number_and_counts_every_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener has an address");
        let server = tokio::spawn(crate::bare::accept(listener));
        let load =
            Load { address, connections: 4, duration: Duration::from_secs(30), requests: 400 };
        let outcome = load.send(&Keys::new()).await.expect("the bare handler answers");
        server.abort();
        assert_eq!(outcome.latencies.total(), 400);
        assert!(outcome.refused.is_empty());
        assert!(outcome.rate() > 0.0 && outcome.elapsed < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn a_dead_server_is_an_error() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener has an address");
        drop(listener);
        let load = Load { address, connections: 1, duration: Duration::from_secs(1), requests: 1 };
        assert!(load.send(&Keys::new()).await.is_err());
    }
}
