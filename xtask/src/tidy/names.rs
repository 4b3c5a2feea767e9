//! How files are named and how they open.

use super::{Fault, Repository};

/// Names that say nothing of what is inside, as a file or as a folder.
const FORBIDDEN: &[&str] = &["util", "utils", "common", "helpers", "misc"];

/// Every file of a crate opens with `//!`; only blank lines may come before.
pub fn module_docs(repository: &Repository) -> Vec<Fault> {
    let of_crate = |path: &str| path.starts_with("crates/") && path.contains("/src/");
    let undocumented = |text: &str| {
        let first = text.lines().find(|line| !line.trim().is_empty());
        !first.is_some_and(|line| line.starts_with("//!"))
    };
    repository
        .rust_files()
        .filter(|file| of_crate(&file.path) && undocumented(&file.text))
        .map(|file| {
            let message = "open the file with `//!`: what it owns, what it refuses to do";
            Fault::new(&file.path, 1, message)
        })
        .collect()
}

pub fn forbidden(repository: &Repository) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in repository.rust_files() {
        let stem = file.path.strip_suffix(".rs").unwrap_or(&file.path);
        if let Some(name) = stem.split('/').find(|part| FORBIDDEN.contains(part)) {
            let message = format!("`{name}` says nothing; name it after what it owns");
            faults.push(Fault::new(&file.path, 1, message));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::source::TextFile;
    use super::*;

    fn faults(check: fn(&Repository) -> Vec<Fault>, path: &str, text: &str) -> usize {
        check(&Repository::of_files(vec![TextFile::new(path, text)])).len()
    }

    #[test]
    fn files_and_folders_need_a_name_that_says_something() {
        assert_eq!(faults(forbidden, "crates/core/src/utils.rs", ""), 1);
        assert_eq!(faults(forbidden, "crates/core/tests/common/mod.rs", ""), 1);
        assert_eq!(faults(forbidden, "crates/core/src/retry.rs", ""), 0);
        assert_eq!(faults(forbidden, "crates/core/src/utility_bill.rs", ""), 0);
    }

    #[test]
    fn files_of_crates_open_with_module_docs() {
        assert_eq!(faults(module_docs, "crates/core/src/a.rs", "//! Retry.\nfn a() {}"), 0);
        assert_eq!(faults(module_docs, "crates/core/src/a.rs", "\n//! Retry."), 0);
        assert_eq!(faults(module_docs, "crates/core/src/a.rs", "// Retry.\nfn a() {}"), 1);
        assert_eq!(faults(module_docs, "crates/core/src/a.rs", ""), 1);
        assert_eq!(faults(module_docs, "crates/core/tests/a.rs", "fn a() {}"), 0);
    }
}
