//! Text that may not stand in the repository: some Rust constructs in code, and places that exist
//! on one machine or network only.

use super::source::TextFile;
use super::{Fault, Repository};

struct Construct {
    text: &'static str,
    /// True when tests may use it.
    in_tests: bool,
    mend: &'static str,
}

const CONSTRUCTS: &[Construct] = &[
    Construct {
        text: "#[ignore",
        in_tests: false,
        mend: "a test that does not run protects nothing: mend it or delete it",
    },
    Construct { text: "unsafe", in_tests: false, mend: "unsafe code is forbidden; use safe code" },
    Construct {
        text: "macro_rules!",
        in_tests: true,
        mend: "macros are for tests only; write a function or a table",
    },
];

/// Folders that exist on one machine only. Written in two parts so that this file passes.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Hosts of package registries: which one is used is the business of the machine.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("registry.", "npmjs.org"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("deb.", "debian.org"),
    concat!("proxy.", "golang.org"),
];

pub fn forbidden_code(repository: &Repository) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in repository.rust_files() {
        let Some(rust) = &file.rust else { continue };
        for construct in CONSTRUCTS {
            for at in whole_words(&rust.code, construct.text) {
                if !(construct.in_tests && file.is_test_code(at)) {
                    faults.push(Fault::new(&file.path, file.line_of(at), construct.mend));
                }
            }
        }
    }
    faults
}

/// Where `word` stands in `code` and is not part of a longer identifier.
fn whole_words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !(is_part(before) || is_part(after))
    })
}

pub fn machine_paths(repository: &Repository) -> Vec<Fault> {
    // `docs/…` and `https://host/…` are not absolute: something that belongs to a path or an
    // address comes before the slash.
    let absolute = |text: &str, at: usize| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|it| it.is_alphanumeric() || "._-/~}".contains(it))
    };
    let mend = "is a place of one machine; write a relative path or a placeholder";
    found(repository, MACHINE_PATHS, mend, absolute)
}

pub fn registry_hosts(repository: &Repository) -> Vec<Fault> {
    let whole_host = |text: &str, at: usize| {
        !text[..at].chars().next_back().is_some_and(|it| it.is_alphanumeric())
    };
    let mend = "is the host of a package registry; do not name it";
    found(repository, REGISTRY_HOSTS, mend, whole_host)
}

fn found(
    repository: &Repository,
    texts: &[&str],
    mend: &str,
    counts: fn(&str, usize) -> bool,
) -> Vec<Fault> {
    // Cargo writes the name of its registry into the lock file.
    let checked = |file: &&TextFile| !file.path.ends_with("Cargo.lock");
    let mut faults = Vec::new();
    for file in repository.files.iter().filter(checked) {
        for text in texts {
            for (at, _) in file.text.match_indices(text) {
                if counts(&file.text, at) {
                    let message = format!("`{text}` {mend}");
                    faults.push(Fault::new(&file.path, file.line_of(at), message));
                }
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(check: fn(&Repository) -> Vec<Fault>, path: &str, text: &str) -> Vec<usize> {
        let repository = Repository::of_files(vec![TextFile::new(path, text)]);
        check(&repository).into_iter().map(|fault| fault.line).collect()
    }

    fn code(text: &str) -> Vec<usize> {
        lines(forbidden_code, "crates/core/src/a.rs", text)
    }

    #[test]
    fn forbidden_constructs_are_found_in_code_only() {
        assert_eq!(code("\nunsafe { x() }"), [2]);
        assert_eq!(code("// unsafe\nlet x = \"unsafe\";"), NONE);
        assert_eq!(code("#![forbid(unsafe_code)]"), NONE);
        assert_eq!(code("#[test]\n#[ignore]\nfn a() {}"), [2]);
        assert_eq!(code("#[ignore = \"slow\"]\nfn a() {}"), [1]);
        assert_eq!(code("#[ignored]\nfn a() {}"), NONE);
    }

    #[test]
    fn macros_may_stand_in_tests() {
        let text = "macro_rules! a { () => {} }";
        assert_eq!(code(text), [1]);
        assert_eq!(code(&format!("#[cfg(test)]\nmod tests {{\n{text}\n}}")), NONE);
        assert_eq!(lines(forbidden_code, "crates/core/tests/a.rs", text), NONE);
    }

    #[test]
    fn absolute_places_are_found_in_any_file() {
        let place = MACHINE_PATHS[2];
        let of = |text: &str| lines(machine_paths, "docs/a.md", text);
        assert_eq!(of(&format!("x\nsee {place}me/file")), [2]);
        assert_eq!(of(&format!("({place}me)")), [1]);
        assert_eq!(of(&format!("https://example.com{place}page")), NONE);
        assert_eq!(of(&format!("docs{place}page and ~{place}x")), NONE);
    }

    #[test]
    fn registries_are_not_named_outside_the_lock_file() {
        let text = format!("index = \"https://index.{}/\"", REGISTRY_HOSTS[0]);
        assert_eq!(lines(registry_hosts, ".cargo/config.toml", &text), [1]);
        assert_eq!(lines(registry_hosts, "Cargo.lock", &text), NONE);
    }
}
