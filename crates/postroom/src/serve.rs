//! `postroom serve`: reads the project, opens the store, starts engine and server, and ends them
//! in order: no new requests, then the work under way, then the store.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use postroom_core::{Problem, problem};
use postroom_engine::clock::SystemClock;
use postroom_engine::outbound::Http;
use postroom_engine::{Bell, Clock, Engine, Parts, Retention, Settings};
use postroom_server::{AdminToken, Listening, Options};
use postroom_store::sqlite::Sqlite;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{self, Loaded, LogFormat};
use crate::home::Home;
use crate::project::{self, Assembled};

/// How long work under way may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// What the command line says beside the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The folder of data.
    pub data: Option<PathBuf>,
    /// The address to listen at.
    pub listen: Option<SocketAddr>,
    /// Answer provider calls from recorded examples.
    pub sandbox: bool,
    /// How log lines look.
    pub log: Option<LogFormat>,
}

/// Why a command did not work.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Problems of configuration or state, each with a code.
    Problems(Vec<Problem>),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<Vec<Problem>> for Failed {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// A project with its engine, not started.
pub(crate) struct Opened {
    pub engine: Engine,
    pub assembled_sources: Vec<Arc<postroom_engine::Source>>,
    pub notes: Vec<String>,
    pub home: Home,
    pub loaded: Loaded,
}

/// The data folder a command works on.
pub(crate) fn home(loaded: &Loaded, data: Option<&PathBuf>) -> Home {
    Home(data.cloned().unwrap_or_else(|| loaded.folder.join(&loaded.config.data)))
}

/// Reads the project, opens the store and builds the engine.
pub(crate) async fn open(asked: &Asked) -> Result<Opened, Failed> {
    let loaded = config::load(asked.config.as_deref())?;
    let Assembled { project, sources, secrets, mut notes } = project::assemble(&loaded)?;
    notes.splice(0..0, loaded.warnings.clone());
    let home = home(&loaded, asked.data.as_ref());
    let bell = Arc::new(Bell::default());
    let clock = Arc::new(SystemClock);
    let store =
        Sqlite::open(&home.0, Arc::clone(&bell) as _, clock.now_ms()).map_err(store_failed)?;
    let parts = Parts {
        store: Arc::new(store),
        bell,
        clock,
        secrets: Arc::new(secrets),
        transport: Arc::new(Http::default()),
        settings: settings(&loaded, asked.sandbox),
    };
    let engine = Engine::new(parts, project).await.map_err(store_failed)?;
    Ok(Opened { engine, assembled_sources: sources, notes, home, loaded })
}

fn settings(loaded: &Loaded, sandbox: bool) -> Settings {
    let config = &loaded.config;
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

fn store_failed(error: postroom_store::Error) -> Failed {
    let kind = match &error {
        postroom_store::Error::Locked { .. } => &problem::STORE_LOCKED,
        postroom_store::Error::Newer { .. } => &problem::STORE_NEWER,
        _ => &problem::UNAVAILABLE,
    };
    Failed::Problems(vec![Problem::new(kind, error.to_string())])
}

/// The server's routes over an engine.
pub(crate) fn routes(opened: &Opened, tokens: Vec<AdminToken>) -> (axum::Router, Options) {
    let config = &opened.loaded.config;
    let options = Options {
        max_body_bytes: config.max_body_bytes,
        correlation_header: config.correlation_header.clone(),
        metrics_path: config.metrics.clone(),
        metrics_need_token: config.metrics_need_token,
        ..Options::default()
    };
    let sources = opened.assembled_sources.clone();
    (postroom_server::router(opened.engine.clone(), sources, tokens, options.clone()), options)
}

/// Serves until told to stop.
pub(crate) async fn serve(asked: &Asked) -> Result<(), Failed> {
    let opened = open(asked).await?;
    logging(asked.log.or(opened.loaded.config.log_format));
    let (admin, new_token) = opened.home.admin_token()?;
    let default = SocketAddr::from(([127, 0, 0, 1], 3000));
    let address = asked.listen.or(opened.loaded.config.listen).unwrap_or(default);
    let listening = Listening::bind(address)
        .await
        .with_context(|| format!("cannot listen at {address}; choose another with --listen"))?;
    let url = format!("http://{}", reachable(listening.address));
    let local = opened.home.write_server_file(url.clone())?;
    let (router, options) = routes(&opened, vec![admin, local]);
    for note in &opened.notes {
        warn!("{note}");
    }
    opened.engine.start();
    banner(&opened, asked, &url, new_token.as_deref());
    info!(url, sandbox = asked.sandbox, queue = opened.loaded.config.queue, "ready");
    let stop = CancellationToken::new();
    let server = tokio::spawn(postroom_server::serve(
        listening,
        router,
        options.max_connections,
        stop.clone(),
        GRACE,
    ));
    let told = stop_signal().await.context("cannot wait for signals")?;
    info!(signal = told, "stopping: no new requests, runs under way may end");
    stop.cancel();
    let left = opened.engine.stop(GRACE).await;
    // A server task that panicked has said so.
    let _ = server.await;
    opened.home.remove_server_file();
    match left {
        0 => info!("stopped"),
        left => warn!(left, "stopped; tasks were left and their runs go on at the next start"),
    }
    Ok(())
}

/// An address a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::from(([127, 0, 0, 1], address.port()));
    }
    address
}

async fn stop_signal() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// What a person who started it by hand wants to know. Goes to standard error, logs to standard
/// output.
fn banner(opened: &Opened, asked: &Asked, url: &str, new_token: Option<&str>) {
    use std::io::Write;
    let config = &opened.loaded.config;
    let mut text = format!("Postroom {}\n\n", env!("CARGO_PKG_VERSION"));
    text.push_str(&format!("  overview   {url}/\n  events     {url}/api/webhooks/ingest\n"));
    text.push_str(&format!("  API        {url}/api/v1/ (admin token)\n"));
    if let Some(path) = &config.metrics {
        text.push_str(&format!("  metrics    {url}{path}\n"));
    }
    text.push_str(&format!("  data       {}\n", opened.home.0.display()));
    if asked.sandbox {
        text.push_str("\n  sandbox: provider calls are answered from recorded examples\n");
    }
    if let Some(token) = new_token {
        text.push_str(&format!("\n  admin token, shown only this once: {token}\n"));
    }
    let project = opened.engine.project();
    let invoice = project.router.workflows().iter().any(|workflow| {
        workflow.triggers.iter().any(|trigger| trigger.event == "CREATE_STRIPE_INVOICE")
    });
    if invoice {
        text.push_str(&format!(
            "\ntry:\n  curl -X POST {url}/api/webhooks/ingest -H \"Content-Type: \
             application/json\" -d '{{\"event\":\"CREATE_STRIPE_INVOICE\",\"payload\":{{\
             \"customerId\":\"cus_test\",\"amount\":1500,\"currency\":\"usd\",\
             \"idempotencyKey\":\"test-001\"}}}}'\n  postroom runs list\n"
        ));
    }
    // Without a standard error there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Starts logging: JSON lines unless a person watches.
fn logging(format: Option<LogFormat>) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::new("info");
    let default = if std::io::stdout().is_terminal() { LogFormat::Pretty } else { LogFormat::Json };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A second subscriber is refused; the first goes on.
    let _ = match format.unwrap_or(default) {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
        LogFormat::Pretty => builder.compact().try_init(),
    };
}
