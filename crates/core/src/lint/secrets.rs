//! `lint/secret-in-log`: what looks like a secret, or is marked as one, and ends up where it is
//! logged, kept or shown in clear.

use postroom_expr::{Rest, Segment, Shown, Type};

use super::names::{self, Secret};
use super::{Exposure, Linter};
use crate::definition::{Act, RETURN, Step, Task};
use crate::problem::{self, Problem};
use crate::typecheck::found::Place;

/// How deep a value that is passed on whole is looked into, and at how many fields.
const MAX_DEPTH: usize = 8;
const MAX_FIELDS: usize = 2_000;

/// What becomes of a value that is shown, and what to do instead.
struct Sink {
    becomes: String,
    instead: &'static str,
}

impl Sink {
    fn of(how: Exposure, act: &Act) -> Self {
        match how {
            Exposure::Url => Self {
                becomes: format!("would stand in the URL of `{}`, which is logged", act.uses),
                instead: "send it in a header or a body, or as a credential of the connection",
            },
            Exposure::Message => Self {
                becomes: format!("would be readable in the message of `{}`", act.uses),
                instead: "leave it out, or show only its end: `.slice(-4)`",
            },
        }
    }

    fn event(kind: &str) -> Self {
        Self {
            becomes: format!("would be kept in clear in the event `{kind}`"),
            instead: "leave it out, or pass on a reference to it",
        }
    }

    fn key() -> Self {
        Self {
            becomes: "would be part of a key, which is logged".to_owned(),
            instead: "use a field that is no secret, or its `sha256(…)`",
        }
    }

    fn question() -> Self {
        Self {
            becomes: "would be readable in the question to a person".to_owned(),
            instead: "leave it out, or show only its end: `.slice(-4)`",
        }
    }

    fn output() -> Self {
        Self {
            becomes: "would be kept in clear in what the run comes to".to_owned(),
            instead: "leave it out, or pass on a reference to it",
        }
    }
}

