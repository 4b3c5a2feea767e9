//! `secrets edit`: what is sealed, open in an editor for a while. It lies in a file that only its
//! owner may read and that is gone afterwards, however the editor or Postroom ends, short of a
//! power cut.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::{now, problems, there};
use crate::commands::ask;
use crate::config::{Environment, Loaded};
use crate::exit::Failed;
use crate::home;
use crate::output::{self, Output};
use crate::secrets::sealed::{self, Entries, Sealed, write_private};

/// What the editor shows first.
const REMARK: &str =
    "# NAME: \"value\". Quotes around every value; a line that is left out is gone.\n";

/// A file that is removed when it is no longer needed.
struct Open(PathBuf);

impl Drop for Open {
    fn drop(&mut self) {
        // Nothing is left to tell it to; the folder may be gone.
        let _ = std::fs::remove_file(&self.0);
        // Editors leave their own beside it.
        for end in ["~", ".swp", ".bak"] {
            let mut beside = self.0.clone().into_os_string();
            beside.push(end);
            let _ = std::fs::remove_file(beside);
        }
    }
}

pub(super) async fn run(loaded: &Loaded, sealed: &Sealed, output: &Output) -> Result<(), Failed> {
    there(sealed)?;
    sealed.recipients().map_err(problems)?;
    let before = sealed.read(&loaded.environment).map_err(problems)?;
    let path = folder(&loaded.environment).join(format!("{}.yaml", home::random_token()?));
    let open = Open(path);
    write_private(&open.0, &format!("{REMARK}{}", sealed::render(&before)), false)
        .map_err(problems)?;
    let entries = loop {
        editor(&loaded.environment, &open.0).await?;
        let text = std::fs::read_to_string(&open.0).context("cannot read what was edited")?;
        match sealed::parse(&sealed.path.display().to_string(), &text) {
            Ok(entries) => break entries,
            Err(problem) if output.can_ask() => {
                output.say(&problem.to_string());
                if !ask::yes("open it again? Otherwise nothing is changed", output).await? {
                    return Err(problems(problem));
                }
            }
            Err(problem) => return Err(problems(problem)),
        }
    };
    drop(open);
    let entries = dated(entries, &before)?;
    if entries == before {
        output.say(&output::hint("nothing was changed"));
        return Ok(());
    }
    sealed.write(&entries).map_err(problems)?;
    output.say(&output::hint(&format!("{} is sealed anew", sealed.path.display())));
    Ok(())
}

/// Entries whose value is new have the time of now.
fn dated(mut entries: Entries, before: &Entries) -> Result<Entries, Failed> {
    let now = now()?;
    for (name, entry) in &mut entries {
        let same = before.get(name).filter(|known| known.value == entry.value);
        entry.set = match same {
            Some(known) => known.set,
            None => Some(now),
        };
    }
    Ok(entries)
}

/// A folder that only its owner can look into and that is not on a disk, if there is one.
fn folder(environment: &Environment) -> PathBuf {
    let own = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    own.unwrap_or_else(std::env::temp_dir)
}

/// Waits for the editor. A signal to stop ends it, so that the file can be removed.
async fn editor(environment: &Environment, path: &Path) -> Result<(), Failed> {
    let named = environment.get("VISUAL").or_else(|| environment.get("EDITOR"));
    let editor = named.unwrap_or("vi");
    // It may have options of its own.
    let script = format!("{editor} \"$1\"");
    let mut child = Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(path)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start the editor `{editor}`"))?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    // Ctrl-C at the terminal is the editor's.
    let _interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let ended = tokio::select! {
        ended = child.wait() => ended.context("cannot wait for the editor")?,
        _ = terminate.recv() => return Err(Failed::Interrupted),
        _ = hangup.recv() => return Err(Failed::Interrupted),
    };
    if ended.success() {
        return Ok(());
    }
    let detail = format!("the editor `{editor}` failed; nothing was changed");
    Err(Failed::usage(detail, "name your editor in EDITOR"))
}
