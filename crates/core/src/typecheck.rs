//! A whole workflow held against the contracts of its actions and the schemas of its events.
//!
//! Owns the types of what expressions may read (`event`, `steps`, `run`, `workflow`), what a step
//! may rely on of the steps before it, and the places of what is found. Knows neither files nor
//! adapters: contracts and schemas arrive as types. Another kind of step is another arm in
//! `Check::step`; another root is another `with` in `roots`.

mod circles;
pub(crate) mod found;
mod kinds;
mod policies;
mod roots;

pub use circles::{Placed, circles};

use std::collections::BTreeMap;

use postroom_expr::{Checked, Env, Expr, Mapping, Template, Type, nearest};

use self::found::{Place, Reporter};
use crate::definition::{Act, ActionRef, Emit, RETURN, Step, Task, Workflow};
use crate::graph;
use crate::problem::{self, Problem};
use crate::yaml::{Node, Source};

/// The types of an action.
#[derive(Clone, Debug)]
pub struct Contract {
    /// What it takes.
    pub input: Type,
    /// What it gives.
    pub output: Type,
    /// What it gives as a value of `input`, if it calls nobody: then what it gives is as well known
    /// as what it takes.
    pub computed: Option<Mapping>,
}

/// What a workflow is held against.
#[derive(Clone, Debug, Default)]
pub struct Contracts {
    /// Contracts by the action as a step names it, or the problem that there is none. An action
    /// that is not here takes and gives anything.
    pub actions: BTreeMap<String, Result<Contract, Problem>>,
    /// Types of the data of events by event type. The data of others may be anything.
    pub events: BTreeMap<String, Type>,
    /// The adapter of each connection by its name. `None` where connections are not looked at.
    pub connections: Option<BTreeMap<String, String>>,
    /// What workflows that may be called come to, by name. `None` where calls are not looked at.
    pub calls: Option<BTreeMap<String, Type>>,
}

impl Contracts {
    fn declares(&self, event: &str) -> bool {
        self.events.contains_key(event)
    }

    fn event(&self, event: &str) -> &Type {
        self.events.get(event).unwrap_or(&Type::Dyn)
    }

    fn action(&self, uses: &ActionRef) -> Contract {
        match self.actions.get(&uses.to_string()) {
            Some(Ok(contract)) => contract.clone(),
            _ => Contract { input: Type::Dyn, output: Type::Dyn, computed: None },
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
    /// Reads of something of which nothing is known, each as the problem it is for who wants
    /// none of them.
    pub untyped: Vec<Problem>,
    /// How many expressions were typed.
    pub expressions: usize,
}

impl Report {
    /// Takes in what came of another workflow.
    pub fn add(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.untyped.extend(other.untyped);
        self.expressions += other.expressions;
    }
}

/// Checks a workflow. `root` is the tree of its file, `text` the file's text.
#[must_use]
pub fn workflow(workflow: &Workflow, root: &Node, text: &str, contracts: &Contracts) -> Report {
    let mut check = Check::new(workflow, root, text, contracts);
    let event = check.triggers();
    check.outputs(&event);
    policies::check(&mut check, &event);
    for index in 0..workflow.steps.len() {
        check.step(index, &event);
    }
    check.reporter.finish()
}

/// Holds a mapping that stands at a node of some file against what it must come to. `path` is its
/// name for people.
pub fn mapping(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    (mapping, env, wanted): (&Mapping, &Env, &Type),
) {
    let mut reporter = Reporter::new(Source::new(source.file, source.text), node, None);
    reporter.found(mapping.check(env, wanted), &Place::here(path));
    source.problems.extend(reporter.finish().problems);
}

/// What a workflow comes to, as far as its own file says.
#[must_use]
pub fn returns(workflow: &Workflow, root: &Node, text: &str, contracts: &Contracts) -> Type {
    let returned = |step: &Step| matches!(step.task, Task::Return(_));
    let Some(index) = workflow.steps.iter().position(returned) else { return Type::Dyn };
    let mut check = Check::new(workflow, root, text, contracts);
    let event = check.triggers();
    check.outputs(&event);
    let env = check.steps_before(index, &event);
    match &workflow.steps[index].task {
        Task::Return(value) => value.check(&env, &Type::Dyn).ty,
        _ => Type::Dyn,
    }
}

struct Check<'a> {
    workflow: &'a Workflow,
    contracts: &'a Contracts,
    before: Vec<Vec<bool>>,
    /// What each step gives.
    outputs: Vec<Type>,
    reporter: Reporter<'a>,
}

impl<'a> Check<'a> {
    fn new(
        workflow: &'a Workflow,
        root: &'a Node,
        text: &'a str,
        contracts: &'a Contracts,
    ) -> Self {
        let source = Source::new(&workflow.file, text);
        let events = workflow.triggers.iter().map(|trigger| trigger.event.as_str());
        let undeclared =
            events.into_iter().find(|event| !event.ends_with('*') && !contracts.declares(event));
        let before = graph::ended_before(&workflow.steps);
        let reporter = Reporter::new(source, root, undeclared);
        let outputs = vec![Type::Dyn; workflow.steps.len()];
        Self { workflow, contracts, before, outputs, reporter }
    }

