//! The rows of what the engine writes into the failure of a run. The API shows them as part of the
//! run and answers none of them; the status says whose fault it is.

use super::Kind;
use super::table::kind;

/// The rows of this file.
pub(super) const FAILURES: &[&Kind] = &[
    &EXPR_SYNTAX,
    &EXPR_UNCLOSED,
    &EXPR_TOO_LARGE,
    &EXPR_UNKNOWN_FUNCTION,
    &EXPR_ARGUMENTS,
    &EXPR_OMIT,
    &EXPR_UNKNOWN_NAME,
    &EXPR_MISSING_FIELD,
    &EXPR_NULL,
    &EXPR_VALUE,
    &EXPR_OVERFLOW,
    &EXPR_DIVISION,
    &EXPR_FUEL,
    &EXPR_OUTPUT,
    &DEFINITION_MISSING,
    &RUN_LOST,
    &CORRUPT_RUN,
    &NOT_SENT,
    &NO_ANSWER,
    &CALL_TIMEOUT,
    &BROKEN_ANSWER,
    &UNEXPECTED_ANSWER,
    &HTTP_STATUS,
    &HTTP_REDIRECT,
    &CREDENTIAL_MISSING,
    &BAD_CREDENTIAL,
    &ADAPTER_INPUT,
    &ADAPTER_BAD_METHOD,
    &ADAPTER_BAD_URL,
    &ADAPTER_URL_TOO_LONG,
    &ADAPTER_NO_BASE_URL,
    &ADAPTER_BAD_HEADER,
    &ADAPTER_BAD_REQUEST,
    &ADAPTER_NO_CALL,
    &ADAPTER_NO_EXAMPLE,
    &ADAPTER_NO_LOOKUP,
    &NOT_DESCRIBED,
];

/// The text is no sentence of the language.
pub static EXPR_SYNTAX: Kind = kind(
    "expr/syntax",
    422,
    "an expression that cannot be read",
    "The text inside `${{ }}` is not a sentence of the language; the place points at the \
     character at which it stops being one. `docs/language.md` shows what can be written.",
);

/// Something that never ends.
pub static EXPR_UNCLOSED: Kind = kind(
    "expr/unclosed",
    422,
    "a text or an expression that never ends",
    "A quote or a `${{` is opened and not closed. Close it; for the characters `${{` as text, \
     write `$${{`.",
);

/// Larger than accepted.
pub static EXPR_TOO_LARGE: Kind = kind(
    "expr/too-large",
    422,
    "an expression or a value that is too large",
    "An expression is longer or nests deeper than the language takes, or a value of JSON does. \
     Split it over several steps.",
);

/// No such function.
pub static EXPR_UNKNOWN_FUNCTION: Kind = kind(
    "expr/unknown-function",
    422,
    "a function that does not exist",
    "No function or method has this name; the nearest one is named. `docs/language.md` lists \
     them all.",
);

/// Arguments that do not fit.
pub static EXPR_ARGUMENTS: Kind = kind(
    "expr/arguments",
    422,
    "a function called the wrong way",
    "A function has too few or too many arguments, or is called as a method though it is none. \
     The hint shows how it is called.",
);

/// `omit()` in the wrong place.
pub static EXPR_OMIT: Kind = kind(
    "expr/omit",
    422,
    "`omit()` where nothing can be left out",
    "`omit()` leaves out the key or the item whose whole value it is. Within a text, in a \
     condition or in a calculation there is nothing to leave out; write an empty text or null \
     there.",
);

/// A name that is not known.
pub static EXPR_UNKNOWN_NAME: Kind = kind(
    "expr/unknown-name",
    422,
    "a name that is not known here",
    "An expression begins with a name that cannot be read at this place. Steps read `event`, \
     `steps`, `run` and `workflow`; triggers, `dedupe` and `concurrency` only `event`. The \
     nearest name is given.",
);

/// A field that was not there.
pub static EXPR_MISSING_FIELD: Kind = kind(
    "expr/missing-field",
    422,
    "a field that was not there",
    "When the step ran, the value had no such field, or the list no such item. Read it with `?.` \
     and give it a value with `??`, or describe the event in `schemas/`, so that `postroom \
     check` finds this before an event does.",
);

