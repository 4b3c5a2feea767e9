//! Access tokens of connections by OAuth2: kept, renewed before they run out and when they are
//! refused, by one at a time of all processes that use a data folder. What a provider gives out is
//! on disk before it is used, because the token before it may be worth nothing by then. A
//! connection that a person has to allow anew makes its runs wait; it burns none of their attempts.

mod ask;
mod keep;
mod login;
mod seen;
mod state;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_adapters::{ACCESS_TOKEN, Grant};
use postroom_core::{Failure, Outcome};
use tokio::sync::watch;

use crate::project::Connection;
use crate::secrets::{Secret, Secrets};
use crate::{Engine, Inner};

pub use keep::{Broken, Folder};
pub use login::{Login, logout};
pub use state::{Standing, State};

use keep::{Kept, Stamp};
use seen::{Seen, WithTokens};

/// How long a step waits in place for a token that is being asked for.
const IN_PLACE_MS: i64 = 2_000;

/// The longest that a token is renewed before it runs out; of short-lived ones, the last tenth.
const EARLY_MS: i64 = 60_000;

/// How often somebody looks whether a person has allowed access anew: at first, and at last.
const LOOK_MS: (i64, i64) = (2_000, 15_000);

/// How long a run waits for a place that keeps secrets and does not answer.
const UNREADY_MS: i64 = 5_000;

/// Runs that wait look one after the other, so that a crowd of them does not come back at once.
const APART_MS: i64 = 20;

/// What is known of the accounts of all connections.
pub(crate) struct Accounts {
    folder: Option<Folder>,
    accounts: Mutex<HashMap<String, Arc<Account>>>,
    /// Tokens, to be kept out of what leaves.
    seen: Arc<Seen>,
}

/// What is known of one.
#[derive(Default)]
pub(crate) struct Account(Mutex<Held>);

#[derive(Default)]
struct Held {
    kept: Option<Kept>,
    /// The state of the file that was read.
    stamp: Option<Stamp>,
    /// Given out, and not on disk yet: of no use until it is.
    unwritten: Option<Kept>,
    /// The access token that the provider has refused.
    refused: Option<String>,
    /// Open while somebody asks for a token.
    asking: Option<watch::Receiver<()>>,
    trouble: Option<Trouble>,
    /// Whether it was last said to be broken.
    told: Option<bool>,
    /// The last time that was given to somebody who waits.
    line_ms: i64,
}

/// Why there is no token.
#[derive(Clone)]
struct Trouble {
    code: String,
    detail: String,
    since_ms: i64,
    /// When to ask again; a person has to do something first, if that is not said.
    again_ms: Option<i64>,
    /// How often it has been so, one after the other.
    times: u32,
    /// Whether it is more than a passing fault.
    broken: bool,
}

/// What a look at an account comes to.
enum Looked {
    Good(Secret),
    Ask,
    Wait(i64),
}

impl Accounts {
    /// Those that keep their tokens in this folder, and the secrets with the tokens among them.
    pub fn with(folder: Option<Folder>, secrets: Arc<dyn Secrets>) -> (Self, Arc<dyn Secrets>) {
        let seen = Arc::new(Seen::default());
        let with_tokens = WithTokens { secrets, seen: Arc::clone(&seen) };
        (Self { folder, accounts: Mutex::default(), seen }, Arc::new(with_tokens))
    }

    fn of(&self, connection: &str) -> Arc<Account> {
        let mut accounts = self.accounts.lock();
        match accounts.get(connection) {
            Some(account) => Arc::clone(account),
            None => Arc::clone(accounts.entry(connection.to_owned()).or_default()),
        }
    }
}

impl Connection {
    /// Whether its access tokens come by OAuth2: a token that is set by hand is used instead.
    #[must_use]
    pub fn asks_for_tokens(&self, secrets: &dyn Secrets) -> bool {
        let by_hand = || self.credentials.get(ACCESS_TOKEN).and_then(|name| secrets.get(name));
        self.oauth.is_some() && by_hand().is_none()
    }

    fn keeps_tokens(&self) -> bool {
        self.oauth.as_ref().is_some_and(|oauth| oauth.grant == Grant::AuthorizationCode)
    }
}

/// The access token of a connection.
///
/// # Errors
/// The step waits, because there is none now; or it is refused, because there can be none.
pub(crate) async fn access(inner: &Arc<Inner>, connection: &Connection) -> Result<Secret, Outcome> {
    let account = inner.accounts.of(&connection.name);
    let latest_ms = inner.clock.now_ms().saturating_add(IN_PLACE_MS);
    loop {
        let mut asked = {
            let mut held = account.0.lock();
            match held.look(inner, connection) {
                Looked::Good(token) => return Ok(token),
                Looked::Wait(until_ms) => return Err(Outcome::Wait { until_ms }),
                Looked::Ask => held.ask(inner, connection, &account)?,
            }
        };
        tokio::select! {
            biased;
            // It closes once the answer is written down.
            _ = asked.changed() => {}
            () = inner.clock.sleep_until(latest_ms) => {
                let mut held = account.0.lock();
                let now_ms = inner.clock.now_ms();
                if let Some(token) = held.usable(now_ms, false) {
                    return Ok(Secret::new(token));
                }
                return Err(Outcome::Wait { until_ms: held.turn(now_ms + LOOK_MS.0) });
            }
        }
    }
}

