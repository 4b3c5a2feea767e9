//! The sections of the configuration file. One function each; what a section does not know it
//! reports.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use postroom_core::definition::{Defaults, Mode};
use postroom_core::retry::Backoff;
use postroom_core::yaml::{At, Fields, Node, Source, Value};
use postroom_core::{Json, Problem, problem};
use postroom_engine::outbound::Allow;

use super::oauth::OAuthEntry;
use super::sources::SourceEntry;
use super::{Environment, SecretsEntry, Spot};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// The name of the queue, shown where several are told apart.
    pub queue: String,
    /// Steps at work at once.
    pub concurrency: usize,
    /// What a step gets that does not say otherwise.
    pub defaults: Defaults,
    /// How many succeeded and cancelled runs are kept.
    pub keep_ended: Option<u64>,
    /// How many dead letters are kept.
    pub keep_dead: Option<u64>,
    /// How many days dead letters are kept.
    pub dead_days: Option<u32>,
    /// The address events and the API are served at.
    pub listen: Option<SocketAddr>,
    /// The most bytes of a body.
    pub max_body_bytes: usize,
    /// Where the server is reached from outside, without a path of ours.
    pub public_url: Option<String>,
    /// The name of the secret that the ingest endpoint asks for as bearer token.
    pub ingest_token: Option<String>,
    /// The folder of the store, relative to the configuration.
    pub data: String,
    /// The folder of workflows, relative to the configuration.
    pub workflows: String,
    /// The folder of own adapters, relative to the configuration.
    pub adapters: String,
    /// The folder of tests, relative to the configuration.
    pub tests: String,
    /// Whether `dev` answers provider calls from recorded examples.
    pub dev_sandbox: bool,
    /// Names of fields that hold personal data; what is captured holds placeholders instead.
    pub personal: Vec<String>,
    /// Provider endpoints to mount.
    pub sources: Vec<SourceEntry>,
    /// Providers whose built-in workflow comes along.
    pub builtin: Vec<String>,
    /// Accounts at providers.
    pub connections: Vec<ConnectionEntry>,
    /// Where secrets lie beside the environment.
    pub secrets: SecretsEntry,
    /// How log lines look.
    pub log_format: Option<LogFormat>,
    /// The header of the correlation id.
    pub correlation_header: String,
    /// Where metrics are, if anywhere.
    pub metrics: Option<String>,
    /// Whether metrics need the admin token.
    pub metrics_need_token: bool,
}

/// An account at a provider.
#[derive(Debug)]
pub(crate) struct ConnectionEntry {
    pub name: String,
    pub provider: String,
    /// Where its provider is named.
    pub spot: Spot,
    pub base_url: Option<String>,
    /// By name: the variable, and where the name stands.
    pub credentials: BTreeMap<String, (String, Spot)>,
    pub config: Json,
    /// What of OAuth2 is otherwise than the adapter says.
    pub oauth: Option<OAuthEntry>,
    /// Where it may go beside public addresses.
    pub allow: Vec<Allow>,
    /// The file of the authority it believes, and where that stands.
    pub ca_file: Option<(String, Spot)>,
    /// Requests and the window in milliseconds.
    pub limit: Option<(u32, u64)>,
    /// Whether what would change something there is sent.
    pub mode: Mode,
}

/// Reads one section of the file.
type Section<R> = fn(&mut R, &Node);

pub(super) struct Reader<'s, 't> {
    pub(super) source: &'s mut Source<'t>,
    environment: &'s Environment,
    warnings: &'s mut Vec<String>,
    pub(super) config: Config,
}

