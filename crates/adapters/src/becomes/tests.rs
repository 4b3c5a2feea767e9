//! Versions that become others: there and back, and what is refused.

use postroom_core::definition::ActionRef;
use postroom_expr::JsonView;

use super::*;
use crate::{Catalog, Context, Planned};

const INVOICES: &str = include_str!("../../tests/versions/invoices.yaml");

fn catalog(text: &str) -> Result<Catalog, Vec<String>> {
    let mut catalog = Catalog::default();
    let added = catalog.add("invoices.yaml", text);
    let told = |problems: Vec<postroom_core::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    added.map_err(told).map(|()| catalog)
}

fn action(version: u32) -> Arc<Action> {
    let uses = ActionRef::parse(&format!("invoices/create@{version}")).unwrap();
    catalog(INVOICES).unwrap().action(&uses).unwrap().1
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

/// What is sent first, with its key.
fn sent(action: &Arc<Action>, input: &Json) -> (String, String, Option<String>) {
    let config = Json::null();
    let context =
        Context { input, results: &[], config: &config, base_url: None, key: "run_1.make" };
    let Ok(Planned::Send(request)) = action.request(0, &context) else { panic!("it is sent") };
    let body = String::from_utf8(request.body).unwrap();
    (request.url, body, request.idempotency_key)
}

#[test]
fn an_old_input_goes_up_the_chain_and_the_output_comes_back() {
    let old = action(1);
    let upgraded = old.upgraded(json(r#"{"customer": "c_1", "euros": 12}"#)).unwrap();
    assert_eq!(upgraded.action.version, 3);
    let newest = json(r#"{"customerId":"c_1","amount":{"cents":1200,"currency":"EUR"}}"#);
    assert_eq!(upgraded.input.text(), newest.text());
    // The same request under the same key as if the step had named the newest version.
    assert_eq!(sent(&upgraded.action, &upgraded.input), sent(&action(3), &newest));
    assert_eq!(sent(&action(3), &newest).2.as_deref(), Some("run_1.make"));
    let output = upgraded.back.output(json(r#"{"id": "in_1", "state": "open"}"#)).unwrap();
    assert_eq!(output.text(), r#"{"invoice":"in_1","open":true}"#);
    assert_eq!(old.performer().version, 3);
}

#[test]
fn each_contract_on_the_way_is_checked() {
    let old = action(1);
    let failure = old.upgraded(json(r#"{"customer": "c_1"}"#)).unwrap_err();
    assert_eq!(failure.message, "invoices/create: `input.euros` is missing");
    let failure = old.upgraded(json(r#"{"customer": "c_1", "euros": 20000}"#)).unwrap_err();
    assert_eq!(
        failure.message,
        "invoices/create@2 becomes an input that is refused: invoices/create: \
         `input.amount.cents` must be at most 1000000, but is 2000000"
    );
}

#[test]
fn examples_of_old_versions_are_rehearsed() {
    for version in 1..=3 {
        assert_eq!(action(version).rehearse(), [""; 0]);
    }
    let wrong = INVOICES.replace("output: { invoice: in_1,", "output: { invoice: in_2,");
    let uses = ActionRef::parse("invoices/create@1").unwrap();
    let told = catalog(&wrong).unwrap().action(&uses).unwrap().1.rehearse();
    assert!(told[0].contains("but the example states"), "{told:?}");
}

#[test]
fn mappings_are_held_against_both_contracts() {
    for (from, to, told) in [
        (
            "cents: \"${{ input.euros * 100 }}\"",
            "cents: \"${{ input.customer }}\"",
            "`cents` takes a whole number, but `input.customer` is text",
        ),
        ("customer: \"${{ input.customer }}\"", "payer: x", "is missing"),
        ("input.euros * 100", "input.euro * 100", "did you mean `euros`?"),
        ("output.id }}", "output.idd }}", "did you mean `id`?"),
        ("version: 3, # becomes", "version: 9, # becomes", "it has 1, 2, 3"),
        ("version: 3, # becomes", "version: 1, # becomes", "is not newer than 2"),
        ("since: 2026-10-01", "since: 2026-13-01", "which is no date"),
        ("use: invoices/create@3", "use: invoices/create@4", "there is no `invoices/create@4`"),
        ("use: invoices/create@3", "use: invoices/create@1", "named in its own place"),
    ] {
        assert!(INVOICES.contains(from), "{from}");
        let found = catalog(&INVOICES.replacen(from, to, 1)).unwrap_err();
        assert!(found.iter().any(|it| it.contains(told)), "{to}: {found:?}");
    }
}

#[test]
fn what_an_old_version_does_is_what_the_newer_one_does() {
    let with = Mapping::from_json(JsonView::parse(r#"{"customer": "c", "euros": 1}"#).unwrap());
    let effects = action(1).effects(&with.unwrap());
    assert!(effects.calls && effects.unrepeatable.is_none());
    assert_eq!(effects.deprecated.unwrap().since, "2026-01-01");
    assert!(effects.exposed.iter().any(|it| it.input == ["customer"]), "{:?}", effects.exposed);
}
