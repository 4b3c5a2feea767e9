//! Workflow files: text to checked [`Workflow`], or every problem at once with its place.

mod allow;
mod policies;
mod steps;
mod tasks;

use postroom_expr::{Read, nearest};

use self::steps::{DAY_MS, Steps};
pub use self::tasks::pause_ms;
use crate::definition::{Call, Defaults, MAX_WAIT_MS, Mode, Stored, Trigger, Workflow};
use crate::duration;
use crate::problem::{self, Problem};
use crate::retry::{Backoff, RetryPolicy};
use crate::scope::TRIGGER_ROOTS;
use crate::yaml::{At, Node, Source, Value};

/// The most steps a workflow may have.
pub const MAX_STEPS: usize = 200;

/// The most hops a workflow may allow its events.
pub const MAX_HOPS: u16 = 1_000;

/// Reads a workflow. It is usable only where no problem is reported.
///
/// # Errors
/// Every problem found, in the order of the file.
pub fn workflow(stored: &Stored) -> Result<Workflow, Vec<Problem>> {
    placed_workflow(stored).map(|(workflow, _)| workflow)
}

/// Reads a workflow and keeps the tree of its file, which says where everything stands.
///
/// # Errors
/// Every problem found, in the order of the file.
pub fn placed_workflow(stored: &Stored) -> Result<(Workflow, Node), Vec<Problem>> {
    let mut source = Source::new(&stored.file, &stored.text);
    let parsed = source.parse().and_then(|root| {
        let workflow = document(&mut source, &root, stored)?;
        Some((workflow, root))
    });
    match parsed {
        Some(placed) if source.problems.is_empty() => Ok(placed),
        _ => {
            let mut problems = source.problems;
            problems.sort_by_key(|p| p.place.as_ref().map(|place| (place.line, place.column)));
            Err(problems)
        }
    }
}

fn document(source: &mut Source<'_>, root: &Node, stored: &Stored) -> Option<Workflow> {
    let mut fields = source.map(root, "")?;
    let name = fields.need(source, "workflow").and_then(|node| workflow_name(source, node));
    let called = name.as_deref().unwrap_or_default();
    let triggers = fields.need(source, "on").map(|node| triggers(source, node, called));
    let policies = policies::read(source, &mut fields);
    let max_hops = fields.take("max_hops").and_then(|node| {
        let hops = source.int(node, "max_hops", 1, MAX_HOPS.into())?;
        u16::try_from(hops).ok()
    });
    let mode = fields.take("mode").and_then(|node| mode(source, node, "mode"));
    let retry =
        fields.take("retry").map(|node| retry(source, node, "retry", stored.defaults.retry));
    let timeout_ms =
        fields.take("timeout").and_then(|node| timeout(source, node, "timeout", MAX_WAIT_MS));
    let defaults = Defaults {
        retry: retry.unwrap_or(stored.defaults.retry),
        timeout_ms: stored.defaults.timeout_ms,
    };
    let mut reader = Steps { defaults, drafts: Vec::new() };
    if let Some(node) = fields.need(source, "steps") {
        reader.read(source, node, "steps");
    }
    if let Some(node) = fields.take("return") {
        reader.returns(source, node);
    }
    let main_steps = reader.drafts.len();
    if let Some(node) = fields.take("on_failure") {
        reader.read(source, node, "on_failure");
    }
    if let Some(node) = fields.take("allow") {
        allow::read(source, node);
    }
    fields.finish(source);
    let steps = reader.finish(source, main_steps);
    Some(Workflow {
        name: name?,
        hash: stored.hash(),
        file: stored.file.clone(),
        triggers: triggers?,
        policies,
        max_hops,
        timeout_ms,
        mode: mode.unwrap_or_default(),
        steps,
        main_steps,
    })
}

fn mode(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Mode> {
    let text = source.text(node, path)?;
    Mode::of_word(text, path).map_err(|problem| source.report(problem, node.at)).ok()
}

/// Names of ours: letters, digits, `_`, `-` and `.`; they stand in paths, keys and metrics.
fn name(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, path)?;
    let fits = !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if fits {
        return Some(text.to_owned());
    }
    let detail =
        format!("`{path}` is `{text}`, but a name has 1 to 64 letters, digits, `_`, `-` or `.`");
    let found = Problem::new(&problem::BAD_VALUE, detail);
    source.report(found.hint("write it like `order-paid`"), node.at);
    None
}

fn workflow_name(source: &mut Source<'_>, node: &Node) -> Option<String> {
    let name = name(source, node, "workflow")?;
    if name.starts_with("postroom.") {
        let detail =
            format!("`workflow` is `{name}`, but names that begin with `postroom.` are ours");
        let found = Problem::new(&problem::BAD_VALUE, detail);
        source.report(found.hint("let it begin with another word"), node.at);
    }
    Some(name)
}

/// The word that stands in `on` where other workflows may call this one.
const CALL: &str = Call::SOURCE;

fn triggers(source: &mut Source<'_>, node: &Node, workflow: &str) -> Vec<Trigger> {
    let called = || Trigger {
        event: Call::event_of(workflow),
        source: Some(Call::SOURCE.to_owned()),
        condition: None,
    };
    if is_call(node) {
        return vec![called()];
    }
    let Some(items) = source.list(node, "on") else { return Vec::new() };
    if items.is_empty() {
        let found = Problem::new(&problem::BAD_VALUE, "`on` is empty, so nothing would start this");
        let hint = "write for example `on: [{ event: ORDER_PAID }]`, or `on: call` if other \
                    workflows call it";
        source.report(found.hint(hint), node.at);
    }
    let mut triggers = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("on[{index}]");
        if is_call(item) {
            triggers.push(called());
            continue;
        }
        triggers.extend(trigger(source, item, &path));
    }
    triggers
}

