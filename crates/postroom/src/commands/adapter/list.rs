//! `adapter list`: every adapter in a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use postroom_adapters::{Adapter, Catalog};
use serde_json::{Value, json};

use crate::exit::Failed;
use crate::output::{Output, cell};

/// Lists all adapters of a catalog.
pub(super) fn run(catalog: &Catalog, output: &Output) -> Result<(), Failed> {
    if output.json {
        let rows: Vec<Value> = catalog.adapters().map(|it| document(it, catalog)).collect();
        return output.print(&json!({ "data": rows }).to_string());
    }
    let rows = catalog.adapters().map(|adapter| {
        vec![
            cell(&adapter.name),
            cell(&adapter.title),
            cell(if adapter.webhook.is_some() { "yes" } else { "no" }),
            cell(origin(adapter, catalog)),
            cell(names(adapter).join(", ")),
        ]
    });
    let head = ["ADAPTER", "TITLE", "WEBHOOK", "FROM", "ACTIONS"];
    output.print(&output.table(&head, rows.collect()))
}

fn document(adapter: &Arc<Adapter>, catalog: &Catalog) -> Value {
    json!({
        "name": adapter.name,
        "title": adapter.title,
        "docs": adapter.docs_url,
        "own": catalog.is_own(&adapter.name),
        "file": adapter.file,
        "webhook": adapter.webhook.is_some(),
        "actions": adapter.actions.iter().map(|action| json!({
            "name": action.name,
            "version": action.version,
            "summary": action.summary,
        })).collect::<Vec<_>>(),
    })
}

/// Where an adapter comes from: the project's file, or Postroom.
pub(super) fn origin<'a>(adapter: &'a Adapter, catalog: &Catalog) -> &'a str {
    if catalog.is_own(&adapter.name) { &adapter.file } else { "built in" }
}

/// The names of its actions, each once, in order.
fn names(adapter: &Adapter) -> Vec<&str> {
    let names: BTreeSet<&str> = adapter.actions.iter().map(|action| action.name.as_str()).collect();
    names.into_iter().collect()
}
