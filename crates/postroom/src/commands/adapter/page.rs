//! The reference page of an adapter, as Markdown: `docs/reference/adapters/` holds those of the
//! built-in ones, and a test compares them. `BLESS=1` writes them anew.

use postroom_adapters::{ACCESS_TOKEN, Action, Adapter, Grant};
use postroom_core::yaml::Source;

use super::fields;
use super::words;
use crate::fixture::tree::Tree;

/// The page of an adapter; `manifest` is the text it was read from.
pub(super) fn adapter(adapter: &Adapter, manifest: &str) -> String {
    let name = &adapter.name;
    let mut page = format!("# {}\n\n`uses: {name}/…`", adapter.title);
    page.extend(adapter.base_url.iter().map(|url| format!(" · API at `{url}`")));
    page.push_str(&match adapter.docs_url.strip_prefix("docs/") {
        Some(ours) => format!(" · [more](../../{ours})\n"),
        None => format!(" · [documentation of the provider]({})\n", adapter.docs_url),
    });
    page.push_str(&connection(adapter));
    page.push_str(&webhook(adapter, manifest));
    page.push_str("\n## Actions\n\n| action | what it does | idempotency |\n| --- | --- | --- |\n");
    for action in &adapter.actions {
        let uses = words::uses(adapter, action);
        let gone = action.deprecated.as_ref().map(|_| "Deprecated. ").unwrap_or_default();
        page.push_str(&format!(
            "| [`{uses}`](#{}) | {gone}{} | `{}` |\n",
            anchor(&uses),
            one_line(&action.summary),
            action.repeating().word()
        ));
    }
    for one in &adapter.actions {
        page.push_str(&format!("\n{}", action(adapter, one)));
    }
    page
}

/// The part of the page about an action.
pub(super) fn action(adapter: &Adapter, action: &Action) -> String {
    let mut page =
        format!("### `{}`\n\n{}\n\n", words::uses(adapter, action), action.summary.trim());
    if let Some(said) = &action.deprecated {
        let instead = said.instead.as_ref().map(|uses| format!(" Use `{uses}`."));
        let note = said.note.trim_end_matches('.');
        let instead = instead.unwrap_or_default();
        page.push_str(&format!("Deprecated since {}: {note}.{instead}\n\n", said.since));
    }
    if action.becomes.is_some() {
        let newer = format!("{action}@{}", action.performer().version);
        page.push_str(&format!("Performed by `{newer}`: input and output are mapped.\n\n"));
    }
    if action.destructive {
        page.push_str("Destructive: [a step needs a guard](../../lints.md#destructive-steps).\n\n");
    }
    page.push_str(&contract("input", &action.input));
    page.push_str(&contract("output", &action.output));
    page.push_str(&format!("Repeating: {}.\n", words::repeating(action)));
    let calls = &action.performer().calls;
    if !calls.is_empty() {
        page.push_str("\n| call | request | idempotency |\n| --- | --- | --- |\n");
    }
    for call in calls {
        let word = match call.repeats_by_input() {
            true => "by its input",
            false => call.idempotency.word(),
        };
        page.push_str(&format!("| {} | {} | {word} |\n", call.id, code(&call.line())));
    }
    if let Some(step) = words::step(adapter, action) {
        page.push_str(&format!("\n```yaml\n{step}```\n"));
    }
    let failures = &action.performer().failures;
    if !failures.is_empty() {
        page.push_str("\n| known failure | comes to | code |\n| --- | --- | --- |\n");
    }
    for it in failures {
        let after =
            it.after_ms.map(|ms| format!(", after {}", words::length(ms))).unwrap_or_default();
        let known = it.code.as_deref().map(code).unwrap_or_default();
        let (name, outcome) = (one_line(&it.name), it.outcome.word());
        page.push_str(&format!("| {name} | {outcome}{after} | {known} |\n"));
    }
    page
}

