//! Documents that others wrote, as plain JSON: API descriptions, in JSON or YAML. Larger than any
//! file of a project, and read without the places of their nodes.

use serde_json::Value;
use serde_saphyr::{Budget, Options};

/// The largest document that is read, in bytes.
const MAX_BYTES: usize = 32 << 20;
/// The most scalars, lists and mappings of one.
const MAX_NODES: usize = 2_000_000;

/// Reads a document: JSON where it begins like that, else YAML.
///
/// # Errors
/// Why it cannot be read, with the line.
pub fn read(text: &str) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it has {} bytes, at most {MAX_BYTES} are read", text.len()));
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let mut budget = Budget::default();
    budget.max_nodes = MAX_NODES;
    budget.max_events = 4 * MAX_NODES;
    budget.max_total_scalar_bytes = MAX_BYTES;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.with_snippet = false;
    options.strict_booleans = true;
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| error.without_snippet().to_string())
}
