//! Workflow files: text to checked [`Workflow`], or every problem at once with its place.

use std::collections::HashMap;

use postroom_expr::{Mapping, Read, nearest};

use crate::definition::{ActionRef, Concurrency, Defaults, Step, Stored, Trigger, Workflow};
use crate::graph;
use crate::problem::{self, Problem};
use crate::retry::{Backoff, RetryPolicy};
use crate::scope::{STEP_ROOTS, TRIGGER_ROOTS};
use crate::yaml::{At, Fields, Node, Source, Value};

/// The most steps a workflow may have.
pub const MAX_STEPS: usize = 200;

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
    let name = fields.need(source, "workflow").and_then(|node| name(source, node, "workflow"));
    let triggers = fields.need(source, "on").map(|node| triggers(source, node));
    let dedupe = fields.take("dedupe").and_then(|node| {
        let template = source.template(node, "dedupe")?;
        check_roots(source, node, template.reads(), TRIGGER_ROOTS);
        Some(template)
    });
    let concurrency = fields.take("concurrency").and_then(|node| concurrency(source, node));
    let retry =
        fields.take("retry").map(|node| retry(source, node, "retry", stored.defaults.retry));
    let timeout_ms = fields.take("timeout").and_then(|node| timeout(source, node, "timeout"));
    let defaults = Defaults {
        retry: retry.unwrap_or(stored.defaults.retry),
        timeout_ms: timeout_ms.unwrap_or(stored.defaults.timeout_ms),
    };
    let mut reader = Steps { defaults, drafts: Vec::new() };
    if let Some(node) = fields.need(source, "steps") {
        reader.read(source, node, "steps");
    }
    let main_steps = reader.drafts.len();
    if let Some(node) = fields.take("on_failure") {
        reader.read(source, node, "on_failure");
    }
    fields.finish(source);
    let steps = reader.finish(source, main_steps);
    Some(Workflow {
        name: name?,
        hash: stored.hash(),
        file: stored.file.clone(),
        triggers: triggers?,
        dedupe,
        concurrency,
        steps,
        main_steps,
    })
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
    source.report(Problem::new(&problem::BAD_VALUE, detail), node.at);
    None
}

fn triggers(source: &mut Source<'_>, node: &Node) -> Vec<Trigger> {
    let Some(items) = source.list(node, "on") else { return Vec::new() };
    if items.is_empty() {
        let found = Problem::new(&problem::BAD_VALUE, "`on` is empty, so nothing would start this");
        source.report(found, node.at);
    }
    let mut triggers = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("on[{index}]");
        let Some(mut fields) = source.map(item, &path) else { continue };
        let event = fields.need(source, "event").and_then(|node| event_type(source, node, &path));
        let origin =
            fields.take("source").and_then(|node| name(source, node, &format!("{path}.source")));
        let condition = fields.take("if").and_then(|node| {
            let condition = source.condition(node, &format!("{path}.if"))?;
            check_roots(source, node, condition.reads(), TRIGGER_ROOTS);
            Some(condition)
        });
        fields.finish(source);
        if let Some(event) = event {
            triggers.push(Trigger { event, source: origin, condition });
        }
    }
    triggers
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
            source.report(
                Problem::new(&problem::BAD_VALUE, format!("`{path}.event`: {why}")),
                node.at,
            );
            None
        }
    }
}

fn concurrency(source: &mut Source<'_>, node: &Node) -> Option<Concurrency> {
    let mut fields = source.map(node, "concurrency")?;
    let key = fields.need(source, "key").and_then(|node| {
        let template = source.template(node, "concurrency.key")?;
        check_roots(source, node, template.reads(), TRIGGER_ROOTS);
        Some(template)
    });
    let limit =
        fields.take("limit").map_or(Some(1), |n| source.int(n, "concurrency.limit", 1, 10_000));
    fields.finish(source);
    Some(Concurrency { key: key?, limit: u32::try_from(limit?).unwrap_or(1) })
}

