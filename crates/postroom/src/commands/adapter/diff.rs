//! `adapter diff`: what breaks where one contract takes the place of another, in the contract and
//! in the workflows of the project.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use comfy_table::Color;
use postroom_adapters::{Action, Adapter, Catalog};
use postroom_core::definition::ActionRef;
use serde_json::{Value, json};

use super::changes::{self, Change};
use super::{Known, not_there};
use crate::assemble::{Held, against};
use crate::exit::Failed;
use crate::output::{self, Output, cell, plain};
use crate::{check, config};

/// One side of the comparison.
struct Side {
    adapter: Arc<Adapter>,
    /// The action, where one is named.
    action: Option<Arc<Action>>,
    catalog: Catalog,
}

/// An action on both sides; one that is on one side only is gone, or new.
struct Pair {
    old: Option<Arc<Action>>,
    new: Option<Arc<Action>>,
    changes: Vec<Change>,
}

/// Compares two actions, adapters or manifests. Ends well where nothing breaks.
pub(super) fn run(old: &str, new: &str, known: &Known, output: &Output) -> Result<(), Failed> {
    let (old, new) = (side(old, known)?, side(new, known)?);
    if old.action.is_some() != new.action.is_some() {
        let hint = "name two actions, as in `stripe/refund@1 stripe/refund@2`, or two adapters or \
                    manifests";
        return Err(Failed::usage("an action cannot be compared with a whole adapter", hint));
    }
    let pairs = pairs(&old, &new);
    let held = match &known.loaded {
        Some(loaded) => {
            let catalogs = (&old.catalog, &new.catalog);
            against(loaded, catalogs, &|uses| becomes(uses, &old, &new))?
        }
        None => Held { used: Vec::new(), breaks: Vec::new() },
    };
    match output.json {
        true => output.print(&document(&pairs, &held).to_string())?,
        false => output.print(&shown(&pairs, &held, known.loaded.is_some(), output))?,
    }
    let broken = pairs.iter().flat_map(|pair| &pair.changes).filter(|it| it.breaks).count();
    match (broken, held.breaks.len()) {
        (0, 0) => Ok(()),
        (contract, workflows) => {
            let workflows = match (&known.loaded, workflows) {
                (None, _) => String::new(),
                (Some(_), 0) => ", nothing that a workflow here relies on".to_owned(),
                (Some(_), places) => format!(", {places} places in workflows"),
            };
            Err(Failed::Other(anyhow!("{contract} changes break the contract{workflows}")))
        }
    }
}

/// What a name stands for: an action, an adapter, or the file of a manifest.
fn side(name: &str, known: &Known) -> Result<Side, Failed> {
    let path = Path::new(name);
    if path.extension().is_some_and(|end| end == "yaml" || end == "yml") || path.is_file() {
        let text = config::read(path)?;
        let mut catalog = known.catalog.clone();
        let adapter = catalog.insert(name, &text)?;
        return Ok(Side { adapter, action: None, catalog });
    }
    let catalog = known.catalog.clone();
    if let Some(uses) = ActionRef::parse(name) {
        let (adapter, action) = catalog.action(&uses).map_err(not_there)?;
        return Ok(Side { adapter, action: Some(action), catalog });
    }
    let adapter = super::adapter(name, &catalog)?;
    Ok(Side { adapter, action: None, catalog })
}

/// Which action a step would use instead of what it names.
fn becomes(uses: &ActionRef, old: &Side, new: &Side) -> Option<ActionRef> {
    if uses.adapter != old.adapter.name {
        return None;
    }
    let adapter = new.adapter.name.clone();
    let (Some(was), Some(is)) = (&old.action, &new.action) else {
        return Some(ActionRef { adapter, ..uses.clone() });
    };
    let (_, used) = old.catalog.action(uses).ok()?;
    let concerned = used.name == was.name && used.version == was.version;
    concerned.then(|| ActionRef { adapter, action: is.name.clone(), version: Some(is.version) })
}

