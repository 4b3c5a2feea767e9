//! A double of a service: an HTTP server on threads that writes down every request and answers by
//! a [`Service`], or goes wrong as it was told.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use super::PATIENCE;
use super::wire::{read_body, read_head};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names are lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn key(&self) -> &str {
        self.header("idempotency-key").unwrap_or_default()
    }

    /// `POST /v1/invoices`
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The fields of a form.
    pub fn form(&self) -> Vec<(String, String)> {
        let pairs = self.body.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect()
    }

    pub fn field(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer to give.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        Self { status, headers: vec![kind], body: body.to_string() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What a request is answered with when nothing goes wrong.
pub trait Service: Send + 'static {
    fn answer(&mut self, request: &Received) -> Reply;
    /// Answers with this from now on whenever the request's key comes again.
    fn keep(&mut self, _request: &Received, _reply: &Reply) {}
}

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answered with this instead; nothing takes effect.
    Instead(Reply),
    /// Answered with this, now and whenever its key comes again.
    Kept(Reply),
    /// The connection is dropped; nothing takes effect.
    DropBefore,
    /// It takes effect, and the connection is dropped before the answer.
    DropAfter,
    /// It takes effect after [`Double::release`]; whether anybody waits for the answer or not.
    Hold,
    /// It takes effect at once and is answered after [`Double::release`].
    HoldAnswer,
}

struct Inner {
    service: Box<dyn Service>,
    received: Vec<Received>,
    /// Faults to come, each for the next request whose line holds the text.
    faults: VecDeque<(String, Fault)>,
    /// Whether everything is let go.
    released: bool,
    /// How many of those held were let go one by one.
    let_go: usize,
    held: usize,
    answered: usize,
    streams: Vec<TcpStream>,
    stopping: bool,
}

struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

/// A running double; gone when dropped.
pub struct Double {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Double {
    pub fn new(service: impl Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let inner = Inner {
            service: Box::new(service),
            received: Vec::new(),
            faults: VecDeque::new(),
            released: false,
            let_go: 0,
            held: 0,
            answered: 0,
            streams: Vec::new(),
            stopping: false,
        };
        let shared = Arc::new(Shared { inner: Mutex::new(inner), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut inner = accepting.inner.lock();
                if inner.stopping {
                    return;
                }
                inner.streams.extend(stream.try_clone());
                drop(inner);
                let serving = Arc::clone(&accepting);
                std::thread::spawn(move || {
                    // The other side may be killed at any time.
                    let _ = serving.serve(&stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    /// A double that answers everything alike.
    pub fn answering(reply: Reply) -> Self {
        Self::new(Always(reply))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `count` requests whose line holds `part` go wrong.
    pub fn fault(&self, part: &str, count: usize, fault: &Fault) {
        let faults = (0..count).map(|_| (part.to_owned(), fault.clone()));
        self.shared.inner.lock().faults.extend(faults);
    }

    /// Requests go well again.
    pub fn mend(&self) {
        self.shared.inner.lock().faults.clear();
    }

    /// Lets go what is held, and holds nothing more.
    pub fn release(&self) {
        self.shared.inner.lock().released = true;
        self.shared.changed.notify_all();
    }

    /// Lets go the one that is held longest and has not been let go yet.
    pub fn release_one(&self) {
        self.shared.inner.lock().let_go += 1;
        self.shared.changed.notify_all();
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.inner.lock().received.clone()
    }

    /// The lines of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.received().iter().map(Received::line).collect()
    }

    /// Waits until so many requests have come in.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait("requests", |inner| inner.received.len() >= count)
    }

    /// Waits until so many requests are held.
    #[track_caller]
    pub fn wait_for_held(&self, count: usize) -> Vec<Received> {
        self.wait("held requests", |inner| inner.held >= count)
    }

    #[track_caller]
    fn wait(&self, what: &str, fits: impl Fn(&Inner) -> bool) -> Vec<Received> {
        let deadline = Instant::now() + PATIENCE;
        let mut inner = self.shared.inner.lock();
        while !fits(&inner) {
            let timed_out = self.shared.changed.wait_until(&mut inner, deadline).timed_out();
            assert!(!timed_out, "{what} did not come: {:#?}", inner.received);
        }
        inner.received.clone()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let mut inner = self.shared.inner.lock();
        inner.stopping = true;
        for stream in inner.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(inner);
        self.shared.changed.notify_all();
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(head) = read_head(&mut reader)? {
            let body = read_body(&mut reader, &head, false)?;
            let mut words = head.first_line.split(' ').map(str::to_owned);
            let received = Received {
                at: Instant::now(),
                method: words.next().unwrap_or_default(),
                path: words.next().unwrap_or_default(),
                headers: head.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            let Some(reply) = self.take(&received) else { return Ok(()) };
            let mut text = format!("HTTP/1.1 {} Because\r\n", reply.status);
            for (name, value) in &reply.headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!("content-length: {}\r\n\r\n{}", reply.body.len(), reply.body));
            let mut stream = stream;
            stream.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// Writes a request down and finds its answer; `None` if the connection is to be dropped.
    fn take(&self, received: &Received) -> Option<Reply> {
        let mut inner = self.inner.lock();
        inner.received.push(received.clone());
        let line = received.line();
        let fault = inner.faults.iter().position(|(part, _)| line.contains(part));
        let fault = fault.and_then(|index| inner.faults.remove(index)).map(|(_, fault)| fault);
        self.changed.notify_all();
        let held_answer = match &fault {
            Some(Fault::HoldAnswer) => Some(inner.service.answer(received)),
            _ => None,
        };
        if matches!(fault, Some(Fault::Hold | Fault::HoldAnswer)) {
            inner.held += 1;
            let turn = inner.held;
            self.changed.notify_all();
            while !inner.released && inner.let_go < turn && !inner.stopping {
                self.changed.wait(&mut inner);
            }
            if inner.stopping {
                return None;
            }
        }
        let reply = match fault {
            Some(Fault::Instead(reply)) => Some(reply),
            Some(Fault::Kept(reply)) => {
                inner.service.keep(received, &reply);
                Some(reply)
            }
            Some(Fault::DropBefore) => None,
            Some(Fault::DropAfter) => {
                inner.service.answer(received);
                None
            }
            Some(Fault::HoldAnswer) => held_answer,
            Some(Fault::Hold) | None => Some(inner.service.answer(received)),
        };
        inner.answered += 1;
        reply
    }
}

struct Always(Reply);

impl Service for Always {
    fn answer(&mut self, _request: &Received) -> Reply {
        self.0.clone()
    }
}
