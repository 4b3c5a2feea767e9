//! `connections list`: where each connection goes and where its credentials are found.

use serde_json::{Value, json};

use super::known::Known;
use crate::exit::Failed;
use crate::output::{self, Output};

pub(super) fn run(accounts: &Known, output: &Output) -> Result<(), Failed> {
    let rows: Vec<Row> = accounts.project.connections.keys().map(|it| row(accounts, it)).collect();
    if output.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        return output.print(&json!({ "data": rows }).to_string());
    }
    let cells = rows.iter().map(|row| {
        let credentials: Vec<String> = row
            .credentials
            .iter()
            .map(|it| match (&it.from, it.required) {
                (Some(from), _) => format!("{} from {from}", it.env),
                (None, true) => format!("{} is not set", it.env),
                (None, false) => format!("{} is not set (optional)", it.env),
            })
            .collect();
        let url = row.base_url.as_deref().unwrap_or("any");
        [&row.name, &row.adapter, url, row.mode, &credentials.join("; ")].map(output::cell).into()
    });
    let head = ["connection", "adapter", "base URL", "mode", "credentials"];
    output.print(&output.table(&head, cells.collect()))?;
    for fault in accounts.keeper.faults() {
        output.say(&output::hint(&fault.to_string()));
    }
    Ok(())
}

struct Row {
    name: String,
    adapter: String,
    base_url: Option<String>,
    mode: &'static str,
    credentials: Vec<Held>,
}

/// A credential: its name at the adapter, the name of its secret, and where that is found.
struct Held {
    name: String,
    env: String,
    required: bool,
    from: Option<String>,
}

impl Row {
    fn json(&self) -> Value {
        let credentials = self.credentials.iter().map(|it| {
            let (name, secret) = (&it.name, &it.env);
            json!({ "name": name, "secret": secret, "required": it.required, "from": it.from })
        });
        json!({
            "name": self.name,
            "adapter": self.adapter,
            "base_url": self.base_url,
            "mode": self.mode,
            "credentials": credentials.collect::<Vec<_>>(),
        })
    }
}

fn row(accounts: &Known, name: &str) -> Row {
    let connection = &accounts.project.connections[name];
    let adapter = accounts.project.catalog.adapter(&connection.adapter);
    let known = adapter.map(|adapter| adapter.credentials.as_slice()).unwrap_or_default();
    let credentials = connection.credentials.iter().map(|(credential, env)| Held {
        name: credential.clone(),
        env: env.clone(),
        required: known.iter().any(|it| it.name == *credential && it.required),
        from: accounts.keeper.places(env).first().map(|found| found.place.to_string()),
    });
    let own = adapter.and_then(|adapter| adapter.base_url.clone());
    Row {
        name: name.to_owned(),
        adapter: connection.adapter.clone(),
        base_url: connection.base_url.clone().or(own),
        mode: if connection.mode.is_live() { "live" } else { "dry" },
        credentials: credentials.collect(),
    }
}
