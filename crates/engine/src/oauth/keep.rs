//! Tokens on disk: one file a connection, in a folder of the data folder that only its owner may
//! read. A file is replaced as a whole and is on disk before anybody goes on; who changes it holds
//! its lock, whichever process that is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The version of the files that this build writes.
const VERSION: u32 = 1;

/// What is kept of a connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(super) v: u32,
    /// The access token; empty once it is of no use.
    pub access: String,
    /// When it runs out, in milliseconds since 1970, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
    /// The token that gets the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    /// What was allowed, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When the access token was given out.
    pub since_ms: i64,
    /// Why a person has to allow access again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// What a provider said when it ended the access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Its word, such as `invalid_grant`.
    pub code: String,
    /// Its sentence.
    pub detail: String,
    /// When, in milliseconds since 1970.
    pub since_ms: i64,
}

impl Kept {
    pub fn new(access: String, since_ms: i64) -> Self {
        let (expires_ms, refresh, scope, broken) = (None, None, None, None);
        Self { v: VERSION, access, expires_ms, refresh, scope, since_ms, broken }
    }

    /// What is left once access has ended: nothing that could be used.
    pub fn ended(broken: &Broken) -> Self {
        Self { broken: Some(broken.clone()), ..Self::new(String::new(), broken.since_ms) }
    }
}

/// Tells one state of a file from the next without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64, i64, i64, u64);

/// Where tokens lie.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// A lock, held until it is dropped.
pub(crate) struct Lock(#[allow(dead_code, reason = "it is closed when it is dropped")] File);

impl Folder {
    /// Below this data folder.
    #[must_use]
    pub fn below(data: &Path) -> Self {
        Self(data.join("oauth"))
    }

    /// The file of a connection. Letters, digits, `_` and `-` stand for themselves.
    fn path(&self, connection: &str, extension: &str) -> PathBuf {
        let mut name = String::new();
        for byte in connection.bytes() {
            match byte.is_ascii_alphanumeric() || b"_-".contains(&byte) {
                true => name.push(char::from(byte)),
                false => name.push_str(&format!("%{byte:02X}")),
            }
        }
        self.0.join(format!("{name}.{extension}"))
    }

    fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// Waits for the right to change what is kept of a connection. Blocks its thread.
    pub(crate) fn lock(&self, connection: &str) -> io::Result<Lock> {
        self.make()?;
        let mut options = fs::OpenOptions::new();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(self.path(connection, "lock"))?;
        file.lock()?;
        Ok(Lock(file))
    }

    /// The state of a file; `None` where there is none.
    pub(crate) fn stamp(&self, connection: &str) -> Option<Stamp> {
        let found = fs::metadata(self.path(connection, "json")).ok()?;
        Some(Stamp(found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
    }

    /// What is kept of a connection.
    pub(crate) fn read(&self, connection: &str) -> io::Result<Option<Kept>> {
        let path = self.path(connection, "json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // The parser's own words could repeat a token.
        let strange = |why: &str| io::Error::other(format!("{} {why}", path.display()));
        let kept: Kept = serde_json::from_slice(&text)
            .map_err(|_| strange("does not hold tokens; remove it and log in again"))?;
        match kept.v {
            VERSION => Ok(Some(kept)),
            _ => Err(strange("was written by a newer version")),
        }
    }

    /// Keeps this of a connection. It is on disk when this returns.
    pub(crate) fn write(&self, connection: &str, kept: &Kept, _held: &Lock) -> io::Result<()> {
        let (path, new) = (self.path(connection, "json"), self.path(connection, "new"));
        // One of a process that ended in the midst of writing.
        remove(&new)?;
        let mut options = fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.0)?.sync_all()
    }

    /// Forgets a connection. Says whether anything was kept.
    pub(crate) fn forget(&self, connection: &str, _held: &Lock) -> io::Result<bool> {
        let there = remove(&self.path(connection, "json"))?;
        File::open(&self.0)?.sync_all()?;
        Ok(there)
    }
}

fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept(access: &str) -> Kept {
        Kept { refresh: Some("r".into()), expires_ms: Some(9), ..Kept::new(access.into(), 5) }
    }

    #[test]
    fn what_is_kept_is_read_back_by_its_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::below(data.path());
        assert!(folder.read("a/b").unwrap().is_none() && folder.stamp("a/b").is_none());
        let lock = folder.lock("a/b").unwrap();
        folder.write("a/b", &kept("one"), &lock).unwrap();
        let stamp = folder.stamp("a/b");
        // What a process left that ended in the midst of writing.
        fs::write(folder.path("a/b", "new"), "{").unwrap();
        folder.write("a/b", &kept("two"), &lock).unwrap();
        assert!(folder.read("a/b").unwrap() == Some(kept("two")) && stamp != folder.stamp("a/b"));
        let file = data.path().join("oauth/a%2Fb.json");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&data.path().join("oauth"))), (0o600, 0o700));
        assert!(folder.forget("a/b", &lock).unwrap() && !folder.forget("a/b", &lock).unwrap());
        assert!(folder.read("a/b").unwrap().is_none());
    }

    #[test]
    fn a_strange_file_is_told_without_its_words() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::below(data.path());
        folder.lock("a").unwrap();
        for (text, told) in [
            (r#"{"access":"top secret""#, "does not hold tokens"),
            (r#"{"v":2,"access":"top secret","since_ms":1}"#, "newer version"),
        ] {
            fs::write(folder.path("a", "json"), text).unwrap();
            let Err(error) = folder.read("a") else { panic!("{text}") };
            let error = error.to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn only_one_holds_a_lock() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::below(data.path());
        let lock = folder.lock("a").unwrap();
        let other = File::open(folder.path("a", "lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(lock);
        other.try_lock().unwrap();
    }
}
