//! The function table: every example holds, and the documentation shows the table as it is.

use postroom_expr::{Expr, FUNCTIONS, GROUPS, Group, Limits, Scope, code};

fn run(source: &str) -> Result<String, String> {
    let expr = Expr::parse(source).map_err(|faults| format!("{faults:?}"))?;
    let value =
        expr.eval(&Scope::new(), Limits::default()).map_err(|fault| format!("{fault:?}"))?;
    let mut out = String::new();
    value.write_json(&mut out);
    Ok(out)
}

#[test]
fn every_example_yields_its_result() {
    for function in FUNCTIONS {
        let found = run(function.example);
        assert_eq!(found.as_deref(), Ok(function.result), "{}", function.example);
    }
}

#[test]
fn names_are_unique_and_examples_use_them() {
    for (index, function) in FUNCTIONS.iter().enumerate() {
        assert!(FUNCTIONS[..index].iter().all(|other| other.name != function.name));
        assert!(function.example.contains(function.name), "{}", function.name);
        assert!(function.signature.contains(function.name), "{}", function.name);
        assert!(function.doc.ends_with('.'), "{}", function.name);
    }
}

/// The generated part between a marker and its end.
fn splice(page: &str, name: &str, content: &str) -> String {
    let start = page.find(&format!("<!-- {name}: ")).expect("the marker is there");
    let start = start + page[start..].find("-->").expect("the marker ends") + "-->".len();
    let end = page.find(&format!("<!-- end of {name} -->")).expect("the end marker is there");
    format!("{}\n{content}{}", &page[..start], &page[end..])
}

/// A cell of a table; a bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn function_tables() -> String {
    let mut out = String::new();
    for Group { title, functions } in GROUPS {
        out.push_str(&format!(
            "\n### {title}\n| call | what it does | example | yields |\n| --- | --- | --- | --- |\n"
        ));
        for function in *functions {
            let signature: Vec<String> =
                function.signature.split(" -> ").map(|part| format!("`{}`", cell(part))).collect();
            out.push_str(&format!(
                "| {} | {} | `{}` | `{}` |\n",
                signature.join(" → "),
                cell(function.doc),
                cell(function.example),
                cell(function.result)
            ));
        }
    }
    out.push('\n');
    out
}

fn code_table() -> String {
    let rows = code::ALL.iter().map(|(code, meaning)| format!("| `{code}` | {meaning} |\n"));
    format!("\n| code | meaning |\n| --- | --- |\n{}\n", rows.collect::<String>())
}

#[test]
fn the_documentation_shows_the_tables_as_they_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/language.md");
    let page = std::fs::read_to_string(path).expect("docs/language.md exists");
    let wanted = splice(&splice(&page, "functions", &function_tables()), "codes", &code_table());
    #[allow(clippy::disallowed_methods, reason = "asks for the page to be written anew")]
    if std::env::var_os("EXPR_BLESS").is_some() {
        std::fs::write(path, &wanted).expect("docs/language.md can be written");
    }
    let page = std::fs::read_to_string(path).expect("docs/language.md exists");
    assert!(page == wanted, "docs/language.md is stale: run this test with EXPR_BLESS=1");
}
