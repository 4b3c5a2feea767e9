//! Webhooks that a double which others wrote signs and sends of itself, taken by built-in sources.
//! The secret is right in one place only: whoever signs with another one is turned away.

mod harness;

#[path = "doubles/hooks/github.rs"]
mod github;
#[path = "doubles/hooks/linear.rs"]
mod linear;
#[path = "doubles/hooks/stripe.rs"]
mod stripe;
#[path = "doubles/hooks/twilio.rs"]
mod twilio;

use harness::{PATIENCE, Project, Server};
use serde_json::Value;

/// A project that takes the webhooks of a provider at `/hooks`, and a workflow of them.
fn taking(provider: &str, event: &str, secret: (&str, &str)) -> Project {
    let config =
        format!("adapters:\n  - {{name: {provider}, provider: {provider}, endpoint: /hooks}}\n");
    let text = format!(
        "workflow: take\non: [{{event: {event}, source: {provider}}}]\nsteps:\n  \
         - id: see\n    uses: local/echo\n    with: {{seen: \"${{{{ event.data }}}}\"}}\n"
    );
    Project::new(&config).workflow("take", &text).env(secret.0, secret.1)
}

/// Where a double sends to.
fn address(server: &Server) -> String {
    format!("http://{}/hooks", server.client.address)
}

/// What the runs of the workflow saw, the oldest first, once so many have ended well.
#[track_caller]
fn seen(server: &Server, count: usize) -> Vec<Value> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let runs = server.all("/runs?state=succeeded");
        if runs.len() >= count {
            let id = |run: &Value| run["id"].as_str().expect("an id").to_owned();
            let mut ids: Vec<String> = runs.iter().map(id).collect();
            ids.sort();
            let output =
                |id: &String| server.read(&format!("/runs/{id}"))["output"]["seen"].clone();
            return ids.iter().map(output).collect();
        }
        let late = std::time::Instant::now() > deadline;
        assert!(!late, "{} of {count} came:\n{}", runs.len(), server.log.text());
        server.log.pause();
    }
}

/// Waits until the source of a provider has turned a request away because of its signature, and
/// asserts that nothing was kept of it.
#[track_caller]
fn turned_away(server: &Server, provider: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    let counted = format!(
        "postroom_source_refusals_total{{source=\"{provider}\",code=\"source/signature-wrong\"}}"
    );
    while server.metric(&counted).is_none() {
        let late = std::time::Instant::now() > deadline;
        assert!(!late, "nobody was turned away:\n{}", server.log.text());
        server.log.pause();
    }
    assert!(server.all("/events?").is_empty());
}
