//! `workflows rollback`: writes an earlier version back into its file. Workflows are code, so the
//! file is what changes; what runs is another matter, and is said.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::super::ask;
use super::super::versions::{Kept, Version, short};
use super::sides::{self, Here, Side};
use crate::assemble::{Changed, examine_changed};
use crate::exit::{Failed, Said};
use crate::home;
use crate::output::{self, Output};

/// What is wanted.
pub(super) struct Order<'a> {
    /// The workflow.
    pub name: &'a str,
    /// The version to go back to.
    pub target: &'a Version,
    /// Changes that no version has are given up.
    pub force: bool,
    /// Nobody is to be asked.
    pub yes: bool,
}

/// Rolls a workflow back.
pub(super) async fn run(
    order: &Order<'_>,
    kept: &Kept,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let here = Here::find(order.name, kept, options)?;
    let title = short(order.target.definition);
    if here.text.as_ref() == Some(&order.target.text) {
        return told(order, &here, false, output);
    }
    if let Some(text) = &here.text
        && !order.force
        && !kept.data.iter().any(|version| version.text == *text)
    {
        return Err(Failed::Conflict(Said {
            detail: format!("{} has changes that no version has", here.path.display()),
            hint: Some(format!(
                "`postroom workflows diff {} {title} disk` shows them; --force gives them up",
                order.name
            )),
        }));
    }
    if !order.yes && (output.json || !output.can_ask()) {
        let detail = format!("this would change {}, and there is nobody to ask", here.file);
        return Err(Failed::usage(detail, "add --yes, or run it at a terminal"));
    }
    let changed = Changed { path: &here.path, text: &order.target.text };
    let problems = examine_changed(&here.loaded, &changed).problems;
    if !problems.is_empty() {
        output.say(&format!(
            "with version {title} of {} the project would not pass `postroom check`; nothing was \
             written",
            order.name
        ));
        return Err(Failed::Problems(problems));
    }
    if !output.json {
        show(order, &here, output)?;
    }
    if !order.yes && !ask::yes(&format!("write this into {}?", here.file), output).await? {
        return Err(Failed::Declined);
    }
    write(&here.path, &order.target.text)?;
    told(order, &here, true, output)
}

/// Shows what will change.
fn show(order: &Order<'_>, here: &Here, output: &Output) -> Result<(), Failed> {
    if here.text.is_none() {
        return output.print(&format!("{} is not there and will be written", here.file));
    }
    let diff = sides::diff(&here.side()?, &Side::of(order.target));
    let lines: String = diff.lines().map(|line| output::changed(line) + "\n").collect();
    output.print(&lines)
}

/// Writes the file whole or not at all, with the permissions it has.
fn write(path: &Path, text: &str) -> Result<(), Failed> {
    let why = || format!("cannot write {}", path.display());
    // What is behind a link is written, not the link.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    // No workflow is read from a file with this ending.
    let fresh = path.with_extension("yaml.new");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(why)?;
    }
    fs::write(&fresh, text).with_context(why)?;
    if let Ok(known) = fs::metadata(path) {
        fs::set_permissions(&fresh, known.permissions()).with_context(why)?;
    }
    Ok(fs::rename(&fresh, path).with_context(why)?)
}

/// Says what was done and what is to be done now.
fn told(order: &Order<'_>, here: &Here, written: bool, output: &Output) -> Result<(), Failed> {
    let target = order.target;
    if output.json {
        let document = json!({
            "workflow": order.name,
            "file": here.file,
            "definition": target.definition,
            "written": written,
        });
        return output.print(&document.to_string());
    }
    let already = if written { "now" } else { "already" };
    let title = short(target.definition);
    output.print(&format!("{} is {already} as in version {title}", here.file))?;
    if target.defaults != here.loaded.config.defaults {
        output.say(&output::hint(
            "the defaults of the configuration have changed since, so it will be another version",
        ));
    }
    if target.active && target.defaults == here.loaded.config.defaults {
        output.say(&output::hint("that is the active version: nothing has to be started anew"));
        return Ok(());
    }
    output.say(&output::hint(
        "restart `postroom serve` for new events to take it (`postroom dev` takes it by itself); \
         runs go on with the version they started with",
    ));
    Ok(())
}
