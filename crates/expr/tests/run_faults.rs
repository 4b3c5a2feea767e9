//! What evaluation says when it cannot go on: code, place and hint.

use postroom_expr::{Expr, Fault, JsonView, Limits, Scope, Value, code};

const EVENT: &str = r#"{"a": {"b": 1, "status": "open", "n": null}, "list": [1, 2, 3], "text": "hi",
    "huge": 1e400, "odd key": 1, "nested": {"deep": [{"x": 1}]}}"#;

fn fault(source: &str, limits: Limits) -> Fault {
    let event = JsonView::parse(EVENT).expect("valid");
    let scope = Scope::new().with("event", Value::Json(event)).with("steps", Value::object(vec![]));
    let expr = Expr::parse(source).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    expr.eval(&scope, limits).map(|value| format!("{value:?}")).expect_err(source)
}

#[test]
fn faults_point_at_the_node_and_say_how_to_mend_it() {
    use code::{DIVISION, MISSING_FIELD, NULL, OMIT, OUTPUT, OVERFLOW, TYPE, UNKNOWN_NAME, VALUE};
    // Source, code, text under the fault, a part of message and hint.
    let table: &[(&str, &str, &str, &str)] = &[
        ("1 + event.a.stauts", MISSING_FIELD, "stauts", "did you mean `status`?"),
        ("event.a.stauts", MISSING_FIELD, "stauts", "`event.a` has no field `stauts`"),
        ("event.a.zzz", MISSING_FIELD, "zzz", "it has `b`, `status`, `n`"),
        ("event['odd kye']", MISSING_FIELD, "'odd kye'", "`?['odd kye']`"),
        ("steps.invoice", MISSING_FIELD, "invoice", "the object is empty"),
        ("event.nested.deep[0].y", MISSING_FIELD, "y", "`event.nested.deep[0]`"),
        ("event.list[3]", MISSING_FIELD, "3", "the last of `event.list` is 2"),
        ("[][0]", MISSING_FIELD, "0", "is empty"),
        ("event.list[-1]", VALUE, "-1", ".last()"),
        ("event.text.substring(0, 9)", VALUE, "9", "`.slice(from, to)` stops at the end"),
        ("[1].chunk(0)", VALUE, "0", "0 items make no list"),
        ("event.list['a']", TYPE, "'a'", "a whole number"),
        ("event.a[0]", TYPE, "0", "of an object is a string"),
        ("event.text[0]", TYPE, "event.text", "charAt"),
        ("event.list.price", TYPE, "price", ".map(x => x.price)"),
        ("event.text.size", TYPE, "size", "value.size()"),
        ("event.a.n.x", NULL, "x", "`?.x`"),
        ("event.a.n?.x.y", NULL, "y", "`?.y`"),
        ("event.a.n[0]", NULL, "event.a.n", "`?[…]`"),
        ("evnt.a", UNKNOWN_NAME, "evnt", "did you mean `event`?"),
        ("nothing", UNKNOWN_NAME, "nothing", "`event`, `steps`"),
        ("size", UNKNOWN_NAME, "size", "function"),
        ("2 * (1 / 0)", DIVISION, "(1 / 0)", "divides by zero"),
        ("1 / 0.0", DIVISION, "1 / 0.0", "divides by zero"),
        ("5 % 0", DIVISION, "5 % 0", "divides by zero"),
        ("1.5 % 2", TYPE, "1.5 % 2", "whole numbers"),
        ("9223372036854775807 + 1", OVERFLOW, "9223372036854775807 + 1", "too large"),
        ("0 - 9223372036854775807 - 2", OVERFLOW, "0 - 9223372036854775807 - 2", "too large"),
        ("9223372036854775807 * 2", OVERFLOW, "9223372036854775807 * 2", "too large"),
        ("-9223372036854775808 / -1", OVERFLOW, "-9223372036854775808 / -1", "too large"),
        ("1e308 * 10", OVERFLOW, "1e308 * 10", "too large"),
        ("event.huge + 1", OVERFLOW, "event.huge", "1e400"),
        ("'a' + 1", TYPE, "'a' + 1", "string(x)"),
        ("{} + {}", TYPE, "{} + {}", "merge"),
        ("event.a.n + 1", NULL, "event.a.n", "?? 0"),
        ("1 - '2'", TYPE, "'2'", "double("),
        ("-'a'", TYPE, "'a'", "takes a number"),
        ("'2' < 1", TYPE, "'2'", "double("),
        ("true < false", TYPE, "true < false", "compared with numbers"),
        ("!1", TYPE, "1", "!= 0"),
        ("event.text && true", TYPE, "event.text", "!= ''"),
        ("false || event.a.n", NULL, "event.a.n", "?? false"),
        ("event.list ? 1 : 2", TYPE, "event.list", ".size() > 0"),
        ("'x' in event.text", TYPE, "event.text", "contains"),
        ("1 in event.a", TYPE, "1", "strings"),
        ("1 in event.a.n", NULL, "event.a.n", "?? []"),
        ("event.a.n.map(x => x)", NULL, "event.a.n", "?? []"),
        ("event.text.map(x => x)", TYPE, "event.text", "expected a list"),
        ("event.list.filter(x => x)", TYPE, "x", "a number"),
        ("`a ${event.a.n} b`", NULL, "event.a.n", "?? ''"),
        ("string(null)", NULL, "null", "`string`"),
        ("event.a.n.lower()", NULL, "event.a.n", "?? ''"),
        ("event.list.lower()", TYPE, "event.list", "needs a string"),
        ("[3, 'a'].sort()", TYPE, "[3, 'a']", "sortBy"),
        ("[1, null].sum()", NULL, "[1, null]", "item 1 is null"),
        ("[1, null].join(',')", NULL, "[1, null]", "filter"),
        ("'abc'.substring(4)", VALUE, "4", "3 characters"),
        ("'abc'.substring(2, 1)", VALUE, "1", "before the start"),
        ("'abc'.charAt(3)", VALUE, "3", "no character 3"),
        ("'abc'.substring(-1)", VALUE, "-1", "negative"),
        ("int('1.5')", VALUE, "'1.5'", "not a whole number"),
        ("int(1e19)", OVERFLOW, "1e19", "too large"),
        ("double('1,5')", VALUE, "'1,5'", "not a number"),
        ("bool('yes')", VALUE, "'yes'", "compare it"),
        ("date('2026-01-31T10:00:00')", VALUE, "'2026-01-31T10:00:00'", "`Z`"),
        ("date(1769817600000)", VALUE, "1769817600000", "fromEpochMs"),
        ("addDuration(0, 'soon')", VALUE, "'soon'", "36h"),
        ("formatDate(0, '%Y', 'Mars/X')", VALUE, "'Mars/X'", "Europe/Berlin"),
        ("parseJson('{')", VALUE, "'{'", "not JSON"),
        ("fromBase64('x')", VALUE, "'x'", "not base64"),
        ("queryString({a: null})", NULL, "{a: null}", "omit()"),
        ("{['a']: 1, a: 2}", VALUE, "{['a']: 1, a: 2}", "twice"),
        ("{[1]: 1}", TYPE, "1", "string("),
        ("omit()", OMIT, "omit()", "leave out"),
        ("''.padStart(2000000, 'x')", OUTPUT, "''.padStart(2000000, 'x')", "limit"),
    ];
    for (source, code, text, part) in table {
        let fault = fault(source, Limits::default());
        assert_eq!(
            (fault.code, &source[fault.span.clone()]),
            (*code, *text),
            "{source}: {fault:?}"
        );
        assert!(fault.to_string().contains(part), "{source}: {fault} lacks {part:?}");
    }
}

