//! What a manifest says of reading: page by page, look-ups, and the headers of limits.

use postroom_core::yaml::{Node, Source};
use postroom_expr::Template;

use super::names::Names;
use super::rules::Within;
use super::{bad, choice, header_name, request};
use crate::adapter::{Idempotency, Provider};
use crate::lookup::Lookup;
use crate::pages::Pages;
use crate::quota::{LimitHeaders, ResetUnit};
use crate::scope::{PAGED_ROOTS, REQUEST_ROOTS, RESPONSE_ROOTS};

/// How long a lost call is left alone before it is looked up, where the manifest does not say.
const LOOKUP_AFTER_MS: u64 = 10_000;

/// The longest such wait: a worker is held meanwhile.
const MAX_LOOKUP_AFTER_MS: u64 = 60_000;

/// What was read of how a call repeats.
type Repeats<'a> = Option<&'a (Idempotency, Option<Template>)>;

/// Reads how a call goes on from page to page.
pub(super) fn pages(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    repeats: Repeats<'_>,
    within: Within<'_>,
) -> Option<Pages> {
    let mut fields = source.map(node, path)?;
    if repeats.is_some_and(|(idempotency, _)| *idempotency != Idempotency::Read) {
        let detail = format!("`{path}` is for calls that change nothing");
        bad(source, node, detail, Some("say `idempotency: read` if it is one".to_owned()));
    }
    let mut answered = Names::new(PAGED_ROOTS).within(within);
    let mut read = |source: &mut Source<'_>, name: &str, node: &Node| {
        answered.template(source, node, &format!("{path}.{name}"))
    };
    let items = fields.need(source, "items").and_then(|node| read(source, "items", node));
    let next = fields.need(source, "next").and_then(|node| read(source, "next", node));
    let limit = fields.take("limit").map(|node| {
        let mut asked = Names::new(REQUEST_ROOTS).within(within);
        asked.template(source, node, &format!("{path}.limit"))
    });
    fields.finish(source);
    Some(Pages { items: items?, next: next?, limit: limit.map_or(Some(None), |l| l.map(Some))? })
}

/// Reads how a call is looked up.
pub(super) fn lookup(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    provider: &Provider,
    repeats: Repeats<'_>,
    within: Within<'_>,
) -> Option<Lookup> {
    let mut fields = source.map(node, path)?;
    if repeats.is_some_and(|(idempotency, template)| idempotency.repeatable() && template.is_none())
    {
        let detail = format!("`{path}` is for calls with `idempotency: none`");
        bad(source, node, detail, Some("others are simply made again".to_owned()));
    }
    let after = fields.take("after").map(|node| {
        let path = format!("{path}.after");
        let ms = source.duration_ms(node, &path)?;
        if ms > MAX_LOOKUP_AFTER_MS {
            let detail = format!("`{path}` is longer than {} s", MAX_LOOKUP_AFTER_MS / 1000);
            bad(source, node, detail, None);
        }
        Some(ms)
    });
    let mut asked = Names::new(REQUEST_ROOTS).within(within);
    let mut answered = Names::new(RESPONSE_ROOTS).within(within);
    let request = fields.need(source, "request").and_then(|node| {
        request::read(source, node, &format!("{path}.request"), provider, &mut asked)
    });
    let found = fields
        .need(source, "found")
        .and_then(|node| answered.condition(source, node, &format!("{path}.found")));
    let result = fields.need(source, "result").map(|node| answered.mapping(source, node));
    fields.finish(source);
    Some(Lookup {
        after_ms: after.unwrap_or(Some(LOOKUP_AFTER_MS))?,
        request: request?,
        found: found?,
        result: result?,
    })
}

/// Reads in which headers a provider tells its limit.
pub(super) fn limit_headers(source: &mut Source<'_>, node: &Node) -> Vec<LimitHeaders> {
    let mut headers = Vec::new();
    for (index, node) in source.list(node, "limit_headers").unwrap_or_default().iter().enumerate() {
        let path = format!("limit_headers[{index}]");
        let Some(mut fields) = source.map(node, &path) else { continue };
        let mut header = |source: &mut Source<'_>, name: &'static str| {
            let node = fields.need(source, name)?;
            Some(header_name(source, node, &format!("{path}.{name}"))?.to_ascii_lowercase())
        };
        let (remaining, reset) = (header(source, "remaining"), header(source, "reset"));
        let unit = fields
            .need(source, "as")
            .and_then(|node| choice(source, node, &format!("{path}.as"), &ResetUnit::ALL));
        fields.finish(source);
        if let (Some(remaining), Some(reset), Some(unit)) = (remaining, reset, unit) {
            headers.push(LimitHeaders { remaining, reset, unit });
        }
    }
    headers
}
