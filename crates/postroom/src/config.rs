//! Configuration: one YAML file, read once. Variables are put in after parsing, so that a value
//! can never change the structure; every key is enforced, warned of, or refused.

mod accounts;
mod env;
mod sections;

use std::path::{Path, PathBuf};

use postroom_core::yaml::Source;
use postroom_core::{Problem, problem};

pub(crate) use env::Environment;
pub(crate) use sections::{Config, ConnectionEntry, LogFormat, SourceEntry};

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
        let detail = format!("cannot read {}: {error}", path.display());
        vec![Problem::new(&problem::FILE_UNREADABLE, detail)]
    })
}
