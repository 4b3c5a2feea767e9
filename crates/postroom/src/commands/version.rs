//! `version`: which build this is.

use serde_json::json;

use crate::exit::Failed;
use crate::output::Output;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Set by whoever builds a release.
const COMMIT: Option<&str> = option_env!("POSTROOM_COMMIT");

/// Prints the version.
pub(super) fn run(output: &Output) -> Result<(), Failed> {
    if output.json {
        return output.print(&json!({ "version": VERSION, "commit": COMMIT }).to_string());
    }
    let commit = COMMIT.map(|commit| format!(" ({commit})")).unwrap_or_default();
    output.print(&format!("postroom {VERSION}{commit}"))
}
