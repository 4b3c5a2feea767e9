//! Messages to mail servers: one connection for each, through the same bounds as every request.
//!
//! Owns the order of the commands and what is known when one of them is not answered: before the
//! end of the message nothing was taken; after it nobody knows. What the server answers comes back
//! as an answer whose status is the reply code, for the manifest to interpret. Credentials are sent
//! over TLS only, or within this machine.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::message::header::{Date, Headers};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use postroom_adapters::smtp::{FROM_HEADER, ID_HEADER, TO_HEADER};
use postroom_adapters::{HttpRequest, HttpResponse, Lost};
use postroom_core::{Failure, problem};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::guard::{Blocked, Passes, resolve};
use super::{Answered, CONNECT_TIMEOUT, NoAnswer, Way, blocked, tls};

/// How long the end of a connection may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How the connection is made secure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    /// By a command, after the greeting.
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all.
    Plain,
}

impl Security {
    fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "smtp" => Some(Self::StartTls),
            "smtps" => Some(Self::Implicit),
            "smtp+plain" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// Whether a URL is that of a mail server.
pub(super) fn speaks(url: &reqwest::Url) -> bool {
    Security::of_scheme(url.scheme()).is_some()
}

/// Sends a message and waits for what the server says of it, for at most `timeout_ms`.
pub(super) async fn send(
    request: &HttpRequest,
    url: &reqwest::Url,
    timeout_ms: u64,
    way: &Way<'_>,
) -> Result<Answered, NoAnswer> {
    // From then on it may have been taken.
    let ended = AtomicBool::new(false);
    let exchange = exchange(request, url, way, &ended);
    match tokio::time::timeout(Duration::from_millis(timeout_ms), exchange).await {
        Ok(Ok((response, mut connection))) => {
            // What became of it is known; how the connection ends is no matter.
            let _ = tokio::time::timeout(GOODBYE, connection.abort()).await;
            Ok(Answered::Response(response))
        }
        Ok(Err(Broken::Answered(response))) => Ok(Answered::Response(response)),
        Ok(Err(Broken::Refused(failure))) => Err(NoAnswer::refused(failure)),
        Ok(Err(Broken::Lost(detail))) => {
            let lost = if ended.load(Ordering::Relaxed) { Lost::NoAnswer } else { Lost::NotSent };
            Err(NoAnswer::new(lost, detail))
        }
        Err(_) if ended.load(Ordering::Relaxed) => Err(NoAnswer::new(Lost::TimedOut, "")),
        Err(_) => Err(NoAnswer::new(Lost::NotSent, "no answer in time, before the message")),
    }
}

/// Why an exchange ended early.
enum Broken {
    /// By what the server said.
    Answered(HttpResponse),
    /// By a rule of ours, for good.
    Refused(Failure),
    /// By the network.
    Lost(String),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        use std::error::Error as _;
        let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        match error.status() {
            Some(code) => Self::Answered(answer(u16::from(code), &words, json!({}))),
            None => Self::Lost(words),
        }
    }
}

async fn exchange(
    request: &HttpRequest,
    url: &reqwest::Url,
    way: &Way<'_>,
    ended: &AtomicBool,
) -> Result<(HttpResponse, AsyncSmtpConnection), Broken> {
    let all = |wanted: &'static str| {
        let headers = request.headers.iter();
        headers.filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let (from, id) = (all(FROM_HEADER).next(), all(ID_HEADER).next().unwrap_or_default());
    let from = from.map(address).transpose()?;
    let (mut connection, near) = connect(url, way).await?;
    match (all("Username").next(), all("Password").next()) {
        (Some(_), Some(_)) if !(connection.is_encrypted() || url.scheme() == "smtps" || near) => {
            return Err(unsafe_server("credentials are sent over TLS only", way));
        }
        (Some(name), Some(password)) => sign_in(&mut connection, name, password).await?,
        (None, None) => {}
        _ => return Err(half(way)),
    }
    connection.command(Mail::new(from, Vec::new())).await?;
    let (mut accepted, mut rejected): (Vec<&str>, Vec<Value>) = (Vec::new(), Vec::new());
    let mut refusal = None;
    for to in all(TO_HEADER) {
        match connection.command(Rcpt::new(address(to)?, Vec::new())).await.map_err(Broken::from) {
            Ok(_) => accepted.push(to),
            Err(Broken::Answered(said)) => {
                let words: Value = serde_json::from_slice(&said.body).unwrap_or_default();
                let words = &words["message"];
                rejected.push(json!({ "address": to, "code": said.status, "message": words }));
                // One that is put off may be taken later; then so is the message.
                let later = refusal.as_ref().is_none_or(|known: &HttpResponse| known.status >= 500);
                if later {
                    refusal = Some(said);
                }
            }
            Err(other) => return Err(other),
        }
    }
    if let (true, Some(refusal)) = (accepted.is_empty(), refusal) {
        return Ok((refusal, connection));
    }
    connection.command(Data).await?;
    let dated = date();
    let body = request.body.strip_suffix(b"\r\n").unwrap_or(&request.body);
    ended.store(true, Ordering::Relaxed);
    let said = connection.message_iter([dated.as_bytes(), body].into_iter()).await?;
    let words = said.message().collect::<Vec<_>>().join(" ");
    let more = json!({ "messageId": id, "accepted": accepted, "rejected": rejected });
    Ok((answer(u16::from(said.code()), &words, more), connection))
}

