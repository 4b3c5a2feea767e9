//! The `postroom` binary: reads the command line, builds the runtime the command needs, and turns
//! how it ended into an exit code. Holds no domain logic.

mod assemble;
mod check;
mod cli;
mod commands;
mod config;
mod contracts;
mod exit;
mod files;
mod fixture;
mod home;
mod intake;
mod junit;
mod lints;
mod log;
mod output;
mod project;
mod reach;
mod schemas;
mod secrets;
mod serve;
mod stage;

use std::process::ExitCode;

use clap::Parser;
use exit::Failed;
use output::Output;

/// Memory is often taken on one thread and given back on another (the store's writer), which the
/// system's allocator does under a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" too, with code 0; a reader that went away is none.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    let output = Output::new(cli.global.json, cli.global.color);
    match run(&cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            output.failed(&failed);
            failed.into()
        }
    }
}

fn run(cli: &cli::Cli, output: &Output) -> Result<(), Failed> {
    let serving = matches!(cli.command, cli::Command::Serve(_) | cli::Command::Dev(_));
    let mut builder = match serving {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    if serving {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        builder.worker_threads(cores.max(2));
    }
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(commands::run(cli, output));
    // A question nobody answered must not keep the process.
    runtime.shutdown_background();
    ended
}
