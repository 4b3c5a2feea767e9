//! Schemas of files and of events: printed, written where editors and `check` look, never over
//! somebody's own.

mod harness;

use harness::Project;
use serde_json::{Value, json};

const WORKFLOW: &str = "\
workflow: tell
on:
  - event: ORDER_PAID
steps:
  - id: tell
    uses: local/echo
    with: { id: \"${{ event.data.orderId }}\" }
";

#[test]
fn an_editor_is_given_every_schema() {
    let project = Project::new("");
    let listed = project.run(&["schema"]).good();
    for kind in ["workflow", "config", "test", "adapter"] {
        assert!(listed.contains(kind), "{listed}");
        let schema = project.run(&["schema", kind]).json();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let written = project.run(&["schema", "--write"]).good();
        let path = project.path().join(format!(".postroom/schemas/{kind}.json"));
        assert!(written.contains(&path.display().to_string()), "{written}");
        let text = std::fs::read_to_string(&path).expect("a schema");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), schema);
    }
    project.run(&["schema", "--write", "elsewhere"]).good();
    assert!(project.path().join("elsewhere/test.json").is_file());
}

#[test]
fn a_schema_is_inferred_from_events_and_check_holds_workflows_against_it() {
    let project = Project::new("").workflow("tell", WORKFLOW);
    let server = project.start();
    let events = [
        json!({"orderId": "A-1", "amount": 1999, "email": "ann@example.com", "note": null,
               "items": [{"sku": "x", "at": "2026-11-25T09:00:00Z"}]}),
        json!({"orderId": "A-2", "amount": 5, "items": [{"sku": "y", "gift": true}]}),
    ];
    for event in &events {
        server.send("ORDER_PAID", event);
    }
    server.send("OTHER", &json!({"orderId": 7}));
    // Asked of the server; and of the data folder, once there is none.
    let printed = project.run(&["events", "schema", "ORDER_PAID"]).json();
    drop(server);
    assert_eq!(project.run(&["events", "schema", "ORDER_PAID"]).json(), printed);
    assert_eq!(
        printed,
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "description": "Inferred from 2 events; look it over.",
            "type": "object",
            "required": ["amount", "items", "orderId"],
            "properties": {
                "amount": {"type": "integer"},
                "email": {"type": "string"},
                "note": {},
                "orderId": {"type": "string"},
                "items": {"type": "array", "items": {
                    "type": "object",
                    "required": ["sku"],
                    "properties": {
                        "at": {"type": "string", "format": "date-time"},
                        "gift": {"type": "boolean"},
                        "sku": {"type": "string"},
                    },
                }},
            },
        })
    );
    let newest = project.run(&["events", "schema", "ORDER_PAID", "--limit", "1"]).json();
    assert_eq!(newest["properties"].as_object().map(serde_json::Map::len), Some(3), "{newest:#}");

    let written = project.run(&["events", "schema", "ORDER_PAID", "--write"]).good();
    assert!(written.contains("schemas/ORDER_PAID.json"), "{written}");
    project.run(&["check"]).good();
    project.write("workflows/tell.yaml", &WORKFLOW.replace("orderId", "ordreId"));
    let found = project.run(&["check"]);
    assert!(found.err.contains("did you mean `orderId`?"), "{}", found.err);

    let path = project.path().join("schemas/ORDER_PAID.json");
    std::fs::write(&path, "{}").expect("a schema of somebody's own");
    project.write("workflows/tell.yaml", WORKFLOW);
    let refused = project.run(&["events", "schema", "ORDER_PAID", "--write"]);
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    assert_eq!(std::fs::read_to_string(&path).expect("the schema"), "{}");
    project.run(&["events", "schema", "ORDER_PAID", "--write", "--force"]).good();
    let text = std::fs::read_to_string(&path).expect("the schema");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), printed);

    let none = project.run(&["events", "schema", "NEVER"]);
    assert_eq!(none.code, Some(1), "{}", none.err);
    let outside = project.run(&["events", "schema", "../x", "--write"]);
    assert_eq!(outside.code, Some(2), "{}", outside.err);
}
