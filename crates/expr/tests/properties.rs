//! What holds for every input: no panic, spans inside the text, limits kept, output that is JSON.

use postroom_expr::{
    Expr, FUNCTIONS, Fault, JsonView, Limits, Mapping, Scope, Template, Value, code,
};
use proptest::prelude::*;

const EVENT: &str = r#"{"n": 7, "neg": -3.5, "s": "abc \u00e9\ud83d\ude00", "yes": true, "null": null,
    "list": [3, 1, 2], "mixed": [1, "a", null, {"x": 1}], "o": {"k": 1, "in": {"x": [1]}}, "huge": 1e400,
    "date": "2026-01-31T12:00:00Z", "big": 123456789012345678901234567890}"#;

fn scope() -> Scope<'static> {
    let event = JsonView::parse(EVENT).expect("valid");
    Scope::new().with("e", Value::Json(event)).with("x", Value::Int(2))
}

fn sound(text: &str, faults: &[Fault]) -> Result<(), TestCaseError> {
    prop_assert!(!faults.is_empty());
    for fault in faults {
        prop_assert!(text.get(fault.span.clone()).is_some(), "{text:?}: {fault:?}");
        prop_assert!(code::ALL.iter().any(|(code, _)| *code == fault.code));
        prop_assert!(!fault.message.is_empty());
    }
    Ok(())
}

/// Parses and evaluates; whatever comes of it must be sound.
fn exercise(source: &str, limits: Limits) -> Result<Option<String>, TestCaseError> {
    let expr = match Expr::parse(source) {
        Ok(expr) => expr,
        Err(faults) => return sound(source, &faults).map(|()| None),
    };
    for read in expr.reads() {
        prop_assert!(source.get(read.span).is_some());
    }
    let scope = scope();
    let outcome = expr.eval(&scope, limits);
    match outcome {
        Ok(value) => {
            let mut out = String::new();
            if value.write_json_within(&mut out, 1 << 20).is_ok() {
                let valid = serde_json::from_str::<&serde_json::value::RawValue>(&out);
                prop_assert!(valid.is_ok(), "{source}: {out}");
            }
            Ok(Some(out))
        }
        Err(fault) => sound(source, &[fault]).map(|()| None),
    }
}

