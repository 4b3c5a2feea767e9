//! Workflows that start each other in a circle by the events they emit, or by calling each other.
//! Conditions are taken for unknown: what may hold holds.

use std::collections::BTreeMap;

use super::found::{Place, Reporter};
use crate::definition::{Step, Task, Workflow};
use crate::graph;
use crate::problem::{self, Problem};
use crate::yaml::{Node, Source};

/// A workflow with the tree and the text of its file.
pub type Placed<'a> = (&'a Workflow, &'a Node, &'a str);

/// The step by which one workflow starts another, both by their place in the list.
type Steps = BTreeMap<(usize, usize), usize>;

/// Every circle, told once, at the step that closes it. One in which a workflow says how many hops
/// it allows is meant.
#[must_use]
pub fn circles(workflows: &[Placed<'_>]) -> Vec<Problem> {
    let (mut starts, steps) = edges(workflows);
    let mut problems = Vec::new();
    while let Some(circle) = graph::find_cycle(&starts) {
        let Some((&last, &first)) = circle.last().zip(circle.first()) else { break };
        starts[last].retain(|next| *next != first);
        problems.extend(tell(workflows, &circle, &steps));
    }
    problems
}

/// Which workflows each one may start, and by which of its steps.
fn edges(workflows: &[Placed<'_>]) -> (Vec<Vec<usize>>, Steps) {
    let mut starts = vec![Vec::new(); workflows.len()];
    let mut steps = BTreeMap::new();
    let unbounded = |index: &usize| workflows[*index].0.max_hops.is_none();
    for from in (0..workflows.len()).filter(unbounded) {
        for (step, emitted) in workflows[from].0.steps.iter().map(Step::emitted).enumerate() {
            let Some((event, source)) = emitted else { continue };
            for to in (0..workflows.len()).filter(unbounded) {
                let triggers = &workflows[to].0.triggers;
                if triggers.iter().any(|trigger| trigger.fits(event, source))
                    && !starts[from].contains(&to)
                {
                    starts[from].push(to);
                    steps.insert((from, to), step);
                }
            }
        }
    }
    (starts, steps)
}

fn tell(workflows: &[Placed<'_>], circle: &[usize], steps: &Steps) -> Option<Problem> {
    let mut path = String::new();
    for (at, from) in circle.iter().enumerate() {
        let to = circle[(at + 1) % circle.len()];
        let workflow = workflows[*from].0;
        let (event, _) = workflow.steps[*steps.get(&(*from, to))?].emitted()?;
        path.push_str(&format!("{} -> {event} -> ", workflow.name));
    }
    let (first, last) = (*circle.first()?, *circle.last()?);
    path.push_str(&workflows[first].0.name);
    let (workflow, root, file) = workflows[last];
    let index = *steps.get(&(last, first))?;
    let step = &workflow.steps[index];
    let (key, text) = match &step.task {
        Task::Call(call) => ("call", &call.workflow),
        Task::Emit(emit) => ("emit", &emit.event),
        _ => return None,
    };
    let place = Place::nth(workflow, index).below(key);
    let detail = format!("workflows start each other without end: {path}");
    let hint = "let one of them take another event or another `source`, or give it `max_hops: N` \
                if the circle ends by itself";
    let mut reporter = Reporter::new(Source::new(&workflow.file, file), root, None);
    let problem = Problem::new(&problem::EMIT_CIRCLE, detail).hint(hint);
    reporter.whole(problem, &place, text.len());
    reporter.finish().problems.pop()
}
