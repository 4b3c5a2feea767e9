//! A double of a service that writes down what it is told: every POST makes an entry, but one whose
//! idempotency key was seen before is answered as the first time.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use super::double::{Double, Received, Reply, Service};

/// The double and what it made.
pub struct Ledger {
    pub double: Double,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    entries: Vec<String>,
    kept: HashMap<String, Reply>,
}

struct Api(Arc<Mutex<Book>>);

impl Ledger {
    pub fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        Self { double: Double::new(Api(Arc::clone(&book))), book }
    }

    /// The lines of the requests that made an entry.
    pub fn entries(&self) -> Vec<String> {
        self.book.lock().entries.clone()
    }

    /// The idempotency keys that came, in their order.
    pub fn keys(&self) -> Vec<String> {
        self.double.received().iter().map(|request| request.key().to_owned()).collect()
    }

    /// A refusal in the service's words.
    pub fn refusal(status: u16, message: &str) -> Reply {
        Reply::json(status, &json!({"error": {"code": "sold_out", "message": message}}))
    }
}

impl Service for Api {
    fn answer(&mut self, request: &Received) -> Reply {
        let mut book = self.0.lock();
        if let Some(reply) = book.kept.get(request.key()) {
            return reply.clone();
        }
        if request.method == "POST" {
            book.entries.push(request.line());
        }
        let reply = Reply::json(201, &json!({"id": format!("entry_{}", book.entries.len())}));
        if !request.key().is_empty() {
            book.kept.insert(request.key().to_owned(), reply.clone());
        }
        reply
    }

    fn keep(&mut self, request: &Received, reply: &Reply) {
        self.0.lock().kept.insert(request.key().to_owned(), reply.clone());
    }
}
