//! `adapter drift`: a manifest against a newer description of its API.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use comfy_table::Color;
use postroom_adapters::import::{Change, Drift};
use postroom_adapters::{Adapter, Catalog};
use serde_json::{Value, json};

use crate::exit::Failed;
use crate::output::{Output, cell};
use crate::{config, home};

/// Compares, and ends well where nothing breaks.
pub(super) fn run(
    manifest: &str,
    spec: &Path,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let adapter = adapter(manifest, options)?;
    let drift = super::import::read(spec)?.drift(&adapter);
    if drift.compared == 0 {
        let detail = format!("no request of {manifest} can be compared: none has a fixed path");
        return Err(Failed::usage(detail, "compare an adapter whose requests have a `path`"));
    }
    match output.json {
        true => output.print(&document(&adapter, &drift).to_string())?,
        false => output.print(&shown(&adapter, &drift, output))?,
    }
    match drift.changes.iter().filter(|change| change.breaks).count() {
        0 => Ok(()),
        count => Err(Failed::Other(anyhow!("{count} changes break {}", adapter.name))),
    }
}

/// The adapter of a file or of a name.
fn adapter(manifest: &str, options: &home::Options) -> Result<Arc<Adapter>, Failed> {
    let path = Path::new(manifest);
    if path.extension().is_some_and(|end| end == "yaml" || end == "yml") || path.is_file() {
        let text = config::read(path)?;
        return Ok(Catalog::default().insert(manifest, &text)?);
    }
    super::adapter(manifest, &super::known(options)?.catalog)
}

fn document(adapter: &Adapter, drift: &Drift) -> Value {
    let change = |change: &Change| {
        json!({
            "action": change.action, "version": change.version, "at": change.at,
            "what": change.what, "breaks": change.breaks,
        })
    };
    json!({
        "adapter": adapter.name,
        "compared": drift.compared,
        "changes": drift.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn shown(adapter: &Adapter, drift: &Drift, output: &Output) -> String {
    if drift.changes.is_empty() {
        return format!(
            "{}: {} requests compared, nothing is different\n",
            adapter.name, drift.compared
        );
    }
    // What breaks comes first.
    let mut changes: Vec<&Change> = drift.changes.iter().collect();
    changes.sort_by_key(|change| !change.breaks);
    let row = |change: &&Change| {
        let word = match change.breaks {
            true => cell("breaks").fg(Color::Red),
            false => cell("new").fg(Color::Green),
        };
        vec![word, cell(&change.action), cell(&change.at), cell(&change.what)]
    };
    output.table(&["", "ACTION", "AT", "WHAT"], changes.iter().map(row).collect())
}