/// Null where a value is needed.
pub static EXPR_NULL: Kind = kind(
    "expr/null",
    422,
    "a null where a value was needed",
    "When the step ran, a value was null that was read, shown or calculated with. Give it a \
     value with `??`, or ask first: `a != null ? … : …`.",
);

/// A value that cannot be taken.
pub static EXPR_VALUE: Kind = kind(
    "expr/value",
    422,
    "a value that a function cannot take",
    "The value had the right kind but means nothing to the function: a text that is no date or \
     no number, a negative length. The message names it.",
);

/// A number out of range.
pub static EXPR_OVERFLOW: Kind = kind(
    "expr/overflow",
    422,
    "a number that is too large",
    "A calculation left the range of numbers: whole numbers have 64 bits. Calculate with smaller \
     ones, or convert with `double(…)` first.",
);

/// A division by zero.
pub static EXPR_DIVISION: Kind = kind(
    "expr/division-by-zero",
    422,
    "a division by zero",
    "The right side of `/` or `%` was zero. Ask first: `b != 0 ? a / b : 0`.",
);

/// Too many steps.
pub static EXPR_FUEL: Kind = kind(
    "expr/fuel",
    422,
    "an expression that takes too long",
    "The evaluation took more steps than it may, most often because a list within a list is \
     walked for each item. Pass on less, or split the work over several steps.",
);

/// Too much text.
pub static EXPR_OUTPUT: Kind = kind(
    "expr/output",
    422,
    "an expression that gives too much",
    "The evaluation made more text than it may. Pass on less, or a reference to it.",
);

/// The version a run started with is not there.
pub static DEFINITION_MISSING: Kind = kind(
    "run/definition-missing",
    422,
    "the version that a run started with cannot be had",
    "The workflow as it was when the run started is not in the store, or this version of \
     Postroom no longer reads it; the log says which. Redrive the run onto the newest version of \
     its workflow: `postroom dlq redrive RUN --version newest`.",
);

/// Somebody else has the run.
pub static RUN_LOST: Kind = kind(
    "run/lost",
    500,
    "the run was taken by another owner",
    "The process did not answer for longer than its lease, so the run was handed on. What this \
     attempt came to is not written down; the other owner goes on. Nothing has to be done.",
);

/// The row of a run cannot be read.
pub static CORRUPT_RUN: Kind = kind(
    "store/corrupt-run",
    500,
    "a run that the store cannot read",
    "What is stored of the run is damaged, so nobody can work on it and it became a dead letter. \
     Its event is kept: replay it with `postroom events replay` to start a new run. Check the \
     disk.",
);

/// The provider could not be reached.
pub static NOT_SENT: Kind = kind(
    "call/not-sent",
    502,
    "a provider that could not be reached",
    "No connection came about, so nothing took effect. It is tried again as `retry` says. Check \
     the address of the connection and the network.",
);

/// No answer came.
pub static NO_ANSWER: Kind = kind(
    "call/no-answer",
    502,
    "a provider that closed the connection",
    "The request was sent and the connection closed without an answer, so it may have taken \
     effect. A call that may be repeated is; any other waits as `unknown`: look at the provider, \
     then redrive or discard the run.",
);

/// No answer in time.
pub static CALL_TIMEOUT: Kind = kind(
    "call/timeout",
    504,
    "a provider that did not answer in time",
    "No answer came within `timeout` of the step, so the request may have taken effect. A call \
     that may be repeated is; any other waits as `unknown`: look at the provider, then redrive \
     or discard the run.",
);

/// Broken JSON.
pub static BROKEN_ANSWER: Kind = kind(
    "call/broken-answer",
    502,
    "an answer that is broken",
    "The provider said that it worked, but its answer breaks off or is not the JSON it says it \
     is. A call that may be repeated is; any other waits as `unknown`.",
);

/// An answer of another shape.
pub static UNEXPECTED_ANSWER: Kind = kind(
    "call/unexpected-answer",
    502,
    "an answer of an unknown shape",
    "The provider said that it worked, but its answer lacks what the manifest reads of it. The \
     request took effect. Look at the answer in the run's journal and correct `result` in the \
     manifest.",
);

/// A status that is no success.
pub static HTTP_STATUS: Kind = kind(
    "http/status",
    502,
    "an answer with a status of failure",
    "`http/404`, `http/503` and the like: the provider answered with this status and with no \
     code of its own. 429 and 5xx are tried again, others refused, unless the manifest says \
     otherwise. The journal of the run holds the answer.",
);

