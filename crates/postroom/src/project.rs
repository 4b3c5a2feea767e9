//! A project opened: everything read and checked, the store open, the engine built, not started.
//! `serve` starts it; other commands call the server's routes over it in this process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use postroom_core::{Problem, problem};
use postroom_engine::clock::SystemClock;
use postroom_engine::oauth::Folder;
use postroom_engine::outbound::Http;
use postroom_engine::{Bell, Clock, Engine, Parts, Project, Retention, Settings, Source};
use postroom_server::{AdminToken, Options};
use postroom_store::Store;
use postroom_store::sqlite::Sqlite;

use crate::assemble::{Assembled, assemble};
use crate::config::{self, Config, Loaded};
use crate::exit::Failed;
use crate::home::{self, Home};
use crate::secrets::Keeper;
use crate::{intake, stage};

/// A project with its engine, not started.
pub(crate) struct Opened {
    /// The engine.
    pub engine: Engine,
    /// The credentials it knows.
    pub secrets: Arc<Keeper>,
    /// Whether provider calls are answered from recorded examples.
    pub sandbox: bool,
    /// Where events come in.
    pub sources: Vec<Arc<Source>>,
    /// What has to be said, one sentence each.
    pub notes: Vec<String>,
    /// The data folder.
    pub home: Home,
    /// The configuration.
    pub config: Config,
}

/// The API of a project, in this process.
pub(crate) struct Local {
    /// The routes of the server.
    pub router: axum::Router,
    /// The admin token of this opening.
    pub token: String,
}

/// Why a project could not be opened here.
pub(crate) enum Unopened {
    /// Another process has the data folder.
    Locked {
        /// The data folder.
        folder: PathBuf,
    },
    /// The configuration or a workflow has problems.
    Problems(Vec<Problem>),
    /// The store cannot be opened.
    Store(anyhow::Error),
}

impl From<Vec<Problem>> for Unopened {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

impl From<Unopened> for Failed {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Locked { folder } => {
                let detail = format!("another Postroom process works on {}", folder.display());
                let hint = "stop it, or use another folder with --data";
                Self::Problems(vec![Problem::new(&problem::STORE_LOCKED, detail).hint(hint)])
            }
            Unopened::Problems(problems) => Self::Problems(problems),
            Unopened::Store(error) => Self::Other(error),
        }
    }
}

/// Reads the project, opens the store and builds the engine.
///
/// # Errors
/// By what the caller does next.
pub(crate) async fn open(options: &home::Options, sandbox: bool) -> Result<Opened, Unopened> {
    let loaded = config::load(options.config.as_deref())?;
    let assembled = assemble(&loaded)?;
    build(loaded, assembled, options, sandbox).await
}

async fn build(
    loaded: Loaded,
    assembled: Assembled,
    options: &home::Options,
    sandbox: bool,
) -> Result<Opened, Unopened> {
    let home = Home::of(&loaded, options);
    let bell = Arc::new(Bell::default());
    let refused = |error| store_failed(&home, error);
    let store = Sqlite::open(&home.0, Arc::clone(&bell) as _, SystemClock.now_ms());
    let store = Arc::new(store.map_err(refused)?);
    over((store, bell), home, loaded, assembled, sandbox).await
}

/// Builds the engine of a project over a store in memory, of which nothing stays. Tokens of
/// connections are those of its data folder.
///
/// # Errors
/// By what the caller does next.
pub(crate) async fn apart(
    loaded: Loaded,
    assembled: Assembled,
    options: &home::Options,
) -> Result<Engine, Unopened> {
    let home = Home::of(&loaded, options);
    let bell = Arc::new(Bell::default());
    let store = stage::empty(Arc::clone(&bell));
    let opened = over((store, bell), home, loaded, assembled, false).await?;
    opened.secrets.ask().await;
    Ok(opened.engine)
}

async fn over(
    (store, bell): (Arc<dyn Store>, Arc<Bell>),
    home: Home,
    loaded: Loaded,
    assembled: Assembled,
    sandbox: bool,
) -> Result<Opened, Unopened> {
    let Assembled { project, mut sources, secrets, mut notes } = assembled;
    intake::keep_tokens(&mut sources, &home);
    let Loaded { config, warnings, .. } = loaded;
    notes.splice(0..0, warnings);
    let clock = Arc::new(SystemClock);
    let refused = |error| store_failed(&home, error);
    let secrets = Arc::new(secrets);
    let parts = Parts {
        store,
        bell,
        clock,
        secrets: Arc::clone(&secrets) as _,
        transport: Arc::new(Http::default()),
        tokens: Some(Folder::below(&home.0)),
        settings: settings(&config, sandbox),
    };
    let engine = Engine::new(parts, project).await.map_err(refused)?;
    Ok(Opened { engine, secrets, sandbox, sources, notes, home, config })
}

fn settings(config: &Config, sandbox: bool) -> Settings {
    let day_ms = 86_400_000;
    Settings {
        concurrency: config.concurrency,
        sandbox,
        retention: Retention {
            ended_count: config.keep_ended,
            dead_count: config.keep_dead,
            dead_age_ms: config.dead_days.map(|days| i64::from(days) * day_ms),
        },
        ..Settings::default()
    }
}

fn store_failed(home: &Home, error: postroom_store::Error) -> Unopened {
    match error {
        postroom_store::Error::Locked { .. } => Unopened::Locked { folder: home.0.clone() },
        postroom_store::Error::Newer { .. } => {
            let problem = Problem::new(&problem::STORE_NEWER, error.to_string());
            Unopened::Problems(vec![problem])
        }
        error => Unopened::Store(anyhow!("{}: {error}", home.0.display())),
    }
}

impl Opened {
    /// The server's routes over the engine.
    pub fn routes(&self, tokens: Vec<AdminToken>) -> (axum::Router, Options) {
        let options = Options {
            max_body_bytes: self.config.max_body_bytes,
            correlation_header: self.config.correlation_header.clone(),
            metrics_path: self.config.metrics.clone(),
            metrics_need_token: self.config.metrics_need_token,
            ..Options::default()
        };
        let engine = self.engine.clone();
        let router =
            postroom_server::router(engine, &self.sources, tokens, options.clone(), stage::empty);
        (router, options)
    }
}

/// Opens the store and builds the engine without starting it.
///
/// # Errors
/// By what the caller does next.
pub(crate) async fn open_local(options: &home::Options) -> Result<Local, Unopened> {
    local(&open(options, false).await?)
}

/// The same with nothing of the project but its data folder: for what is kept while its files have
/// problems.
///
/// # Errors
/// By what the caller does next.
pub(crate) async fn open_kept(options: &home::Options) -> Result<Local, Unopened> {
    let loaded = config::load(options.config.as_deref())?;
    let project = Project::new(Vec::new(), Arc::default(), BTreeMap::new())?;
    let (secrets, sources, notes) = (Keeper::open(&loaded, []), Vec::new(), Vec::new());
    let nothing = Assembled { project, sources, secrets, notes };
    local(&build(loaded, nothing, options, false).await?)
}

fn local(opened: &Opened) -> Result<Local, Unopened> {
    let token = home::random_token().map_err(Unopened::Store)?;
    let (router, _) = opened.routes(vec![AdminToken::of(&token)]);
    Ok(Local { router, token })
}
