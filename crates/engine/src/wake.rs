//! Runs that wait for something from outside themselves: an event, a person, the end of another
//! run. Which events are waited for is known beforehand, so that an event which may be one is
//! written down together with a run of ours that gives it to those who wait.

use std::collections::{BTreeSet, HashMap};

use parking_lot::RwLock;
use postroom_core::definition::{Await, Task};
use postroom_core::run::{RunState, Spot, StepRun, Word};
use postroom_core::trigger::{Start, call_of};
use postroom_core::{Event, EventId, Json, Outcome, Run, RunId, Workflow, journal, parse};
use postroom_store::{Command, Error, Order, Ordered, RunFilter, Store};
use serde_json::json;
use tracing::warn;

use crate::Inner;
use crate::owner::{Memory, Note};
use crate::runs::Runs;
use crate::step::{Attempt, View, caller};

/// How often, and how long after each other, a run that somebody works on is tried again. Owners
/// of this process are told; this is for the moments between them, and for those of others.
const TRIES: (u32, i64) = (20, 50);

/// How long an event waits that could not be given to such a run, before it is given again.
const BUSY_MS: i64 = 500;

/// Who brings what a run waits for, in its journal.
const ACTOR: &str = "postroom";

/// Which workflows wait for which events, in any version that is kept.
#[derive(Default)]
pub(crate) struct Waits {
    by_event: RwLock<HashMap<String, BTreeSet<String>>>,
}

impl Waits {
    /// Reads the definitions that are kept.
    pub async fn load(store: &dyn Store) -> Result<Self, Error> {
        let waits = Self::default();
        for (_, stored) in store.definitions(None).await? {
            // Most do not wait; they need not be read now.
            if stored.text.contains("wait") {
                parse::workflow(&stored).iter().for_each(|workflow| waits.add(workflow));
            }
        }
        Ok(waits)
    }

    /// Notes what a workflow waits for.
    pub fn add(&self, workflow: &Workflow) {
        for step in &workflow.steps {
            if let Task::Await(wait) = &step.task {
                let mut by_event = self.by_event.write();
                let names = by_event.entry(wait.event.clone()).or_default();
                names.insert(workflow.name.clone());
            }
        }
    }

    fn of(&self, event: &str) -> Vec<String> {
        let by_event = self.by_event.read();
        by_event.get(event).into_iter().flatten().cloned().collect()
    }

    /// The run that gives an event to those who may wait for it.
    pub fn start(&self, wake: &Workflow, event: &Event) -> Option<Start> {
        let waited = self.by_event.read().contains_key(&event.kind);
        waited.then(|| call_of(wake, event))
    }
}

/// What a step that waited for an event comes to.
pub(crate) fn output(event: &Event) -> serde_json::Value {
    json!({
        "event": {
            "id": event.id,
            "type": event.kind,
            "source": event.source,
            "time_ms": event.time_ms,
            "received_ms": event.received_ms,
            "correlation_id": event.correlation,
            "subject": event.subject,
            "key": event.key,
            "data": serde_json::from_str::<serde_json::Value>(event.data.text()).ok(),
        },
        "timedOut": false,
    })
}

/// Whether an event is the one that a step waits for. One of which that cannot be told is not.
pub(crate) fn fits(view: &View<'_>, spot: Spot, wait: &Await) -> bool {
    let Some(condition) = &wait.condition else { return true };
    let reads = |name: &str| condition.reads_name(name);
    match view.read(spot.step, reads, |reader| reader.holds(condition, "wait.if")) {
        Ok(fits) => fits,
        Err(Outcome::Refused { failure }) => {
            warn!(
                run = %view.run.id,
                event = view.arrived.map(|event| event.id.to_string()),
                "cannot tell whether the event is waited for: {}",
                failure.message
            );
            false
        }
        Err(_) => false,
    }
}

/// Whether a step of a run that waited for events has had this one.
pub(crate) fn taken(workflow: &Workflow, outputs: &[Option<Json>], event: EventId) -> bool {
    let event = event.to_string();
    let steps = workflow.steps.iter().zip(outputs);
    let mut outputs = steps.filter(|(step, _)| matches!(step.task, Task::Await(_)));
    outputs.any(|(_, output)| output.as_ref().is_some_and(|output| output.text().contains(&event)))
}

/// What came of giving an event to a run.
enum Given {
    Taken,
    NotWanted,
    /// Somebody works on the run and cannot be reached. It is to be given again.
    Busy,
}

/// Gives the event of the attempt's run to every run that waits for it. A run that is at work when
/// those that sleep are looked at, and asleep when those at work are, is found by neither: it looks
/// by itself when it comes back, see [`Run::look_again`].
pub(crate) async fn deliver(attempt: &Attempt) -> Result<Outcome, Error> {
    let (inner, event) = (&attempt.inner, &*attempt.event);
    let (mut woken, mut busy) = (Vec::new(), false);
    for workflow in inner.waits.of(&event.kind) {
        for state in [RunState::Running, RunState::Sleeping] {
            let (state, workflow) = (Some(state), Some(workflow.clone()));
            let filter = RunFilter { state, workflow, ..RunFilter::default() };
            let mut runs = Runs::of(&*inner.store, filter);
            while let Some(run) = runs.next().await? {
                match give(inner, event, &run).await? {
                    Given::Taken => woken.push(run.id),
                    Given::NotWanted => {}
                    Given::Busy => busy = true,
                }
            }
        }
    }
    if busy {
        // However long that takes: it is no failure, and the event must not be lost.
        return Ok(Outcome::Wait { until_ms: inner.clock.now_ms() + BUSY_MS });
    }
    Ok(Outcome::Done { output: Json::from_value(&json!({ "woken": woken })) })
}

