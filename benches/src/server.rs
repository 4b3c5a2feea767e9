//! A server process under measurement: started, waited for, observed from outside, stopped.
//!
//! Dropping a [`Server`] kills its process, whatever went wrong before.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use crate::wire::{self, Connection};

/// A server that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long to wait between two attempts to connect: short, because the time is measured.
const RETRY_AFTER: Duration = Duration::from_micros(250);
/// Ticks of the processor times in `/proc`: fixed at 100 a second on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server.
pub struct Server {
    /// What to call it in tables.
    pub name: &'static str,
    /// Where it listens, on the loopback interface.
    pub address: SocketAddr,
    /// From before the process was made until `/readyz` answered 200.
    pub ready_after: Duration,
    process: Child,
}

/// An address on the loopback interface whose port was free a moment ago.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?)
}

impl Server {
    /// Starts `command` and waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it does not start, ends, or is not ready in time.
    pub async fn start(
        name: &'static str,
        mut command: Command,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let process = command.kill_on_drop(true).spawn();
        let mut process = process.with_context(|| format!("{name} does not start"))?;
        let request = wire::get(address, "/readyz");
        loop {
            if is_ready(address, &request).await {
                return Ok(Self { name, address, ready_after: start.elapsed(), process });
            }
            if let Some(status) = process.try_wait()? {
                bail!("{name} ended before it was ready: {status}");
            }
            if start.elapsed() > READY_WITHIN {
                bail!("{name} is not ready after {} s", READY_WITHIN.as_secs());
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// The body of `GET path`.
    ///
    /// # Errors
    /// When it does not answer, or with another status than 200.
    pub async fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.call(&wire::get(self.address, path)).await?;
        if answer.status != 200 {
            bail!("{} answers GET {path} with {}", self.name, answer.status);
        }
        Ok(connection.body(&answer))
    }

    /// Processor time used so far by all threads, in seconds.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(self.proc_file("stat")?)?;
        cpu_ticks(&stat).map(|it| it / TICKS_PER_SECOND).context("/proc/<pid>/stat is malformed")
    }

    /// Memory held in RAM now, in bytes.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(self.proc_file("status")?)?;
        resident_bytes(&status).context("/proc/<pid>/status has no VmRSS")
    }

    fn proc_file(&self, name: &str) -> anyhow::Result<PathBuf> {
        let pid = self.process.id().with_context(|| format!("{} has ended", self.name))?;
        Ok(PathBuf::from(format!("/proc/{pid}/{name}")))
    }

    /// Kills the process and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended before: a server that does not survive its load has no figures.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.process.try_wait()? {
            bail!("{} ended by itself: {status}", self.name);
        }
        Ok(self.process.kill().await?)
    }
}

async fn is_ready(address: SocketAddr, request: &[u8]) -> bool {
    let answer: io::Result<u16> =
        async { Ok(Connection::open(address).await?.call(request).await?.status) }.await;
    matches!(answer, Ok(200))
}

/// User and system time. The name of the program comes first, in parentheses, and may hold spaces.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read() {
        let stat = "123 (post (room) x) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3";
        assert_eq!(cpu_ticks(stat), Some(300.0));
        assert_eq!(cpu_ticks("123 (x) S"), None);
        let status = "Name:\tpostroom\nVmPeak:\t  9000 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!(resident_bytes(status), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[tokio::test]
    async fn a_program_that_ends_is_not_waited_for() {
        let address = free_address().expect("a port is free");
        let error = Server::start("true", Command::new("true"), address).await.err();
        let text = error.map(|it| it.to_string()).unwrap_or_default();
        assert!(text.starts_with("true ended before it was ready"), "{text}");
    }
}
