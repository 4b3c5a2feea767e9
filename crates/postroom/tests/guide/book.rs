//! The pages of the guide as files.

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide")
}

/// The names of the pages in the order in which they are read: `1-first-event.md`, ….
pub fn pages() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("docs/guide");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("a name in UTF-8"));
    let mut names: Vec<String> = names.filter(|name| name != "README.md").collect();
    names.sort();
    assert!(!names.is_empty(), "the guide has no pages");
    names
}

pub fn text(page: &str) -> String {
    std::fs::read_to_string(folder().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

pub fn write(page: &str, text: &str) {
    std::fs::write(folder().join(page), text).expect("a page");
}
