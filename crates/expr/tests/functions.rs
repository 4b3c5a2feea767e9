//! The function table: every example holds, and the documentation shows the table as it is.

use postroom_expr::{Expr, FUNCTIONS, Limits, Scope};

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
