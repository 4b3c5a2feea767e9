//! `lint/many-calls`: the longest row of calls, and where it would be split best.

use postroom_expr::Read;

use super::Linter;
use crate::definition::{Step, Task, Wait};
use crate::problem::{self, Problem};
use crate::typecheck::found::Place;

/// So many calls in a row raise no question.
const MOST: usize = 5;

impl Linter<'_> {
    pub(super) fn many_calls(&mut self) {
        let row = self.longest_row();
        if row.len() <= MOST {
            return;
        }
        let (Some(first), Some(last)) = (row.first(), row.last()) else { return };
        let (after, reads) = self.cut(&row);
        let id = |index: usize| &self.workflow.steps[index].id;
        let detail = format!(
            "{} calls to providers stand in a row, from `{}` to `{}`",
            row.len(),
            id(*first),
            id(*last)
        );
        let why = match reads {
            0 => "nothing after it reads what came before".to_owned(),
            1 => "only one expression after it reads what came before".to_owned(),
            reads => format!("only {reads} expressions after it read what came before"),
        };
        let hint = format!(
            "split the workflow after `{}`, since {why}: let an `emit` or a `call` there start \
             a second workflow",
            id(row[after])
        );
        let place = Place::nth(self.workflow, row[after]).below("uses");
        let len = self.workflow.steps[row[after]].task.to_string().len();
        let problem = Problem::new(&problem::MANY_CALLS, detail).hint(hint);
        self.reporter.whole(problem, &place, len);
    }

    /// The steps that call somebody on the longest way through `needs`, in their order.
    fn longest_row(&self) -> Vec<usize> {
        let steps = &self.workflow.steps;
        // Who needs another has more steps before it than that one.
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_by_key(|index| self.before[*index].iter().filter(|before| **before).count());
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
        for index in order {
            let longest = steps[index].needs.iter().map(|need| &rows[*need]);
            let mut row = longest.max_by_key(|row| row.len()).cloned().unwrap_or_default();
            if self.effects[index].as_ref().is_some_and(|effects| effects.calls) {
                row.push(index);
            }
            rows[index] = row;
        }
        rows.into_iter().max_by_key(Vec::len).unwrap_or_default()
    }

    /// After which of the row's steps the fewest later expressions read earlier outputs, and how
    /// many those are. Of equals, the one nearest to the middle.
    fn cut(&self, row: &[usize]) -> (usize, usize) {
        let cuts = (1..row.len() - 2).map(|after| (after, self.reads_across(row[after])));
        let middle = |after: usize| (2 * (after + 1)).abs_diff(row.len());
        cuts.min_by_key(|(after, reads)| (*reads, middle(*after))).unwrap_or((row.len() / 2, 0))
    }

    /// How many expressions read outputs of the step, or of one before it, from later on.
    fn reads_across(&self, last: usize) -> usize {
        let steps = &self.workflow.steps;
        let earlier = |index: usize| index == last || self.before[last][index];
        let later = steps.iter().enumerate().filter(|(index, _)| !earlier(*index));
        let across = |path: &[String]| match path {
            [root, id, ..] if root == "steps" => self.workflow.step(id).is_some_and(earlier),
            [root] => root == "steps",
            _ => false,
        };
        later.flat_map(|(_, step)| reads(step)).filter(|path| across(path)).count()
    }
}

/// The paths that the expressions of a step read.
fn reads(step: &Step) -> Vec<Vec<String>> {
    let given = match &step.task {
        Task::Action(act) => Some(&act.with),
        Task::Emit(emit) => Some(&emit.with),
        Task::Call(call) => Some(&call.with),
        Task::Return(value) => Some(value),
        Task::Wait(_) | Task::Await(_) | Task::Approve(_) | Task::Wake => None,
    };
    let mut reads: Vec<Read> = match &step.task {
        Task::Wait(Wait::For(text) | Wait::Until(text)) => text.reads(),
        Task::Await(event) => {
            let condition = event.condition.iter().flat_map(|it| it.reads());
            condition.chain(event.timeout.reads()).collect()
        }
        Task::Approve(question) => question.ask.reads(),
        _ => Vec::new(),
    };
    reads.extend(step.condition.iter().flat_map(|it| it.reads()));
    let mappings = given.into_iter().chain(step.each.as_ref().map(|each| &each.list));
    reads.extend(mappings.flat_map(|it| it.reads()).map(|(_, read)| read));
    reads.into_iter().map(|read| read.path).collect()
}