fn timeout(source: &mut Source<'_>, node: &Node, path: &str) -> Option<u64> {
    let ms = source.duration_ms(node, path)?;
    if (1..=86_400_000).contains(&ms) {
        return Some(ms);
    }
    let found =
        Problem::new(&problem::OUT_OF_RANGE, format!("`{path}` must be between 1ms and 24h"));
    source.report(found, node.at);
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
        match source.text(node, &format!("{path}.backoff")) {
            Some("fixed") => policy.backoff = Backoff::Fixed,
            Some("exponential") => policy.backoff = Backoff::Exponential,
            Some(other) => {
                let detail = format!("`{path}.backoff` is `{other}`");
                let found = Problem::new(&problem::BAD_VALUE, detail)
                    .hint("write `fixed` or `exponential`");
                source.report(found, node.at);
            }
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

/// A step whose `needs` are still names.
struct Draft {
    step: Step,
    at: At,
    needs: Option<Vec<(String, At)>>,
    reads: Vec<(At, Read)>,
}

struct Steps {
    defaults: Defaults,
    drafts: Vec<Draft>,
}

impl Steps {
    fn read(&mut self, source: &mut Source<'_>, node: &Node, path: &str) {
        let Some(items) = source.list(node, path) else { return };
        if items.len() + self.drafts.len() > MAX_STEPS {
            let detail = format!("more than {MAX_STEPS} steps; split the workflow");
            source.report(Problem::new(&problem::OUT_OF_RANGE, detail), node.at);
            return;
        }
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if let Some(fields) = source.map(item, &path)
                && let Some(draft) = self.step(source, fields, &path)
            {
                self.drafts.push(draft);
            }
        }
    }

    fn step(&self, source: &mut Source<'_>, mut fields: Fields<'_>, path: &str) -> Option<Draft> {
        let at = fields.at;
        let mut reads = Vec::new();
        let id = fields.need(source, "id").and_then(|node| {
            let id = name(source, node, &format!("{path}.id"))?;
            if self.drafts.iter().any(|draft| draft.step.id == id) {
                let detail = format!("two steps are called `{id}`");
                source.report(Problem::new(&problem::DUPLICATE_NAME, detail), node.at);
            }
            Some(id)
        });
        let uses = fields.need(source, "uses").and_then(|node| action_ref(source, node, path));
        let connection = fields
            .take("connection")
            .and_then(|node| name(source, node, &format!("{path}.connection")));
        let with = fields.take("with").map_or(Mapping::Object(Vec::new()), |node| {
            let _ = source.map(node, &format!("{path}.with"));
            source.mapping(node, &mut reads)
        });
        let condition = fields.take("if").and_then(|node| {
            let condition = source.condition(node, &format!("{path}.if"))?;
            reads.extend(source.places(node, condition.reads()));
            Some(condition)
        });
        let needs = fields.take("needs").map(|node| {
            let path = format!("{path}.needs");
            let mut names = Vec::new();
            for (n, item) in source.list(node, &path).unwrap_or_default().iter().enumerate() {
                if let Some(name) = source.text(item, &format!("{path}[{n}]")) {
                    names.push((name.to_owned(), item.at));
                }
            }
            names
        });
        let retry = fields.take("retry").map_or(self.defaults.retry, |node| {
            retry(source, node, &format!("{path}.retry"), self.defaults.retry)
        });
        let timeout_ms = fields
            .take("timeout")
            .and_then(|node| timeout(source, node, &format!("{path}.timeout")))
            .unwrap_or(self.defaults.timeout_ms);
        fields.finish(source);
        // A step without a usable action keeps its place, so that those that read it are not
        // found wrong as well. Its problem is noted; nobody will run it.
        let nowhere = || ActionRef { adapter: String::new(), action: String::new(), version: None };
        let (id, uses) = (id?, uses.unwrap_or_else(nowhere));
        let step =
            Step { id, uses, connection, with, condition, needs: Vec::new(), retry, timeout_ms };
        Some(Draft { step, at, needs, reads })
    }

    /// Resolves names, refuses circles and reads of steps that may not have run.
    fn finish(self, source: &mut Source<'_>, main_steps: usize) -> Vec<Step> {
        let index: HashMap<String, usize> =
            self.drafts.iter().enumerate().map(|(n, draft)| (draft.step.id.clone(), n)).collect();
        let ids: Vec<String> = self.drafts.iter().map(|draft| draft.step.id.clone()).collect();
        let mut steps = Vec::new();
        let mut reads = Vec::new();
        let mut places = Vec::new();
        for (n, mut draft) in self.drafts.into_iter().enumerate() {
            let phase = if n < main_steps { 0..main_steps } else { main_steps..ids.len() };
            draft.step.needs = match draft.needs {
                None if n > phase.start => vec![n - 1],
                None => Vec::new(),
                Some(names) => {
                    let resolve = |(name, at): (String, At)| {
                        resolve(source, &index, &ids[phase.clone()], &name, at)
                    };
                    names.into_iter().filter_map(resolve).collect()
                }
            };
            steps.push(draft.step);
            reads.push(draft.reads);
            places.push(draft.at);
        }
        let needs: Vec<Vec<usize>> = steps.iter().map(|step: &Step| step.needs.clone()).collect();
        if let Some(cycle) = graph::find_cycle(&needs) {
            let mut path: Vec<&str> = cycle.iter().map(|n| steps[*n].id.as_str()).collect();
            path.push(path[0]);
            let detail = format!("steps need each other in a circle: {}", path.join(" -> "));
            source.report(Problem::new(&problem::NEEDS_CYCLE, detail), places[cycle[0]]);
            return steps;
        }
        check_reads(source, &steps, main_steps, &reads, &index);
        steps
    }
}

/// Names a problem's nearest step, if one is near.
fn near_step<'a>(problem: Problem, name: &str, ids: impl Iterator<Item = &'a str>) -> Problem {
    match nearest(name, ids) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

fn resolve(
    source: &mut Source<'_>,
    index: &HashMap<String, usize>,
    ids: &[String],
    name: &str,
    at: At,
) -> Option<usize> {
    if let Some(found) = index.get(name).filter(|_| ids.iter().any(|id| id == name)) {
        return Some(*found);
    }
    let found = Problem::new(&problem::UNKNOWN_STEP, format!("there is no step `{name}` here"));
    source.report(near_step(found, name, ids.iter().map(String::as_str)), at);
    None
}

/// Checks the names that expressions of steps read.
fn check_reads(
    source: &mut Source<'_>,
    steps: &[Step],
    main_steps: usize,
    reads: &[Vec<(At, Read)>],
    index: &HashMap<String, usize>,
) {
    let before = graph::ended_before(steps);
    for (n, reads) in reads.iter().enumerate() {
        for (at, read) in reads {
            check_root(source, *at, read, STEP_ROOTS);
            if read.path.first().is_none_or(|root| root != "steps") {
                continue;
            }
            let Some(name) = read.path.get(1) else { continue };
            let Some(found) = index.get(name) else {
                let found =
                    Problem::new(&problem::UNKNOWN_STEP, format!("there is no step `{name}`"));
                let known = steps.iter().map(|step| step.id.as_str());
                source.report(near_step(found, name, known), *at);
                continue;
            };
            let after_main = n >= main_steps && *found < main_steps;
            if !before[n][*found] && !after_main {
                let (name, reader) = (&steps[*found].id, &steps[n].id);
                let detail = format!("`steps.{name}` may not have run when `{reader}` starts");
                let hint = if *found == n {
                    "a step cannot read its own output".to_owned()
                } else if *found >= main_steps && n < main_steps {
                    "the steps of `on_failure` run after all others".to_owned()
                } else {
                    format!("add `{name}` to the `needs` of `{reader}`")
                };
                let problem = Problem::new(&problem::NOT_BEFORE, detail).hint(hint);
                source.report(problem, *at);
            }
        }
    }
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
    source.report(Problem::new(&problem::EXPRESSION, detail).hint(hint), at);
}

fn action_ref(source: &mut Source<'_>, node: &Node, path: &str) -> Option<ActionRef> {
    let text = source.text(node, &format!("{path}.uses"))?;
    let parsed = text.split_once('/').and_then(|(adapter, rest)| {
        let (action, version) = match rest.split_once('@') {
            Some((action, version)) => (action, Some(version.parse::<u32>().ok()?)),
            None => (rest, None),
        };
        let fits = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        (fits(adapter) && fits(action)).then(|| ActionRef {
            adapter: adapter.to_owned(),
            action: action.to_owned(),
            version,
        })
    });
    if parsed.is_none() {
        let detail = format!("`{path}.uses` is `{text}`, which names no action");
        let hint = "write `adapter/action`, for example `slack/post_message`";
        source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), node.at);
    }
    parsed
}
