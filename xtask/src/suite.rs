//! `cargo xtask test`: every test of the workspace, in one command.
//!
//! Builds the programs first, because tests of other packages start the real binary, and installs
//! the doubles that they talk to. Tests start these; nobody starts a server by hand.

use crate::{Failure, cargo, doubles};

/// Installs the doubles and builds the programs, then runs `cargo test --workspace --locked` with
/// `arguments` appended.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    doubles::run(&[])?;
    cargo::stream(&["build", "--workspace", "--bins", "--locked"])?;
    let mut test = vec!["test", "--workspace", "--locked"];
    test.extend(arguments.iter().map(String::as_str));
    cargo::stream(&test)
}
