//! Manifests against newer descriptions: what breaks is told, what is new is told as that, and
//! nothing else is.

#![allow(clippy::unwrap_used)]

use postroom_adapters::Catalog;
use postroom_adapters::import::Description;

const DEPOT: &str = include_str!("descriptions/depot.yaml");
const TILL: &str = include_str!("descriptions/till.json");
const LEDGER: &str = include_str!("descriptions/ledger.json");

fn description(text: &str) -> Description {
    Description::new(postroom_core::yaml::read_description(text).unwrap()).unwrap()
}

fn imported(text: &str) -> String {
    description(text).import("it", |_| true).text
}

/// A parameter that the import of the depot leaves out.
const LEFT_OUT: &str = "list_parcels input.size: the query may have it";

/// What differs, a line each; what breaks is marked.
fn drift(manifest: &str, newer: &str) -> Vec<String> {
    let mut catalog = Catalog::default();
    catalog.add("adapters/it.yaml", manifest).unwrap_or_else(|found| panic!("{found:?}"));
    let drift = description(newer).drift(catalog.adapters().next().unwrap());
    assert!(drift.compared > 0);
    let line = |change: &postroom_adapters::import::Change| {
        let mark = if change.breaks { "! " } else { "" };
        format!("{mark}{} {}: {}", change.action, change.at, change.what)
    };
    drift.changes.iter().map(line).collect()
}

#[test]
fn a_description_does_not_differ_from_itself() {
    for text in [TILL, LEDGER] {
        assert_eq!(drift(&imported(text), text), [""; 0], "{}", imported(text));
    }
    // What the import had to leave out is there to be taken still.
    assert_eq!(drift(&imported(DEPOT), DEPOT), [LEFT_OUT]);
}

#[test]
fn each_change_is_told_as_what_it_is() {
    for (text, is, becomes, told) in [
        (
            TILL,
            "/v1/refunds",
            "/v1/returns",
            "! create_refund operation: POST /v1/refunds is not there",
        ),
        (
            TILL,
            r#""required": ["To"]"#,
            r#""required": ["To", "MediaUrl"]"#,
            "! create_message input.MediaUrl: it may not be left out any more",
        ),
        (
            TILL,
            r#""customer": { "type": "string", "nullable": true }"#,
            r#""buyer": { "type": "string" }"#,
            "! post_charges input.customer: it is not taken any more|post_charges input.buyer: it \
             is new, and may be given",
        ),
        (
            TILL,
            r#""count": { "type": "integer" }"#,
            r#""count": { "type": "boolean" }"#,
            "! post_charges input.items[].count: it was integer, and now only boolean is taken",
        ),
        (
            TILL,
            r#""enum": ["many"]"#,
            r#""enum": ["most"]"#,
            "! create_refund input.kind: it does not take many any more",
        ),
        (
            TILL,
            r#""name": "expand", "in": "query""#,
            r#""name": "include", "in": "query""#,
            "! get_charges input.expand: the query takes no `expand`|get_charges input.include: \
             the query may have it",
        ),
        (
            LEDGER,
            r#""size": { "type": "string", "format": "int64" }"#,
            r#""bytes": { "type": "string" }"#,
            "! books_append input.inner.size: it is not taken any more|books_append \
             input.inner.bytes: it is new, and may be given|! books_append input.size: it is not \
             taken any more|books_append input.bytes: it is \
             new, and may be given|! books_append output.size: it is not answered any more|\
             books_append output.bytes: it is new|! books_list output.books[].size: it is not \
             answered any more|books_list output.books[].bytes: it is new",
        ),
        (
            DEPOT,
            "required: [data]",
            "required: []",
            "! list_parcels output.data: it may be missing now",
        ),
    ] {
        let newer = text.replace(is, becomes);
        assert_ne!(newer, text, "{is}");
        let mut found = drift(&imported(text), &newer);
        let mut told: Vec<&str> = told.split('|').collect();
        found.retain(|line| line != LEFT_OUT);
        found.sort();
        told.sort_unstable();
        assert_eq!(found, told, "{is} became {becomes}");
    }
}

#[test]
fn what_was_written_by_hand_is_found_by_method_and_path() {
    let manifest = "
adapter: till
title: Till
docs: https://till.example
base_url: https://till.example
actions:
  - action: charge
    version: 1
    summary: Charges.
    input: { type: object, properties: { cents: { type: integer }, who: { type: string } } }
    output: { type: object, properties: { id: { type: string } } }
    idempotency: none
    request:
      method: POST
      path: /v1/charges
      form:
        amount: ${{ input.cents }}
        customer: ${{ input?.who ?? omit() }}
        capture: { later: false }
        items: [{ price: a }]
    result: { id: \"${{ response.body.id }}\", amount: \"${{ response.body?.amount }}\" }
";
    assert_eq!(drift(manifest, TILL), [""; 0]);
    let newer = TILL
        .replace(
            r#""amount": { "type": "integer", "minimum""#,
            r#""cents": { "type": "integer", "minimum""#,
        )
        .replace(r#"["amount", "items", "capture"]"#, r#"["cents", "items", "capture"]"#)
        .replace(r#""amount": { "type": "integer" },"#, "");
    assert_eq!(
        drift(manifest, &newer),
        [
            "! charge input.amount: it is not taken any more",
            "! charge input.cents: it is needed, and it is not sent",
            "! charge response.body.amount: charge reads it, and answers have no such field",
        ]
    );
}
