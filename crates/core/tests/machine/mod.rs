//! A run under owners that come and go: workflows from a recipe, one action after the other, and
//! what has to hold after each.

use std::collections::BTreeSet;

use postroom_core::definition::{Act, ActionRef, Emit, Step, Task, Workflow};
use postroom_core::journal::Kind;
use postroom_core::retry::{Backoff, RetryPolicy};
use postroom_core::run::{
    Advance, Effect, Input, Reason, Report, RunState, StepRun, StepState, advance,
};
use postroom_core::{DefinitionHash, EventId, Failure, Json, Outcome, Run, RunId};
use postroom_expr::Mapping;

/// What a step of a made-up workflow is like: which steps before it it needs (by bit), and how
/// often it is tried.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub needs: u32,
    pub attempts: u32,
}

/// A workflow of these steps; the last `on_failure` of them run after a failure.
pub fn workflow(recipes: &[Recipe], on_failure: usize) -> Workflow {
    let main_steps = recipes.len() - on_failure.min(recipes.len());
    let step = |(n, recipe): (usize, &Recipe)| {
        let first = if n < main_steps { 0 } else { main_steps };
        Step {
            id: format!("s{n}"),
            task: task(n),
            condition: None,
            needs: (first..n).filter(|need| recipe.needs >> (need - first) & 1 == 1).collect(),
            retry: RetryPolicy {
                attempts: recipe.attempts,
                backoff: Backoff::Fixed,
                delay_ms: 1_000,
                cap_ms: 60_000,
                jitter: 0.0,
            },
            timeout_ms: 1_000,
        }
    };
    Workflow {
        name: "w".into(),
        hash: DefinitionHash([1; 16]),
        file: "w.yaml".into(),
        triggers: Vec::new(),
        dedupe: None,
        concurrency: None,
        max_hops: None,
        steps: recipes.iter().enumerate().map(step).collect(),
        main_steps,
    }
}

/// Every kind of step; the machine treats them alike.
fn task(n: usize) -> Task {
    let with = Mapping::Object(Vec::new());
    match n % 3 {
        1 => Task::Emit(Emit { event: "E".into(), with, key: None }),
        2 => Task::Return(with),
        _ => {
            let uses = ActionRef { adapter: "a".into(), action: "b".into(), version: None };
            Task::Action(Act { uses, connection: None, with })
        }
    }
}

pub fn new_run(now_ms: i64) -> Run {
    let event = EventId::from_parts(1, [1; 10]);
    let id = RunId::derive(event, "w");
    Run {
        id,
        event,
        workflow: "w".into(),
        definition: DefinitionHash([1; 16]),
        key: "k".into(),
        state: RunState::Queued,
        created_ms: now_ms,
        due_ms: Some(now_ms),
        finished_ms: None,
        steps: Vec::new(),
        failure: None,
        redrives: 0,
    }
}

const OWNERS_LOST: &str = "run/owners-lost";

/// Numbers by which an action is chosen.
pub type Choice = (u8, u8, u8);

