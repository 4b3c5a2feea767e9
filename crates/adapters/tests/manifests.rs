//! Every built-in manifest, walked: what it records must come out as it says.

#![allow(clippy::unwrap_used)]

use postroom_adapters::{Catalog, Context, MANIFESTS, Planned};
use postroom_core::definition::ActionRef;
use postroom_core::{Json, Outcome};

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for (name, file, text) in MANIFESTS {
        if let Err(problems) = catalog.add(file, text) {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", told.join("\n"));
        }
        assert!(catalog.adapter(name).is_some(), "{file} must hold the adapter `{name}`");
    }
    assert_eq!(catalog.names(), Catalog::builtin().names());
    Catalog::builtin()
}

fn uses(adapter: &str, action: &str, version: Option<u32>) -> ActionRef {
    ActionRef { adapter: adapter.into(), action: action.into(), version }
}

#[test]
fn each_manifest_is_complete_and_does_what_it_records() {
    let catalog = catalog();
    assert_eq!(catalog.adapters().count(), MANIFESTS.len());
    for adapter in catalog.adapters() {
        let ours = adapter.docs_url == "docs/adapters.md";
        assert!(ours || adapter.docs_url.starts_with("https://"), "{}", adapter.name);
        assert!(!adapter.actions.is_empty() || adapter.webhook.is_some(), "{}", adapter.name);
        for action in &adapter.actions {
            assert_eq!(action.rehearse(), [""; 0], "{action}");
            assert!(action.summary.ends_with('.'), "{action}");
            let calls = action.calls.iter().enumerate();
            for (index, call) in calls.filter(|(_, call)| !call.idempotency.repeatable()) {
                let failures = action.failures.iter().filter(|failure| failure.call == index);
                assert!(failures.count() > 0, "{action}, {}: no recorded failure", call.id);
            }
        }
    }
}

#[test]
fn each_manifest_plays_in_the_sandbox() {
    for adapter in catalog().adapters() {
        for action in &adapter.actions {
            let example = action.example.as_ref().unwrap();
            let play = |key: &str| {
                let config = action.example_config();
                let base_url = Some("https://api.example.com");
                let mut results: Vec<(String, Json)> = Vec::new();
                for (index, call) in action.calls.iter().enumerate() {
                    let context = Context {
                        input: &example.input,
                        results: &results,
                        config: &config,
                        base_url,
                        key,
                    };
                    let Planned::Send(request) = action.request(index, &context).unwrap() else {
                        continue;
                    };
                    let response = action.sandbox(index, &request, &context).unwrap();
                    assert!(
                        response.headers.contains(&("x-postroom-sandbox".into(), "true".into()))
                    );
                    let outcome = action.interpret(index, &response, &context);
                    let Outcome::Done { output } = outcome else { panic!("{action}: {outcome:?}") };
                    results.push((call.id.clone(), output));
                }
                let context = Context {
                    input: &example.input,
                    results: &results,
                    config: &config,
                    base_url,
                    key,
                };
                action.output(&context).unwrap()
            };
            assert_eq!(play("a"), play("a"), "{action}");
            // What another key makes is another object.
            let makes = ["create_", "post_"].iter().any(|verb| action.name.starts_with(verb));
            if makes || (adapter.name.as_str(), action.name.as_str()) == ("stripe", "refund") {
                assert_ne!(play("a"), play("b"), "{action}");
            }
        }
    }
}

#[test]
fn an_action_that_is_not_there_is_named_with_its_nearest() {
    let catalog = catalog();
    for (wanted, told) in [
        (
            uses("strip", "create_invoice", None),
            "there is no adapter `strip` [workflow/unknown-adapter]; did you mean `stripe`?",
        ),
        (
            uses("stripe", "create_invoce", None),
            "the adapter `stripe` has no action `create_invoce` [workflow/unknown-action]; did \
             you mean `create_invoice`?",
        ),
        (
            uses("stripe", "create_invoice", Some(9)),
            "`stripe/create_invoice` has no version 9 [workflow/unknown-action]; it has 1",
        ),
    ] {
        assert_eq!(catalog.action(&wanted).unwrap_err().to_string(), told);
    }
    assert_eq!(catalog.action(&uses("stripe", "refund", Some(1))).unwrap().1.name, "refund");
    assert!(catalog.action(&uses("stripe", "refund", None)).unwrap().1.destructive);
}

#[test]
fn the_newest_version_is_the_default_and_a_users_manifest_overrides() {
    let mut catalog = catalog();
    let action = |version: u32| {
        format!(
            "  - action: ping\n    version: {version}\n    summary: P.\n    input: {{}}\n    \
             output: {{}}\n    calls: []\n    return: {version}\n"
        )
    };
    let text = format!(
        "adapter: slack\ntitle: Mine\ndocs: https://example.com\nactions:\n{}{}{}",
        action(1),
        action(3),
        action(2)
    );
    catalog.add("adapters/slack.yaml", &text).unwrap();
    assert_eq!(catalog.action(&uses("slack", "ping", None)).unwrap().1.version, 3);
    assert_eq!(catalog.action(&uses("slack", "ping", Some(2))).unwrap().1.version, 2);
    assert_eq!(catalog.adapter("slack").unwrap().title, "Mine");
    assert!(catalog.add("adapters/slack.yaml", "adapter: slack").is_err());
    assert_eq!(catalog.adapter("slack").unwrap().title, "Mine");
}

#[test]
fn the_provider_of_the_documentation_is_one_short_file_that_works() {
    let page = include_str!("../../../docs/adapters.md");
    let text = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(text.lines().count() <= 60);
    let mut catalog = Catalog::default();
    catalog.add("docs/adapters.md", text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (adapter, action) = catalog.action(&uses("ntfy", "publish", None)).unwrap();
    assert_eq!(action.rehearse(), [""; 0]);
    let mut blocks = page.split("```yaml\n").skip(1).map(|it| it.split("```").next().unwrap());
    let webhook = blocks.find(|block| block.starts_with("webhook:")).unwrap();
    let credentials = "  webhook_secret: { env: NTFY_SECRET, summary: Secret. }\nauth:";
    let text = text.replace("auth:", credentials) + webhook;
    catalog.add("docs/adapters.md", &text).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(catalog.adapter("ntfy").unwrap().webhook.is_some());
    assert!(adapter.webhook.is_none());
}
