//! The types of what expressions may read; [`crate::scope`] makes the values.

use postroom_expr::{Env, Type};

use super::Contracts;
use crate::definition::Trigger;

/// How a step may stand when another one reads of it, beside done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcomes {
    pub skipped: bool,
    pub failed: bool,
    pub pending: bool,
}

/// What a trigger knows of the events it takes.
pub(super) fn of_trigger(trigger: &Trigger, contracts: &Contracts) -> Env {
    let data = contracts.events.get(&trigger.event).cloned().unwrap_or(Type::Dyn);
    let kind = match trigger.event.ends_with('*') {
        true => Type::TEXT,
        false => Type::texts([trigger.event.as_str()]),
    };
    let source = trigger.source.as_deref().map_or(Type::TEXT, |source| Type::texts([source]));
    Env::new().with("event", of_event(data, kind, source))
}

/// An event of a type.
pub(super) fn event(kind: &str, data: Type) -> Type {
    of_event(data, Type::texts([kind]), Type::TEXT)
}

fn of_event(data: Type, kind: Type, source: Type) -> Type {
    Type::closed([
        ("data", data),
        ("type", kind),
        ("source", source),
        ("id", Type::TEXT),
        ("time_ms", Type::Int),
        ("received_ms", Type::Int),
        ("correlation_id", Type::TEXT),
        ("subject", Type::TEXT.or_null()),
        ("key", Type::TEXT.or_null()),
    ])
}

/// What a step may read beside the event.
pub(super) fn of_step(event: &Env, steps: Type, failing: bool) -> Env {
    let failure = Type::closed([("code", Type::TEXT), ("message", Type::TEXT)]);
    let failure = if failing { failure } else { failure.or_null() };
    let run = Type::closed([("id", Type::TEXT), ("created_ms", Type::Int), ("failure", failure)]);
    let workflow = Type::closed([("name", Type::TEXT)]);
    event.clone().with("steps", steps).with("run", run).with("workflow", workflow)
}

/// A step as others see it: its status tells whether it has an output.
pub(super) fn step(outcomes: Outcomes, output: Type) -> Type {
    let case = |statuses: &[&str], output: Type| {
        let status = Type::texts(statuses.iter().copied());
        if status == Type::Never {
            return Type::Never;
        }
        Type::closed([("status", status), ("output", output)])
    };
    let Outcomes { skipped, failed, pending } = outcomes;
    let without = [(skipped, "skipped"), (failed, "failed"), (pending, "pending")];
    let without: Vec<&str> =
        without.iter().filter(|(possible, _)| *possible).map(|(_, status)| *status).collect();
    Type::union([case(&["done"], output), case(&without, Type::Null)])
}
