//! The message of a request: which fields `mail` has.

use postroom_core::yaml::{Node, Source};
use postroom_expr::Mapping;

use super::names::Names;
use crate::mail::FIELDS;

/// Reads `mail`. Its fields are known here; what they hold only a run knows.
pub(super) fn read(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    names: &mut Names<'_>,
) -> Option<Mapping> {
    let mut fields = source.map(node, path)?;
    let mut entries = Vec::new();
    for name in FIELDS {
        if let Some(node) = fields.take(name) {
            entries.push((name.to_owned(), names.mapping(source, node)));
        }
    }
    fields.finish(source);
    Some(Mapping::Object(entries))
}
