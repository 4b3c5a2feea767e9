//! The benchmarks: what the product promises in figures, measured on this machine.
//!
//! Every benchmark starts the servers it needs, sends traffic to the loopback interface only, is
//! bounded in time, and stops what it started. Figures of one run compare; figures of two runs on
//! a busy machine do not.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the figures go to a terminal")]

mod bare;
mod drain;
mod fill;
mod footprint;
mod histogram;
mod ingest;
mod load;
mod metrics;
mod postroom;
mod project;
mod report;
mod server;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;

use report::Report;

/// One benchmark. The list below is the only place where a benchmark is registered.
struct Benchmark {
    name: &'static str,
    about: &'static str,
    run: fn(&Options) -> anyhow::Result<Report>,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "ingest",
        about: "durable acknowledgement beside a bare axum handler",
        run: ingest::run,
    },
    Benchmark {
        name: "drain",
        about: "queued runs executed, empty and with two million stored",
        run: drain::run,
    },
    Benchmark {
        name: "footprint",
        about: "time to ready, idle memory, size of the binary",
        run: footprint::run,
    },
    Benchmark {
        name: "project",
        about: "check of 200 workflows with 2,000 expressions, and 500 tests",
        run: project::run,
    },
];

/// Measures Postroom on this machine.
#[derive(Debug, Parser)]
#[command(name = "postroom-bench", after_help = list())]
pub struct Options {
    /// Benchmarks to run; all of them when none is named.
    names: Vec<String>,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
    /// Numbers of connections to measure with.
    #[arg(long, value_delimiter = ',', default_value = "32,256")]
    connections: Vec<usize>,
    /// How often the servers take turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one turn lasts.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// The release binary of Postroom; the one beside this program when not given.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where stores are written while measuring; must be on a real disk. Beside this program when
    /// not given.
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// Measure the bare handler against itself: how far the harness is from a ratio of 1.
    #[arg(long)]
    self_check: bool,
}

impl Options {
    /// The binary to measure.
    fn binary(&self) -> anyhow::Result<PathBuf> {
        let path = match &self.binary {
            Some(path) => path.clone(),
            None => program_folder()?.join("postroom"),
        };
        if !path.is_file() {
            bail!("{} is missing; `cargo xtask bench` builds it", path.display());
        }
        Ok(path)
    }

    /// A new folder for one server, removed when dropped.
    fn scratch_folder(&self) -> anyhow::Result<tempfile::TempDir> {
        let parent = match &self.scratch {
            Some(path) => path.clone(),
            None => program_folder()?,
        };
        let mut builder = tempfile::Builder::new();
        let folder = builder.prefix("postroom-bench-").tempdir_in(&parent);
        folder.with_context(|| format!("no folder can be made in {}", parent.display()))
    }
}

fn program_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program does not know where it stands")?;
    Ok(program.parent().map(PathBuf::from).unwrap_or_default())
}

fn list() -> String {
    let lines = BENCHMARKS.iter().map(|it| format!("  {:<11} {}\n", it.name, it.about));
    format!("Benchmarks:\n{}", lines.collect::<String>())
}

fn main() -> ExitCode {
    let result = match bare::address_from(std::env::args()) {
        Some(address) => address.and_then(bare::serve),
        None => measure(&Options::parse()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let mut wanted = Vec::new();
    for name in &options.names {
        match BENCHMARKS.iter().find(|it| it.name == name) {
            Some(benchmark) => wanted.push(benchmark),
            None => bail!("no benchmark is called `{name}`\n\n{}", list()),
        }
    }
    if wanted.is_empty() {
        wanted.extend(BENCHMARKS);
    }
    let mut document = serde_json::Map::new();
    for benchmark in wanted {
        let report = (benchmark.run)(options).with_context(|| benchmark.name)?;
        if !options.json {
            println!("{}: {}\n\n{}", benchmark.name, benchmark.about, report.text);
        }
        document.insert(benchmark.name.to_owned(), report.json);
    }
    if options.json {
        println!("{:#}", serde_json::Value::Object(document));
    }
    Ok(())
}
