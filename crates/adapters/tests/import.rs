//! Imports of small descriptions that hold every construct: what is written reads, plays, and makes
//! requests that another reading of the description takes.

#![allow(clippy::unwrap_used)]

mod oracle;

use postroom_adapters::import::{Description, Imported};
use postroom_adapters::{Adapter, Catalog};
use serde_json::{Value, json};
use std::sync::Arc;

const DEPOT: &str = include_str!("descriptions/depot.yaml");
const TILL: &str = include_str!("descriptions/till.json");
const LEDGER: &str = include_str!("descriptions/ledger.json");

fn tree(text: &str) -> Value {
    postroom_core::yaml::read_description(text).unwrap()
}

fn import(text: &str) -> Imported {
    Description::new(tree(text)).unwrap().import("it", |_| true)
}

fn adapter(imported: &Imported) -> Arc<Adapter> {
    let mut catalog = Catalog::default();
    catalog.add("adapters/it.yaml", &imported.text).unwrap_or_else(|problems| {
        panic!("{problems:?}\n{}", imported.text);
    });
    Arc::clone(catalog.adapter("it").unwrap())
}

fn input(adapter: &Adapter, name: &str) -> Value {
    adapter.actions.iter().find(|action| action.name == name).unwrap().input.clone()
}

#[test]
fn every_request_fits_the_description_it_came_from() {
    for (text, requests) in [(DEPOT, 6), (TILL, 4), (LEDGER, 3)] {
        let imported = import(text);
        let verdict = oracle::check(&tree(text), &imported.text).unwrap();
        assert_eq!(verdict.misfits, [""; 0], "{}", imported.text);
        assert_eq!(verdict.requests, requests, "{:?}", imported.left_out);
    }
}

#[test]
fn the_check_sees_what_does_not_fit() {
    let imported = import(TILL);
    for (is, becomes, told) in [
        ("amount: 1", "amount: 100", "must be < 100"),
        ("POST, path: /v1/charges,", "POST, path: /v1/charge,", "has no POST /v1/charge"),
        ("form:", "json:", "a body of application/json is not described"),
        ("expand: \"", "expand_all: \"", "which is not described"),
    ] {
        let text = imported.text.replace(is, becomes);
        assert_ne!(text, imported.text, "{is}");
        let verdict = oracle::check(&tree(TILL), &text).unwrap();
        let found = verdict.misfits.iter().any(|misfit| misfit.contains(told));
        assert!(found, "{told}: {:?}", verdict.misfits);
    }
}

#[test]
fn what_is_left_out_is_said() {
    let imported = import(DEPOT);
    let left: Vec<(&str, &str)> =
        imported.left_out.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    assert_eq!(
        left,
        [
            ("listFiles", "it is at another address, https://files.depot.example"),
            ("parcelLabel", "it answers image/png, which is not kept"),
            ("getPhoto", "it answers 302 and nothing else; redirects are not followed"),
            ("putPhoto", "its body is multipart/form-data, which is not sent"),
        ]
    );
    assert_eq!(
        imported.remarks,
        ["list_parcels leaves out the parameter `size`, whose way into the query cannot be said"]
    );
}

#[test]
fn an_adapter_says_where_it_is_and_who_calls() {
    let imported = import(DEPOT);
    let head = imported.text.split("actions:").next().unwrap();
    for line in [
        "base_url: https://eu.depot.example/v1\n",
        "docs: https://depot.example/docs\n",
        "credentials: { token: { env: IT_TOKEN, summary: A token of the depot. } }\n",
        "auth: [{ header: Authorization, template: \"Bearer {}\", credential: token }]\n",
        "headers: { Depot-Version: \"2026-10-01\" }\n",
        "key_header: Idempotency-Key\n",
        "  code: ${{ response.body.error.code }}\n",
    ] {
        assert!(head.contains(line), "{line} in\n{head}");
    }
    let till = import(TILL).text;
    assert!(till.contains("auth: [{ header: X-Till-Key, credential: api_key }]\n"), "{till}");
}

#[test]
fn inputs_keep_what_contracts_enforce_and_tell_what_they_do_not() {
    let depot = adapter(&import(DEPOT));
    let create = input(&depot, "create_parcel");
    assert_eq!(create["required"], json!(["to", "kind"]));
    assert_eq!(create["additionalProperties"], false);
    let field = |name: &str| create["properties"][name].clone();
    assert_eq!(
        field("to"),
        json!({"type": "string", "description": "Pattern: ^[A-Z]{2}-\\d{4,6}$"})
    );
    assert_eq!(field("kind"), json!({"enum": ["parcel"]}));
    assert_eq!(field("secret"), Value::Null, "the provider writes it");
    assert_eq!(field("count"), json!({"type": "integer", "minimum": 1, "maximum": 9}));
    assert_eq!(field("weight")["description"], "More than 0. A multiple of 0.5.");
    assert_eq!(field("labels")["minItems"], 2);
    assert_eq!(field("note")["type"], json!(["string", "object", "null"]));
    assert_eq!(field("extra")["additionalProperties"], json!({"type": "string"}));
    assert_eq!(field("street")["maxLength"], 80);
    assert_eq!(field("country")["description"], "One of 42 values, such as AA, AB, AC.");
    // A parcel holds parcels; somewhere that ends.
    assert!(field("parent").to_string().contains("not described here"));
    let till = adapter(&import(TILL));
    let refund = input(&till, "create_refund");
    assert_eq!(refund["required"], json!(["kind"]));
    assert_eq!(refund["properties"]["kind"], json!({"enum": ["one", "many"]}));
    assert_eq!(refund["properties"]["idempotency_key"], Value::Null, "the step gives it");
    let amount = &input(&till, "post_charges")["properties"]["amount"];
    assert_eq!(*amount, json!({"type": "integer", "minimum": 1, "maximum": 99}));
}

#[test]
fn what_repeating_does_follows_method_and_key() {
    let words = |text: &str| -> Vec<String> {
        let adapter = adapter(&import(text));
        let word = |action: &Arc<postroom_adapters::Action>| {
            let destroys = if action.destructive { " destroys" } else { "" };
            format!("{} {}{destroys}", action.name, action.calls[0].idempotency.word())
        };
        adapter.actions.iter().map(word).collect()
    };
    assert_eq!(
        words(DEPOT),
        [
            "list_parcels read",
            "create_parcel key",
            "get_parcels_id read",
            "replace_parcel natural",
            "delete_parcel natural destroys",
            "track_parcel read",
        ]
    );
    assert_eq!(
        words(TILL),
        ["get_charges read", "post_charges none", "create_message none", "create_refund key"]
    );
    assert_eq!(
        words(LEDGER),
        ["books_list read", "books_delete natural destroys", "books_append none"]
    );
}

#[test]
fn what_is_no_description_is_told() {
    for (text, told) in [
        ("{\"swagger\": \"2.0\"}", "it is Swagger 2.0"),
        ("openapi: 4.0.0", "it is OpenAPI 4.0.0"),
        ("a: 1", "it says neither `openapi` nor `discoveryVersion`"),
    ] {
        assert_eq!(Description::new(tree(text)).unwrap_err(), told);
    }
    assert!(postroom_core::yaml::read_description("{").is_err());
}

#[test]
fn only_what_is_wanted_is_imported() {
    let description = Description::new(tree(DEPOT)).unwrap();
    let parcels =
        |listed: &postroom_adapters::import::Listed| listed.tags.contains(&"parcels".into());
    let imported = description.import("it", parcels);
    let names: Vec<&str> = imported.actions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["list_parcels", "create_parcel"]);
    assert_eq!(description.operations().len(), 10);
}
