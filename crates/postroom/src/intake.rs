//! Where events come in: the ingest endpoint, and the sources of the configuration with their
//! secrets and addresses.

use std::sync::Arc;

use postroom_adapters::{Catalog, Webhook};
use postroom_core::{Problem, problem};
use postroom_engine::Source;
use postroom_engine::source::{Keep, Mounted, Takes};

use crate::assemble::adapter;
use crate::config::{Config, SourceEntry, Taken};

/// Every source of a project.
pub(crate) fn sources(
    config: &Config,
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<Source>> {
    let mut sources = vec![Arc::new(Source {
        name: "ingest".to_owned(),
        path: "/api/webhooks/ingest".to_owned(),
        takes: Takes::Envelope { token: config.ingest_token.clone() },
    })];
    for entry in &config.sources {
        let what = format!("source `{}`", entry.name);
        let (title, webhook) = match &entry.takes {
            Taken::Own(webhook) => (entry.name.clone(), webhook),
            Taken::Provider(provider) => {
                let Some(adapter) = adapter(catalog, provider, (&what, &entry.spot), problems)
                else {
                    continue;
                };
                let Some(webhook) = &adapter.webhook else {
                    let detail =
                        format!("{what}: adapter `{provider}` says nothing about webhooks");
                    let hint = "leave `endpoint` out: the entry is a connection then";
                    let found = Problem::new(&problem::BAD_VALUE, detail).hint(hint);
                    problems.push(entry.spot.mark(found));
                    continue;
                };
                (adapter.title.clone(), webhook)
            }
        };
        let mounted = Mounted {
            title,
            webhook: Arc::clone(webhook),
            secrets: secrets(entry, webhook, &what, problems),
            address: address(entry, webhook, config, &what, problems),
            keep: Keep::nowhere(),
        };
        let (name, path) = (entry.name.clone(), entry.path.clone());
        sources.push(Arc::new(Source { name, path, takes: Takes::Webhook(mounted) }));
    }
    sources
}

/// The names of the live secrets by credential: those of the entry, else the provider's own.
fn secrets(
    entry: &SourceEntry,
    webhook: &Webhook,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let mut secrets = Vec::new();
    for (index, credential) in webhook.credentials().iter().enumerate() {
        let named = entry.credentials.get(&credential.name).map(|(name, _)| name);
        let names = match named {
            _ if index == 0 && !entry.secrets.is_empty() => entry.secrets.clone(),
            Some(name) => vec![name.clone()],
            None => vec![credential.env.clone()],
        };
        secrets.extend(names.into_iter().map(|name| (credential.name.clone(), name)));
    }
    for (credential, (_, spot)) in entry.credentials.iter().filter(|_| !entry.connected) {
        let known: Vec<&str> = webhook.credentials().iter().map(|it| it.name.as_str()).collect();
        if !known.contains(&credential.as_str()) {
            let detail = format!("{what} has no credential `{credential}`");
            let found = Problem::new(&problem::UNKNOWN_KEY, detail);
            let hint = format!("known: {}", known.join(", "));
            problems.push(spot.mark(found.hint(hint)));
        }
    }
    if webhook.credentials().is_empty() && !entry.secrets.is_empty() {
        let detail = format!("{what} verifies nothing, so its `secrets` do nothing");
        let found = Problem::new(&problem::BAD_VALUE, detail).hint("leave them out");
        problems.push(entry.spot.mark(found));
    }
    secrets
}

/// The address that the provider calls, which some sign.
fn address(
    entry: &SourceEntry,
    webhook: &Webhook,
    config: &Config,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let server = || config.public_url.as_ref().map(|url| format!("{url}{}", entry.path));
    let address = entry.public_url.clone().or_else(server);
    match (webhook.signs_address(), &address) {
        (true, None) => {
            let detail =
                format!("{what}: the provider signs the address it calls, which is not known");
            let hint = "set `server.publicUrl`, for example https://hooks.example.com";
            problems.push(entry.spot.mark(Problem::new(&problem::MISSING_KEY, detail).hint(hint)));
        }
        (false, _) if entry.public_url.is_some() => {
            let detail = format!("{what}: no address is signed, so `publicUrl` does nothing");
            let found = Problem::new(&problem::BAD_VALUE, detail).hint("leave it out");
            problems.push(entry.spot.mark(found));
        }
        _ => {}
    }
    address
}

/// What a provider showed once goes where the operator can read it.
pub(crate) fn keep_tokens(sources: &mut [Arc<Source>], home: &crate::home::Home) {
    for source in sources {
        // Nobody else holds a source before the server starts.
        let Some(source) = Arc::get_mut(source) else { continue };
        if let Takes::Webhook(mounted) = &mut source.takes {
            let (home, name) = (home.clone(), source.name.clone());
            mounted.keep = Keep(Arc::new(move |token| home.keep_shown(&name, token)));
        }
    }
}