/// Gives an event to a run if it waits for it: to the first of its steps that does.
async fn give(inner: &Inner, event: &Event, run: &Run) -> Result<Given, Error> {
    // What was there before the run is not what it waits for.
    let before = run.event == event.id || event.received_ms < run.created_ms;
    if before || !run.steps.iter().any(StepRun::parked) {
        return Ok(Given::NotWanted);
    }
    let Ok(known) = inner.definitions.get(inner, run.definition).await? else {
        return Ok(Given::NotWanted);
    };
    let workflow = &known.workflow;
    // Once more whenever the step that waited has had something else meanwhile.
    loop {
        let Some((run, of_run, entries)) = inner.store.run(run.id).await? else {
            return Ok(Given::NotWanted);
        };
        let memory = Memory::of(workflow, entries);
        if taken(workflow, &memory.outputs, event.id) {
            return Ok(Given::NotWanted);
        }
        let wants = |spot: &Spot| {
            let Task::Await(wait) = &workflow.steps[spot.step].task else { return false };
            let view = View {
                event: &of_run,
                run: &run,
                workflow,
                outputs: &memory.outputs,
                item: None,
                arrived: Some(event),
            };
            let waits = wait.event == event.kind && run.at(*spot).is_some_and(StepRun::parked);
            waits && fits(&view, *spot, wait)
        };
        let Some(spot) = (0..workflow.steps.len()).map(Spot::step).find(wants) else {
            return Ok(Given::NotWanted);
        };
        let output = Json::from_value(&output(event));
        let by = Word { actor: ACTOR.to_owned(), note: Some(event.id.to_string()) };
        let step = workflow.steps[spot.step].id.clone();
        match inner.bring(run.id, spot, Command::Resume { step, spot, output }, by).await? {
            Ordered::Done(_) => return Ok(Given::Taken),
            Ordered::Missing => return Ok(Given::NotWanted),
            Ordered::Refused(run) if run.at(spot).is_some_and(StepRun::parked) => {
                return Ok(Given::Busy);
            }
            Ordered::Refused(_) => {}
        }
    }
}

impl Inner {
    /// Brings a run what one of its steps waits for, or the word that it is not to have it: through
    /// its owner if it has one here.
    pub(crate) async fn bring(
        &self,
        run: RunId,
        spot: Spot,
        command: Command,
        by: Word,
    ) -> Result<Ordered, Error> {
        let mut tries = 0;
        loop {
            let (told, answer) = tokio::sync::oneshot::channel();
            let note = match &command {
                Command::Resume { output, .. } => {
                    Note::Resume { spot, output: output.clone(), by: by.clone(), told }
                }
                _ => Note::Cancel { word: by.clone(), asked: Some(spot), told },
            };
            if self.owned.tell(run, note).await
                && let Ok(run) = answer.await
            {
                return Ok(Ordered::Done(Box::new(run)));
            }
            let (actor, note) = (by.actor.clone(), by.note.clone());
            let order =
                Order { run, command: command.clone(), actor, note, now_ms: self.clock.now_ms() };
            let ordered = self.store.control(order).await?;
            tries += 1;
            match &ordered {
                // It waits, but somebody works on it.
                Ordered::Refused(run)
                    if run.at(spot).is_some_and(StepRun::parked) && tries < TRIES.0 =>
                {
                    self.clock.sleep_until(self.clock.now_ms() + TRIES.1).await;
                }
                _ => return Ok(ordered),
            }
        }
    }

    /// Tells the run that waits for this one what it came to. A hint: whoever waits looks by itself
    /// from time to time.
    pub(crate) async fn tell_caller(&self, run: &Run, event: &Event) {
        if run.state != RunState::Succeeded {
            return;
        }
        let Some((caller, label)) = caller(event) else { return };
        let (step, item) = Spot::of_label(label);
        let told = async {
            let Some((waiting, _, _)) = self.store.run(caller).await? else { return Ok(()) };
            let Ok(known) = self.definitions.get(self, waiting.definition).await? else {
                return Ok(());
            };
            let Some(index) = known.workflow.step(step) else { return Ok(()) };
            let waits = matches!(&known.workflow.steps[index].task, Task::Call(call) if call.waits);
            let history = if waits { self.store.run(run.id).await? } else { None };
            if let Some((_, _, entries)) = history {
                let output = journal::output(&entries).unwrap_or_else(Json::null);
                let by = Word { actor: ACTOR.to_owned(), note: Some(run.id.to_string()) };
                let spot = Spot { step: index, item };
                let command = Command::Resume { step: step.to_owned(), spot, output };
                self.bring(caller, spot, command, by).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = told.await {
            warn!(%caller, run = %run.id, %error, "cannot tell a run that another has ended");
        }
    }
}
