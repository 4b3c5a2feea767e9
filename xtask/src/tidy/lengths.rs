//! Bounds on size: lines of a file, lines of a function, characters of a line.

use std::ops::Range;

use super::source::{TextFile, after_block, line_of};
use super::{Fault, Repository};

/// A file has fewer lines than this, its trailing tests not counted.
const FILE_LINES: usize = 500;
/// A file of integration tests has fewer lines than this.
const TEST_FILE_LINES: usize = 800;
/// A function has fewer lines than this, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// A line of Rust has at most as many characters; the same as `max_width` of rustfmt.
const LINE_CHARS: usize = 100;

pub fn files(repository: &Repository) -> Vec<Fault> {
    repository.rust_files().filter_map(file_length).collect()
}

fn file_length(file: &TextFile) -> Option<Fault> {
    let limit = if file.is_test_file() { TEST_FILE_LINES } else { FILE_LINES };
    let counted = &file.text[..start_of_trailing_tests(file).unwrap_or(file.text.len())];
    let lines = counted.lines().count();
    (lines >= limit).then(|| {
        let message = format!("{lines} lines; split it by what it owns until it is under {limit}");
        Fault::new(&file.path, limit, message)
    })
}

/// Where `#[cfg(test)] mod ...` starts, when nothing but tests follows.
fn start_of_trailing_tests(file: &TextFile) -> Option<usize> {
    let rust = file.rust.as_ref()?;
    let last = rust.tests.last()?;
    rust.code[last.end..].trim().is_empty().then_some(last.start)
}

pub fn functions(repository: &Repository) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in repository.rust_files() {
        let Some(rust) = &file.rust else { continue };
        for function in functions_in(&rust.code) {
            // A table of cases is as long as it has cases.
            if file.is_test_code(function.span.start) {
                continue;
            }
            let first = line_of(&rust.code, function.span.start);
            let lines = line_of(&rust.code, function.span.end.saturating_sub(1)) - first + 1;
            if lines >= FUNCTION_LINES {
                let message = format!(
                    "`{}` has {lines} lines; name its parts until it is under {FUNCTION_LINES}",
                    function.name
                );
                faults.push(Fault::new(&file.path, first, message));
            }
        }
    }
    faults
}

struct Function {
    name: String,
    /// From the word `fn` to past the closing brace.
    span: Range<usize>,
}

/// Every function with a body in masked code, nested ones too.
fn functions_in(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == '#') {
            continue;
        }
        let signature = start + "fn ".len();
        let name: String = code[signature..]
            .trim_start()
            .chars()
            .take_while(|it| it.is_alphanumeric() || matches!(it, '_' | '#'))
            .collect();
        // Without a name it is the type of a function pointer.
        if name.is_empty() {
            continue;
        }
        if let Some(open) = body_of(code, signature) {
            functions.push(Function { name, span: start..after_block(code, open) });
        }
    }
    functions
}

/// The opening brace of the body that follows a signature; none for a declaration in a trait.
fn body_of(code: &str, signature: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(signature) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' | b'}' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

pub fn lines(repository: &Repository) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in repository.rust_files() {
        let mut offset = 0;
        for (index, line) in file.text.split_inclusive('\n').enumerate() {
            let start = offset;
            offset += line.len();
            let chars = line.trim_end_matches(['\n', '\r']).chars().count();
            // Expected texts and sample data of tests are shown as they are.
            if chars > LINE_CHARS && !file.is_test_code(start) {
                let message = format!("{chars} characters; break the line at {LINE_CHARS} or less");
                faults.push(Fault::new(&file.path, index + 1, message));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::mask::mask;
    use super::*;

    fn repository(path: &str, text: &str) -> Repository {
        Repository::of_files(vec![TextFile::new(path, text)])
    }

    fn names(source: &str) -> Vec<String> {
        functions_in(&mask(source)).into_iter().map(|function| function.name).collect()
    }

    #[test]
    fn functions_are_found_by_name() {
        assert_eq!(names("fn a() {} pub async fn b<T>(x: T) -> [u8; 3] where T: X {}"), ["a", "b"]);
        assert_eq!(names("impl X { const fn c(&self) { fn d() {} } }"), ["c", "d"]);
        assert_eq!(names("fn r#type() {}"), ["r#type"]);
    }

    #[test]
    fn pointers_declarations_and_words_are_not_functions() {
        assert!(names("struct X { run: fn(&str) -> u8, f: fn (u8) }").is_empty());
        assert!(names("trait X { fn a(&self) -> [u8; 2]; }").is_empty());
        assert!(names("// fn a() {\nlet x = \"fn b() {\"; my_fn {}").is_empty());
    }

    #[test]
    fn a_body_ends_at_its_own_brace() {
        let source = "fn a() { let x = '}'; if x { \"}\" } /* } */ }\nfn b() {}";
        let spans: Vec<_> = functions_in(&mask(source)).into_iter().map(|it| it.span).collect();
        assert_eq!(&source[spans[0].clone()], source.lines().next().unwrap_or_default());
        assert_eq!(spans.len(), 2);
    }

    #[test]
    fn a_function_of_the_limit_is_too_long() {
        let of_lines = |lines: usize| {
            let body = "    x();\n".repeat(lines - 2);
            functions(&repository(
                "crates/core/src/a.rs",
                &format!("//! A.\nfn a() {{\n{body}}}\n"),
            ))
        };
        assert!(of_lines(FUNCTION_LINES - 1).is_empty());
        let faults = of_lines(FUNCTION_LINES);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].line, 2);
        assert!(faults[0].message.contains("`a` has 70 lines"), "{}", faults[0].message);
    }

    #[test]
    fn trailing_tests_do_not_count_as_lines_of_the_file() {
        let code = "fn a() {}\n".repeat(FILE_LINES - 1);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// t\n".repeat(400));
        let path = "crates/core/src/a.rs";
        assert!(files(&repository(path, &format!("{code}{tests}"))).is_empty());
        assert_eq!(files(&repository(path, &format!("{code}{tests}{code}"))).len(), 1);
        assert_eq!(files(&repository(path, &format!("{code}fn b() {{}}\n"))).len(), 1);
    }

    #[test]
    fn files_of_tests_may_be_longer() {
        let path = "crates/store/tests/a.rs";
        assert!(files(&repository(path, &"// t\n".repeat(TEST_FILE_LINES - 1))).is_empty());
        assert_eq!(files(&repository(path, &"// t\n".repeat(TEST_FILE_LINES))).len(), 1);
    }

    #[test]
    fn lines_are_measured_in_characters() {
        let path = "crates/core/src/a.rs";
        assert!(lines(&repository(path, &"é".repeat(LINE_CHARS))).is_empty());
        assert_eq!(lines(&repository(path, &"x".repeat(LINE_CHARS + 1))).len(), 1);
    }
}
