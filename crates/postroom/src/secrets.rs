//! Where the secrets of a project come from. A name is looked for in places one after the other,
//! and the first that has it counts: the environment, `.env`, folders of files, the sealed file,
//! Vault. Looked up when it is used, so that a value which was changed counts from the next call
//! on; what it was before is kept out of logs for as long as the process lives.

pub(crate) mod age;
mod files;
pub(crate) mod follow;
pub(crate) mod origins;
pub(crate) mod sealed;
pub(crate) mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use postroom_core::lint::says_secret;
use postroom_core::{Problem, problem};
use postroom_engine::clock::{Clock as _, SystemClock};
use postroom_engine::{Secret, Secrets};

use crate::config::{Environment, Loaded, Login, SecretsEntry};
use files::Folder;
use sealed::{Entry, Sealed};
use vault::Vault;

/// The variable in which systemd names the folder of a service's credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// How many values that no longer count are kept out of logs; the oldest go first.
const MAX_BEFORE: usize = 1_024;

/// Whether a text can be the name of a secret.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.len() <= 200 && text.chars().all(fits)
}

/// Where a secret was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A variable of the process.
    Environment,
    /// A variable in `.env`.
    DotEnv,
    /// A file that a variable `NAME_FILE` names.
    Named(PathBuf),
    /// A file in a folder of secrets.
    Folder(PathBuf),
    /// The sealed file.
    Sealed(PathBuf),
    /// Vault.
    Vault(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
            Self::DotEnv => f.write_str(".env"),
            Self::Named(path) | Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Sealed(path) => write!(f, "{} (sealed)", path.display()),
            Self::Vault(at) => write!(f, "Vault at {at}"),
        }
    }
}

/// A secret and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub place: Place,
    pub entry: Entry,
}

/// The secrets of a project.
pub(crate) struct Keeper {
    held: RwLock<Held>,
    edition: AtomicU64,
    vault: Option<Vault>,
}

/// What is known at the moment.
struct Held {
    spec: Spec,
    /// Names that were asked for, with what was found.
    asked: BTreeMap<String, Option<Found>>,
    folders: Vec<Folder>,
    sealed: sealed::Entries,
    vault: vault::State,
    before: Vec<Secret>,
    /// The keys that open the sealed file.
    keys: Vec<String>,
    /// What of the places cannot be used.
    faults: Vec<Problem>,
    marks: Vec<files::Mark>,
}

/// Where to look.
#[derive(Clone)]
struct Spec {
    root: PathBuf,
    environment: Environment,
    folders: Vec<PathBuf>,
    sealed: Sealed,
}

impl Spec {
    fn of(loaded: &Loaded) -> Self {
        let SecretsEntry { directory, sealed, .. } = &loaded.config.secrets;
        let environment = loaded.environment.clone();
        let own = environment.own(CREDENTIALS_DIRECTORY).map(PathBuf::from);
        let folders = own.into_iter().chain(directory.as_ref().map(|it| loaded.folder.join(it)));
        let folders = folders.collect();
        let sealed = loaded.folder.join(sealed.as_deref().unwrap_or(sealed::DEFAULT));
        let sealed = sealed.strip_prefix(".").map(Path::to_owned).unwrap_or(sealed);
        let root = loaded.folder.clone();
        Self { root, environment, folders, sealed: Sealed { path: sealed } }
    }
}

/// The sealed file of a project.
pub(crate) fn sealed_of(loaded: &Loaded) -> Sealed {
    Spec::of(loaded).sealed
}

impl Keeper {
    /// Looks at every place but Vault, which is asked by [`follow`]. `names` are those that the
    /// project refers to; others are looked up when they are asked for.
    pub fn open(loaded: &Loaded, names: impl IntoIterator<Item = String>) -> Self {
        let entry = loaded.config.secrets.vault.as_ref();
        let logins = entry.map(|entry| entry.logins.as_slice()).unwrap_or_default();
        let own: Vec<String> = logins.iter().flat_map(Login::names).collect();
        let keys = [sealed::KEY.to_owned()];
        let asked = names.into_iter().chain(own).chain(keys).map(|name| (name, None)).collect();
        let mut held = Held {
            spec: Spec::of(loaded),
            asked,
            folders: Vec::new(),
            sealed: sealed::Entries::new(),
            vault: vault::State::default(),
            before: Vec::new(),
            keys: Vec::new(),
            faults: Vec::new(),
            marks: Vec::new(),
        };
        held.gather();
        let vault = entry.map(|entry| Vault::new(entry.clone()));
        Self { held: RwLock::new(held), edition: AtomicU64::new(1), vault }
    }

