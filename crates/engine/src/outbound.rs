//! The one way requests leave: public addresses only, time limits, a cap on what is read back, no
//! redirects. Redirects are not followed because a provider that moves must be looked at, and
//! because a redirect could carry credentials elsewhere.

mod guard;
mod smtp;
mod tls;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use postroom_adapters::{Action, Context, HttpRequest, HttpResponse, Lost, SecretHeader};
use postroom_core::{Failure, Json, Run, problem};

use self::guard::{Blocked, Passes, Resolver, literal};
use crate::project::Connection;

pub use guard::Allow;
pub use tls::Authority;

/// The most bytes of an answer that are read.
pub const MAX_RESPONSE_BYTES: usize = 4 << 20;

/// How long a connection may take, name and certificates included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer, and what is known of it.
#[derive(Debug, Clone)]
pub struct NoAnswer {
    /// Whether the request may have reached the provider.
    pub lost: Lost,
    /// What happened, without secrets.
    pub detail: String,
    /// What it is, where trying again would come to the same.
    pub for_good: Option<Failure>,
}

impl NoAnswer {
    fn new(lost: Lost, detail: impl Into<String>) -> Self {
        Self { lost, detail: detail.into(), for_good: None }
    }

    /// It was not sent, and never will be.
    fn refused(failure: Failure) -> Self {
        Self { for_good: Some(failure), ..Self::new(Lost::NotSent, "") }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Answered {
    /// An answer, to be interpreted.
    Response(HttpResponse),
    /// The call's result without an answer to read it from: only a rehearsal knows one.
    Result(Json),
}

/// The answer to a request, or what is known about its absence.
pub type Sent<'a> = Pin<Box<dyn Future<Output = Result<Answered, NoAnswer>> + Send + 'a>>;

/// What a request is sent for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// The run.
    pub run: &'a Run,
    /// The step.
    pub step: &'a str,
    /// Which attempt of the step, from 1.
    pub attempt: u32,
    /// The action the step performs.
    pub action: &'a Action,
    /// Which of the action's calls.
    pub call: usize,
    /// What the request was made from.
    pub context: &'a Context<'a>,
    /// The headers that were filled in with credentials.
    pub auth: &'a [SecretHeader],
    /// Under which name each credential is kept.
    pub credentials: &'a BTreeMap<String, String>,
    /// The account it is made with, which says where it may go.
    pub connection: &'a Connection,
    /// Whether a person wrote the host and port it goes to into the configuration or a workflow.
    pub written: bool,
    /// Outside a rehearsal, `mode: dry` would have kept it back.
    pub dry: bool,
}

/// Sends requests.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request whose headers are complete, credentials included, and waits for the whole
    /// answer for at most `timeout_ms`.
    fn send<'a>(&'a self, request: HttpRequest, timeout_ms: u64, purpose: Purpose<'a>) -> Sent<'a>;

    /// Sends a request for an access token of a connection, as [`Transport::send`] does.
    fn ask<'a>(
        &'a self,
        request: HttpRequest,
        timeout_ms: u64,
        connection: &'a Connection,
    ) -> Sent<'a> {
        let _ = (request, timeout_ms, connection);
        let nobody = NoAnswer::new(Lost::NotSent, "nobody is asked for tokens here");
        Box::pin(std::future::ready(Err(nobody)))
    }

    /// What a step comes to once its calls are done, in place of what they came to; only a
    /// rehearsal says so.
    fn output(&self, _workflow: &str, _step: &str) -> Option<Json> {
        None
    }

    /// Whether it only writes down; only a rehearsal's does.
    fn rehearses(&self) -> bool {
        false
    }
}

/// The most clients kept beside the usual one; they differ in where they may go.
const MOST_CLIENTS: usize = 32;

/// HTTP over the network. Each client is made at the first request that needs it, so that an idle
/// process does not pay for it. Those who may go to different places share no client, because
/// they would share its open connections.
#[derive(Debug, Default)]
pub struct Http {
    usual: OnceLock<Result<reqwest::Client, String>>,
    others: Mutex<Vec<Other>>,
}

/// A client for those with these bounds.
#[derive(Debug)]
struct Other {
    passes: Passes,
    authority: Option<Authority>,
    client: reqwest::Client,
}

impl Http {
    fn client(
        &self,
        passes: Passes,
        authority: Option<&Authority>,
    ) -> Result<reqwest::Client, NoAnswer> {
        let not_made = |detail: &String| NoAnswer::new(Lost::NotSent, detail);
        let make = |passes: &Passes| {
            build(Arc::new(passes.clone()), authority).map_err(|error| error.to_string())
        };
        if passes.is_strict() && authority.is_none() {
            let client = self.usual.get_or_init(|| make(&passes));
            return client.clone().map_err(|detail| not_made(&detail));
        }
        let mut others = self.others.lock();
        let known = others
            .iter()
            .find(|other| other.passes.same(&passes) && other.authority.as_ref() == authority);
        if let Some(known) = known {
            return Ok(known.client.clone());
        }
        let client = make(&passes).map_err(|detail| not_made(&detail))?;
        if others.len() >= MOST_CLIENTS {
            others.remove(0);
        }
        let authority = authority.cloned();
        others.push(Other { passes, authority, client: client.clone() });
        Ok(client)
    }
}