#[test]
fn work_and_output_are_bounded() {
    let ten = "[1,2,3,4,5,6,7,8,9,0]";
    let nested = format!(
        "{ten}.map(a => {ten}.map(b => {ten}.map(c => {ten}.map(d => {ten}.map(e => {ten}.map(f => 1))))))"
    );
    assert_eq!(fault(&nested, Limits::default()).code, code::FUEL);
    // Doubles twenty times what it would have to write.
    let mut doubled = "'0123456789abcdef'".to_owned();
    for _ in 0..20 {
        doubled = format!("[{doubled}].map(x => x + x)[0]");
    }
    let limits = Limits { fuel: u64::MAX, ..Limits::default() };
    assert_eq!(fault(&doubled, limits).code, code::OUTPUT);
    for source in [
        "'aaaaaaaaaaaaaaaa'.replace('a', 'bbbbbbbbbbbbbbbb').replace('b', 'cccccccccccccccc')",
        "hex('0123456789012345678901234567890123456789012345678901234567890123')",
        "json([[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9]])",
        "`${'0123456789012345678901234567890123456789'}${'0123456789012345678901234567890123456789'}`",
        "['0123456789012345678901234567890', '0123456789012345678901234567890123456789'].join()",
    ] {
        let limits = Limits { output_bytes: 50, ..Limits::default() };
        assert_eq!(fault(source, limits).code, code::OUTPUT, "{source}");
    }
    assert_eq!(fault("1 + 1", Limits { fuel: 2, ..Limits::default() }).code, code::FUEL);
}
