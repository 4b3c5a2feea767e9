//! Templates and mappings: kinds kept, text built, keys left out, places named.

use postroom_expr::{Expr, JsonView, Limits, Mapping, Scope, Template, Value, code};

const EVENT: &str =
    r#"{"id": 7, "name": "Ada", "n": null, "list": [1, 2], "big": 12345678901234567890123}"#;

fn scope() -> Scope<'static> {
    Scope::new().with("event", Value::Json(JsonView::parse(EVENT).expect("valid")))
}

#[test]
fn one_expression_keeps_its_kind_and_text_becomes_a_string() {
    let table = [
        ("${{ event.id }}", "7"),
        ("${{ event.list }}", "[1, 2]"),
        ("${{ event.big }}", "12345678901234567890123"),
        ("${{ {a: {b: 1}} }}", r#"{"a":{"b":1}}"#),
        ("${{ {a: {b: 1}}}}", r#"{"a":{"b":1}}"#),
        ("${{ '}}' }}", r#""}}""#),
        ("${{ `}} ${event.id}` }}", r#""}} 7""#),
        (" ${{ event.id }}", r#"" 7""#),
        ("Hello ${{ event.name }}, ${{ event.list }}!", r#""Hello Ada, [1, 2]!""#),
        ("${{ event.id }}${{ event.id }}", r#""77""#),
        ("plain", r#""plain""#),
        ("", r#""""#),
        ("$${{ a }} ${{ event.id }}", r#""${{ a }} 7""#),
        ("$5 {{ x }} }}", r#""$5 {{ x }} }}""#),
        ("${{ event.id // a note\n }}", "7"),
    ];
    for (text, expected) in table {
        let template = Template::parse(text).expect(text);
        let scope = scope();
        let value = template.eval(&scope, Limits::default()).expect(text);
        let mut out = String::new();
        value.write_json(&mut out);
        assert_eq!(out, expected, "{text}");
        assert_eq!(template.source(), text);
    }
    assert!(Template::parse("plain $${{ x }}").expect("valid").is_literal());
    assert!(!Template::parse("${{ 1 }}").expect("valid").is_literal());
}

#[test]
fn faults_of_templates_point_into_the_whole_text() {
    let table = [
        ("Hello ${{ event.name }}, your ${{ event.nmae }}", code::MISSING_FIELD, "nmae", "`name`"),
        ("Hello ${{ event.n }}!", code::NULL, "event.n", "?? ''"),
        ("${{ event.n.x }}", code::NULL, "x", "?.x"),
    ];
    for (text, code, under, hint) in table {
        let template = Template::parse(text).expect(text);
        let fault = template.eval(&scope(), Limits::default()).map(|_| ()).expect_err(text);
        assert_eq!((fault.code, &text[fault.span.clone()]), (code, under));
        assert!(fault.hint.expect("a hint").contains(hint));
    }
}

fn mapping(json: &str) -> Mapping {
    Mapping::from_json(JsonView::parse(json).expect("valid")).expect("no faults")
}

#[test]
fn mappings_render_to_json() {
    let source = r#"{
        "id": "${{ event.id }}", "text": "Hi ${{ event.name }}", "literal": 1.50, "none": null,
        "gone": "${{ omit() }}", "kept": "${{ event.n ?? omit() }}", "big": "${{ event.big }}",
        "items": ["${{ omit() }}", "a", "${{ event.id > 1 ? omit() : 1 }}", {"x": "${{ omit() }}"}]
    }"#;
    let rendered = mapping(source).render(&scope(), Limits::default()).expect("renders");
    let expected = r#"{"id":7,"text":"Hi Ada","literal":1.50,"none":null,"big":12345678901234567890123,"items":["a",{}]}"#;
    assert_eq!(rendered, expected);
}

#[test]
fn mapping_faults_name_their_place() {
    let table = [
        (r#"{"with": {"items": [1, 2, {"text": "${{ event.x }}"}]}}"#, "with.items[2].text"),
        (r#"{"odd key": "${{ 1 / 0 }}"}"#, r#"["odd key"]"#),
        (r#""${{ omit() }}""#, ""),
        (r#"["${{ event.n.x }}"]"#, "[0]"),
    ];
    for (source, path) in table {
        let fault = mapping(source).render(&scope(), Limits::default()).expect_err(source);
        assert_eq!(fault.path, path);
        assert!(fault.under("root").path.starts_with("root"));
    }
    let faults = Mapping::from_json(
        JsonView::parse(r#"{"a": ["${{ ( }}"], "b": "${{ x = 1 }}"}"#).expect("valid"),
    );
    let paths: Vec<String> =
        faults.expect_err("two faults").into_iter().map(|fault| fault.path).collect();
    assert_eq!(paths, ["a[0]", "b"]);
}

#[test]
fn one_limit_holds_for_a_whole_mapping() {
    let many = format!("[{}]", vec![r#""${{ [1,2,3].map(x => x) }}""#; 100].join(","));
    let limits = Limits { fuel: 500, ..Limits::default() };
    let fault = mapping(&many).render(&scope(), limits).expect_err("out of fuel");
    assert_eq!(fault.fault.code, code::FUEL);
    let limits = Limits { output_bytes: 100, ..Limits::default() };
    let fault = mapping(&many).render(&scope(), limits).expect_err("too long");
    assert_eq!(fault.fault.code, code::OUTPUT);
}

#[test]
fn mappings_tell_what_they_read() {
    let mapping = mapping(r#"{"a": "x ${{ steps.s.output.id }}", "b": ["${{ event.id }}"]}"#);
    let named = ["event", "steps", "run", "output"].map(|name| mapping.reads_name(name));
    assert_eq!(named, [true, true, false, false]);
    let reads = mapping.reads();
    let shown: Vec<String> =
        reads.iter().map(|(place, read)| format!("{place}: {}", read.path.join("."))).collect();
    assert_eq!(shown, ["a: steps.s.output.id", "b[0]: event.id"]);
}

#[test]
fn values_as_text() {
    let table = [
        (Value::text("a"), Ok("a")),
        (Value::Float(19.99), Ok("19.99")),
        (Value::Bool(true), Ok("true")),
        (Value::list(vec![Value::Int(1), Value::Null]), Ok("[1,null]")),
        (Value::Json(JsonView::parse(r#""\u0041""#).expect("valid")), Ok("A")),
        (Value::Null, Err(code::NULL)),
        (Value::Json(JsonView::parse("null").expect("valid")), Err(code::NULL)),
    ];
    for (value, expected) in table {
        let text = value.to_text();
        assert_eq!(text.as_deref().map_err(|fault| fault.code), expected);
    }
    assert_eq!(format!("{:?}", Expr::parse(" 1 + 1 ").expect("valid")), r#"Expr("1 + 1")"#);
}
