//! `lint/deprecated`: a step that uses an action on its way out.

use super::Linter;
use crate::definition::ActionRef;
use crate::problem::{self, Problem};

/// What is said of an action that is on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// Since when, as in `2026-10-01`.
    pub since: String,
    /// What to use instead, if there is something.
    pub instead: Option<ActionRef>,
    /// Why, or what is to be done.
    pub note: String,
}

impl Linter<'_> {
    pub(super) fn deprecated(&mut self, index: usize) {
        let step = &self.workflow.steps[index];
        let said = self.effects[index].as_ref().and_then(|it| it.deprecated.as_ref());
        let (Some(act), Some(Deprecated { since, instead, note })) = (step.act(), said) else {
            return;
        };
        let uses = act.uses.to_string();
        let detail = format!(
            "step `{}` uses `{uses}`, which is deprecated since {since}: {}",
            step.id,
            note.trim_end_matches('.')
        );
        let mut problem = Problem::new(&problem::DEPRECATED, detail);
        if let Some(instead) = instead {
            problem = problem.hint(format!(
                "use `{instead}`; `postroom adapter diff {uses} {instead}` tells what changes here"
            ));
        }
        self.at_uses(index, &uses, problem);
    }
}
