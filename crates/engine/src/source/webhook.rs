//! Webhooks of a source: off without a secret, verified, then a challenge or events.

use std::fmt;
use std::io;
use std::sync::Arc;

use postroom_adapters::{Answer, Described, Incoming, Webhook};
use postroom_core::json::{MAX_DEPTH, too_deep};
use postroom_core::{Json, Problem, problem};
use tracing::warn;

use super::{Reading, Request, Source, Takes, Unfit, bad_json, deep, halved, utf8};
use crate::secrets::{Secret, Secrets};
use crate::{Arriving, Engine};

/// A provider's webhook, mounted.
#[derive(Debug)]
pub struct Mounted {
    /// The provider's name for people.
    pub title: String,
    /// How requests are verified and what they report.
    pub webhook: Arc<Webhook>,
    /// The live secrets: the name of the credential, and the name of the secret. Of several for
    /// one credential any may have signed.
    pub secrets: Vec<(String, String)>,
    /// The address that the provider calls, without query, where it is known.
    pub address: Option<String>,
    /// Where a token goes that the provider shows once.
    pub keep: Keep,
}

/// Keeps a token that a provider shows once, for the operator.
#[derive(Clone)]
pub struct Keep(pub Arc<Keeping>);

type Keeping = dyn Fn(&str) -> io::Result<()> + Send + Sync;

impl Keep {
    /// Keeps nothing, for sources that are never served.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(Arc::new(|_| Ok(())))
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keep")
    }
}

impl Mounted {
    fn live(&self, secrets: &dyn Secrets) -> Vec<(&str, Secret)> {
        let mut live = Vec::new();
        for (credential, name) in &self.secrets {
            let secrets = secrets.live(name).into_iter();
            live.extend(secrets.map(|secret| (credential.as_str(), secret)));
        }
        live
    }
}

impl Source {
    /// Why the source takes nothing, if it does not: a provider's source without a secret.
    #[must_use]
    pub fn off(&self, secrets: &dyn Secrets) -> Option<Problem> {
        let Takes::Webhook(mounted) = &self.takes else { return None };
        let webhook = &mounted.webhook;
        let set = |(credential, name): &(String, String)| {
            webhook.verified_by(credential) && secrets.get(name).is_some()
        };
        if webhook.open() || mounted.secrets.iter().any(set) {
            return None;
        }
        let names = mounted.secrets.iter().filter(|(name, _)| webhook.verified_by(name));
        let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
        let detail = format!("source `{}` at {} has no signing secret", self.name, self.path);
        let mut hint = format!(
            "set {} in .env or wherever secrets lie; no restart is needed",
            names.join(" or ")
        );
        if webhook.greets() {
            let (title, name) = (&mounted.title, &self.name);
            hint = format!(
                "let {title} call the source, read its token with `postroom sources token {name}`; \
                 {hint}"
            );
        }
        Some(Problem::new(&problem::SOURCE_OFF, detail).hint(hint))
    }

    pub(super) fn webhook(
        &self,
        engine: &Engine,
        mounted: &Mounted,
        request: &Request<'_>,
    ) -> Result<Reading, Unfit> {
        let webhook = &*mounted.webhook;
        let secrets = &*engine.inner.secrets;
        let live = mounted.live(secrets);
        let live: Vec<(&str, &str)> =
            live.iter().map(|(n, secret)| (*n, secret.expose())).collect();
        let url = mounted.url(request.target);
        let incoming = Incoming {
            method: request.method,
            url: &url,
            headers: request.headers,
            body: request.body,
        };
        let rejected = |found: postroom_adapters::Rejection| {
            Unfit::Problem(Problem::new(found.kind(), found.detail()))
        };
        if request.method == "GET" {
            return webhook.visit(&incoming, &live).map(Reading::Answer).map_err(rejected);
        }
        if let Some(off) = self.off(secrets) {
            return self
                .greeted(mounted, &incoming)
                .map(Reading::Answer)
                .ok_or(Unfit::Problem(off));
        }
        webhook.verify(&incoming, &live, engine.now_ms()).map_err(rejected)?;
        let body = webhook.text(&incoming).map_err(|why| Problem::new(&problem::BAD_JSON, why))?;
        let data = json(&body)?;
        if let Some(answer) = webhook.challenge(&incoming, &data, &live, engine.now_ms()) {
            return Ok(Reading::Answer(answer));
        }
        let described = webhook
            .describe(request.headers, &data)
            .map_err(|failure| Problem::new(&problem::BAD_ENVELOPE, failure.message))?;
        let several = webhook.several();
        let mut events = described.into_iter().map(|event| self.described(event, &data));
        match several {
            true => Ok(Reading::Events(events.collect::<Result<_, _>>()?)),
            false => match events.next() {
                Some(event) => Ok(Reading::Event(event?)),
                None => Ok(Reading::Events(Vec::new())),
            },
        }
    }

    fn described(&self, event: Described, body: &Json) -> Result<Arriving, Problem> {
        let named = [
            ("type", Some(&event.kind)),
            ("id", event.id.as_ref()),
            ("subject", event.subject.as_ref()),
        ];
        for (what, text) in named {
            // What an expression read of half a character.
            if text.is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
                return Err(halved(&format!("the webhook's {what}")));
            }
        }
        Ok(Arriving {
            source: self.name.clone(),
            kind: event.kind,
            data: event.data.unwrap_or_else(|| body.clone()),
            key: event.id,
            correlation: None,
            subject: event.subject,
            time_ms: event.time_ms,
        })
    }

    /// The answer to a provider that brings the secret, while there is none.
    fn greeted(&self, mounted: &Mounted, incoming: &Incoming<'_>) -> Option<Answer> {
        if !mounted.webhook.greets() {
            return None;
        }
        let answer = mounted.webhook.greeting(incoming, &json(incoming.body).ok()?)?;
        let kept = answer.keep.as_deref().map(|token| (mounted.keep.0)(token));
        match kept {
            Some(Err(error)) => {
                warn!(source = self.name, %error, "the token of the handshake could not be kept");
                None
            }
            _ => {
                let name = &self.name;
                warn!(
                    source = self.name,
                    "{} showed its token; read it with `postroom sources token {name}`",
                    mounted.title
                );
                Some(answer)
            }
        }
    }
}

impl Mounted {
    /// The address that the provider called, with the query of the request.
    fn url(&self, target: &str) -> String {
        let Some(address) = &self.address else { return target.to_owned() };
        match target.split_once('?') {
            Some((_, query)) => format!("{address}?{query}"),
            None => address.clone(),
        }
    }
}

fn json(body: &[u8]) -> Result<Json, Problem> {
    let text = utf8(body)?;
    let data = Json::parse(text.to_owned()).map_err(|error| bad_json(text, &error))?;
    match too_deep(body, MAX_DEPTH) {
        Some(offset) => Err(deep(text, offset)),
        None => Ok(data),
    }
}
