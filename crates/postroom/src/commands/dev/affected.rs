//! Which tests a change is about: those that start a changed workflow, directly or through another
//! that emits its event or calls it, those that name it, and those whose own file changed.

use std::collections::BTreeSet;

use postroom_core::definition::{Task, Workflow};
use postroom_engine::Project;

use crate::fixture::Fixture;

/// Names of workflows that are new, gone or different.
pub(super) fn changed(before: &Project, now: &Project) -> BTreeSet<String> {
    let of = |project: &Project| -> BTreeSet<_> {
        let known = project.workflows.iter();
        known.map(|(_, workflow)| (workflow.name.clone(), workflow.hash.to_string())).collect()
    };
    of(before).symmetric_difference(&of(now)).map(|(name, _)| name.clone()).collect()
}

/// Whether a test is about one of these workflows, in the one project or the other.
pub(super) fn concerns(
    test: &Fixture,
    changed: &BTreeSet<String>,
    projects: [&Project; 2],
) -> bool {
    projects.into_iter().any(|project| {
        let leading = leading_to(changed, project);
        if test.only.as_ref().is_some_and(|name| changed.contains(name)) {
            return true;
        }
        let later = test.script.later.iter().map(|later| &later.event);
        let mut events = later.chain([&test.event.arriving]);
        events.any(|event| {
            let mut triggers = leading.iter().flat_map(|workflow| &workflow.triggers);
            triggers.any(|trigger| trigger.fits(&event.kind, &event.source))
        })
    })
}

/// The workflows, and all those whose events lead to them.
fn leading_to<'p>(names: &BTreeSet<String>, project: &'p Project) -> Vec<&'p Workflow> {
    let all: Vec<&Workflow> = project.workflows.iter().map(|(_, workflow)| &**workflow).collect();
    let mut found: Vec<&Workflow> =
        all.iter().copied().filter(|workflow| names.contains(&workflow.name)).collect();
    let mut next = 0;
    while let Some(reached) = found.get(next).copied() {
        next += 1;
        for workflow in &all {
            let new = !found.iter().any(|known| known.name == workflow.name);
            if new && workflow.steps.iter().any(|step| starts(&step.task, reached)) {
                found.push(workflow);
            }
        }
    }
    found
}

/// Whether what a step does may start a workflow.
fn starts(task: &Task, workflow: &Workflow) -> bool {
    let event = match task {
        Task::Emit(emit) => &emit.event,
        Task::Call(call) => &call.event,
        Task::Action(_)
        | Task::Wait(_)
        | Task::Await(_)
        | Task::Approve(_)
        | Task::Return(_)
        | Task::Wake => return false,
    };
    workflow.triggers.iter().any(|trigger| trigger.takes(event))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use postroom_adapters::Catalog;
    use postroom_core::definition::{Defaults, Stored};
    use postroom_core::parse;

    use super::*;
    use crate::fixture;

    fn project(workflows: &[(&str, &str, &str)]) -> Project {
        let read = |(name, on, step): &(&str, &str, &str)| {
            let text = format!("{{workflow: {name}, on: [{{event: {on}}}], steps: [{step}]}}");
            let file = format!("{name}.yaml");
            let stored =
                Stored { v: 1, file, text, defaults: Defaults::default(), first_seen_ms: None };
            let workflow = parse::workflow(&stored).unwrap();
            (stored, workflow)
        };
        let catalog = Arc::new(Catalog::builtin());
        Project::new(workflows.iter().map(read).collect(), catalog, BTreeMap::new()).unwrap()
    }

    const ECHO: &str = "{id: a, uses: local/echo, with: {}}";
    const OTHER: &str = "{id: b, uses: local/echo, with: {}}";

    fn named(before: &Project, now: &Project) -> Vec<String> {
        let text = "{test: paid, event: {type: PAID}}\n---\n{test: sent, event: {type: SENT}}\n---\n\
                    {test: only c, event: {type: X}, workflow: c}\n---\n\
                    {test: later, event: {type: X}, later: [{after: 1d, type: GONE}]}\n";
        let tests = fixture::read(Path::new("t.yaml"), "t.yaml", text, now).ok().unwrap();
        let changed = changed(before, now);
        let about = tests.iter().filter(|test| concerns(test, &changed, [before, now]));
        about.map(|test| test.name.clone()).collect()
    }

    #[test]
    fn a_change_is_about_the_tests_that_may_reach_it() {
        let emit = "{id: e, emit: SENT, with: {}}";
        let before = project(&[("a", "PAID", emit), ("b", "SENT", ECHO), ("c", "GONE", ECHO)]);
        assert_eq!(named(&before, &before), [""; 0]);
        let now = project(&[("a", "PAID", emit), ("b", "SENT", OTHER), ("c", "GONE", ECHO)]);
        assert_eq!(named(&before, &now), ["paid", "sent"], "`a` emits what starts `b`");
        let now = project(&[("a", "PAID", ECHO), ("b", "SENT", ECHO), ("c", "GONE", ECHO)]);
        assert_eq!(named(&before, &now), ["paid"]);
        let now = project(&[("a", "PAID", emit), ("b", "SENT", ECHO), ("c", "G*", OTHER)]);
        assert_eq!(named(&before, &now), ["only c", "later"]);
        let call = "{id: e, call: b, with: {}}";
        let of = |b| project(&[("a", "PAID", call), ("b", "call.b", b), ("c", "GONE", ECHO)]);
        assert_eq!(named(&of(ECHO), &of(OTHER)), ["paid"], "`a` calls `b`");
        let now = project(&[("a", "PAID", emit), ("c", "GONE", ECHO)]);
        assert_eq!(named(&before, &now), ["paid", "sent"], "what is gone was about them");
    }
}
