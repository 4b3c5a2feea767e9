//! Secrets in HashiCorp Vault or OpenBao: one document of a KV engine of version 2, each of its
//! keys a name. Read at the start, then again and again, and before the token runs out; what was
//! read last stays in use while Vault does not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::{Problem, problem};
use postroom_engine::clock::{Clock as _, SystemClock};
use postroom_engine::{Secrets as _, outbound};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Keeper;
use crate::config::{Login, VaultEntry};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The wait after an answer that did not come.
const AGAIN: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// What Vault said last.
#[derive(Clone, Default)]
pub(super) struct State {
    /// The document's keys.
    pub values: BTreeMap<String, String>,
    /// The token of a login.
    pub token: Option<String>,
    /// Why it could not be asked.
    pub fault: Option<Problem>,
    /// Where it is.
    pub at: String,
}

/// Asks Vault.
pub(super) struct Vault {
    entry: VaultEntry,
    at: String,
    /// Made at the first question.
    client: Mutex<Option<reqwest::Client>>,
    token: Mutex<Option<Token>>,
    last: Mutex<State>,
    wake: Notify,
}

/// A token of a login, and when it runs out.
#[derive(Clone)]
struct Token {
    text: String,
    until_ms: i64,
}

/// Who we say we are: by a token, or by a login at a mount.
enum Who {
    Token(String),
    Login(String, Value),
}

/// Why there is no answer.
enum Unanswered {
    /// It does not accept who we are.
    Denied(String),
    Other(String),
}

#[derive(Deserialize)]
struct Document {
    data: Inner,
}

#[derive(Deserialize)]
struct Inner {
    data: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    lease_duration: u64,
}

impl Vault {
    pub fn new(entry: VaultEntry) -> Self {
        let at = format!("{}/{}/{}", entry.address, entry.mount, entry.path);
        let fault = Problem::new(&problem::VAULT, format!("Vault at {at} was not asked yet"));
        let last = State { fault: Some(fault), at: at.clone(), ..State::default() };
        let (client, token) = (Mutex::default(), Mutex::default());
        Self { entry, at, client, token, last: Mutex::new(last), wake: Notify::new() }
    }

    /// Where the document is.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Asks without waiting any longer.
    pub fn ask_now(&self) {
        self.wake.notify_one();
    }