fn build(
    passes: Arc<Passes>,
    authority: Option<&Authority>,
) -> Result<reqwest::Client, Box<dyn std::error::Error>> {
    let client = over(tls::config(authority)?).dns_resolver(Resolver(passes));
    Ok(client.pool_idle_timeout(Duration::from_secs(60)).build()?)
}

/// A client as every part of Postroom uses it: its own certificates instead of the system's, no
/// redirects, no repetition, no proxy.
///
/// # Errors
/// TLS cannot be set up.
pub fn client() -> Result<reqwest::ClientBuilder, rustls::Error> {
    Ok(over(tls::config(None)?))
}

fn over(tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("postroom/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
}

impl Transport for Http {
    fn send<'a>(&'a self, request: HttpRequest, timeout_ms: u64, purpose: Purpose<'a>) -> Sent<'a> {
        let Purpose { connection, written, action, .. } = purpose;
        self.exchange(request, timeout_ms, Way { connection, written, what: action })
    }

    fn ask<'a>(
        &'a self,
        request: HttpRequest,
        timeout_ms: u64,
        connection: &'a Connection,
    ) -> Sent<'a> {
        // The address stands in the configuration or the manifest.
        self.exchange(request, timeout_ms, Way { connection, written: true, what: &"a token" })
    }
}

/// Where a request goes, and for what.
#[derive(Clone, Copy)]
struct Way<'a> {
    connection: &'a Connection,
    /// Whether a person wrote the host and port down.
    written: bool,
    what: &'a (dyn std::fmt::Display + Sync),
}

impl Http {
    fn exchange<'a>(&'a self, request: HttpRequest, timeout_ms: u64, way: Way<'a>) -> Sent<'a> {
        Box::pin(async move {
            let not_sent = |detail: String| NoAnswer::new(Lost::NotSent, detail);
            let url = reqwest::Url::parse(&request.url)
                .map_err(|error| not_sent(format!("`{}`: {error}", request.url)))?;
            if smtp::speaks(&url) {
                return smtp::send(&request, &url, timeout_ms, &way).await;
            }
            let passes = bounds(&url, &way)?;
            let client = self.client(passes, way.connection.authority.as_ref())?;
            let method = reqwest::Method::from_bytes(request.method.as_bytes())
                .map_err(|_| not_sent(format!("`{}` is not a method", request.method)))?;
            let mut builder = client
                .request(method, url)
                .timeout(Duration::from_millis(timeout_ms))
                .body(request.body);
            for (name, value) in &request.headers {
                builder = builder.header(name, value);
            }
            let response = builder.send().await.map_err(|error| no_answer(&error, &way))?;
            let status = response.status().as_u16();
            let headers = response
                .headers()
                .iter()
                .map(|(name, value)| {
                    (
                        name.as_str().to_owned(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect();
            let body = read(response, &way).await?;
            Ok(Answered::Response(HttpResponse { status, headers, body }))
        })
    }
}

/// Where this request may go. An address that is written into its URL is checked at once: nobody
/// will ask for the addresses of a name.
fn bounds(url: &reqwest::Url, way: &Way<'_>) -> Result<Passes, NoAnswer> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let passes = Passes::new(&way.connection.allow, host, port, way.written);
    match literal(host) {
        // What is left to decide is nothing, so the usual client does.
        Some(ip) => match passes.check(host, ip) {
            Ok(()) => Ok(Passes::default()),
            Err(found) => Err(NoAnswer::refused(blocked(&found, way))),
        },
        None => Ok(passes),
    }
}

fn blocked(found: &Blocked, way: &Way<'_>) -> Failure {
    let connection = &way.connection.name;
    let message = format!("{found}: connection `{connection}` may not go there");
    let hint = format!(
        "if it is meant, write `allow: [\"{}\"]` for connection `{connection}` in the \
         configuration, restart, and redrive",
        found.ip
    );
    Failure::new(problem::BLOCKED_ADDRESS.code, message).with_hint(hint)
}

async fn read(response: reqwest::Response, way: &Way<'_>) -> Result<Vec<u8>, NoAnswer> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| no_answer(&error, way))?;
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let message =
                format!("the answer to {} is larger than {MAX_RESPONSE_BYTES} bytes", way.what);
            let failure = Failure::new(problem::ANSWER_TOO_LARGE.code, message);
            return Err(NoAnswer {
                for_good: Some(failure.with_hint("ask for less: for fewer items, or for a page")),
                ..NoAnswer::new(Lost::NoAnswer, "")
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a failed exchange says about whether the provider may have acted.
fn no_answer(error: &reqwest::Error, way: &Way<'_>) -> NoAnswer {
    let lost = if error.is_connect() || error.is_builder() {
        Lost::NotSent
    } else if error.is_timeout() {
        Lost::TimedOut
    } else {
        Lost::NoAnswer
    };
    let mut detail = String::new();
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<Blocked>() {
            return NoAnswer::refused(blocked(found, way));
        }
        let text = error.to_string();
        if !detail.ends_with(&text) {
            detail = if detail.is_empty() { text } else { format!("{detail}: {text}") };
        }
        source = error.source();
    }
    NoAnswer::new(lost, detail)
}
