//! Built-in adapters against `emulate`, a double of many providers that others wrote: what it takes,
//! what it refuses, and what it sends of itself.

mod harness;

#[path = "doubles/github.rs"]
mod github;
#[path = "doubles/linear.rs"]
mod linear;
#[path = "doubles/resend.rs"]
mod resend;
#[path = "doubles/slack.rs"]
mod slack;
#[path = "doubles/twilio.rs"]
mod twilio;

use harness::{Project, Server};
use serde_json::{Value, json};

/// A project with one connection of a provider, and a workflow `act` whose only step is an action
/// with what an event `ACT` brings: these fields, of which those with a `?` may be missing.
fn acting(provider: &str, base: &str, uses: &str, fields: &[&str]) -> Project {
    let connection = format!("{{provider: {provider}, baseUrl: \"{base}\"}}");
    acting_by(provider, &connection, uses, fields)
}

/// The same, with the whole connection as it stands in the configuration.
fn acting_by(provider: &str, connection: &str, uses: &str, fields: &[&str]) -> Project {
    let config = format!("connections:\n  {provider}: {connection}\n");
    let mut text = format!(
        "workflow: act\non: [{{event: ACT}}]\ndedupe: ${{{{ event.data.id }}}}\nsteps:\n  \
         - id: act\n    uses: {uses}\n    retry: {{attempts: 3, backoff: fixed, delay: 10ms}}\n"
    );
    if !fields.is_empty() {
        text += "    with:\n";
    }
    for field in fields {
        text += &match field.strip_suffix('?') {
            Some(name) => format!("      {name}: ${{{{ event.data?.{name} ?? omit() }}}}\n"),
            None => format!("      {field}: ${{{{ event.data.{field} }}}}\n"),
        };
    }
    Project::new(&config).workflow("act", &text)
}

/// The run of an event `ACT`, once it has ended.
#[track_caller]
fn act(server: &Server, id: &str, fields: &Value) -> Value {
    let mut payload = fields.clone();
    payload["id"] = json!(id);
    let correlation = server.send("ACT", &payload);
    server.run(&correlation, &["succeeded", "dead"])
}

/// The failure of a run that is a dead letter at once, because the provider refused.
#[track_caller]
fn refused(run: &Value) -> &Value {
    assert_eq!(run["state"], "dead", "{run:#}");
    assert_eq!(run["failure"]["reason"], "refused", "{run:#}");
    &run["failure"]["failure"]
}
