//! `cargo xtask tidy`: the house rules of STYLE.md as checks.
//!
//! Each check is one entry of [`CHECKS`]; a fault names file and line and says how to mend it. The
//! same checks run as a test of this package. Refuses to mend anything by itself.

mod bans;
mod graph;
mod lengths;
mod licences;
mod links;
mod listed;
mod mask;
mod names;
mod source;
mod spdx;
mod words;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::{Failure, cargo};
use graph::Graph;
use source::TextFile;

/// What a check looks at. Read once, never changed.
pub struct Repository {
    root: PathBuf,
    files: Vec<TextFile>,
    graph: Graph,
}

/// A broken rule.
#[derive(Debug)]
pub struct Fault {
    path: String,
    line: usize,
    message: String,
}

struct Check {
    name: &'static str,
    run: fn(&Repository) -> Vec<Fault>,
}

const CHECKS: &[Check] = &[
    Check { name: "length of files", run: lengths::files },
    Check { name: "length of functions", run: lengths::functions },
    Check { name: "length of lines", run: lengths::lines },
    Check { name: "names of files", run: names::forbidden },
    Check { name: "module docs", run: names::module_docs },
    Check { name: "forbidden code", run: words::forbidden_code },
    Check { name: "places of one machine", run: words::machine_paths },
    Check { name: "package registries", run: words::registry_hosts },
    Check { name: "crate directions", run: bans::directions },
    Check { name: "banned crates", run: bans::banned },
    Check { name: "licences", run: licences::check },
    Check { name: "dependencies are explained", run: listed::dependencies },
    Check { name: "changelog", run: listed::changelog },
    Check { name: "links between documents", run: links::check },
];

impl Repository {
    /// Reads the repository below `root`: its files through git, its packages through cargo.
    fn open(root: &Path) -> Result<Self, Failure> {
        let files = source::read_all(root)?;
        let metadata = cargo::capture(&["metadata", "--format-version", "1", "--locked"])?;
        let graph = Graph::parse(&metadata)?;
        Ok(Self { root: root.to_path_buf(), files, graph })
    }

    #[cfg(test)]
    fn of_files(files: Vec<TextFile>) -> Self {
        Self { root: PathBuf::new(), files, graph: Graph::default() }
    }

    #[cfg(test)]
    fn of_graph(graph: Graph) -> Self {
        Self { root: PathBuf::new(), files: Vec::new(), graph }
    }

    fn rust_files(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter().filter(|file| file.rust.is_some())
    }

    fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    fn faults(&self) -> Vec<(&'static str, Fault)> {
        let mut faults = Vec::new();
        for check in CHECKS {
            faults.extend((check.run)(self).into_iter().map(|fault| (check.name, fault)));
        }
        faults
    }
}

impl Fault {
    fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Runs every check and prints every fault; takes no arguments.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(format!("`{argument}` is not understood: tidy takes no arguments").into());
    }
    let start = Instant::now();
    let repository = Repository::open(&cargo::workspace_root())?;
    let faults = repository.faults();
    for (check, fault) in &faults {
        println!("{fault} [{check}]");
    }
    if faults.is_empty() {
        let (files, packages) = (repository.files.len(), repository.graph.packages.len());
        let seconds = start.elapsed().as_secs_f64();
        let checks = CHECKS.len();
        println!("tidy: {checks} checks, {files} files, {packages} packages, {seconds:.1} s");
        return Ok(());
    }
    Err(format!("{} faults", faults.len()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let repository = Repository::open(&cargo::workspace_root()).expect("the repository opens");
        let faults: Vec<String> = repository
            .faults()
            .into_iter()
            .map(|(check, fault)| format!("{fault} [{check}]"))
            .collect();
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}
