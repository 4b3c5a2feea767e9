//! Whole workflows against contracts and schemas: `tests/golden/types.txt` holds workflows, each
//! followed by every problem it has with its place. `BLESS=1` rewrites what follows.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fmt::Write;

use postroom_core::definition::{Defaults, Stored};
use postroom_core::typecheck::{self, Contract, Contracts, Report};
use postroom_core::{Problem, parse, problem, schema};
use postroom_expr::{Mapping, Template, Type};
use serde_json::{Value, json};

mod bless;

fn contract(input: &Value, output: &Value) -> Contract {
    let (input, output) = (schema::to_type(input), schema::to_type(output));
    Contract { input, output, computed: None }
}

fn contracts() -> Contracts {
    let text = json!({"type": "string"});
    let invoice = contract(
        &json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["customerId", "amount", "currency"],
            "properties": {
                "customerId": text, "amount": {"type": "integer"}, "currency": text,
                "description": text, "collection": {"enum": ["send", "charge"]},
                "draft": {"type": "boolean"}, "tax": {"type": "number"},
                "metadata": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                "lines": {"type": "array", "items": {
                    "type": "object", "additionalProperties": false, "required": ["id"],
                    "properties": {"id": text, "amount": {"type": "integer"}},
                }},
            },
        }),
        &json!({
            "type": "object",
            "required": ["invoiceId", "status", "url"],
            "properties": {
                "invoiceId": text,
                "status": {"enum": ["draft", "open", "paid"]},
                "url": {"type": ["string", "null"]},
                "pdf": text,
            },
        }),
    );
    let post = contract(
        &json!({
            "type": "object", "additionalProperties": false, "required": ["channel"],
            "properties": {"channel": text, "text": text, "thread": text},
        }),
        &json!({"type": "object", "required": ["ts"], "properties": {"ts": text}}),
    );
    let order = json!({
        "type": "object",
        "required": ["id", "amount", "currency", "customer", "lines", "kind", "rush"],
        "properties": {
            "id": text, "amount": {"type": "integer"}, "total": {"type": "number"},
            "currency": text, "kind": {"enum": ["new", "renewal"]}, "rush": {"type": "boolean"},
            "customer": {"type": "object", "required": ["id"], "properties": {"id": text, "email": text}},
            "lines": {"type": "array", "items": {
                "type": "object", "required": ["id", "amount"],
                "properties": {"id": text, "amount": {"type": "integer"}, "sku": text},
            }},
            "note": {"type": ["string", "null"]},
        },
    });
    let refund = json!({
        "type": "object", "required": ["id", "reason"],
        "properties": {"id": text, "reason": text},
    });
    let computed = Template::parse("${{ input }}").ok().map(Mapping::Template);
    let unknown = Problem::new(&problem::UNKNOWN_ADAPTER, "there is no adapter `nobody`");
    Contracts {
        actions: [
            ("stripe/invoice".to_owned(), Ok(invoice)),
            ("slack/post".to_owned(), Ok(post)),
            ("local/echo".to_owned(), Ok(contract(&json!({}), &json!({})))),
            (
                "local/keep".to_owned(),
                Ok(Contract { computed, ..contract(&json!({}), &json!({})) }),
            ),
            ("nobody/knows".to_owned(), Err(unknown)),
        ]
        .into(),
        events: [
            ("ORDER".to_owned(), schema::to_type(&order)),
            ("REFUND".to_owned(), schema::to_type(&refund)),
        ]
        .into(),
        connections: Some([("team".to_owned(), "slack".to_owned())].into()),
        calls: Some([("ship".to_owned(), Type::closed([("parcel", Type::TEXT)]))].into()),
    }
}

fn check(text: &str) -> Report {
    let defaults = Defaults::default();
    let stored = Stored::new("w.yaml".into(), text.into(), defaults);
    let (workflow, root) = parse::placed_workflow(&stored).unwrap_or_else(|problems| {
        panic!("{text}\n{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>())
    });
    typecheck::workflow(&workflow, &root, text, &contracts())
}

fn outcome(text: &str, messages: &mut BTreeSet<String>) -> String {
    let Report { problems, untyped, expressions } = check(text);
    let mut out = String::new();
    for problem in &problems {
        let path = problem.path().unwrap();
        writeln!(out, "{problem}\n  in {path}").unwrap();
        // The characters that the caret stands under.
        let place = problem.place.as_ref().unwrap();
        let line = problem.line().unwrap();
        let rest: String = line.chars().skip(place.column as usize - 1).collect();
        let shown: String = rest.bytes().take(place.len as usize).map(char::from).collect();
        writeln!(out, "  under {shown}").unwrap();
        messages.insert(problem.detail.clone());
    }
    let reads: Vec<String> = untyped
        .iter()
        .map(|problem| {
            let place = problem.place.as_ref().unwrap();
            format!("{}:{}", place.line, place.column)
        })
        .collect();
    let reads = if reads.is_empty() { String::new() } else { format!(" at {}", reads.join(", ")) };
    writeln!(out, "{expressions} expressions, {} untyped{reads}", untyped.len()).unwrap();
    out
}

#[test]
fn golden_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/types.txt");
    let golden = std::fs::read_to_string(path).unwrap();
    let (mut found, mut messages) = (String::new(), BTreeSet::new());
    for case in golden.split_inclusive("\n=== ").map(|case| case.trim_end_matches("=== ")) {
        let case = case.strip_prefix("=== ").unwrap_or(case);
        let (name, rest) = case.split_once('\n').unwrap();
        let text = rest.split_inclusive("\n--- ").next().unwrap();
        let text = text.strip_suffix("--- ").unwrap_or(text);
        let outcome = outcome(text, &mut messages);
        write!(found, "=== {name}\n{text}--- gives\n{outcome}").unwrap();
    }
    assert!(messages.len() >= 40, "only {} distinct messages", messages.len());
    bless::check(path, &found);
}

#[test]
fn what_is_found_is_in_the_order_of_the_file_and_all_of_it() {
    let step = |n: usize| {
        format!("  - {{ id: s{n}, uses: slack/post, with: {{ chanel: a, text: 5 }} }}\n")
    };
    let steps: String = (0..150).map(step).collect();
    let text = format!("workflow: w\non: [{{event: ORDER}}]\nsteps:\n{steps}");
    let report = check(&text);
    assert_eq!(report.problems.len(), 300);
    let lines: Vec<u32> = report.problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
    assert!(lines.is_sorted());
}
