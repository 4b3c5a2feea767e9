//! Secrets in files: one named by a variable, or a folder with one file for each name, as Docker,
//! Kubernetes and systemd hand them to a process.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use postroom_core::{Problem, problem};

/// The largest file of a secret, in bytes.
const MAX_BYTES: u64 = 64 << 10;
/// How many files of a folder are looked at.
const MAX_FILES: usize = 1_000;

/// The secret in a file.
///
/// # Errors
/// Why there is none, in words that say nothing of what is inside.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut text = String::new();
    let mut bounded = file.take(MAX_BYTES + 1);
    bounded.read_to_string(&mut text).map_err(|_| "it is no UTF-8 text".to_owned())?;
    match text.len() as u64 > MAX_BYTES {
        true => Err("it is larger than 64 KiB".to_owned()),
        false if text.trim().is_empty() => Err("it is empty".to_owned()),
        false => Ok(text),
    }
}

/// A folder of secrets, by the names of its files.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    pub values: BTreeMap<String, String>,
}

impl Folder {
    /// Reads it; one that is not there is empty.
    ///
    /// # Errors
    /// It or a file in it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let fault = |path: &Path, why: String| {
            let detail = format!("{}: {why}", path.display());
            let hint = "lay one file for each secret there, with nothing else in it";
            Problem::new(&problem::BAD_SECRET_FILE, detail).hint(hint)
        };
        let mut values = BTreeMap::new();
        for file in listed(path).map_err(|error| fault(path, error.to_string()))? {
            let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
            let value = read(&file).map_err(|why| fault(&file, why))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self { path: path.to_owned(), values })
    }

    /// The file of a name, else that of the name in lower case, as Docker's files are called.
    pub fn get(&self, name: &str) -> Option<(PathBuf, &str)> {
        let lower = name.to_ascii_lowercase();
        let (file, value) =
            self.values.get_key_value(name).or_else(|| self.values.get_key_value(&lower))?;
        Some((self.path.join(file), value))
    }
}

/// The files of a folder. Kubernetes lays its own folders there, with names that begin with a dot.
fn listed(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().is_none_or(|name| name.as_encoded_bytes()[0] != b'.'))
        .filter(|path| path.is_file())
        .take(MAX_FILES)
        .collect();
    files.sort();
    Ok(files)
}

/// What tells two states of a file apart without reading it.
pub(super) type Mark = Option<(u64, u64, i64, i64, i64, i64)>;

/// The state of a file; of a link, that of where it leads.
pub(super) fn mark(path: &Path) -> Mark {
    let found = fs::metadata(path).ok()?;
    let (modified, changed) = (found.mtime(), found.ctime());
    Some((found.ino(), found.len(), modified, found.mtime_nsec(), changed, found.ctime_nsec()))
}

/// The states of the files of a folder.
pub(super) fn marks_below(folder: &Path) -> Vec<Mark> {
    listed(folder).unwrap_or_default().iter().map(|path| mark(path)).collect()
}
