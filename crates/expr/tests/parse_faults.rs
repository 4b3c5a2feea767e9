//! What the parser says of texts that are no expression: code, place and hint.

use postroom_expr::{Expr, Fault, Template, code};

/// Code, the text under the fault, a part of message and hint.
type Row = (&'static str, &'static str, &'static str);

fn check(source: &str, faults: &[Fault], expected: &[Row]) {
    let found: Vec<(&str, &str)> =
        faults.iter().map(|fault| (fault.code, &source[fault.span.clone()])).collect();
    let wanted: Vec<(&str, &str)> = expected.iter().map(|(code, text, _)| (*code, *text)).collect();
    assert_eq!(found, wanted, "{source}: {faults:?}");
    for (fault, (_, _, part)) in faults.iter().zip(expected) {
        let shown = fault.to_string();
        assert!(shown.contains(part), "{source}: {shown:?} lacks {part:?}");
    }
}

#[test]
fn one_slip_is_one_fault() {
    use code::{ARGUMENTS, OMIT, OVERFLOW, SYNTAX, UNCLOSED, UNKNOWN_FUNCTION};
    let table: &[(&str, Row)] = &[
        ("a = 1", (SYNTAX, "=", "`==`")),
        ("a === 1", (SYNTAX, "===", "`==`")),
        ("a == 1 and b", (SYNTAX, "and", "`&&`")),
        ("a or b", (SYNTAX, "or", "`||`")),
        ("not a", (SYNTAX, "not", "`!`")),
        ("x not in y", (SYNTAX, "not", "`!(x in list)`")),
        ("a & b", (SYNTAX, "&", "`&&`")),
        ("a | lower", (SYNTAX, "|", "value.name()")),
        ("a -> b", (SYNTAX, "->", "lambda")),
        ("a == ‘x’", (SYNTAX, "‘", "plain quotes")),
        ("“abc”", (SYNTAX, "“", "plain quotes")),
        ("[1, 2", (SYNTAX, "[", "close it with `]`")),
        ("(1 + 2", (SYNTAX, "(", "close it with `)`")),
        ("a.map(x => x", (SYNTAX, "(", "close it with `)`")),
        ("{a 1}", (SYNTAX, "1", "expected `:`")),
        ("{a: 1, a: 2}", (SYNTAX, "2", "given twice")),
        ("{1: 2}", (SYNTAX, "1", "keys are names")),
        ("[1,,2]", (SYNTAX, ",", "expected a value")),
        ("[a b]", (SYNTAX, "b", "comma or an operator is missing")),
        ("1 +", (SYNTAX, "", "needs a value on its right")),
        ("+ 1", (SYNTAX, "+", "leave it out")),
        ("+++1", (SYNTAX, "+", "leave it out")),
        ("a b", (SYNTAX, "b", "operator is missing")),
        ("a.1", (SYNTAX, ".1", "`list[0]`")),
        ("a.'b'", (SYNTAX, "'b'", "`a['the name']`")),
        ("a[]", (SYNTAX, "]", "expected a value")),
        ("a.?b", (SYNTAX, ".?", "`a?.b`")),
        ("a?.[0]", (SYNTAX, "?.[", "`a?[0]`")),
        ("a ? b", (SYNTAX, "", "expected `:`")),
        ("if a then b", (SYNTAX, "if", "condition ? value")),
        ("None", (SYNTAX, "None", "`null`")),
        ("1 < 2 < 3", (SYNTAX, "<", "`a < b && b < c`")),
        ("a)", (SYNTAX, ")", "no bracket")),
        ("a, b", (SYNTAX, ",", "[a, b]")),
        ("# x", (SYNTAX, "#", "`//`")),
        ("", (SYNTAX, "", "missing")),
        ("1u", (SYNTAX, "u", "one number type")),
        ("1_000", (SYNTAX, "_000", "without `_`")),
        (r"'\q'", (SYNTAX, r"\q", "escapes are")),
        (r"'\ud800'", (SYNTAX, r"\ud800", "not an escape")),
        ("1e999", (OVERFLOW, "1e999", "represented")),
        ("'abc", (UNCLOSED, "'", "never closed")),
        ("1 + \"abc", (UNCLOSED, "\"", "never closed")),
        ("'''abc'", (UNCLOSED, "'''", "close it with '''")),
        ("`abc ${x}", (UNCLOSED, "`", "never closed")),
        ("foo(1)", (UNKNOWN_FUNCTION, "foo", "no function")),
        ("a.foo(1)", (UNKNOWN_FUNCTION, "foo", "no method")),
        ("'a'.startswith('b')", (UNKNOWN_FUNCTION, "startswith", "`text.startsWith(prefix)")),
        ("a.lenght()", (UNKNOWN_FUNCTION, "lenght", "`size`")),
        ("a.matches('x')", (UNKNOWN_FUNCTION, "matches", "regular expressions")),
        ("now()", (UNKNOWN_FUNCTION, "now", "scope")),
        ("size()", (ARGUMENTS, "size", "one argument, not 0")),
        ("a.keys(1)", (ARGUMENTS, "keys", "no arguments, not 1")),
        ("a.substring()", (ARGUMENTS, "substring", "1 to 2 arguments")),
        ("lower(a)", (ARGUMENTS, "lower", "text.lower()")),
        ("a.base64()", (ARGUMENTS, "base64", "base64(text)")),
        ("a.map(1, 2)", (ARGUMENTS, "1", "x => …")),
        ("a.filter(a.x > 1)", (ARGUMENTS, "a", "x => …")),
        ("has(a)", (ARGUMENTS, "has(a)", "has(a.b)")),
        ("1 + omit()", (OMIT, "omit()", "leave out a key")),
        ("[1].filter(x => omit())", (OMIT, "omit()", "leave out a key")),
    ];
    for (source, expected) in table {
        let faults = Expr::parse(source).expect_err(source);
        check(source, &faults, &[*expected]);
    }
}

#[test]
fn several_slips_are_reported_at_once() {
    use code::{SYNTAX, UNKNOWN_FUNCTION};
    let source = "foo(1) + [a b, c = d] + {x: 1 +, y: bar(), z: 'ok'}";
    let faults = Expr::parse(source).expect_err(source);
    let expected = [
        (UNKNOWN_FUNCTION, "foo", ""),
        (SYNTAX, "b", ""),
        (SYNTAX, "=", ""),
        (SYNTAX, ",", ""),
        (UNKNOWN_FUNCTION, "bar", ""),
    ];
    check(source, &faults, &expected);
}

#[test]
fn templates_report_offsets_in_the_whole_text() {
    use code::{OMIT, SYNTAX, UNCLOSED, UNKNOWN_FUNCTION};
    let table: &[(&str, &[Row])] = &[
        ("Hello ${{ foo() }}!", &[(UNKNOWN_FUNCTION, "foo", "")]),
        ("${{ a = 1 }} ${{ b or c }}", &[(SYNTAX, "=", ""), (SYNTAX, "or", "")]),
        ("x ${{ a", &[(UNCLOSED, "${{", "close it with `}}`")]),
        ("x ${{ 'a }} y ${{ b = c }}", &[(UNCLOSED, "'", ""), (SYNTAX, "=", "")]),
        ("${{ a // note }}", &[(UNCLOSED, "${{", "comment")]),
        ("${{ }}", &[(SYNTAX, "", "missing")]),
        ("${{ $a }}", &[(SYNTAX, "$", "without `$`")]),
        ("a ${{ omit() }}", &[(OMIT, "omit()", "")]),
    ];
    for (text, expected) in table {
        let faults = Template::parse(text).expect_err(text);
        check(text, &faults, expected);
    }
}

#[test]
fn conditions_are_one_expression() {
    for text in ["a == 1", "${{ a == 1 }}", " ${{ a == 1 }}\n"] {
        let expr = Template::condition(text).expect(text);
        let read = &expr.reads()[0];
        assert_eq!(&text[read.span.clone()], "a");
    }
    for text in ["${{ a }} && ${{ b }}", "x ${{ a }}", "omit()", ""] {
        assert!(Template::condition(text).is_err(), "{text}");
    }
}

#[test]
fn sources_nesting_and_chains_are_bounded() {
    let chain = |operator: &str, count: usize| vec!["1"; count].join(operator);
    let accepted = [
        format!("{}1{}", "(".repeat(60), ")".repeat(60)),
        chain(" + ", 200),
        chain(" || ", 200).replace('1', "false"),
    ];
    for source in accepted {
        Expr::parse(&source).expect(&source);
    }
    let refused = [
        format!("{}1{}", "(".repeat(65), ")".repeat(65)),
        "[".repeat(10_000),
        "!".repeat(10_000),
        "-".repeat(10_000),
        "{a:".repeat(4_000),
        "a?1:".repeat(4_000),
        "`${".repeat(4_000),
        "a.map(x=>".repeat(1_000),
        chain("+", 5_000),
        format!("a{}", ".b".repeat(5_000)),
        format!("a{}", "[0]".repeat(5_000)),
        chain(" ?? ", 1_000),
        "x".repeat(20_000),
    ];
    for source in refused {
        let faults = Expr::parse(&source).expect_err("must be refused");
        assert!(faults.iter().any(|fault| fault.code == code::TOO_LARGE), "{faults:?}");
    }
}
