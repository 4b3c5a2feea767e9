//! `cargo xtask ci`: the stages the continuous integration runs, in order, each with its time.
//!
//! Stops at the first stage that fails: what follows a broken build says nothing.

use std::time::{Duration, Instant};

use crate::{Failure, cargo, descriptions, suite, tidy};

struct Stage {
    name: &'static str,
    run: fn() -> Result<(), Failure>,
}

/// Cheap stages first, so that a small mistake is told early.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", run: || cargo::stream(&["fmt", "--all", "--", "--check"]) },
    Stage { name: "tidy", run: || tidy::run(&[]) },
    Stage { name: "clippy", run: || cargo::stream(CLIPPY) },
    Stage { name: "docs", run: || cargo::stream_with(DOCS, &[("RUSTDOCFLAGS", "-D warnings")]) },
    Stage { name: "test", run: || suite::run(&[]) },
    Stage { name: "descriptions", run: descriptions::if_there },
];

const CLIPPY: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
const DOCS: &[&str] = &["doc", "--workspace", "--no-deps", "--locked"];

/// Runs every stage; takes no arguments.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(format!("`{argument}` is not understood: ci takes no arguments").into());
    }
    let mut times = Vec::with_capacity(STAGES.len());
    for stage in STAGES {
        println!("== {}", stage.name);
        let start = Instant::now();
        let result = (stage.run)();
        times.push((stage.name, start.elapsed()));
        if let Err(failure) = result {
            println!("\n{}== {} FAILED", summary(&times), stage.name);
            return Err(failure);
        }
    }
    println!("\n{}== every stage passed", summary(&times));
    Ok(())
}

fn summary(times: &[(&str, Duration)]) -> String {
    let mut text = String::new();
    for (name, time) in times {
        text.push_str(&format!("   {name:<8}{:>8.1} s\n", time.as_secs_f64()));
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    text.push_str(&format!("   {:<8}{:>8.1} s\n", "total", total.as_secs_f64()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_adds_up() {
        let times = [("fmt", Duration::from_millis(1500)), ("test", Duration::from_secs(61))];
        let expected = "   fmt          1.5 s\n   test        61.0 s\n   total       62.5 s\n";
        assert_eq!(summary(&times), expected);
    }
}
