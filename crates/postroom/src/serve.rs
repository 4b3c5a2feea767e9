//! `postroom serve`: opens the project, starts engine and server, and ends them in order: no new
//! requests, then the work under way, then the store.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use postroom_engine::Engine;
use postroom_server::{AdminToken, Listening};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::{self, Log, LogLevel};
use crate::config::LogFormat;
use crate::exit::Failed;
use crate::home;
use crate::log::Lines;
use crate::output::Output;
use crate::project::{Opened, open};
use crate::reach::ServerFile;
use crate::secrets::follow::follow;

/// How long work under way may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// Serves until told to stop.
///
/// # Errors
/// Problems of the project, a data folder or address that cannot be had.
pub(crate) async fn run(
    args: &cli::Serve,
    options: &home::Options,
    _output: &Output,
) -> Result<(), Failed> {
    let opened = open(options, args.sandbox).await?;
    logging(args, opened.config.log_format, &opened.engine);
    let stop = stop_signal()?;
    let serving = Serving::start(opened, args.listen, options).await?;
    serving.stop(stop.await).await;
    Ok(())
}

/// An opened project at work, with a server in front of it.
pub(crate) struct Serving {
    /// The project.
    pub opened: Opened,
    server: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
}

impl Serving {
    /// Starts engine and server, and tells whoever started it where everything is.
    ///
    /// # Errors
    /// The address cannot be had, or the data folder cannot be written.
    pub async fn start(
        opened: Opened,
        listen: Option<SocketAddr>,
        options: &home::Options,
    ) -> Result<Self, Failed> {
        let faults = opened.secrets.faults();
        if !faults.is_empty() {
            return Err(Failed::Problems(faults));
        }
        let (admin, new_token) = opened.home.admin_token()?;
        let default = SocketAddr::from(([127, 0, 0, 1], 3000));
        let address = listen.or(opened.config.listen).unwrap_or(default);
        let listening = Listening::bind(address)
            .await
            .with_context(|| format!("cannot listen at {address}; choose another with --listen"))?;
        let url = format!("http://{}", reachable(listening.address));
        let file = ServerFile { url: url.clone(), token: home::random_token()? };
        file.write(&opened.home.0).context("cannot write server.json into the data folder")?;
        let (router, bounds) = opened.routes(vec![admin, AdminToken::of(&file.token)]);
        for note in &opened.notes {
            warn!("{note}");
        }
        let next = opened.secrets.ask().await;
        opened.engine.start();
        banner(&opened, options, &url, new_token.as_deref());
        info!(url, sandbox = opened.sandbox, queue = opened.config.queue, "ready");
        let stop = CancellationToken::new();
        tokio::spawn(follow(Arc::clone(&opened.secrets), stop.clone(), next));
        let serve =
            postroom_server::serve(listening, router, bounds.max_connections, stop.clone(), GRACE);
        Ok(Self { opened, server: tokio::spawn(serve), stop })
    }

    /// Ends in order: no new requests, then the work under way.
    pub async fn stop(self, told: &str) {
        info!(signal = told, "stopping: no new requests, runs under way may end");
        self.stop.cancel();
        let left = self.opened.engine.stop(GRACE).await;
        // A server task that panicked has said so.
        let _ = self.server.await;
        ServerFile::remove(&self.opened.home.0);
        match left {
            0 => info!("stopped"),
            left => warn!(left, "stopped; tasks were left and their runs go on at the next start"),
        }
    }
}

/// An address a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::from(([127, 0, 0, 1], address.port()));
    }
    address
}

/// Listens for the signals to stop, from now on. What comes back waits for the first, and says
/// which it was.
///
/// # Errors
/// The system does not tell of signals.
pub(crate) fn stop_signal() -> Result<impl Future<Output = &'static str>, Failed> {
    let listen = |kind| signal(kind).context("cannot wait for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// What a person who started it by hand wants to know. Goes to standard error, logs to standard
/// output.
fn banner(opened: &Opened, options: &home::Options, url: &str, new_token: Option<&str>) {
    let config = &opened.config;
    let mut text = format!("Postroom {}\n\n", env!("CARGO_PKG_VERSION"));
    text.push_str(&format!("  overview   {url}/\n  events     {url}/api/webhooks/ingest\n"));
    text.push_str(&format!("  API        {url}/api/v1/ (admin token)\n"));
    if let Some(path) = &config.metrics {
        text.push_str(&format!("  metrics    {url}{path}\n"));
    }
    text.push_str(&format!("  data       {}\n", opened.home.0.display()));
    if opened.sandbox {
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
        let config = options.config.as_ref();
        let here = config.map(|file| format!("--config {} ", file.display()));
        let here = here.unwrap_or_default();
        text.push_str(&format!(
            "\ntry:\n  curl -X POST {url}/api/webhooks/ingest -H \"Content-Type: \
             application/json\" -d '{{\"event\":\"CREATE_STRIPE_INVOICE\",\"payload\":{{\
             \"customerId\":\"cus_test\",\"amount\":1500,\"currency\":\"usd\",\
             \"idempotencyKey\":\"test-001\"}}}}'\n  postroom {here}runs list\n"
        ));
    }
    // Without a standard error there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Starts logging: JSON lines unless a person watches.
fn logging(args: &cli::Serve, configured: Option<LogFormat>, engine: &Engine) {
    let level = match args.log_level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    let pretty = match (args.log, configured) {
        (Some(asked), _) => asked == Log::Pretty,
        (None, Some(configured)) => configured == LogFormat::Pretty,
        (None, None) => std::io::stdout().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let builder = builder.with_writer(Lines::over(engine));
    // A second subscriber is refused; the first goes on.
    let _ = match pretty {
        true => builder.compact().try_init(),
        false => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
}
