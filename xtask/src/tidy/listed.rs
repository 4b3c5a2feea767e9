//! What must be written down: a line for each dependency, an entry in the changelog.

use std::collections::BTreeMap;

use super::{Fault, Repository};

const MANIFEST: &str = "Cargo.toml";
const EXPLANATIONS: &str = "docs/decisions/dependencies.md";
const CHANGELOG: &str = "CHANGELOG.md";

/// Holds the list of the root manifest, the page that explains it, and what is used, together.
pub fn dependencies(repository: &Repository) -> Vec<Fault> {
    let text = |path: &str| repository.file(path).map_or("", |file| file.text.as_str());
    let declared = declared(text(MANIFEST));
    let explained = explained(text(EXPLANATIONS));
    let mut faults = Vec::new();
    for (name, line) in &declared {
        if !explained.contains_key(name) {
            let message = format!(
                "`{name}` is not explained; add `| `{name}` | what for | why | licence | cost |` \
                 to {EXPLANATIONS}"
            );
            faults.push(Fault::new(MANIFEST, *line, message));
        }
    }
    for (name, line) in &explained {
        if !declared.contains_key(name) {
            let message = format!("`{name}` is no dependency any more; remove its line");
            faults.push(Fault::new(EXPLANATIONS, *line, message));
        }
    }
    for package in repository.graph.ours() {
        for (used, _) in repository.graph.direct(package) {
            if !used.is_ours && !declared.contains_key(&used.name) {
                let (name, of) = (&used.name, &package.name);
                let message = format!("declare `{name}`, used by `{of}`, for the whole workspace");
                faults.push(Fault::new(&package.manifest, 1, message));
            }
        }
    }
    faults
}

/// The packages of others in `[workspace.dependencies]`, with their lines.
fn declared(manifest: &str) -> BTreeMap<String, usize> {
    let mut inside = false;
    let mut names = BTreeMap::new();
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim() == "[workspace.dependencies]";
        } else if let Some((name, value)) = line.split_once('=')
            && inside
            && is_name(name.trim())
            && !value.contains("path =")
        {
            names.insert(name.trim().to_owned(), index + 1);
        }
    }
    names
}

/// The rows of the page's tables whose first cell is a name in backticks, with their lines.
fn explained(page: &str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for (index, line) in page.lines().enumerate() {
        let cell = line.strip_prefix('|').and_then(|row| row.split('|').next());
        let name = cell.and_then(|cell| cell.trim().strip_prefix('`')?.strip_suffix('`'));
        if let Some(name) = name.filter(|name| is_name(name)) {
            names.insert(name.to_owned(), index + 1);
        }
    }
    names
}

fn is_name(text: &str) -> bool {
    let in_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
    !text.is_empty() && text.chars().all(in_name)
}

/// The changelog has a section for what comes next, or for the version the workspace has now.
pub fn changelog(repository: &Repository) -> Vec<Fault> {
    let Some(file) = repository.file(CHANGELOG) else {
        return vec![Fault::new(CHANGELOG, 1, "the changelog is missing")];
    };
    let versions = repository.graph.ours().map(|package| format!("[{}]", package.version));
    let wanted: Vec<String> = versions.chain(["[Unreleased]".to_owned()]).collect();
    let section = |line: &str| {
        let title = line.strip_prefix("## ").unwrap_or_default();
        wanted.iter().any(|it| title.starts_with(it.as_str()))
    };
    if file.text.lines().any(section) {
        return Vec::new();
    }
    vec![Fault::new(CHANGELOG, 1, "add a section `## [Unreleased]` and write the change there")]
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::graph;
    use super::super::source::TextFile;
    use super::*;

    const DECLARED: &str = "[workspace]\nresolver = \"3\"\n[workspace.dependencies]\n\
        postroom-core = { path = \"crates/core\" }\nserde = \"1\"\ntokio = { version = \"1\" }\n\
        [profile.dev]\ndebug = 1\n";

    fn messages(page: &str) -> Vec<String> {
        let files = [(MANIFEST, DECLARED), (EXPLANATIONS, page)];
        let files = files.map(|(path, text)| TextFile::new(path, text));
        dependencies(&Repository::of_files(files.into())).iter().map(Fault::to_string).collect()
    }

    #[test]
    fn each_dependency_has_a_line_and_each_line_a_dependency() {
        assert!(
            messages("| `serde` | a | b |\n| `tokio` | c | d |\n| rate limit | own |").is_empty()
        );
        let missing = messages("| `serde` | a |");
        assert_eq!(missing.len(), 1);
        assert!(missing[0].starts_with("Cargo.toml:6: `tokio` is not explained"), "{missing:?}");
        let gone = messages("| `serde` | a |\n| `tokio` | c |\n| `sled` | e |");
        assert_eq!(gone.len(), 1);
        assert!(gone[0].starts_with("docs/decisions/dependencies.md:3: `sled`"), "{gone:?}");
    }

    #[test]
    fn dependencies_are_declared_once_for_all() {
        let faults = dependencies(&Repository::of_graph(graph("postroom -> dev insta")));
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn the_changelog_has_a_section_for_now() {
        let faults = |text: &str| {
            let mut repository = Repository::of_graph(graph("postroom"));
            repository.files.push(TextFile::new(CHANGELOG, text));
            changelog(&repository).len()
        };
        assert_eq!(faults("# Changelog\n\n## [Unreleased]\n"), 0);
        assert_eq!(faults("# Changelog\n\n## [1.0.0] - 2026-11-30\n"), 0);
        assert_eq!(faults("# Changelog\n\n## [0.9.0] - 2026-11-30\n"), 1);
        assert_eq!(changelog(&Repository::of_files(Vec::new())).len(), 1);
    }
}
