//! `docs/problems.md` is the table of problems. `BLESS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use postroom_core::problem;

mod bless;

#[test]
fn the_page_is_the_table() {
    let mut page = "# Problems\n\n\
        Every problem has a stable code. Files, the API and the command line speak of problems by\n\
        these codes; the API answers them as `application/problem+json` with the status below.\n\n\
        <!-- Made from crates/core/src/problem/table.rs by a test; BLESS=1 writes it anew. -->\n\n\
        | code | status | what |\n| --- | --- | --- |\n"
        .to_owned();
    for kind in problem::ALL {
        let anchor = kind.code.replace('/', "");
        writeln!(page, "| [`{}`](#{anchor}) | {} | {} |", kind.code, kind.status, kind.title)
            .unwrap();
    }
    for kind in problem::ALL {
        write!(page, "\n## {}\n\n{}\n", kind.code, wrapped(kind.explain)).unwrap();
    }
    bless::check(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md"), &page);
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.len() > 100 {
            out.push('\n');
            width = 0;
        }
        if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += word.len();
    }
    out
}

/// The code of the workspace's crates, without their tests.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["tests", "examples", "benches", "target"].contains(&name) {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
}

/// Texts between quotes that look like codes.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let families: BTreeSet<&str> =
        problem::ALL.iter().filter_map(|kind| Some(kind.code.split_once('/')?.0)).collect();
    text.split('"').filter(move |quoted| {
        let name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        let parts = quoted.split_once('/');
        parts.is_some_and(|(family, rest)| families.contains(family) && name(rest))
    })
}

#[test]
fn every_code_that_is_written_anywhere_has_a_row() {
    let mut files = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), &mut files);
    let mut seen = BTreeSet::new();
    for (path, text) in &files {
        for code in codes(text) {
            let row = problem::by_code(code);
            assert!(row.is_some(), "{}: `{code}` has no row", path.display());
            seen.insert(code);
        }
        // A code of a failure is a row's, a fault's, what a provider said, or a text of the kind
        // that was found above.
        for argument in text.split("Failure::new(").skip(1) {
            let code = argument.trim_start().split([',', '\n']).next().unwrap();
            let literal = code.starts_with('"');
            let known = literal
                || [".code", "code", "code::TYPE", "shown(&code)"]
                    .iter()
                    .any(|end| code.ends_with(end));
            assert!(known, "{}: what is the code of `Failure::new({code}`?", path.display());
            let text = code.trim_matches('"');
            assert!(!literal || problem::by_code(text).is_some(), "{text} has no row");
        }
    }
    for code in ["run/definition-missing", "call/owner-lost", "store/corrupt-run", "expr/null"] {
        assert!(seen.contains(code), "{code} was not seen in {} files", files.len());
    }
}

#[test]
fn codes_are_found_by_their_text() {
    for kind in problem::ALL {
        assert_eq!(problem::by_code(kind.code), Some(*kind));
    }
    assert_eq!(problem::by_code("no/such"), None);
}
