//! How commands reach the API: over HTTP where a server runs, else the same routes in this
//! process. One request, one answer, whichever way it goes; what the commands do with it is
//! theirs.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use postroom_engine::outbound;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

use crate::cli::Global;
use crate::config;
use crate::exit::{Failed, Refused, Said};
use crate::home::{self, Home};
use crate::project::{self, Local, Unopened};

/// How long a command waits for a data folder that another process has, in case that is a command
/// about to end or a server about to be ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// The way to the API.
pub(crate) enum Reach {
    /// A server that runs.
    Remote {
        /// Where it is.
        url: Url,
        /// The admin token.
        token: Option<String>,
        /// What speaks HTTP.
        client: reqwest::Client,
    },
    /// No server runs; its routes are called in this process.
    Local(Local),
}

/// What is asked of the API.
#[derive(Debug)]
pub(crate) struct Ask {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    admin: bool,
}

impl Ask {
    /// Reads something below `/api/v1`. Segments may hold anything.
    pub fn get(segments: &[&str]) -> Self {
        Self {
            method: Method::GET,
            path: ["api", "v1"].iter().chain(segments).map(|&s| s.to_owned()).collect(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            admin: true,
        }
    }

    /// Orders something below `/api/v1`.
    pub fn post(segments: &[&str], body: Vec<u8>) -> Self {
        Self { method: Method::POST, ..Self::get(segments) }.json(body)
    }

    /// Sends something to a source; that needs no admin token, and does not get to see it.
    pub fn source(path: &str, body: Vec<u8>) -> Self {
        let path = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self { method: Method::POST, path, admin: false, ..Self::get(&[]) }.json(body)
    }

    fn json(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self.header(header::CONTENT_TYPE.as_str(), "application/json")
    }

    /// With a query parameter, if there is a value.
    pub fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn request(self, base: &Url, token: Option<&str>) -> Result<Request<Vec<u8>>, Failed> {
        let mut url = base.clone();
        let no_base = || Failed::usage(format!("{base} is no address of a server"), URL_HINT);
        url.path_segments_mut().map_err(|()| no_base())?.pop_if_empty().extend(&self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut request = Request::builder().method(self.method).uri(url.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = token.filter(|_| self.admin) {
            let mut shown =
                HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| {
                    Failed::usage("the token holds characters no token has", TOKEN_HINT)
                })?;
            shown.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, shown);
        }
        request.body(self.body).map_err(|error| {
            Failed::usage(format!("this cannot be sent over HTTP: {error}"), "check the options")
        })
    }
}

const URL_HINT: &str = "write for example http://127.0.0.1:3000";
const TOKEN_HINT: &str = "give the admin token with --token or POSTROOM_TOKEN; \
     `postroom token new` makes another";

impl Reach {
    /// Finds the way: the address given; else the server that has the data folder; else the data
    /// folder itself.
    ///
    /// # Errors
    /// Neither can be reached, or the configuration has problems.
    pub async fn find(global: &Global) -> Result<Self, Failed> {
        if let Some(url) = &global.url {
            let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let wrong = || Failed::usage("--url is not an address of HTTP", URL_HINT);
            return remote(url.ok_or_else(wrong)?, global.token.clone());
        }
        let options = home::Options { config: global.config.clone(), data: global.data.clone() };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let folder = match project::open_local(&options).await {
                Ok(local) => return Ok(Self::Local(local)),
                Err(Unopened::Locked { folder }) => folder,
                Err(Unopened::Problems(problems)) => {
                    return running(&options).await.ok_or(Failed::Problems(problems));
                }
                Err(Unopened::Store(error)) => {
                    let hint = "a server elsewhere is reached with --url and --token";
                    return Err(Failed::unreachable(format!("{error:#}"), hint));
                }
            };
            let missing = match ServerFile::find(&folder).await {
                Ok(server) => return server.reach(),
                Err(missing) => missing,
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(missing.explain(&folder));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Finds a server that runs, and opens nothing here.
    ///
    /// # Errors
    /// There is none, or the configuration has problems.
    pub async fn server(global: &Global) -> Result<Self, Failed> {
        if global.url.is_some() {
            return Self::find(global).await;
        }
        let options = home::Options { config: global.config.clone(), data: global.data.clone() };
        let folder = folder(&options)?;
        match ServerFile::find(&folder).await {
            Ok(server) => server.reach(),
            Err(_) => {
                let detail = format!("no server has {}", folder.display());
                let hint = "start one, or name one with --url; `postroom plan --event FILE` does \
                            the same without a server";
                Err(Failed::unreachable(detail, hint))
            }
        }
    }

    /// Whether what is recorded now waits for a server to be started.
    pub fn without_server(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Asks, and returns the body of a good answer.
    ///
    /// # Errors
    /// The problem the API answered with, or that nobody answered.
    pub async fn ask(&self, ask: Ask) -> Result<Bytes, Failed> {
        let (status, body) = match self {
            Self::Remote { url, token, client } => {
                send(client, ask.request(url, token.as_deref())?, url).await?
            }
            Self::Local(local) => {
                // The routes need a path; nothing listens at this address.
                let base = Url::parse("http://localhost").context("a constant address")?;
                let request = ask.request(&base, Some(&local.token))?.map(Body::from);
                let router = local.router.clone();
                let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.context("the answer broke off")?;
                (status, body.to_bytes())
            }
        };
        if (200..300).contains(&status) { Ok(body) } else { Err(refused(status, &body)) }
    }
}

async fn send(
    client: &reqwest::Client,
    request: Request<Vec<u8>>,
    url: &Url,
) -> Result<(u16, Bytes), Failed> {
    let lost = |error: reqwest::Error| {
        let detail = format!("no answer from {url}: {:#}", anyhow::Error::new(error.without_url()));
        Failed::unreachable(detail, "see whether `postroom serve` runs there")
    };
    let request = reqwest::Request::try_from(request).map_err(lost)?;
    let response = client.execute(request).await.map_err(lost)?;
    let status = response.status().as_u16();
    Ok((status, response.bytes().await.map_err(lost)?))
}

/// The server of a project that cannot be read just now: a workflow that is being edited does not
/// hide the server that runs the version before.
async fn running(options: &home::Options) -> Option<Reach> {
    ServerFile::find(&folder(options).ok()?).await.ok()?.reach().ok()
}

/// The data folder. The configuration is read only if it has to say where that is.
fn folder(options: &home::Options) -> Result<PathBuf, Failed> {
    if let Some(folder) = &options.data {
        return Ok(folder.clone());
    }
    Ok(Home::of(&config::load(options.config.as_deref())?, options).0)
}

fn remote(url: Url, token: Option<String>) -> Result<Reach, Failed> {
    let client = outbound::client().context("cannot set TLS up")?.timeout(ANSWER).build();
    Ok(Reach::Remote { url, token, client: client.context("cannot speak HTTP")? })
}

#[derive(Deserialize)]
struct Document {
    detail: Option<String>,
    title: Option<String>,
    code: Option<String>,
    hint: Option<String>,
    error: Option<String>,
}

/// What a bad answer says. Anything may answer at an address, so nothing is taken for granted.
fn refused(status: u16, body: &[u8]) -> Failed {
    let document: Option<Document> = serde_json::from_slice(body).ok();
    let (detail, code, hint) = match document {
        Some(told) => (told.detail.or(told.error).or(told.title), told.code, told.hint),
        None => (None, None, None),
    };
    let detail = detail.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        let start: String = text.trim().chars().take(200).collect();
        format!("the answer was HTTP {status} {start}").trim_end().to_owned()
    });
    let hint = match code.as_deref() {
        Some("auth/token-missing" | "auth/token-wrong") => Some(TOKEN_HINT.to_owned()),
        _ => hint,
    };
    Failed::Refused(Refused { status, code, said: Said { detail, hint } })
}

/// What a server leaves in its data folder while it runs, so that commands on the same machine
/// find it: readable by its owner only.
#[derive(Serialize, Deserialize)]
pub(crate) struct ServerFile {
    /// Where it listens, as this machine reaches it.
    pub url: String,
    /// An admin token that is good until it stops.
    pub token: String,
}

/// Why a server that has the data folder cannot be talked to.
enum Missing {
    /// The file is not there or cannot be read.
    File(io::Error),
    /// The file is not what a server writes.
    Content,
    /// Nobody listens at the address in the file.
    Nobody(String),
}

impl ServerFile {
    /// The file within a data folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("server.json")
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let path = Self::path(folder);
        let fresh = path.with_extension("json.new");
        // A file that is left from before could have other permissions.
        let _ = fs::remove_file(&fresh);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        drop(file);
        fs::rename(fresh, path)
    }