/// A redirect.
pub static HTTP_REDIRECT: Kind = kind(
    "http/redirect",
    502,
    "an answer that leads elsewhere",
    "The provider answered with a redirect. It is not followed: credentials would go along to \
     another address. Write the address it leads to into the step or the connection.",
);

/// A credential is not set.
pub static CREDENTIAL_MISSING: Kind = kind(
    "connection/credential-missing",
    422,
    "a credential that is not set",
    "The secret that the connection names is found nowhere, so nothing was sent. Set it in \
     `.env` or with `postroom secrets set`, or in the environment and restart, and redrive the \
     run. `postroom check` says which names are found where.",
);

/// A credential that no header can carry.
pub static BAD_CREDENTIAL: Kind = kind(
    "adapter/bad-credential",
    422,
    "a credential that no header can carry",
    "The credential holds a line break or a character beyond ASCII. Set it again as the provider \
     shows it, restart, and redrive the run.",
);

/// An input that does not fit the contract.
pub static ADAPTER_INPUT: Kind = kind(
    "adapter/input",
    422,
    "an input that the action does not take",
    "What `with` came to does not fit the contract of the action; the message names each value. \
     Nothing was sent. `postroom check` finds this beforehand where the event is described in \
     `schemas/`.",
);

/// No such method.
pub static ADAPTER_BAD_METHOD: Kind = kind(
    "adapter/bad-method",
    422,
    "a method that does not exist",
    "The request's method is none of those that can be sent; the hint lists them. Nothing was \
     sent.",
);

/// A URL that cannot be used.
pub static ADAPTER_BAD_URL: Kind = kind(
    "adapter/bad-url",
    422,
    "an address that cannot be used",
    "What the URL or a part of the path came to is empty, climbs out of its place or is no \
     address. Nothing was sent. Look at the value that the step was given.",
);

/// A URL that is too long.
pub static ADAPTER_URL_TOO_LONG: Kind = kind(
    "adapter/url-too-long",
    422,
    "an address that is too long",
    "With its query, the URL has more than 8,192 bytes. Nothing was sent. Send less in the \
     query, or send a body.",
);

/// No base URL.
pub static ADAPTER_NO_BASE_URL: Kind = kind(
    "adapter/no-base-url",
    422,
    "a path without an address",
    "The action names a path, but neither its adapter nor the connection says where the API is. \
     Set `baseUrl` of the connection, or give the whole URL.",
);

/// A header that cannot be sent.
pub static ADAPTER_BAD_HEADER: Kind = kind(
    "adapter/bad-header",
    422,
    "a header that cannot be sent",
    "A header's name or value cannot stand in a request, or belongs to the connection, which \
     sets it when sending. Nothing was sent.",
);

/// A request that makes no sense.
pub static ADAPTER_BAD_REQUEST: Kind = kind(
    "adapter/bad-request",
    422,
    "a request that cannot be made",
    "The request would have two bodies, or something must be an object and is none; the message \
     says what. Nothing was sent.",
);

/// A call that the action does not have.
pub static ADAPTER_NO_CALL: Kind = kind(
    "adapter/no-such-call",
    500,
    "a call that the action does not have",
    "The run stands at a call that this version of the adapter's manifest no longer has. Redrive \
     it once the manifest has the call again, or start anew by replaying the event.",
);

/// No recorded answer.
pub static ADAPTER_NO_EXAMPLE: Kind = kind(
    "adapter/no-example",
    422,
    "a call without a recorded answer",
    "The sandbox and tests answer from the manifest's `example`, and it records nothing for this \
     call. Add it there, or give an answer in the test.",
);

/// No look-up.
pub static ADAPTER_NO_LOOKUP: Kind = kind(
    "adapter/no-lookup",
    422,
    "a call that cannot be looked up",
    "The manifest does not say how to find out whether this call took effect. Look at the \
     provider, then resolve the run, or add a `lookup` to the call.",
);

/// A webhook that the manifest cannot describe.
pub static NOT_DESCRIBED: Kind = kind(
    "source/not-described",
    422,
    "a webhook whose event cannot be named",
    "The request is signed rightly, but its body lacks what `webhook.event` of the manifest \
     reads: the type or the id of the event. Nothing was stored. Correct the manifest.",
);
