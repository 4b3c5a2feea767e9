//! What works as it is written, and is most likely not meant so: the lints of a workflow.
//!
//! Owns which lints there are and what a workflow accepts of them (`allow`). Knows neither files
//! nor adapters: what actions do arrives as [`Effects`]. A false alarm costs more than one that is
//! missing, so where something is not certain, nothing is said.

mod calls;
mod deprecated;
mod effects;
mod marks;
mod names;
mod secrets;

use std::collections::BTreeMap;

use postroom_expr::nearest;

pub use self::deprecated::Deprecated;
pub use self::marks::marked;
pub use self::names::says_secret;
use crate::definition::{Act, Step, Workflow};
use crate::graph;
use crate::problem::{IDLE_ALLOW, LINTS, Problem};
use crate::typecheck::Contracts;
use crate::typecheck::found::{Place, Reporter};
use crate::yaml::{Node, Source, Value};

/// What an action does with the input that a step gives it, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Whether it calls anybody.
    pub calls: bool,
    /// Whether repeating it would take effect again, and nothing can say whether it did: then the
    /// inputs that decide about that, if any do.
    pub unrepeatable: Option<Vec<String>>,
    /// Whether it moves money or destroys something.
    pub destructive: bool,
    /// Inputs that end up where they are logged or shown.
    pub exposed: Vec<Exposed>,
    /// Whether it is on its way out.
    pub deprecated: Option<Deprecated>,
}

/// An input that is logged or shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The keys that lead to it from the input.
    pub input: Vec<String>,
    /// Where it ends up.
    pub how: Exposure,
}

/// Where an input ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// In the URL of a request.
    Url,
    /// In a text that people read.
    Message,
}

/// What is known of the world around a workflow.
pub struct Known<'a> {
    /// The types of actions and events.
    pub contracts: &'a Contracts,
    /// What an action does; `None` where that is not known.
    pub effects: &'a dyn Fn(&Act) -> Option<Effects>,
    /// Whether a test of the project says what the step requests.
    pub rehearsed: &'a dyn Fn(&Workflow, &Step) -> bool,
    /// The fields of the data of events that their schema marks as secret, by event type; see
    /// [`marked`].
    pub marked: &'a BTreeMap<String, Vec<Vec<String>>>,
}

/// The lints of a workflow that it does not accept, in the order of its file. `root` is the tree of
/// the file, `text` the file's text.
#[must_use]
pub fn workflow(workflow: &Workflow, root: &Node, text: &str, known: &Known<'_>) -> Vec<Problem> {
    let effects = workflow.steps.iter().map(|step| (known.effects)(step.act()?)).collect();
    let mut linter = Linter {
        workflow,
        known,
        effects,
        before: graph::ended_before(&workflow.steps),
        reporter: Reporter::new(Source::new(&workflow.file, text), root, None),
    };
    linter.many_calls();
    for index in 0..workflow.steps.len() {
        linter.unrepeatable(index);
        linter.unguarded(index);
        linter.deprecated(index);
    }
    linter.secrets();
    // Of a workflow that is dry for a while, what it accepts is for when it goes live.
    let certain = workflow.mode.is_live()
        && workflow
            .steps
            .iter()
            .zip(&linter.effects)
            .all(|(step, effects)| step.act().is_none() || effects.is_some());
    let found = linter.reporter.finish().problems;
    let mut allow = Allow::read(root);
    let mut told: Vec<Problem> = found.into_iter().filter(|lint| !allow.accepts(lint)).collect();
    for lint in &mut told {
        let accept = format!("to accept it knowingly, write `allow: [{}]`", lint.kind.code);
        lint.hint = Some(match lint.hint.take() {
            Some(hint) => format!("{hint}; {accept}"),
            None => accept,
        });
    }
    let mut reporter = Reporter::new(Source::new(&workflow.file, text), root, None);
    allow.idle(certain, &mut reporter);
    told.extend(reporter.finish().problems);
    told.sort_by_key(|lint| lint.place.as_ref().map(|place| (place.line, place.column)));
    told
}

struct Linter<'a> {
    workflow: &'a Workflow,
    known: &'a Known<'a>,
    /// By step; `None` where a step performs no action or nothing is known of it.
    effects: Vec<Option<Effects>>,
    before: Vec<Vec<bool>>,
    reporter: Reporter<'a>,
}

/// The entries of `allow`.
struct Allow<'a> {
    /// A code, and how many lints it accepted.
    entries: Vec<(&'a str, usize)>,
}

impl<'a> Allow<'a> {
    fn read(root: &'a Node) -> Self {
        let Value::Map(keys) = &root.value else { return Self { entries: Vec::new() } };
        let allow = keys.iter().find(|(key, _)| key.name == "allow").map(|(_, node)| &node.value);
        let Some(Value::List(items)) = allow else { return Self { entries: Vec::new() } };
        let text = |item: &'a Node| match &item.value {
            Value::Str(text) => text.as_str(),
            _ => "",
        };
        Self { entries: items.iter().map(|item| (text(item), 0)).collect() }
    }

    fn accepts(&mut self, lint: &Problem) -> bool {
        let entry = self.entries.iter_mut().find(|(code, _)| *code == lint.kind.code);
        entry.map(|(_, accepted)| *accepted += 1).is_some()
    }

    /// Reports entries that accept nothing. Where not all of the workflow is known, one may accept
    /// what could not be looked for.
    fn idle(&self, certain: bool, reporter: &mut Reporter<'_>) {
        for (index, (code, accepted)) in self.entries.iter().enumerate() {
            let known = LINTS.iter().any(|kind| kind.code == *code && **kind != IDLE_ALLOW);
            let (detail, hint) = if !known {
                let codes = LINTS.iter().map(|kind| kind.code).filter(|c| *c != IDLE_ALLOW.code);
                let hint = match nearest(code, codes.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: {}", codes.collect::<Vec<_>>().join(", ")),
                };
                (format!("there is no lint `{code}` to accept"), hint)
            } else if self.entries[..index].iter().any(|(other, _)| other == code) {
                (format!("`{code}` is accepted twice"), "remove one of them".to_owned())
            } else if *accepted == 0 && certain {
                let hint = "remove it: it would hide one that comes later".to_owned();
                (format!("`{code}` accepts nothing: the workflow has no such lint"), hint)
            } else {
                continue;
            };
            let place = Place::top(&["allow"]).item(index);
            reporter.whole(Problem::new(&IDLE_ALLOW, detail).hint(hint), &place, code.len());
        }
    }
}
