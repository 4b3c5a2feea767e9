//! `secrets`: the sealed file of a project. Values come from standard input or a prompt that does
//! not show them, and are never printed.

mod edit;
mod key;

use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use postroom_core::Problem;
use postroom_engine::clock::{Clock as _, SystemClock};
use serde_json::json;

use crate::assemble::assemble;
use crate::cli;
use crate::config::{self, Loaded};
use crate::exit::{Failed, Said};
use crate::home;
use crate::output::{self, Output};
use crate::secrets::sealed::Sealed;
use crate::secrets::{Keeper, is_name, sealed_of};

/// The longest time for which an old value counts: 90 days.
const MAX_KEEP_MS: u64 = 90 * 86_400_000;

/// Carries out `secrets ...`.
pub(super) async fn run(
    command: &cli::Secrets,
    options: &home::Options,
    output: &Output,
) -> Result<(), Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let sealed = sealed_of(&loaded);
    match command {
        cli::Secrets::Init => key::init(&loaded, &sealed, output),
        cli::Secrets::Set { name } => set(name, &loaded, &sealed, output),
        cli::Secrets::List => list(&loaded, output).await,
        cli::Secrets::Rotate { new_key: true, .. } => key::replace(&loaded, &sealed, output),
        cli::Secrets::Rotate { name: None, .. } => again(&loaded, &sealed, output),
        cli::Secrets::Rotate { name: Some(name), keep, .. } => {
            rotate(name, keep, &loaded, &sealed, output)
        }
        cli::Secrets::Edit => edit::run(&loaded, &sealed, output).await,
    }
}

fn problems(problem: Problem) -> Failed {
    Failed::Problems(vec![problem])
}

fn now() -> Result<jiff::Timestamp, Failed> {
    Ok(jiff::Timestamp::from_millisecond(SystemClock.now_ms()).context("the clock is off")?)
}

fn set(name: &str, loaded: &Loaded, sealed: &Sealed, output: &Output) -> Result<(), Failed> {
    let mut entries = open(name, loaded, sealed)?;
    let value = value(name)?;
    let entry = entries.entry(name.to_owned()).or_default();
    (entry.value, entry.set, entry.previous) = (value, Some(now()?), None);
    sealed.write(&entries).map_err(problems)?;
    let file = sealed.path.display().to_string();
    if output.json {
        return output.print(&json!({ "name": name, "file": file }).to_string());
    }
    output.say(&output::hint(&format!("{name} is in {file}")));
    shadowed(name, loaded, output);
    Ok(())
}

/// Says if the sealed value does not count.
fn shadowed(name: &str, loaded: &Loaded, output: &Output) {
    let places = Keeper::open(loaded, [name.to_owned()]).places(name);
    if let [first, _, ..] = &places[..] {
        output.say(&output::hint(&format!("{name} is in {} too, which comes first", first.place)));
    }
}

fn rotate(
    name: &str,
    keep: &str,
    loaded: &Loaded,
    sealed: &Sealed,
    output: &Output,
) -> Result<(), Failed> {
    let keep_ms = postroom_core::duration::parse_ms(keep).ok().filter(|ms| *ms <= MAX_KEEP_MS);
    let keep_ms = keep_ms.ok_or_else(|| {
        let detail = format!("`{keep}` is no time for which an old value counts");
        Failed::usage(detail, "write for example --keep 7d, at most 90d")
    })?;
    let mut entries = open(name, loaded, sealed)?;
    let Some(entry) = entries.get_mut(name) else {
        return Err(Failed::Conflict(Said {
            detail: format!("{name} is not in {}", sealed.path.display()),
            hint: Some(format!("set it with `postroom secrets set {name}`")),
        }));
    };
    let value = value(name)?;
    if value == entry.value {
        return Err(Failed::usage(
            "the value is the one that counts already",
            "get a new one from the provider first",
        ));
    }
    let (now, old) = (now()?, std::mem::replace(&mut entry.value, value));
    let keep = jiff::SignedDuration::from_millis(i64::try_from(keep_ms).unwrap_or(0));
    let until = now.checked_add(keep).context("the clock is off")?;
    entry.set = Some(now);
    entry.previous = (keep_ms > 0).then_some((old, until));
    sealed.write(&entries).map_err(problems)?;
    if output.json {
        let until = entries[name].previous.as_ref().map(|(_, until)| until.to_string());
        return output.print(&json!({ "name": name, "previous_until": until }).to_string());
    }
    output.say(&output::hint(&format!(
        "{name}: calls use the new value from now on; what was signed with the old one is taken \
         until {until:.0}"
    )));
    shadowed(name, loaded, output);
    Ok(())
}

