//! How the access of a connection stands, for people.

use serde::Serialize;

use super::keep::{Folder, Kept};
use super::{Held, Trouble};
use crate::project::Connection;

/// How access stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// There is a token, or it takes nobody to get one.
    Connected,
    /// Nobody has allowed access yet.
    NotConnected,
    /// A person has to do something.
    Broken,
    /// A token is asked for again and again; the provider does not give one out now.
    Waiting,
}

/// How access stands, with what is known of it. Holds no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// How it stands.
    pub state: Standing,
    /// When the access token runs out, in milliseconds since 1970, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    /// Whether the next is asked for without a person.
    pub renews: bool,
    /// What was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The provider's word, or ours, for what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What is wrong, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since when, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// The command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect: Option<String>,
}

impl State {
    pub(super) fn of(connection: &Connection, held: &Held, now_ms: i64) -> Self {
        let mut state = Self::kept(connection, held.kept.as_ref(), now_ms);
        if let Some(Trouble { code, detail, since_ms, broken, .. }) = &held.trouble
            && state.state == Standing::Connected
        {
            state.state = if *broken { Standing::Broken } else { Standing::Waiting };
            (state.code, state.detail) = (Some(code.clone()), Some(detail.clone()));
            state.since_ms = Some(*since_ms);
        }
        state.with_command(connection)
    }

    /// How access stands by what is on disk.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn on_disk(folder: &Folder, connection: &Connection, now_ms: i64) -> std::io::Result<Self> {
        let kept = folder.read(&connection.name)?;
        Ok(Self::kept(connection, kept.as_ref(), now_ms).with_command(connection))
    }

    fn kept(connection: &Connection, kept: Option<&Kept>, now_ms: i64) -> Self {
        let person = connection.keeps_tokens();
        let mut state = Self {
            state: Standing::Connected,
            expires_ms: kept.and_then(|kept| kept.expires_ms),
            renews: !person || kept.is_some_and(|kept| kept.refresh.is_some()),
            scope: kept.and_then(|kept| kept.scope.clone()),
            code: None,
            detail: None,
            since_ms: None,
            reconnect: None,
        };
        let broken = kept.and_then(|kept| kept.broken.as_ref());
        if kept.is_none() && person {
            state.state = Standing::NotConnected;
        } else if let Some(broken) = broken {
            state.state = Standing::Broken;
            (state.code, state.detail) = (Some(broken.code.clone()), Some(broken.detail.clone()));
            state.since_ms = Some(broken.since_ms);
        } else if !state.renews && state.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            state.state = Standing::Broken;
            let detail = "the access token has run out, and there is no refresh token";
            state.code = Some("no-refresh-token".to_owned());
            (state.detail, state.since_ms) = (Some(detail.to_owned()), state.expires_ms);
        }
        state
    }

    fn with_command(self, connection: &Connection) -> Self {
        let asks = matches!(self.state, Standing::Broken | Standing::NotConnected);
        let asks = asks && connection.keeps_tokens();
        let command = || format!("postroom connections login {}", connection.name);
        Self { reconnect: asks.then(command), ..self }
    }
}
