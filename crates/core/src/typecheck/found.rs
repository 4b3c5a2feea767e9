//! From what the checker found to problems with their places.

use postroom_expr::{Checked, Fault, Finding, Segment, code, place_text};

use super::Report;
use crate::definition::Workflow;
use crate::problem::{self, Problem};
use crate::yaml::{At, Key, Node, Source, Value};

/// A place in the file: where to go from its root, and its name for people.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    segments: Vec<Segment>,
    name: String,
}

impl Place {
    /// The root itself, by its name for people.
    pub fn here(name: &str) -> Self {
        Self { segments: Vec::new(), name: name.to_owned() }
    }

    /// Keys below the root.
    pub fn top(keys: &[&str]) -> Self {
        let segments = keys.iter().map(|key| Segment::Key((*key).to_owned())).collect();
        Self { segments, name: keys.join(".") }
    }

    /// The condition of a trigger.
    pub fn trigger(index: usize) -> Self {
        let segments = vec![
            Segment::Key("on".to_owned()),
            Segment::Index(index),
            Segment::Key("if".to_owned()),
        ];
        Self { name: place_text(&segments), segments }
    }

    /// A step, whose name for people is its id.
    pub fn step(list: &str, index: usize, id: &str) -> Self {
        let segments = vec![Segment::Key(list.to_owned()), Segment::Index(index)];
        Self { segments, name: format!("{list}.{id}") }
    }

    /// A step by its number.
    pub fn nth(workflow: &Workflow, index: usize) -> Self {
        let (list, nth) = match index.checked_sub(workflow.main_steps) {
            Some(later) => ("on_failure", later),
            None => ("steps", index),
        };
        Self::step(list, nth, &workflow.steps[index].id)
    }

    /// A key of it.
    pub fn below(&self, key: &str) -> Self {
        let mut below = self.clone();
        below.segments.push(Segment::Key(key.to_owned()));
        below.name = format!("{}.{key}", self.name);
        below
    }

    /// An item of it.
    pub fn item(&self, index: usize) -> Self {
        let mut item = self.clone();
        item.segments.push(Segment::Index(index));
        item.name = format!("{}[{index}]", self.name);
        item
    }
}

pub(crate) struct Reporter<'a> {
    source: Source<'a>,
    root: &'a Node,
    /// An event type of the workflow that nobody has declared.
    undeclared: Option<&'a str>,
    report: Report,
}

impl<'a> Reporter<'a> {
    pub fn new(source: Source<'a>, root: &'a Node, undeclared: Option<&'a str>) -> Self {
        Self { source, root, undeclared, report: Report::default() }
    }

    /// The key of a policy that has a short form: the policy itself there, else a key of it.
    pub fn key_of(&self, policy: &str) -> Place {
        let long = match &self.root.value {
            Value::Map(entries) => entries
                .iter()
                .any(|(key, node)| key.name == policy && matches!(node.value, Value::Map(_))),
            _ => false,
        };
        if long { Place::top(&[policy, "key"]) } else { Place::top(&[policy]) }
    }

    pub fn finish(mut self) -> Report {
        let line =
            |problem: &Problem| problem.place.as_ref().map(|place| (place.line, place.column));
        self.report.problems.sort_by_key(line);
        self.report.untyped.sort_by_key(line);
        self.report
    }

    /// Takes in what was found at a place.
    pub fn found(&mut self, checked: Checked, place: &Place) {
        self.report.expressions += checked.expressions;
        for finding in checked.findings {
            self.finding(finding, place);
        }
        for untyped in checked.untyped {
            let detail = format!("nothing is known of `{}`", untyped.text);
            let mut problem = Problem::new(&problem::EXPR_UNTYPED, detail);
            let of_event = ["event.data", "event?.data"];
            if of_event.iter().any(|start| untyped.text.starts_with(start))
                && let Some(event) = self.undeclared
            {
                problem = problem.hint(format!("describe its data in `schemas/{event}.json`"));
            }
            let (at, name) = self.locate(place, &untyped.place, false, &untyped.span);
            self.report.untyped.push(self.source.placed(problem.of(name), at));
        }
    }

