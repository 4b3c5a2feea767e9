//! The sealed file: secrets of a project in its repository, encrypted for the keys of those who may
//! open it. Inside it is YAML, one secret a name, with the time it was set and the value it takes
//! the place of. What is wrong inside is told without a word of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use postroom_core::problem::Place;
use postroom_core::yaml::{Node, Source, Value};
use postroom_core::{Problem, problem};

use super::age::{self, Identity, Recipient};
use super::is_name;
use crate::config::Environment;

/// The sealed file, where the configuration names none.
pub(crate) const DEFAULT: &str = "secrets.age";
/// The key, as text.
pub(crate) const KEY: &str = "POSTROOM_AGE_KEY";
/// Where the key lies.
pub(crate) const KEY_FILE: &str = "POSTROOM_AGE_KEY_FILE";

/// A secret of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The value that counts.
    pub value: String,
    /// When it was set.
    pub set: Option<jiff::Timestamp>,
    /// The value before, and until when it counts for what others have signed.
    pub previous: Option<(String, jiff::Timestamp)>,
}

/// Secrets by name.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// A sealed file and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    /// Where it lies.
    pub path: PathBuf,
}

impl Sealed {
    /// For whom it is sealed, one public key a line.
    pub fn recipients_path(&self) -> PathBuf {
        self.path.with_extension("recipients")
    }

    /// Where the key lies if no variable says so.
    pub fn key_path(&self) -> PathBuf {
        self.path.with_extension("key")
    }

    /// The keys at hand, each with where it comes from.
    ///
    /// # Errors
    /// A variable or file that holds no key.
    pub fn identities(&self, environment: &Environment) -> Result<Vec<Identity>, Problem> {
        let mut found = Vec::new();
        if let Some(text) = environment.get(KEY) {
            found.push(Identity::read(text).ok_or_else(|| no_key(KEY))?);
        }
        let named = environment.get(KEY_FILE).map(PathBuf::from);
        let own = Some(self.key_path()).filter(|path| named.is_none() && path.is_file());
        for path in named.into_iter().chain(own) {
            let shown = path.display().to_string();
            let text = fs::read_to_string(&path).map_err(|error| {
                let detail = format!("cannot read the key {shown}: {error}");
                let hint = format!("mend {KEY_FILE}, or put the key itself into {KEY}");
                Problem::new(&problem::NO_KEY, detail).hint(hint)
            })?;
            found.push(Identity::read(&text).ok_or_else(|| no_key(&shown))?);
        }
        Ok(found)
    }

