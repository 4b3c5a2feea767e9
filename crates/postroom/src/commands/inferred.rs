//! `events schema`: what the events of a type have in common, as the JSON Schema that `check` holds
//! workflows against.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use postroom_core::infer::Shape;
use postroom_expr::JsonView;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{List, read, read_row};
use crate::cli::EventSchema;
use crate::exit::{Failed, Said};
use crate::output::{self, Output, plain};
use crate::reach::{Ask, Reach};
use crate::{config, contracts, home};

/// The most rows of one page of the API.
const PAGE: u16 = 500;

/// Infers the schema, and prints it or writes it where `check` looks.
pub(super) async fn run(
    args: &EventSchema,
    reach: &Reach,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    // Before many requests are made for it.
    let file = args.write.then(|| file(&args.kind, options, args.force)).transpose()?;
    let (shape, seen) = learn(&args.kind, args.limit, reach).await?;
    if seen == 0 {
        return Err(Failed::Other(anyhow!("there are no events of type `{}`", args.kind)));
    }
    let schema = document(&shape, seen);
    let Some(file) = file else {
        return output.print(&format!("{schema:#}"));
    };
    write(&file, &format!("{schema:#}\n"), args.force)?;
    if output.json {
        let written = json!({ "written": file.display().to_string(), "events": seen });
        return output.print(&written.to_string());
    }
    output.print(&plain(&file.display().to_string()))?;
    output.say(&output::hint(
        "look it over, above all what is required; `postroom check` holds workflows against it",
    ));
    Ok(())
}

/// What the newest events of a type have in common, and how many there were.
async fn learn(kind: &str, limit: u16, reach: &Reach) -> Result<(Shape, u16), Failed> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
    }
    #[derive(Deserialize)]
    struct Shown<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let (mut shape, mut seen, mut cursor) = (Shape::default(), 0, None);
    while seen < limit {
        let page = Ask::get(&["events"])
            .query("type", Some(kind))
            .query("limit", Some(PAGE.min(limit - seen)))
            .query("cursor", cursor.as_ref());
        let answer = reach.ask(page).await?;
        let page: List<'_> = read(&answer)?;
        for row in &page.data {
            let Row { id } = read_row(row)?;
            let event = reach.ask(Ask::get(&["events", &id])).await?;
            shape.learn(JsonView::from_raw(read::<Shown<'_>>(&event)?.data));
            seen += 1;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok((shape, seen))
}

fn document(shape: &Shape, seen: u16) -> Value {
    let mut schema = shape.schema();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    let events = if seen == 1 { "1 event".to_owned() } else { format!("{seen} events") };
    schema["description"] = format!("Inferred from {events}; look it over.").into();
    schema
}

/// Where the schema of an event type lies in the project.
fn file(kind: &str, options: &home::Options, force: bool) -> Result<PathBuf, Failed> {
    if kind.contains(['/', '\\']) || kind.starts_with('.') {
        let detail = format!("`{kind}` cannot be the name of a file");
        return Err(Failed::usage(detail, "print the schema, and write it where it should be"));
    }
    let config = config::path(options.config.as_deref())?;
    let file = config::folder_of(&config).join(contracts::FOLDER).join(format!("{kind}.json"));
    if !force && fs::symlink_metadata(&file).is_ok() {
        return Err(there(&file));
    }
    Ok(file)
}

fn there(file: &Path) -> Failed {
    Failed::Conflict(Said {
        detail: format!("{} is there already", file.display()),
        hint: Some("overwrite it with --force, or print the schema and compare".to_owned()),
    })
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Failed> {
    let why = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(why)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!force);
    let mut opened = match options.open(file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(there(file)),
        opened => opened.with_context(why)?,
    };
    Ok(opened.write_all(text.as_bytes()).with_context(why)?)
}
