//! Holds a manifest against the description it was made of:
//! `cargo run --release -p postroom-adapters --example descriptions -- SPEC MANIFEST`.
//! `cargo xtask descriptions` does so for a whole folder.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the terminal")]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::process::ExitCode;

/// The most misfits shown.
const SHOWN: usize = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [spec, manifest] = arguments.as_slice() else {
        println!("usage: descriptions SPEC MANIFEST");
        return ExitCode::from(2);
    };
    let spec = std::fs::read_to_string(spec).unwrap();
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let spec = postroom_core::yaml::read_description(&spec).unwrap();
    match oracle::check(&spec, &manifest) {
        Err(problems) => {
            println!("the manifest does not read:\n{problems}");
            ExitCode::FAILURE
        }
        Ok(verdict) => {
            let wrong = verdict.misfits.len();
            for misfit in verdict.misfits.iter().take(SHOWN) {
                println!("{misfit}");
            }
            let fit = verdict.requests.saturating_sub(wrong);
            println!("{fit} of {} requests fit", verdict.requests);
            if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}