    /// What of the places cannot be used.
    pub fn faults(&self) -> Vec<Problem> {
        self.held.read().faults.clone()
    }

    /// Goes on with a configuration that was read anew, and with the names it refers to.
    pub fn adopt(&self, loaded: &Loaded, names: impl IntoIterator<Item = String>) {
        let mut held = self.held.write();
        held.remember();
        held.spec = Spec::of(loaded);
        for name in names {
            held.asked.entry(name).or_insert(None);
        }
        self.turn(&mut held);
    }

    /// Looks whether a file has changed, and reads everything anew if one has, or if it must be.
    /// Says what cannot be used now and could before.
    pub fn look(&self, must: bool) -> Vec<Problem> {
        if !must && self.held.read().marks_now() == self.held.read().marks {
            return Vec::new();
        }
        let mut held = self.held.write();
        let known = held.faults.clone();
        match held.spec.environment.again(&held.spec.root) {
            Ok(environment) => {
                held.remember();
                held.spec.environment = environment;
            }
            // What was read before goes on.
            Err(problems) => {
                held.marks = held.marks_now();
                return problems;
            }
        }
        self.turn(&mut held);
        held.faults.iter().filter(|fault| !known.contains(fault)).cloned().collect()
    }

    /// Takes over what Vault said.
    fn told(&self, state: vault::State) {
        let mut held = self.held.write();
        held.remember();
        held.vault = state;
        held.resolve();
        self.edition.fetch_add(1, Ordering::Release);
    }

    fn turn(&self, held: &mut Held) {
        held.gather();
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// Every place that has a name, in the order in which they count.
    pub fn places(&self, name: &str) -> Vec<Found> {
        self.held.read().found(name)
    }

    /// Every name that is asked for or lies in a place that holds secrets only.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = self.asked();
        let held = self.held.read();
        let in_folders = held.folders.iter().flat_map(|folder| folder.values.keys());
        let lying = in_folders.chain(held.sealed.keys()).chain(held.vault.values.keys());
        names.extend(lying.cloned());
        names
    }

    /// Every name that is asked for.
    pub fn asked(&self) -> BTreeSet<String> {
        let held = self.held.read();
        held.asked.keys().filter(|name| *name != sealed::KEY).cloned().collect()
    }

    /// Every secret that counts, by name.
    pub fn by_name(&self) -> Vec<(String, String)> {
        let value = |name: String| {
            let found = self.places(&name).into_iter().next()?;
            Some((name, found.entry.value))
        };
        self.names().into_iter().filter_map(value).collect()
    }

    /// Where Vault is, if secrets are looked for there.
    pub fn vault_at(&self) -> Option<String> {
        self.vault.as_ref().map(|vault| vault.at().to_owned())
    }
}

impl Held {
    /// Keeps what counted until now out of logs from now on.
    fn remember(&mut self) {
        for secret in self.known() {
            if !self.before.contains(&secret) {
                self.before.push(secret);
            }
        }
        let excess = self.before.len().saturating_sub(MAX_BEFORE);
        self.before.drain(..excess);
    }

    /// Reads the files of every place; what cannot be read stays as it was.
    fn gather(&mut self) {
        self.faults.clear();
        self.marks = self.marks_now();
        let mut folders = Vec::new();
        for path in &self.spec.folders {
            match Folder::read(path) {
                Ok(folder) => folders.push(folder),
                Err(fault) => {
                    folders.extend(self.folders.iter().find(|it| it.path == *path).cloned());
                    self.faults.push(fault);
                }
            }
        }
        self.folders = folders;
        let keys = self.spec.sealed.identities(&self.spec.environment).unwrap_or_default();
        self.keys = keys.iter().map(age::Identity::text).collect();
        match self.spec.sealed.read(&self.spec.environment) {
            Ok(entries) => self.sealed = entries,
            Err(fault) => self.faults.push(fault),
        }
        self.resolve();
        let faults: Vec<Problem> =
            self.asked.keys().filter_map(|name| self.named_fault(name)).collect();
        self.faults.extend(faults);
    }

    /// Finds every name anew that was ever asked for.
    fn resolve(&mut self) {
        let names: Vec<String> = self.asked.keys().cloned().collect();
        for name in names {
            let found = self.found(&name).into_iter().next();
            self.asked.insert(name, found);
        }
    }

