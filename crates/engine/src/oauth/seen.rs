//! Tokens as secrets: what leaves towards logs, journals and answers is looked through for them as
//! for every other credential.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::keep::Kept;
use crate::secrets::{Secret, Secrets};

/// How many are remembered. Older ones have run out.
const REMEMBERED: usize = 256;

/// The tokens that came by, the newest first.
#[derive(Default)]
pub(crate) struct Seen {
    tokens: RwLock<VecDeque<Secret>>,
    /// How often one was added.
    added: AtomicU64,
}

impl Seen {
    pub fn add(&self, kept: &Kept) {
        for token in kept.refresh.iter().chain([&kept.access]) {
            let token = Secret::new(token);
            let mut tokens = self.tokens.write();
            if !token.expose().is_empty() && !tokens.contains(&token) {
                tokens.push_front(token);
                tokens.truncate(REMEMBERED);
                self.added.fetch_add(1, Ordering::Release);
            }
        }
    }
}

/// The project's secrets, with the tokens among them.
pub(crate) struct WithTokens {
    pub secrets: Arc<dyn Secrets>,
    pub seen: Arc<Seen>,
}

impl Secrets for WithTokens {
    fn get(&self, name: &str) -> Option<Secret> {
        self.secrets.get(name)
    }

    fn all(&self) -> Vec<Secret> {
        let mut all = self.secrets.all();
        all.extend(self.seen.tokens.read().iter().cloned());
        all
    }

    fn live(&self, name: &str) -> Vec<Secret> {
        self.secrets.live(name)
    }

    fn edition(&self) -> u64 {
        // An odd factor keeps the two from making up for each other.
        let added = self.seen.added.load(Ordering::Acquire).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.secrets.edition().wrapping_add(added)
    }

    fn unready(&self) -> Option<String> {
        self.secrets.unready()
    }
}
