//! The data folder: where it is, and the admin token's hash in it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use postroom_server::AdminToken;
use ring::rand::{SecureRandom, SystemRandom};

use crate::config::{self, Loaded};
use crate::exit::Failed;

/// Which project and which data folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The configuration, if named.
    pub config: Option<PathBuf>,
    /// The data folder, if named.
    pub data: Option<PathBuf>,
}

/// A new admin token.
pub(crate) struct NewToken {
    /// The token, shown once.
    pub token: String,
    /// The file that holds its hash.
    pub file: PathBuf,
}

/// Makes a new admin token and keeps its hash.
///
/// # Errors
/// The configuration has problems, or the folder cannot be written.
pub(crate) fn new_token(options: &Options) -> Result<NewToken, Failed> {
    let loaded = config::load(options.config.as_deref())?;
    let home = Home::of(&loaded, options);
    Ok(NewToken { token: home.new_admin_token()?, file: home.token_file() })
}

/// A folder of data.
#[derive(Debug, Clone)]
pub(crate) struct Home(pub PathBuf);

impl Home {
    /// The folder that a project and the command line say.
    pub fn of(loaded: &Loaded, options: &Options) -> Self {
        let configured = || loaded.folder.join(&loaded.config.data);
        Self(options.data.clone().unwrap_or_else(configured))
    }

    /// Where the token lies that a provider showed to a source.
    pub fn shown_file(&self, source: &str) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = source.chars().map(plain).collect();
        self.0.join(format!("handshake-{name}.token"))
    }

    /// Keeps a token that a provider showed to a source, in place of the one before.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep_shown(&self, source: &str, token: &str) -> std::io::Result<()> {
        private_write(&self.shown_file(source), token).map_err(std::io::Error::other)
    }

    fn token_file(&self) -> PathBuf {
        self.0.join("admin.token.sha256")
    }

    /// The admin token's hash. Made at first use; the token itself comes back only then.
    ///
    /// # Errors
    /// The folder or file cannot be read or written, or the file holds something else.
    pub fn admin_token(&self) -> anyhow::Result<(AdminToken, Option<String>)> {
        let path = self.token_file();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let token = AdminToken::from_hex(&text);
                let why =
                    || format!("{} holds no token hash; remove it for a new token", path.display());
                Ok((token.with_context(why)?, None))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let token = self.new_admin_token()?;
                Ok((AdminToken::of(&token), Some(token)))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Makes a new admin token; the old one ends with the next start of the server.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn new_admin_token(&self) -> anyhow::Result<String> {
        let token = random_token()?;
        private_write(&self.token_file(), &AdminToken::of(&token).to_hex())?;
        Ok(token)
    }
}

/// A token nobody can guess.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn random_token() -> anyhow::Result<String> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).ok().context("the system gives no random numbers")?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("prt_{hex}"))
}

/// Writes a file that only its owner may read.
fn private_write(path: &Path, text: &str) -> anyhow::Result<()> {
    let why = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(why)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.create(true).truncate(true).write(true).mode(0o600).open(path).with_context(why)?;
    file.write_all(text.as_bytes()).with_context(why)
}
