//! As little of HTTP/1.1 as a benchmark needs: requests built once, answers read by their
//! `content-length`, over one kept connection.
//!
//! Not a client for anything else: no chunked bodies, no redirects, no TLS.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Digits of the number that makes each request its own.
const KEY_DIGITS: usize = 16;
/// No answer that a benchmark reads is larger.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The event type that the benchmarks send.
pub const EVENT: &str = "BENCH_ECHO";

/// An ingest request whose `idempotencyKey` is patched in place before each use.
#[derive(Clone)]
pub struct IngestRequest {
    bytes: Vec<u8>,
    key: Range<usize>,
}

impl IngestRequest {
    /// A request with a body of about 500 bytes.
    pub fn new(address: SocketAddr) -> Self {
        let key = "0".repeat(KEY_DIGITS);
        let body = format!(
            "{{\"event\":\"{EVENT}\",\"payload\":{{\"idempotencyKey\":\"{key}\",\
             \"customerId\":\"cus_QmB2dR81xT0vLk\",\"amount\":1500,\"currency\":\"usd\",\
             \"email\":\"ada@example.com\",\"description\":\"Consulting, second week of May\",\
             \"lines\":[{{\"sku\":\"consulting-hour\",\"quantity\":10,\"unitAmount\":120}},\
             {{\"sku\":\"travel\",\"quantity\":1,\"unitAmount\":300}}],\
             \"address\":{{\"line1\":\"12 Analytical Row\",\"city\":\"London\",\
             \"postalCode\":\"N1 9GU\",\"country\":\"GB\"}},\
             \"metadata\":{{\"project\":\"engine\",\"po\":\"2026-0512\",\"paid\":false}}}}}}"
        );
        let head = format!(
            "POST /api/webhooks/ingest HTTP/1.1\r\nhost: {address}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let text = head + &body;
        let start = text.find(&key).unwrap_or(0);
        Self { bytes: text.into_bytes(), key: start..start + KEY_DIGITS }
    }

    /// The bytes to send, with this number as the key.
    pub fn with_key(&mut self, mut number: u64) -> &[u8] {
        for digit in self.bytes[self.key.clone()].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        &self.bytes
    }
}

/// The bytes of a GET request.
pub fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes()
}

/// An answer, as far as it is looked at.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Where the body stands in what was read.
    body: Range<usize>,
}

/// One connection, kept for many requests.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects, without Nagle's delay.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not one that [`parse`] understands; the
    /// connection is of no use afterwards.
    pub async fn call(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = parse(&self.read)? {
                return Ok(answer);
            }
            if self.read.len() > MAX_ANSWER_BYTES {
                return Err(io::Error::other("the answer is too large"));
            }
        }
    }

    /// The body of the last answer.
    pub fn body(&self, answer: &Answer) -> String {
        String::from_utf8_lossy(&self.read[answer.body.clone()]).into_owned()
    }
}

/// Reads an answer; none when bytes are missing.
///
/// # Errors
/// When it is not HTTP/1.1, has no `content-length`, or more bytes follow than were announced.
fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let Some(head_length) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    let malformed = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let head = &bytes[..head_length];
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| number(rest.get(..3)?))
        .ok_or_else(|| malformed("the answer is not HTTP/1.1"))?;
    let length = head
        .split(|byte| *byte == b'\n')
        .find_map(content_length)
        .ok_or_else(|| malformed("the answer has no content-length"))?;
    let body = head_length + 4..head_length + 4 + length;
    if bytes.len() > body.end {
        return Err(malformed("the answer is longer than announced"));
    }
    let status = u16::try_from(status).map_err(|_| malformed("the status is no number"))?;
    Ok((bytes.len() == body.end).then_some(Answer { status, body }))
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    number(value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> IngestRequest {
        IngestRequest::new(SocketAddr::from(([127, 0, 0, 1], 3000)))
    }

    #[test]
    fn each_key_makes_its_own_request_of_the_same_length() {
        let mut request = request();
        let first = request.with_key(7).to_vec();
        let second = request.with_key(1_234_567_890_123_456).to_vec();
        assert_eq!(first.len(), second.len());
        let text = String::from_utf8(second).expect("the request is text");
        assert!(text.contains("\"idempotencyKey\":\"1234567890123456\""), "{text}");
        assert!(String::from_utf8_lossy(&first).contains("\"0000000000000007\""));
    }

    #[test]
    fn the_body_is_json_of_about_500_bytes() {
        let mut request = request();
        let text = String::from_utf8(request.with_key(1).to_vec()).expect("the request is text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a blank line ends the head");
        assert!((450..=550).contains(&body.len()), "{} bytes", body.len());
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).expect("the body is JSON");
        assert_eq!(body["event"], EVENT);
        assert_eq!(body["payload"]["idempotencyKey"], "0000000000000001");
    }

    #[test]
    fn an_answer_may_come_in_pieces() {
        let whole = b"HTTP/1.1 202 Accepted\r\nDate: x\r\nContent-Length: 5\r\n\r\nhello";
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]).expect("a prefix is no error"), None);
        }
        let answer = parse(whole).expect("it is well formed").expect("it is complete");
        assert_eq!((answer.status, &whole[answer.body]), (202, b"hello".as_slice()));
    }

    #[test]
    fn other_answers_are_refused() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0-x\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab").is_err());
        let empty = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(empty.expect("it is well formed").map(|it| it.status), Some(200));
    }
}
