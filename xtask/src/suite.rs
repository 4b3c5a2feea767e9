//! `cargo xtask test`: every test of the workspace, in one command.
//!
//! Builds the programs first, because tests of other packages start the real binary. Servers that
//! tests need are to be started here, never by hand.

use crate::{Failure, cargo};

/// Builds the programs, then runs `cargo test --workspace --locked` with `arguments` appended.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    cargo::stream(&["build", "--workspace", "--bins", "--locked"])?;
    let mut test = vec!["test", "--workspace", "--locked"];
    test.extend(arguments.iter().map(String::as_str));
    cargo::stream(&test)
}
