//! `connections`: the accounts at providers. Tokens are read and kept in the data folder, whether
//! a server works on it or not; the server notices what changed.

mod callback;
mod known;
mod list;
mod login;
mod test;

use std::sync::Arc;

use anyhow::Context as _;
use postroom_core::Failure;
use postroom_engine::clock::{Clock as _, SystemClock};
use postroom_engine::oauth::{self, Folder, Standing, State};
use postroom_engine::{Connection, Secrets};
use serde::Serialize;

use crate::assemble::{Assembled, assemble};
use crate::cli::Connections;
use crate::exit::{Failed, Said};
use crate::output::{self, Output};
use crate::{config, home};

/// The connections of a project and where their tokens lie.
struct Accounts {
    assembled: Assembled,
    folder: Folder,
}

/// A connection with how its access stands.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    adapter: &'a str,
    #[serde(flatten)]
    state: State,
}

/// Carries out `connections ...`.
pub(super) async fn run(
    command: &Connections,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let assembled = assemble(&loaded)?;
    let folder = Folder::below(&home::Home::of(&loaded, options).0);
    let accounts = Accounts { assembled, folder };
    match command {
        Connections::List => list::run(&accounts.known().await, output),
        Connections::Test { name } => {
            test::run(&accounts.known().await, name.as_deref(), output).await
        }
        Connections::Login(args) => login::run(args, &accounts, output).await,
        Connections::Logout { name } => accounts.logout(name, output),
        Connections::Status { name } => accounts.status(name.as_deref(), output),
    }
}

impl Accounts {
    fn secrets(&self) -> &dyn Secrets {
        &self.assembled.secrets
    }

    /// The connection of a name.
    fn connection(&self, name: &str) -> Result<&Arc<Connection>, Failed> {
        let known = &self.assembled.project.connections;
        known.get(name).ok_or_else(|| {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let hint = match postroom_expr::nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "add it under `connections`".to_owned(),
                None => format!("known: {}", names.join(", ")),
            };
            Failed::usage(format!("there is no connection `{name}`"), &hint)
        })
    }

    fn logout(&self, name: &str, output: &Output) -> Result<(), Failed> {
        let connection = self.connection(name)?;
        let forgot = oauth::logout(&self.folder, name)
            .context("cannot forget the tokens in the data folder")?;
        if output.json {
            return self.status(Some(name), output);
        }
        if !forgot {
            return output.print(&format!("connection `{name}` had no tokens"));
        }
        output.print(&format!("the tokens of connection `{name}` are forgotten"))?;
        output.say(&output::hint(&format!(
            "{} may still list the access; take it back there too",
            connection.adapter
        )));
        Ok(())
    }

    fn status(&self, name: Option<&str>, output: &Output) -> Result<(), Failed> {
        let named = name.map(|name| self.connection(name)).transpose()?;
        let all = self.assembled.project.connections.values();
        let asked = all.filter(|known| named.is_none_or(|named| named.name == known.name));
        let mut rows = Vec::new();
        for connection in asked {
            if !connection.asks_for_tokens(self.secrets()) {
                continue;
            }
            let state = State::on_disk(&self.folder, connection, SystemClock.now_ms());
            let state = state.context("cannot read what is kept of a connection")?;
            rows.push(Row { name: &connection.name, adapter: &connection.adapter, state });
        }
        if output.json {
            let text = serde_json::to_string(&rows).context("cannot write JSON")?;
            return output.print(&text);
        }
        if rows.is_empty() {
            let whose =
                name.map_or("no connection".to_owned(), |name| format!("`{name}` does not"));
            return output.print(&format!("{whose} asks for tokens by OAuth2"));
        }
        let cells = rows.iter().map(|row| {
            let State { state, expires_ms, detail, reconnect, .. } = &row.state;
            let until = expires_ms.map(|at_ms| output.moment.exact(at_ms)).unwrap_or_default();
            let what = reconnect.as_ref().or(detail.as_ref()).cloned().unwrap_or_default();
            let state = output::cell(standing(*state));
            let [name, adapter, until, what] =
                [row.name, row.adapter, &until, &what].map(output::cell);
            vec![name, adapter, state, until, what]
        });
        let head = ["connection", "adapter", "access", "token until", ""];
        output.print(&output.table(&head, cells.collect()))
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Connected => "connected",
        Standing::NotConnected => "not connected",
        Standing::Broken => "broken",
        Standing::Waiting => "waiting",
    }
}

/// A failure of ours as the command line tells it.
fn failed(failure: Failure) -> Failed {
    Failed::Refused(crate::exit::Refused {
        status: 400,
        code: Some(failure.code),
        said: Said { detail: failure.message, hint: failure.hint },
    })
}
