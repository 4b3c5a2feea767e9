//! The JSON Schemas of the files that people write, for their editors. The documents lie in
//! `schemas/`; a test holds them and the parsers together, key by key.

use std::path::{Path, PathBuf};

use crate::cli::FileKind;

/// The folder of schemas within a project.
pub(crate) const FOLDER: &str = ".postroom/schemas";

/// The schema of a kind of file.
pub(crate) struct Schema {
    /// Of which files.
    pub kind: FileKind,
    /// Where `init` writes it within a project.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
    /// Where the files it is about lie.
    pub about: &'static str,
}

impl Schema {
    /// The name of its file.
    pub fn file(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// Every schema.
pub(crate) const ALL: &[Schema] = &[
    Schema {
        kind: FileKind::Workflow,
        path: ".postroom/schemas/workflow.json",
        text: include_str!("../schemas/workflow.json"),
        about: "workflows/*.yaml",
    },
    Schema {
        kind: FileKind::Config,
        path: ".postroom/schemas/config.json",
        text: include_str!("../schemas/config.json"),
        about: "postroom.yaml",
    },
    Schema {
        kind: FileKind::Test,
        path: ".postroom/schemas/test.json",
        text: include_str!("../schemas/test.json"),
        about: "tests/*.yaml",
    },
    Schema {
        kind: FileKind::Adapter,
        path: ".postroom/schemas/adapter.json",
        text: include_str!("../schemas/adapter.json"),
        about: "adapters/*.yaml",
    },
];

/// Writes every schema into a folder, over those of another version; says which files it wrote.
///
/// # Errors
/// The folder or a file cannot be written.
pub(crate) fn write(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let write = |schema: &Schema| {
        let path = folder.join(schema.file());
        std::fs::write(&path, schema.text)?;
        Ok(path)
    };
    ALL.iter().map(write).collect()
}

#[cfg(test)]
mod tests;
