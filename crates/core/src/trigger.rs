//! Which workflows an event starts, and which came near.

use std::collections::HashMap;
use std::sync::Arc;

use postroom_expr::{Fault, Limits, Value, nearest};

use crate::definition::{Mode, Trigger, Workflow};
use crate::event::Event;
use crate::id::{KeyHash, RunId};
use crate::outcome::Failure;
use crate::run::{Run, RunState};
use crate::scope;

/// Workflows by the event types that start them. Built once when definitions change.
#[derive(Debug, Clone, Default)]
pub struct Router {
    workflows: Vec<Arc<Workflow>>,
    exact: HashMap<String, Vec<(usize, usize)>>,
    patterns: Vec<(usize, usize)>,
}

/// A run that an event starts.
#[derive(Debug, Clone)]
pub struct Start {
    /// The run as it is first written down.
    pub run: Run,
    /// Another run with this hash within the window means that this one is not started.
    pub dedupe: Option<KeyHash>,
    /// Until when its own repetitions are recognised, in milliseconds since 1970, if not as long as
    /// those of its event.
    pub dedupe_until_ms: Option<i64>,
    /// At most `limit` runs with this hash are at work at once.
    pub concurrency: Option<(KeyHash, u32)>,
}

/// A workflow that an event did not start, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Near {
    /// The workflow.
    pub workflow: String,
    /// Why it did not start.
    pub why: String,
}

/// What a workflow makes of an event.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// The workflow.
    pub workflow: String,
    /// Whether the event starts it; if a condition faults, it starts a run that is dead.
    pub starts: bool,
    /// Which trigger decided, and why.
    pub why: String,
}

impl Router {
    /// Indexes workflows by their triggers.
    #[must_use]
    pub fn new(workflows: Vec<Arc<Workflow>>) -> Self {
        let mut router = Self { workflows, ..Self::default() };
        for (w, workflow) in router.workflows.iter().enumerate() {
            for (t, trigger) in workflow.triggers.iter().enumerate() {
                if trigger.event.ends_with('*') {
                    router.patterns.push((w, t));
                } else {
                    router.exact.entry(trigger.event.clone()).or_default().push((w, t));
                }
            }
        }
        router
    }

    /// Every workflow, in the order given.
    #[must_use]
    pub fn workflows(&self) -> &[Arc<Workflow>] {
        &self.workflows
    }

    /// The runs that `event` starts, in the order of the workflows, one for each at the most. Any
    /// trigger that holds is enough. Where none does, a condition that faults makes a run that is
    /// dead from the start, because whether it should have run cannot be known; so does a policy
    /// that faults.
    #[must_use]
    pub fn route(&self, event: &Event, limits: Limits) -> Vec<Start> {
        let exact = self.exact.get(&event.kind).map_or(&[][..], Vec::as_slice);
        // By workflow: started, or the fault of a condition that leaves it open whether it is.
        let mut found: Vec<(usize, Option<Fault>)> = Vec::new();
        for (w, t) in exact.iter().chain(&self.patterns) {
            let trigger = &self.workflows[*w].triggers[*t];
            let place = found.binary_search_by_key(w, |(known, _)| *known);
            let started = place.is_ok_and(|at| found[at].1.is_none());
            if started || !trigger.fits(&event.kind, &event.source) {
                continue;
            }
            match (holds(trigger, event, limits), place) {
                (Ok(false), _) | (Err(_), Ok(_)) => {}
                (Ok(true), Ok(at)) => found[at].1 = None,
                (Ok(true), Err(at)) => found.insert(at, (*w, None)),
                (Err(fault), Err(at)) => found.insert(at, (*w, Some(fault))),
            }
        }
        let start = |(w, fault): (usize, Option<Fault>)| match fault {
            None => start(&self.workflows[w], event, limits),
            Some(fault) => stillborn(&self.workflows[w], event, "trigger condition", &fault),
        };
        found.into_iter().map(start).collect()
    }

    /// What each workflow makes of `event`, in the order of the workflows.
    #[must_use]
    pub fn verdicts(&self, event: &Event, limits: Limits) -> Vec<Verdict> {
        self.workflows.iter().map(|workflow| verdict(workflow, event, limits)).collect()
    }

    /// Why each workflow that `event` did not start did not, for those that came near: the type
    /// fits but source or condition do not, or the type is a slip away.
    #[must_use]
    pub fn near(&self, event: &Event, limits: Limits) -> Vec<Near> {
        let mut near = Vec::new();
        for workflow in &self.workflows {
            let starts = |trigger: &Trigger| {
                trigger.fits(&event.kind, &event.source)
                    && holds(trigger, event, limits) == Ok(true)
            };
            if workflow.triggers.iter().any(starts) {
                continue;
            }
            let why = workflow.triggers.iter().filter_map(|t| why_not(t, event, limits));
            near.extend(why.map(|why| Near { workflow: workflow.name.clone(), why }));
        }
        near
    }
}

/// What a trigger waits for, in words.
fn waits_for(trigger: &Trigger) -> String {
    let source = trigger.source.as_ref().map(|source| format!(" of source `{source}`"));
    let condition = trigger.condition.as_ref().map(|c| format!(" where {}", c.source()));
    let rest = [source, condition].into_iter().flatten().collect::<String>();
    format!("`{}`{rest}", trigger.event)
}

