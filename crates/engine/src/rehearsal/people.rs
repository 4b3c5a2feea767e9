//! What comes from outside while a rehearsal goes on: people's answers.

use postroom_store::Error;

use super::script::{Said, Script};
use crate::{Answer, Engine};

/// Questions looked up at once.
const PAGE: usize = 100;

/// What people would say in a rehearsal.
pub(super) struct People {
    said: Vec<Said>,
    approve: bool,
}

impl People {
    pub fn of(script: &Script) -> Self {
        Self { said: script.people.clone(), approve: script.approve }
    }

    /// Answers what is asked now; whether anything was.
    pub async fn answer(&self, engine: &Engine) -> Result<bool, Error> {
        if self.said.is_empty() && !self.approve {
            return Ok(false);
        }
        let (asked, _) = engine.asked(None, PAGE).await?;
        let mut answered = false;
        for question in asked {
            let said = self.said.iter().find(|it| it.cue.fits(&question.workflow, &question.step));
            let (approved, actor, note) = match said {
                Some(said) => (said.approved, said.by.as_str(), said.note.as_deref()),
                None if self.approve => (true, "assumed", None),
                None => continue,
            };
            let step = Some(question.step.as_str());
            let answer = Answer { approved, step, actor, note };
            answered |= engine.answer(question.run, answer).await?.is_ok();
        }
        Ok(answered)
    }
}
