//! The rows of dry runs.

use super::Kind;
use super::table::kind;

/// Whether it is to be a dry run is not clear.
pub static DRY_UNCLEAR: Kind = kind(
    "dry-run/unclear",
    400,
    "whether this is a dry run is not clear",
    "The request speaks of a dry run, but not so that it is certain: the parameter is `dry`, the \
     header `X-Dry-Run`, each of them `true` or `false`, once, and both say the same. Nothing was \
     taken in and nothing sent, because what was meant as a trial must not go out.",
);

/// Too many dry runs at once.
pub static DRY_BUSY: Kind = kind(
    "dry-run/busy",
    429,
    "too many dry runs at once",
    "A server plays few dry runs at the same time, so that they do not take the processors from \
     real work. Try again after the seconds in `Retry-After`, or use `postroom plan`, which needs \
     no server.",
);

/// A dry run that does not come to an end.
pub static DRY_ENDLESS: Kind = kind(
    "dry-run/endless",
    422,
    "a dry run that does not come to an end",
    "Played on, the event would start more runs, retries or data than a dry run of a server goes \
     into. `postroom plan` has no such bound. If that does not end either, workflows start each \
     other, or a step repeats without end.",
);
