//! `postroom adapter`: what is known of providers, at a real command line.

mod harness;

use harness::Project;

/// A provider of the project's own.
const NTFY: &str = "\
adapter: ntfy
title: ntfy
docs: https://docs.ntfy.sh/publish/
base_url: https://ntfy.sh
actions:
  - action: publish
    version: 1
    summary: Sends a message to everybody who listens to a topic.
    input:
      type: object
      additionalProperties: false
      required: [topic, message]
      properties: { topic: { type: string }, message: { type: string } }
    output: { type: object, required: [id], properties: { id: { type: string } } }
    idempotency: none
    request: { method: POST, path: '/${{ input.topic }}', text: '${{ input.message }}' }
    result: { id: '${{ response.body.id }}' }
    example:
      input: { topic: invoices, message: Invoice in_1 is open }
      response: { body: { id: xE73 } }
      output: { id: xE73 }
";

#[test]
fn adapters_of_the_project_stand_beside_those_built_in() {
    let project = Project::new("").file("adapters/ntfy.yaml", NTFY);
    let listed = project.run(&["adapter", "list"]).good();
    let line = |name: &str| {
        let line = listed.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name}: {listed}"))
    };
    assert!(line("ntfy ").contains("no       adapters/ntfy.yaml  publish"), "{listed}");
    assert!(line("stripe ").contains("yes      built in"), "{listed}");
    assert!(line("stripe ").contains("create_invoice"), "{listed}");
    let document = project.run(&["adapter", "list", "--json"]).json();
    let rows = document["data"].as_array().expect("rows");
    let ntfy = rows.iter().find(|row| row["name"] == "ntfy").expect("a row");
    assert_eq!(ntfy["own"], true);
    assert_eq!(ntfy["actions"][0]["version"], 1);
}

/// Three versions of one action, the older ones performed by the newest.
const INVOICES: &str = include_str!("../../adapters/tests/versions/invoices.yaml");

const OLD: &str = "\
workflow: bill
on: [{ event: ORDER_PAID }]
allow: [lint/deprecated]
steps:
  - id: make
    uses: invoices/create@1
    with: { customer: c_7, euros: \"${{ event.data.euros }}\" }
  - id: file
    uses: http/request
    with: { url: \"https://files.example/${{ steps.make.output.invoice }}\" }
";

#[test]
fn a_step_with_an_old_contract_is_performed_by_the_newest_version() {
    let project = Project::new("")
        .file("adapters/invoices.yaml", INVOICES)
        .file("e.json", r#"{"event": "ORDER_PAID", "payload": {"euros": 3}}"#)
        .workflow("bill", OLD);
    let plan = project.run(&["plan", "--event", "e.json", "--json"]).json();
    let requests = plan["requests"].as_array().expect("requests");
    assert_eq!(requests[0]["url"], "https://api.example.com/customers/c_7/invoices", "{plan:#}");
    assert_eq!(requests[0]["body"], r#"{"cents":300,"currency":"EUR"}"#);
    // What the step gives is what the old contract says.
    assert_eq!(requests[1]["url"], "https://files.example/in_1");
}