    /// Notes a problem about the whole text at a place.
    pub fn whole(&mut self, problem: Problem, place: &Place, len: usize) {
        self.part(problem, place, &[], &(0..len));
    }

    /// Notes a problem about a part of a text below a place.
    pub fn part(
        &mut self,
        problem: Problem,
        place: &Place,
        inner: &[Segment],
        span: &std::ops::Range<usize>,
    ) {
        let (at, name) = self.locate(place, inner, false, span);
        self.report.problems.push(self.source.placed(problem.of(name), at));
    }

    fn finding(&mut self, finding: Finding, place: &Place) {
        let Finding { place: inner, on_key, fault, path } = finding;
        let (at, name) = self.locate(place, &inner, on_key, &fault.span);
        let problem = match (fault.code, path.as_slice()) {
            (code::MAYBE_NULL | code::INPUT_TYPE, [root, step, output])
                if root == "steps" && output == "output" =>
            {
                skipped(step, fault)
            }
            _ => {
                let kind = problem::of_fault(fault.code);
                let mut problem = Problem::new(kind, fault.message);
                problem.hint = fault.hint;
                problem
            }
        };
        self.report.problems.push(self.source.placed(problem.of(name), at));
    }

    /// Where a finding stands: the characters of an expression, a key, or the key that holds what
    /// it is about.
    fn locate(
        &self,
        place: &Place,
        inner: &[Segment],
        on_key: bool,
        span: &std::ops::Range<usize>,
    ) -> (At, String) {
        let mut name = place.name.clone();
        match place_text(inner).as_str() {
            "" => {}
            inner if inner.starts_with('[') => name.push_str(inner),
            inner => name.extend([".", inner]),
        }
        let (mut node, mut key): (&Node, Option<&Key>) = (self.root, None);
        for segment in place.segments.iter().chain(inner) {
            let next = match (segment, &node.value) {
                (Segment::Key(name), Value::Map(entries)) => entries
                    .iter()
                    .find(|(key, _)| key.name == *name)
                    .map(|(key, node)| (Some(key), node)),
                (Segment::Index(index), Value::List(items)) => {
                    items.get(*index).map(|node| (None, node))
                }
                _ => None,
            };
            match next {
                Some((found, below)) => (node, key) = (below, found.or(key)),
                // A text in place of a mapping is what would stand in it.
                None if matches!(node.value, Value::Str(_)) && span.end > 0 => break,
                // What is not written has its place where it would stand.
                None => return (self.around(node, key), name),
            }
        }
        let at = match (&node.value, key) {
            (_, Some(key)) if on_key => key.at,
            (Value::Str(_), _) if span.end > 0 => self.source.inside(node, span.start, span.end),
            (Value::Map(_) | Value::List(_), key) => key.map_or(node.at, |key| key.at),
            _ => node.at,
        };
        (at, name)
    }

    /// The place of what should stand in a mapping and does not: the key that holds the mapping,
    /// for a step the action it uses or the event it emits.
    fn around(&self, node: &Node, key: Option<&Key>) -> At {
        if let Value::Map(entries) = &node.value
            && let Some((_, uses)) =
                entries.iter().find(|(key, _)| ["uses", "emit"].contains(&&*key.name))
        {
            return uses.at;
        }
        key.map_or(node.at, |key| key.at)
    }
}

/// Null because a step has no output.
fn skipped(step: &str, fault: Fault) -> Problem {
    let detail = format!("`steps.{step}.output` is null where `{step}` did not run");
    let guard = format!("let this step run only where it did: `if: steps.{step}.status == 'done'`");
    let hint = match fault.hint.filter(|_| fault.code == code::MAYBE_NULL) {
        Some(hint) => format!("{}, or {guard}", hint.trim_end_matches(" if it may be null")),
        None => guard,
    };
    Problem::new(&problem::MAYBE_SKIPPED, detail).hint(hint)
}
