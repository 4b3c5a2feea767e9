//! Steps that wait: for a time, an event, a person or another run. A step that waits is parked; it
//! is tried again when what it waits for may have come, and at the end of its time.

use std::time::Instant;

use postroom_core::definition::{Approve, Await, Call, Task, Wait};
use postroom_core::duration::format_ms;
use postroom_core::event::Cause;
use postroom_core::run::{Report, RunState, Word};
use postroom_core::trigger::call_of;
use postroom_core::{Failure, Json, Outcome, Run, RunId, journal, parse, problem};
use postroom_expr::Template;
use postroom_store::{Arrival, Error, EventFilter};
use serde_json::json;
use tracing::warn;

use super::{Attempt, Ended, View, Work, refused};
use crate::owner::Child;
use crate::wake;

/// The most events that a step which begins to wait looks back on.
const LOOK_BACK: usize = 1_000;

/// Events looked up at once.
const PAGE: usize = 100;

/// How long to wait before a store that failed is asked again.
const AGAIN_MS: i64 = 500;

/// How often a run that waits for another one looks by itself, at the least and at the most. It is
/// told when the other one has ended; that may be lost with the process.
const POLL_MS: (i64, i64) = (1_000, 60_000);

impl Attempt {
    /// Until when the step waits, if it has begun to.
    fn until_ms(&self) -> Option<i64> {
        self.run.at(self.spot)?.until_ms
    }

    fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    fn after(&self, ms: u64) -> i64 {
        self.now_ms().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    /// Parks a step for the first time, unless its condition is false: only where it holds, what
    /// says until when it waits has to make sense.
    fn park(
        self,
        until: impl FnOnce(&Self) -> Result<(Outcome, Report), Outcome>,
        started: Instant,
    ) -> Ended {
        let parked = match self.holds() {
            Ok(true) => until(&self),
            Ok(false) => Err(Outcome::Skipped),
            Err(outcome) => Err(outcome),
        };
        let (outcome, report) = parked.unwrap_or_else(|ended| (ended, Report::default()));
        self.end(outcome, report, started)
    }

    /// Ends an attempt to wait for a time.
    pub(super) fn pause(self, wait: &Wait, started: Instant) -> Ended {
        let Some(until_ms) = self.until_ms() else {
            let until = |it: &Self| Ok((asleep(it.time(wait)?), Report::default()));
            return self.park(until, started);
        };
        let outcome = match self.now_ms() < until_ms {
            true => asleep(until_ms),
            false => done(&json!({ "until": postroom_expr::moment_text(until_ms) })),
        };
        self.end(outcome, Report::default(), started)
    }

    fn time(&self, wait: &Wait) -> Result<i64, Outcome> {
        let text = match wait {
            Wait::For(template) => return self.end_of(template, "wait"),
            Wait::Until(template) => self.said(template, "wait")?,
        };
        let wrong = |detail: &str| self.bad_wait("wait", &format!("`{text}` is {detail}"));
        let until_ms = postroom_expr::moment_ms(&text).ok_or_else(|| wrong("no time"))?;
        match until_ms > self.after(postroom_core::definition::MAX_WAIT_MS) {
            true => Err(wrong("more than 366 days from now")),
            false => Ok(until_ms),
        }
    }

    /// When a duration is over that begins now.
    fn end_of(&self, template: &Template, what: &str) -> Result<i64, Outcome> {
        let text = self.said(template, what)?;
        let ms = parse::pause_ms(&text).map_err(|detail| self.bad_wait(what, &detail))?;
        Ok(self.after(ms))
    }

    fn said(&self, template: &Template, what: &str) -> Result<String, Outcome> {
        self.told(template, what)?.ok_or_else(|| self.bad_wait(what, "it is null"))
    }

    fn bad_wait(&self, what: &str, detail: &str) -> Outcome {
        let message = format!("`{what}` of step `{}`: {detail}", self.step().id);
        refused(Failure::new(problem::BAD_WAIT.code, message))
    }

    /// Ends an attempt to ask a person.
    pub(super) fn approve(self, approve: &Approve, started: Instant) -> Ended {
        let Some(until_ms) = self.until_ms() else {
            let until = |it: &Self| {
                let ask = it.told(&approve.ask, "ask")?;
                let outcome = asleep(it.after(approve.timeout_ms));
                Ok((outcome, Report { ask, ..Report::default() }))
            };
            return self.park(until, started);
        };
        let outcome = match (self.now_ms() < until_ms, approve.silence_approves) {
            (true, _) => asleep(until_ms),
            (false, true) => done(&json!({ "approved": true, "by": null, "note": null })),
            (false, false) if approve.goes_on => {
                done(&json!({ "approved": false, "by": null, "note": null }))
            }
            (false, false) => {
                let time = format_ms(approve.timeout_ms);
                let note = format!("nobody answered `{}` within {time}", self.step().id);
                Outcome::Cancel(Word { actor: "deadline".to_owned(), note: Some(note) })
            }
        };
        self.end(outcome, Report::default(), started)
    }

    /// Begins to wait for an event, or looks whether it has come. What came between the start of
    /// the run and the moment when it was written down that the step waits is looked up: from that
    /// moment on, events come by themselves.
    pub(super) fn wait_for(self, wait: &Await, started: Instant) -> Result<Ended, Work> {
        if self.until_ms().is_some() {
            return Err(Work::Look(Box::new(self)));
        }
        let until = |it: &Self| {
            let until_ms = it.end_of(&wait.timeout, "wait.timeout")?;
            Ok((Outcome::Park { until_ms, look_ms: it.now_ms() }, Report::default()))
        };
        Ok(self.park(until, started))
    }

    /// Begins to run another workflow, or looks what became of that run.
    pub(super) fn call_workflow(self, call: &Call, started: Instant) -> Result<Ended, Work> {
        if self.until_ms().is_some() {
            return Err(Work::Look(Box::new(self)));
        }
        if let Some(output) = self.told_output()
            && self.holds() == Ok(true)
        {
            return Ok(self.end(Outcome::Done { output }, Report::default(), started));
        }
        let dry = !self.mode().is_live();
        // Sent out again, it waits for the run that it called before, unless that was for show.
        let before = self.child.filter(|child| child.dry == dry);
        let called = match before {
            Some(child) => Ok(Some((None, child.run))),
            None => self.called(call).map(|called| called.map(|(event, run)| (Some(event), run))),
        };
        let (arrival, child) = match called {
            Ok(Some(called)) => called,
            Ok(None) => return Ok(self.end(Outcome::Skipped, Report::default(), started)),
            Err(outcome) => return Ok(self.end(outcome, Report::default(), started)),
        };
        let report = Report { child: Some(child), dry, ..Report::default() };
        let outcome = match call.waits {
            true => {
                let until_ms = self.after(call.timeout_ms);
                let pause_ms = if before.is_some() { 0 } else { POLL_MS.0 };
                Outcome::Park { until_ms, look_ms: self.now_ms() + pause_ms }
            }
            false => done(&json!({ "run": child })),
        };
        let ended = self.end(outcome, report, started);
        Ok(Ended { emits: arrival, ..ended })
    }

    /// The run of another workflow with the event it works on; `None` if the condition is false.
    fn called(&self, call: &Call) -> Result<Option<(Arrival, RunId)>, Outcome> {
        let Some((data, _)) = self.input(&call.with, "with", None)? else { return Ok(None) };
        let project = self.project();
        let known = project.workflows.iter().map(|(_, workflow)| workflow);
        let mut known = known.filter(|known| known.name == call.workflow && known.callable());
        let Some(workflow) = known.next_back() else {
            let message = format!("no workflow `{}` can be called", call.workflow);
            let failure = Failure::new(problem::NOT_CALLABLE.code, message)
                .with_hint("add it, or write `call` under its `on`, and redrive");
            return Err(refused(failure));
        };
        // The same for every attempt, so that the run has the same keys whatever happens.
        let key = self.run.idempotency_key(&self.label(), 0);
        let mut event = self.follows(Call::SOURCE, &call.event, data, Some(key))?;
        event.subject = Some(self.label());
        let mut start = call_of(workflow, &event);
        start.run.mode = self.mode();
        let child = start.run.id;
        let now_ms = event.received_ms;
        let arrival = Arrival {
            event: event.into(),
            dedupe: None,
            dedupe_until_ms: now_ms,
            starts: vec![start],
        };
        Ok(Some((arrival, child)))
    }

    /// Looks for what the step waits for.
    pub(super) async fn look(self, started: Instant) -> Ended {
        let known = std::sync::Arc::clone(&self.known);
        let looked = match &known.workflow.steps[self.spot.step].task {
            Task::Await(wait) => self.look_back(wait).await,
            Task::Call(call) => self.look_after(call).await,
            Task::Wake => wake::deliver(&self).await,
            _ => Ok(refused(Failure::new("internal", "this step looks for nothing"))),
        };
        let outcome = looked.unwrap_or_else(|error| {
            warn!(run = %self.run.id, step = self.label(), %error, "cannot look; trying again");
            Outcome::Wait { until_ms: self.now_ms() + AGAIN_MS }
        });
        self.end(outcome, Report::default(), started)
    }

    /// The first event since the run was written down that fits, or on to waiting for it.
    async fn look_back(&self, wait: &Await) -> Result<Outcome, Error> {
        let mut filter =
            EventFilter { kind: Some(wait.event.clone()), limit: PAGE, ..EventFilter::default() };
        let mut found = None;
        let mut looked = 0;
        'pages: loop {
            let page = self.inner.store.events(filter.clone()).await?;
            for row in &page.rows {
                filter.before = Some(row.event.id);
                looked += 1;
                if row.event.received_ms < self.run.created_ms || looked > LOOK_BACK {
                    break 'pages;
                }
                let taken = wake::taken(&self.known.workflow, &self.outputs, row.event.id);
                if taken || row.event.id == self.run.event {
                    continue;
                }
                let Some(row) = self.inner.store.event(row.event.id).await? else { continue };
                let view = View { arrived: Some(&row.event), ..self.view() };
                if wake::fits(&view, self.spot, wait) {
                    found = Some(wake::output(&row.event));
                }
            }
            if !page.more {
                break;
            }
        }
        let until_ms = self.until_ms().unwrap_or_default();
        Ok(match found {
            Some(output) => done(&output),
            None if self.now_ms() < until_ms => asleep(until_ms),
            None => done(&json!({ "event": null, "timedOut": true })),
        })
    }

