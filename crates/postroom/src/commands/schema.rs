//! `schema`: prints the JSON Schema of a kind of file, or writes all of them for an editor.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::cli::Schema;
use crate::exit::Failed;
use crate::output::{self, Output, cell, plain};
use crate::{config, home, schemas};

/// Prints one schema or a list of them, or writes them all.
pub(super) fn run(args: &Schema, options: &home::Options, output: &Output) -> Result<(), Failed> {
    if let Some(folder) = &args.write {
        let folder = match folder {
            Some(folder) => folder.clone(),
            None => in_project(options)?,
        };
        return write(&folder, output);
    }
    if let Some(kind) = args.kind {
        let mut found = schemas::ALL.iter().filter(|schema| schema.kind == kind);
        return found.try_for_each(|schema| output.print(schema.text));
    }
    if output.json {
        let row = |schema: &schemas::Schema| json!({"file": schema.file(), "about": schema.about});
        let rows: Vec<_> = schemas::ALL.iter().map(row).collect();
        return output.print(&json!({ "data": rows }).to_string());
    }
    let row = |schema: &schemas::Schema| {
        vec![cell(schema.file().trim_end_matches(".json")), cell(schema.about)]
    };
    output.print(&output.table(&["SCHEMA", "OF"], schemas::ALL.iter().map(row).collect()))?;
    output.say(&output::hint("`postroom schema --write` writes all of them for your editor"));
    Ok(())
}

/// The folder in the project whose configuration is meant.
fn in_project(options: &home::Options) -> Result<PathBuf, Failed> {
    let path = config::path(options.config.as_deref())?;
    Ok(config::folder_of(&path).join(schemas::FOLDER))
}

fn write(folder: &Path, output: &Output) -> Result<(), Failed> {
    let why = || format!("cannot write the schemas into {}", folder.display());
    let written = schemas::write(folder).with_context(why)?;
    let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    if output.json {
        return output.print(&json!({ "written": written }).to_string());
    }
    for path in &written {
        output.print(&plain(path))?;
    }
    let hint = "an editor with the YAML language server uses one where a file begins with \
                `# yaml-language-server: $schema=` and the path from there to it";
    output.say(&output::hint(hint));
    Ok(())
}