    /// Waits until it is time to ask, or somebody wants to.
    pub async fn wait(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.wake.notified() => {}
        }
    }

    /// Reads the document; says after how long to ask again.
    pub async fn ask(&self, keeper: &Keeper) -> (State, Duration) {
        let mut answer = self.document(keeper).await;
        // A token may have been taken back before its time.
        if matches!(answer, Err(Unanswered::Denied(_))) && self.token.lock().take().is_some() {
            answer = self.document(keeper).await;
        }
        let mut state = self.last.lock().clone();
        state.token = self.token.lock().as_ref().map(|token| token.text.clone());
        let wait = match answer {
            Ok(values) => {
                (state.values, state.fault) = (values, None);
                Duration::from_millis(self.entry.refresh_ms)
            }
            Err(Unanswered::Denied(why) | Unanswered::Other(why)) => {
                let detail = format!("Vault at {}: {why}", self.at);
                state.fault = Some(Problem::new(&problem::VAULT, detail));
                AGAIN
            }
        };
        *self.last.lock() = state.clone();
        (state, wait)
    }

    async fn document(&self, keeper: &Keeper) -> Result<BTreeMap<String, String>, Unanswered> {
        let token = self.token(keeper).await?;
        let url =
            format!("{}/v1/{}/data/{}", self.entry.address, self.entry.mount, self.entry.path);
        let request = self.client()?.get(url).header("x-vault-token", token);
        let document: Document = self.answer(request).await?;
        let values = document.data.data.unwrap_or_default().into_iter();
        Ok(values
            .filter_map(|(name, value)| match value {
                Value::String(text) => Some((name, text)),
                Value::Number(number) => Some((name, number.to_string())),
                _ => None,
            })
            .collect())
    }

    /// The token that was given, or that of a login which has not run out.
    async fn token(&self, keeper: &Keeper) -> Result<String, Unanswered> {
        let value = |name: &str| keeper.get(name).map(|secret| secret.expose().to_owned());
        let fits = |login: &Login| match login {
            Login::Token(name) => value(name).map(Who::Token),
            Login::AppRole { mount, role_id, secret_id } => {
                let body = json!({"role_id": value(role_id)?, "secret_id": value(secret_id)?});
                Some(Who::Login(mount.clone(), body))
            }
            Login::Kubernetes { mount, role, token_file } => {
                let jwt = std::fs::read_to_string(token_file).ok()?;
                Some(Who::Login(mount.clone(), json!({"role": role, "jwt": jwt.trim()})))
            }
        };
        let (mount, body) = match self.entry.logins.iter().find_map(fits) {
            Some(Who::Token(token)) => return Ok(token),
            Some(Who::Login(mount, body)) => (mount, body),
            None => {
                let names: Vec<String> = self.entry.logins.iter().flat_map(Login::names).collect();
                let why = format!("what a login needs is not there ({})", names.join(", "));
                return Err(Unanswered::Other(why));
            }
        };
        let now_ms = SystemClock.now_ms();
        if let Some(token) = self.token.lock().clone().filter(|token| token.until_ms > now_ms) {
            return Ok(token.text);
        }
        let url = format!("{}/v1/auth/{mount}/login", self.entry.address);
        let login = self.client()?.post(url).header("content-type", "application/json");
        let LoggedIn { auth } = self.answer(login.body(body.to_string())).await?;
        // A new one is asked for when two thirds of its time are over; 0 does not run out.
        let lease_ms = i64::try_from(auth.lease_duration.saturating_mul(667)).unwrap_or(i64::MAX);
        let until_ms = if lease_ms == 0 { i64::MAX } else { now_ms.saturating_add(lease_ms) };
        *self.token.lock() = Some(Token { text: auth.client_token.clone(), until_ms });
        Ok(auth.client_token)
    }

    fn client(&self) -> Result<reqwest::Client, Unanswered> {
        let mut held = self.client.lock();
        if let Some(client) = &*held {
            return Ok(client.clone());
        }
        let broken = |error: &dyn std::fmt::Display| Unanswered::Other(error.to_string());
        let builder = outbound::client().map_err(|error| broken(&error))?;
        let made = builder.timeout(PATIENCE).build().map_err(|error| broken(&error))?;
        *held = Some(made.clone());
        Ok(made)
    }

    async fn answer<T: serde::de::DeserializeOwned>(
        &self,
        mut request: reqwest::RequestBuilder,
    ) -> Result<T, Unanswered> {
        if let Some(namespace) = &self.entry.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        // Only the kind of fault: the text of one may repeat what was sent.
        let response = request.send().await.map_err(|error| {
            let why =
                if error.is_timeout() { "it does not answer in time" } else { "no connection" };
            Unanswered::Other(why.to_owned())
        })?;
        match response.status().as_u16() {
            200 => {}
            400 | 401 | 403 => {
                let why = "it does not accept the token or login, or does not let it read there";
                return Err(Unanswered::Denied(why.to_owned()));
            }
            404 => {
                let why = "there is nothing at this mount and path; the mount must be a KV engine \
                           of version 2";
                return Err(Unanswered::Other(why.to_owned()));
            }
            503 => return Err(Unanswered::Other("it is sealed".to_owned())),
            status => return Err(Unanswered::Other(format!("it answers {status}"))),
        }
        let strange = || Unanswered::Other("it answers what a KV engine does not".to_owned());
        let bytes = response.bytes().await.map_err(|_| strange())?;
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(strange());
        }
        serde_json::from_slice(&bytes).map_err(|_| strange())
    }
}
