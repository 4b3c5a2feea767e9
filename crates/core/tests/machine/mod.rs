//! A run under owners that come and go: workflows from a recipe, one action after the other, and
//! what has to hold after each.

use std::collections::{BTreeMap, BTreeSet};

use postroom_core::definition::{Act, ActionRef, Each, Emit, Mode, Step, Task, Workflow};
use postroom_core::journal::Kind;
use postroom_core::policy::Policies;
use postroom_core::retry::{Backoff, RetryPolicy};
use postroom_core::run::{
    Advance, Effect, Input, Reason, Report, RunState, Spot, StepRun, StepState, Word, advance,
};
use postroom_core::{DefinitionHash, EventId, Failure, Json, Outcome, Run, RunId};
use postroom_expr::Mapping;

/// What a step of a made-up workflow is like: which steps before it it needs (by bit), how often it
/// is tried, and how many items of a list may be at work at once, if it has a list.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub needs: u32,
    pub attempts: u32,
    pub each: Option<usize>,
}

/// A workflow of these steps; the last `on_failure` of them run after a failure.
pub fn workflow(recipes: &[Recipe], on_failure: usize) -> Workflow {
    let main_steps = recipes.len() - on_failure.min(recipes.len());
    let step = |(n, recipe): (usize, &Recipe)| {
        let first = if n < main_steps { 0 } else { main_steps };
        Step {
            id: format!("s{n}"),
            task: task(n),
            each: recipe
                .each
                .map(|concurrency| Each { list: Mapping::List(Vec::new()), concurrency }),
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
        policies: Policies::default(),
        max_hops: None,
        timeout_ms: (recipes.len() % 4 == 3).then_some(5_000),
        mode: Mode::Live,
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
        deadline_ms: None,
        cancelling: None,
        mode: Mode::Live,
        dry: false,
        admission: None,
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
    /// How often each step and item was refused.
    refusals: BTreeMap<Spot, u32>,
    pub runs_seen: Seen,
    pub steps_seen: Seen,
}

impl Machine {
    pub fn new(workflow: Workflow) -> Self {
        let run = new_run(0);
        let refusals = BTreeMap::new();
        let committed = run.clone();
        let (runs_seen, steps_seen) = (Seen::new(), Seen::new());
        Self { workflow, run, committed, now_ms: 0, refusals, runs_seen, steps_seen }
    }

    /// Does what the choice says, and checks what has to hold then.
    pub fn act(&mut self, (what, which, how): Choice) {
        let mut spots = self.run.spots();
        // One that there is not.
        spots.push(Spot::step(self.workflow.steps.len()));
        let spot = spots[usize::from(which) % spots.len()];
        let report = Report::default;
        match what % 19 {
            0..=2 => drop(self.input("start", Input::Start)),
            3 => drop(self.input("tick", Input::Tick)),
            4 if self.is_listed(spot) => {}
            4 => drop(self.input("intent", Input::Intent { spot })),
            5 => {
                let (call, output) = ("c".to_owned(), Json::null());
                self.input("called", Input::Called { spot, report: report(), call, output });
            }
            6..=10 => {
                let (name, outcome) = self.outcome(spot, how);
                let chance = f64::from(how) / 255.0;
                if name == "refused" && self.is_open(spot) {
                    *self.refusals.entry(spot).or_default() += 1;
                }
                self.input(name, Input::Ended { spot, outcome, chance, report: report() });
            }
            11 => self.now_ms += i64::from(how) * 20,
            12 => self.now_ms = self.run.due_ms.unwrap_or(self.now_ms).max(self.now_ms),
            13 => self.crash(),
            14 => self.cancel(),
            15 => self.give_up(),
            16 if self.run.state == RunState::Sleeping => self.resume(spot),
            16 => {
                let output = Json::null();
                drop(self.input("resume", Input::Resumed { spot, output, by: ann() }));
            }
            17 if how < 32 => drop(self.input("end", Input::Cancel(ann()))),
            17 => {}
            _ => self.redrive(),
        }
        self.check();
    }

    /// An outcome that an attempt at this spot may have.
    pub fn outcome(&self, spot: Spot, how: u8) -> (&'static str, Outcome) {
        let (name, outcome) = outcome(how, self.now_ms);
        match (self.is_listed(spot), name) {
            // It has nothing to do but to make the list, or to gather what came of it.
            (false, _) | (true, "refused") => (name, outcome),
            (true, "skipped") if self.fresh(spot) => (name, outcome),
            (true, _) if self.fresh(spot) => {
                ("list", Outcome::Items { count: 1 + usize::from(how % 3) })
            }
            (true, _) => ("done", Outcome::Done { output: Json::null() }),
        }
    }

    /// Whether it is a step with a list as a whole.
    fn is_listed(&self, spot: Spot) -> bool {
        let step = self.workflow.steps.get(spot.step);
        spot.item.is_none() && step.is_some_and(|step| step.each.is_some())
    }

    fn fresh(&self, spot: Spot) -> bool {
        self.run.at(spot).is_some_and(|at| at.items.is_empty())
    }

    fn is_open(&self, spot: Spot) -> bool {
        let state = self.run.at(spot).map(|at| at.state);
        self.run.state == RunState::Running
            && matches!(state, Some(StepState::Running | StepState::Intent))
    }

    fn resume(&mut self, spot: Spot) {
        let before = self.run.clone();
        let resumed = before.clone().resume("s", spot, Json::null(), &ann(), self.now_ms);
        let waits = before
            .at(spot)
            .is_some_and(|at| at.state == StepState::Waiting && at.until_ms.is_some());
        assert_eq!(resumed.is_some(), waits, "only what waits is resumed");
        if let Some((run, entry)) = resumed {
            assert_eq!((entry.kind, run.due_ms), (Kind::Done, Some(self.now_ms)));
            assert_eq!(run.at(spot).map(|at| at.state), Some(StepState::Done));
            self.ordered(&before, run, "resume");
        }
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
        for spot in after.spots() {
            let state = |run: &Run| run.at(spot).map_or(StepState::Pending, |at| at.state);
            let (before, after) = (state(before), state(after));
            if before != after {
                self.steps_seen.insert((step_name(before), by, step_name(after)));
            }
        }
    }

    fn crash(&mut self) {
        self.run = self.committed.clone();
        // What was not committed is done again, so what was refused then may be refused again.
        let spots = self.run.spots().into_iter();
        self.refusals =
            spots.filter_map(|spot| Some((spot, self.run.at(spot)?.generation))).collect();
    }

    fn cancel(&mut self) {
        let before = self.run.clone();
        match before.clone().cancel("ann", Some("why"), self.now_ms) {
            None => assert!(matches!(before.state, RunState::Succeeded | RunState::Cancelled)),
            Some((run, entry)) => {
                assert_eq!((run.state, entry.kind), (RunState::Cancelled, Kind::Cancelled));
                assert_eq!(run.finished_ms, Some(self.now_ms));
                intents_stay(&before, &run);
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
        let unknown = states(&before).contains(&StepState::Intent);
        let reason = run.failure.as_ref().map(|failure| failure.reason);
        match &before.failure {
            Some(first) => assert_eq!(reason, Some(first.reason), "the first failure stays"),
            None => assert_eq!(reason == Some(Reason::Unknown), unknown),
        }
        intents_stay(&before, &run);
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
        for spot in before.spots() {
            let (Some(old), Some(new)) = (before.at(spot), run.at(spot)) else {
                panic!("{spot:?} is lost");
            };
            assert!(!old.over() || new == old, "what is done stays done");
            assert_eq!(old.generation, new.generation, "only a refusal makes new keys");
            let afresh = (StepState::Pending, 0, None, None);
            let is = (new.state, new.attempts, new.due_ms, new.until_ms);
            assert!(before.state == RunState::Sleeping || old.over() || is == afresh);
        }
        assert!(run.cancelling.is_none());
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
        for effect in &next.effects {
            let Effect::Call { spot, attempt } = effect else {
                let Effect::Abort { spot } = effect else { unreachable!() };
                let was = before.at(*spot).map(|at| at.state);
                assert_eq!(was, Some(Running), "only what may be repeated is cut off");
                continue;
            };
            let now = next.run.at(*spot).expect("it is there");
            assert_eq!((now.state, now.attempts), (Running, *attempt));
            assert!(called.insert(*spot), "called twice at once");
            assert!(*attempt <= self.workflow.steps[spot.step].retry.attempts);
            let was = before.at(*spot).map_or(Pending, |at| at.state);
            let on_failure = spot.step >= self.workflow.main_steps;
            use StepState::{Items, Pending, Running, Waiting};
            assert!(
                matches!(was, Pending | Waiting | Running | Items)
                    || (on_failure && before.failure.is_none()),
                "{spot:?} was {was:?} and is called"
            );
            // A step under way is only called again by an owner that lost its owner before, or to
            // make the list of which it is then the whole.
            let anew = name == "start" || now.items.is_empty();
            assert!(was != Running || anew, "{spot:?} is called again by {name}");
        }
        let calls = next.effects.iter().any(|effect| matches!(effect, Effect::Call { .. }));
        assert!(!calls || next.run.state == RunState::Running);
        for spot in before.spots() {
            let (old, main) = (before.at(spot), spot.step < self.workflow.main_steps);
            let (Some(old), new) = (old, next.run.at(spot)) else { continue };
            if name == "start" && old.state == StepState::Intent {
                let state = new.map(|at| at.state);
                assert_eq!(state, Some(StepState::Unknown), "a lost intent is not repeated");
                assert!(next.run.failure.is_some());
            }
            assert!(!(main && old.over()) || new == Some(old), "what is done stays done");
        }
        self.check_rooms(&next.run);
        let end = |kind| matches!(kind, Kind::Succeeded | Kind::Dead | Kind::Cancelled);
        let ends = next.entries.iter().filter(|entry| end(entry.kind));
        assert_eq!(ends.count(), usize::from(next.run.state.ended()));
    }

    /// No more items are at work at once than the step allows.
    fn check_rooms(&self, run: &Run) {
        for (step, at) in self.workflow.steps.iter().zip(&run.steps) {
            let busy = |at: &&StepRun| {
                let StepRun { state, .. } = at;
                matches!(state, StepState::Running | StepState::Intent | StepState::Waiting)
            };
            let room = step.each.as_ref().map_or(0, |each| each.concurrency);
            assert!(at.items.iter().filter(busy).count() <= room, "{run:?}");
        }
    }

    fn check(&self) {
        let (run, workflow) = (&self.run, &self.workflow);
        let waits = matches!(run.state, RunState::Queued | RunState::Sleeping);
        assert_eq!(run.due_ms.is_some(), waits, "{run:?}");
        assert_eq!(run.finished_ms.is_some(), run.state.ended(), "{run:?}");
        assert!(run.steps.is_empty() || run.steps.len() == workflow.steps.len());
        let open = |state: &StepState| matches!(state, StepState::Running | StepState::Intent);
        let at_work = states(run).iter().any(open);
        assert_eq!(at_work, run.state == RunState::Running, "nobody would end it: {run:?}");
        if run.state == RunState::Sleeping {
            // One that was given what it waited for goes on at once.
            let next = run.next_due_ms();
            assert!(next.is_none_or(|next| run.due_ms <= Some(next.max(self.now_ms))), "{run:?}");
        }
        for spot in run.spots() {
            let step = run.at(spot).expect("it is there");
            let n = spot.step;
            assert!(step.attempts <= workflow.steps[n].retry.attempts, "{run:?}");
            assert_eq!(step.due_ms.is_some(), step.state == StepState::Waiting, "{run:?}");
            assert!(!run.state.ended() || step.state != StepState::Waiting);
            let refusals = self.refusals.get(&spot).copied().unwrap_or_default();
            assert_eq!(step.generation, refusals, "{spot:?} {run:?}");
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
                    let code = failure.failure.code.as_str();
                    let late = code == "run/timeout" && run.deadline_ms <= run.finished_ms;
                    assert!(late || code == OWNERS_LOST, "{run:?}");
                    return;
                };
                let step = &run.steps[self.workflow.step(step).unwrap()];
                let unknown = failure.reason == Reason::Unknown;
                let expected = if unknown { StepState::Unknown } else { StepState::Failed };
                let items = step.items.iter().any(|item| item.state == expected);
                assert!(step.state == expected || items, "{run:?}");
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
        8 if how.is_multiple_of(4) => {
            let (until_ms, look_ms) = (now_ms + i64::from(how) * 50, now_ms + i64::from(how));
            ("park", Outcome::Park { until_ms, look_ms })
        }
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
        StepState::Items => "items",
        StepState::Done => "done",
        StepState::Skipped => "skipped",
        StepState::Failed => "failed",
        StepState::Unknown => "unknown",
    }
}

fn ann() -> Word {
    Word { actor: "ann".to_owned(), note: None }
}

fn states(run: &Run) -> Vec<StepState> {
    run.spots().into_iter().filter_map(|spot| run.at(spot)).map(|at| at.state).collect()
}

fn intents_stay(before: &Run, after: &Run) {
    for (old, new) in states(before).iter().zip(states(after)) {
        let lost = *old == StepState::Intent;
        assert!(!lost || new == StepState::Unknown, "an intent must stay visible");
    }
}
