//! The checker against `tests/golden/checks.txt`: expressions, each followed by its type and by
//! every fault with the characters it points at. `EXPR_BLESS=1` writes what follows anew.

use std::collections::BTreeMap;
use std::fmt::Write;

use postroom_expr::{Checked, Env, Expr, FUNCTIONS, Field, JsonView, Limits, Rest, Scope, Type};

fn object(fields: &[(&str, Type)], rest: Rest) -> Type {
    let field = |(name, ty): &(&str, Type)| match name.strip_suffix('?') {
        Some(name) => (name.into(), Field { ty: ty.clone(), required: false }),
        None => ((*name).into(), Field { ty: ty.clone(), required: true }),
    };
    Type::object(fields.iter().map(field).collect::<BTreeMap<_, _>>(), rest)
}

/// What the expressions of the golden file read.
fn env() -> Env {
    let line = object(
        &[
            ("id", Type::TEXT),
            ("amount", Type::Int),
            ("tax?", Type::Number),
            ("note", Type::TEXT.or_null()),
        ],
        Rest::Closed,
    );
    let invoice = object(
        &[
            ("id", Type::TEXT),
            ("status", Type::texts(["draft", "open", "paid"])),
            ("amount", Type::Int),
            ("rate", Type::Number),
            ("paid", Type::Bool),
            ("lines", Type::list(line)),
            ("tags", Type::list(Type::TEXT)),
            ("metadata", object(&[], Rest::Open(Type::TEXT))),
            ("raw", object(&[], Rest::Open(Type::Dyn))),
            (
                "customer?",
                object(&[("email", Type::TEXT), ("name?", Type::TEXT)], Rest::Undeclared),
            ),
            ("note", Type::TEXT.or_null()),
            ("nothing", Type::Null),
            ("either", Type::union([Type::TEXT, Type::Int])),
        ],
        Rest::Undeclared,
    );
    let case = |status: &str, output: Type| {
        object(&[("status", Type::texts([status])), ("output", output)], Rest::Closed)
    };
    let output = object(&[("url", Type::TEXT)], Rest::Closed);
    let step = Type::union([case("done", output), case("skipped", Type::Null)]);
    Env::new().with("e", invoice).with("step", step).with("any", Type::Dyn)
}

fn outcome(source: &str, env: &Env) -> String {
    let expr = match Expr::parse(source) {
        Ok(expr) => expr,
        Err(faults) => panic!("{source}: {faults:?}"),
    };
    let Checked { ty, findings, untyped, .. } = expr.check(env);
    let mut out = format!("  {ty}\n");
    for finding in findings {
        let fault = finding.fault;
        let shown = source.get(fault.span.clone()).expect("the span is in the text");
        writeln!(
            out,
            "  {}..{} `{shown}`: {} [{}]",
            fault.span.start, fault.span.end, fault.message, fault.code
        )
        .expect("writing to a string cannot fail");
        if let Some(hint) = fault.hint {
            writeln!(out, "    {hint}").expect("writing to a string cannot fail");
        }
    }
    if !untyped.is_empty() {
        let texts: Vec<&str> = untyped.iter().map(|untyped| untyped.text.as_str()).collect();
        writeln!(out, "  untyped: {}", texts.join(", ")).expect("writing to a string cannot fail");
    }
    out
}

#[test]
fn golden_checks() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/checks.txt");
    let golden = std::fs::read_to_string(path).expect("the golden file is there");
    let env = env();
    let mut found = String::new();
    let mut faults = std::collections::BTreeSet::new();
    for line in golden.lines().filter(|line| !line.starts_with("  ")) {
        writeln!(found, "{line}").expect("writing to a string cannot fail");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let outcome = outcome(line, &env);
        faults.extend(
            outcome
                .lines()
                .filter(|line| line.contains(" ["))
                .map(|line| line.split_once("`: ").map_or(line, |(_, message)| message).to_owned()),
        );
        found += &outcome;
    }
    assert!(faults.len() >= 60, "only {} distinct messages", faults.len());
    #[allow(clippy::disallowed_methods, reason = "asks for the file to be written anew")]
    if std::env::var_os("EXPR_BLESS").is_some() {
        std::fs::write(path, &found).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(path).expect("the golden file is there");
    for (line, (wanted, found)) in golden.lines().zip(found.lines()).enumerate() {
        assert_eq!(wanted, found, "line {}; EXPR_BLESS=1 writes it anew", line + 1);
    }
    assert_eq!(golden, found, "EXPR_BLESS=1 writes it anew");
}

#[test]
fn every_example_of_a_function_checks_to_the_type_of_its_result() {
    for function in FUNCTIONS {
        let expr = Expr::parse(function.example).expect("examples parse");
        let checked = expr.check(&Env::new());
        assert_eq!(checked.findings, [], "{}", function.example);
        let result = JsonView::parse(function.result).expect("results are JSON");
        assert!(checked.ty.holds(result), "{}: {}", function.example, checked.ty);
        let value = expr.eval(&Scope::new(), Limits::default()).expect("examples evaluate");
        let untyped = usize::from(function.name == "parseJson");
        assert_eq!(checked.untyped.len(), untyped, "{}: {value:?}", function.example);
    }
}

#[test]
fn no_nesting_makes_the_checker_slow() {
    let alternating = (0..50).fold("e.paid".to_owned(), |inner, n| {
        let operator = if n % 2 == 0 { "&&" } else { "||" };
        format!("({inner}) {operator} e?.customer?.name ?? '' != 'x'")
    });
    let step = ".map(x => {a: x, b: [x]})";
    let doubling = format!("[1]{}", step.repeat(100));
    let both = format!("e.paid ? {doubling} : {doubling}");
    let chain = vec!["(e.note ?? '').size() > 1"; 120].join(" || ");
    for source in [alternating, both, chain] {
        let expr = Expr::parse(&source).expect("it parses");
        let start = std::time::Instant::now();
        assert_eq!(expr.check(&env()).findings, [], "{source}");
        assert!(start.elapsed().as_secs() < 10, "{source}");
    }
}
