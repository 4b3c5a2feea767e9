//! Asking for a token: under the lock of the connection, and after a look at what another process
//! may have kept meanwhile.

use std::sync::Arc;

use postroom_adapters::{Ask, Client, HttpResponse, NoTokens, OAuth, Tokens};
use tokio::sync::watch;

use super::keep::{Broken, Folder, Kept, Lock};
use super::{Account, client};
use crate::Inner;
use crate::outbound::{Answered, NoAnswer, Transport};
use crate::project::Connection;

/// How long the answer to a request for a token may take.
const TIMEOUT_MS: u64 = 20_000;

/// The first wait after a passing fault, and the longest; each is twice the one before.
const BACKOFF_MS: (i64, i64) = (1_000, 60_000);

/// The wait after a refusal that a person has to look into.
const REFUSED_MS: i64 = 60_000;

/// Why there is no token, with the time of the next try.
struct Failed {
    code: String,
    detail: String,
    after_ms: Option<u64>,
    /// Whether a person has to look into it.
    broken: bool,
}

impl Failed {
    fn passing(code: &str, detail: String) -> Self {
        Self { code: code.to_owned(), detail, after_ms: None, broken: false }
    }
}

/// Asks for a token; whoever waits for it hears of it by `done`, which is dropped at the end.
pub(super) async fn ask(
    inner: Arc<Inner>,
    connection: Box<Connection>,
    account: Arc<Account>,
    done: watch::Sender<()>,
) {
    let asked = match connection.keeps_tokens() {
        true => renew(&inner, &connection, &account).await,
        false => for_itself(&inner, &connection, &account).await,
    };
    if let Err(Failed { code, detail, after_ms, broken }) = asked {
        let mut held = account.0.lock();
        let times = held.trouble.as_ref().filter(|before| before.code == code);
        let times = times.map_or(0, |before| before.times);
        let wait_ms = match after_ms.and_then(|ms| i64::try_from(ms).ok()) {
            Some(asked_ms) => asked_ms,
            None if broken => REFUSED_MS,
            None => (BACKOFF_MS.0 << times.min(6)).min(BACKOFF_MS.1),
        };
        let again_ms = inner.clock.now_ms().saturating_add(wait_ms);
        held.fails(&inner, &connection, &code, &detail, Some((again_ms, broken)));
    }
    drop(done);
}

/// A token for a client that acts for itself. It is not kept: another costs nothing.
async fn for_itself(
    inner: &Inner,
    connection: &Connection,
    account: &Account,
) -> Result<(), Failed> {
    let now_ms = inner.clock.now_ms();
    let tokens = match send(inner, connection, Ask::ClientCredentials).await? {
        Ok(tokens) => tokens,
        // Nobody has allowed anything that could have ended.
        Err(NoTokens::Ended { code, detail }) => return Err(refused(&code, detail)),
        Err(other) => return Err(of(other)),
    };
    let kept = Kept { refresh: None, ..merge(tokens, None, now_ms) };
    inner.accounts.seen.add(&kept);
    let mut held = account.0.lock();
    held.works(inner, connection);
    (held.kept, held.refused) = (Some(kept), None);
    Ok(())
}

/// The next token for the refresh token.
async fn renew(inner: &Inner, connection: &Connection, account: &Account) -> Result<(), Failed> {
    let Some(folder) = inner.accounts.folder.clone() else {
        let detail = "there is no folder to keep tokens in".to_owned();
        return Err(Failed::passing("tokens-unwritable", detail));
    };
    let lock = lock(&folder, &connection.name).await?;
    let unwritten = account.0.lock().unwritten.clone();
    if let Some(kept) = unwritten {
        return write(inner, connection, account, (&folder, &lock), kept);
    }
    let refresh = {
        let mut held = account.0.lock();
        let before = held.kept.clone();
        held.reread(inner, connection);
        let now_ms = inner.clock.now_ms();
        // Whoever had the lock before may have stored the next one, or found that access has ended.
        if held.kept != before && held.usable(now_ms, true).is_some() {
            held.works(inner, connection);
            return Ok(());
        }
        held.kept.as_ref().and_then(|kept| kept.refresh.clone())
    };
    // The next look says what to do without one.
    let Some(refresh) = refresh else { return Ok(()) };
    let now_ms = inner.clock.now_ms();
    let tokens = match send(inner, connection, Ask::Refresh { token: &refresh }).await? {
        Ok(tokens) => tokens,
        Err(NoTokens::Ended { code, detail }) => {
            let clean = |text: String| inner.redaction.clean(text);
            let broken = Broken { code: clean(code), detail: clean(detail), since_ms: now_ms };
            let kept = Kept::ended(&broken);
            return write(inner, connection, account, (&folder, &lock), kept);
        }
        Err(other) => return Err(of(other)),
    };
    let before = account.0.lock().kept.clone();
    let kept = merge(tokens, before.as_ref(), now_ms);
    inner.accounts.seen.add(&kept);
    write(inner, connection, account, (&folder, &lock), kept)
}

