//! The section `sources`: endpoints for webhooks of providers, and of anybody else who signs.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_adapters::{Credential, Webhook, own_webhook};
use postroom_core::definition::Emit;
use postroom_core::yaml::{Fields, Node};
use postroom_core::{Problem, problem};

use super::Spot;
use super::sections::Reader;

/// The credential of a source that is no provider's.
const SECRET: &str = "secret";

/// An endpoint for webhooks.
#[derive(Debug)]
pub(crate) struct SourceEntry {
    pub name: String,
    pub takes: Taken,
    pub path: String,
    /// The names of the live signing secrets, where they are not the provider's own.
    pub secrets: Vec<String>,
    /// The names of other secrets by credential; those of a connection where it has one too.
    pub credentials: BTreeMap<String, (String, Spot)>,
    /// The whole address that the provider calls, where it is not the server's and the path.
    pub public_url: Option<String>,
    /// Whether it is a connection too, which has more credentials.
    pub connected: bool,
    /// Where its provider is named.
    pub spot: Spot,
}

/// Whose webhooks are taken.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A provider's, as its manifest says.
    Provider(String),
    /// Anybody's who signs as the entry says.
    Own(Arc<Webhook>),
}

impl Reader<'_, '_> {
    pub(super) fn sources(&mut self, node: &Node) {
        let Some(items) = self.source.list(node, "sources") else { return };
        for (index, item) in items.iter().enumerate() {
            self.source_entry(item, &format!("sources[{index}]"));
        }
    }

    fn source_entry(&mut self, node: &Node, path: &str) {
        let Some(mut fields) = self.source.map(node, path) else { return };
        let at = fields.at;
        let name = self.placed(&mut fields, "name");
        let endpoint = self.placed(&mut fields, "endpoint");
        let provider = self.placed(&mut fields, "provider");
        let secrets = self.secret_names(&mut fields);
        let credentials = self.credentials(&mut fields);
        let public_url = self.url(&mut fields, "publicUrl");
        let (takes, named_at) = match provider {
            Some((provider, at)) => {
                self.said_by_the_manifest(&mut fields);
                (Some(Taken::Provider(provider)), at)
            }
            None => (self.own(&mut fields, path, &secrets), at),
        };
        fields.finish(self.source);
        let (Some((name, name_at)), Some((mounted, mounted_at))) = (name, endpoint) else {
            let detail = format!("`{path}` needs `name` and `endpoint`");
            let hint =
                "write for example `{ name: github, provider: github, endpoint: /in/github }`";
            self.source.report(Problem::new(&problem::MISSING_KEY, detail).hint(hint), at);
            return;
        };
        self.endpoint(&mounted, mounted_at);
        let taken = [Emit::SOURCE, "ingest"].contains(&name.as_str())
            || self.config.sources.iter().any(|source| source.name == name);
        if taken {
            let detail = format!("there is another source called `{name}`");
            let found = Problem::new(&problem::DUPLICATE_NAME, detail);
            self.source.report(found.hint("give the entry another name"), name_at);
        }
        let (Some(takes), spot) = (takes, Spot::of(self.source, named_at)) else { return };
        let path = mounted;
        self.config.sources.push(SourceEntry {
            name,
            takes,
            path,
            secrets,
            credentials,
            public_url,
            connected: false,
            spot,
        });
    }

    /// Refuses what the manifest of the provider says.
    fn said_by_the_manifest(&mut self, fields: &mut Fields<'_>) {
        for key in ["signature", "form", "challenges", "event", "acknowledge", "examples"] {
            let path = fields.path_of(key);
            let Some(node) = fields.take(key) else { continue };
            let detail =
                format!("`{path}` is there, but the entry has a `provider`, which says it");
            let hint = "leave out one of them, or write a manifest of your own";
            self.source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), node.at);
        }
    }

    /// What an entry says itself of how requests are signed.
    fn own(&mut self, fields: &mut Fields<'_>, path: &str, secrets: &[String]) -> Option<Taken> {
        let credential = Credential {
            name: SECRET.to_owned(),
            env: secrets.first().cloned().unwrap_or_default(),
            required: true,
            summary: "Signing secret.".to_owned(),
        };
        let webhook = own_webhook(self.source, fields, path, &credential)?;
        if webhook.open() != secrets.is_empty() {
            let (detail, hint) = match webhook.open() {
                true => ("has `signature: none`, so its `secrets` do nothing", "leave them out"),
                false => ("has no `secrets`", "name them, for example `secrets: [SHOP_SECRET]`"),
            };
            let found = Problem::new(&problem::BAD_VALUE, format!("`{path}` {detail}"));
            self.source.report(found.hint(hint), fields.at);
        }
        Some(Taken::Own(Arc::new(webhook)))
    }

    /// The names of live signing secrets.
    pub(super) fn secret_names(&mut self, fields: &mut Fields<'_>) -> Vec<String> {
        let path = fields.path_of("secrets");
        let names = fields.take("secrets").and_then(|node| self.source.list(node, &path));
        let name = |node| self.source.text(node, &path).map(str::to_owned);
        names.unwrap_or_default().iter().filter_map(name).collect()
    }

    /// An address of ours as it is seen from outside.
    pub(super) fn url(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
        let path = fields.path_of(name);
        let (url, at) = self.placed(fields, name)?;
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.map_or("", |rest| rest.split('/').next().unwrap_or_default());
        let graphic = url.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !graphic || url.contains(['?', '#', '@']) {
            let detail = format!("`{path}` is `{url}`, which is no address without a query");
            let hint = "write for example https://hooks.example.com";
            self.source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), at);
            return None;
        }
        Some(url.trim_end_matches('/').to_owned())
    }
}
