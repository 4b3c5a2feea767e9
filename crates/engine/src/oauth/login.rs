//! A person allows access: the page to open, what comes back from it, and the tokens for that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postroom_adapters::{Ask, Client, Grant, NoTokens, OAuth};
use postroom_core::{Failure, problem};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::ask::{exchange, merge};
use super::keep::Folder;
use super::{State, client};
use crate::clock::Clock;
use crate::outbound::Transport;
use crate::project::Connection;
use crate::secrets::{Secret, Secrets, redact};

/// A login under way.
pub struct Login<'a> {
    connection: &'a Connection,
    oauth: &'a OAuth,
    secrets: &'a dyn Secrets,
    client: (Secret, Option<Secret>),
    redirect: String,
    state: String,
    verifier: String,
}

/// Bytes of a proof key and of a state; 43 characters, the least that RFC 7636 allows.
const CHANCE_BYTES: usize = 32;

fn chance() -> Result<String, Failure> {
    let mut bytes = [0; CHANCE_BYTES];
    let failed = |_| Failure::new(problem::LOGIN_FAILED.code, "the system gives no random numbers");
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn refused(message: String, hint: &str) -> Failure {
    Failure::new(problem::LOGIN_FAILED.code, message).with_hint(hint)
}

impl<'a> Login<'a> {
    /// Begins. The person comes back to `redirect`.
    ///
    /// # Errors
    /// The connection has no OAuth2, nobody has to be asked, or the client's credentials are not
    /// set.
    pub fn begin(
        connection: &'a Connection,
        secrets: &'a dyn Secrets,
        redirect: String,
    ) -> Result<Self, Failure> {
        let name = &connection.name;
        let Some(oauth) = &connection.oauth else {
            let message = format!(
                "connection `{name}` has no OAuth2: adapter `{}` says nothing of it",
                connection.adapter
            );
            return Err(refused(message, "set its credentials in the environment or in .env"));
        };
        if oauth.grant == Grant::ClientCredentials {
            let message = format!("connection `{name}` asks for its tokens itself");
            return Err(refused(message, "set its credentials; there is nothing to log in to"));
        }
        let client = client(connection, secrets).map_err(|failure| match secrets.unready() {
            // It may well be there.
            Some(why) => {
                let message = format!("{}, and not every place was read: {why}", failure.message);
                Failure::new(failure.code, message)
                    .with_hint("see to it, or set it in the environment, and log in again")
            }
            None => failure.with_hint("set it in the environment or in .env, and log in again"),
        })?;
        let (state, verifier) = (chance()?, chance()?);
        Ok(Self { connection, oauth, secrets, client, redirect, state, verifier })
    }

    /// The page to open.
    #[must_use]
    pub fn url(&self) -> String {
        let page = self.oauth.authorize_url(
            self.client.0.expose(),
            &self.redirect,
            &self.state,
            &self.verifier,
        );
        page.unwrap_or_default()
    }

    /// Whether the fields that a browser came back with belong to this login.
    #[must_use]
    pub fn is_answered(&self, fields: &[(String, String)]) -> bool {
        // Only who knows the state can make a browser come back with it. Digests are compared, so
        // that the time it takes says nothing of how much was right.
        let digest = |text: &str| digest(&SHA256, text.as_bytes());
        let state = fields.iter().find(|(name, _)| name == "state");
        state.is_some_and(|(_, state)| digest(state).as_ref() == digest(&self.state).as_ref())
    }

    /// The code among the fields that a browser came back with.
    ///
    /// # Errors
    /// It is the answer to another login, or access was not allowed.
    pub fn code(&self, fields: &[(String, String)]) -> Result<String, Failure> {
        let field = |name: &str| {
            let found = fields.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        if !self.is_answered(fields) {
            let message = "what came back belongs to another login".to_owned();
            return Err(refused(message, "open the address that this login printed"));
        }
        if let Some(error) = field("error") {
            let said = field("error_description").unwrap_or("no reason is given");
            let message = redact(self.secrets, format!("access was not allowed: {error}: {said}"));
            return Err(refused(message, "log in again and allow it"));
        }
        let missing = || refused("nothing came back to log in with".to_owned(), "log in again");
        field("code").map(str::to_owned).ok_or_else(missing)
    }

    /// Exchanges a code for tokens and keeps them. They are on disk when this returns.
    ///
    /// # Errors
    /// The provider gives out none, or they cannot be written down.
    pub async fn finish(
        &self,
        code: &str,
        transport: &dyn Transport,
        folder: &Folder,
        clock: &dyn Clock,
    ) -> Result<State, Failure> {
        let name = &self.connection.name;
        let (id, secret) = &self.client;
        let client = Client { id: id.expose(), secret: secret.as_ref().map(Secret::expose) };
        let ask = Ask::Code { code, redirect: &self.redirect, verifier: &self.verifier };
        let now_ms = clock.now_ms();
        let answer = exchange(transport, self.connection, self.oauth, (client, ask)).await;
        let answer = answer.map_err(|none| {
            if let Some(failure) = none.for_good {
                return failure;
            }
            let message = format!("{} does not answer: {}", self.oauth.token, none.detail);
            refused(redact(self.secrets, message), "look whether it can be reached from here")
        })?;
        let tokens = OAuth::read(&answer).map_err(|none| {
            let (NoTokens::Again { code: word, detail, .. }
            | NoTokens::Ended { code: word, detail }
            | NoTokens::Refused { code: word, detail }) = none;
            let said = match detail.is_empty() {
                true => String::new(),
                false => format!(": {}", detail.replace(code, "***")),
            };
            let message = format!("the provider gives out no token: {word}{said}");
            refused(
                redact(self.secrets, message),
                "check the client's id and secret, and log in \
                 again",
            )
        })?;
        let kept = merge(tokens, None, now_ms);
        let unwritten = |error: std::io::Error| {
            let message = format!("the tokens of connection `{name}` cannot be kept: {error}");
            refused(message, "look at the data folder and log in again")
        };
        let lock = folder.lock(name).map_err(unwritten)?;
        folder.write(name, &kept, &lock).map_err(unwritten)?;
        State::on_disk(folder, self.connection, now_ms).map_err(unwritten)
    }
}

/// Forgets the tokens of a connection. Says whether there were any.
///
/// # Errors
/// The data folder cannot be written.
pub fn logout(folder: &Folder, connection: &str) -> std::io::Result<bool> {
    let lock = folder.lock(connection)?;
    folder.forget(connection, &lock)
}