    /// Takes it away; it may be gone already.
    pub fn remove(folder: &Path) {
        let _ = fs::remove_file(Self::path(folder));
    }

    async fn find(folder: &Path) -> Result<Self, Missing> {
        let text = fs::read(Self::path(folder)).map_err(Missing::File)?;
        let server: Self = serde_json::from_slice(&text).map_err(|_| Missing::Content)?;
        let url = Url::parse(&server.url).map_err(|_| Missing::Content)?;
        let addresses = url.socket_addrs(|| None).map_err(|_| Missing::Content)?;
        // A server that was killed leaves its file behind.
        match tokio::net::TcpStream::connect(&*addresses).await {
            Ok(_) => Ok(server),
            Err(_) => Err(Missing::Nobody(server.url)),
        }
    }

    /// The way to the server. Its own token is used, whatever token the environment has for
    /// another server.
    fn reach(self) -> Result<Reach, Failed> {
        let url = Url::parse(&self.url).context("the address in server.json")?;
        remote(url, Some(self.token))
    }
}

impl Missing {
    fn explain(self, folder: &Path) -> Failed {
        let (file, folder) = (ServerFile::path(folder), folder.display());
        let file = file.display();
        let elsewhere = "give the server's address with --url and the admin token with --token";
        let (why, hint) = match self {
            Self::File(error) if error.kind() == io::ErrorKind::NotFound => (
                format!("another process has {folder} and there is no {file} that says where"),
                format!(
                    "wait until the server has started or the other command has ended; {elsewhere}"
                ),
            ),
            Self::File(error) => (
                format!("a server has {folder}, but {file} cannot be read: {error}"),
                format!("run this as the user of the server; or {elsewhere}"),
            ),
            Self::Content => (
                format!("another process has {folder}, and {file} is not what a server writes"),
                format!("restart the server; or {elsewhere}"),
            ),
            Self::Nobody(url) => (
                format!("another process has {folder}, but nobody listens at {url} as {file} says"),
                format!("wait until the other process has ended; or {elsewhere}"),
            ),
        };
        Failed::unreachable(why, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(ask: Ask, base: &str) -> String {
        ask.request(&Url::parse(base).unwrap(), None).unwrap().uri().to_string()
    }

    #[test]
    fn anything_may_stand_in_a_path_or_filter() {
        let ask = Ask::get(&["runs", "a/../b?c#d e"])
            .query("code", Some("x&y=z"))
            .query("workflow", None::<String>);
        assert_eq!(
            uri(ask, "http://h:1"),
            "http://h:1/api/v1/runs/a%2F..%2Fb%3Fc%23d%20e?code=x%26y%3Dz"
        );
        assert_eq!(uri(Ask::get(&["runs"]), "https://h/below/"), "https://h/below/api/v1/runs");
        let source = Ask::source("/api/webhooks/ingest", b"{}".to_vec());
        assert_eq!(uri(source, "http://h"), "http://h/api/webhooks/ingest");
    }

    #[test]
    fn a_source_never_sees_the_admin_token() {
        let base = Url::parse("http://h").unwrap();
        let ask = Ask::source("/x", Vec::new()).request(&base, Some("prt_1")).unwrap();
        assert!(!ask.headers().contains_key("authorization"));
        let ask = Ask::get(&["runs"]).request(&base, Some(" prt_1\n")).unwrap();
        assert_eq!(ask.headers()["authorization"], "Bearer prt_1");
        assert!(!format!("{ask:?}").contains("prt_1"), "{ask:?}");
        let bad = Ask::get(&["runs"]).request(&base, Some("a\nb")).unwrap_err();
        assert_eq!(bad.code(), 2);
    }

    #[test]
    fn bad_answers_of_any_kind_are_told() {
        let told = |status, body: &str| match refused(status, body.as_bytes()) {
            Failed::Refused(refused) => (refused.code, refused.said),
            other => panic!("{other:?}"),
        };
        let (code, said) =
            told(401, r#"{"detail":"needs a token","code":"auth/token-missing","hint":"send it"}"#);
        assert_eq!(code.as_deref(), Some("auth/token-missing"));
        assert_eq!(said.detail, "needs a token");
        assert!(said.hint.unwrap().contains("--token"));
        let (code, said) = told(400, r#"{"error":"Missing event or payload"}"#);
        assert_eq!((code, &*said.detail), (None, "Missing event or payload"));
        let (_, said) = told(502, "<html>Bad Gateway");
        assert_eq!(said.detail, "the answer was HTTP 502 <html>Bad Gateway");
        assert_eq!(told(502, "").1.detail, "the answer was HTTP 502");
    }

    #[tokio::test]
    async fn a_server_is_found_by_its_file_and_a_dead_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let nothing = ServerFile::find(folder).await.err().unwrap();
        assert_eq!(nothing.explain(folder).code(), 3);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        ServerFile { url: url.clone(), token: "one".into() }.write(folder).unwrap();
        ServerFile { url, token: "two".into() }.write(folder).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(ServerFile::path(folder)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let found = ServerFile::find(folder).await.ok().unwrap();
        assert_eq!(found.token, "two");
        assert!(matches!(found.reach(), Ok(Reach::Remote { token: Some(t), .. }) if t == "two"));
        drop(listener);
        assert!(matches!(ServerFile::find(folder).await, Err(Missing::Nobody(_))));
        ServerFile::remove(folder);
        assert!(matches!(ServerFile::find(folder).await, Err(Missing::File(_))));
    }

    #[tokio::test]
    async fn routes_in_this_process_answer_like_a_server() {
        use axum::routing::get;
        let router = axum::Router::new().route(
            "/api/v1/runs",
            get(|headers: axum::http::HeaderMap| async move {
                headers["authorization"].to_str().unwrap().to_owned()
            }),
        );
        let reach = Reach::Local(Local { router, token: "t".to_owned() });
        assert_eq!(reach.ask(Ask::get(&["runs"])).await.unwrap(), "Bearer t");
        assert_eq!(reach.ask(Ask::get(&["nothing"])).await.unwrap_err().code(), 1);
    }
}
