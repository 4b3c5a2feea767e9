//! The files of the repository as the checks see them.
//!
//! Reads what git tracks or would track; ignored files are nobody's business. Rust files come with
//! their masked text and the lines that belong to tests.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::mask::mask;
use crate::Failure;

/// A text file of the repository.
pub struct TextFile {
    /// Relative to the root, with `/` between its parts.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// For a `.rs` file: its code and tests.
    pub rust: Option<RustText>,
}

/// What the checks need to know of Rust source.
pub struct RustText {
    /// The text with comments and literals blanked out; same offsets.
    pub code: String,
    /// Byte ranges of items under `#[cfg(test)]`.
    pub tests: Vec<Range<usize>>,
}

impl TextFile {
    /// A file with this path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let rust = Path::new(&path).extension().is_some_and(|it| it == "rs").then(|| {
            let code = mask(&text);
            let tests = test_items(&code);
            RustText { code, tests }
        });
        Self { path, text, rust }
    }

    /// The line (from 1) of a byte offset.
    pub fn line_of(&self, offset: usize) -> usize {
        line_of(&self.text, offset)
    }

    /// True when the whole file is test code: it stands in a folder called `tests`, `examples` or
    /// `fuzz`.
    pub fn is_test_file(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "examples" | "fuzz"))
    }

    /// True when `offset` stands in test code.
    pub fn is_test_code(&self, offset: usize) -> bool {
        let in_item = |rust: &RustText| rust.tests.iter().any(|range| range.contains(&offset));
        self.is_test_file() || self.rust.as_ref().is_some_and(in_item)
    }
}

/// The line (from 1) of a byte offset in `text`.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The offset after the brace that closes the one at `open`, in masked code.
pub fn after_block(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Finds the items that follow `#[cfg(test)]`: to the end of their block, or to their semicolon.
fn test_items(code: &str) -> Vec<Range<usize>> {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut items: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices(ATTRIBUTE) {
        if items.last().is_some_and(|previous| previous.contains(&start)) {
            continue;
        }
        let body = start + ATTRIBUTE.len();
        let end = match code[body..].find(['{', ';']) {
            Some(found) if code.as_bytes()[body + found] == b'{' => after_block(code, body + found),
            Some(found) => body + found + 1,
            None => code.len(),
        };
        items.push(start..end);
    }
    items
}

/// Reads every text file that git tracks, or would track, below `root`.
///
/// # Errors
/// When git is missing or `root` is not a repository. Binary files are left out.
pub fn read_all(root: &Path) -> Result<Vec<TextFile>, Failure> {
    let mut files = Vec::new();
    for path in listed_by_git(root)? {
        // A file may be listed and deleted at the same time.
        let Ok(bytes) = std::fs::read(root.join(&path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile::new(path.to_string_lossy(), text));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn listed_by_git(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git, which lists the files, does not start: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("git cannot list the files: {reason}").into());
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.split_terminator('\0').map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_items_end_with_their_block_or_semicolon() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { \"}\"; } }\nfn c() {}\n\
                    #[cfg(test)]\nuse x::y;\nfn d() {}\n";
        let file = TextFile::new("crates/core/src/x.rs", text);
        let at = |needle: &str| text.find(needle).expect("the needle stands in the text");
        assert!(!file.is_test_code(at("fn a")));
        assert!(file.is_test_code(at("fn b")));
        assert!(!file.is_test_code(at("fn c")));
        assert!(file.is_test_code(at("use x")));
        assert!(!file.is_test_code(at("fn d")));
    }

    #[test]
    fn files_below_tests_are_test_code() {
        let file = TextFile::new("crates/store/tests/conformance/claim.rs", "fn a() {}");
        assert!(file.is_test_code(0));
        assert!(!TextFile::new("crates/store/src/tests_of.rs", "fn a() {}").is_test_code(0));
    }

    #[test]
    fn lines_count_from_one() {
        let file = TextFile::new("a.md", "one\ntwo\nthree");
        assert_eq!(
            (file.line_of(0), file.line_of(3), file.line_of(4), file.line_of(8)),
            (1, 1, 2, 3)
        );
    }
}
