//! The workflows of a project held against other contracts than those it has: what would break if
//! an adapter were another one.

use postroom_adapters::Catalog;
use postroom_core::definition::ActionRef;
use postroom_core::typecheck::{self, Contracts};
use postroom_core::{Problem, Workflow};

use super::{Defined, builtin, called, in_order, workflows};
use crate::config::Loaded;
use crate::contracts::{self, Schemas};

/// A step that uses what would be another.
pub(crate) struct Used {
    /// The workflow's file.
    pub file: String,
    /// The workflow.
    pub workflow: String,
    /// The step.
    pub step: String,
    /// What it names.
    pub uses: ActionRef,
}

/// What would come of it.
pub(crate) struct Held {
    /// The steps that are concerned.
    pub used: Vec<Used>,
    /// What would break, by file and line.
    pub breaks: Vec<Problem>,
}

/// Holds the workflows of a project against other contracts: `becomes` says which action a step
/// would use instead of what it names, if it is concerned. What is wrong as it is does not count.
///
/// # Errors
/// Every problem of a workflow or schema that cannot be read.
pub(crate) fn against(
    loaded: &Loaded,
    (before, after): (&Catalog, &Catalog),
    becomes: &dyn Fn(&ActionRef) -> Option<ActionRef>,
) -> Result<Held, Vec<Problem>> {
    let (config, mut problems) = (&loaded.config, Vec::new());
    let folder = loaded.folder.join(&config.workflows);
    let mut workflows = workflows(&folder, loaded, None, &mut problems);
    let Schemas { types: mut events, .. } = contracts::events(&loaded.folder, &mut problems);
    builtin(config, &mut workflows, &mut events, &mut Vec::new(), &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let read = || workflows.iter().map(|defined| &defined.workflow);
    let mut old = contracts::of(read(), before, events);
    let mut new = old.clone();
    let mut used = Vec::new();
    for (workflow, step) in read().flat_map(steps) {
        let Some(act) = step.act() else { continue };
        let Some(instead) = becomes(&act.uses) else { continue };
        new.actions.insert(act.uses.to_string(), contracts::contract(&instead, after));
        used.push(Used {
            file: workflow.file.clone(),
            workflow: workflow.name.clone(),
            step: step.id.clone(),
            uses: act.uses.clone(),
        });
    }
    let known = found(&workflows, &mut old);
    let mut breaks = found(&workflows, &mut new);
    breaks
        .retain(|new| !known.iter().any(|old| old.place == new.place && old.detail == new.detail));
    in_order(&mut breaks);
    Ok(Held { used, breaks })
}

fn steps(
    workflow: &Workflow,
) -> impl Iterator<Item = (&Workflow, &postroom_core::definition::Step)> {
    workflow.steps.iter().map(move |step| (workflow, step))
}

/// Every problem of the workflows under some contracts.
fn found(workflows: &[Defined], contracts: &mut Contracts) -> Vec<Problem> {
    contracts.calls = Some(called(workflows, contracts));
    let check = |Defined { stored, workflow, root }: &Defined| {
        typecheck::workflow(workflow, root, &stored.text, contracts).problems
    };
    workflows.iter().flat_map(check).collect()
}
