//! What is said of adapters, the same on a terminal and on a page.

use postroom_adapters::{Action, Adapter, Idempotency, SecretHeader};

use crate::fixture::tree::Tree;

/// What repeating an action does.
pub(super) fn repeating(action: &Action) -> &'static str {
    let calls = &action.performer().calls;
    if calls.is_empty() {
        return "it calls nobody";
    }
    if calls.iter().any(|call| call.repeats_by_input()) {
        return "the input decides; where nothing speaks for it, it takes effect again";
    }
    match action.repeating() {
        Idempotency::Key => "sent again under the same key, it is answered as the first time",
        Idempotency::Natural => "sent again, it comes to the same",
        Idempotency::Read => "it changes nothing",
        Idempotency::None if looked_up(action) => {
            "sent again, it takes effect again: a lost answer is looked up first"
        }
        Idempotency::None => "sent again, it takes effect again: a lost answer waits for a person",
    }
}

/// Whether every call that takes effect again can be looked up.
fn looked_up(action: &Action) -> bool {
    let action = action.performer();
    let mut calls = action.calls.iter().enumerate();
    calls.all(|(index, call)| {
        call.idempotency.repeatable() || action.lookup_after_ms(index).is_some()
    })
}

/// The settings of a connection as its entry in the configuration holds them.
pub(super) fn settings(adapter: &Adapter) -> Option<String> {
    let entry = |it: &postroom_adapters::Setting| format!("{}: {}", it.name, it.example);
    let needed: Vec<String> = adapter.settings.iter().map(entry).collect();
    (!needed.is_empty()).then(|| format!("{{ {} }}", needed.join(", ")))
}

/// A length of time in its largest whole unit, as manifests have it: `30s`.
pub(super) fn length(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let whole = units.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

/// How fast a connection may be used.
pub(super) fn limits(adapter: &Adapter) -> Option<String> {
    let one =
        |requests: u32, window_ms: u64| format!("{requests} requests in {}", length(window_ms));
    let limits: Vec<String> =
        adapter.limits.iter().map(|limit| one(limit.requests, limit.window_ms)).collect();
    (!limits.is_empty()).then(|| limits.join(", "))
}

/// A header that carries a credential, with its name in place of the credential.
pub(super) fn header(header: &SecretHeader) -> String {
    let filled = header.template.replace("{}", &format!("{{{}}}", header.credential));
    if header.header == ":path" {
        return format!("path: /{filled}/…");
    }
    let value = if header.basic { format!("Basic base64({filled})") } else { filled };
    format!("{}: {value}", header.header)
}

/// The name of an action as a step uses it: with its version where there are several.
pub(super) fn uses(adapter: &Adapter, action: &Action) -> String {
    let several = adapter.actions.iter().filter(|it| it.name == action.name).count() > 1;
    if several { format!("{action}@{}", action.version) } else { action.to_string() }
}

/// The recorded example as a step of a workflow.
pub(super) fn step(adapter: &Adapter, action: &Action) -> Option<String> {
    let example = action.example.as_ref()?;
    let id = action.name.replace('_', "-");
    let entry = |name: &str, value: Tree| (name.to_owned(), value);
    let mut entries =
        vec![entry("id", Tree::text(id)), entry("uses", Tree::text(uses(adapter, action)))];
    let with = Tree::of_json(example.input.view());
    if !with.entries().is_empty() {
        entries.push(entry("with", with));
    }
    Some(Tree::List(vec![Tree::Map(entries)]).yaml())
}
