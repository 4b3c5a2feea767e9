//! The rows of what the checker finds in expressions and mappings.

use super::Kind;
use super::table::kind;

/// A field that is not there.
pub static EXPR_UNKNOWN_FIELD: Kind = kind(
    "expr/unknown-field",
    422,
    "a field that does not exist",
    "An expression reads a field that the value does not have: its schema, or the contract of the \
     action it comes from, does not know it. The nearest field is named. If the field exists, \
     declare it in the schema.",
);

/// A field that may not be there.
pub static EXPR_MAYBE_MISSING: Kind = kind(
    "expr/maybe-missing",
    422,
    "a field that may be missing",
    "The field is optional, and `a.b` is a fault where `a` has no `b`. Write `a?.b`, which is null \
     then, with a value behind `??`; or ask first: `has(a.b) ? a.b : …`. If the field is always \
     there, list it under `required` in the schema.",
);

/// A value that may be null.
pub static EXPR_MAYBE_NULL: Kind = kind(
    "expr/maybe-null",
    422,
    "a value that may be null",
    "Null has no fields, no items, no text and no place in a calculation. Give it a value with \
     `??`, read it with `?.`, or ask first: `a != null ? … : …`.",
);

/// A value of the wrong kind in an expression.
pub static EXPR_TYPE: Kind = kind(
    "expr/type",
    422,
    "a value of the wrong kind in an expression",
    "A function or an operator does not take this kind of value. Nothing is converted by itself: \
     write `string(…)`, `double(…)`, `int(…)`, or compare it.",
);

/// A comparison with one answer.
pub static EXPR_NEVER_HOLDS: Kind = kind(
    "expr/never-holds",
    422,
    "a comparison with only one answer",
    "The two sides have no value in common, so the answer is the same for every event: a text is \
     compared with a number, or a status with a word that it never has. The nearest word is named.",
);

/// A read of something unknown.
pub static EXPR_UNTYPED: Kind = kind(
    "expr/untyped",
    422,
    "a read of something of which nothing is known",
    "Nothing says what the value looks like, so it cannot be checked before an event comes by. \
     `postroom check --strict` refuses that. Declare the event in `schemas/<EVENT_TYPE>.json`, or \
     the output in the action's contract.",
);

/// The output of a step that may have been skipped.
pub static MAYBE_SKIPPED: Kind = kind(
    "workflow/maybe-skipped",
    422,
    "the output of a step that may not have run",
    "The output of a step is null where the step was skipped by its `if` or, for the steps of \
     `on_failure`, where it did not end. Read it with `?.`, or let the step that reads it run only \
     then: `if: steps.NAME.status == 'done'`.",
);

/// An input that is missing.
pub static INPUT_MISSING: Kind = kind(
    "input/missing",
    422,
    "an input that is missing",
    "The action cannot be called without this key of `with`, or the expression may leave it out. \
     `docs/adapters.md` says where the contract of an action is found.",
);

/// An input that is not taken.
pub static INPUT_UNKNOWN: Kind = kind(
    "input/unknown",
    422,
    "an input that the action does not take",
    "The action has no such input, so it would be refused when the step runs. The nearest input \
     is named.",
);

/// An input of the wrong kind.
pub static INPUT_TYPE: Kind = kind(
    "input/type",
    422,
    "an input of the wrong kind",
    "The value that is given is of another kind than the action takes, or may be null. Convert it, \
     give it a value with `??`, or leave the key out with `?? omit()`.",
);

/// A schema that cannot be read.
pub static SCHEMA: Kind = kind(
    "schema/unreadable",
    422,
    "a schema that cannot be read",
    "A file in `schemas/` is not JSON, or not a JSON Schema: an object, `true` or `false`. Its \
     name is the event type it describes, with `.json` behind it.",
);
