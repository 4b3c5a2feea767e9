//! The table of problems. A row and its entry in [`GENERAL`] are all it takes to add one: the docs
//! page and the tests walk [`ALL`](super::ALL), which is this and the tables of the files beside.

use super::Kind;
use super::checked::*;
use super::dry::*;
use super::going::*;

pub(super) const fn kind(
    code: &'static str,
    status: u16,
    title: &'static str,
    explain: &'static str,
) -> Kind {
    Kind { code, status, title, explain }
}

/// The file is not YAML.
pub static YAML_SYNTAX: Kind = kind(
    "yaml/syntax",
    422,
    "the file is not YAML",
    "The text could not be read as YAML: a bracket is open, an indentation is off, a key \
     stands twice, or the file is too large. Nothing of the file is used until it reads.",
);

/// A key nobody knows.
pub static UNKNOWN_KEY: Kind = kind(
    "config/unknown-key",
    422,
    "a key nobody knows",
    "No part of Postroom reads this key, so it would do nothing. Remove it or correct its \
     name; the nearest known one is named.",
);

/// A required key is missing.
pub static MISSING_KEY: Kind = kind(
    "config/missing-key",
    422,
    "a required key is missing",
    "The mapping cannot be used without this key.",
);

/// A value of the wrong kind.
pub static WRONG_TYPE: Kind = kind(
    "config/wrong-type",
    422,
    "a value of the wrong kind",
    "The key is known but its value is of another kind: text instead of a number, a list \
     instead of a mapping, a duration without a unit.",
);

/// A number out of bounds.
pub static OUT_OF_RANGE: Kind = kind(
    "config/out-of-range",
    422,
    "a number out of bounds",
    "The number lies outside what the setting allows; the bounds are named.",
);

/// A value that cannot be used.
pub static BAD_VALUE: Kind = kind(
    "config/bad-value",
    422,
    "a value that cannot be used",
    "The value has the right kind but does not mean anything here; the message says what \
     would.",
);

/// A name that stands twice.
pub static DUPLICATE_NAME: Kind = kind(
    "config/duplicate-name",
    422,
    "a name that stands twice",
    "Names of workflows, steps, sources and connections are how everything else refers to \
     them, so each may stand only once.",
);

/// An environment variable is not set.
pub static MISSING_ENV: Kind = kind(
    "config/missing-env",
    422,
    "an environment variable is not set",
    "The configuration refers to an environment variable that is not set. Set it in the \
     environment or in `.env` beside the configuration file.",
);

/// A setting this build cannot enforce.
pub static UNSUPPORTED: Kind = kind(
    "config/unsupported",
    422,
    "a setting this build cannot enforce",
    "The setting is known, but this version does not enforce it. It is refused instead of \
     being silently ignored.",
);

/// A file cannot be read.
pub static FILE_UNREADABLE: Kind = kind(
    "config/file-unreadable",
    422,
    "a file cannot be read",
    "The file is missing, is not UTF-8 text, or its permissions forbid reading it.",
);

/// A step that does not exist.
pub static UNKNOWN_STEP: Kind = kind(
    "workflow/unknown-step",
    422,
    "a step that does not exist",
    "`needs` or an expression names a step that the workflow does not have.",
);

/// Steps that wait for each other.
pub static NEEDS_CYCLE: Kind = kind(
    "workflow/needs-cycle",
    422,
    "steps that wait for each other",
    "The steps named need each other in a circle, so none of them could ever start. Remove \
     one of the `needs`.",
);

/// A step that has not run by then.
pub static NOT_BEFORE: Kind = kind(
    "workflow/step-not-before",
    422,
    "a step that has not run by then",
    "An expression reads the output of a step that does not always end before this one. Add \
     it to `needs`.",
);

/// Workflows that start each other without end.
pub static EMIT_CIRCLE: Kind = kind(
    "workflow/emit-circle",
    422,
    "workflows that start each other without end",
    "A workflow emits an event that starts another, and so on back to itself; conditions are taken \
     for true. Let one of them take another event or another `source`. If the circle ends by \
     itself, say in one of its workflows how far it may go: `max_hops: N`.",
);

/// Events that follow from events without end.
pub static TOO_MANY_HOPS: Kind = kind(
    "run/too-many-hops",
    422,
    "events that follow from events without end",
    "A step would emit an event that is further from the first event of its line than `max_hops` \
     of its workflow, or 16, allows. Nothing was emitted and the run is a dead letter. Most often \
     workflows start each other in a circle.",
);

/// An adapter that does not exist.
pub static UNKNOWN_ADAPTER: Kind = kind(
    "workflow/unknown-adapter",
    422,
    "an adapter that does not exist",
    "`uses` names an adapter that is neither built in nor in the project's `adapters/` \
     folder.",
);

