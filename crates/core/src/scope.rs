//! What expressions can see: `event`, `steps`, `run` and `workflow`, borrowed from where they are.

use std::borrow::Cow;
use std::rc::Rc;

use postroom_expr::{Scope, Value};

use crate::event::Event;
use crate::id::RunId;
use crate::json::Json;

/// The names a trigger condition or policy may read.
pub const TRIGGER_ROOTS: &[&str] = &["event"];
/// The names a step may read.
pub const STEP_ROOTS: &[&str] = &["event", "steps", "run", "workflow"];

/// The names a step may read that is carried out for each item of a list.
pub const ITEM_ROOTS: &[&str] = &["event", "steps", "run", "workflow", "item", "index"];
/// The names a condition may read that an event is waited for with.
pub const AWAIT_ROOTS: &[&str] = &["event", "steps", "run", "workflow", "arrived"];

/// What became of a step, as expressions see it.
#[derive(Clone, Debug)]
pub struct StepResult<'a> {
    /// The step's id.
    pub id: &'a str,
    /// `pending`, `done`, `skipped` or `failed`.
    pub status: &'static str,
    /// Its output, if it is done.
    pub output: Option<&'a Json>,
}

/// The run, as expressions see it.
#[derive(Clone, Debug)]
pub struct RunFacts<'a> {
    /// The run's id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: &'a str,
    /// Milliseconds since 1970 at which the run was recorded.
    pub created_ms: i64,
    /// Code and message of the failure that ended the run, for the steps of `on_failure`.
    pub failure: Option<(&'a str, &'a str)>,
}

/// The scope of trigger conditions and policies.
#[must_use]
pub fn of_event<'a>(event: &'a Event) -> Scope<'a> {
    Scope::new().with("event", event_value(event))
}

/// The scope of a step. A root that is not read, as `reads` tells of its name, is there and null:
/// making it would cost more than most expressions do.
#[must_use]
pub fn of_step<'a>(
    event: &'a Event,
    run: &RunFacts<'a>,
    steps: impl Iterator<Item = StepResult<'a>>,
    reads: impl Fn(&str) -> bool,
) -> Scope<'a> {
    let steps = || Value::object(steps.map(|step| step_entry(&step)).collect());
    let workflow = || object([("name", text(run.workflow))]);
    let mut scope = Scope::new();
    scope.set("event", if reads("event") { event_value(event) } else { Value::Null });
    scope.set("steps", if reads("steps") { steps() } else { Value::Null });
    scope.set("run", if reads("run") { run_value(run) } else { Value::Null });
    scope.set("workflow", if reads("workflow") { workflow() } else { Value::Null });
    scope
}

fn step_entry<'a>(step: &StepResult<'a>) -> (Cow<'a, str>, Value<'a>) {
    let output = step.output.map_or(Value::Null, |json| Value::Json(json.view()));
    (Cow::Borrowed(step.id), object([("status", text(step.status)), ("output", output)]))
}

fn run_value<'a>(run: &RunFacts<'a>) -> Value<'a> {
    let failure = run.failure.map_or(Value::Null, |(code, message)| {
        object([("code", text(code)), ("message", text(message))])
    });
    object([
        ("id", Value::text(run.id.to_string())),
        ("created_ms", Value::Int(run.created_ms)),
        ("failure", failure),
    ])
}

/// The scope of a step with the item it is about.
#[must_use]
pub fn with_item<'a>(scope: Scope<'a>, item: &'a Json, index: usize) -> Scope<'a> {
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    scope.with("item", Value::Json(item.view())).with("index", Value::Int(index))
}

/// The scope of a step with an event that may be the one it waits for.
#[must_use]
pub fn with_arrived<'a>(scope: Scope<'a>, arrived: &'a Event) -> Scope<'a> {
    scope.with("arrived", event_value(arrived))
}

fn event_value(event: &Event) -> Value<'_> {
    object([
        ("data", Value::Json(event.data.view())),
        ("type", text(&event.kind)),
        ("source", text(&event.source)),
        ("id", Value::text(event.id.to_string())),
        ("time_ms", Value::Int(event.time_ms)),
        ("received_ms", Value::Int(event.received_ms)),
        ("correlation_id", text(&event.correlation)),
        ("subject", event.subject.as_deref().map_or(Value::Null, text)),
        ("key", event.key.as_deref().map_or(Value::Null, text)),
    ])
}

fn text(text: &str) -> Value<'_> {
    Value::Str(Cow::Borrowed(text))
}

/// An object in one allocation.
fn object<'a, const N: usize>(entries: [(&'static str, Value<'a>); N]) -> Value<'a> {
    Value::Object(Rc::new(entries.map(|(name, value)| (Cow::Borrowed(name), value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventId;

    /// Every root is there whether it is read or not: what is told of a wrong name depends on it.
    #[test]
    fn what_is_not_read_is_null_and_there() {
        let id = EventId::from_parts(1, [7; 10]);
        let event = Event {
            id,
            source: "ingest".into(),
            kind: "E".into(),
            time_ms: 1,
            received_ms: 2,
            correlation: "c".into(),
            subject: None,
            key: Some("k".into()),
            cause: None,
            data: Json::null(),
        };
        let run =
            RunFacts { id: RunId::derive(id, "w"), workflow: "w", created_ms: 2, failure: None };
        let step = || [StepResult { id: "s", status: "pending", output: None }].into_iter();
        for read in STEP_ROOTS {
            let scope = of_step(&event, &run, step(), |name| name == *read);
            assert_eq!(scope.names().collect::<Vec<_>>(), STEP_ROOTS);
            for root in STEP_ROOTS {
                let is_null = scope.get(root).is_none_or(Value::is_null);
                assert_eq!(is_null, root != read, "{root} when {read} is read");
            }
        }
    }
}
