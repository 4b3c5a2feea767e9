//! Configuration: one YAML file, read once. Variables are put in after parsing, so that a value
//! can never change the structure; every key is enforced, warned of, or refused.

mod accounts;
mod bounds;
mod env;
mod oauth;
mod secrets;
mod sections;
mod sources;

use std::path::{Path, PathBuf};

use postroom_core::problem::Place;
use postroom_core::yaml::{At, Source};
use postroom_core::{Problem, problem};

pub(crate) use env::Environment;
pub(crate) use secrets::{Login, SecretsEntry, VaultEntry};
pub(crate) use sections::{Config, ConnectionEntry, LogFormat};
pub(crate) use sources::{SourceEntry, Taken};

/// File names tried when none is given.
const NAMES: &[&str] = &["postroom.yaml", "automation.config.yaml"];

/// A configuration that was read, with what has to be said about it.
pub(crate) struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file it was read from.
    pub path: PathBuf,
    /// The folder it lies in; every relative path starts there.
    pub folder: PathBuf,
    /// Variables of the process and of `.env`.
    pub environment: Environment,
    /// Settings that do nothing yet, one sentence each.
    pub warnings: Vec<String>,
}

/// Where an entry of the configuration stands, for what is found out about it later.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    place: Place,
    line: Option<String>,
}

impl Spot {
    fn of(source: &Source<'_>, at: At) -> Self {
        Self { place: source.place(at), line: source.line(at) }
    }

    /// A problem at this place.
    pub fn mark(&self, problem: Problem) -> Problem {
        let problem = problem.at(self.place.clone());
        match &self.line {
            Some(line) => problem.on_line(line),
            None => problem,
        }
    }
}

/// Reads a configuration.
///
/// # Errors
/// Every problem in it.
pub(crate) fn load(file: Option<&Path>) -> Result<Loaded, Vec<Problem>> {
    let path = path(file)?;
    let text = read(&path)?;
    let folder = folder_of(&path);
    let environment = Environment::read(&folder)?;
    let name = path.display().to_string();
    let mut source = Source::new(&name, &text);
    let mut warnings = Vec::new();
    let config =
        source.parse().map(|root| sections::read(&mut source, &root, &environment, &mut warnings));
    match config {
        Some(config) if source.problems.is_empty() => {
            Ok(Loaded { config, path, folder, environment, warnings })
        }
        _ => Err(source.problems),
    }
}

/// The configuration that is meant: the one named, else the one that lies here.
///
/// # Errors
/// There is none.
pub(crate) fn path(file: Option<&Path>) -> Result<PathBuf, Vec<Problem>> {
    file.map_or_else(find, |file| Ok(file.to_path_buf()))
}

/// The folder a configuration lies in.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn find() -> Result<PathBuf, Vec<Problem>> {
    let found = NAMES.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| {
        let detail = format!("there is no {} here", NAMES.join(" or "));
        let hint = "name the file with --config, or make a project with `postroom init`";
        vec![Problem::new(&problem::FILE_UNREADABLE, detail).hint(hint)]
    })
}

/// The text of a file of the project.
///
/// # Errors
/// One problem that names the file.
pub(crate) fn read(path: &Path) -> Result<String, Vec<Problem>> {
    std::fs::read_to_string(path).map_err(|error| {
        let found = Problem::new(&problem::FILE_UNREADABLE, format!("cannot read it: {error}"));
        let hint = match error.kind() {
            std::io::ErrorKind::InvalidData => "save it as UTF-8 text",
            std::io::ErrorKind::NotFound => "name a file that is there",
            _ => "look at its permissions",
        };
        let file = path.strip_prefix(".").unwrap_or(path).display().to_string();
        vec![found.hint(hint).at(Place { file, line: 0, column: 0, len: 0 })]
    })
}