fn pairs(old: &Side, new: &Side) -> Vec<Pair> {
    if let (Some(old), Some(new)) = (&old.action, &new.action) {
        return vec![pair(Some(old), Some(new))];
    }
    let names = |side: &Side| -> BTreeSet<(String, u32)> {
        side.adapter.actions.iter().map(|it| (it.name.clone(), it.version)).collect()
    };
    let find = |side: &Side, name: &str, version: u32| -> Option<Arc<Action>> {
        let mut actions = side.adapter.actions.iter();
        actions.find(|it| it.name == name && it.version == version).cloned()
    };
    let all: BTreeSet<(String, u32)> = names(old).union(&names(new)).cloned().collect();
    let each = all.iter().map(|(name, version)| {
        pair(find(old, name, *version).as_ref(), find(new, name, *version).as_ref())
    });
    each.filter(|pair| !pair.changes.is_empty()).collect()
}

fn pair(old: Option<&Arc<Action>>, new: Option<&Arc<Action>>) -> Pair {
    let whole = |what: &str, breaks| {
        vec![Change { at: "action".to_owned(), what: what.to_owned(), breaks }]
    };
    let changes = match (old, new) {
        (Some(old), Some(new)) => changes::of(old, new),
        (Some(_), None) => whole("is gone", true),
        _ => whole("is new", false),
    };
    Pair { old: old.cloned(), new: new.cloned(), changes }
}

fn name(action: Option<&Arc<Action>>) -> Option<String> {
    action.map(|action| format!("{action}@{}", action.version))
}

fn title(pair: &Pair) -> String {
    match (name(pair.old.as_ref()), name(pair.new.as_ref())) {
        (Some(old), Some(new)) if old != new => format!("{old} -> {new}"),
        (old, new) => new.or(old).unwrap_or_default(),
    }
}

fn shown(pairs: &[Pair], held: &Held, in_project: bool, output: &Output) -> String {
    let mut text = String::new();
    for pair in pairs {
        text.push_str(&output::heading(&plain(&title(pair))));
        let row = |change: &Change| {
            let (word, color) =
                if change.breaks { ("breaks", Color::Red) } else { ("else", Color::Green) };
            vec![cell(word).fg(color), cell(&change.at), cell(&change.what)]
        };
        match pair.changes.is_empty() {
            true => text.push_str("nothing differs\n"),
            false => {
                text.push_str(&output.table(&[], pair.changes.iter().map(row).collect()));
            }
        }
        text.push('\n');
    }
    if pairs.is_empty() {
        text.push_str("nothing differs\n\n");
    }
    if !in_project {
        return text;
    }
    text.push_str(&output::heading("in the workflows of the project"));
    if held.used.is_empty() {
        text.push_str("no step uses it\n");
        return text;
    }
    let rows = held.used.iter().map(|used| {
        let step = format!("{}/{}", used.workflow, used.step);
        vec![cell(&used.file), cell(step), cell(used.uses.to_string())]
    });
    text.push_str(&output.table(&["FILE", "STEP", "USES"], rows.collect()));
    text.push('\n');
    if held.breaks.is_empty() {
        text.push_str("nothing breaks there\n");
    }
    for problem in &held.breaks {
        text.push_str(&output::problem(problem, &output::bad("breaks:")));
    }
    text
}

fn document(pairs: &[Pair], held: &Held) -> Value {
    let rows = |pair: &Pair, breaks: bool| -> Vec<Value> {
        let of = pair.changes.iter().filter(|change| change.breaks == breaks);
        of.map(|change| json!({ "at": change.at, "what": change.what })).collect()
    };
    json!({
        "actions": pairs.iter().map(|pair| json!({
            "old": name(pair.old.as_ref()),
            "new": name(pair.new.as_ref()),
            "breaks": rows(pair, true),
            "others": rows(pair, false),
        })).collect::<Vec<_>>(),
        "used": held.used.iter().map(|used| json!({
            "file": used.file,
            "workflow": used.workflow,
            "step": used.step,
            "uses": used.uses.to_string(),
        })).collect::<Vec<_>>(),
        "breaks": held.breaks.iter().map(check::row).collect::<Vec<_>>(),
    })
}
