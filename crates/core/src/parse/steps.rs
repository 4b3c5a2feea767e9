//! The steps of a workflow file: what each does, what it needs, and whether it may read what it
//! reads.

use std::collections::HashMap;

use postroom_expr::{Mapping, Read, nearest};

use super::{MAX_STEPS, check_root, name, retry, tasks, timeout};
use crate::definition::{Defaults, Each, RETURN, Step, Task};
use crate::graph;
use crate::problem::{self, Problem};
use crate::retry::RetryPolicy;
use crate::scope::STEP_ROOTS;
use crate::yaml::{At, Fields, Node, Source};

/// A day in milliseconds, the longest that one attempt may take.
pub(super) const DAY_MS: u64 = 86_400_000;

/// The most items of a list that may be at work at once.
const MAX_CONCURRENCY: i64 = 100;

/// What the expressions of a step read, with where.
#[derive(Default)]
pub(super) struct Reads(Vec<(At, Read)>);

impl Reads {
    /// Notes what an expression of a scalar reads, and reports what it cannot read.
    pub fn add(&mut self, source: &mut Source<'_>, node: &Node, reads: Vec<Read>, roots: &[&str]) {
        let placed = source.places(node, reads);
        self.note(source, placed, roots);
    }

    /// The same of a tree of values.
    pub fn mapping(&mut self, source: &mut Source<'_>, node: &Node, roots: &[&str]) -> Mapping {
        let mut placed = Vec::new();
        let mapping = source.mapping(node, &mut placed);
        self.note(source, placed, roots);
        mapping
    }

    fn note(&mut self, source: &mut Source<'_>, placed: Vec<(At, Read)>, roots: &[&str]) {
        for (at, read) in &placed {
            check_root(source, *at, read, roots);
        }
        self.0.extend(placed);
    }
}

/// A step whose `needs` are still names.
pub(super) struct Draft {
    step: Step,
    at: At,
    needs: Option<Vec<(String, At)>>,
    reads: Vec<(At, Read)>,
}

pub(super) struct Steps {
    pub defaults: Defaults,
    pub drafts: Vec<Draft>,
}

impl Steps {
    pub fn read(&mut self, source: &mut Source<'_>, node: &Node, path: &str) {
        let Some(items) = source.list(node, path) else { return };
        if items.len() + self.drafts.len() > MAX_STEPS {
            let found = Problem::new(
                &problem::OUT_OF_RANGE,
                format!("more than {MAX_STEPS} steps in one workflow"),
            );
            let hint = "split it: let an `emit` start a second workflow";
            source.report(found.hint(hint), node.at);
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
        let mut reads = Reads::default();
        let id = fields.need(source, "id").and_then(|node| self.id(source, node, path));
        let each = each(source, &mut fields, path, &mut reads);
        let task = tasks::task(source, &mut fields, path, each.is_some(), &mut reads);
        let condition = fields.take("if").and_then(|node| {
            let condition = source.condition(node, &format!("{path}.if"))?;
            reads.add(source, node, condition.reads(), STEP_ROOTS);
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
        let calls = matches!(task, Some(Task::Action(_)) | None);
        let (mut policy, mut timeout_ms) = (self.defaults.retry, self.defaults.timeout_ms);
        if let Some(node) = fields.take("retry").filter(|_| calls) {
            policy = retry(source, node, &format!("{path}.retry"), policy);
        }
        if let Some(node) = fields.take("timeout").filter(|_| calls) {
            let read = timeout(source, node, &format!("{path}.timeout"), DAY_MS);
            timeout_ms = read.unwrap_or(timeout_ms);
        }
        fields.finish(source);
        let step = Step {
            id: id?,
            task: task.unwrap_or_else(tasks::nothing),
            each,
            condition,
            needs: Vec::new(),
            retry: if calls { policy } else { once(policy) },
            timeout_ms,
        };
        Some(Draft { step, at, needs, reads: reads.0 })
    }

    fn id(&self, source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
        let id = name(source, node, &format!("{path}.id"))?;
        if id == RETURN {
            let detail = format!("`{path}.id` is `{RETURN}`, which is taken");
            let hint = "it names what `return:` of the workflow comes to";
            source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), node.at);
        }
        if self.drafts.iter().any(|draft| draft.step.id == id) {
            let detail = format!("two steps are called `{id}`");
            let found = Problem::new(&problem::DUPLICATE_NAME, detail);
            source.report(found.hint("give one of them another name"), node.at);
        }
        Some(id)
    }

    /// Adds the step that `return:` stands for: it needs every step read so far.
    pub fn returns(&mut self, source: &mut Source<'_>, node: &Node) {
        let mut reads = Reads::default();
        let task = Task::Return(reads.mapping(source, node, STEP_ROOTS));
        let ids = self.drafts.iter().map(|draft| (draft.step.id.clone(), node.at));
        let needs = Some(ids.collect());
        let step = Step {
            id: RETURN.to_owned(),
            task,
            each: None,
            condition: None,
            needs: Vec::new(),
            retry: once(self.defaults.retry),
            timeout_ms: self.defaults.timeout_ms,
        };
        self.drafts.push(Draft { step, at: node.at, needs, reads: reads.0 });
    }

    /// Resolves names, refuses circles and reads of steps that may not have run.
    pub fn finish(self, source: &mut Source<'_>, main_steps: usize) -> Vec<Step> {
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
            let found = Problem::new(&problem::NEEDS_CYCLE, detail);
            source.report(found.hint("remove one of the `needs`"), places[cycle[0]]);
            return steps;
        }
        check_reads(source, &steps, main_steps, &reads, &index);
        steps
    }
}

/// Whether a name goes on with a `-`, which an expression takes for a minus.
fn dashed(rest: &str) -> bool {
    rest.starts_with('-')
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
            if read.path.first().is_none_or(|root| root != "steps") {
                continue;
            }
            let Some(name) = read.path.get(1) else { continue };
            let Some(found) = index.get(name) else {
                let found =
                    Problem::new(&problem::UNKNOWN_STEP, format!("there is no step `{name}`"));
                let known = steps.iter().map(|step| step.id.as_str());
                let goes_on = |id: &&str| id.strip_prefix(name.as_str()).is_some_and(dashed);
                let found = match known.clone().find(goes_on) {
                    Some(id) => found.hint(format!(
                        "write `steps['{id}']`, since `-` subtracts; `_` in a name needs no quotes"
                    )),
                    None => near_step(found, name, known),
                };
                source.report(found, *at);
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

/// The list for each item of which the step is carried out.
fn each(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    reads: &mut Reads,
) -> Option<Each> {
    let Some(node) = fields.take("each") else {
        tasks::refuse(source, fields, "concurrency", "a step without `each`");
        return None;
    };
    let list = reads.mapping(source, node, STEP_ROOTS);
    let path = format!("{path}.concurrency");
    let concurrency = fields
        .take("concurrency")
        .map_or(Some(1), |node| source.int(node, &path, 1, MAX_CONCURRENCY));
    let concurrency = concurrency.and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
    Some(Each { list, concurrency })
}

/// What calls nobody ends the same way every time.
fn once(policy: RetryPolicy) -> RetryPolicy {
    RetryPolicy { attempts: 1, ..policy }
}
