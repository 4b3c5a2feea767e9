//! The rows of lints: what works as it is written, and is most likely not meant so. They are told
//! as warnings; a workflow accepts one with `allow`.

use super::Kind;
use super::table::kind;

/// The rows of this file. `allow` takes all of them but [`IDLE_ALLOW`].
pub(crate) const LINTS: &[&Kind] = &[
    &MANY_CALLS,
    &NO_IDEMPOTENCY,
    &UNGUARDED_DESTRUCTIVE,
    &SECRET_IN_LOG,
    &DEPRECATED,
    &IDLE_ALLOW,
];

/// Many calls in a row.
pub static MANY_CALLS: Kind = kind(
    "lint/many-calls",
    422,
    "more than five calls in a row",
    "One workflow makes more than five calls to providers one after the other. The longer the \
     row, the more is done already when a call fails, and the more a person has to look through. \
     Split it where the later steps read the least of the earlier ones; the hint names that \
     step. An `emit` or a `call` there starts the second workflow, durably and with runs of its \
     own.",
);

/// A call that cannot be repeated.
pub static NO_IDEMPOTENCY: Kind = kind(
    "lint/no-idempotency",
    422,
    "a call that cannot be repeated safely",
    "The provider honours no idempotency key for this call and offers no way to look up what it \
     did. If the process dies, or the answer is lost, while the call is under way, the run stops \
     as `unknown` and waits for a person, who looks at the provider before the run is redriven \
     or discarded. If the service takes a key, say so: `idempotencyHeader` of `http/request`, \
     `idempotency: key` in a manifest. Where a person may decide, accept it with `allow`.",
);

/// A destructive step that nobody guards.
pub static UNGUARDED_DESTRUCTIVE: Kind = kind(
    "lint/unguarded-destructive",
    422,
    "a destructive step that nothing guards",
    "The action moves money or destroys something, and the step runs without anybody having \
     looked at what it would do. Let the step need an `approve` step, so that a person is asked; \
     give the workflow `mode: dry` until you have seen what it plans; or add a test to `tests/` \
     whose `expect.requests` names this step, so that the request is known before it is sent: \
     `postroom test --update` writes it down.",
);

/// A secret where it is shown.
pub static SECRET_IN_LOG: Kind = kind(
    "lint/secret-in-log",
    422,
    "a secret that would be kept or shown in clear",
    "A field whose name says that it is a secret, or that the event's schema marks with \
     `writeOnly: true` or `format: password`, ends up where it is logged, kept or shown: in a \
     URL, in a key, in the data of an event, in what a run comes to, in a message. Leave it out, \
     show only its end, or send it where it is not kept: in a header, in a body, as a credential \
     of the connection.",
);

/// An action on its way out.
pub static DEPRECATED: Kind = kind(
    "lint/deprecated",
    422,
    "an action that is deprecated",
    "The manifest of the adapter says that this version of the action is on its way out: since \
     when, why, and what to use instead. It works as before until it is gone. \
     `postroom adapter diff OLD NEW` tells what a change to the other one breaks, with file and \
     line. Where that has to wait, accept it with `allow`.",
);

/// An entry of `allow` that accepts nothing.
pub static IDLE_ALLOW: Kind = kind(
    "lint/idle-allow",
    422,
    "an entry of `allow` that accepts nothing",
    "`allow` of a workflow lists lints that are accepted knowingly. This entry names no lint, \
     stands twice, or names one that the workflow does not raise, so it would hide one that \
     comes later. Remove it or correct its name.",
);
