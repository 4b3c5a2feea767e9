//! `docs/problems.md` is the table of problems. `BLESS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fmt::Write;

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

#[test]
fn codes_are_found_by_their_text() {
    for kind in problem::ALL {
        assert_eq!(problem::by_code(kind.code), Some(*kind));
    }
    assert_eq!(problem::by_code("no/such"), None);
}
