//! The sections about providers: `adapters`, each with an endpoint and an account, and
//! `connections`, accounts alone.

use std::collections::BTreeMap;

use postroom_core::definition::{Emit, Mode};
use postroom_core::yaml::{At, Fields, Node, to_json};
use postroom_core::{Json, Problem, problem};

use super::Spot;
use super::sections::{ConnectionEntry, Reader};
use super::sources::{SourceEntry, Taken};

impl Reader<'_, '_> {
    pub(super) fn adapters(&mut self, node: &Node) {
        let Some(items) = self.source.list(node, "adapters") else { return };
        for (index, item) in items.iter().enumerate() {
            self.adapter(item, &format!("adapters[{index}]"));
        }
    }

    /// An entry mounts its endpoint and makes a connection of its name.
    fn adapter(&mut self, node: &Node, path: &str) {
        let Some(mut fields) = self.source.map(node, path) else { return };
        let at = fields.at;
        let name = self.placed(&mut fields, "name");
        let provider = self.placed(&mut fields, "provider");
        let endpoint = self.placed(&mut fields, "endpoint");
        let idempotency = fields.path_of("idempotency");
        if let Some(node) = fields.take("idempotency")
            && self.source.bool(node, &idempotency) == Some(false)
        {
            let detail = format!("`{idempotency}` cannot be false: keys are always sent");
            let found = Problem::new(&problem::UNSUPPORTED, detail);
            self.source.report(found.hint("remove it, or write `true`"), node.at);
        }
        let secrets = self.secret_names(&mut fields);
        let public_url = self.url(&mut fields, "publicUrl");
        let connection = self.connection_fields(&mut fields);
        fields.finish(self.source);
        let (Some((name, at)), Some((provider, named_at))) = (name, provider) else {
            let found = Problem::new(
                &problem::MISSING_KEY,
                format!("`{path}` needs `name` and `provider`"),
            );
            let hint = "write for example `{ name: stripe-main, provider: stripe }`";
            self.source.report(found.hint(hint), at);
            return;
        };
        self.config.builtin.push(provider.clone());
        let spot = Spot::of(self.source, named_at);
        if let Some((mounted, at)) = endpoint {
            self.endpoint(&mounted, at);
            if name == Emit::SOURCE {
                let detail =
                    format!("`{path}.name` is `{name}`: events that steps emit have that source");
                let found = Problem::new(&problem::BAD_VALUE, detail);
                self.source.report(found.hint("give the entry another name"), named_at);
            }
            self.config.sources.push(SourceEntry {
                name: name.clone(),
                takes: Taken::Provider(provider.clone()),
                path: mounted,
                secrets,
                credentials: connection.credentials.clone(),
                public_url,
                connected: true,
                spot: spot.clone(),
            });
        } else if !secrets.is_empty() || public_url.is_some() {
            let detail = format!("`{path}` has `secrets` or `publicUrl`, but no `endpoint`");
            let found = Problem::new(&problem::BAD_VALUE, detail);
            let hint = "they are about webhooks: add `endpoint`, or leave them out";
            self.source.report(found.hint(hint), at);
        }
        self.add_connection(ConnectionEntry { name, provider, spot, ..connection }, at);
    }