fn is_call(node: &Node) -> bool {
    matches!(&node.value, Value::Str(text) if text == CALL)
}

fn trigger(source: &mut Source<'_>, item: &Node, path: &str) -> Option<Trigger> {
    let mut fields = source.map(item, path)?;
    let event = fields.need(source, "event").and_then(|node| event_type(source, node, path));
    let origin =
        fields.take("source").and_then(|node| name(source, node, &format!("{path}.source")));
    let condition = fields.take("if").and_then(|node| {
        let condition = source.condition(node, &format!("{path}.if"))?;
        check_roots(source, node, condition.reads(), TRIGGER_ROOTS);
        Some(condition)
    });
    fields.finish(source);
    Some(Trigger { event: event?, source: origin, condition })
}

fn event_type(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, &format!("{path}.event"))?;
    let body = text.strip_suffix('*').unwrap_or(text);
    let why = if body.contains('*') {
        Some("`*` may only stand at the end".to_owned())
    } else if text == "*" {
        None
    } else {
        crate::event::check_name("the event type", body).err()
    };
    match why {
        None => Some(text.to_owned()),
        Some(why) => {
            let found = Problem::new(&problem::BAD_VALUE, format!("`{path}.event`: {why}"));
            let hint = "write for example `ORDER_PAID`, or `invoice.*` for all that begin so";
            source.report(found.hint(hint), node.at);
            None
        }
    }
}

fn timeout(source: &mut Source<'_>, node: &Node, path: &str, most_ms: u64) -> Option<u64> {
    let most = if most_ms == DAY_MS { "24h".to_owned() } else { duration::format_ms(most_ms) };
    within(source, node, path, (1, most_ms), &most)
}

/// A duration within bounds, in milliseconds; `most` names the upper one.
fn within(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    (least_ms, most_ms): (u64, u64),
    most: &str,
) -> Option<u64> {
    let ms = source.duration_ms(node, path)?;
    if (least_ms..=most_ms).contains(&ms) {
        return Some(ms);
    }
    let least = duration::format_ms(least_ms);
    let detail = format!("`{path}` must be between {least} and {most}");
    source.report(Problem::new(&problem::OUT_OF_RANGE, detail), node.at);
    None
}

/// Whether the second of two words stands there; nothing if neither does.
fn second_of(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    [first, second]: [&str; 2],
) -> Option<bool> {
    let word = source.text(node, path)?;
    if word == first || word == second {
        return Some(word == second);
    }
    let found = Problem::new(&problem::BAD_VALUE, format!("`{path}` is `{word}`"));
    source.report(found.hint(format!("write `{first}` or `{second}`")), node.at);
    None
}

/// Reads a retry policy over the given defaults.
pub fn retry(source: &mut Source<'_>, node: &Node, path: &str, base: RetryPolicy) -> RetryPolicy {
    let mut policy = base;
    let Some(mut fields) = source.map(node, path) else { return policy };
    if let Some(attempts) =
        fields.take("attempts").and_then(|n| source.int(n, &format!("{path}.attempts"), 1, 100))
    {
        policy.attempts = u32::try_from(attempts).unwrap_or(1);
    }
    if let Some(node) = fields.take("backoff") {
        let words = ["fixed", "exponential"];
        match second_of(source, node, &format!("{path}.backoff"), words) {
            Some(false) => policy.backoff = Backoff::Fixed,
            Some(true) => policy.backoff = Backoff::Exponential,
            None => {}
        }
    }
    if let Some(ms) =
        fields.take("delay").and_then(|n| source.duration_ms(n, &format!("{path}.delay")))
    {
        policy.delay_ms = ms;
    }
    if let Some(ms) = fields.take("cap").and_then(|n| source.duration_ms(n, &format!("{path}.cap")))
    {
        policy.cap_ms = ms;
    }
    if let Some(node) = fields.take("jitter") {
        let share = match node.value {
            Value::Float(share) => Some(share),
            Value::Int(share) => i32::try_from(share).ok().map(f64::from),
            _ => None,
        };
        match share {
            Some(share) if (0.0..=1.0).contains(&share) => policy.jitter = share,
            Some(share) => {
                let detail = format!("`{path}.jitter` is {share}, but must lie between 0 and 1");
                source.report(Problem::new(&problem::OUT_OF_RANGE, detail), node.at);
            }
            None => source.wrong_type(node, &format!("{path}.jitter"), "a number between 0 and 1"),
        }
    }
    fields.finish(source);
    policy
}

fn check_roots(source: &mut Source<'_>, node: &Node, reads: Vec<Read>, roots: &[&str]) {
    for (at, read) in source.places(node, reads) {
        check_root(source, at, &read, roots);
    }
}

fn check_root(source: &mut Source<'_>, at: At, read: &Read, roots: &[&str]) {
    let Some(root) = read.path.first() else { return };
    if roots.contains(&root.as_str()) {
        return;
    }
    let detail = format!("`{root}` is not known here");
    let hint = match nearest(root, roots.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", roots.join(", ")),
    };
    source.report(Problem::new(&problem::EXPR_UNKNOWN_NAME, detail).hint(hint), at);
}
