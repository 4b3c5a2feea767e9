//! `connections test`: one call that changes nothing with each connection, made as a step makes it:
//! the same engine on a store in memory, with the same credentials, guard and reading of answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use postroom_adapters::Probe;
use postroom_core::definition::{Defaults, Mode, Stored};
use postroom_core::{EventId, Failure, Json, parse, run::RunState};
use postroom_engine::clock::SystemClock;
use postroom_engine::outbound::Http;
use postroom_engine::{Arriving, Bell, Connection, Engine, Parts, Project, Settings};
use serde_json::json;

use super::known::Known;
use crate::exit::{self, Failed, Refused, Said};
use crate::output::{self, Output, plain};
use crate::stage;

/// How long the call may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The time between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The event that starts the call.
const EVENT: &str = "POSTROOM_CONNECTION_TEST";

/// What came of a test.
enum Came {
    /// The provider answered as it should.
    Well,
    /// The manifest names no harmless call.
    Untested,
    /// Something is wrong.
    Wrong(Failure),
}

pub(super) async fn run(
    accounts: &Known,
    name: Option<&str>,
    output: &Output,
) -> Result<(), Failed> {
    let mut rows = Vec::new();
    let mut worst = exit::OK;
    for (name, connection) in accounts.named(name)? {
        let came = test(accounts, &connection).await?;
        let (word, why, hint) = match &came {
            Came::Well => ("ok", None, None),
            Came::Untested => {
                let why = format!("adapter `{}` names no call to test with", connection.adapter);
                ("untested", Some(why), None)
            }
            Came::Wrong(failure) => {
                worst = worst.max(code(failure));
                ("failed", Some(failure.message.clone()), failure.hint.clone())
            }
        };
        if !output.json {
            let mark = if word == "failed" { output::bad(word) } else { output::good(word) };
            let why = why.as_ref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
            output.print(&format!("{mark} {}{why}", plain(&name)))?;
            if let Some(hint) = &hint {
                output.say(&output::hint(hint));
            }
        }
        let code = match &came {
            Came::Wrong(failure) => Some(failure.code.as_str()),
            _ => None,
        };
        rows.push(json!({"name": name, "result": word, "code": code, "why": why, "hint": hint}));
    }
    if output.json {
        output.print(&json!({ "data": rows }).to_string())?;
    }
    ended(worst, name)
}

/// How a failure of one ends the command.
fn ended(worst: u8, name: Option<&str>) -> Result<(), Failed> {
    let what = name.map_or("a connection".to_owned(), |name| format!("connection `{name}`"));
    let said = Said { detail: format!("{what} does not work"), hint: None };
    match worst {
        exit::OK => Ok(()),
        exit::UNREACHABLE => Err(Failed::Unreachable(said)),
        exit::USAGE => Err(Failed::Usage(said)),
        _ => Err(Failed::Refused(Refused { status: 424, code: None, said })),
    }
}

fn code(failure: &Failure) -> u8 {
    match failure.code.as_str() {
        "connection/credential-missing" | "adapter/bad-credential" => exit::USAGE,
        "call/not-sent" | "call/no-answer" | "call/timeout" => exit::UNREACHABLE,
        _ => exit::FAILED,
    }
}

async fn test(accounts: &Known, connection: &Connection) -> Result<Came, Failed> {
    let adapter = accounts.project.catalog.adapter(&connection.adapter);
    let Some(probe) = adapter.and_then(|adapter| adapter.probe.as_ref()) else {
        return Ok(Came::Untested);
    };
    let engine = engine(accounts, connection, probe).await?;
    engine.start();
    let arriving = Arriving {
        source: "test".to_owned(),
        kind: EVENT.to_owned(),
        data: Json::from_value(&json!({})),
        key: None,
        correlation: None,
        subject: None,
        time_ms: None,
    };
    let accepted = engine.ingest(arriving).await.map_err(|_| anyhow!("the test cannot begin"))?;
    let came = tokio::time::timeout(PATIENCE, end(&engine, accepted.event)).await;
    engine.stop(Duration::ZERO).await;
    came.unwrap_or_else(|_| {
        let failure = Failure::new("call/timeout", "it did not come to an end in time").with_hint(
            "a limit, a token or a place of secrets makes it wait; `postroom secrets list`",
        );
        Ok(Came::Wrong(failure))
    })
}

/// Waits for the end of the run that an event started.
async fn end(engine: &Engine, event: EventId) -> Result<Came, Failed> {
    loop {
        let found = engine.event(event).await.map_err(|error| anyhow!("{error}"))?;
        let run = found.and_then(|found| found.runs.into_iter().next());
        match run.map(|run| (run.state, run.failure)) {
            Some((RunState::Succeeded, _)) => return Ok(Came::Well),
            Some((RunState::Dead | RunState::Cancelled, failure)) => {
                let none = || Failure::new("run/lost", "it ended without a word");
                return Ok(Came::Wrong(failure.map_or_else(none, |failure| failure.failure)));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

/// An engine whose one workflow makes the call.
async fn engine(
    accounts: &Known,
    connection: &Connection,
    probe: &Probe,
) -> Result<Engine, Failed> {
    let text = format!(
        "workflow: test\non: [{{ event: {EVENT} }}]\nsteps:\n  - id: test\n    uses: {}/{}\n    \
         connection: {}\n    with: {}\n    retry: {{ attempts: 1 }}\n    timeout: 10s\n",
        connection.adapter,
        probe.action,
        serde_json::Value::from(connection.name.as_str()),
        probe.input.text(),
    );
    let stored = Stored::new("connections test".to_owned(), text, Defaults::default());
    let workflow = parse::workflow(&stored)?;
    // A call that changes nothing is made whatever the mode.
    let live = Connection { mode: Mode::Live, ..connection.clone() };
    let connections = BTreeMap::from([(connection.name.clone(), Arc::new(live))]);
    let catalog = Arc::clone(&accounts.project.catalog);
    let project = Project::new(vec![(stored, workflow)], catalog, connections)?;
    let bell = Arc::new(Bell::default());
    let parts = Parts {
        store: stage::empty(Arc::clone(&bell)),
        bell,
        clock: Arc::new(SystemClock),
        secrets: Arc::clone(&accounts.keeper) as _,
        transport: Arc::new(Http::default()),
        tokens: Some(accounts.folder.clone()),
        settings: Settings::default(),
    };
    let engine = Engine::new(parts, project).await;
    Ok(engine.map_err(|error| anyhow!("the test cannot begin: {error}"))?)
}
