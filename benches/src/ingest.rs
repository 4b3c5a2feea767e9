//! `ingest`: how many events a second are acknowledged durably, beside a bare axum handler that
//! keeps nothing.
//!
//! Both servers run all the time and take turns under the same load, so that each round compares
//! two figures taken seconds apart. Runs of a no-op workflow are executed during the load; a turn
//! of the bare handler begins only when they are done.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{Keys, Load};
use crate::report::{Report, median, rounded, verdict};
use crate::server::Server;
use crate::{Options, bare, postroom};

/// Events that are not finished by then after a turn are too many for the machine.
const DRAIN_WITHIN: Duration = Duration::from_secs(120);
const WARM_UP: Duration = Duration::from_secs(1);
/// A turn ends at this number of requests, whatever the time: a bound for the disk.
const MAX_REQUESTS: u64 = 5_000_000;

/// The ratio to reach, by number of connections.
const TARGETS: &[(usize, f64)] = &[(32, 0.40), (256, 0.50)];

/// One server's turn.
struct Turn {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
    refused: u64,
    /// Runs executed a second during the turn; none for a server without runs.
    runs_rate: Option<f64>,
}

/// The turns of both servers, by round.
struct Rounds {
    connections: usize,
    yardstick: Vec<Turn>,
    candidate: Vec<Turn>,
    candidate_name: &'static str,
}

/// Measures with each number of connections in turn, each on a new store.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut text = String::new();
    let mut documents = Vec::new();
    for connections in &options.connections {
        let rounds = runtime.block_on(measure(options, *connections))?;
        text.push_str(&rounds.table());
        documents.push(rounds.json());
    }
    Ok(Report { text, json: Value::Array(documents) })
}

async fn measure(options: &Options, connections: usize) -> anyhow::Result<Rounds> {
    let folder = options.scratch_folder()?;
    let yardstick = bare::start().await?;
    let candidate = match options.self_check {
        true => bare::start().await?,
        false => postroom::start(&options.binary()?, folder.path()).await?,
    };
    let turn = Turns {
        keys: Keys::new(),
        connections,
        duration: Duration::from_secs(options.seconds),
        has_runs: !options.self_check,
    };
    turn.warm_up(&yardstick, false).await?;
    turn.warm_up(&candidate, turn.has_runs).await?;
    let mut rounds = Rounds {
        connections,
        yardstick: Vec::new(),
        candidate: Vec::new(),
        candidate_name: if options.self_check { "bare axum again" } else { candidate.name },
    };
    for round in 1..=options.rounds {
        // Who goes first changes from round to round, so that a drift of the machine favours none.
        let (bare, ours) = if round % 2 == 1 {
            let bare = turn.take(&yardstick, false).await?;
            (bare, turn.take(&candidate, turn.has_runs).await?)
        } else {
            let ours = turn.take(&candidate, turn.has_runs).await?;
            (turn.take(&yardstick, false).await?, ours)
        };
        let (of_bare, of_ours) = (bare.rate, ours.rate);
        eprintln!(
            "ingest, {connections} connections, round {round}: \
             bare {of_bare:.0}, candidate {of_ours:.0} req/s"
        );
        rounds.yardstick.push(bare);
        rounds.candidate.push(ours);
    }
    yardstick.stop().await?;
    candidate.stop().await?;
    Ok(rounds)
}

/// What all turns of a measurement share.
struct Turns {
    keys: Keys,
    connections: usize,
    duration: Duration,
    has_runs: bool,
}

impl Turns {
    fn load(&self, server: &Server, duration: Duration) -> Load {
        let connections = self.connections;
        Load { address: server.address, connections, duration, requests: MAX_REQUESTS }
    }

    async fn warm_up(&self, server: &Server, has_runs: bool) -> anyhow::Result<()> {
        self.load(server, WARM_UP).send(&self.keys).await?;
        if has_runs {
            postroom::drained(server, DRAIN_WITHIN).await?;
        }
        Ok(())
    }

    async fn take(&self, server: &Server, has_runs: bool) -> anyhow::Result<Turn> {
        let runs_before = if has_runs { postroom::finished_runs(server).await? } else { 0.0 };
        let cpu_before = server.cpu_seconds()?;
        let outcome = self.load(server, self.duration).send(&self.keys).await?;
        let cpu = server.cpu_seconds()? - cpu_before;
        let mut runs_rate = None;
        if has_runs {
            let runs = postroom::finished_runs(server).await? - runs_before;
            runs_rate = Some(runs / outcome.elapsed.as_secs_f64());
            postroom::drained(server, DRAIN_WITHIN).await?;
        }
        Ok(Turn {
            rate: outcome.rate(),
            p50_ms: outcome.latencies.quantile_ms(0.5),
            p99_ms: outcome.latencies.quantile_ms(0.99),
            cpu_us: cpu * 1e6 / outcome.latencies.total() as f64,
            refused: outcome.refused.values().sum(),
            runs_rate,
        })
    }
}