fn verdict(workflow: &Workflow, event: &Event, limits: Limits) -> Verdict {
    let fitting = workflow.triggers.iter().filter(|t| t.fits(&event.kind, &event.source));
    let held: Vec<_> = fitting.map(|trigger| (trigger, holds(trigger, event, limits))).collect();
    let (starts, why) = if let Some((trigger, _)) = held.iter().find(|(_, held)| *held == Ok(true))
    {
        (true, format!("it takes {}", waits_for(trigger)))
    } else if let Some(fault) = held.iter().find_map(|(_, held)| held.as_ref().err()) {
        (true, format!("its condition faults: {}", fault.message))
    } else {
        let near = workflow.triggers.iter().find_map(|t| why_not(t, event, limits));
        let all = || workflow.triggers.iter().map(waits_for).collect::<Vec<_>>().join(" or ");
        (false, near.unwrap_or_else(|| format!("it waits for {}", all())))
    };
    Verdict { workflow: workflow.name.clone(), starts, why }
}

fn why_not(trigger: &Trigger, event: &Event, limits: Limits) -> Option<String> {
    let any_source = trigger.source.as_deref().unwrap_or(&event.source);
    if !trigger.fits(&event.kind, any_source) {
        let close = nearest(&event.kind, [trigger.event.as_str()])?;
        return Some(format!("it waits for `{close}`, the event is `{}`", event.kind));
    }
    if any_source != event.source {
        return Some(format!(
            "it takes only source `{any_source}`, the event is of `{}`",
            event.source
        ));
    }
    match holds(trigger, event, limits) {
        Ok(true) => None,
        Ok(false) => {
            let source = trigger.condition.as_ref().map_or("", |condition| condition.source());
            Some(format!("its condition is false: {source}"))
        }
        Err(fault) => Some(format!("its condition faults: {}", fault.message)),
    }
}

fn holds(trigger: &Trigger, event: &Event, limits: Limits) -> Result<bool, Fault> {
    let Some(condition) = &trigger.condition else { return Ok(true) };
    let scope = scope::of_event(event);
    condition_value(&condition.eval(&scope, limits)?)
}

/// A condition's value as a yes or no; anything but a boolean is a fault.
///
/// # Errors
/// A fault that names the type found.
pub fn condition_value(value: &Value<'_>) -> Result<bool, Fault> {
    let bool = match value {
        Value::Bool(value) => Some(*value),
        Value::Json(view) => view.as_bool(),
        _ => None,
    };
    bool.ok_or_else(|| Fault {
        code: "expr/type",
        span: 0..0,
        message: format!("a condition must be true or false, but this is {}", value.type_name()),
        hint: Some("compare it with something, for example `!= null`".to_owned()),
    })
}

/// The run of a workflow that is called, whatever its triggers say. It is a run of its own, also
/// where `dedupe` would take it for another one: whoever called waits for it.
#[must_use]
pub fn call_of(workflow: &Workflow, event: &Event) -> Start {
    Start { dedupe: None, ..start(workflow, event, Limits::default()) }
}

fn start(workflow: &Workflow, event: &Event, limits: Limits) -> Start {
    let placed = match workflow.policies.place(&workflow.name, event, limits) {
        Ok(placed) => placed,
        Err((policy, fault)) => return stillborn(workflow, event, policy, &fault),
    };
    let hash = placed.dedupe.as_ref().map(|key| KeyHash::of(&["run", &workflow.name], key));
    let mut run = new_run(workflow, event, placed.dedupe.or_else(|| event_key(event)));
    run.due_ms = Some(placed.due_ms);
    run.admission = placed.admission.some();
    Start {
        run,
        dedupe: hash,
        dedupe_until_ms: placed.dedupe_until_ms,
        concurrency: placed.concurrency,
    }
}

/// The event's key with what it is unique within: the same key in an event of another type or
/// source is another order, and must not be taken for this one by a provider.
fn event_key(event: &Event) -> Option<String> {
    let key = event.key.as_ref()?;
    if event.source.contains('/') || event.kind.contains('/') {
        let hash = KeyHash::of(&["event", &event.source, &event.kind], key);
        return Some(hash.0.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    Some([&event.source, "/", &event.kind, "/", key].concat())
}

/// A run that is to begin at once. Without a key of its own it goes by its id.
fn new_run(workflow: &Workflow, event: &Event, key: Option<String>) -> Run {
    let id = RunId::derive(event.id, &workflow.name);
    Run {
        id,
        event: event.id,
        workflow: workflow.name.clone(),
        definition: workflow.hash,
        key: key.unwrap_or_else(|| id.to_string()),
        state: RunState::Queued,
        created_ms: event.received_ms,
        due_ms: Some(event.received_ms),
        finished_ms: None,
        steps: Vec::new(),
        failure: None,
        redrives: 0,
        deadline_ms: None,
        cancelling: None,
        mode: Mode::Live,
        dry: false,
        admission: None,
    }
}

fn stillborn(workflow: &Workflow, event: &Event, what: &str, fault: &Fault) -> Start {
    let mut run = new_run(workflow, event, None);
    let mut failure = Failure::new(
        fault.code,
        format!(
            "the {what} of workflow `{}` could not be evaluated: {}",
            workflow.name, fault.message
        ),
    );
    failure.hint.clone_from(&fault.hint);
    run.fail_at_birth(failure, event.received_ms);
    Start { run, dedupe: None, dedupe_until_ms: None, concurrency: None }
}
