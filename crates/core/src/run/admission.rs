//! What the policies of its workflow need to know of a run until it starts, and what may become of
//! it meanwhile.

use serde::{Deserialize, Serialize};

use super::{Run, RunState};
use crate::id::KeyHash;
use crate::journal::Entry;

/// By what the policies of its workflow know a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// It waits until no other with this key comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debounce: Option<KeyHash>,
    /// Only so many with this key start in a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<KeyHash>,
    /// Only the newest with this key stay at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_older: Option<KeyHash>,
    /// By how much later than it falls due its place in the queue is, in milliseconds.
    #[serde(default, skip_serializing_if = "is_none")]
    pub later_ms: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_none(ms: &i64) -> bool {
    *ms == 0
}

impl Admission {
    /// Itself, unless no policy knows the run.
    #[must_use]
    pub fn some(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Run {
    /// By what policies decide whether the run starts. `None` if there is none, or the run has
    /// started before: a run that goes on, or was sent out again, is not admitted twice.
    #[must_use]
    pub fn admission(&self) -> Option<&Admission> {
        let keys = |a: &&Admission| (a.debounce.or(a.throttle).or(a.cancel_older)).is_some();
        self.admission.as_deref().filter(|_| self.is_new()).filter(keys)
    }

    /// Where it stands in the queue of those that are due, in milliseconds since 1970.
    #[must_use]
    pub fn place_ms(&self) -> i64 {
        let due_ms = self.due_ms.unwrap_or(self.created_ms);
        let later_ms = self.admission.as_ref().map_or(0, |admission| admission.later_ms);
        if self.is_new() { due_ms.saturating_add(later_ms) } else { due_ms }
    }

    fn is_new(&self) -> bool {
        self.state == RunState::Queued && self.steps.is_empty() && self.redrives == 0
    }

    /// A run that has not started, to be looked at again later.
    #[must_use]
    pub fn put_off(mut self, due_ms: i64) -> Self {
        self.due_ms = Some(due_ms);
        self
    }

    /// A run that has not started and will not, because a newer one stands in for it; with what to
    /// write down.
    #[must_use]
    pub fn superseded(self, policy: &str, by: crate::RunId, now_ms: i64) -> Option<(Self, Entry)> {
        self.cancel(policy, Some(&format!("superseded by the newer {by}")), now_ms)
    }
}
