//! Keys of the sealed file: the first one, and one that takes the place of another.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::{problems, there};
use crate::config::Loaded;
use crate::exit::{Failed, Said};
use crate::output::{self, Output};
use crate::secrets::age::Identity;
use crate::secrets::sealed::{Entries, KEY, KEY_FILE, Sealed, write_private};

/// Makes a key, the list of recipients and an empty sealed file.
pub(super) fn init(loaded: &Loaded, sealed: &Sealed, output: &Output) -> Result<(), Failed> {
    let (key, recipients) = (sealed.key_path(), sealed.recipients_path());
    for path in [&sealed.path, &recipients, &key] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(Failed::Conflict(Said {
                detail: format!("{} is there already", path.display()),
                hint: Some("set secrets with `postroom secrets set NAME`".to_owned()),
            }));
        }
    }
    let identity = made()?;
    write_private(&key, &key_text(&identity), false).map_err(problems)?;
    let text = format!(
        "# For whom {} is sealed: one public key a line. After a change: postroom secrets rotate\n\
         {}\n",
        shown(&sealed.path),
        identity.recipient()
    );
    let why = || format!("cannot write {}", recipients.display());
    fs::write(&recipients, text).with_context(why)?;
    sealed.write(&Entries::new()).map_err(problems)?;
    let ignored = ignore(&loaded.folder, &shown(&key))?;
    let public = identity.recipient().to_string();
    if output.json {
        let key = key.display().to_string();
        return output.print(&json!({ "key_file": key, "recipient": public }).to_string());
    }
    output.print(&public)?;
    output.say(&output::hint(&format!(
        "keep {} safe and out of version control{}: without it nothing that is sealed can be \
         read. A server takes it from {KEY} or {KEY_FILE} too",
        key.display(),
        if ignored { " (.gitignore says so)" } else { "" },
    )));
    let commit = [&sealed.path, &recipients].map(|path| path.display().to_string()).join(" and ");
    output.say(&output::hint(&format!("commit {commit}; postroom secrets set NAME fills it")));
    Ok(())
}

/// Makes a new key, seals for it in place of the old one, and lays it where the old one lay.
pub(super) fn replace(loaded: &Loaded, sealed: &Sealed, output: &Output) -> Result<(), Failed> {
    there(sealed)?;
    let entries = sealed.read(&loaded.environment).map_err(problems)?;
    let old = sealed.identities(&loaded.environment).map_err(problems)?;
    let old: Vec<_> = old.iter().map(Identity::recipient).collect();
    let listed = sealed.recipients_path();
    let text = fs::read_to_string(&listed).context("cannot read the recipients")?;
    let identity = made()?;
    // The new key is on disk before anything opens with it only.
    let key = sealed.key_path();
    let mut fresh = key.clone().into_os_string();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    write_private(fresh, &key_text(&identity), true).map_err(problems)?;
    let left = text.lines().filter(|line| {
        let recipient = line.split('#').next().unwrap_or_default();
        let known = crate::secrets::age::Recipient::read(recipient);
        known.is_none_or(|known| !old.contains(&known))
    });
    let left: String = left.map(|line| format!("{line}\n")).collect();
    let why = || format!("cannot write {}", listed.display());
    fs::write(&listed, format!("{left}{}\n", identity.recipient())).with_context(why)?;
    sealed.write(&entries).map_err(problems)?;
    fs::rename(fresh, &key).with_context(|| format!("cannot write {}", key.display()))?;
    let public = identity.recipient().to_string();
    if output.json {
        let key = key.display().to_string();
        return output.print(&json!({ "key_file": key, "recipient": public }).to_string());
    }
    output.print(&public)?;
    output.say(&output::hint(&format!(
        "the new key is in {}; put it wherever the old one is used ({KEY}, {KEY_FILE}). Who has \
         the old key can still read the values of before in the history of git: replace those too",
        key.display()
    )));
    Ok(())
}

fn made() -> Result<Identity, Failed> {
    Identity::make().map_err(|error| Failed::Other(anyhow::anyhow!("{error}")))
}

fn key_text(identity: &Identity) -> String {
    format!("# public key: {}\n{}\n", identity.recipient(), identity.text())
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Keeps a file of the project out of git; says whether it is.
fn ignore(folder: &Path, name: &str) -> Result<bool, Failed> {
    let path = folder.join(".gitignore");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let line = format!("/{name}");
    if text.lines().any(|known| [name, &line].contains(&known.trim())) {
        return Ok(true);
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let why = || format!("cannot write {}", path.display());
    fs::write(&path, format!("{text}{gap}{line}\n")).with_context(why)?;
    Ok(true)
}
