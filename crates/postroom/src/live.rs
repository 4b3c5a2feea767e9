//! The credentials of a project whose files may change while it runs.

use parking_lot::RwLock;
use postroom_engine::secrets::Fixed;
use postroom_engine::{Secret, Secrets};

/// Credentials by name, as the project has them now. Those it had before are no longer used, but
/// still kept out of logs: a provider may repeat one that a run under way has sent.
#[derive(Debug)]
pub(crate) struct Live(RwLock<Held>);

#[derive(Debug)]
struct Held {
    now: Fixed,
    before: Vec<Secret>,
}

impl Live {
    /// The credentials at the start.
    pub fn new(now: Fixed) -> Self {
        Self(RwLock::new(Held { now, before: Vec::new() }))
    }

    /// Goes on with others.
    pub fn replace(&self, now: Fixed) {
        let mut held = self.0.write();
        let left = std::mem::replace(&mut held.now, now).all();
        let new = left.into_iter().filter(|secret| !held.before.contains(secret));
        let new: Vec<Secret> = new.collect();
        held.before.extend(new);
    }
}

impl Secrets for Live {
    fn get(&self, name: &str) -> Option<Secret> {
        self.0.read().now.get(name)
    }

    fn all(&self) -> Vec<Secret> {
        let held = self.0.read();
        let mut all = held.now.all();
        all.extend(held.before.iter().cloned());
        all
    }
}

#[cfg(test)]
mod tests {
    use postroom_engine::secrets::redact;

    use super::*;

    #[test]
    fn credentials_of_before_are_kept_out_of_logs_and_not_used() {
        let of = |value: &str| Fixed(vec![("KEY".to_owned(), value.to_owned())]);
        let live = Live::new(of("sk_first"));
        live.replace(of("sk_second"));
        assert_eq!(live.get("KEY"), Some(Secret::new("sk_second")));
        let text = redact(&live, "first sk_first, then sk_second".to_owned());
        assert_eq!(text, "first ***, then ***");
    }
}
