//! The one way requests leave: time limits, a cap on what is read back, no redirects. Redirects
//! are not followed because a provider that moves must be looked at, and because a redirect could
//! carry credentials elsewhere.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::StreamExt;
use postroom_adapters::{Action, Context, HttpRequest, HttpResponse, Lost, SecretHeader};
use postroom_core::{Json, Run};

/// The most bytes of an answer that are read.
pub const MAX_RESPONSE_BYTES: usize = 4 << 20;

/// Why there is no answer, and what is known of it.
#[derive(Debug, Clone)]
pub struct NoAnswer {
    /// Whether the request may have reached the provider.
    pub lost: Lost,
    /// What happened, without secrets.
    pub detail: String,
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
    /// Outside a rehearsal, `mode: dry` would have kept it back.
    pub dry: bool,
}

/// Sends requests.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request whose headers are complete, credentials included, and waits for the whole
    /// answer for at most `timeout_ms`.
    fn send<'a>(&'a self, request: HttpRequest, timeout_ms: u64, purpose: Purpose<'a>) -> Sent<'a>;

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

/// HTTP over the network. The client is made at the first request, so that an idle process does
/// not pay for it.
#[derive(Debug, Default)]
pub struct Http {
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl Http {
    fn client(&self) -> Result<&reqwest::Client, NoAnswer> {
        let client = self.client.get_or_init(|| build().map_err(|error| error.to_string()));
        client.as_ref().map_err(|detail| NoAnswer { lost: Lost::NotSent, detail: detail.clone() })
    }
}

fn build() -> Result<reqwest::Client, Box<dyn std::error::Error>> {
    Ok(client()?.pool_idle_timeout(Duration::from_secs(60)).build()?)
}

/// A client as every part of Postroom uses it: its own certificates instead of the system's, no
/// redirects, no repetition, no proxy.
///
/// # Errors
/// TLS cannot be set up.
pub fn client() -> Result<reqwest::ClientBuilder, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("postroom/", env!("CARGO_PKG_VERSION")))
        .no_proxy())
}

impl Transport for Http {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        timeout_ms: u64,
        _purpose: Purpose<'a>,
    ) -> Sent<'a> {
        Box::pin(async move {
            let client = self.client()?;
            let not_sent = |detail: String| NoAnswer { lost: Lost::NotSent, detail };
            let method = reqwest::Method::from_bytes(request.method.as_bytes())
                .map_err(|_| not_sent(format!("`{}` is not a method", request.method)))?;
            let mut builder = client
                .request(method, &request.url)
                .timeout(Duration::from_millis(timeout_ms))
                .body(request.body);
            for (name, value) in &request.headers {
                builder = builder.header(name, value);
            }
            let response = builder.send().await.map_err(|error| no_answer(&error))?;
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
            Ok(Answered::Response(HttpResponse { status, headers, body: read(response).await? }))
        })
    }
}

async fn read(response: reqwest::Response) -> Result<Vec<u8>, NoAnswer> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| no_answer(&error))?;
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let detail = format!("the answer is larger than {MAX_RESPONSE_BYTES} bytes");
            return Err(NoAnswer { lost: Lost::NoAnswer, detail });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a failed exchange says about whether the provider may have acted.
fn no_answer(error: &reqwest::Error) -> NoAnswer {
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
        let text = error.to_string();
        if !detail.ends_with(&text) {
            detail = if detail.is_empty() { text } else { format!("{detail}: {text}") };
        }
        source = error.source();
    }
    NoAnswer { lost, detail }
}
