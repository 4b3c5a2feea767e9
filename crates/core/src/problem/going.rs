//! The rows of what may become of a run while it is at work.

use super::Kind;
use super::table::kind;

/// A call was under way when the process stopped.
pub static OWNER_LOST: Kind = kind(
    "call/owner-lost",
    500,
    "the process stopped in the middle of a call",
    "A request was sent to a provider that honours no idempotency key, and the process stopped \
     before the answer was kept. Whether it took effect is not known, so it is not sent again. \
     Look at the provider, then redrive the run or discard it.",
);

/// A run took too long.
pub static RUN_TIMEOUT: Kind = kind(
    "run/timeout",
    504,
    "a run took longer than its workflow allows",
    "The `timeout` of a workflow bounds the time from the start of a run to its end. Calls under \
     way were cut off where they may be repeated, and waited for where they may not. The steps of \
     `on_failure` ran, and the run is a dead letter. A redrive gives it the whole time again.",
);

/// What a list is made of cannot be used.
pub static BAD_LIST: Kind = kind(
    "step/bad-list",
    422,
    "a list that a step cannot go through",
    "`each` came to something that is no list, to more than 1000 items, or, when the run went on, \
     to another number of items than it had at first. Mend the mapping; for more items, emit an \
     event or call a workflow for each part of them.",
);

/// A time to wait for that is none.
pub static BAD_WAIT: Kind = kind(
    "step/bad-wait",
    422,
    "a time that a step cannot wait for",
    "`wait` came to something that is no duration, such as `3d`, or no time, such as \
     `2026-01-31T12:00:00Z`, or to more than 366 days from now.",
);

/// A workflow that cannot be called.
pub static NOT_CALLABLE: Kind = kind(
    "workflow/not-callable",
    422,
    "a workflow that cannot be called",
    "A step calls a workflow that does not exist, or that does not say `call` under `on`. A \
     workflow is called only if it says so, because it has to expect the data it is given.",
);

/// A called run did not end well.
pub static CALLED_FAILED: Kind = kind(
    "run/called-failed",
    424,
    "a run that another one waited for did not end well",
    "A step called a workflow, and that run is a dead letter or was cancelled, so the run that \
     waited for it failed. Redrive the called run first, and then the one that waited: it takes \
     what the called run came to and does not start another.",
);

/// A called run took too long.
pub static CALLED_LATE: Kind = kind(
    "run/called-late",
    504,
    "a run that another one waited for took too long",
    "A step waited for the run of a workflow that it called for as long as its `timeout` allows. \
     That run goes on by itself. Redrive the one that waited when it has ended, or give the step \
     more time.",
);

/// Nothing waits for this answer.
pub static NOTHING_WAITS: Kind = kind(
    "run/nothing-waits",
    409,
    "nothing waits for that answer",
    "The run has no step that asks a person, or it was answered already, or its time was over.",
);
