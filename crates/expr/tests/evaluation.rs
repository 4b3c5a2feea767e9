//! What expressions evaluate to.

use postroom_expr::{Expr, JsonView, Limits, Scope, Value};

const EVENT: &str = r#"{"type": "invoice.paid", "amount": 1999, "n": null, "yes": true,
    "big": 123456789012345678901234567890, "float": 1.50, "text": "a\u00e9\"\ud83d\ude00",
    "k\u0065y": "escaped", "list": [1, 2, 3], "items": [{"p": 5, "q": 2}, {"p": 7, "q": 0}],
    "customer": {"email": "a@b.c", "name": null}}"#;

fn run(source: &str) -> String {
    let event = JsonView::parse(EVENT).expect("valid");
    let scope = Scope::new().with("event", Value::Json(event)).with("x", Value::Int(2));
    let expr = Expr::parse(source).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    match expr.eval(&scope, Limits::default()) {
        Ok(value) => {
            let mut out = String::new();
            value.write_json(&mut out);
            out
        }
        Err(fault) => panic!("{source}: {fault:?}"),
    }
}

fn check(table: &[(&str, &str)]) {
    for (source, expected) in table {
        assert_eq!(run(source), *expected, "{source}");
    }
}

#[test]
fn literals() {
    check(&[
        ("null", "null"),
        ("0x1F", "31"),
        ("1.0", "1"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9.223372036854776e+18"),
        ("'it\\'s' + \" \\\"ok\\\"\"", r#""it's \"ok\"""#),
        (r"'\u00e9\x41\n\ud83d\ude00'", "\"éA\\n😀\""),
        (r"r'\d' + R'\s'", r#""\\d\\s""#),
        ("'''a'b\nc'''", r#""a'b\nc""#),
        ("[1, [2,], ]", "[1,[2]]"),
        ("{a: 1, 'b c': [x], [`k${x}`]: null,}", r#"{"a":1,"b c":[2],"k2":null}"#),
        ("{in: 1, null: 2}", r#"{"in":1,"null":2}"#),
        ("1 // one\n + 2 // two", "3"),
        ("`a${`b${x}`}c \\` \\${ $ ${ {a: 1} }`", r#""ab2c ` ${ $ {\"a\":1}""#),
        ("``", r#""""#),
    ]);
}

#[test]
fn numbers_are_one_type() {
    check(&[
        ("1999 / 100", "19.99"),
        ("10 / 5", "2"),
        ("7 / 2 * 2", "7"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1.5 + 1.5 == 3", "true"),
        ("-7 % 3", "-1"),
        ("1 == 1.0", "true"),
        ("9007199254740993 == 9007199254740992.0", "false"),
        ("9007199254740993 > 9007199254740992.0", "true"),
        ("9223372036854775807 < 9223372036854775808", "true"),
        ("1 < 1.5 && 1.5 < 2", "true"),
        ("-2 * 3 - -1", "-5"),
        ("2 + 3 * 4 - 6 / 3", "12"),
        ("event.amount / 100 * 2", "39.98"),
    ]);
}

#[test]
fn operators() {
    check(&[
        ("1 == '1'", "false"),
        ("null == false", "false"),
        ("event.n == null", "true"),
        ("{a: [1], b: 2} == {b: 2.0, a: [1.0]}", "true"),
        ("event.list == [1, 2, 3]", "true"),
        ("[1, 2] != [2, 1]", "true"),
        ("'a' < 'b' && 'B' < 'a'", "true"),
        ("1 < 2 == true", "true"),
        ("'a' + 'b'", r#""ab""#),
        ("[1] + event.list", "[1,1,2,3]"),
        ("2 in event.list", "true"),
        ("'email' in event.customer", "true"),
        ("!(4 in event.list)", "true"),
        ("false && event.missing", "false"),
        ("true || event.missing", "true"),
        ("true || false && false", "true"),
        ("x > 1 ? 'a' : x > 0 ? 'b' : 'c'", r#""a""#),
        ("true ? [1] : [2]", "[1]"),
        ("true ?.5 : 1", "0.5"),
        ("event.n ?? 5 + 1", "6"),
        ("event.n ?? 0 > 1", "false"),
        ("null ?? null ?? 3", "3"),
        ("1 + event.n ?? 2", "3"),
        ("event.n ?? -1", "-1"),
    ]);
}

#[test]
fn fields_and_items() {
    check(&[
        ("event.type", r#""invoice.paid""#),
        ("event['type']", r#""invoice.paid""#),
        ("event.key", r#""escaped""#),
        ("event.text.size()", "4"),
        ("event.items[1].p", "7"),
        ("event.items?[9]?.p", "null"),
        ("event?.missing?.more", "null"),
        ("event.n?.x", "null"),
        ("event.n?[0]", "null"),
        ("event?['missing'] ?? 'd'", r#""d""#),
        ("{a: {b: [1, 2]}}.a.b[1]", "2"),
        ("has(event.customer.name)", "true"),
        ("has(event.customer.name.first)", "false"),
        ("has(event.customer.phone)", "false"),
        ("has(event.nowhere.at.all)", "false"),
        ("has(event.items[1].p) && !has(event.items[2])", "true"),
        ("has(event['customer']['email'])", "true"),
    ]);
}

#[test]
fn payloads_are_copied_as_they_are() {
    check(&[
        ("event.big", "123456789012345678901234567890"),
        ("[event.float, event.text]", r#"[1.50,"a\u00e9\"\ud83d\ude00"]"#),
        ("event.float + 0", "1.5"),
        ("event.text + ''", "\"aé\\\"😀\""),
        ("{c: event.customer}", r#"{"c":{"email": "a@b.c", "name": null}}"#),
    ]);
}

#[test]
fn macros() {
    check(&[
        ("event.items.map(i, i.p * i.q)", "[10,0]"),
        ("event.items.map(i, i.q > 0, i.p)", "[5]"),
        (
            "event.items.map(i => {p: i.p, total: i.p * i.q})",
            r#"[{"p":5,"total":10},{"p":7,"total":0}]"#,
        ),
        ("event.items.filter(i => i.q > 0).size()", "1"),
        ("event.items.all(i, i.p > 4) && event.items.exists(i, i.q == 0)", "true"),
        ("event.items.exists_one(i, i.p > 4)", "false"),
        ("[].all(x, false)", "true"),
        ("event.list.map(a => event.list.map(b => a * b + x))", "[[3,4,5],[4,6,8],[5,8,11]]"),
        ("event.list.map(x => x)[0] + x", "3"),
        ("event.customer.map(k => k)", r#"["email","name"]"#),
        ("event.items.sortBy(i => -i.p).map(i => i.p)", "[7,5]"),
        ("event.list.map(i => i == 2 ? omit() : i)", "[1,3]"),
        ("[1, x > 1 ? omit() : 2, 3]", "[1,3]"),
        ("{a: event?.missing ?? omit(), b: 1}", r#"{"b":1}"#),
    ]);
}

#[test]
fn functions_at_their_edges() {
    check(&[
        ("''.size() + [].size() + {}.size()", "0"),
        ("'äöü'.substring(1, 2) + 'abc'.substring(3)", r#""ö""#),
        ("'a,b'.split(',', 0)", "[]"),
        ("','.split(',')", r#"["",""]"#),
        ("[].first() == null && [].max() == null && [].sum() == 0", "true"),
        ("(1.005).round(2)", "1.01"),
        ("(-2.5).round()", "-3"),
        ("(999.999).fixed(2) + (-0.001).fixed(2) + (0.5).fixed(0)", r#""1000.000.001""#),
        ("(1e300).fixed(0).size()", "301"),
        ("max('a', 'c', 'b')", r#""c""#),
        ("['b', 'a'].sort() + [2, 1.5, 10].sort()", r#"["a","b",1.5,2,10]"#),
        ("{b: 1, a: 2}.merge({b: 3}).keys()", r#"["b","a"]"#),
        ("int(-1.9)", "-1"),
        ("double(' +1e3 ')", "1000"),
        ("parseJson('[1.0, {\"a\": null}]')", r#"[1,{"a":null}]"#),
        ("json(event.list) + json('a\"')", r#""[1, 2, 3]\"a\\\"\"""#),
        ("epoch('1969-12-31T23:59:59.5Z')", "-1"),
        ("date('2024-02-29')", r#""2024-02-29T00:00:00Z""#),
        ("date(1.5)", r#""1970-01-01T00:00:01.5Z""#),
        ("addDuration('2026-01-31', 'P1M')", r#""2026-02-28T00:00:00Z""#),
        ("addDuration('2026-03-01', '-1 day')", r#""2026-02-28T00:00:00Z""#),
        ("dateDiffSeconds('2026-01-01T00:00:01Z', '2026-01-01T00:00:00.5Z')", "-0.5"),
        ("formatDate('2026-07-01', '%A', 'America/New_York')", r#""Tuesday""#),
        ("queryString({a: 1, b: true, c: []})", r#""a=1&b=true""#),
    ]);
}

#[test]
fn reads_are_the_static_paths() {
    let table: &[(&str, &[&str])] = &[
        ("a.b['c d'].e > 1 && f", &["a.b.c d.e", "f"]),
        ("a.items[0].p", &["a.items"]),
        ("a[k].p", &["a", "k"]),
        ("a.list.map(x => x.y + b.c)", &["a.list", "b.c"]),
        ("a.map(x => x).x", &["a"]),
        ("x.map(x => x.y)", &["x"]),
        ("has(a?.b.c) ? `t ${d.e}` : {k: f.g.lower()}", &["a.b.c", "d.e", "f.g"]),
        ("1 + 2", &[]),
    ];
    for (source, expected) in table {
        let expr = Expr::parse(source).expect(source);
        let paths: Vec<String> = expr.reads().iter().map(|read| read.path.join(".")).collect();
        assert_eq!(paths, *expected, "{source}");
        for read in expr.reads() {
            assert!(source[read.span].starts_with(&read.path[0]));
        }
        for name in ["a", "b", "d", "f", "k", "x"] {
            let among = expr.reads().iter().any(|read| read.path[0] == name);
            assert_eq!(expr.reads_name(name), among, "{name} in {source}");
        }
    }
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let expr = Expr::parse("1 + x").expect("valid");
    shared(&expr);
    let other = expr.clone();
    let handle = std::thread::spawn(move || {
        let scope = Scope::new().with("x", Value::Int(1));
        other.eval(&scope, Limits::default()).map(|value| value.as_number())
    });
    let scope = Scope::new().with("x", Value::Int(1));
    let here = expr.eval(&scope, Limits::default()).map(|value| value.as_number());
    assert_eq!(handle.join().expect("no panic"), here);
}

/// The highest trees the parser accepts are evaluated on a small stack, also without optimisation.
#[test]
fn the_highest_trees_fit_on_a_small_stack() {
    let sources = [
        vec!["1"; 250].join(" + "),
        vec!["true"; 250].join(" && "),
        format!("e{}", "?.a".repeat(250)),
        format!("e{}", "?[0]".repeat(250)),
        format!("''{}", ".trim()".repeat(250)),
        format!("[1]{}", ".map(x => x)".repeat(250)),
        format!("[1]{}", ".filter(x => x == 1)".repeat(250)),
        format!("{}1{}", "[1].map(x => ".repeat(60), ")".repeat(60)),
        format!("{}1{}", "[".repeat(60), "]".repeat(60)),
        format!("{}1{}", "`${".repeat(60), "}`".repeat(60)),
        format!("[[{}]] == [[{}]]", "[1]".replace('1', "2"), "[2]"),
    ];
    let run = move || {
        for source in &sources {
            let expr = Expr::parse(source).expect(source);
            let scope = Scope::new().with("e", Value::Null);
            let value = expr.eval(&scope, Limits::default()).expect(source);
            let mut out = String::new();
            value.write_json(&mut out);
            assert!(!expr.reads().is_empty() || !source.starts_with('e'));
        }
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("spawns");
    thread.join().expect("no overflow");
}