/// The header that says when it was sent.
#[allow(clippy::disallowed_methods, reason = "a letter is dated by the day it goes out")]
fn date() -> String {
    let mut headers = Headers::new();
    headers.set(Date::new(SystemTime::now()));
    headers.to_string()
}

/// What the server said, as an answer: its code as status, its words and what else is known as
/// body.
fn answer(code: u16, words: &str, more: Value) -> HttpResponse {
    let mut body = json!({ "message": words });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    HttpResponse {
        status: code,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

fn address(text: &str) -> Result<Address, Broken> {
    text.parse().map_err(|_| Broken::Lost(format!("`{text}` is no mail address")))
}

/// A connection that has said hello, secured as the URL says, and whether the server is on this
/// machine.
async fn connect(url: &reqwest::Url, way: &Way<'_>) -> Result<(AsyncSmtpConnection, bool), Broken> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().unwrap_or(25);
    let passes = Passes::new(&way.connection.allow, host, port, way.written);
    let made = tokio::time::timeout(CONNECT_TIMEOUT, reach(host, &passes, way)).await;
    let (stream, address) =
        made.map_err(|_| Broken::Lost("it cannot be connected to".into()))??;
    let security = Security::of_scheme(url.scheme()).unwrap_or(Security::StartTls);
    let hello = match stream.local_addr().map(|address| address.ip()) {
        Ok(std::net::IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(std::net::IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::default(),
    };
    let domain = host.trim_start_matches('[').trim_end_matches(']');
    let stream: Box<dyn AsyncTokioStream> = match security {
        Security::Implicit => Box::new(secured(stream, domain, way).await?),
        _ => Box::new(stream),
    };
    let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await?;
    if security == Security::StartTls {
        if !connection.can_starttls() {
            connection.abort().await;
            return Err(unsafe_server("the mail server does not offer STARTTLS", way));
        }
        connection.starttls(parameters(domain, way)?, &hello).await?;
    }
    Ok((connection, address.ip().is_loopback()))
}

/// A socket at one of the addresses of a host that pass.
async fn reach(
    host: &str,
    passes: &Passes,
    way: &Way<'_>,
) -> Result<(TcpStream, SocketAddr), Broken> {
    let found =
        resolve(host, passes).await.map_err(|error| match error.downcast_ref::<Blocked>() {
            Some(found) => Broken::Refused(blocked(found, way)),
            None => Broken::Lost(error.to_string()),
        })?;
    let mut last = format!("`{host}` has no address");
    for address in found {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(Broken::Lost(last))
}

/// TLS from the first byte.
async fn secured(stream: TcpStream, domain: &str, way: &Way<'_>) -> Result<Secured, Broken> {
    let lost = |error: &dyn std::fmt::Display| Broken::Lost(error.to_string());
    let config = tls::config(way.connection.authority.as_ref()).map_err(|error| lost(&error))?;
    let name = ServerName::try_from(domain.to_owned()).map_err(|error| lost(&error))?;
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(name, stream));
    let stream = stream.await.map_err(|error| lost(&error))?.map_err(|error| lost(&error))?;
    Ok(Secured(stream))
}

/// What TLS is after STARTTLS.
fn parameters(domain: &str, way: &Way<'_>) -> Result<TlsParameters, Broken> {
    let mut builder = TlsParameters::builder(domain.to_owned());
    if let Some(authority) = &way.connection.authority {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in authority.certificates() {
            builder = builder.add_root_certificate(Certificate::from_der(certificate.to_vec())?);
        }
    }
    Ok(builder.build_rustls()?)
}

async fn sign_in(
    connection: &mut AsyncSmtpConnection,
    name: &str,
    password: &str,
) -> Result<(), Broken> {
    let mechanisms = [Mechanism::Plain, Mechanism::Login];
    if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
        // The code of RFC 4954 for it, as if the server had been asked.
        let words = "The server offers neither PLAIN nor LOGIN";
        return Err(Broken::Answered(answer(504, words, json!({}))));
    }
    let credentials = Credentials::new(name.to_owned(), password.to_owned());
    connection.auth(&mechanisms, &credentials).await?;
    Ok(())
}

/// One of the two credentials is of no use.
fn half(way: &Way<'_>) -> Broken {
    let name = &way.connection.name;
    let message = format!("connection `{name}` has only one of `username` and `password`");
    let failure = Failure::new(problem::CREDENTIAL_MISSING.code, message);
    Broken::Refused(failure.with_hint("set both, or neither where nobody has to sign in"))
}

fn unsafe_server(why: &str, way: &Way<'_>) -> Broken {
    let message = format!("{}: {why}", way.connection.name);
    let hint = "set `tls` in `config` of the connection to what the server speaks: `starttls` or \
                `implicit`; `none` sends in plain text, and no credentials beyond this machine";
    Broken::Refused(Failure::new(problem::NOT_SECURE.code, message).with_hint(hint))
}

/// A secured socket, as the client takes it.
#[derive(Debug)]
struct Secured(tokio_rustls::client::TlsStream<TcpStream>);

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

mod passing {
    //! Reading and writing go through to the socket.

    use std::io::Result;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::Secured;

    impl AsyncRead for Secured {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Secured {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }
}