/// An action that does not exist.
pub static UNKNOWN_ACTION: Kind = kind(
    "workflow/unknown-action",
    422,
    "an action that does not exist",
    "The adapter is known, but it has no such action or no such version of it.",
);

/// A connection that does not exist.
pub static UNKNOWN_CONNECTION: Kind = kind(
    "workflow/unknown-connection",
    422,
    "a connection that does not exist",
    "The step names a connection that the configuration does not have.",
);

/// The body is not JSON.
pub static BAD_JSON: Kind = kind(
    "request/malformed-json",
    400,
    "the body is not JSON",
    "The request body could not be read as JSON; line and column say where it stops being \
     JSON. Nothing was stored.",
);

/// The body is not UTF-8.
pub static NOT_UTF8: Kind = kind(
    "request/not-utf8",
    400,
    "the body is not UTF-8",
    "JSON is UTF-8 text; the body holds bytes that are not. Nothing was stored.",
);

/// The body nests too deep.
pub static TOO_DEEP: Kind = kind(
    "request/too-deep",
    400,
    "the body nests too deep",
    "Arrays and objects may nest 64 levels deep. Nothing was stored.",
);

/// The event envelope is wrong.
pub static BAD_ENVELOPE: Kind = kind(
    "request/bad-envelope",
    400,
    "the event envelope is wrong",
    "`event` must be text of 1 to 256 bytes without control characters and `payload` a JSON \
     object. Nothing was stored.",
);

/// A field of the body is wrong.
pub static BAD_BODY: Kind = kind(
    "request/bad-body",
    400,
    "a field of the body is wrong",
    "The body of an order is JSON, but holds a field that is not known here or a value that \
     cannot be used; the message names it. Nothing was done.",
);

/// The body is too large.
pub static BODY_TOO_LARGE: Kind = kind(
    "request/body-too-large",
    413,
    "the body is too large",
    "The body is larger than `server.maxBodyBytes` (1 MiB unless set). Nothing was stored.",
);

/// The body did not arrive in time.
pub static BODY_TIMEOUT: Kind = kind(
    "request/body-timeout",
    408,
    "the body did not arrive in time",
    "The client did not finish sending the body within the time limit. Nothing was stored.",
);

/// A content type that is not taken.
pub static UNSUPPORTED_MEDIA: Kind = kind(
    "request/unsupported-media-type",
    415,
    "a content type that is not taken",
    "The endpoint takes JSON. Send `Content-Type: application/json`.",
);

/// A query parameter is wrong.
pub static BAD_QUERY: Kind = kind(
    "request/bad-query",
    400,
    "a query parameter is wrong",
    "A filter, limit, cursor or id of the request cannot be used; the message names it.",
);

/// A token is needed.
pub static UNAUTHENTICATED: Kind = kind(
    "auth/token-missing",
    401,
    "a token is needed",
    "Send `Authorization: Bearer <token>`. The admin token was printed when the data folder \
     was made; `postroom token new` makes another.",
);

/// The token is not known.
pub static FORBIDDEN: Kind = kind(
    "auth/token-wrong",
    403,
    "the token is not known",
    "The token sent is not the one stored for this data folder. `postroom token new` makes \
     another.",
);

/// The request is not signed.
pub static SIGNATURE_MISSING: Kind = kind(
    "source/signature-missing",
    401,
    "the request is not signed",
    "The source verifies signatures and the request carries none. Nothing was stored.",
);

/// The signature does not match.
pub static SIGNATURE_WRONG: Kind = kind(
    "source/signature-wrong",
    401,
    "the signature does not match",
    "The request was signed with another secret, or was changed on its way. Check the \
     signing secret of the endpoint. Nothing was stored.",
);

/// The signature is too old.
pub static SIGNATURE_STALE: Kind = kind(
    "source/signature-stale",
    401,
    "the signature is too old",
    "The signed time lies outside the tolerance: a replay, or a clock that is off. Nothing \
     was stored.",
);

/// The source is off.
pub static SOURCE_OFF: Kind = kind(
    "source/off",
    503,
    "the source is off",
    "The source has no signing secret, so it takes nothing. Set the secret that the \
     start-up message names and restart.",
);

/// There is no such thing.
pub static NOT_FOUND: Kind = kind(
    "api/not-found",
    404,
    "there is no such thing",
    "Nothing has this id or path. It may have been removed by retention.",
);

/// The method does not fit the path.
pub static METHOD_NOT_ALLOWED: Kind = kind(
    "api/method-not-allowed",
    405,
    "the method does not fit the path",
    "The path exists but does not take this method.",
);

