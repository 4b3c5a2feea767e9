//! `adapter import`: a manifest made of an API description, or a list of what the description
//! has to offer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use postroom_adapters::import::{Description, Imported, Listed};
use postroom_core::yaml;
use serde_json::{Value, json};

use crate::cli::AdapterImport;
use crate::exit::{Failed, Said};
use crate::output::{self, Output, cell, plain};

/// The most names shown of those that share a reason.
const SHOWN: usize = 5;

/// Writes a manifest, or lists the operations where none are picked.
pub(super) fn run(args: &AdapterImport, output: &Output) -> Result<(), Failed> {
    let description = read(&args.spec)?;
    let picks = Picks { operations: &args.operations, tags: &args.tags, all: args.all };
    if picks.none() {
        return list(&description, output);
    }
    let listed = description.operations();
    picks.all_known(&listed)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&description),
    };
    if !is_name(&name) {
        let detail = format!("`{name}` is no name for an adapter");
        return Err(Failed::usage(detail, "give --name with 1 to 64 letters, digits, `_` or `-`"));
    }
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("adapters/{name}.yaml")));
    if !args.force && fs::symlink_metadata(&file).is_ok() {
        return Err(Failed::Conflict(Said {
            detail: format!("{} is there already", file.display()),
            hint: Some("name another file with --out, or overwrite it with --force".to_owned()),
        }));
    }
    let imported = description.import(&name, |operation| picks.pick(operation));
    if imported.actions.is_empty() {
        return Err(nothing(&imported));
    }
    write(&file, &imported.text)?;
    report(&file, &name, &imported, output)
}

/// Reads a description from a file or from standard input.
pub(super) fn read(spec: &Path) -> Result<Description, Failed> {
    let (name, text) = crate::commands::file_text(spec)?;
    let hint = "name an OpenAPI 3.0 or 3.1 description (JSON or YAML), or a Google Discovery \
                document";
    let root = yaml::read_description(&text)
        .map_err(|why| Failed::usage(format!("cannot read {name}: {why}"), hint))?;
    drop(text);
    Description::new(root).map_err(|why| {
        Failed::usage(format!("{name} is no description that can be imported: {why}"), hint)
    })
}

/// Which operations are wanted.
struct Picks<'a> {
    operations: &'a [String],
    tags: &'a [String],
    all: bool,
}

impl Picks<'_> {
    fn none(&self) -> bool {
        self.operations.is_empty() && self.tags.is_empty() && !self.all
    }

    fn pick(&self, listed: &Listed) -> bool {
        self.all
            || self.operations.iter().any(|wanted| fits(wanted, &listed.id))
            || listed.tags.iter().any(|tag| self.tags.iter().any(|wanted| fits(wanted, tag)))
    }

    /// Refuses what picks nothing: it is a slip.
    fn all_known(&self, listed: &[Listed]) -> Result<(), Failed> {
        for wanted in self.operations {
            if !listed.iter().any(|operation| fits(wanted, &operation.id)) {
                let near = postroom_expr::nearest(wanted, listed.iter().map(|it| it.id.as_str()));
                return Err(unknown("operation", wanted, near));
            }
        }
        for wanted in self.tags {
            let mut tags = listed.iter().flat_map(|operation| &operation.tags);
            if !tags.clone().any(|tag| fits(wanted, tag)) {
                let near = postroom_expr::nearest(wanted, tags.by_ref().map(String::as_str));
                return Err(unknown("tag", wanted, near));
            }
        }
        Ok(())
    }
}

fn unknown(what: &str, wanted: &str, near: Option<String>) -> Failed {
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "without --operations, --tag and --all, what there is is listed".to_owned(),
    };
    Failed::usage(format!("the description has no {what} `{wanted}`"), &hint)
}

