//! Reads the policies of a workflow file: `dedupe`, `concurrency`, `debounce`, `throttle` and
//! `priority`.

use postroom_expr::Template;

use super::steps::DAY_MS;
use super::{TRIGGER_ROOTS, check_roots, second_of, within};
use crate::duration::format_ms;
use crate::policy::{
    Concurrency, Debounce, Dedupe, MAX_PRIORITY_S, Policies, Priority, Throttle, WhenFull,
};
use crate::problem::{self, Problem};
use crate::yaml::{Fields, Node, Source, Value};

const SECOND_MS: u64 = 1_000;

/// Reads the policies; what is wrong with one does not keep the others from being read.
pub(super) fn read(source: &mut Source<'_>, fields: &mut Fields<'_>) -> Policies {
    let dedupe = fields.take("dedupe").and_then(|node| dedupe(source, node));
    let concurrency = fields.take("concurrency").and_then(|node| concurrency(source, node));
    let debounce = fields.take("debounce").and_then(|node| debounce(source, node));
    let throttle = fields.take("throttle").and_then(|node| throttle(source, node));
    let priority = fields.take("priority").and_then(|node| priority(source, node));
    Policies { dedupe, concurrency, debounce, throttle, priority }
}

/// A template that reads the event.
fn template(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Template> {
    let template = source.template(node, path)?;
    check_roots(source, node, template.reads(), TRIGGER_ROOTS);
    Some(template)
}

/// A duration within bounds, in milliseconds.
fn duration(source: &mut Source<'_>, node: &Node, path: &str, bounds: (u64, u64)) -> Option<i64> {
    let ms = within(source, node, path, bounds, &format_ms(bounds.1))?;
    i64::try_from(ms).ok()
}

/// The key alone, or with its window.
fn dedupe(source: &mut Source<'_>, node: &Node) -> Option<Dedupe> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(Dedupe { key: template(source, node, "dedupe")?, window_ms: None });
    }
    let mut fields = source.map(node, "dedupe")?;
    let key = fields.need(source, "key");
    let key = key.and_then(|node| template(source, node, "dedupe.key"));
    let window = fields.take("window");
    let bounds = (SECOND_MS, 90 * DAY_MS);
    let window_ms = window.and_then(|node| duration(source, node, "dedupe.window", bounds));
    fields.finish(source);
    Some(Dedupe { key: key?, window_ms })
}

fn concurrency(source: &mut Source<'_>, node: &Node) -> Option<Concurrency> {
    let mut fields = source.map(node, "concurrency")?;
    let key = fields.need(source, "key");
    let key = key.and_then(|node| template(source, node, "concurrency.key"));
    let limit =
        fields.take("limit").map_or(Some(1), |n| source.int(n, "concurrency.limit", 1, 10_000));
    let when_full =
        fields.take("when_full").map_or(Some(WhenFull::Queue), |node| when_full(source, node));
    fields.finish(source);
    let limit = u32::try_from(limit?).unwrap_or(1);
    Some(Concurrency { key: key?, limit, when_full: when_full? })
}

fn when_full(source: &mut Source<'_>, node: &Node) -> Option<WhenFull> {
    let words = ["queue", "cancel-older"];
    let cancels = second_of(source, node, "concurrency.when_full", words)?;
    Some(if cancels { WhenFull::CancelOlder } else { WhenFull::Queue })
}

fn debounce(source: &mut Source<'_>, node: &Node) -> Option<Debounce> {
    let mut fields = source.map(node, "debounce")?;
    let key = fields.take("key").and_then(|node| template(source, node, "debounce.key"));
    let bounds = (SECOND_MS, DAY_MS);
    let delay = fields.need(source, "delay");
    let delay_ms = delay.and_then(|node| duration(source, node, "debounce.delay", bounds));
    let bound = fields.take("at_most");
    let at_most_ms = bound.and_then(|node| duration(source, node, "debounce.at_most", bounds));
    fields.finish(source);
    if let (Some(node), Some(delay_ms), Some(at_most_ms)) = (bound, delay_ms, at_most_ms)
        && at_most_ms < delay_ms
    {
        let detail = "`debounce.at_most` is shorter than `debounce.delay`, so no run could wait \
                      for another";
        source.report(Problem::new(&problem::OUT_OF_RANGE, detail), node.at);
    }
    Some(Debounce { key, delay_ms: delay_ms?, at_most_ms })
}

fn throttle(source: &mut Source<'_>, node: &Node) -> Option<Throttle> {
    let mut fields = source.map(node, "throttle")?;
    let key = fields.take("key").and_then(|node| template(source, node, "throttle.key"));
    let limit = fields.need(source, "limit");
    let limit = limit.and_then(|node| source.int(node, "throttle.limit", 1, 100_000));
    let per = fields.need(source, "per");
    let bounds = (SECOND_MS, DAY_MS);
    let per_ms = per.and_then(|node| duration(source, node, "throttle.per", bounds));
    fields.finish(source);
    let limit = u32::try_from(limit?).unwrap_or(1);
    Some(Throttle { key, limit, per_ms: per_ms? })
}

/// Seconds as they stand, or an expression for them. What an expression gives beyond the bounds is
/// moved to them; what a person wrote beyond them is an error.
fn priority(source: &mut Source<'_>, node: &Node) -> Option<Priority> {
    let seconds = match node.value {
        Value::Str(_) => {
            let template = template(source, node, "priority")?;
            if !template.is_literal() {
                return Some(Priority::Asked(template));
            }
            source.wrong_type(node, "priority", "a number of seconds or a `${{ }}`");
            return None;
        }
        Value::Float(seconds) => seconds,
        #[allow(clippy::cast_precision_loss, reason = "far beyond the bounds it is refused")]
        Value::Int(seconds) => seconds as f64,
        _ => {
            source.wrong_type(node, "priority", "a number of seconds or a `${{ }}`");
            return None;
        }
    };
    if (-MAX_PRIORITY_S..=MAX_PRIORITY_S).contains(&seconds) {
        return Some(Priority::Fixed(seconds));
    }
    let detail = format!("`priority` is {seconds}, but must lie between -600 and 600 seconds");
    source.report(Problem::new(&problem::OUT_OF_RANGE, detail), node.at);
    None
}