    fn found(&self, name: &str) -> Vec<Found> {
        let environment = &self.spec.environment;
        let plain = |value: &str| Entry { value: value.to_owned(), ..Entry::default() };
        let file = format!("{name}_FILE");
        let read = |path: &str| {
            let path = PathBuf::from(path);
            let value = files::read(&path).ok()?;
            Some(Found { place: Place::Named(path), entry: plain(&value) })
        };
        let found = |place: Place, value: &str| Found { place, entry: plain(value) };
        let mut all = Vec::new();
        all.extend(environment.own(name).map(|value| found(Place::Environment, value)));
        all.extend(environment.own(&file).and_then(read));
        all.extend(environment.file(name).map(|value| found(Place::DotEnv, value)));
        all.extend(environment.file(&file).and_then(read));
        for folder in &self.folders {
            all.extend(folder.get(name).map(|(path, value)| found(Place::Folder(path), value)));
        }
        let sealed = self.sealed.get(name).cloned();
        let place = || Place::Sealed(self.spec.sealed.path.clone());
        all.extend(sealed.map(|entry| Found { place: place(), entry }));
        let kept = self.vault.values.get(name);
        all.extend(kept.map(|value| found(Place::Vault(self.vault.at.clone()), value)));
        all
    }

    /// Why a file that a variable names cannot be read.
    fn named_fault(&self, name: &str) -> Option<Problem> {
        let variable = format!("{name}_FILE");
        let path = PathBuf::from(self.spec.environment.get(&variable)?);
        let why = files::read(&path).err()?;
        let detail = format!("{variable} names {}: {why}", path.display());
        let hint = format!("let {variable} name a file that holds nothing but the secret");
        Some(Problem::new(&problem::BAD_SECRET_FILE, detail).hint(hint))
    }

    fn marks_now(&self) -> Vec<files::Mark> {
        let dot_env = self.spec.root.join(".env");
        let sealed = self.spec.sealed.path.clone();
        let key = self.spec.sealed.key_path();
        let named = self.asked.keys().filter_map(|name| {
            self.spec.environment.get(&format!("{name}_FILE")).map(PathBuf::from)
        });
        let single = [dot_env, sealed, key].into_iter().chain(named);
        let mut marks: Vec<files::Mark> = single.map(|path| files::mark(&path)).collect();
        marks.extend(self.spec.folders.iter().flat_map(|folder| files::marks_below(folder)));
        marks
    }

    /// Every secret that counts now.
    fn known(&self) -> Vec<Secret> {
        let asked = self.asked.values().flatten().map(|found| &found.entry);
        let entries = asked.chain(self.sealed.values());
        let in_entries = entries.flat_map(|entry| {
            let previous = entry.previous.as_ref().map(|(value, _)| value.as_str());
            std::iter::once(entry.value.as_str()).chain(previous)
        });
        let in_folders = self.folders.iter().flat_map(|folder| folder.values.values());
        let lying = in_folders.chain(self.vault.values.values()).map(String::as_str);
        // Of the environment, what is asked for or is called a secret: `HOME` is none.
        let named = self.spec.environment.all().filter(|(name, _)| says_secret(name));
        let named = named.map(|(_, value)| value);
        let keys = self.keys.iter().chain(&self.vault.token).map(String::as_str);
        let all = in_entries.chain(lying).chain(named).chain(keys);
        all.map(Secret::new).filter(|secret| !secret.expose().is_empty()).collect()
    }
}

impl Secrets for Keeper {
    fn get(&self, name: &str) -> Option<Secret> {
        self.live(name).into_iter().next()
    }

    fn live(&self, name: &str) -> Vec<Secret> {
        let now_ms = SystemClock.now_ms();
        let values = |found: &Found| {
            let previous = found.entry.previous.as_ref();
            let previous = previous.filter(|(_, until)| until.as_millisecond() > now_ms);
            let all = std::iter::once(&found.entry.value).chain(previous.map(|(value, _)| value));
            let all = all.map(|value| Secret::new(value));
            all.filter(|secret| !secret.expose().is_empty()).collect()
        };
        if let Some(found) = self.held.read().asked.get(name) {
            return found.as_ref().map(values).unwrap_or_default();
        }
        // A run of an older workflow may use what no workflow uses now.
        let mut held = self.held.write();
        let found = held.found(name).into_iter().next();
        let secrets = found.as_ref().map(values).unwrap_or_default();
        if is_name(name) {
            held.asked.insert(name.to_owned(), found);
            held.marks = held.marks_now();
            self.edition.fetch_add(1, Ordering::Release);
        }
        secrets
    }

    fn all(&self) -> Vec<Secret> {
        let held = self.held.read();
        let mut all = held.known();
        all.extend(held.before.iter().cloned());
        all
    }

    fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    fn unready(&self) -> Option<String> {
        self.vault.as_ref()?;
        self.held.read().vault.fault.as_ref().map(|problem| problem.detail.clone())
    }
}

#[cfg(test)]
mod tests;