    /// Checks the conditions of triggers. What is known of `event` once one of them held.
    fn triggers(&mut self) -> Env {
        let mut event: Option<Env> = None;
        for (index, trigger) in self.workflow.triggers.iter().enumerate() {
            let mut env = roots::of_trigger(trigger, self.contracts);
            if let Some(condition) = &trigger.condition {
                let place = Place::trigger(index);
                self.condition(condition, &env, &place);
                env = env.assume(condition, true);
            }
            event = Some(match event {
                Some(known) => known.join(&env),
                None => env,
            });
        }
        event.unwrap_or_default()
    }

    /// A template whose value names something.
    fn key(&mut self, template: &Template, env: &Env, place: &Place, may_be_null: bool) {
        let checked = template.check(env);
        let taken = [Type::TEXT, Type::Number];
        let wanted = Type::union(taken.into_iter().chain(may_be_null.then_some(Type::Null)));
        let misfit = wanted.takes(&checked.ty).is_err();
        let (clean, found) = (checked.findings.is_empty(), checked.ty.phrase());
        self.reporter.found(checked, place);
        if clean && misfit {
            let detail = format!("a key is text or a number, but this is {found}");
            let hint = "give it a value with `??`, or convert it with `string(…)`";
            let problem = Problem::new(&problem::EXPR_TYPE, detail).hint(hint);
            self.reporter.whole(problem, place, template.source().len());
        }
    }

    fn condition(&mut self, condition: &Expr, env: &Env, place: &Place) {
        let checked = condition.check(env);
        let misfit = Type::Bool.takes(&checked.ty).is_err();
        let (clean, found) = (checked.findings.is_empty(), checked.ty.phrase());
        self.reporter.found(checked, place);
        if clean && misfit {
            let detail = format!("a condition must be true or false, but this is {found}");
            let hint = "compare it with something, for example `!= null`";
            let problem = Problem::new(&problem::EXPR_TYPE, detail).hint(hint);
            self.reporter.whole(problem, place, condition.source().len());
        }
    }

    fn step(&mut self, index: usize, event: &Env) {
        let step = &self.workflow.steps[index];
        let mut env = self.steps_before(index, event);
        let place = self.place_of(index);
        if let Some(condition) = &step.condition {
            self.condition(condition, &env, &place.below("if"));
            env = env.assume(condition, true);
        }
        if let Some(each) = &step.each {
            let (within, checked) = kinds::within(each, env);
            env = within;
            self.reporter.found(checked, &place.below("each"));
        }
        match &step.task {
            Task::Action(act) => self.action(&step.id, act, &env, &place),
            Task::Emit(emit) => self.emit(emit, &env, &place),
            Task::Call(call) => self.call(&step.id, call, &env, &place),
            Task::Wait(wait) => self.wait(wait, &env, &place),
            Task::Await(wait) => self.awaited(wait, &env, &place),
            Task::Approve(approve) => self.approve(approve, &env, &place),
            Task::Return(value) => {
                let checked = value.check(&env, &Type::Dyn);
                self.reporter.found(checked, &Place::top(&[RETURN]));
            }
            Task::Wake => {}
        }
    }

    fn action(&mut self, id: &str, act: &Act, env: &Env, place: &Place) {
        let uses = act.uses.to_string();
        if let Some(Err(unknown)) = self.contracts.actions.get(&uses) {
            let mut problem = unknown.clone();
            problem.detail = format!("step `{id}`: {}", problem.detail);
            self.reporter.whole(problem, &place.below("uses"), uses.len());
        }
        self.connection(id, act, place);
        let contract = self.contracts.action(&act.uses);
        let checked: Checked = act.with.check(env, &contract.input);
        self.reporter.found(checked, &place.below("with"));
    }

