//! Repository tasks: `cargo xtask <task>`.
//!
//! Owns the commands a contributor and the continuous integration run, so that both run the same
//! ones. Knows nothing of the product beyond the names of its packages.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tasks talk to a terminal")]

mod bench;
mod cargo;
mod ci;
mod descriptions;
mod doubles;
mod suite;
mod tidy;

use std::process::ExitCode;

/// Why a task stopped. The text is for the person at the terminal; no caller tells cases apart.
type Failure = Box<dyn std::error::Error>;

/// One task of this tool. The list below is the only place where a task is registered.
struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const TASKS: &[Task] = &[
    Task { name: "test", about: "run every test; arguments go to `cargo test`", run: suite::run },
    Task { name: "tidy", about: "check the house rules of STYLE.md", run: tidy::run },
    Task { name: "ci", about: "fmt, clippy, tidy, docs and test, as the CI does", run: ci::run },
    Task { name: "doubles", about: "install what tests of the binary talk to", run: doubles::run },
    Task {
        name: "descriptions",
        about: "import the descriptions of a folder and check every request",
        run: descriptions::run,
    },
    Task { name: "bench", about: "run the benchmarks; arguments go to them", run: bench::run },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", usage());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("no task is called `{name}`\n\n{}", usage());
        return ExitCode::from(2);
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cargo xtask {name}: {failure}");
            let passed_on = failure.downcast_ref::<cargo::Unsuccessful>().map(|it| it.exit_code);
            ExitCode::from(passed_on.unwrap_or(1))
        }
    }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask <task> [arguments]\n\ntasks:\n");
    for task in TASKS {
        text.push_str(&format!("  {:<12} {}\n", task.name, task.about));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_named_once_and_described() {
        for (index, task) in TASKS.iter().enumerate() {
            assert!(!task.about.is_empty(), "{} has no description", task.name);
            assert!(TASKS[..index].iter().all(|other| other.name != task.name));
            assert!(usage().contains(task.name));
        }
    }
}