/// One transition that was seen: from, by what, to.
pub type Seen = BTreeSet<(&'static str, &'static str, &'static str)>;

pub struct Machine {
    pub workflow: Workflow,
    pub run: Run,
    /// The run as last committed: what is left after a crash.
    committed: Run,
    pub now_ms: i64,
    /// How often each step was refused.
    refusals: Vec<u32>,
    pub runs_seen: Seen,
    pub steps_seen: Seen,
}

impl Machine {
    pub fn new(workflow: Workflow) -> Self {
        let run = new_run(0);
        let refusals = vec![0; workflow.steps.len()];
        let committed = run.clone();
        let (runs_seen, steps_seen) = (Seen::new(), Seen::new());
        Self { workflow, run, committed, now_ms: 0, refusals, runs_seen, steps_seen }
    }

    /// Does what the choice says, and checks what has to hold then.
    pub fn act(&mut self, (what, which, how): Choice) {
        let step = usize::from(which) % (self.workflow.steps.len() + 1);
        let report = Report::default;
        match what % 17 {
            0..=2 => drop(self.input("start", Input::Start)),
            3 => drop(self.input("tick", Input::Tick)),
            4 => drop(self.input("intent", Input::Intent { step })),
            5 => {
                let (call, output) = ("c".to_owned(), Json::null());
                self.input("called", Input::Called { step, report: report(), call, output });
            }
            6..=10 => {
                let (name, outcome) = outcome(how, self.now_ms);
                let chance = f64::from(how) / 255.0;
                if name == "refused" && self.is_open(step) {
                    self.refusals[step] += 1;
                }
                self.input(name, Input::Ended { step, outcome, chance, report: report() });
            }
            11 => self.now_ms += i64::from(how) * 20,
            12 => self.now_ms = self.run.due_ms.unwrap_or(self.now_ms).max(self.now_ms),
            13 => self.crash(),
            14 => self.cancel(),
            15 => self.give_up(),
            _ => self.redrive(),
        }
        self.check();
    }

    fn is_open(&self, step: usize) -> bool {
        let state = self.run.steps.get(step).map(|step| step.state);
        self.run.state == RunState::Running
            && matches!(state, Some(StepState::Running | StepState::Intent))
    }

    pub fn input(&mut self, name: &'static str, input: Input) -> Vec<Effect> {
        let before = self.run.clone();
        let next = advance(before.clone(), &self.workflow, input, self.now_ms);
        self.check_advance(&before, &next, name);
        self.note(&before, &next.run, name);
        self.run = next.run;
        // An owner commits whenever a run is given back, and before an intent is carried out. What
        // else it commits is its own choice; here it commits every other time.
        if self.run.state != RunState::Running || name == "intent" || self.now_ms % 40 == 0 {
            self.committed = self.run.clone();
        }
        next.effects
    }

    fn note(&mut self, before: &Run, after: &Run, by: &'static str) {
        if before.state != after.state {
            self.runs_seen.insert((before.state.name(), by, after.state.name()));
        }
        for (n, after) in after.steps.iter().enumerate() {
            let before = before.steps.get(n).map_or(StepState::Pending, |step| step.state);
            if before != after.state {
                self.steps_seen.insert((step_name(before), by, step_name(after.state)));
            }
        }
    }

    fn crash(&mut self) {
        self.run = self.committed.clone();
        // What was not committed is done again, so what was refused then may be refused again.
        for (refusals, step) in self.refusals.iter_mut().zip(&self.run.steps) {
            *refusals = step.generation;
        }
        if self.run.steps.is_empty() {
            self.refusals.fill(0);
        }
    }

    fn cancel(&mut self) {
        let before = self.run.clone();
        match before.clone().cancel("ann", Some("why"), self.now_ms) {
            None => assert!(matches!(before.state, RunState::Succeeded | RunState::Cancelled)),
            Some((run, entry)) => {
                assert_eq!((run.state, entry.kind), (RunState::Cancelled, Kind::Cancelled));
                assert_eq!(run.finished_ms, Some(self.now_ms));
                for (old, new) in before.steps.iter().zip(&run.steps) {
                    let lost = old.state == StepState::Intent;
                    assert!(
                        !lost || new.state == StepState::Unknown,
                        "an intent must stay visible"
                    );
                }
                self.ordered(&before, run, "cancel");
            }
        }
    }

    /// Too many owners were lost. What the last of them did not commit is lost with it.
    fn give_up(&mut self) {
        self.crash();
        let (before, mut run) = (self.run.clone(), self.run.clone());
        if before.state.ended() {
            return;
        }
        let failure = Failure::new(OWNERS_LOST, "again");
        let entry = run.give_up(failure, self.now_ms);
        assert_eq!((run.state, entry.kind), (RunState::Dead, Kind::Dead));
        let unknown = before.steps.iter().any(|step| step.state == StepState::Intent);
        let reason = run.failure.as_ref().map(|failure| failure.reason);
        match &before.failure {
            Some(first) => assert_eq!(reason, Some(first.reason), "the first failure stays"),
            None => assert_eq!(reason == Some(Reason::Unknown), unknown),
        }
        for (old, new) in before.steps.iter().zip(&run.steps) {
            let lost = old.state == StepState::Intent;
            assert!(!lost || new.state == StepState::Unknown, "an intent must stay visible");
        }
        self.ordered(&before, run, "give up");
    }

    fn redrive(&mut self) {
        let before = self.run.clone();
        let unroutable = before.failure.as_ref().is_some_and(|f| f.reason == Reason::Unroutable);
        let Some((run, entry)) = before.clone().redrive("ann", None, self.now_ms) else {
            let open = matches!(before.state, RunState::Queued | RunState::Running);
            assert!(open || unroutable || before.state == RunState::Succeeded);
            return;
        };
        assert_eq!((entry.kind, run.due_ms), (Kind::Redriven, Some(self.now_ms)));
        for (old, new) in before.steps.iter().zip(&run.steps) {
            let ended = matches!(old.state, StepState::Done | StepState::Skipped);
            assert!(!ended || new == old, "what is done stays done");
            assert_eq!(old.generation, new.generation, "only a refusal makes new keys");
            let afresh = StepRun { attempts: 0, state: StepState::Pending, due_ms: None, ..*old };
            assert!(before.state == RunState::Sleeping || ended || *new == afresh);
        }
        let again = u32::from(before.state != RunState::Sleeping);
        assert_eq!(run.redrives, before.redrives + again);
        self.ordered(&before, run, "redrive");
    }

    /// A person's word is committed as it is given.
    fn ordered(&mut self, before: &Run, run: Run, by: &'static str) {
        self.note(before, &run, by);
        self.committed = run.clone();
        self.run = run;
    }

    fn check_advance(&self, before: &Run, next: &Advance, name: &str) {
        if before.state.ended() || (before.state != RunState::Running && name != "start") {
            assert_eq!((before, 0, 0), (&next.run, next.effects.len(), next.entries.len()));
            return;
        }
        let mut called = BTreeSet::new();
        for Effect::Call { step, attempt } in &next.effects {
            let now = &next.run.steps[*step];
            assert_eq!((now.state, now.attempts), (StepState::Running, *attempt));
            assert!(called.insert(*step), "called twice at once");
            assert!(*attempt <= self.workflow.steps[*step].retry.attempts);
            let was = before.steps.get(*step).map_or(StepState::Pending, |step| step.state);
            let on_failure = *step >= self.workflow.main_steps;
            assert!(
                matches!(was, StepState::Pending | StepState::Waiting | StepState::Running)
                    || (on_failure && before.failure.is_none()),
                "step {step} was {was:?} and is called"
            );
            // A step under way is only called again by an owner that lost its owner before.
            assert!(was != StepState::Running || name == "start");
        }
        assert!(next.effects.is_empty() || next.run.state == RunState::Running);
        for (n, step) in before.steps.iter().enumerate() {
            let after = &next.run.steps[n];
            if name == "start" && step.state == StepState::Intent {
                assert_eq!(after.state, StepState::Unknown, "a lost intent is not repeated");
                assert!(next.run.failure.is_some());
            }
            let main = n < self.workflow.main_steps;
            let over = matches!(step.state, StepState::Done | StepState::Skipped);
            assert!(!(main && over) || after.state == step.state, "what is done stays done");
        }
        let ends = next.entries.iter().filter(|e| matches!(e.kind, Kind::Succeeded | Kind::Dead));
        assert_eq!(ends.count(), usize::from(next.run.state.ended()));
    }

    fn check(&self) {
        let (run, workflow) = (&self.run, &self.workflow);
        let waits = matches!(run.state, RunState::Queued | RunState::Sleeping);
        assert_eq!(run.due_ms.is_some(), waits, "{run:?}");
        assert_eq!(run.finished_ms.is_some(), run.state.ended(), "{run:?}");
        assert!(run.steps.is_empty() || run.steps.len() == workflow.steps.len());
        let under_way = |s: &StepRun| matches!(s.state, StepState::Running | StepState::Intent);
        if run.state != RunState::Running {
            assert!(!run.steps.iter().any(under_way), "{run:?}");
        }
        if run.state == RunState::Running {
            assert!(run.steps.iter().any(under_way), "nobody would end it: {run:?}");
        }
        if run.state == RunState::Sleeping {
            assert_eq!(run.due_ms, run.next_due_ms(), "{run:?}");
        }
        for (n, step) in run.steps.iter().enumerate() {
            assert!(step.attempts <= workflow.steps[n].retry.attempts, "{run:?}");
            assert_eq!(step.due_ms.is_some(), step.state == StepState::Waiting, "{run:?}");
            assert!(!run.state.ended() || step.state != StepState::Waiting);
            assert_eq!(step.generation, self.refusals[n], "{run:?}");
            let on_failure = n >= workflow.main_steps;
            // After a redrive those of `on_failure` begin anew with the next start, if there is one.
            let anew = run.failure.as_ref().is_none_or(|failure| failure.step.is_none());
            if step.state == StepState::Pending || (on_failure && anew) {
                continue;
            }
            for need in &workflow.steps[n].needs {
                let needed = run.steps[*need].state;
                let settled = match needed {
                    StepState::Done | StepState::Skipped => true,
                    StepState::Failed | StepState::Unknown => on_failure,
                    _ => false,
                };
                assert!(settled, "step {n} began before step {need}, which is {needed:?}");
            }
        }
        self.check_end();
    }

    fn check_end(&self) {
        let run = &self.run;
        let main = run.steps.iter().take(self.workflow.main_steps);
        let main: Vec<StepState> = main.map(|step| step.state).collect();
        let is_over = |state: &StepState| matches!(state, StepState::Done | StepState::Skipped);
        match run.state {
            RunState::Succeeded => {
                assert!(main.iter().all(is_over) && run.failure.is_none(), "{run:?}");
                let rest = &run.steps[self.workflow.main_steps..];
                assert!(rest.iter().all(|step| step.state == StepState::Pending), "{run:?}");
            }
            RunState::Dead => {
                let failure = run.failure.as_ref().expect("the dead have a reason");
                let Some(step) = &failure.step else {
                    assert_eq!(failure.failure.code, OWNERS_LOST, "{run:?}");
                    return;
                };
                let state = run.steps[self.workflow.step(step).unwrap()].state;
                let unknown = failure.reason == Reason::Unknown;
                let expected = if unknown { StepState::Unknown } else { StepState::Failed };
                assert_eq!(state, expected, "{run:?}");
            }
            RunState::Queued => assert!(run.failure.is_none()),
            RunState::Running | RunState::Sleeping | RunState::Cancelled => {}
        }
    }
}

pub fn outcome(how: u8, now_ms: i64) -> (&'static str, Outcome) {
    let failure = || Failure::new("call/status", "no");
    match how % 10 {
        0..=3 => ("done", Outcome::Done { output: Json::null() }),
        4..=5 => {
            let after_ms = how.is_multiple_of(3).then(|| u64::from(how) * 100);
            ("retry", Outcome::Retry { after_ms, failure: failure() })
        }
        6 => ("refused", Outcome::Refused { failure: failure() }),
        7 => ("unknown", Outcome::Unknown { failure: failure() }),
        8 => ("wait", Outcome::Wait { until_ms: now_ms + i64::from(how) * 10 }),
        _ => ("skipped", Outcome::Skipped),
    }
}

pub fn step_name(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Running => "running",
        StepState::Intent => "intent",
        StepState::Waiting => "waiting",
        StepState::Done => "done",
        StepState::Skipped => "skipped",
        StepState::Failed => "failed",
        StepState::Unknown => "unknown",
    }
}
