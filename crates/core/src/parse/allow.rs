//! The lints that a workflow accepts: `allow: [lint/many-calls]`. They decide nothing about a run,
//! so the workflow does not hold them; [`crate::lint`] reads them from the tree of the file.

use crate::problem::{self, Problem};
use crate::yaml::{Node, Source, Value};

/// Reports what is no list of codes. A code that there is not is a lint, not a fault: a stored
/// workflow is read long after a code was given another name.
pub(super) fn read(source: &mut Source<'_>, node: &Node) {
    for (index, item) in source.list(node, "allow").unwrap_or_default().iter().enumerate() {
        if !matches!(item.value, Value::Str(_)) {
            let detail = format!("`allow[{index}]` must be the code of a lint");
            let hint = "write for example `allow: [lint/no-idempotency]`";
            source.report(Problem::new(&problem::WRONG_TYPE, detail).hint(hint), item.at);
        }
    }
}