    pub(super) fn endpoint(&mut self, path: &str, at: At) {
        let fits = path.starts_with('/')
            && path.len() <= 200
            && path.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c));
        let taken = ["/", "/healthz", "/readyz", "/api/webhooks/ingest"].contains(&path)
            || ["/api/v1", "/api/openapi.json"].iter().any(|ours| path.starts_with(ours))
            || self.config.metrics.as_deref() == Some(path)
            || self.config.sources.iter().any(|source| source.path == path);
        if !fits {
            let detail = format!("`{path}` is no path to mount a source at");
            let hint = "write for example /api/webhooks/stripe";
            self.source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), at);
        } else if taken {
            let detail = format!("{path} is taken");
            let found = Problem::new(&problem::DUPLICATE_NAME, detail);
            self.source.report(found.hint("choose another path"), at);
        }
    }

    pub(super) fn connections(&mut self, node: &Node) {
        let Some(fields) = self.source.map(node, "connections") else { return };
        for (key, node) in fields.all() {
            let path = format!("connections.{}", key.name);
            let Some(mut fields) = self.source.map(node, &path) else { continue };
            let named = fields.need(self.source, "provider");
            let provider = named.and_then(|node| self.filled(node, &path));
            let entry = self.connection_fields(&mut fields);
            fields.finish(self.source);
            if let (Some(provider), Some(named)) = (provider, named) {
                let (name, spot) = (key.name.clone(), Spot::of(self.source, named.at));
                self.add_connection(ConnectionEntry { name, provider, spot, ..entry }, key.at);
            }
        }
    }

    fn add_connection(&mut self, entry: ConnectionEntry, at: At) {
        if self.config.connections.iter().any(|known| known.name == entry.name) {
            let detail = format!("two connections are called `{}`", entry.name);
            let found = Problem::new(&problem::DUPLICATE_NAME, detail);
            self.source.report(found.hint("give one of them another name"), at);
        }
        self.config.connections.push(entry);
    }

    fn connection_fields(&mut self, fields: &mut Fields<'_>) -> ConnectionEntry {
        let base_url = self.text(fields, "baseUrl").filter(|url| !url.is_empty());
        let credentials = self.credentials(fields);
        let config = fields.take("config").map(to_json);
        let config = config.and_then(|config| Json::from_serialize(&config).ok());
        let mode = fields.path_of("mode");
        let mode = fields.take("mode").and_then(|node| {
            let word = self.filled(node, &mode)?;
            let read = Mode::of_word(&word, &mode);
            read.map_err(|problem| self.source.report(problem, node.at)).ok()
        });
        let oauth = self.oauth(fields);
        let (allow, ca_file) = (self.allow(fields), self.ca_file(fields));
        let path = fields.path_of("rateLimit");
        let limit = fields.take("rateLimit").and_then(|node| self.rate_limit(node, &path));
        ConnectionEntry {
            name: String::new(),
            provider: String::new(),
            spot: Spot::of(self.source, fields.at),
            base_url,
            credentials,
            config: config.unwrap_or_else(Json::null),
            oauth,
            allow,
            ca_file,
            limit,
            mode: mode.unwrap_or_default(),
        }
    }

    /// Names of secrets by credential.
    pub(super) fn credentials(
        &mut self,
        fields: &mut Fields<'_>,
    ) -> BTreeMap<String, (String, Spot)> {
        let mut credentials = BTreeMap::new();
        let path = fields.path_of("credentials");
        if let Some(names) = fields.take("credentials").and_then(|n| self.source.map(n, &path)) {
            for (key, node) in names.all() {
                let path = format!("{path}.{}", key.name);
                if let Some(name) = self.source.text(node, &path) {
                    let spot = Spot::of(self.source, key.at);
                    credentials.insert(key.name.clone(), (name.to_owned(), spot));
                }
            }
        }
        credentials
    }

    fn rate_limit(&mut self, node: &Node, path: &str) -> Option<(u32, u64)> {
        let mut fields = self.source.map(node, path)?;
        let at = fields.at;
        let requests = self.int(&mut fields, "maxRequests", (1, 1_000_000));
        let window_ms = self.int(&mut fields, "windowMs", (1, 31 * 86_400_000));
        fields.finish(self.source);
        if requests.is_none() || window_ms.is_none() {
            let detail = format!("`{path}` needs `maxRequests` and `windowMs`");
            let found = Problem::new(&problem::MISSING_KEY, detail);
            let hint = "write for example `{ maxRequests: 100, windowMs: 1000 }`";
            self.source.report(found.hint(hint), at);
        }
        Some((u32::try_from(requests?).ok()?, u64::try_from(window_ms?).ok()?))
    }
}
