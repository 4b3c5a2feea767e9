//! The `postroom` binary.

mod check;
mod config;
mod home;
mod project;
mod serve;

/// Memory is often taken on one thread and given back on another (the store's writer), which the
/// system's allocator does under a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut asked = serve::Asked::default();
    let mut args = std::env::args().skip(2);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--config" => asked.config = args.next().map(PathBuf::from),
            "--data" => asked.data = args.next().map(PathBuf::from),
            "--listen" => asked.listen = args.next().and_then(|a| a.parse().ok()),
            "--sandbox" => asked.sandbox = true,
            _ => {}
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match runtime.block_on(serve::serve(&asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{failed:?}");
            ExitCode::from(2)
        }
    }
}