    /// What it holds; nothing if it is not there.
    ///
    /// # Errors
    /// No key opens it, or it is broken.
    pub fn read(&self, environment: &Environment) -> Result<Entries, Problem> {
        let file = self.path.display().to_string();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Entries::new()),
            Err(error) => {
                let detail = format!("cannot read {file}: {error}");
                return Err(Problem::new(&problem::FILE_UNREADABLE, detail));
            }
        };
        let identities = self.identities(environment)?;
        let plain = age::open(&bytes, &identities).map_err(|error| match error {
            age::Error::OtherKeys if identities.is_empty() => {
                let detail = format!("{file} is sealed, and no key is at hand");
                let hint = format!(
                    "put the key into {KEY}, its file into {KEY_FILE}, or lay it at {}",
                    self.key_path().display()
                );
                Problem::new(&problem::NO_KEY, detail).hint(hint)
            }
            age::Error::OtherKeys => {
                let detail = format!("the key at hand does not open {file}");
                let hint = "ask somebody who can open it to add your public key to the recipients \
                            and to run `postroom secrets rotate`";
                Problem::new(&problem::NO_KEY, detail).hint(hint)
            }
            other => {
                let detail = format!("{file}: {other}");
                let hint = "take it from the repository again";
                Problem::new(&problem::BAD_SEALED, detail).hint(hint)
            }
        })?;
        let text = String::from_utf8(plain)
            .map_err(|_| bad(&file, 0, "what is inside is not UTF-8 text".to_owned()))?;
        parse(&file, &text)
    }

    /// For whom it is sealed.
    ///
    /// # Errors
    /// There are none, or a line is no public key.
    pub fn recipients(&self) -> Result<Vec<Recipient>, Problem> {
        let path = self.recipients_path();
        let file = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| {
            let detail = format!("cannot read {file}: {error}");
            let hint = "write the public keys of those who may open the secrets, one a line, or \
                        start with `postroom secrets init`";
            Problem::new(&problem::NO_RECIPIENTS, detail).hint(hint)
        })?;
        let mut recipients = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            recipients.push(Recipient::read(line).ok_or_else(|| {
                let line = u32::try_from(number + 1).unwrap_or(0);
                let place = Place { file: file.clone(), line, column: 1, len: 1 };
                Problem::new(&problem::NO_RECIPIENTS, "this is no public key of age")
                    .hint("write one as `age1…`, as `postroom secrets init` shows it")
                    .at(place)
            })?);
        }
        if recipients.is_empty() {
            let detail = format!("{file} names nobody");
            let hint = "write the public keys of those who may open the secrets, one a line";
            return Err(Problem::new(&problem::NO_RECIPIENTS, detail).hint(hint));
        }
        Ok(recipients)
    }

    /// Writes the file anew; whoever reads meanwhile sees the old or the new one.
    ///
    /// # Errors
    /// No recipients, or the file cannot be written.
    pub fn write(&self, entries: &Entries) -> Result<(), Problem> {
        let text = age::seal(render(entries).as_bytes(), &self.recipients()?).map_err(|error| {
            Problem::new(&problem::BAD_SEALED, format!("{}: {error}", self.path.display()))
        })?;
        write_private(&self.path, &text, true)
    }
}

/// Writes a file that only its owner may read, in one step.
///
/// # Errors
/// It cannot be written, or is there already and must not be replaced.
pub(crate) fn write_private(path: &Path, text: &str, replace: bool) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        let detail = format!("cannot write {}: {error}", path.display());
        Problem::new(&problem::FILE_UNREADABLE, detail)
            .hint("look at the permissions of its folder")
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(0o600);
    if !replace {
        let mut file = options.create_new(true).open(path).map_err(failed)?;
        return file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed);
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = options.create(true).truncate(true).open(&new).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

fn no_key(what: &str) -> Problem {
    Problem::new(&problem::NO_KEY, format!("{what} holds no key of age"))
        .hint("a key begins with AGE-SECRET-KEY-1; `postroom secrets init` makes one")
}

/// What is wrong inside, by line and without the line.
fn bad(file: &str, line: u32, detail: String) -> Problem {
    let place = Place { file: format!("{file} (inside)"), line, column: 1, len: 1 };
    let hint = "`postroom secrets edit` opens it";
    Problem::new(&problem::BAD_SEALED, detail).hint(hint).at(place)
}

/// Reads what is inside.
///
/// # Errors
/// The first thing that is wrong, with its line and without any value.
pub(crate) fn parse(file: &str, text: &str) -> Result<Entries, Problem> {
    let mut source = Source::new(file, text);
    let Some(root) = source.parse() else {
        let line = source.problems.first().and_then(|it| Some(it.place.as_ref()?.line));
        return Err(bad(file, line.unwrap_or(0), "this is not YAML".to_owned()));
    };
    let keys = match &root.value {
        Value::Null => return Ok(Entries::new()),
        Value::Map(keys) => keys,
        _ => return Err(bad(file, 1, "write one secret a line: `NAME: \"value\"`".to_owned())),
    };
    let mut entries = Entries::new();
    for (key, node) in keys {
        if !is_name(&key.name) {
            let detail = "a name has letters, digits and `_` only".to_owned();
            return Err(bad(file, key.at.line, detail));
        }
        let entry = entry(node).map_err(|(line, why)| {
            bad(file, line.max(key.at.line), format!("{}: {why}", key.name))
        })?;
        entries.insert(key.name.clone(), entry);
    }
    Ok(entries)
}

