//! `capture`: a run, dead letters included, as a test of the project.

use std::borrow::Cow;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use postroom_core::{Entry, Run, RunId};
use postroom_engine::{Redactor, Secrets as _};
use serde::Deserialize;

use super::read;
use crate::assemble::{Assembled, assemble};
use crate::cli::Global;
use crate::exit::{Failed, Said};
use crate::fixture::captured::{Told, capture};
use crate::fixture::event::Staged;
use crate::fixture::veil::Veil;
use crate::output::{self, Output};
use crate::reach::{Ask, Reach};
use crate::{config, contracts, home};

/// What stands beside the run's own fields.
#[derive(Deserialize)]
struct Beside {
    journal: Vec<Entry>,
}

/// Makes a test of a run.
pub(super) async fn run(
    id: RunId,
    out: Option<&Path>,
    global: &Global,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let Assembled { project, secrets, .. } = assemble(&loaded)?;
    let reach = Reach::find(global).await?;
    let answer = reach.ask(Ask::get(&["runs", &id.to_string()])).await?;
    let run: Run = read(&answer)?;
    let beside: Beside = read(&answer)?;
    let event = reach.ask(Ask::get(&["events", &run.event.to_string()])).await?;
    let event = Staged::of_json(&event).map_err(|why| anyhow!("the event: {why}"))?;
    let personal = &loaded.config.personal;
    secrets.ask().await;
    // What a schema marks as secret is nobody's business either.
    let marked = contracts::events(&loaded.folder, &mut Vec::new()).marked;
    let marked = marked.into_values().flatten().filter_map(|mut path| {
        path.retain(|name| name != "[]");
        path.pop()
    });
    let hidden: Vec<String> = personal.iter().cloned().chain(marked).collect();
    let veil = Veil::new(&secrets.by_name(), &hidden);
    let told = Told { run, event, journal: beside.journal };
    let redactor = Redactor::new(&secrets.all());
    let mut captured = capture(&told, &project, veil).map_err(|why| anyhow!(why))?;
    // The veil knows secrets as they are; here go the forms in which others write them.
    if let Cow::Owned(clean) = redactor.values(&captured.text) {
        captured.text = clean;
    }
    match out {
        Some(file) => {
            write(file, &captured.text)?;
            output.say(&output::hint(&format!("postroom test {} plays it", file.display())));
        }
        None => output.print(&captured.text)?,
    }
    for note in &captured.notes {
        output.say(&output::hint(note));
    }
    if personal.is_empty() {
        output.say(&output::hint(
            "no fields are said to be personal (privacy.personal in the configuration): look the \
             test over before others see it",
        ));
    }
    Ok(())
}

/// Writes a new file; one that is there stays as it is.
fn write(file: &Path, text: &str) -> Result<(), Failed> {
    let why = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(why)?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(mut fresh) => Ok(fresh.write_all(text.as_bytes()).with_context(why)?),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failed::Conflict(Said {
                detail: format!("{} is there already", file.display()),
                hint: Some("name another file".to_owned()),
            }))
        }
        Err(error) => Err(Failed::Other(anyhow::Error::new(error).context(why()))),
    }
}
