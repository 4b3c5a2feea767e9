//! Credentials by reference. A [`Secret`] cannot be printed, and what leaves towards logs, journals
//! and answers goes through [`redact`].

use std::fmt;

/// Looks credentials up.
pub trait Secrets: Send + Sync + 'static {
    /// The secret of a name, if it is set. Names are those of environment variables.
    fn get(&self, name: &str) -> Option<Secret>;
    /// Every secret known, for redaction.
    fn all(&self) -> Vec<Secret>;
}

/// A credential. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a credential over; white space around it is a slip of whoever pasted it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The credential itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The shortest secret that is looked for in text; shorter ones would redact ordinary words.
const SHORTEST: usize = 6;

/// The text with every secret in it replaced.
#[must_use]
pub fn redact(secrets: &dyn Secrets, text: String) -> String {
    let mut text = text;
    for secret in secrets.all() {
        if secret.0.len() >= SHORTEST && text.contains(&secret.0) {
            text = text.replace(&secret.0, "***");
        }
    }
    text
}

/// Secrets given as a list, for tests and tools.
#[derive(Debug, Default)]
pub struct Fixed(pub Vec<(String, String)>);

impl Secrets for Fixed {
    fn get(&self, name: &str) -> Option<Secret> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| Secret::new(text)).filter(|secret| !secret.0.is_empty())
    }

    fn all(&self) -> Vec<Secret> {
        self.0.iter().map(|(_, text)| Secret::new(text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let fixed = Fixed(vec![("KEY".into(), " sk_live_abc123\n".into())]);
        let secret = fixed.get("KEY").unwrap();
        assert_eq!(secret.expose(), "sk_live_abc123");
        assert_eq!(format!("{secret:?}"), "***");
        let text = redact(&fixed, "Invalid API Key provided: sk_live_abc123".into());
        assert_eq!(text, "Invalid API Key provided: ***");
    }
}