impl Linter<'_> {
    pub(super) fn secrets(&mut self) {
        let workflow = self.workflow;
        if let Some(dedupe) = &workflow.policies.dedupe {
            let place = self.reporter.key_of("dedupe");
            self.shown(dedupe.key.shows(), &place, &Sink::key());
        }
        for (index, step) in workflow.steps.iter().enumerate() {
            let place = Place::nth(workflow, index);
            match &step.task {
                Task::Action(act) => self.exposed(index, act, &place.below("with")),
                Task::Emit(emit) => {
                    let sink = Sink::event(&emit.event);
                    self.shown(of_items(emit.with.shows(), step), &place.below("with"), &sink);
                    if let Some(key) = &emit.key {
                        let shown = of_items(key.shows(), step);
                        self.shown(shown, &place.below("key"), &Sink::key());
                    }
                }
                Task::Call(call) => {
                    let sink = Sink::event(&call.event);
                    self.shown(of_items(call.with.shows(), step), &place.below("with"), &sink);
                }
                Task::Approve(question) => {
                    let place = place.below("approve").below("ask");
                    self.shown(question.ask.shows(), &place, &Sink::question());
                }
                Task::Return(value) => {
                    self.shown(value.shows(), &Place::top(&[RETURN]), &Sink::output());
                }
                Task::Wait(_) | Task::Await(_) | Task::Wake => {}
            }
        }
    }

    /// The inputs of an action that are logged or read by people.
    fn exposed(&mut self, index: usize, act: &Act, place: &Place) {
        let Some(effects) = &self.effects[index] else { return };
        let mut found = Vec::new();
        for exposed in &effects.exposed {
            for mut shown in of_items(act.with.shows(), &self.workflow.steps[index]) {
                let input = exposed.input.iter();
                let same = |(key, segment): (&String, &Segment)| match segment {
                    Segment::Key(name) => name == key,
                    Segment::Index(_) => false,
                };
                if !input.clone().zip(&shown.place).all(same) {
                    continue;
                }
                // Of a value that is given whole, only what lies below is exposed.
                shown.path.extend(input.skip(shown.place.len()).cloned());
                if !found.iter().any(|(known, _)| *known == shown) {
                    found.push((shown, exposed.how));
                }
            }
        }
        for (shown, how) in found {
            self.shown(vec![shown], place, &Sink::of(how, act));
        }
    }

    fn shown(&mut self, shown: Vec<Shown>, place: &Place, sink: &Sink) {
        for shown in shown {
            let Some((path, marked)) = self.secret_in(&shown.path) else { continue };
            let path = path.join(".").replace(".[]", "[…]");
            let why =
                if marked { "is marked as secret in its schema" } else { "looks like a secret" };
            let detail = format!("`{path}` {why} and {}", sink.becomes);
            let problem = Problem::new(&problem::SECRET_IN_LOG, detail).hint(sink.instead);
            self.reporter.part(problem, place, &shown.place, &shown.span);
        }
    }

    /// The path of a secret that the value at a path is or holds, and whether a schema says so.
    fn secret_in(&self, path: &[String]) -> Option<(Vec<String>, bool)> {
        let types = self.types(path);
        if self.is_marked(path) {
            return Some((path.to_vec(), true));
        }
        if let Some(secret) = names::secret(path)
            && may_be(&types, secret)
        {
            return Some((path.to_vec(), false));
        }
        let mut path = path.to_vec();
        let mut left = MAX_FIELDS;
        types.iter().find_map(|ty| self.below(ty, &mut path, 0, &mut left))
    }

    /// A secret below a value of this type.
    fn below(
        &self,
        ty: &Type,
        path: &mut Vec<String>,
        depth: usize,
        left: &mut usize,
    ) -> Option<(Vec<String>, bool)> {
        for member in ty.members() {
            let fields: Vec<(&str, &Type)> = match member {
                Type::List(item, _) => vec![("[]", item.as_ref())],
                Type::Object(object) => {
                    object.fields.iter().map(|(name, field)| (name.as_ref(), &field.ty)).collect()
                }
                _ => continue,
            };
            for (name, ty) in fields {
                if depth > MAX_DEPTH || *left == 0 {
                    return None;
                }
                *left -= 1;
                path.push(name.to_owned());
                let marked = self.is_marked(path);
                let named = name != "[]"
                    && names::secret(path)
                        .is_some_and(|secret| may_be(std::slice::from_ref(ty), secret));
                if marked || named {
                    return Some((path.clone(), marked));
                }
                let found = self.below(ty, path, depth + 1, left);
                path.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    fn is_marked(&self, path: &[String]) -> bool {
        let [root, data, field @ ..] = path else { return false };
        if root != "event" || data != "data" {
            return false;
        }
        let marks = self.workflow.triggers.iter().filter_map(|it| self.known.marked.get(&it.event));
        marks.flatten().any(|marked| marked == field)
    }

    /// What is known of the value at a path.
    fn types(&self, path: &[String]) -> Vec<Type> {
        let contracts = self.known.contracts;
        match path {
            [root, data, rest @ ..] if root == "event" && data == "data" => {
                let events = self.workflow.triggers.iter().map(|trigger| &trigger.event);
                let types = events.filter_map(|event| contracts.events.get(event));
                types.flat_map(|ty| at(ty, rest)).collect()
            }
            [root, id, output, rest @ ..] if root == "steps" && output == "output" => {
                let step = self.workflow.step(id).map(|index| &self.workflow.steps[index]);
                let uses = step.and_then(|step| step.act()).map(|act| act.uses.to_string());
                let contract = uses.and_then(|uses| contracts.actions.get(&uses));
                match contract {
                    Some(Ok(contract)) if step.is_some_and(|step| step.each.is_some()) => {
                        at(&Type::list(contract.output.clone()), rest)
                    }
                    Some(Ok(contract)) => at(&contract.output, rest),
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }
}

/// What a step shows of the items of its list, as what it shows of the list.
fn of_items(shown: Vec<Shown>, step: &Step) -> Vec<Shown> {
    let lists = step.each.iter().flat_map(|each| each.list.shows());
    let lists: Vec<Vec<String>> =
        lists.filter(|list| list.place.is_empty()).map(|list| list.path).collect();
    let mut found = Vec::new();
    for shown in shown {
        match shown.path.split_first() {
            Some((root, rest)) if root == "item" && !lists.is_empty() => {
                let item = |list: &Vec<String>| [list, &["[]".to_owned()][..], rest].concat();
                found.extend(lists.iter().map(|list| Shown { path: item(list), ..shown.clone() }));
            }
            _ => found.push(shown),
        }
    }
    found
}

/// The types of what lies below a type.
fn at(ty: &Type, path: &[String]) -> Vec<Type> {
    let mut types = vec![ty.clone()];
    for key in path {
        let mut below = Vec::new();
        for member in types.iter().flat_map(|ty| ty.members()) {
            match member {
                Type::List(item, _) if key == "[]" => below.push(item.as_ref().clone()),
                Type::Object(object) => match (object.fields.get(key.as_str()), &object.rest) {
                    (Some(field), _) => below.push(field.ty.clone()),
                    (None, Rest::Open(ty)) => below.push(ty.clone()),
                    (None, _) => {}
                },
                Type::Dyn => below.push(Type::Dyn),
                _ => {}
            }
        }
        types = below;
    }
    types
}

/// Whether a value of these types can be such a secret: not if it is true or false, or one of a few
/// words. What nothing is known of can.
fn may_be(types: &[Type], secret: Secret) -> bool {
    let fits = |member: &Type| match member {
        Type::Dyn | Type::Text(None) => true,
        Type::Int | Type::Number => secret == Secret::Figures,
        _ => false,
    };
    types.is_empty() || types.iter().flat_map(|ty| ty.members()).any(fits)
}
