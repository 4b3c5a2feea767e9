//! `cargo xtask bench`: builds the release binary as it ships, then runs the benchmarks against it.

use crate::{Failure, cargo};

/// Builds, then hands `arguments` (names of benchmarks, options) to `postroom-bench`.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    cargo::stream(&["build", "--release", "--locked", "--package", "postroom"])?;
    let mut bench = vec!["run", "--release", "--locked", "--package", "postroom-bench", "--"];
    bench.extend(arguments.iter().map(String::as_str));
    cargo::stream(&bench)
}
