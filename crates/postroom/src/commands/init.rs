//! `init`: writes a project that works as it stands. What it writes lies in `templates/`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::Init;
use crate::exit::{Failed, Said};
use crate::output::{self, Output, plain};
use crate::schemas;

/// A file of the project, and its text; its schemas come beside them.
const FILES: &[(&str, &str)] = &[
    ("postroom.yaml", include_str!("../../templates/postroom.yaml")),
    ("workflows/order-paid.yaml", include_str!("../../templates/order-paid.yaml")),
    ("tests/order-paid.yaml", include_str!("../../templates/order-paid.test.yaml")),
    ("schemas/ORDER_PAID.json", include_str!("../../templates/ORDER_PAID.json")),
    (".env.example", include_str!("../../templates/env.example")),
    (".gitignore", include_str!("../../templates/gitignore")),
    ("README.md", include_str!("../../templates/README.md")),
];

/// Every file of the project, and its text.
pub(crate) fn files() -> Vec<(&'static str, &'static str)> {
    let schemas = schemas::ALL.iter().map(|schema| (schema.path, schema.text));
    FILES.iter().copied().chain(schemas).collect()
}

/// Writes the project.
pub(super) fn run(args: &Init, output: &Output) -> Result<(), Failed> {
    write(&args.dir, args.force)?;
    let written: Vec<&str> = files().iter().map(|(name, _)| *name).collect();
    if output.json {
        let folder = args.dir.display().to_string();
        return output.print(&json!({ "folder": folder, "written": written }).to_string());
    }
    for name in written {
        output.print(&plain(&args.dir.join(name).display().to_string()))?;
    }
    let here = args.dir == Path::new(".");
    let enter = if here { String::new() } else { format!("cd {}; ", args.dir.display()) };
    output.say(&output::hint(&format!(
        "{enter}postroom test plays its tests, postroom serve --sandbox starts it; README.md says \
         how to go on"
    )));
    Ok(())
}

/// All files or, if one is there already and nobody said `--force`, none.
pub(crate) fn write(dir: &Path, force: bool) -> Result<(), Failed> {
    let there = |name: &str| fs::symlink_metadata(dir.join(name)).is_ok();
    let files = files();
    let taken: Vec<&str> = files.iter().map(|(name, _)| *name).filter(|name| there(name)).collect();
    if !force && !taken.is_empty() {
        return Err(Failed::Conflict(Said {
            detail: format!("{} already has {}", dir.display(), taken.join(", ")),
            hint: Some("name another folder, or overwrite them with --force".to_owned()),
        }));
    }
    for (name, text) in files {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true);
        if force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let mut file =
            options.open(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use postroom_core::definition::{Defaults, Stored};

    use super::*;

    #[test]
    fn a_project_is_written_whole_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("new/project");
        write(&project, false).unwrap();
        for (name, text) in files() {
            assert_eq!(fs::read_to_string(project.join(name)).unwrap(), text, "{name}");
        }
        fs::write(project.join("postroom.yaml"), "mine").unwrap();
        fs::remove_file(project.join("README.md")).unwrap();
        let refused = write(&project, false).unwrap_err();
        assert_eq!(refused.code(), 4);
        assert!(!project.join("README.md").exists(), "nothing may be written");
        assert_eq!(fs::read_to_string(project.join("postroom.yaml")).unwrap(), "mine");
        write(&project, true).unwrap();
        assert_eq!(fs::read_to_string(project.join("postroom.yaml")).unwrap(), FILES[0].1);
    }

    #[test]
    fn its_workflow_parses() {
        let (file, text) = FILES[1];
        let (file, text) = (file.to_owned(), text.to_owned());
        let stored = Stored::new(file, text, Defaults::default());
        let workflow = postroom_core::parse::workflow(&stored).unwrap();
        let (_, readme) = FILES.last().unwrap();
        assert!(readme.contains(&format!("postroom send {}", workflow.triggers[0].event)));
    }
}