    /// The data of the event is held against the schema of its type, if it has one.
    fn emit(&mut self, emit: &Emit, env: &Env, place: &Place) {
        let wanted = self.contracts.event(&emit.event);
        self.reporter.found(emit.with.check(env, wanted), &place.below("with"));
        if let Some(key) = &emit.key {
            self.key(key, env, &place.below("key"), true);
        }
    }

    fn connection(&mut self, id: &str, act: &Act, place: &Place) {
        let (Some(known), Some(name)) = (&self.contracts.connections, &act.connection) else {
            return;
        };
        let adapter = &act.uses.adapter;
        if name == adapter || known.get(name) == Some(adapter) {
            return;
        }
        let detail =
            format!("step `{id}` uses connection `{name}`, which is none of adapter `{adapter}`");
        let mut problem = Problem::new(&problem::UNKNOWN_CONNECTION, detail);
        let fitting = known.iter().filter(|(_, of)| *of == adapter).map(|(name, _)| name);
        let known: Vec<&str> = fitting.map(String::as_str).collect();
        problem = problem.hint(match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                format!("leave it out, or add one of provider `{adapter}` under `connections`")
            }
            None => format!("known: {}", known.join(", ")),
        });
        self.reporter.whole(problem, &place.below("connection"), name.len());
    }

    /// Finds what each step gives, after those it may read.
    fn outputs(&mut self, event: &Env) {
        let mut order: Vec<usize> = (0..self.outputs.len()).collect();
        order.sort_by_key(|index| {
            let failing = *index >= self.workflow.main_steps;
            (failing, self.before[*index].iter().filter(|ended| **ended).count())
        });
        for index in order {
            self.outputs[index] = self.output(index, event);
        }
    }

    /// What a step gives whose action computes it of what it takes.
    fn computed(&self, index: usize, act: &Act, value: &Mapping, event: &Env) -> Type {
        let step = &self.workflow.steps[index];
        let mut env = self.steps_before(index, event);
        if let Some(condition) = &step.condition {
            env = env.assume(condition, true);
        }
        if let Some(each) = &step.each {
            env = kinds::within(each, env).0;
        }
        let input = act.with.check(&env, &Type::Dyn).ty;
        value.check(&Env::new().with("input", input), &Type::Dyn).ty
    }

    /// What a step gives.
    fn output(&self, index: usize, event: &Env) -> Type {
        let step = &self.workflow.steps[index];
        let once = match &step.task {
            Task::Action(act) => match self.contracts.action(&act.uses) {
                Contract { computed: Some(value), .. } => self.computed(index, act, &value, event),
                contract => contract.output,
            },
            Task::Emit(_) => Type::closed([("event", Type::TEXT)]),
            Task::Call(call) => kinds::of_call(call, self.contracts),
            Task::Wait(_) => Type::closed([("until", Type::TEXT)]),
            Task::Await(wait) => kinds::of_await(wait, self.contracts),
            Task::Approve(_) => kinds::of_approve(),
            Task::Return(_) | Task::Wake => Type::Dyn,
        };
        if step.each.is_some() { Type::list(once) } else { once }
    }

    fn place_of(&self, index: usize) -> Place {
        Place::nth(self.workflow, index)
    }

    /// What a step may read.
    fn steps_before(&self, index: usize, event: &Env) -> Env {
        let failing = index >= self.workflow.main_steps;
        let steps = &self.workflow.steps;
        let outcomes = steps.iter().enumerate().map(|(other, step)| {
            let output = self.outputs[other].clone();
            (step.id.as_str(), roots::step(self.outcomes(index, other), output))
        });
        let steps = Type::closed(outcomes.collect::<Vec<_>>());
        roots::of_step(event, steps, failing)
    }

    /// How another step may have ended when a step starts.
    fn outcomes(&self, index: usize, other: usize) -> roots::Outcomes {
        let step = &self.workflow.steps[other];
        let ended = self.before[index][other];
        roots::Outcomes {
            // A run whose step failed starts no other but those of `on_failure`.
            failed: index >= self.workflow.main_steps,
            pending: !ended,
            skipped: step.condition.is_some() && !self.ran_with(index, other, ended),
        }
    }

    /// Whether the same condition decided over both steps, so that one ran if the other did.
    fn ran_with(&self, index: usize, other: usize, ended: bool) -> bool {
        let text = |step: &'_ Step| step.condition.as_ref().map(|c| bare(c.source()).to_owned());
        let steps = &self.workflow.steps;
        ended && index < self.workflow.main_steps && text(&steps[index]) == text(&steps[other])
    }
}

/// A condition without its `${{ }}`.
fn bare(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("${{").and_then(|text| text.strip_suffix("}}")).unwrap_or(text).trim()
}
