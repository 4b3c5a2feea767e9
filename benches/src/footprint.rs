//! `footprint`: what the product costs before it does anything: time until it is ready on an empty
//! store, memory while idle, size of the release binary.

use std::time::Duration;

use serde_json::{Value, json};

use crate::report::{Report, median, rounded, verdict};
use crate::{Options, bare, postroom};

/// How long the server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// One promise: a figure that must stay below its limit.
struct Figure {
    name: &'static str,
    unit: &'static str,
    value: f64,
    limit: f64,
}

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
    Ok(report(&figures))
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

fn report(figures: &[Figure]) -> Report {
    let mut text = String::new();
    let mut json = serde_json::Map::new();
    for Figure { name, unit, value, limit } in figures {
        let title = name.replace('_', " ");
        let verdict = verdict(value < limit);
        text.push_str(&format!("{title:<14}{value:>8.1} {unit}, under {limit:.0}: {verdict}\n"));
        let key = format!("{name}_{}", unit.to_lowercase());
        json.insert(
            key,
            json!({"value": rounded(*value), "limit": limit, "is_met": value < limit}),
        );
    }
    Report { text, json: Value::Object(json) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_stands_beside_its_limit() {
        let ready = Figure { name: "ready_after", unit: "ms", value: 12.34, limit: 150.0 };
        let memory = Figure { name: "idle_memory", unit: "MB", value: 31.0, limit: 30.0 };
        let report = report(&[ready, memory]);
        let expected = "ready after       12.3 ms, under 150: met\n\
                        idle memory       31.0 MB, under 30: missed\n";
        assert_eq!(report.text, expected);
        assert_eq!(report.json["idle_memory_mb"]["is_met"], false);
    }
}
