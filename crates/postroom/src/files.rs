//! The files of a project's folders, in order of name.

use std::path::{Path, PathBuf};

use postroom_core::{Problem, problem};

/// The files of a folder with one of these extensions; none if there is no such folder.
pub(crate) fn of(folder: &Path, extensions: &[&str], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    if !folder.is_dir() {
        return Vec::new();
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let detail = format!("cannot list {}: {error}", folder.display());
            problems.push(Problem::new(&problem::FILE_UNREADABLE, detail));
            return Vec::new();
        }
    };
    let fits = |path: &PathBuf| {
        path.extension().is_some_and(|kind| extensions.iter().any(|known| kind == *known))
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(fits).collect();
    files.sort();
    files
}
