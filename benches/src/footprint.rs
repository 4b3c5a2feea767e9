//! `footprint`: what the product costs before it does anything: time until it is ready on an empty
//! store, memory while idle, size of the release binary.

use std::time::Duration;

use crate::report::{Figure, Report, median};
use crate::{Options, bare, postroom};

/// How long the server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Starts the product on an empty store, several times.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (ready_ms, resident_mb) = runtime.block_on(start_once(options))?;
        ready.push(ready_ms);
        resident.push(resident_mb);
    }
    let binary = if options.self_check { std::env::current_exe()? } else { options.binary()? };
    let size_mb = std::fs::metadata(binary)?.len() as f64 / MEBIBYTE;
    let figures = [
        Figure { name: "ready_after", unit: "ms", value: median(ready), limit: 150.0 },
        Figure { name: "idle_memory", unit: "MB", value: median(resident), limit: 30.0 },
        Figure { name: "binary_size", unit: "MB", value: size_mb, limit: 40.0 },
    ];
    Ok(Figure::report(&figures))
}

/// Milliseconds until ready, and megabytes in RAM once settled.
async fn start_once(options: &Options) -> anyhow::Result<(f64, f64)> {
    let folder = options.scratch_folder()?;
    let server = match options.self_check {
        true => bare::start().await?,
        false => postroom::start(&options.binary()?, folder.path()).await?,
    };
    tokio::time::sleep(SETTLE).await;
    let resident_mb = server.resident_bytes()? as f64 / MEBIBYTE;
    let ready_ms = server.ready_after.as_secs_f64() * 1000.0;
    server.stop().await?;
    Ok((ready_ms, resident_mb))
}
