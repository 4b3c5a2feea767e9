//! `connections login`: prints the page to open, waits for the browser to come back, and keeps the
//! tokens.

use std::time::Duration;

use anyhow::Context as _;
use postroom_adapters::ACCESS_TOKEN;
use postroom_core::{Failure, problem};
use postroom_engine::clock::SystemClock;
use postroom_engine::oauth::{Login, State};
use postroom_engine::outbound::Http;

use super::callback::{self, Callback};
use super::{Accounts, failed};
use crate::cli;
use crate::exit::Failed;
use crate::output::{self, Output};

/// Where a browser goes that comes back to nobody, unless the command line says otherwise.
const NOBODY: &str = "http://127.0.0.1:8976/callback";

/// Carries out `connections login`.
pub(super) async fn run(
    args: &cli::Login,
    accounts: &Accounts,
    output: &Output,
) -> Result<(), Failed> {
    let connection = accounts.connection(&args.name)?;
    // What lies in Vault alone is known from here on.
    accounts.assembled.secrets.ask().await;
    if connection.oauth.is_some() && !connection.asks_for_tokens(accounts.secrets()) {
        let detail = format!("connection `{}` has a token that was set by hand", args.name);
        let name = connection.credentials.get(ACCESS_TOKEN).map_or(ACCESS_TOKEN, String::as_str);
        let hint = format!("remove {name} from its secrets first; it would be used all the same");
        return Err(Failed::usage(detail, &hint));
    }
    let state = match args.paste {
        true => by_paste(args, accounts, output).await?,
        false => by_callback(args, accounts, output).await?,
    };
    if output.json {
        let text = serde_json::to_string(&state).context("cannot write JSON")?;
        return output.print(&text);
    }
    output.print(&format!("connection `{}` is connected", args.name))?;
    if !state.renews {
        output.say(&output::hint(
            "the provider gave no refresh token: somebody has to log in again when this one runs \
             out",
        ));
    }
    Ok(())
}

fn ask(login: &Login<'_>, output: &Output) {
    output
        .say(&format!("open this address in a browser and allow the access:\n\n{}\n", login.url()));
}

/// The browser comes back to this process.
async fn by_callback(
    args: &cli::Login,
    accounts: &Accounts,
    output: &Output,
) -> Result<State, Failed> {
    let connection = accounts.connection(&args.name)?;
    let mut callback = Callback::listen(args.port).await?;
    let redirect = format!("http://{}{}", callback.address, callback::PATH);
    let login = Login::begin(connection, accounts.secrets(), redirect).map_err(failed)?;
    ask(&login, output);
    let wait = tokio::time::sleep(Duration::from_secs(args.wait));
    tokio::pin!(wait);
    let ended = loop {
        let back = tokio::select! {
            back = callback.back.recv() => back,
            () = &mut wait => None,
        };
        let Some(back) = back else {
            let message = format!("nobody came back within {} seconds", args.wait);
            let failure = Failure::new(problem::LOGIN_FAILED.code, message);
            let hint = "log in again; on a server, use --paste";
            break Err(failure.with_hint(hint));
        };
        let of_this = login.is_answered(&back.fields);
        let ended = match login.code(&back.fields) {
            Ok(code) => finish(&login, &code, accounts).await,
            Err(failure) => Err(failure),
        };
        // Whoever reads the page may have gone.
        let _ = back.told.send(match &ended {
            Ok(_) => {
                Ok("Postroom may act for this account now. You can close this page.".to_owned())
            }
            Err(failure) => Err(failure.message.clone()),
        });
        // Another program of this machine must not be able to end the login.
        if of_this {
            break ended;
        }
    };
    callback.close().await;
    ended.map_err(failed)
}

/// The person brings the address at which the browser ended.
async fn by_paste(
    args: &cli::Login,
    accounts: &Accounts,
    output: &Output,
) -> Result<State, Failed> {
    let connection = accounts.connection(&args.name)?;
    let port = args.port.map(|port| format!("http://127.0.0.1:{port}{}", callback::PATH));
    let redirect = args.redirect.clone().or(port).unwrap_or_else(|| NOBODY.to_owned());
    let login = Login::begin(connection, accounts.secrets(), redirect).map_err(failed)?;
    ask(&login, output);
    output.say("the browser ends at a page that does not load; paste its address here:");
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = line.await.context("cannot read standard input")?;
    let line = line.context("cannot read standard input")?;
    let Ok(address) = reqwest::Url::parse(line.trim()) else {
        let hint = "paste the whole address, from http to its end";
        return Err(Failed::usage("what was pasted is no address", hint));
    };
    let fields: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let code = login.code(&fields).map_err(failed)?;
    finish(&login, &code, accounts).await.map_err(failed)
}

async fn finish(login: &Login<'_>, code: &str, accounts: &Accounts) -> Result<State, Failure> {
    login.finish(code, &Http::default(), &accounts.folder, &SystemClock).await
}
