//! The steps of a workflow file: what each does, what it needs, and whether it may read what it
//! reads.

use std::collections::HashMap;

use postroom_expr::{Mapping, Read, nearest};

use super::{MAX_STEPS, check_root, name, retry, timeout};
use crate::definition::{Act, ActionRef, Defaults, Emit, RETURN, Step, Task};
use crate::graph;
use crate::problem::{self, Problem};
use crate::retry::RetryPolicy;
use crate::scope::STEP_ROOTS;
use crate::yaml::{At, Fields, Node, Source};

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
            if id == RETURN {
                let detail = format!("`{path}.id` is `{RETURN}`, which is taken");
                let hint = "it names what `return:` of the workflow comes to";
                source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), node.at);
            }
            if self.drafts.iter().any(|draft| draft.step.id == id) {
                let detail = format!("two steps are called `{id}`");
                source.report(Problem::new(&problem::DUPLICATE_NAME, detail), node.at);
            }
            Some(id)
        });
        let task = task(source, &mut fields, path, &mut reads);
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
        let calls = matches!(task, Some(Task::Action(_)) | None);
        if !calls {
            for key in ["retry", "timeout", "connection"] {
                refuse(source, &mut fields, key, "a step that calls nobody");
            }
        }
        let (mut policy, mut timeout_ms) = (self.defaults.retry, self.defaults.timeout_ms);
        if let Some(node) = fields.take("retry").filter(|_| calls) {
            policy = retry(source, node, &format!("{path}.retry"), policy);
        }
        if let Some(node) = fields.take("timeout").filter(|_| calls) {
            let read = timeout(source, node, &format!("{path}.timeout"));
            timeout_ms = read.unwrap_or(timeout_ms);
        }
        fields.finish(source);
        let step = Step {
            id: id?,
            task: task.unwrap_or_else(nothing),
            condition,
            needs: Vec::new(),
            retry: if calls { policy } else { once(policy) },
            timeout_ms,
        };
        Some(Draft { step, at, needs, reads })
    }

    /// Adds the step that `return:` stands for: it needs every step read so far.
    pub fn returns(&mut self, source: &mut Source<'_>, node: &Node) {
        let mut reads = Vec::new();
        let task = Task::Return(source.mapping(node, &mut reads));
        let ids = self.drafts.iter().map(|draft| (draft.step.id.clone(), node.at));
        let needs = Some(ids.collect());
        let step = Step {
            id: RETURN.to_owned(),
            task,
            condition: None,
            needs: Vec::new(),
            retry: once(self.defaults.retry),
            timeout_ms: self.defaults.timeout_ms,
        };
        self.drafts.push(Draft { step, at: node.at, needs, reads });
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

/// What a step does: exactly one of the keys that say so.
fn task(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    reads: &mut Vec<(At, Read)>,
) -> Option<Task> {
    let (uses, emit) = (fields.take("uses"), fields.take("emit"));
    let with = fields.take("with").map_or(Mapping::Object(Vec::new()), |node| {
        let _ = source.map(node, &format!("{path}.with"));
        source.mapping(node, reads)
    });
    match (uses, emit) {
        (Some(uses), None) => {
            let uses = action_ref(source, uses, path);
            let connection = fields.take("connection");
            let connection =
                connection.and_then(|node| name(source, node, &format!("{path}.connection")));
            refuse(source, fields, "key", "a step that calls an action");
            Some(Task::Action(Act { uses: uses?, connection, with }))
        }
        (None, Some(emit)) => {
            let event = emitted_type(source, emit, path);
            let key = fields.take("key").and_then(|node| {
                let template = source.template(node, &format!("{path}.key"))?;
                reads.extend(source.places(node, template.reads()));
                Some(template)
            });
            // Without its type it is still no action, so that nothing is said of one.
            Some(Task::Emit(Emit { event: event.unwrap_or_default(), with, key }))
        }
        (Some(_), Some(emit)) => {
            let detail = format!("`{path}` has both `uses` and `emit`, but a step does one thing");
            let hint = "make two steps of it";
            source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), emit.at);
            let _ = (fields.take("connection"), fields.take("key"));
            None
        }
        (None, None) => {
            let detail = format!("`{path}` has neither `uses` nor `emit`, so it does nothing");
            let hint = "write `uses: adapter/action` to call an action, or `emit: EVENT_TYPE` for \
                        another event";
            source.report(Problem::new(&problem::MISSING_KEY, detail).hint(hint), fields.at);
            let _ = (fields.take("connection"), fields.take("key"));
            None
        }
    }
}

/// A step that cannot be used keeps its place, so that those that read it are not found wrong as
/// well. Its problem is noted; nobody will run it.
fn nothing() -> Task {
    let uses = ActionRef { adapter: String::new(), action: String::new(), version: None };
    Task::Action(Act { uses, connection: None, with: Mapping::Object(Vec::new()) })
}

/// What calls nobody ends the same way every time.
fn once(policy: RetryPolicy) -> RetryPolicy {
    RetryPolicy { attempts: 1, ..policy }
}

/// Reports a key that means nothing for this kind of step.
fn refuse(source: &mut Source<'_>, fields: &mut Fields<'_>, key: &'static str, on: &str) {
    fields.take(key);
    if let Some((found, _)) = fields.all().find(|(found, _)| found.name == key) {
        let detail = format!("`{}` means nothing on {on}", fields.path_of(key));
        let problem = Problem::new(&problem::UNKNOWN_KEY, detail).hint("remove it");
        source.report(problem, found.at);
    }
}

fn emitted_type(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, &format!("{path}.emit"))?;
    let why = if text.contains("${{") {
        Some("an event type is a constant".to_owned())
    } else if text.contains('*') {
        Some("an event type holds no `*`".to_owned())
    } else {
        crate::event::check_name("the event type", text).err()
    };
    let Some(why) = why else { return Some(text.to_owned()) };
    let problem = Problem::new(&problem::BAD_VALUE, format!("`{path}.emit`: {why}"));
    let hint = "write it out, for example `emit: INVOICE_SENT`";
    source.report(problem.hint(hint), node.at);
    None
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