impl Rounds {
    /// The ratio of each round, smallest first.
    fn ratios(&self) -> Vec<f64> {
        let pairs = self.candidate.iter().zip(&self.yardstick);
        let mut ratios: Vec<f64> = pairs.map(|(ours, bare)| ours.rate / bare.rate).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    fn target(&self) -> Option<f64> {
        TARGETS.iter().find(|(connections, _)| *connections == self.connections).map(|it| it.1)
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{:<20}{:>9}{:>9}{:>9}{:>12}{:>9}{:>9}\n",
            format!("{} connections", self.connections),
            "req/s",
            "p50 ms",
            "p99 ms",
            "CPU us/req",
            "runs/s",
            "refused"
        );
        text.push_str(&row("bare axum", &self.yardstick));
        text.push_str(&row(self.candidate_name, &self.candidate));
        let ratios = self.ratios();
        let (least, most) = (ratios.first().unwrap_or(&0.0), ratios.last().unwrap_or(&0.0));
        let ratio = median(ratios.iter().copied());
        let _infallible = write!(text, "ratio {ratio:.2} (rounds: {least:.2} to {most:.2})");
        if let Some(target) = self.target() {
            let verdict = verdict(ratio >= target);
            let _infallible = write!(text, ", target {target:.2}: {verdict}");
        }
        text + "\n\n"
    }

    fn json(&self) -> Value {
        let ratio = median(self.ratios());
        json!({
            "connections": self.connections,
            "rounds": self.candidate.len(),
            "bare": figures(&self.yardstick),
            "candidate": figures(&self.candidate),
            "candidate_name": self.candidate_name,
            "ratio": rounded(ratio),
            "ratios": self.ratios().into_iter().map(rounded).collect::<Vec<f64>>(),
            "target_ratio": self.target(),
            "is_met": self.target().map(|target| ratio >= target),
        })
    }
}

fn middle(turns: &[Turn], figure: fn(&Turn) -> f64) -> f64 {
    median(turns.iter().map(figure))
}

fn row(name: &str, turns: &[Turn]) -> String {
    let runs = median(turns.iter().filter_map(|it| it.runs_rate));
    let runs = if runs > 0.0 { format!("{runs:.0}") } else { "-".to_owned() };
    format!(
        "{name:<20}{:>9.0}{:>9.2}{:>9.2}{:>12.1}{runs:>9}{:>9}\n",
        middle(turns, |it| it.rate),
        middle(turns, |it| it.p50_ms),
        middle(turns, |it| it.p99_ms),
        middle(turns, |it| it.cpu_us),
        turns.iter().map(|it| it.refused).sum::<u64>(),
    )
}

fn figures(turns: &[Turn]) -> Value {
    json!({
        "requests_per_second": rounded(middle(turns, |it| it.rate)),
        "p50_ms": rounded(middle(turns, |it| it.p50_ms)),
        "p99_ms": rounded(middle(turns, |it| it.p99_ms)),
        "cpu_us_per_request": rounded(middle(turns, |it| it.cpu_us)),
        "runs_per_second": rounded(median(turns.iter().filter_map(|it| it.runs_rate))),
        "refused": turns.iter().map(|it| it.refused).sum::<u64>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(rates: &[f64]) -> Vec<Turn> {
        let turn = |rate: &f64| Turn {
            rate: *rate,
            p50_ms: 1.0,
            p99_ms: 2.0,
            cpu_us: 16.0,
            refused: 1,
            runs_rate: Some(rate * 0.9),
        };
        rates.iter().map(turn).collect()
    }

    #[test]
    fn ratios_are_paired_by_round() {
        let rounds = Rounds {
            connections: 32,
            yardstick: turns(&[100.0, 200.0, 400.0]),
            candidate: turns(&[50.0, 100.0, 160.0]),
            candidate_name: "postroom",
        };
        assert_eq!(rounds.ratios(), [0.4, 0.5, 0.5]);
        let table = rounds.table();
        assert!(table.contains("ratio 0.50 (rounds: 0.40 to 0.50), target 0.40: met"), "{table}");
        let document = rounds.json();
        assert_eq!(document["ratio"], 0.5);
        assert_eq!(document["candidate"]["requests_per_second"], 100.0);
        assert_eq!(document["candidate"]["refused"], 3);
        assert_eq!(document["is_met"], true);
    }
}