/// Seals what is inside for the recipients as they are now.
fn again(loaded: &Loaded, sealed: &Sealed, output: &Output) -> Result<(), Failed> {
    there(sealed)?;
    let entries = sealed.read(&loaded.environment).map_err(problems)?;
    sealed.write(&entries).map_err(problems)?;
    let count = sealed.recipients().map_err(problems)?.len();
    let file = sealed.path.display();
    if output.json {
        return output.print(&json!({ "recipients": count }).to_string());
    }
    output.say(&output::hint(&format!(
        "{file} is sealed anew, for {count} recipients. Who could open it before can still read \
         the values of before in the history of git: replace those too"
    )));
    Ok(())
}

/// The entries of the file, for a name that may stand there.
fn open(
    name: &str,
    loaded: &Loaded,
    sealed: &Sealed,
) -> Result<crate::secrets::sealed::Entries, Failed> {
    if !is_name(name) {
        let detail = "this is no name of a secret".to_owned();
        return Err(Failed::usage(detail, "write letters, digits and `_`, as SLACK_BOT_TOKEN"));
    }
    // Without recipients it could not be written; that is told before a value is asked for.
    sealed.recipients().map_err(problems)?;
    sealed.read(&loaded.environment).map_err(problems)
}

fn there(sealed: &Sealed) -> Result<(), Failed> {
    if sealed.path.is_file() {
        return Ok(());
    }
    Err(Failed::Conflict(Said {
        detail: format!("there is no sealed file {}", sealed.path.display()),
        hint: Some("make one with `postroom secrets init`".to_owned()),
    }))
}

/// The value, from a terminal without showing it, else all of standard input.
fn value(name: &str) -> Result<String, Failed> {
    let value = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("value of {name} (not shown): "))
            .context("cannot read from the terminal")?
    } else {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        text
    };
    let value = value.trim_end_matches(['\r', '\n']).to_owned();
    match value.trim().is_empty() {
        false => Ok(value),
        true => Err(Failed::usage(
            format!("there is no value for {name}"),
            "write it to standard input, for example `pbpaste | postroom secrets set NAME`",
        )),
    }
}

async fn list(loaded: &Loaded, output: &Output) -> Result<(), Failed> {
    let keeper = assemble(loaded)?.secrets;
    keeper.ask().await;
    let origins = keeper.origins();
    let faults = keeper.faults();
    if output.json {
        let rows: Vec<_> = origins.iter().map(crate::secrets::origins::Origin::json).collect();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        return output.print(&json!({ "data": rows, "faults": faults }).to_string());
    }
    let now = now()?;
    let rows = origins.iter().map(|origin| {
        let from = origin.places.first().map_or("not set", String::as_str);
        let mut since = origin.set.map(|set| age(now, set)).unwrap_or_default();
        if let Some(until) = origin.previous {
            since.push_str(&format!(", the old value counts until {until:.0}"));
        }
        let used = if origin.asked { "yes" } else { "no" };
        [&origin.name, from, &since, used].map(output::cell).into()
    });
    output.print(&output.table(&["name", "from", "age", "used"], rows.collect()))?;
    for fault in &faults {
        output.say(&output::hint(&fault.to_string()));
    }
    Ok(())
}

/// How long ago something was set.
fn age(now: jiff::Timestamp, set: jiff::Timestamp) -> String {
    let seconds = now.as_second() - set.as_second();
    match seconds {
        ..60 => "just now".to_owned(),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
