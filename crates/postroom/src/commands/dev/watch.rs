//! The files a project is made of, as they were at a moment. Looked at again and again instead of
//! asking the system to tell: a project has a few dozen files, and this works on every file system.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::assemble::YAML;
use crate::config::{self, Loaded};
use crate::{contracts, files};

/// Where the files of a project lie.
#[derive(Debug, Clone)]
pub(super) struct Places {
    files: Vec<PathBuf>,
    /// Folders, each with the extensions that count there.
    folders: Vec<(PathBuf, &'static [&'static str])>,
}

impl Places {
    /// All that is known while the configuration cannot be read: where it lies.
    pub fn of_path(path: &Path) -> Self {
        let env = config::folder_of(path).join(".env");
        Self { files: vec![path.to_owned(), env], folders: Vec::new() }
    }

    /// Everything that `check` and `test` read.
    pub fn of(loaded: &Loaded) -> Self {
        let config = &loaded.config;
        let yaml = [&config.workflows, &config.adapters, &config.tests];
        let yaml = yaml.map(|folder| (loaded.folder.join(folder), YAML));
        let schemas = (loaded.folder.join(contracts::FOLDER), &["json"][..]);
        let folders = yaml.into_iter().chain([schemas]).collect();
        Self { folders, ..Self::of_path(&loaded.path) }
    }
}

/// What tells two states of a file apart without reading it. The time of the change of its inode
/// is not at the writer's will, so that a copied modification time hides nothing.
type Mark = (u64, u64, i64, i64, i64, i64);

/// Every file there was, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, Mark>);

impl Snapshot {
    /// Looks at every file. One that goes meanwhile, or cannot be looked at, is not there.
    pub fn take(places: &Places) -> Self {
        // A folder that cannot be listed is told of by whoever reads it.
        let mut unlisted = Vec::new();
        let in_folder = |(folder, kinds): &(PathBuf, &'static [&'static str])| {
            files::of(folder, kinds, &mut unlisted)
        };
        let listed: Vec<PathBuf> = places.folders.iter().flat_map(in_folder).collect();
        let marked = |path: PathBuf| {
            let found = std::fs::metadata(&path).ok()?;
            let (modified, changed) = (found.mtime(), found.ctime());
            let fine = (found.mtime_nsec(), found.ctime_nsec());
            Some((path, (found.ino(), found.len(), modified, fine.0, changed, fine.1)))
        };
        Self(places.files.iter().cloned().chain(listed).filter_map(marked).collect())
    }

    /// The files that are new, gone or different.
    pub fn changes_to(&self, later: &Self) -> BTreeSet<PathBuf> {
        let all = self.0.keys().chain(later.0.keys());
        all.filter(|path| self.0.get(*path) != later.0.get(*path)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_kind_of_change_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = at("postroom.yaml");
        for name in ["workflows", "tests", "schemas", "data"] {
            fs::create_dir(at(name)).unwrap();
        }
        for name in ["postroom.yaml", "workflows/a.yaml", "workflows/b.yml", "schemas/A.json"] {
            fs::write(at(name), "").unwrap();
        }
        let places = Places::of(&config::load(Some(&config)).ok().unwrap());
        let before = Snapshot::take(&places);
        assert_eq!(before.changes_to(&Snapshot::take(&places)), BTreeSet::new());

        fs::write(at("workflows/a.yaml"), "changed").unwrap();
        fs::remove_file(at("workflows/b.yml")).unwrap();
        fs::write(at("tests/t.yaml"), "").unwrap();
        // An editor that writes another file and renames it into place.
        fs::write(at("schemas/A.json.new"), "").unwrap();
        fs::rename(at("schemas/A.json.new"), at("schemas/A.json")).unwrap();
        fs::write(at(".env"), "A=1").unwrap();
        fs::write(at("workflows/.a.yaml.swp"), "").unwrap();
        fs::write(at("data/x.yaml"), "").unwrap();
        let changed = before.changes_to(&Snapshot::take(&places));
        let wanted =
            [".env", "schemas/A.json", "tests/t.yaml", "workflows/a.yaml", "workflows/b.yml"];
        assert_eq!(changed, wanted.map(at).into());
    }
}
