//! What the benchmarks know of the product: its command line, its files, its metrics. Nothing else
//! in this package knows any of it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::server::{Server, free_address};
use crate::wire::EVENT;
use crate::{fill, metrics};

/// Runs by state, a gauge. Label `state`.
const RUNS_BY_STATE: &str = "postroom_queue_depth";
/// Runs that came to their end, a counter.
const RUNS_FINISHED: &str = "postroom_runs_finished_total";
/// States in which a run has ended, should the gauge above show them.
const ENDED: &[&str] = &["succeeded", "dead", "cancelled"];

const LOG: &str = "server.log";

/// A configuration that sets nothing it need not.
const CONFIGURATION: &str = "queue:\n  name: bench\n  concurrency: 64\n";

/// A workflow that does nothing, on the event that the benchmarks send.
fn workflow() -> String {
    format!(
        "workflow: bench-echo\non:\n  - event: {EVENT}\nsteps:\n  - id: echo\n    \
         uses: local/echo\n    with:\n      key: ${{{{ event.data.idempotencyKey }}}}\n"
    )
}

/// Writes the project that is measured into `folder`.
fn write_project(folder: &Path) -> anyhow::Result<()> {
    std::fs::write(folder.join("postroom.yaml"), CONFIGURATION)?;
    std::fs::create_dir(folder.join("workflows"))?;
    std::fs::write(folder.join("workflows").join("echo.yaml"), workflow())?;
    Ok(())
}

/// The command line that serves the project in `folder`.
fn serve(binary: &Path, folder: &Path, address: std::net::SocketAddr) -> Command {
    let mut command = Command::new(binary);
    command.arg("serve");
    command.arg("--config").arg(folder.join("postroom.yaml"));
    command.arg("--listen").arg(address.to_string());
    command.arg("--data").arg(folder.join("data"));
    command
}

/// Starts the product on an empty store in `folder` and waits until it is ready.
///
/// # Errors
/// As [`Server::start`], with the end of what the server wrote on standard error, if anything.
pub async fn start(binary: &Path, folder: &Path) -> anyhow::Result<Server> {
    write_project(folder).context("the project cannot be written")?;
    start_again(binary, folder).await
}

/// Starts the product on the project and store that [`fill()`] has left in `folder`.
///
/// # Errors
/// As [`start`].
pub async fn start_again(binary: &Path, folder: &Path) -> anyhow::Result<Server> {
    let address = free_address()?;
    let mut command = serve(binary, folder, address);
    let log = std::fs::File::create(folder.join(LOG))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let started = Server::start("postroom", command, address).await;
    started.with_context(|| format!("it does not serve; it said last: {}", last_words(folder)))
}

/// Writes the project and a store with runs that have ended and runs that wait into `folder`.
///
/// # Errors
/// The store's.
pub async fn fill(folder: &Path, ended: usize, queued: usize) -> anyhow::Result<()> {
    write_project(folder).context("the project cannot be written")?;
    let data = format!(r#"{{"idempotencyKey":"none","note":"{}"}}"#, "x".repeat(440));
    let workflow = workflow();
    let past = fill::Past { workflow: &workflow, event: EVENT, data: &data, ended, queued };
    #[allow(clippy::disallowed_methods, reason = "a store's past lies before the real present")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    fill::fill(&folder.join("data"), &past, i64::try_from(now.as_millis())?).await
}

fn last_words(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    if log.trim().is_empty() {
        return "nothing".to_owned();
    }
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// How many runs came to their end since the server started.
pub async fn finished_runs(server: &Server) -> anyhow::Result<f64> {
    let page = server.get("/metrics").await?;
    let unknown = || format!("/metrics has no {RUNS_FINISHED}; benches/src/postroom.rs names it");
    metrics::sum(&page, RUNS_FINISHED, |_| true).with_context(unknown)
}

/// Waits until no run is open.
///
/// # Errors
/// When runs are open after `within`.
pub async fn drained(server: &Server, within: Duration) -> anyhow::Result<()> {
    let start = Instant::now();
    let is_open =
        |labels: &str| !metrics::label(labels, "state").is_some_and(|state| ENDED.contains(&state));
    loop {
        let page = server.get("/metrics").await?;
        let unknown =
            || format!("/metrics has no {RUNS_BY_STATE}; benches/src/postroom.rs names it");
        let open = metrics::sum(&page, RUNS_BY_STATE, is_open).with_context(unknown)?;
        if open <= 0.0 {
            return Ok(());
        }
        if start.elapsed() > within {
            bail!("{open} runs are still open after {} s", within.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_names_the_event_that_is_sent() {
        let text = workflow();
        assert!(text.contains(&format!("- event: {EVENT}\n")), "{text}");
        assert!(text.contains("key: ${{ event.data.idempotencyKey }}\n"), "{text}");
    }

    #[test]
    fn the_command_line_stays_on_the_loopback() {
        let address = free_address().expect("a port is free");
        let command = serve(Path::new("postroom"), Path::new("x"), address);
        let line: Vec<_> = command.as_std().get_args().map(|it| it.to_string_lossy()).collect();
        let listen = format!("127.0.0.1:{}", address.port());
        let expected =
            ["serve", "--config", "x/postroom.yaml", "--listen", &listen, "--data", "x/data"];
        assert_eq!(line, expected);
    }
}