/// Pieces of expressions, put together at random.
fn soup() -> impl Strategy<Value = String> {
    let mut words: Vec<String> = [
        "1",
        "2.5",
        "0",
        "-1",
        "9223372036854775807",
        "1e308",
        "'a'",
        "\"é\"",
        "r'\\'",
        "null",
        "true",
        "false",
        "e",
        "e.n",
        "e.s",
        "e.list",
        "e.mixed",
        "e.o",
        "e.huge",
        "e.big",
        "e.null",
        "e.date",
        "x",
        "missing",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        ":",
        "?",
        "?.",
        "?[",
        "??",
        "=>",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        " in ",
        "`",
        "${",
        "}`",
        "a: ",
        "has(",
        "omit()",
        ".map(x => ",
        ".filter(x, ",
        "// c\n",
        " ",
        "'",
        "\\",
        "and",
        "=",
        "“",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend(FUNCTIONS.iter().map(|function| format!(".{}(", function.name)));
    prop::collection::vec(prop::sample::select(words), 0..16).prop_map(|words| words.concat())
}

/// Well-formed expressions that use every function on every kind of value.
fn expression() -> impl Strategy<Value = String> {
    let leaves = vec![
        "0",
        "1",
        "2.5",
        "-7",
        "9223372036854775807",
        "1e300",
        "''",
        "'abc'",
        "'é😀'",
        "'2026-01-31'",
        "'1d'",
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "x",
        "e",
        "e.n",
        "e.neg",
        "e.s",
        "e.yes",
        "e.null",
        "e.list",
        "e.mixed",
        "e.o",
        "e.huge",
        "e.big",
        "e.date",
        "e?.nothing",
        "['a', 'b']",
        "[1, 2]",
        "'%Y %H'",
    ];
    let leaf = prop::sample::select(leaves).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let operators =
            vec!["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "??", "in"];
        let calls: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
        prop_oneof![
            (two.0.clone(), prop::sample::select(operators), two.1.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            two.clone().prop_map(|(a, b)| format!("{{a: {a}, b: {b}}}")),
            two.clone().prop_map(|(a, b)| format!("`{}${{{a}}} ${{{b}}}`", "t")),
            two.clone().prop_map(|(a, b)| format!("({a})[{b}]")),
            (two.0, prop::sample::select(vec!["map", "filter", "all", "sortBy", "groupBy"]), two.1)
                .prop_map(|(a, name, b)| format!("({a}).{name}(y => {b})")),
            (inner.clone(), prop::sample::select(calls), prop::collection::vec(inner, 0..3))
                .prop_map(|(receiver, name, args)| format!(
                    "({receiver}).{name}({})",
                    args.join(", ")
                )),
        ]
    })
    .prop_flat_map(|method| {
        // The same call as a function.
        let free =
            FUNCTIONS.iter().find(|function| method.contains(&format!(").{}()", function.name)));
        let free = free.map(|function| {
            method.replacen('(', &format!("{}((", function.name), 1).replacen(
                &format!(".{}()", function.name),
                ")",
                1,
            )
        });
        prop::sample::select(vec![method.clone(), free.unwrap_or(method)])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        exercise(&text, Limits::default())?;
        for text in [text.clone(), format!("${{{{{text}"), format!("a ${{{{ {text} }}}} b")] {
            if let Err(faults) = Template::parse(&text) {
                sound(&text, &faults)?;
            }
        }
    }

    #[test]
    fn no_soup_makes_the_parser_or_evaluator_panic(text in soup()) {
        exercise(&text, Limits::default())?;
        let template = format!("${{{{ {text} }}}}");
        match Template::parse(&template) {
            Err(faults) => sound(&template, &faults)?,
            Ok(compiled) => if let Err(fault) = compiled.eval(&scope(), Limits::default()) {
                sound(&template, &[fault])?;
            }
        }
    }

    #[test]
    fn no_expression_makes_the_evaluator_panic(source in expression()) {
        exercise(&source, Limits::default())?;
    }

    #[test]
    fn fuel_changes_whether_there_is_a_result_and_not_which(source in expression(), fuel in 0u64..200) {
        let scope = scope();
        let Ok(expr) = Expr::parse(&source) else { return Ok(()) };
        let full = expr.eval(&scope, Limits::default()).map(|value| format!("{value:?}"));
        let little = Limits { fuel, ..Limits::default() };
        match expr.eval(&scope, little).map(|value| format!("{value:?}")) {
            Err(fault) if fault.code == code::FUEL => {}
            other => prop_assert_eq!(other, full),
        }
    }

    #[test]
    fn what_is_rendered_is_json_within_its_limit(
        texts in prop::collection::vec((any::<String>(), expression()), 0..5),
        limit in 0usize..400,
    ) {
        let mut entries = Vec::new();
        for (key, source) in texts {
            for text in [format!("${{{{ {source} }}}}"), format!("{key} ${{{{ {source} }}}}"), key.clone()] {
                if let Ok(template) = Template::parse(&text) {
                    entries.push((key.clone(), Mapping::List(vec![Mapping::Template(template)])));
                }
            }
        }
        for entry in entries {
            let mapping = Mapping::Object(vec![entry.clone(), entry]);
            for output_bytes in [limit, 1 << 20] {
                let limits = Limits { output_bytes, ..Limits::default() };
                if let Ok(json) = mapping.render(&scope(), limits) {
                    prop_assert!(json.len() <= output_bytes);
                    prop_assert!(JsonView::parse(&json).is_ok(), "{}", json);
                }
            }
        }
    }
}