/// Notes that the provider has refused a token, so that the next is asked for.
pub(crate) fn refuse(inner: &Inner, connection: &Connection, token: &Secret) {
    let account = inner.accounts.of(&connection.name);
    account.0.lock().refused = Some(token.expose().to_owned());
}

impl Held {
    /// What there is, with the file as it is now.
    fn look(&mut self, inner: &Inner, connection: &Connection) -> Looked {
        let now_ms = inner.clock.now_ms();
        if connection.keeps_tokens() && self.unwritten.is_none() {
            self.reread(inner, connection);
        }
        if let Some(token) = self.usable(now_ms, true).map(Secret::new) {
            self.works(inner, connection);
            return Looked::Good(token);
        }
        if connection.keeps_tokens() && self.unwritten.is_none() {
            if self.kept.as_ref().is_some_and(|kept| kept.refresh.is_none())
                && let Some(token) = self.usable(now_ms, false).map(Secret::new)
            {
                return Looked::Good(token);
            }
            self.needs_a_person(inner, connection, now_ms);
        }
        match &self.trouble {
            Some(Trouble { again_ms: None, since_ms, .. }) => {
                let look_ms = ((now_ms - since_ms) / 20).clamp(LOOK_MS.0, LOOK_MS.1);
                Looked::Wait(self.turn(now_ms + look_ms))
            }
            Some(Trouble { again_ms: Some(again_ms), .. }) if *again_ms > now_ms => {
                let again_ms = *again_ms;
                // While nobody gives out the next, it is used to its end.
                match self.usable(now_ms, false).map(Secret::new) {
                    Some(token) => Looked::Good(token),
                    None => Looked::Wait(self.turn(again_ms)),
                }
            }
            _ => Looked::Ask,
        }
    }

    /// The token, unless it has run out or, if that matters, is about to.
    fn usable(&self, now_ms: i64, early: bool) -> Option<&str> {
        let kept = self.kept.as_ref()?;
        if kept.access.is_empty() || self.refused.as_deref() == Some(&kept.access) {
            return None;
        }
        let expires_ms = kept.expires_ms.unwrap_or(i64::MAX);
        let early_ms = (expires_ms.saturating_sub(kept.since_ms) / 10).clamp(0, EARLY_MS);
        let early_ms = if early { early_ms } else { 0 };
        (now_ms < expires_ms.saturating_sub(early_ms)).then_some(&kept.access)
    }

    /// Takes over what another process has kept, or a person.
    fn reread(&mut self, inner: &Inner, connection: &Connection) {
        let Some(folder) = &inner.accounts.folder else { return };
        let stamp = folder.stamp(&connection.name);
        if stamp == self.stamp {
            return;
        }
        match folder.read(&connection.name) {
            Ok(kept) => {
                kept.iter().for_each(|kept| inner.accounts.seen.add(kept));
                (self.kept, self.stamp, self.trouble) = (kept, stamp, None);
            }
            Err(error) => {
                (self.kept, self.stamp) = (None, stamp);
                let code = "tokens-unreadable";
                self.fails(inner, connection, code, &error.to_string(), None);
            }
        }
    }

