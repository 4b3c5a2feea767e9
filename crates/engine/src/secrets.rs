//! Credentials by reference. A [`Secret`] cannot be printed, and what leaves towards logs, journals
//! and answers goes through a [`Redaction`](crate::Redaction).

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::redaction::Redactor;

/// Looks credentials up. Asked each time one is used, so that a value that was changed counts from
/// the next call on.
pub trait Secrets: Send + Sync + 'static {
    /// The secret of a name, as it is now, if it is set. Names are those of environment variables.
    fn get(&self, name: &str) -> Option<Secret>;
    /// Every secret known, for redaction: also those that no longer count.
    fn all(&self) -> Vec<Secret>;
    /// Every value of a name that counts, the newest first: several while one takes the place of
    /// another. For what others have signed.
    fn live(&self, name: &str) -> Vec<Secret> {
        self.get(name).into_iter().collect()
    }
    /// Changes when [`Secrets::all`] does. Whoever knows that without looking at all of them says
    /// so here.
    fn edition(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for secret in self.all() {
            secret.0.hash(&mut hasher);
        }
        hasher.finish()
    }
    /// Why a name may be missing that is set: a place where secrets are kept does not answer. What
    /// needs the name waits then, instead of failing.
    fn unready(&self) -> Option<String> {
        None
    }
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

/// The text with every secret in it replaced. Whoever does this often keeps a
/// [`Redaction`](crate::Redaction).
#[must_use]
pub fn redact(secrets: &dyn Secrets, text: String) -> String {
    Redactor::new(&secrets.all()).clean(text)
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
        assert_ne!(fixed.edition(), Fixed::default().edition());
    }
}