/// Whether a name is the wanted one, where `*` stands for any letters.
fn fits(wanted: &str, name: &str) -> bool {
    let mut parts = wanted.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn list(description: &Description, output: &Output) -> Result<(), Failed> {
    let listed = description.operations();
    if output.json {
        let row = |it: &Listed| {
            json!({
                "id": it.id, "method": it.method, "path": it.path, "summary": it.summary,
                "tags": it.tags,
            })
        };
        let rows: Vec<Value> = listed.iter().map(row).collect();
        return output.print(&json!({ "data": rows }).to_string());
    }
    let row = |it: &Listed| {
        vec![
            cell(&it.id),
            cell(it.tags.join(", ")),
            cell(&it.method),
            cell(&it.path),
            cell(&it.summary),
        ]
    };
    let head = ["OPERATION", "TAGS", "METHOD", "PATH", "SUMMARY"];
    output.print(&output.table(&head, listed.iter().map(row).collect()))?;
    output.say(&output::hint(&format!(
        "{} has {} operations: pick some with --operations ID,ID (`*` stands for any letters) or \
         --tag TAG, or take --all",
        plain(description.title()),
        listed.len()
    )));
    Ok(())
}

/// A name made of the title of the API: its first word that says something.
fn name_of(description: &Description) -> String {
    let title = description.title().to_ascii_lowercase();
    let mut words = title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !["", "the", "api", "rest", "http", "v1", "v2", "v3"].contains(word));
    words.next().unwrap_or("api").chars().take(64).collect()
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

fn write(file: &Path, text: &str) -> Result<(), Failed> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

/// None of the operations could be imported: nothing is written.
fn nothing(imported: &Imported) -> Failed {
    let why: Vec<String> =
        imported.left_out.iter().take(SHOWN).map(|(id, why)| format!("{id}: {why}")).collect();
    Failed::Other(anyhow::anyhow!("nothing was imported: {}", why.join("; ")))
}

fn report(file: &Path, name: &str, imported: &Imported, output: &Output) -> Result<(), Failed> {
    let Imported { actions, left_out, remarks, .. } = imported;
    if output.json {
        let action = |(name, operation): &(String, String)| {
            let (action, operation) = (name, operation);
            json!({ "action": action, "operation": operation })
        };
        let left =
            |(operation, why): &(String, String)| json!({ "operation": operation, "why": why });
        let document = json!({
            "adapter": name,
            "file": file.display().to_string(),
            "actions": actions.iter().map(action).collect::<Vec<_>>(),
            "left_out": left_out.iter().map(left).collect::<Vec<_>>(),
            "remarks": remarks,
        });
        return output.print(&document.to_string());
    }
    let (count, all) = (actions.len(), actions.len() + left_out.len());
    let mut text = format!("{}: {count} of {all} operations\n", file.display());
    if !left_out.is_empty() {
        text.push_str("\nleft out:\n");
        for (why, ids) in by_reason(left_out) {
            let more = ids.len().saturating_sub(SHOWN);
            let mut shown = ids[..ids.len() - more].join(", ");
            if more > 0 {
                shown.push_str(&format!(" and {more} more"));
            }
            text.push_str(&format!("  {why}: {shown}\n"));
        }
    }
    if !remarks.is_empty() {
        text.push_str("\nto know:\n");
        let more = remarks.len().saturating_sub(4 * SHOWN);
        for remark in &remarks[..remarks.len() - more] {
            text.push_str(&format!("  {remark}\n"));
        }
        if more > 0 {
            text.push_str(&format!("  and {more} more, which --json prints\n"));
        }
    }
    let shown: String = text.lines().flat_map(|line| [plain(line), "\n".into()]).collect();
    output.print(&shown)?;
    if let Some((action, _)) = actions.first() {
        let hint = format!("a step says `uses: {name}/{action}`; `postroom check` reads the file");
        output.say(&output::hint(&hint));
    }
    Ok(())
}

fn by_reason(left_out: &[(String, String)]) -> BTreeMap<&str, Vec<&str>> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, why) in left_out {
        reasons.entry(why).or_default().push(id);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (wanted, name, holds) in [
            ("issues/create", "issues/create", true),
            ("issues/create", "issues/create-comment", false),
            ("issues/*", "issues/create", true),
            ("*create*", "issues/create-comment", true),
            ("*/create", "issues/create-comment", false),
            ("a*b*b", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(wanted, name), holds, "{wanted} {name}");
        }
    }
}
