//! `postroom adapter`: what is known of providers, at a real command line.

mod harness;

use harness::{Double, Project, Reply};
use serde_json::{Value, json};

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

#[test]
fn all_that_is_known_of_an_action_is_shown() {
    let project = Project::new("").file("adapters/invoices.yaml", INVOICES);
    let shown = project.run(&["adapter", "show", "invoices/create@1"]).good();
    for part in [
        "since 2026-01-01: Amounts have a currency; use invoices/create@3",
        "performed by  invoices/create@3",
        "call create   POST /customers/${{ input.customerId }}/invoices (key)",
        "euros     needed  whole number, at least 1",
        "  uses: invoices/create@1\n",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let whole = project.run(&["adapter", "show", "stripe"]).good();
    assert!(whole.contains("Authorization: Bearer {api_key}"), "{whole}");
    let page = project.run(&["adapter", "show", "invoices", "--markdown"]).good();
    assert!(page.starts_with("# Invoices\n"), "{page}");
    let document = project.run(&["adapter", "show", "invoices/create", "--json"]).json();
    assert_eq!(document["version"], 3);
    let missing = project.run(&["adapter", "show", "strip"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("did you mean `stripe`?"), "{}", missing.err);
}

#[test]
fn what_breaks_is_told_with_file_and_line() {
    let project = Project::new("").file("adapters/invoices.yaml", INVOICES).workflow("bill", OLD);
    let same = project.run(&["adapter", "diff", "invoices/create@1", "invoices/create@1"]).good();
    assert!(same.contains("nothing differs"), "{same}");
    let differs = project.run(&["adapter", "diff", "invoices/create@1", "invoices/create@2"]);
    assert_eq!(differs.code, Some(1));
    for part in [
        "breaks  input.euros     is not taken any more",
        "breaks  input.cents     is new and needed: whole number",
        "breaks  output.invoice  is gone",
        "workflows/bill.yaml  bill/make  invoices/create@1",
        "breaks: workflows/bill.yaml:7:28: `euros` is not taken [input/unknown]",
        "breaks: workflows/bill.yaml:10:63: `steps.make.output` has no field `invoice`",
    ] {
        assert!(differs.out.contains(part), "{part}\n{}", differs.out);
    }
    // A manifest as it would be: an output that may be null, and an action that is gone.
    let null = INVOICES.replace("state: { type: string } }", "state: { type: [string, 'null'] } }");
    project.write("new.yaml", &null);
    let differs = project.run(&["adapter", "diff", "invoices", "new.yaml", "--json"]);
    assert_eq!(differs.code, Some(1));
    let document: Value = serde_json::from_str(&differs.out).expect("JSON");
    let newest = &document["actions"][1];
    assert_eq!(newest["new"], "invoices/create@3");
    assert_eq!(newest["breaks"][0]["at"], "output.state");
    assert_eq!(newest["breaks"][0]["what"], "may be null now");
    assert_eq!(document["used"][0]["step"], "make");
    // The step names the oldest contract, which stays as it was.
    assert_eq!(document["breaks"], json!([]));
    let mixed = project.run(&["adapter", "diff", "invoices/create@1", "new.yaml"]);
    assert_eq!(mixed.code, Some(2));
}

#[test]
fn an_action_is_tried_without_sending_anything() {
    let project = Project::new("")
        .file("adapters/invoices.yaml", INVOICES)
        .file("input.json", r##"{"channel": "#a", "text": "${{ event.data.channel }}"}"##)
        .env("SLACK_BOT_TOKEN", "xoxb-real");
    let tried = project.run(&["adapter", "try", "slack/post_message", "--input", "input.json"]);
    assert!(tried.err.contains("nothing was sent"), "{}", tried.err);
    let text = tried.good();
    assert!(text.contains("POST https://slack.com/api/chat.postMessage\n"), "{text}");
    assert!(text.contains("Authorization: Bearer ***\n"), "{text}");
    // What is given is no expression.
    assert!(text.contains("${{ event.data.channel }}") && !text.contains("xoxb-real"), "{text}");
    let old = ["adapter", "try", "invoices/create@1", "customer=c_1", "euros=2"];
    let document = project.run(&[&old[..], &["--sandbox", "--json"]].concat()).json();
    assert_eq!(document["requests"][0]["body"], r#"{"cents":200,"currency":"EUR"}"#);
    assert_eq!(document["outcome"], "done");
    assert_eq!(document["output"], json!({"invoice": "in_1", "open": true}));
    let misfit = project.run(&["adapter", "try", "invoices/create@1", "customer=c_1", "euro=2"]);
    assert_eq!(misfit.code, Some(1));
    assert!(misfit.err.contains("did you mean `euros`?"), "{}", misfit.err);
    let refund = project.run(&["adapter", "try", "stripe/refund", "chargeId=ch_1", "--live"]);
    assert_eq!(refund.code, Some(2));
    assert!(refund.err.contains("nobody can be asked"), "{}", refund.err);
}

#[test]
fn a_live_try_tells_what_the_answer_was_taken_for() {
    const SECRET: &str = "sk_test_planted_secret_4712";
    let double = Double::answering(Reply::json(200, &json!({"id": "in_9", "state": "paid"})));
    let config = format!(
        "connections:\n  bills: {{ provider: invoices, baseUrl: \"{url}\" }}\n  \
         cards: {{ provider: stripe, baseUrl: \"{url}\" }}\n",
        url = double.url()
    );
    let project = Project::new(&config)
        .file("adapters/invoices.yaml", INVOICES)
        // What other workflows get wrong is not what is tried.
        .file("workflows/broken.yaml", "workflow: broken\n")
        .env("STRIPE_API_KEY", SECRET);
    let tried = ["adapter", "try", "invoices/create@1", "customer=c_1", "euros=2", "--live"];
    let text = project.run(&[&tried[..], &["--connection", "bills"]].concat()).good();
    assert!(text.contains("outcome: done\n") && text.contains("\"invoice\": \"in_9\""), "{text}");
    assert_eq!(double.lines(), ["POST /customers/c_1/invoices"]);
    // A failure is told with its code, once, and without the credential that is repeated in it.
    let said = json!({"error": {"type": "invalid_request_error", "code": "charge_already_refunded",
        "message": format!("no such charge for {SECRET}")}});
    let refusing = Double::answering(Reply::json(400, &said));
    project.write("automation.config.yaml", &config.replace(&double.url(), &refusing.url()));
    let tried = ["adapter", "try", "stripe/refund", "chargeId=ch_1", "--connection", "cards"];
    let refused = project.run(&[&tried[..], &["--live", "--yes"]].concat());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("outcome: refused\n"), "{refused:?}");
    assert!(refused.err.contains("[charge_already_refunded]"), "{refused:?}");
    assert!(!format!("{refused:?}").contains(SECRET), "{refused:?}");
    assert_eq!(refusing.lines(), ["POST /v1/refunds"]);
}