    /// Says so where nothing helps but a person.
    fn needs_a_person(&mut self, inner: &Inner, connection: &Connection, now_ms: i64) {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.again_ms.is_none()) {
            return;
        }
        let since_ms = self.kept.as_ref().and_then(|kept| kept.broken.as_ref());
        let since_ms = since_ms.map_or(now_ms, |broken| broken.since_ms);
        let (code, detail) = match &self.kept {
            None => ("not-connected", "nobody has allowed access yet".to_owned()),
            Some(Kept { broken: Some(broken), .. }) => {
                (broken.code.as_str(), broken.detail.clone())
            }
            Some(Kept { refresh: None, .. }) => {
                let detail = "the access token is no longer good, and there is no refresh token";
                ("no-refresh-token", detail.to_owned())
            }
            Some(_) => return,
        };
        let code = code.to_owned();
        self.fails(inner, connection, &code, &detail, None);
        if let Some(trouble) = &mut self.trouble {
            trouble.since_ms = since_ms;
        }
    }

    /// A time not before `due_ms`, after everybody who waits already.
    fn turn(&mut self, due_ms: i64) -> i64 {
        self.line_ms = due_ms.max(self.line_ms.saturating_add(APART_MS));
        self.line_ms
    }

    /// Has a token asked for, unless that is under way.
    fn ask(
        &mut self,
        inner: &Arc<Inner>,
        connection: &Connection,
        account: &Arc<Account>,
    ) -> Result<watch::Receiver<()>, Outcome> {
        // One that broke off left a closed channel.
        if let Some(asking) = self.asking.as_ref().filter(|asking| asking.has_changed().is_ok()) {
            return Ok(asking.clone());
        }
        client(connection, &*inner.secrets).map_err(|failure| match inner.secrets.unready() {
            // It may well be there.
            Some(_) => Outcome::Wait { until_ms: self.turn(inner.clock.now_ms() + UNREADY_MS) },
            None => Outcome::Refused { failure: *failure },
        })?;
        let (done, asking) = watch::channel(());
        // A step may be cut off; what a provider has given out by then must still be kept.
        let asks =
            ask::ask(Arc::clone(inner), Box::new(connection.clone()), Arc::clone(account), done);
        inner.tasks.spawn(asks);
        Ok(self.asking.insert(asking).clone())
    }

    /// There is a token.
    fn works(&mut self, inner: &Inner, connection: &Connection) {
        self.trouble = None;
        let told = self.told.replace(false);
        if told != Some(false) {
            inner.signals.connection_broken(&connection.name, false);
            self.line_ms = 0;
        }
        if told == Some(true) {
            tracing::info!(connection = connection.name, "the connection works again");
        }
    }

    /// There is none. It is told once, not by every run that waits.
    fn fails(
        &mut self,
        inner: &Inner,
        connection: &Connection,
        code: &str,
        detail: &str,
        again: Option<(i64, bool)>,
    ) {
        let clean = |text: &str| inner.redaction.clean(text.to_owned());
        let now_ms = inner.clock.now_ms();
        let (code, detail) = (clean(code), clean(detail));
        let before = self.trouble.take();
        let same = before.filter(|before| before.code == code);
        let (times, since_ms) =
            same.as_ref().map_or((1, now_ms), |same| (same.times.saturating_add(1), same.since_ms));
        let broken = again.is_none_or(|(_, broken)| broken);
        if same.is_none() && broken {
            let name = &connection.name;
            tracing::error!(
                connection = name,
                adapter = connection.adapter,
                code,
                "connection `{name}` is broken and its runs wait: {detail}; {}",
                reconnect(connection, again.is_some()),
            );
        } else if !broken {
            let name = &connection.name;
            tracing::warn!(connection = name, code, times, "no access token yet: {detail}");
        }
        self.told = Some(broken);
        inner.signals.connection_broken(&connection.name, broken);
        let again_ms = again.map(|(again_ms, _)| again_ms);
        self.trouble = Some(Trouble { code, detail, since_ms, again_ms, times, broken });
    }
}

/// What a person does about a connection that is broken.
fn reconnect(connection: &Connection, client: bool) -> String {
    let login = format!("`postroom connections login {}`", connection.name);
    let what = match (client, connection.keeps_tokens()) {
        (false, _) => format!("reconnect it: {login}"),
        (true, true) => format!("check the client's id and secret, or reconnect it: {login}"),
        (true, false) => "check the client's id and secret".to_owned(),
    };
    match connection.credentials.get(ACCESS_TOKEN) {
        Some(by_hand) => format!("{what}; or set {by_hand}, a token made by hand"),
        None => what,
    }
}

/// The client's own credentials.
///
/// # Errors
/// One is not set.
pub(crate) fn client(
    connection: &Connection,
    secrets: &dyn Secrets,
) -> Result<(Secret, Option<Secret>), Box<Failure>> {
    let missing = |credential: &str| {
        let name = connection.credentials.get(credential).map_or("", String::as_str);
        let message =
            format!("connection `{}` has no `{credential}`: `{name}` is not set", connection.name);
        let mut hint = format!(
            "set {name} in the environment, in .env or with `postroom secrets set {name}`, then \
             redrive"
        );
        if let Some(by_hand) = connection.credentials.get(ACCESS_TOKEN) {
            hint = format!("{hint}; or set {by_hand}, a token made by hand");
        }
        let failure = Failure::new("connection/credential-missing", message);
        Box::new(failure.with_hint(hint))
    };
    let get = |credential: &str| {
        let name = connection.credentials.get(credential);
        name.and_then(|name| secrets.get(name)).ok_or_else(|| missing(credential))
    };
    let Some(oauth) = &connection.oauth else { return Err(missing(ACCESS_TOKEN)) };
    let secret = oauth.client_secret.as_deref().map(get).transpose()?;
    Ok((get(&oauth.client_id)?, secret))
}

impl Engine {
    /// How a connection's access stands; `None` where its credentials are set by hand.
    #[must_use]
    pub fn access_state(&self, connection: &Connection) -> Option<State> {
        let inner = &*self.inner;
        if !connection.asks_for_tokens(&*inner.secrets) {
            return None;
        }
        let account = inner.accounts.of(&connection.name);
        let mut held = account.0.lock();
        if connection.keeps_tokens() && held.unwritten.is_none() {
            held.reread(inner, connection);
        }
        Some(State::of(connection, &held, inner.clock.now_ms()))
    }
}
