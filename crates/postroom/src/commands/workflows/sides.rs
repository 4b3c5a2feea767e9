//! What can be compared: versions that are kept, and the file of a workflow as it is now.

use std::path::{Path, PathBuf};

use postroom_core::definition::{Defaults, Stored, Workflow};
use postroom_core::parse;
use similar::TextDiff;

use super::super::versions::{Kept, Version};
use crate::assemble::{YAML, is_builtin};
use crate::config::{self, Loaded};
use crate::exit::Failed;
use crate::{files, home};

/// Lines around a difference that are shown with it.
const AROUND: usize = 3;

/// One side of a comparison.
pub(super) struct Side {
    /// What it is called: the hash of a version, or `disk`.
    pub name: String,
    title: String,
    stored: Stored,
}

impl Side {
    /// A version that is kept.
    pub fn of(version: &Version) -> Self {
        let stored = Stored::new(version.file.clone(), version.text.clone(), version.defaults);
        let name = version.definition.to_string();
        Self { name, title: version.title(), stored }
    }

    /// It as a workflow, if it can be read.
    pub fn workflow(&self) -> Option<Workflow> {
        parse::workflow(&self.stored).ok()
    }

    fn label(&self) -> String {
        format!("{}  {}", self.stored.file, self.title)
    }
}

/// What differs, as `diff -u` writes it; nothing if the texts are the same.
pub(super) fn diff(old: &Side, new: &Side) -> String {
    let diff = TextDiff::from_lines(&old.stored.text, &new.stored.text);
    let mut unified = diff.unified_diff();
    unified.context_radius(AROUND).header(&old.label(), &new.label()).to_string()
}

/// The defaults of both, if they differ.
pub(super) fn defaults(old: &Side, new: &Side) -> Option<(String, String)> {
    let text = |defaults: &Defaults| serde_json::to_string(defaults).unwrap_or_default();
    let (was, is) = (old.stored.defaults, new.stored.defaults);
    (was != is).then(|| (text(&was), text(&is)))
}

/// The file of a workflow in the project that lies here.
pub(super) struct Here {
    /// The project.
    pub loaded: Loaded,
    /// The file.
    pub path: PathBuf,
    /// The file as it is shown.
    pub file: String,
    /// Its text; nothing if it is not there.
    pub text: Option<String>,
}

impl Here {
    /// Finds the file that defines a workflow, else the one that its last version came from.
    ///
    /// # Errors
    /// There is no project here, or the workflow comes with Postroom.
    pub fn find(name: &str, kept: &Kept, options: &home::Options) -> Result<Self, Failed> {
        let loaded = config::load(options.config.as_deref())?;
        let folder = loaded.folder.join(&loaded.config.workflows);
        let defines = |path: &PathBuf| {
            let text = config::read(path).ok()?;
            let stored = Stored::new(String::new(), text, loaded.config.defaults);
            parse::workflow(&stored).ok().filter(|workflow| workflow.name == name)
        };
        let listed = files::of(&folder, YAML, &mut Vec::new());
        let path = match listed.into_iter().find(|path| defines(path).is_some()) {
            Some(path) => path,
            None => last(name, kept, &folder)?,
        };
        let text = if path.exists() { Some(config::read(&path)?) } else { None };
        let file = path.strip_prefix(&loaded.folder).unwrap_or(&path).display().to_string();
        Ok(Self { loaded, path, file, text })
    }

    /// The file as it is, to be compared.
    ///
    /// # Errors
    /// It is not there.
    pub fn side(&self) -> Result<Side, Failed> {
        let Some(text) = self.text.clone() else {
            let hint = "`postroom workflows rollback` writes a version back into it";
            return Err(Failed::usage(format!("{} is not there", self.path.display()), hint));
        };
        let stored = Stored::new(self.file.clone(), text, self.loaded.config.defaults);
        let name = "disk".to_owned();
        Ok(Side { title: "on disk".to_owned(), name, stored })
    }
}

/// The file that the active version, else the last one, came from. Only its name is taken: where
/// workflows lie says the configuration that lies here.
fn last(name: &str, kept: &Kept, folder: &Path) -> Result<PathBuf, Failed> {
    let last = kept.active().or(kept.data.first());
    let file = last.map(|version| version.file.as_str()).filter(|file| !is_builtin(file));
    let Some(file) = file.and_then(|file| Path::new(file).file_name()) else {
        let hint = format!("put what `postroom workflows show {name}` prints into a file first");
        let detail = format!("workflow `{name}` comes with Postroom: no file here defines it");
        return Err(Failed::usage(detail, &hint));
    };
    Ok(folder.join(file))
}
