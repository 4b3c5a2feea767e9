//! What runs ask people, and what people answer.

use postroom_core::definition::{Approve, Task};
use postroom_core::journal::Kind;
use postroom_core::run::{RunState, Spot, StepState, Word};
use postroom_core::{Json, Run, RunId, Workflow};
use postroom_store::{Command, Error, Ordered, RunFilter};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::info;

use crate::Engine;
use crate::runs::Runs;

/// Runs in one state that are looked at for one page of questions.
const LOOKED_AT: usize = 2_000;

/// A question that waits for a person, as the API tells of it and the command line reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// The run that asks.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// The step that asks.
    pub step: String,
    /// The question.
    pub ask: String,
    /// When it was asked, in milliseconds since 1970.
    pub asked_ms: i64,
    /// Until when it may be answered, in milliseconds since 1970.
    pub until_ms: i64,
    /// What silence means.
    pub silence: Silence,
}

/// What it means if nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Silence {
    /// A yes.
    Approve,
    /// A no.
    Reject,
}

impl Silence {
    /// The word of the workflow file, the API and the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// Why a person's answer was not taken.
#[derive(Debug)]
pub enum Unasked {
    /// There is no such run.
    Missing,
    /// The run asks nobody, or not at this step; or it was answered meanwhile.
    Nothing(Box<Run>),
}

/// A person's answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Whether it may go on.
    pub approved: bool,
    /// The step that asks, if there may be several.
    pub step: Option<&'a str>,
    /// Who answers.
    pub actor: &'a str,
    /// Why, in that person's words.
    pub note: Option<&'a str>,
}

impl Engine {
    /// Questions that wait for a person, newest run first, and where to go on. A page may be short
    /// and still not be the last, because only so many runs are looked at.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn asked(
        &self,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<(Vec<Asked>, Option<RunId>), Error> {
        // One that asks may have another step at work.
        let (mut found, at_work) = self.asked_in(RunState::Running, before, limit).await?;
        let (asleep, slept) = self.asked_in(RunState::Sleeping, before, limit).await?;
        found.extend(asleep);
        found.sort_by_key(|asked| std::cmp::Reverse(asked.run));
        found.dedup_by_key(|asked| asked.run);
        // What lies beyond the end of either list is for the next page.
        let mut next = at_work.max(slept);
        found.retain(|asked| Some(asked.run) >= next);
        if found.len() > limit {
            found.truncate(limit);
            next = found.last().map(|asked| asked.run);
        }
        Ok((found, next))
    }

    /// Questions of runs in one state.
    async fn asked_in(
        &self,
        state: RunState,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<(Vec<Asked>, Option<RunId>), Error> {
        let filter = RunFilter { state: Some(state), before, ..RunFilter::default() };
        let mut runs = Runs::of(&*self.inner.store, filter);
        let (mut found, mut looked) = (Vec::new(), 0);
        while let Some(run) = runs.next().await? {
            looked += 1;
            found.extend(self.question(&run).await?);
            if found.len() >= limit || looked >= LOOKED_AT {
                return Ok((found, runs.last()));
            }
        }
        Ok((found, None))
    }

    async fn question(&self, run: &Run) -> Result<Option<Asked>, Error> {
        if !run.steps.iter().any(|step| step.parked()) {
            return Ok(None);
        }
        let known = self.inner.definitions.get(&self.inner, run.definition).await?;
        let Some((spot, step, approve)) =
            known.as_ref().ok().and_then(|known| asks(&known.workflow, run, None))
        else {
            return Ok(None);
        };
        let Some((_, _, journal)) = self.inner.store.run(run.id).await? else { return Ok(None) };
        let mut entries = journal.into_iter().rev();
        let asked =
            entries.find(|entry| entry.kind == Kind::Waits && entry.step.as_deref() == Some(step));
        Ok(asked.map(|entry| Asked {
            run: run.id,
            workflow: run.workflow.clone(),
            step: step.to_owned(),
            ask: entry.ask.unwrap_or_default(),
            asked_ms: entry.at_ms,
            until_ms: run.at(spot).and_then(|at| at.until_ms).unwrap_or_default(),
            silence: if approve.silence_approves { Silence::Approve } else { Silence::Reject },
        }))
    }

    /// Gives a run the answer of a person that one of its steps has asked.
    ///
    /// # Errors
    /// The store's, if it cannot write.
    pub async fn answer(
        &self,
        run: RunId,
        answer: Answer<'_>,
    ) -> Result<Result<Run, Unasked>, Error> {
        let inner = &*self.inner;
        let Some((found, _, _)) = inner.store.run(run).await? else {
            return Ok(Err(Unasked::Missing));
        };
        let known = inner.definitions.get(inner, found.definition).await?;
        let asked = known.as_ref().ok().and_then(|k| asks(&k.workflow, &found, answer.step));
        let Some((spot, step, approve)) = asked else {
            return Ok(Err(Unasked::Nothing(Box::new(found))));
        };
        info!(%run, workflow = found.workflow, step, approved = answer.approved, "answered");
        let ordered = if answer.approved || approve.goes_on {
            let output =
                json!({ "approved": answer.approved, "by": answer.actor, "note": answer.note });
            let output = Json::from_value(&output);
            let by = Word { actor: answer.actor.to_owned(), note: answer.note.map(str::to_owned) };
            let command = Command::Resume { step: step.to_owned(), spot, output };
            inner.bring(run, spot, command, by).await?
        } else {
            let why = answer.note.map(|note| format!(": {note}")).unwrap_or_default();
            let note = Some(format!("rejected `{step}`{why}"));
            let by = Word { actor: answer.actor.to_owned(), note };
            inner.bring(run, spot, Command::Reject { spot }, by).await?
        };
        Ok(match ordered {
            Ordered::Done(run) => Ok(*run),
            Ordered::Refused(run) => Err(Unasked::Nothing(run)),
            Ordered::Missing => Err(Unasked::Missing),
        })
    }
}

/// The first step of a run that asks a person, or the one that is meant.
fn asks<'a>(
    workflow: &'a Workflow,
    run: &Run,
    wanted: Option<&str>,
) -> Option<(Spot, &'a str, &'a Approve)> {
    let mut steps = workflow.steps.iter().enumerate();
    steps.find_map(|(index, step)| {
        let Task::Approve(approve) = &step.task else { return None };
        let at = run.steps.get(index)?;
        let asks = at.parked() && at.state == StepState::Waiting;
        let wanted = wanted.is_none_or(|wanted| wanted == step.id);
        (asks && wanted).then_some((Spot::step(index), step.id.as_str(), approve))
    })
}