    /// What a run that this one has called came to.
    async fn look_after(&self, call: &Call) -> Result<Outcome, Error> {
        let name = &call.workflow;
        let Some(Child { run: child, .. }) = self.child else {
            let why = format!("it is not known which run of `{name}` this one waits for");
            return Ok(refused(Failure::new(problem::CALLED_FAILED.code, why)));
        };
        let history = self.inner.store.run(child).await?;
        let Some((run, _, entries)) = history else {
            let why = format!("run {child} of `{name}` is not kept any more");
            return Ok(refused(Failure::new(problem::CALLED_FAILED.code, why)));
        };
        let (now_ms, until_ms) = (self.now_ms(), self.until_ms().unwrap_or_default());
        Ok(match run.state {
            RunState::Succeeded => {
                Outcome::Done { output: journal::output(&entries).unwrap_or_else(Json::null) }
            }
            RunState::Dead | RunState::Cancelled => lost(name, &run),
            _ if now_ms >= until_ms => late(name, &run, call),
            _ => {
                let waited = now_ms.saturating_sub(run.created_ms);
                let pause_ms = (waited / 4).clamp(POLL_MS.0, POLL_MS.1);
                Outcome::Park { until_ms, look_ms: now_ms + pause_ms }
            }
        })
    }
}

/// Parked until a time, with nothing to look for before.
fn asleep(until_ms: i64) -> Outcome {
    Outcome::Park { until_ms, look_ms: until_ms }
}

fn done(output: &serde_json::Value) -> Outcome {
    Outcome::Done { output: Json::from_value(output) }
}

/// The run stays the one that was called: another would do again what this one has done.
fn lost(name: &str, run: &Run) -> Outcome {
    let message = format!("run {} of `{name}` is {}", run.id, run.state.name());
    let hint = format!("redrive {} first; then redrive this run, which takes its result", run.id);
    let failure = Failure::new(problem::CALLED_FAILED.code, message).with_hint(hint);
    Outcome::Retry { after_ms: None, failure }
}

fn late(name: &str, run: &Run, call: &Call) -> Outcome {
    let time = format_ms(call.timeout_ms);
    let message = format!("run {} of `{name}` has not ended within {time}", run.id);
    let failure = Failure::new(problem::CALLED_LATE.code, message)
        .with_hint("redrive this run once that one has ended, or give the step more `timeout`");
    Outcome::Retry { after_ms: None, failure }
}

/// Who is to be told that a run has ended: the run that called it, and the step that waits.
pub(crate) fn caller(event: &postroom_core::Event) -> Option<(RunId, &str)> {
    let Cause { run, .. } = event.cause.as_ref()?;
    (event.source == Call::SOURCE).then_some(())?;
    Some(((*run)?, event.subject.as_deref()?))
}