/// The state does not allow it.
pub static CONFLICT: Kind = kind(
    "api/conflict",
    409,
    "the state does not allow it",
    "The run is not in a state in which this can be done; the message names the state it is \
     in.",
);

/// The store cannot write.
pub static UNAVAILABLE: Kind = kind(
    "store/unavailable",
    503,
    "the store cannot write",
    "The disk is full, read-only or failing. Nothing was accepted; send again after \
     Retry-After. The process goes on and recovers when the disk does.",
);

/// The store may have written it.
pub static LOST: Kind = kind(
    "store/lost",
    503,
    "whether it was written is not known",
    "The connection to the store broke again and again before its answer came. An event may have \
     been written down: send it again with the same idempotency key, and it is a duplicate if it \
     was. An order may have been carried out: look at the run before you repeat it.",
);

/// Too much is waiting.
pub static OVERLOADED: Kind = kind(
    "server/overloaded",
    503,
    "too much is waiting",
    "More requests wait to be written than the bound allows. Nothing was accepted; send \
     again after Retry-After.",
);

/// The server is stopping.
pub static SHUTTING_DOWN: Kind = kind(
    "server/shutting-down",
    503,
    "the server is stopping",
    "The server takes no new work because it is stopping. Send again after Retry-After.",
);

/// Another process has the data folder.
pub static STORE_LOCKED: Kind = kind(
    "store/locked",
    409,
    "another process has the data folder",
    "Another Postroom process works on this data folder. Stop it, or use another folder \
     with `--data`.",
);

/// The data was written by a newer version.
pub static STORE_NEWER: Kind = kind(
    "store/newer-schema",
    409,
    "the data was written by a newer version",
    "The data folder was written by a newer version of Postroom. Run that version; going \
     back is not possible.",
);

/// Owners of a run are lost again and again.
pub static OWNERS_LOST: Kind = kind(
    "run/owners-lost",
    500,
    "the work on a run ends without a result",
    "Several times in a row the process that worked on the run ended, or did not answer for longer \
     than a lease, before anything of it was written down. It may be the run itself that does \
     this, so it is not handed out again. Look in the log for what happened; redrive the run once \
     that is mended.",
);

/// A fault of ours.
pub static INTERNAL: Kind = kind(
    "internal",
    500,
    "a fault of ours",
    "Something that should not happen did. The log holds the details under the correlation \
     id of the answer.",
);

/// The rows of this file and of `checked`.
pub(super) const GENERAL: &[&Kind] = &[
    &YAML_SYNTAX,
    &UNKNOWN_KEY,
    &MISSING_KEY,
    &WRONG_TYPE,
    &OUT_OF_RANGE,
    &BAD_VALUE,
    &DUPLICATE_NAME,
    &MISSING_ENV,
    &UNSUPPORTED,
    &FILE_UNREADABLE,
    &UNKNOWN_STEP,
    &NEEDS_CYCLE,
    &NOT_BEFORE,
    &EMIT_CIRCLE,
    &TOO_MANY_HOPS,
    &UNKNOWN_ADAPTER,
    &UNKNOWN_ACTION,
    &UNKNOWN_CONNECTION,
    &EXPR_UNKNOWN_FIELD,
    &EXPR_MAYBE_MISSING,
    &EXPR_MAYBE_NULL,
    &EXPR_TYPE,
    &EXPR_NEVER_HOLDS,
    &EXPR_UNTYPED,
    &MAYBE_SKIPPED,
    &INPUT_MISSING,
    &INPUT_UNKNOWN,
    &INPUT_TYPE,
    &SCHEMA,
    &BAD_JSON,
    &NOT_UTF8,
    &TOO_DEEP,
    &BAD_ENVELOPE,
    &BAD_BODY,
    &BODY_TOO_LARGE,
    &BODY_TIMEOUT,
    &UNSUPPORTED_MEDIA,
    &BAD_QUERY,
    &UNAUTHENTICATED,
    &FORBIDDEN,
    &SIGNATURE_MISSING,
    &SIGNATURE_WRONG,
    &SIGNATURE_STALE,
    &SOURCE_OFF,
    &NOT_FOUND,
    &METHOD_NOT_ALLOWED,
    &CONFLICT,
    &UNAVAILABLE,
    &LOST,
    &OVERLOADED,
    &DRY_UNCLEAR,
    &DRY_BUSY,
    &DRY_ENDLESS,
    &SHUTTING_DOWN,
    &STORE_LOCKED,
    &STORE_NEWER,
    &OWNERS_LOST,
    &OWNER_LOST,
    &RUN_TIMEOUT,
    &BAD_LIST,
    &BAD_WAIT,
    &NOT_CALLABLE,
    &CALLED_FAILED,
    &CALLED_LATE,
    &NOTHING_WAITS,
    &INTERNAL,
];