/// Puts on disk what was given out; only then it is used.
fn write(
    inner: &Inner,
    connection: &Connection,
    account: &Account,
    (folder, lock): (&Folder, &Lock),
    kept: Kept,
) -> Result<(), Failed> {
    // One small file, seldom: a thread of its own would cost more.
    let written = folder.write(&connection.name, &kept, lock);
    let mut held = account.0.lock();
    if let Err(error) = written {
        held.unwritten = Some(kept);
        let detail = format!("a token was given out and cannot be written down: {error}");
        return Err(Failed::passing("tokens-unwritable", detail));
    }
    held.unwritten = None;
    if kept.broken.is_none() {
        held.works(inner, connection);
    }
    (held.kept, held.refused) = (Some(kept), None);
    held.stamp = folder.stamp(&connection.name);
    Ok(())
}

async fn lock(folder: &Folder, connection: &str) -> Result<Lock, Failed> {
    let (folder, name) = (folder.clone(), connection.to_owned());
    let locked = tokio::task::spawn_blocking(move || folder.lock(&name)).await;
    let unwritable = |why: String| Failed::passing("tokens-unwritable", why);
    match locked {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(error)) => Err(unwritable(error.to_string())),
        Err(error) => Err(unwritable(error.to_string())),
    }
}

async fn send(
    inner: &Inner,
    connection: &Connection,
    ask: Ask<'_>,
) -> Result<Result<Tokens, NoTokens>, Failed> {
    let missing = |failure: Box<postroom_core::Failure>| refused(&failure.code, failure.message);
    let (id, secret) = client(connection, &*inner.secrets).map_err(missing)?;
    let Some(oauth) = &connection.oauth else { return Ok(Err(gone())) };
    let client =
        Client { id: id.expose(), secret: secret.as_ref().map(crate::secrets::Secret::expose) };
    let answered = exchange(&*inner.transport, connection, oauth, (client, ask)).await;
    let failed = |none: NoAnswer| match none.for_good {
        Some(failure) => {
            let hint = failure.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            refused(&failure.code, format!("{}{hint}", failure.message))
        }
        None => Failed::passing("no-answer", none.detail),
    };
    answered.map_err(failed).map(|response| OAuth::read(&response))
}

/// Sends a request for a token.
pub(super) async fn exchange(
    transport: &dyn Transport,
    connection: &Connection,
    oauth: &OAuth,
    (client, ask): (Client<'_>, Ask<'_>),
) -> Result<HttpResponse, NoAnswer> {
    let request = oauth.token_request(client, ask);
    match transport.ask(request, TIMEOUT_MS, connection).await? {
        Answered::Response(response) => Ok(response),
        Answered::Result(_) => {
            let response = HttpResponse { status: 500, headers: Vec::new(), body: Vec::new() };
            Ok(response)
        }
    }
}

/// What is kept of tokens that were given out.
pub(super) fn merge(tokens: Tokens, before: Option<&Kept>, now_ms: i64) -> Kept {
    let lasts_ms = tokens.lasts_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    Kept {
        expires_ms: lasts_ms.map(|ms| now_ms.saturating_add(ms)),
        refresh: tokens.refresh.or_else(|| before?.refresh.clone()),
        scope: tokens.scope.or_else(|| before?.scope.clone()),
        ..Kept::new(tokens.access, now_ms)
    }
}

fn of(none: NoTokens) -> Failed {
    match none {
        NoTokens::Again { after_ms, code, detail } => {
            Failed { after_ms, ..Failed::passing(&code, said(detail)) }
        }
        NoTokens::Ended { code, detail } | NoTokens::Refused { code, detail } => {
            refused(&code, detail)
        }
    }
}

fn refused(code: &str, detail: String) -> Failed {
    Failed { broken: true, ..Failed::passing(code, said(detail)) }
}

fn gone() -> NoTokens {
    NoTokens::Refused { code: "no-oauth".to_owned(), detail: String::new() }
}

fn said(detail: String) -> String {
    if detail.is_empty() { "the provider does not say why".to_owned() } else { detail }
}
