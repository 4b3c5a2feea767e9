//! What expressions can see: `event`, `steps`, `run` and `workflow`, borrowed from where they are.

use std::borrow::Cow;

use postroom_expr::{Scope, Value};

use crate::event::Event;
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
    /// The run's id in text.
    pub id: &'a str,
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

/// The scope of a step.
#[must_use]
pub fn of_step<'a>(
    event: &'a Event,
    run: &RunFacts<'a>,
    steps: impl Iterator<Item = StepResult<'a>>,
) -> Scope<'a> {
    let steps = steps
        .map(|step| {
            let output = step.output.map_or(Value::Null, |json| Value::Json(json.view()));
            let fields = vec![
                (Cow::Borrowed("status"), Value::Str(Cow::Borrowed(step.status))),
                (Cow::Borrowed("output"), output),
            ];
            (Cow::Borrowed(step.id), Value::object(fields))
        })
        .collect();
    let failure = run.failure.map_or(Value::Null, |(code, message)| {
        Value::object(vec![
            (Cow::Borrowed("code"), Value::Str(Cow::Borrowed(code))),
            (Cow::Borrowed("message"), Value::Str(Cow::Borrowed(message))),
        ])
    });
    of_event(event)
        .with("steps", Value::object(steps))
        .with(
            "run",
            Value::object(vec![
                (Cow::Borrowed("id"), Value::Str(Cow::Borrowed(run.id))),
                (Cow::Borrowed("created_ms"), Value::Int(run.created_ms)),
                (Cow::Borrowed("failure"), failure),
            ]),
        )
        .with(
            "workflow",
            Value::object(vec![(Cow::Borrowed("name"), Value::Str(Cow::Borrowed(run.workflow)))]),
        )
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
    let text = |text: &'_ str| Value::Str(Cow::Owned(text.to_owned()));
    let optional = |value: &Option<String>| value.as_deref().map_or(Value::Null, text);
    Value::object(vec![
        (Cow::Borrowed("data"), Value::Json(event.data.view())),
        (Cow::Borrowed("type"), Value::Str(Cow::Borrowed(&event.kind))),
        (Cow::Borrowed("source"), Value::Str(Cow::Borrowed(&event.source))),
        (Cow::Borrowed("id"), Value::Str(Cow::Owned(event.id.to_string()))),
        (Cow::Borrowed("time_ms"), Value::Int(event.time_ms)),
        (Cow::Borrowed("received_ms"), Value::Int(event.received_ms)),
        (Cow::Borrowed("correlation_id"), Value::Str(Cow::Borrowed(&event.correlation))),
        (Cow::Borrowed("subject"), optional(&event.subject)),
        (Cow::Borrowed("key"), optional(&event.key)),
    ])
}
