//! What is read once, when the server starts, and what of it a change would need a restart for.

use std::sync::Arc;

use postroom_engine::Source;
use postroom_engine::source::Takes;

use crate::config::Config;

/// The settings that differ and come into force at the next start only.
pub(super) fn changed(before: &Config, now: &Config) -> Vec<&'static str> {
    // Named one by one: whoever adds a setting decides here whether it needs a restart.
    let Config {
        queue,
        concurrency,
        keep_ended,
        keep_dead,
        dead_days,
        listen,
        max_body_bytes,
        public_url: _,
        ingest_token,
        data,
        log_format: _,
        dev_sandbox,
        correlation_header,
        metrics,
        metrics_need_token,
        secrets,
        // Part of the project, which is swapped as a whole, or of no meaning to a server.
        defaults: _,
        workflows: _,
        adapters: _,
        tests: _,
        personal: _,
        builtin: _,
        connections: _,
        // Compared as they are mounted.
        sources: _,
    } = before;
    let settings = [
        ("queue.name", *queue != now.queue),
        ("queue.concurrency", *concurrency != now.concurrency),
        ("queue.defaultJobOptions.removeOnComplete", *keep_ended != now.keep_ended),
        ("queue.defaultJobOptions.removeOnFail", *keep_dead != now.keep_dead),
        ("deadLetterQueue.retentionDays", *dead_days != now.dead_days),
        ("server.listen", *listen != now.listen),
        ("server.maxBodyBytes", *max_body_bytes != now.max_body_bytes),
        ("server.ingestToken", *ingest_token != now.ingest_token),
        ("store.path", *data != now.data),
        ("secrets.vault", secrets.vault != now.secrets.vault),
        ("dev.sandbox", *dev_sandbox != now.dev_sandbox),
        (
            "observability.logging.correlationIdHeader",
            *correlation_header != now.correlation_header,
        ),
        (
            "observability.metrics",
            *metrics != now.metrics || *metrics_need_token != now.metrics_need_token,
        ),
    ];
    settings.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Whether events come in elsewhere, or are verified otherwise.
pub(super) fn same_sources(before: &[Arc<Source>], now: &[Arc<Source>]) -> bool {
    let of = |sources: &[Arc<Source>]| -> Vec<String> {
        let shown = |source: &Arc<Source>| {
            let Source { name, path, takes } = &**source;
            match takes {
                // The token is a setting of its own.
                Takes::Envelope { token: _ } => format!("{name} {path}"),
                Takes::Webhook(mounted) => format!("{name} {path} {mounted:?}"),
            }
        };
        sources.iter().map(shown).collect()
    };
    of(before) == of(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::assemble;
    use crate::config;

    fn loaded(text: &str) -> (Config, Vec<Arc<Source>>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postroom.yaml");
        std::fs::write(&file, text).unwrap();
        let loaded = config::load(Some(&file)).ok().unwrap();
        let sources = assemble(&loaded).ok().unwrap().sources;
        (loaded.config, sources)
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let (before, sources) = loaded("");
        let (now, same) = loaded(
            "queue: {concurrency: 9, defaultJobOptions: {attempts: 7}}\n\
             server: {listen: 127.0.0.1:1}\nfolders: {tests: other}\n\
             connections: {shop: {provider: stripe}}\n",
        );
        assert_eq!(changed(&before, &now), ["queue.concurrency", "server.listen"]);
        assert!(same_sources(&sources, &same));
        let (_, mounted) =
            loaded("adapters: [{name: s, provider: stripe, endpoint: /api/webhooks/stripe}]\n");
        assert!(!same_sources(&sources, &mounted));
    }
}
