//! Relative links between Markdown documents lead to a file that exists.
//!
//! Addresses with a scheme are not followed: a check never needs the network.

use std::collections::BTreeSet;
use std::path::Path;

use super::source::TextFile;
use super::{Fault, Repository};

pub fn check(repository: &Repository) -> Vec<Fault> {
    let known = known_paths(repository);
    let is_markdown = |file: &&TextFile| Path::new(&file.path).extension() == Some("md".as_ref());
    let mut faults = Vec::new();
    for file in repository.files.iter().filter(is_markdown) {
        for link in links_in(&file.text) {
            let Some(target) = resolve(&file.path, link.target) else {
                let message = format!("`{}` leads out of the repository", link.target);
                faults.push(Fault::new(&file.path, link.line, message));
                continue;
            };
            // Binary files are not among the texts that were read.
            if !known.contains(&target) && !is_on_disk(&repository.root, &target) {
                let message = format!("`{}` does not exist; mend the link", link.target);
                faults.push(Fault::new(&file.path, link.line, message));
            }
        }
    }
    faults
}

/// Every file, and every folder above one.
fn known_paths(repository: &Repository) -> BTreeSet<String> {
    let mut known = BTreeSet::from([String::new()]);
    for file in &repository.files {
        known.insert(file.path.clone());
        known.extend(file.path.match_indices('/').map(|(at, _)| file.path[..at].to_owned()));
    }
    known
}

fn is_on_disk(root: &Path, target: &str) -> bool {
    !root.as_os_str().is_empty() && root.join(target).is_file()
}

struct Link<'a> {
    line: usize,
    /// As written, without its `#fragment`.
    target: &'a str,
}

/// The relative links of a document: `[text](target)` and `[name]: target`. Code is skipped.
fn links_in(text: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => {
                let targets = targets_in(line).into_iter().filter_map(relative);
                links.extend(targets.map(|target| Link { line: index + 1, target }));
            }
            _ => {}
        }
    }
    links
}

fn targets_in(line: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
        targets.push(target);
    }
    let mut rest = line;
    let mut in_code = false;
    while let Some(at) = rest.find(['`', ']']) {
        let after = &rest[at + 1..];
        if rest[at..].starts_with('`') {
            in_code = !in_code;
        } else if let Some(target) = after.strip_prefix('(').filter(|_| !in_code) {
            targets.extend(target.split_once(')').map(|(target, _)| target));
        }
        rest = after;
    }
    targets
}

/// The path of a link within the repository, or none when it has a scheme or is only a fragment.
fn relative(target: &str) -> Option<&str> {
    // A title may follow the target.
    let target = target.trim().split(' ').next().unwrap_or_default();
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let path = target.split(['#', '?']).next().unwrap_or_default();
    let scheme = path.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    (!path.is_empty() && !scheme).then_some(path)
}

/// The target from the root, with `.` and `..` taken out; none when it leads above the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<(usize, &str)> {
        links_in(text).into_iter().map(|link| (link.line, link.target)).collect()
    }

    #[test]
    fn links_and_images_are_found() {
        let text = "See [a](a.md) and\n![b](img/b.png \"title\"), [c](<c.md>).\n[d]: ../d.md\n";
        assert_eq!(targets(text), [(1, "a.md"), (2, "img/b.png"), (2, "c.md"), (3, "../d.md")]);
        assert_eq!(targets("[![badge](b.svg)](page.md)"), [(1, "b.svg"), (1, "page.md")]);
    }

    #[test]
    fn fragments_are_cut_and_addresses_left_alone() {
        assert_eq!(targets("[a](a.md#part) [b](#part) [c](https://x.y/z.md)"), [(1, "a.md")]);
        assert_eq!(targets("[m](mailto:a@b.c) [d](docs/)"), [(1, "docs/")]);
    }

    #[test]
    fn code_holds_no_links() {
        assert!(targets("`[a](a.md)`\n```\n[b](b.md)\n```\n~~~\n[c](c.md)\n```\n~~~\n").is_empty());
        assert_eq!(targets("`code` [a](a.md) `[b](b.md)`"), [(1, "a.md")]);
        assert_eq!(targets("[`a`](a.md)"), [(1, "a.md")]);
    }

    #[test]
    fn targets_resolve_from_the_folder_of_the_document() {
        assert_eq!(resolve("docs/a.md", "b.md").as_deref(), Some("docs/b.md"));
        assert_eq!(resolve("docs/x/a.md", "../../README.md").as_deref(), Some("README.md"));
        assert_eq!(resolve("docs/a.md", "./x/").as_deref(), Some("docs/x"));
        assert_eq!(resolve("docs/a.md", "/LICENSE").as_deref(), Some("LICENSE"));
        assert_eq!(resolve("a.md", "../b.md"), None);
    }

    #[test]
    fn a_link_into_nothing_is_a_fault() {
        let page = "[a](b.md)\n[folder](../crates/core)\n[gone](gone.md)\n[out](../../x.md)\n";
        let files = [("docs/a.md", page), ("docs/b.md", ""), ("crates/core/src/lib.rs", "")];
        let files = files.map(|(path, text)| TextFile::new(path, text));
        let faults = check(&Repository::of_files(files.into()));
        let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [3, 4]);
    }
}
