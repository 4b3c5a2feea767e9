//! What a step of a workflow file does: exactly one of the keys that say so.

use postroom_expr::Mapping;

use super::steps::{DAY_MS, Reads};
use super::{name, second_of, timeout};
use crate::definition::{Act, ActionRef, Approve, Await, Call, Emit, MAX_WAIT_MS, Task, Wait};
use crate::duration;
use crate::problem::{self, Problem};
use crate::scope::{AWAIT_ROOTS, ITEM_ROOTS, STEP_ROOTS};
use crate::yaml::{Fields, Node, Source, Value};

/// The keys of which a step has one.
const KINDS: [&str; 5] = ["uses", "emit", "call", "wait", "approve"];

/// How long a person has to answer if nobody says.
const ANSWER_MS: u64 = 7 * DAY_MS;

/// Reads what a step does, with the keys that belong to it; refuses those that mean nothing there.
pub(super) fn task(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    listed: bool,
    reads: &mut Reads,
) -> Option<Task> {
    let found: Vec<(&'static str, &Node)> =
        KINDS.iter().filter_map(|kind| Some((*kind, fields.take(kind)?))).collect();
    let roots = if listed { ITEM_ROOTS } else { STEP_ROOTS };
    let step = Reader { source, fields, path, roots, reads };
    let (kind, node) = match found.as_slice() {
        [one] => *one,
        [] => {
            let detail = format!("`{path}` has neither `uses` nor `emit`, so it does nothing");
            let hint = "write `uses: adapter/action` to call an action, `emit: EVENT_TYPE` for \
                        another event, or `call`, `wait` or `approve`";
            let at = step.fields.at;
            step.source.report(Problem::new(&problem::MISSING_KEY, detail).hint(hint), at);
            return step.give_up();
        }
        [(first, _), (second, node), ..] => {
            let detail =
                format!("`{path}` has both `{first}` and `{second}`, but a step does one thing");
            let hint = "make two steps of it";
            step.source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), node.at);
            return step.give_up();
        }
    };
    match kind {
        "uses" => step.action(node),
        "emit" => step.emit(node),
        "call" => step.call(node),
        "wait" => step.wait(node, listed),
        _ => step.approve(node, listed),
    }
}

/// A step that cannot be used keeps its place, so that those that read it are not found wrong as
/// well. Its problem is noted; nobody will run it.
pub(super) fn nothing() -> Task {
    let uses = ActionRef { adapter: String::new(), action: String::new(), version: None };
    Task::Action(Act { uses, connection: None, with: Mapping::Object(Vec::new()) })
}

/// Reports a key that means nothing here.
pub(super) fn refuse(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    on: &str,
) {
    fields.take(key);
    if let Some((found, _)) = fields.all().find(|(found, _)| found.name == key) {
        let detail = format!("`{}` means nothing on {on}", fields.path_of(key));
        let problem = Problem::new(&problem::UNKNOWN_KEY, detail).hint("remove it");
        source.report(problem, found.at);
    }
}

/// One step as it is read.
struct Reader<'a, 's, 'n> {
    source: &'a mut Source<'s>,
    fields: &'a mut Fields<'n>,
    path: &'a str,
    roots: &'static [&'static str],
    reads: &'a mut Reads,
}

