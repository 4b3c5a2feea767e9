//! The data folder: the store, the admin token's hash, and where the running server is.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use postroom_server::AdminToken;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// A folder of data.
#[derive(Debug, Clone)]
pub(crate) struct Home(pub PathBuf);

/// Where a running server is, for commands on the same machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServerFile {
    /// Its base URL.
    pub url: String,
    /// A token of this start only.
    pub token: String,
}

impl Home {
    fn token_file(&self) -> PathBuf {
        self.0.join("admin.token.sha256")
    }

    fn server_file(&self) -> PathBuf {
        self.0.join("server.json")
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

    /// Notes where the running server is.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_server_file(&self, url: String) -> anyhow::Result<AdminToken> {
        let file = ServerFile { url, token: random_token()? };
        private_write(&self.server_file(), &serde_json::to_string(&file)?)?;
        Ok(AdminToken::of(&file.token))
    }

    /// Where the running server is, by its own note.
    ///
    /// # Errors
    /// There is no note, or it cannot be read.
    pub fn read_server_file(&self) -> anyhow::Result<ServerFile> {
        let path = self.server_file();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not ours", path.display()))
    }

    /// Forgets where the server was.
    pub fn remove_server_file(&self) {
        // A note that is left behind is overwritten by the next start.
        let _ = fs::remove_file(self.server_file());
    }
}

fn random_token() -> anyhow::Result<String> {
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