type Wrong = (u32, &'static str);

fn entry(node: &Node) -> Result<Entry, Wrong> {
    let keys = match &node.value {
        Value::Map(keys) => keys,
        _ => return Ok(Entry { value: text(node)?, ..Entry::default() }),
    };
    let (mut value, mut set, mut previous, mut until) = (None, None, None, None);
    for (key, node) in keys {
        match key.name.as_str() {
            "value" => value = Some(text(node)?),
            "set" => set = Some(time(node)?),
            "previous" => previous = Some(text(node)?),
            "until" => until = Some(time(node)?),
            _ => return Err((key.at.line, "known keys are value, set, previous and until")),
        }
    }
    let line = node.at.line;
    let previous = match (previous, until) {
        (None, None) => None,
        (Some(value), Some(until)) => Some((value, until)),
        _ => return Err((line, "`previous` and `until` come together")),
    };
    Ok(Entry { value: value.ok_or((line, "`value` is missing"))?, set, previous })
}

fn text(node: &Node) -> Result<String, Wrong> {
    match &node.value {
        Value::Str(text) if !text.trim().is_empty() => Ok(text.clone()),
        Value::Str(_) | Value::Null => Err((node.at.line, "the value is empty")),
        _ => Err((node.at.line, "write the value in quotes, so that no digit of it gets lost")),
    }
}

fn time(node: &Node) -> Result<jiff::Timestamp, Wrong> {
    let wrong = (node.at.line, "write a time such as 2026-01-31T12:00:00Z");
    text(node)?.parse().map_err(|_| wrong)
}

/// What is inside, as text.
pub(crate) fn render(entries: &Entries) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = String::new();
    for (name, entry) in entries {
        out.push_str(&format!("{name}:\n  value: {}\n", quoted(&entry.value)));
        if let Some(set) = entry.set {
            out.push_str(&format!("  set: \"{set:.0}\"\n"));
        }
        if let Some((value, until)) = &entry.previous {
            out.push_str(&format!("  previous: {}\n  until: \"{until:.0}\"\n", quoted(value)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_reads_as_it_was_written() {
        let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let entries = Entries::from([
            ("PLAIN".to_owned(), Entry { value: "a \"b\"\n\\c \u{e9}".into(), ..Entry::default() }),
            (
                "TURNED".to_owned(),
                Entry {
                    value: "0123".into(),
                    set: Some(time("2026-01-31T12:00:00Z")),
                    previous: Some(("old".into(), time("2026-02-07T12:00:00Z"))),
                },
            ),
        ]);
        assert_eq!(parse("s", &render(&entries)), Ok(entries));
        assert_eq!(parse("s", ""), Ok(Entries::new()));
        let short = parse("s", "# a remark\nA: \"x\"\n").unwrap();
        assert_eq!(short["A"].value, "x");
    }

    #[test]
    fn what_is_wrong_is_told_without_a_word_of_it() {
        for (text, line) in [
            ("A: \"sk_live\n", 0),
            ("A: \"x\"\nB: 123456789\n", 2),
            ("A: [sk_live]\n", 1),
            ("A: {value: sk_live, extra: sk_live}\n", 1),
            ("A: {value: sk_live, previous: sk_live}\n", 1),
            ("A: {value: sk_live, set: sk_live}\n", 1),
            ("sk-live-1: \"x\"\n", 1),
            ("A:\n", 1),
            ("sk_live", 1),
        ] {
            let problem = parse("s", text).unwrap_err();
            let shown = format!("{problem} {:?}", problem.line());
            assert!(!shown.contains("sk_live") && !shown.contains("123456789"), "{shown}");
            assert!(!shown.contains("sk-live"), "{shown}");
            let place = problem.place.unwrap();
            assert!(line == 0 || place.line == line, "{text}: {}", place.line);
        }
    }
}