fn connection(adapter: &Adapter) -> String {
    let mut page = String::from("\n## Connection\n\n");
    if adapter.credentials.is_empty() {
        page.push_str("It needs no credentials.\n");
    } else {
        page.push_str(
            "| credential | variable | needed | what it is |\n| --- | --- | --- | --- |\n",
        );
    }
    for it in &adapter.credentials {
        let needed = if it.required { "yes" } else { "no" };
        let about = one_line(&it.summary);
        page.push_str(&format!("| `{}` | `{}` | {needed} | {about} |\n", it.name, it.env));
    }
    if !adapter.settings.is_empty() {
        page.push_str("\n| setting | needed | what it is |\n| --- | --- | --- |\n");
    }
    for it in &adapter.settings {
        let needed = if it.required { "yes" } else { "no" };
        page.push_str(&format!("| `{}` | {needed} | {} |\n", it.name, one_line(&it.summary)));
    }
    if !adapter.auth.is_empty() {
        let sent: Vec<String> =
            adapter.auth.iter().map(|it| format!("`{}`", words::header(it))).collect();
        page.push_str(&format!("\nSent with every request: {}.\n", sent.join(", ")));
    }
    page.push_str(&access(adapter));
    if let Some(limits) = words::limits(adapter) {
        page.push_str(&format!("\nAt most {limits}, for one connection.\n"));
    }
    let entry = |it: &postroom_adapters::Credential| format!("{}: {}", it.name, it.env);
    let names: Vec<String> = adapter.credentials.iter().map(entry).collect();
    let credentials = match names.is_empty() {
        true => String::new(),
        false => format!("\n    credentials: {{ {} }}", names.join(", ")),
    };
    let settings = words::settings(adapter).map(|it| format!("\n    config: {it}"));
    let settings = settings.unwrap_or_default();
    // A call with a whole URL needs no base.
    let below = |action: &Action| action.calls.iter().any(|it| it.line().contains(" /"));
    let homeless = adapter.base_url.is_none() && adapter.actions.iter().any(|it| below(it));
    if names.is_empty() && settings.is_empty() && !homeless && adapter.base_url.is_none() {
        return page;
    }
    let url = if homeless { "\n    baseUrl: https://api.example.com" } else { "" };
    let needs = homeless || adapter.settings.iter().any(|it| it.required);
    let otherwise = match needs {
        true => "A step needs this entry.",
        false => "Without an entry a step uses what is shown here.",
    };
    let name = &adapter.name;
    page.push_str(&format!(
        "\n```yaml\nconnections:\n  {name}:\n    \
         provider: {name}{url}{settings}{credentials}\n```\n\n{otherwise}\n"
    ));
    page
}

/// How access tokens are come by, where that is by OAuth2.
fn access(adapter: &Adapter) -> String {
    let Some(oauth) = &adapter.oauth else { return String::new() };
    let more = "[OAuth2](../../connections.md#oauth2)";
    let name = &adapter.name;
    let mut said = match oauth.grant {
        Grant::AuthorizationCode => format!(
            "\nAccess is given by {more}: `postroom connections login {name}` (the name of the \
             connection) prints a page at which a person allows it, once."
        ),
        Grant::ClientCredentials => format!(
            "\nAccess is given by {more}: Postroom asks for tokens with the client's own \
             credentials, and nobody has to log in."
        ),
    };
    let scopes: Vec<String> = oauth.scopes.iter().map(|scope| code(scope)).collect();
    if !scopes.is_empty() {
        said.push_str(&format!(" Scopes: {}.", scopes.join(", ")));
    }
    if adapter.credentials.iter().any(|it| it.name == ACCESS_TOKEN) {
        said.push_str(&format!(
            " Where `{ACCESS_TOKEN}` is set, that is used, and nothing is asked for."
        ));
    }
    said.push('\n');
    said
}

/// How webhooks are signed and what they become, read from the manifest as it is written.
fn webhook(adapter: &Adapter, manifest: &str) -> String {
    let Some(_) = &adapter.webhook else { return String::new() };
    let root = Source::new(&adapter.file, manifest).parse();
    let whole = root.map_or(Tree::Null, |root| Tree::of_node(&root));
    let Some(section) = whole.get("webhook") else { return String::new() };
    let name = &adapter.name;
    let mut page = format!(
        "\n## Webhook\n\n```yaml\nadapters:\n  - {{ name: {name}, provider: {name}, \
         endpoint: /api/webhooks/{name} }}\n```\n\n{}\n\n| setting | value |\n| --- | --- |\n",
        signature(section)
    );
    leaves(section, "", &mut page);
    page
}

/// The signature in words, as far as the manifest names what there are words for.
fn signature(section: &Tree) -> String {
    let text = |name: &str| {
        let found = section.get("signature").and_then(|it| it.get(name));
        found.and_then(|value| match value {
            Tree::Text(text) => Some(code(text)),
            Tree::List(items) => {
                let names = items.iter().filter_map(|item| match item {
                    Tree::Text(text) => Some(code(text)),
                    _ => None,
                });
                Some(names.collect::<Vec<_>>().join(" or "))
            }
            _ => None,
        })
    };
    let mut said = String::from("The exact bytes are verified before anything is read.");
    if let (Some(algorithm), Some(header)) = (text("algorithm"), text("header")) {
        said = format!("A request is signed with {algorithm}");
        said.extend(text("signed").map(|signed| format!(" over {signed}")));
        said.push_str(&format!("; the signature stands in {header}"));
        said.extend(text("encoding").map(|encoding| format!(", written as {encoding}")));
        said.push('.');
    }
    let event = |name: &str| {
        section
            .get("event")
            .and_then(|it| it.get(name))
            .map(|it| code(it.json().text().trim_matches('"')))
    };
    if let Some(kind) = event("type") {
        said.push_str(&format!(" The type of the event is {kind}."));
    }
    match event("id") {
        Some(id) => said.push_str(&format!(" One that was seen before is recognised by {id}.")),
        None => said.push_str(" A repetition is recognised by its bytes."),
    }
    said
}