/// Reads every section. Usable only if the source has no problems afterwards.
pub(crate) fn read(
    source: &mut Source<'_>,
    root: &Node,
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Config {
    let config = Config {
        queue: "postroom".to_owned(),
        concurrency: 5,
        defaults: Defaults::default(),
        keep_ended: None,
        keep_dead: None,
        dead_days: None,
        listen: None,
        max_body_bytes: 1 << 20,
        public_url: None,
        ingest_token: None,
        data: "data".to_owned(),
        workflows: "workflows".to_owned(),
        adapters: "adapters".to_owned(),
        tests: "tests".to_owned(),
        dev_sandbox: false,
        personal: Vec::new(),
        sources: Vec::new(),
        builtin: Vec::new(),
        connections: Vec::new(),
        secrets: SecretsEntry::default(),
        log_format: None,
        correlation_header: "x-correlation-id".to_owned(),
        metrics: Some("/metrics".to_owned()),
        metrics_need_token: false,
    };
    let mut reader = Reader { source, environment, warnings, config };
    reader.document(root);
    reader.config
}

impl Reader<'_, '_> {
    fn document(&mut self, root: &Node) {
        if matches!(root.value, Value::Null) {
            return;
        }
        let Some(mut fields) = self.source.map(root, "") else { return };
        let sections: [(&str, Section<Self>); 12] = [
            ("queue", Self::queue),
            ("adapters", Self::adapters),
            ("sources", Self::sources),
            ("connections", Self::connections),
            ("secrets", Self::secrets),
            ("observability", Self::observability),
            ("deadLetterQueue", Self::dead_letters),
            ("server", Self::server),
            ("store", Self::store),
            ("folders", Self::folders),
            ("privacy", Self::privacy),
            ("dev", Self::dev),
        ];
        for (name, read) in sections {
            if let Some(node) = fields.take(name) {
                read(self, node);
            }
        }
        fields.finish(self.source);
    }

    /// Text with its variables put in.
    pub(super) fn filled(&mut self, node: &Node, path: &str) -> Option<String> {
        let text = self.source.text(node, path)?;
        match self.environment.fill(text) {
            Ok(text) => Some(text),
            Err(name) => {
                let detail = format!("`{path}` needs {name}, which is not set");
                let hint = format!(
                    "set {name} in the environment or in .env, or write ${{{name}:-default}}"
                );
                self.source.report(Problem::new(&problem::MISSING_ENV, detail).hint(hint), node.at);
                None
            }
        }
    }

    pub(super) fn text(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
        self.placed(fields, name).map(|(text, _)| text)
    }

    /// Text with its variables put in, and where it stands.
    pub(super) fn placed(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<(String, At)> {
        let path = fields.path_of(name);
        let node = fields.take(name)?;
        Some((self.filled(node, &path)?, node.at))
    }

    pub(super) fn int(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        range: (i64, i64),
    ) -> Option<i64> {
        let path = fields.path_of(name);
        fields.take(name).and_then(|node| self.source.int(node, &path, range.0, range.1))
    }

    fn queue(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "queue") else { return };
        if let Some(name) = self.text(&mut fields, "name") {
            self.config.queue = name;
        }
        if let Some(node) = fields.take("connection") {
            self.redis(node);
        }
        if let Some(n) = self.int(&mut fields, "concurrency", (1, 10_000)) {
            self.config.concurrency = usize::try_from(n).unwrap_or(5);
        }
        if let Some(node) = fields.take("defaultJobOptions") {
            self.job_options(node);
        }
        fields.finish(self.source);
    }

    /// `queue.connection` asks for Redis once its host is set; until then the embedded store
    /// serves, and says so.
    fn redis(&mut self, node: &Node) {
        let path = "queue.connection";
        let Some(mut fields) = self.source.map(node, path) else { return };
        let host = fields.take("host").and_then(|node| {
            // A variable that is not set means that Redis is not wanted here.
            let host = self.environment.fill(self.source.text(node, path)?).ok()?;
            (!host.trim().is_empty()).then_some((host, node.at))
        });
        for name in ["port", "password", "username", "db", "tls"] {
            fields.take(name);
        }
        fields.finish(self.source);
        match host {
            None => self.warnings.push(
                "queue.connection: no Redis host is set, so the embedded store serves".to_owned(),
            ),
            Some((host, at)) => {
                let detail = format!(
                    "queue.connection.host is `{host}`, but this version has no Redis backend yet"
                );
                let hint = "unset the host (REDIS_HOST) to use the embedded store";
                self.source.report(Problem::new(&problem::UNSUPPORTED, detail).hint(hint), at);
            }
        }
    }

    fn job_options(&mut self, node: &Node) {
        let path = "queue.defaultJobOptions";
        let Some(mut fields) = self.source.map(node, path) else { return };
        if let Some(n) = self.int(&mut fields, "attempts", (1, 100)) {
            self.config.defaults.retry.attempts = u32::try_from(n).unwrap_or(1);
        }
        if let Some(node) = fields.take("backoff") {
            self.backoff(node);
        }
        let timeout = fields.path_of("timeout");
        if let Some(ms) = fields.take("timeout").and_then(|n| self.source.duration_ms(n, &timeout))
        {
            self.config.defaults.timeout_ms = ms;
        }
        let most = (0, 1_000_000_000);
        let keep = self.int(&mut fields, "removeOnComplete", most);
        self.config.keep_ended = keep.and_then(|n| u64::try_from(n).ok());
        let keep = self.int(&mut fields, "removeOnFail", most);
        self.config.keep_dead = keep.and_then(|n| u64::try_from(n).ok());
        fields.finish(self.source);
    }

    fn backoff(&mut self, node: &Node) {
        let path = "queue.defaultJobOptions.backoff";
        let Some(mut fields) = self.source.map(node, path) else { return };
        let kind = self.placed(&mut fields, "type");
        let retry = match kind.as_ref().map(|(kind, at)| (kind.as_str(), *at)) {
            None | Some(("exponential", _)) => Some(Backoff::Exponential),
            Some(("fixed", _)) => Some(Backoff::Fixed),
            Some((other, at)) => {
                let detail = format!("`{path}.type` is `{other}`");
                let found = Problem::new(&problem::BAD_VALUE, detail);
                self.source.report(found.hint("write `fixed` or `exponential`"), at);
                None
            }
        };
        if let Some(backoff) = retry {
            self.config.defaults.retry.backoff = backoff;
        }
        if let Some(ms) = self.int(&mut fields, "delay", (0, 86_400_000)) {
            self.config.defaults.retry.delay_ms = u64::try_from(ms).unwrap_or(0);
        }
        fields.finish(self.source);
    }

    fn observability(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "observability") else { return };
        if let Some(node) = fields.take("logging") {
            self.logging(node);
        }
        if let Some(node) = fields.take("metrics") {
            self.metrics(node);
        }
        fields.finish(self.source);
    }

    fn logging(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "observability.logging") else { return };
        let format = self.placed(&mut fields, "format");
        match format.as_ref().map(|(format, at)| (format.as_str(), *at)) {
            None => {}
            Some(("json", _)) => self.config.log_format = Some(LogFormat::Json),
            Some(("pretty", _)) => self.config.log_format = Some(LogFormat::Pretty),
            Some((other, at)) => {
                let detail = format!("`observability.logging.format` is `{other}`");
                let found = Problem::new(&problem::BAD_VALUE, detail);
                self.source.report(found.hint("write `json` or `pretty`"), at);
            }
        }
        if let Some((header, at)) = self.placed(&mut fields, "correlationIdHeader") {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if header.is_empty() || !header.chars().all(fits) {
                let detail = format!("`{header}` is not the name of a header");
                let found = Problem::new(&problem::BAD_VALUE, detail);
                let hint = "write letters, digits and `-`, for example X-Correlation-ID";
                self.source.report(found.hint(hint), at);
            }
            self.config.correlation_header = header.to_ascii_lowercase();
        }
        fields.finish(self.source);
    }

    fn metrics(&mut self, node: &Node) {
        let path = "observability.metrics";
        let Some(mut fields) = self.source.map(node, path) else { return };
        if let Some((endpoint, at)) = self.placed(&mut fields, "endpoint") {
            self.config.metrics = None;
            self.endpoint(&endpoint, at);
            self.config.metrics = Some(endpoint);
        }
        for name in ["enabled", "token"] {
            let path = fields.path_of(name);
            let value = fields.take(name).and_then(|node| self.source.bool(node, &path));
            match (name, value) {
                ("enabled", Some(false)) => self.config.metrics = None,
                ("token", Some(needed)) => self.config.metrics_need_token = needed,
                _ => {}
            }
        }
        if fields.take("scrapeInterval").is_some() {
            self.warnings.push(format!(
                "{path}.scrapeInterval does nothing here: how often metrics are read is set in \
                 Prometheus"
            ));
        }
        fields.finish(self.source);
    }

    fn dead_letters(&mut self, node: &Node) {
        let path = "deadLetterQueue";
        let Some(mut fields) = self.source.map(node, path) else { return };
        if self.text(&mut fields, "name").is_some() {
            self.warnings.push(format!(
                "{path}.name does nothing with the embedded store: it has one dead-letter office"
            ));
        }
        if self.int(&mut fields, "alertOnThreshold", (1, 1_000_000_000)).is_some() {
            self.warnings.push(format!(
                "{path}.alertOnThreshold does nothing yet: watch postroom_dead_letters in metrics"
            ));
        }
        let days = self.int(&mut fields, "retentionDays", (1, 36_500));
        self.config.dead_days = days.and_then(|days| u32::try_from(days).ok());
        fields.finish(self.source);
    }

    fn server(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "server") else { return };
        if let Some((text, at)) = self.placed(&mut fields, "listen") {
            match text.parse() {
                Ok(address) => self.config.listen = Some(address),
                Err(_) => {
                    let detail = format!("`server.listen` is `{text}`");
                    let hint = "write an address and a port, for example 127.0.0.1:3000";
                    self.source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), at);
                }
            }
        }
        if let Some(bytes) = self.int(&mut fields, "maxBodyBytes", (1_024, 64 << 20)) {
            self.config.max_body_bytes = usize::try_from(bytes).unwrap_or(1 << 20);
        }
        self.config.public_url = self.url(&mut fields, "publicUrl");
        self.config.ingest_token = self.text(&mut fields, "ingestToken");
        fields.finish(self.source);
    }

    fn store(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "store") else { return };
        if let Some(path) = self.text(&mut fields, "path") {
            self.config.data = path;
        }
        fields.finish(self.source);
    }

    fn privacy(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "privacy") else { return };
        let path = "privacy.personal";
        let names = fields.take("personal").and_then(|node| self.source.list(node, path));
        for node in names.unwrap_or_default() {
            let name = self.source.text(node, path).map(str::to_owned);
            self.config.personal.extend(name);
        }
        fields.finish(self.source);
    }

    fn dev(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "dev") else { return };
        let sandbox = fields.take("sandbox");
        let sandbox = sandbox.and_then(|node| self.source.bool(node, "dev.sandbox"));
        self.config.dev_sandbox = sandbox.unwrap_or(false);
        fields.finish(self.source);
    }

    fn folders(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "folders") else { return };
        if let Some(path) = self.text(&mut fields, "workflows") {
            self.config.workflows = path;
        }
        if let Some(path) = self.text(&mut fields, "adapters") {
            self.config.adapters = path;
        }
        if let Some(path) = self.text(&mut fields, "tests") {
            self.config.tests = path;
        }
        fields.finish(self.source);
    }
}