impl Reader<'_, '_, '_> {
    /// Takes every key that some kind of step has, so that only what is wrong is said.
    fn give_up(self) -> Option<Task> {
        for key in ["with", "key", "connection", "await"] {
            self.fields.take(key);
        }
        None
    }

    fn refuse(&mut self, keys: &[&'static str], on: &str) {
        for key in keys {
            refuse(self.source, self.fields, key, on);
        }
    }

    fn with(&mut self) -> Mapping {
        let Some(node) = self.fields.take("with") else { return Mapping::Object(Vec::new()) };
        let _ = self.source.map(node, &format!("{}.with", self.path));
        self.reads.mapping(self.source, node, self.roots)
    }

    fn template(&mut self, node: &Node, path: &str) -> Option<postroom_expr::Template> {
        let template = self.source.template(node, path)?;
        self.reads.add(self.source, node, template.reads(), self.roots);
        Some(template)
    }

    fn action(mut self, uses: &Node) -> Option<Task> {
        let uses = action_ref(self.source, uses, self.path);
        let with = self.with();
        let path = format!("{}.connection", self.path);
        let connection = self.fields.take("connection");
        let connection = connection.and_then(|node| name(self.source, node, &path));
        self.refuse(&["key", "await"], "a step that calls an action");
        Some(Task::Action(Act { uses: uses?, connection, with }))
    }

    fn emit(mut self, emit: &Node) -> Option<Task> {
        let event = event_type(self.source, emit, &format!("{}.emit", self.path));
        let with = self.with();
        let path = format!("{}.key", self.path);
        let key = self.fields.take("key").and_then(|node| self.template(node, &path));
        self.refuse(&["retry", "timeout", "connection", "await"], "a step that calls nobody");
        // Without its type it is still no action, so that nothing is said of one.
        Some(Task::Emit(Emit { event: event.unwrap_or_default(), with, key }))
    }

    fn call(mut self, node: &Node) -> Option<Task> {
        let workflow = name(self.source, node, &format!("{}.call", self.path));
        let with = self.with();
        let waits = self
            .fields
            .take("await")
            .and_then(|node| self.source.bool(node, &format!("{}.await", self.path)));
        let path = format!("{}.timeout", self.path);
        let timeout_ms = match waits {
            Some(false) => {
                self.refuse(&["timeout"], "a step that does not wait");
                None
            }
            _ => self.fields.take("timeout").and_then(|node| self.long(node, &path)),
        };
        self.refuse(&["retry", "connection", "key"], "a step that calls a workflow");
        let workflow = workflow.unwrap_or_default();
        Some(Task::Call(Call {
            event: Call::event_of(&workflow),
            workflow,
            with,
            waits: waits.unwrap_or(true),
            timeout_ms: timeout_ms.unwrap_or(DAY_MS),
        }))
    }

    /// How long something is waited for.
    fn long(&mut self, node: &Node, path: &str) -> Option<u64> {
        timeout(self.source, node, path, MAX_WAIT_MS)
    }

    fn wait(mut self, node: &Node, listed: bool) -> Option<Task> {
        self.only(listed);
        let path = format!("{}.wait", self.path);
        if !matches!(node.value, Value::Map(_)) {
            let template = self.pause(node, &path)?;
            return Some(Task::Wait(Wait::For(template)));
        }
        let mut fields = self.source.map(node, &path)?;
        let (until, event) = (fields.take("until"), fields.take("event"));
        let task = match (until, event) {
            (Some(until), None) => {
                let template = self.template(until, &format!("{path}.until"));
                template.map(|until| Task::Wait(Wait::Until(until)))
            }
            (None, Some(event)) => self.awaited(event, &mut fields, &path),
            (Some(_), Some(event)) => {
                let detail = format!("`{path}` has both `until` and `event`");
                let hint = "wait for one of them; how long to wait for an event is its `timeout`";
                self.source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), event.at);
                let _ = (fields.take("if"), fields.take("timeout"));
                None
            }
            (None, None) => {
                let detail = format!("`{path}` says neither `until` when nor for which `event`");
                let hint = "write `wait: 3d`, `wait: { until: ... }` or \
                            `wait: { event: EVENT_TYPE, timeout: 3d }`";
                self.source.report(Problem::new(&problem::MISSING_KEY, detail).hint(hint), node.at);
                let _ = (fields.take("if"), fields.take("timeout"));
                None
            }
        };
        fields.finish(self.source);
        task
    }

    /// A duration; where nothing is to be evaluated it is read now.
    fn pause(&mut self, node: &Node, path: &str) -> Option<postroom_expr::Template> {
        let constant = !matches!(&node.value, Value::Str(text) if text.contains("${{"));
        if constant {
            self.long(node, path)?;
        }
        self.template(node, path)
    }

    fn awaited(&mut self, event: &Node, fields: &mut Fields<'_>, path: &str) -> Option<Task> {
        let event = event_type(self.source, event, &format!("{path}.event"));
        let condition = fields.take("if").and_then(|node| {
            let condition = self.source.condition(node, &format!("{path}.if"))?;
            self.reads.add(self.source, node, condition.reads(), AWAIT_ROOTS);
            Some(condition)
        });
        let timeout = fields
            .need(self.source, "timeout")
            .and_then(|node| self.pause(node, &format!("{path}.timeout")))?;
        Some(Task::Await(Await { event: event.unwrap_or_default(), condition, timeout }))
    }

    fn approve(mut self, node: &Node, listed: bool) -> Option<Task> {
        self.only(listed);
        let path = format!("{}.approve", self.path);
        if !matches!(node.value, Value::Map(_)) {
            let ask = self.template(node, &path)?;
            let (silence_approves, goes_on) = (false, false);
            return Some(Task::Approve(Approve {
                ask,
                timeout_ms: ANSWER_MS,
                silence_approves,
                goes_on,
            }));
        }
        let mut fields = self.source.map(node, &path)?;
        let ask = fields
            .need(self.source, "ask")
            .and_then(|node| self.template(node, &format!("{path}.ask")));
        let timeout_ms =
            fields.take("timeout").and_then(|node| self.long(node, &format!("{path}.timeout")));
        let silence = self.choice(&mut fields, &path, "default", ["reject", "approve"]);
        let refusal = self.choice(&mut fields, &path, "rejected", ["cancel", "continue"]);
        fields.finish(self.source);
        Some(Task::Approve(Approve {
            ask: ask?,
            timeout_ms: timeout_ms.unwrap_or(ANSWER_MS),
            silence_approves: silence,
            goes_on: refusal,
        }))
    }

    /// Whether the second of two words was chosen; the first is what holds if nobody says.
    fn choice(
        &mut self,
        fields: &mut Fields<'_>,
        path: &str,
        key: &'static str,
        words: [&str; 2],
    ) -> bool {
        let Some(node) = fields.take(key) else { return false };
        second_of(self.source, node, &format!("{path}.{key}"), words).unwrap_or(false)
    }

    /// Refuses what a step that waits has no use for.
    fn only(&mut self, listed: bool) {
        let on = "a step that waits";
        self.refuse(&["with", "key", "await", "retry", "timeout", "connection"], on);
        if listed {
            let each = self.fields.all().find(|(key, _)| key.name == "each");
            if let Some((key, _)) = each {
                let detail = format!("`{}.each` means nothing on {on}", self.path);
                let hint = "call a workflow that waits, with `each` beside `call`";
                let problem = Problem::new(&problem::UNKNOWN_KEY, detail).hint(hint);
                self.source.report(problem, key.at);
            }
        }
    }
}