/// Every setting in a row, by the way to it.
fn leaves(tree: &Tree, path: &str, page: &mut String) {
    let deeper = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match tree {
        Tree::Map(entries) => {
            entries.iter().for_each(|(name, value)| leaves(value, &deeper(name), page));
        }
        Tree::Text(text) => page.push_str(&format!("| `{path}` | {} |\n", code(text))),
        other => {
            page.push_str(&format!("| `{path}` | {} |\n", code(other.json().text())));
        }
    }
}

fn contract(what: &str, schema: &serde_json::Value) -> String {
    let fields = fields::of(schema);
    if fields.is_empty() {
        return format!("The {what} is {}.\n\n", fields::kind(schema));
    }
    let mut page = format!("| {what} | | what it holds | |\n| --- | --- | --- | --- |\n");
    for field in fields {
        let needed = fields::needed(what, &field);
        let (kind, about) = (one_line(&field.kind), one_line(&field.about));
        page.push_str(&format!("| `{}` | {needed} | {kind} | {about} |\n", field.path));
    }
    page.push('\n');
    page
}

/// Text as a cell of a table holds it.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

/// Text as it is written.
fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence}{text}{fence}")
}

/// Where the heading of an action is found on its page.
fn anchor(uses: &str) -> String {
    let kept = uses.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use postroom_adapters::{Catalog, MANIFESTS};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/adapters")
    }

    /// Every page there should be: one an adapter, and the list of them.
    fn pages() -> Vec<(String, String)> {
        let catalog = Catalog::builtin();
        let mut list = String::from(
            "<!-- Made from crates/adapters/manifests by a test; BLESS=1 writes it anew. -->\n\n\
             # Adapters\n\nWhat comes with Postroom. The format of their files, and how to add one, \
             is on [its own page](../../adapters.md).\n\n\
             | adapter | provider | actions | webhook |\n| --- | --- | --- | --- |\n",
        );
        let mut pages = Vec::new();
        for (name, _, text) in MANIFESTS {
            let known = catalog.adapter(name).unwrap();
            let names: BTreeSet<String> =
                known.actions.iter().map(|action| format!("`{}`", action.name)).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            let webhook = if known.webhook.is_some() { "yes" } else { "" };
            let title = one_line(&known.title);
            list.push_str(&format!("| [`{name}`]({name}.md) | {title} | {names} | {webhook} |\n"));
            let note = format!(
                "<!-- Made from crates/adapters/manifests/{name}.yaml by a test; BLESS=1 writes \
                 it anew. -->\n\n"
            );
            pages.push((format!("{name}.md"), note + &adapter(known, text)));
        }
        pages.push(("README.md".to_owned(), list));
        pages
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a switch for whoever runs the tests by hand")]
    fn the_reference_is_what_the_manifests_say() {
        let pages = pages();
        #[allow(clippy::disallowed_methods, reason = "a test is told to write by a variable")]
        let bless = std::env::var_os("BLESS").is_some();
        if bless {
            let _ = std::fs::remove_dir_all(folder());
            std::fs::create_dir_all(folder()).unwrap();
        }
        for (file, page) in &pages {
            let path = folder().join(file);
            if bless {
                std::fs::write(&path, page).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == *page, "docs/reference/adapters/{file}: BLESS=1 writes it anew");
        }
        let there = std::fs::read_dir(folder()).unwrap().count();
        assert_eq!(there, pages.len(), "a page of an adapter that is gone: BLESS=1 removes it");
    }

    #[test]
    fn a_page_says_how_access_is_given() {
        let catalog = Catalog::builtin();
        let said = |name: &str| access(catalog.adapter(name).unwrap());
        let gmail = said("gmail");
        for part in [
            "`postroom connections login gmail`",
            " Scopes: `https://www.googleapis.com/auth/gmail.send`, `https://",
        ] {
            assert!(gmail.contains(part), "{part}\n{gmail}");
        }
        assert!(!gmail.contains("`access_token` is set"), "{gmail}");
        let hubspot = said("hubspot");
        assert!(hubspot.contains("Where `access_token` is set, that is used"), "{hubspot}");
        assert_eq!(said("stripe"), "");
    }

    #[test]
    fn a_page_says_what_a_person_needs() {
        let catalog = Catalog::builtin();
        let (_, _, text) = MANIFESTS.iter().find(|(name, ..)| *name == "stripe").unwrap();
        let page = adapter(catalog.adapter("stripe").unwrap(), text);
        for part in [
            "| `api_key` | `STRIPE_API_KEY` | yes |",
            "Sent with every request: `Authorization: Bearer {api_key}`",
            "signed with `hmac-sha256` over `{timestamp}.{body}`",
            "### `stripe/create_invoice`",
            "| `customerId` | needed | text, 1 to 255 characters |",
            "  uses: stripe/create_invoice\n",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }
}
