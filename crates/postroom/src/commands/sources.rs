//! `sources`: where events come in, read from the project; and the tokens that providers showed.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

use postroom_engine::source::Takes;
use serde_json::json;

use crate::cli::Sources;
use crate::exit::Failed;
use crate::home::{self, Home};
use crate::output::{self, Output, cell};
use crate::{assemble, config};

/// Carries out `sources ...`.
pub(super) fn run(
    command: &Sources,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    match command {
        Sources::List => list(options, output),
        Sources::Token { name } => token(name, options, output),
    }
}

fn list(options: &home::Options, output: &Output) -> Result<(), Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let assembled = assemble::assemble(&loaded)?;
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for source in &assembled.sources {
        let off = source.off(&assembled.secrets).is_some();
        let (title, secrets) = match &source.takes {
            Takes::Envelope { token } => ("events", token.iter().cloned().collect()),
            Takes::Webhook(mounted) => {
                let names: BTreeSet<String> =
                    mounted.secrets.iter().map(|(_, name)| name.clone()).collect();
                (mounted.title.as_str(), names)
            }
        };
        let state = if off { "off" } else { "on" };
        let names: Vec<&str> = secrets.iter().map(String::as_str).collect();
        rows.push(vec![
            cell(&source.name),
            cell(&source.path),
            cell(title),
            cell(state),
            cell(names.join(", ")),
        ]);
        documents.push(json!({
            "name": source.name,
            "path": source.path,
            "takes": title,
            "state": state,
            "secrets": names,
        }));
    }
    if output.json {
        return output.print(&json!({ "data": documents }).to_string());
    }
    output.print(&output.table(&["SOURCE", "PATH", "TAKES", "STATE", "SECRETS"], rows))
}

fn token(name: &str, options: &home::Options, output: &Output) -> Result<(), Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let file = Home::of(&loaded, options).shown_file(name);
    let token = match fs::read_to_string(&file) {
        Ok(token) => token,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let detail = format!("no provider has shown a token to a source `{name}`");
            let hint = "enter the address of the source at the provider while the server runs";
            return Err(Failed::usage(detail, hint));
        }
        Err(error) => {
            let why = anyhow::Error::new(error).context(format!("cannot read {}", file.display()));
            return Err(Failed::Other(why));
        }
    };
    if output.json {
        return output.print(&json!({ "token": token }).to_string());
    }
    output.print(&token)?;
    output.say(&output::hint(&format!(
        "enter it at the provider, which proves that it came from there; then set it as the \
         secret of `{name}`, restart, and remove {}",
        file.display()
    )));
    Ok(())
}