/// How many milliseconds a text of a step's `wait` says, or why it says none.
///
/// # Errors
/// A sentence.
pub fn pause_ms(text: &str) -> Result<u64, String> {
    let ms = duration::parse_ms(text)?;
    match ms <= MAX_WAIT_MS {
        true => Ok(ms),
        false => Err(format!("`{text}` is longer than 366 days, the longest that a step waits")),
    }
}

fn event_type(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, path)?;
    let why = if text.contains("${{") {
        Some("an event type is a constant".to_owned())
    } else if text.contains('*') {
        Some("an event type holds no `*`".to_owned())
    } else {
        crate::event::check_name("the event type", text).err()
    };
    let Some(why) = why else { return Some(text.to_owned()) };
    let problem = Problem::new(&problem::BAD_VALUE, format!("`{path}`: {why}"));
    let hint = "write it out, for example `INVOICE_SENT`";
    source.report(problem.hint(hint), node.at);
    None
}

fn action_ref(source: &mut Source<'_>, node: &Node, path: &str) -> Option<ActionRef> {
    let text = source.text(node, &format!("{path}.uses"))?;
    let parsed = ActionRef::parse(text);
    if parsed.is_none() {
        let detail = format!("`{path}.uses` is `{text}`, which names no action");
        let hint = "write `adapter/action`, for example `slack/post_message`";
        source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), node.at);
    }
    parsed
}
