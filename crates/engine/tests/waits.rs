//! Runs that wait, while others work on them, come too late, or are killed: what they wait for comes
//! once, and is not missed.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod stage;

use postroom_core::Run;
use postroom_core::run::{RunState, StepState};
use postroom_engine::{Answer, Command, Ordered, Settings, Unasked};
use postroom_store::Store;
use stage::{Hands, Stage, soon};

const HOUR_MS: i64 = 3_600_000;

/// The pause in the workflows below; shorter than any lease.
const NAP_MS: i64 = 5_000;

async fn stage(text: &str) -> Stage {
    Stage::with(text, Hands::still(), Settings::default()).await
}

/// One worker, so that a call under way keeps every other run from one.
async fn narrow(text: &str) -> Stage {
    let settings = Settings { concurrency: 1, ..Settings::default() };
    Stage::with(text, Hands::still(), settings).await
}

fn answer(approved: bool) -> Answer<'static> {
    Answer { approved, step: None, actor: "ann", note: None }
}

const TWICE: &str = "
workflow: twice
on: [{event: A}]
steps:
  - { id: one, wait: { event: PAID, timeout: 3d } }
  - { id: two, wait: { event: PAID, timeout: 3d } }
";

#[tokio::test]
async fn an_event_that_is_given_again_after_a_crash_is_not_taken_for_another() {
    let stage = stage(TWICE).await;
    stage.engine.start();
    stage.send("A", "{}").await;
    stage.until("twice", "it sleeps", |run| run.state == RunState::Sleeping).await;
    // The run has the event; that it has been given is not written down.
    stage.store.hold("commit postroom.wake");
    stage.send("PAID", "{}").await;
    let waits =
        |run: &Run| run.state == RunState::Sleeping && run.steps[1].state == StepState::Waiting;
    stage.until("twice", "it waits for the second", waits).await;
    stage.store.seen("commit postroom.wake", 1).await;
    let stage = stage.killed().await;
    stage.engine.start();
    let woken = |run: &Run| run.state.ended();
    let wake = stage.until("postroom.wake", "it is given again", woken).await;
    assert_eq!(wake.state, RunState::Succeeded);
    assert!(waits(&stage.run("twice").await), "one payment is not two");
    stage.send("PAID", "{}").await;
    stage.until("twice", "the second comes", |run| run.state == RunState::Succeeded).await;
}

#[tokio::test]
async fn an_event_that_is_given_late_is_not_given_to_runs_that_began_after_it() {
    let stage = stage(TWICE).await;
    stage.send("PAID", "{}").await;
    // Another owner has it first, and is lost.
    let lease_ms = Settings::default().lease_ms;
    let claimed = stage.store.claim(1, lease_ms, stage.engine.now_ms()).await.unwrap();
    assert_eq!(claimed.leases[0].run.workflow, "postroom.wake");
    stage.clock.move_by(1);
    stage.engine.start();
    stage.send("A", "{}").await;
    let looked = |run: &Run| run.due_ms > Some(run.created_ms + HOUR_MS);
    stage.until("twice", "it has looked back", looked).await;
    stage.clock.move_by(2 * lease_ms);
    let ended = |run: &Run| run.state == RunState::Succeeded;
    stage.until("postroom.wake", "it is given late", ended).await;
    let run = stage.run("twice").await;
    assert_eq!((run.state, run.steps[0].state), (RunState::Sleeping, StepState::Waiting));
}

#[tokio::test]
async fn an_event_waits_as_long_as_somebody_else_has_the_run() {
    let stage = stage(TWICE).await;
    stage.engine.start();
    stage.send("A", "{}").await;
    let looked = |run: &Run| run.due_ms > Some(run.created_ms + HOUR_MS);
    stage.until("twice", "it has looked back", looked).await;
    let later_ms = stage.engine.now_ms() + 100 * HOUR_MS;
    let claimed = stage.store.claim(1, HOUR_MS, later_ms).await.unwrap();
    let lease = &claimed.leases[0];
    assert_eq!(lease.run.workflow, "twice");
    stage.send("PAID", "{}").await;
    // Far more often than any policy tries a step.
    for commits in 1..=30 {
        stage.store.seen("claim postroom.wake", commits).await;
        let tries = stage.run("postroom.wake").await;
        assert!(!tries.state.ended(), "{tries:?}");
        while stage.store.count("commit postroom.wake") < commits {
            stage.clock.move_by(100);
            tokio::task::yield_now().await;
        }
        stage.clock.move_by(1_000);
    }
    let held = vec![(lease.run.id, lease.fence)];
    assert_eq!(stage.store.extend(held, 0, stage.engine.now_ms()).await.unwrap(), [true]);
    let one = |run: &Run| run.steps[0].state == StepState::Done;
    while !one(&stage.run("twice").await) {
        stage.clock.move_by(100);
        tokio::task::yield_now().await;
    }
}

/// A question, and beside it a call that needs a worker once its pause is over.
const ASKS: &str = "
workflow: asks
on: [{event: A}]
steps:
  - { id: ok, needs: [], approve: Sure? }
  - { id: nap, needs: [], wait: 5s }
  - { id: post, needs: [nap], uses: http/request, with: { url: 'https://a.example/asks' } }
---
workflow: slow
on: [{event: SLOW}]
steps:
  - { id: post, uses: http/request, with: { url: 'https://a.example/slow' } }
";

#[tokio::test]
async fn a_question_is_listed_while_another_step_is_at_work() {
    let stage = stage(ASKS).await;
    stage.engine.start();
    stage.send("A", "{}").await;
    stage.until("asks", "it sleeps", |run| run.state == RunState::Sleeping).await;
    stage.clock.move_by(NAP_MS);
    stage.desk.asked(1).await;
    stage.clock.move_by(1);
    stage.send("A", "{}").await;
    let young = stage.until("asks", "it sleeps", |run| run.state == RunState::Sleeping).await;
    let (asked, next) = stage.engine.asked(None, 9).await.unwrap();
    assert_eq!((asked.len(), next), (2, None));
    assert_eq!((asked[0].run, asked[1].ask.as_str()), (young.id, "Sure?"));
    let old = asked[1].run;
    // Page by page, they come in the same order.
    let (first, next) = stage.engine.asked(None, 1).await.unwrap();
    assert_eq!((first.len(), first[0].run, next), (1, young.id, Some(young.id)));
    let (second, _) = stage.engine.asked(next, 1).await.unwrap();
    assert_eq!((second.len(), second[0].run), (1, old));
    stage.engine.answer(old, answer(true)).await.unwrap().unwrap();
    assert_eq!(stage.engine.asked(None, 9).await.unwrap().0.len(), 1);
}

/// A run of `asks` that asks, and waits for the worker that a run of `slow` has.
async fn without_worker() -> Stage {
    let stage = narrow(ASKS).await;
    stage.engine.start();
    stage.send("A", "{}").await;
    stage.until("asks", "it sleeps", |run| run.state == RunState::Sleeping).await;
    stage.send("SLOW", "{}").await;
    stage.desk.asked(1).await;
    stage.clock.move_by(NAP_MS);
    stage.store.seen("claim asks", 2).await;
    stage
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_worker() {
    let stage = without_worker().await;
    let id = stage.run("asks").await.id;
    let answered = soon("the answer", stage.engine.answer(id, answer(true))).await.unwrap();
    assert_eq!(answered.unwrap().steps[0].state, StepState::Done);
    assert_eq!(stage.desk.asked(1).await.len(), 1, "and nothing is called without one");
    stage.desk.open();
    stage.until("asks", "it ends", |run| run.state == RunState::Succeeded).await;
    assert_eq!(stage.desk.asked(2).await.len(), 2);
}

#[tokio::test]
async fn a_run_cancelled_while_it_waits_for_a_worker_calls_nobody() {
    let stage = narrow(ASKS).await;
    stage.engine.start();
    stage.send("SLOW", "{}").await;
    stage.desk.asked(1).await;
    stage.send("SLOW", "{}").await;
    stage.store.seen("claim slow", 2).await;
    let id = stage.run("slow").await.id;
    let ordered = stage.engine.order(id, Command::Cancel, "ann", None);
    let Ordered::Done(run) = soon("the order", ordered).await.unwrap() else { panic!("refused") };
    assert_eq!(run.state, RunState::Cancelled);
    stage.clock.move_by(1);
    stage.send("SLOW", "{}").await;
    stage.desk.open();
    stage.until("slow", "the last one ends", |run| run.state == RunState::Succeeded).await;
    assert_eq!(stage.desk.asked(2).await.len(), 2, "the first and the last");
}

#[tokio::test]
async fn a_run_that_waits_long_for_a_worker_is_not_lost() {
    let stage = without_worker().await;
    let lease_ms = Settings::default().lease_ms;
    for beat in 1..=20 {
        stage.clock.move_by(lease_ms / 2);
        stage.store.seen("reap", beat).await;
        // Both keep their right: the one at work, and the one that waits.
        stage.store.seen("extend", 2 * beat).await;
    }
    assert_eq!(stage.store.count("claim asks"), 2, "no owner was lost");
    stage.desk.open();
    let id = stage.run("asks").await.id;
    stage.engine.answer(id, answer(true)).await.unwrap().unwrap();
    stage.until("asks", "it ends", |run| run.state == RunState::Succeeded).await;
}

/// Waits for an event, and beside it for a time after which it calls.
const BESIDE: &str = "
workflow: beside
on: [{event: A}]
steps:
  - { id: paid, needs: [], wait: { event: PAID, timeout: 30d } }
  - { id: nap, needs: [], wait: 5s }
  - { id: post, needs: [nap], uses: http/request, with: { url: 'https://a.example/beside' } }
";

#[tokio::test]
async fn an_event_finds_a_run_that_goes_to_work_while_it_is_looked_for() {
    let stage = stage(BESIDE).await;
    stage.engine.start();
    stage.send("A", "{}").await;
    let looked = |run: &Run| run.due_ms > Some(run.created_ms);
    stage.until("beside", "it has looked back", looked).await;
    // Looked for among runs at work, it sleeps; among those that sleep, it is at work.
    stage.store.hold("runs sleeping");
    stage.send("PAID", "{}").await;
    stage.store.seen("runs sleeping", 1).await;
    stage.clock.move_by(NAP_MS);
    stage.desk.asked(1).await;
    assert_eq!(stage.run("beside").await.state, RunState::Running);
    stage.store.release();
    let given = |run: &Run| run.state == RunState::Succeeded;
    stage.until("postroom.wake", "it is given", given).await;
    stage.desk.open();
    stage.until("beside", "it goes on", |run| run.state == RunState::Succeeded).await;
}

#[tokio::test]
async fn of_two_people_who_answer_at_once_one_is_heard() {
    let stage = stage(ASKS).await;
    stage.engine.start();
    stage.send("A", "{}").await;
    let run = stage.until("asks", "it sleeps", |run| run.state == RunState::Sleeping).await;
    stage.store.hold("control end");
    let engine = stage.engine.clone();
    let no = tokio::spawn(async move { engine.answer(run.id, answer(false)).await });
    stage.store.seen("control end", 1).await;
    let yes = stage.engine.answer(run.id, answer(true)).await.unwrap();
    assert!(yes.is_ok(), "{yes:?}");
    stage.store.release();
    let no = soon("the other answer", no).await.unwrap().unwrap();
    assert!(matches!(no, Err(Unasked::Nothing(_))), "{no:?}");
    assert!(!stage.run("asks").await.state.ended());
}

#[tokio::test]
async fn an_event_that_is_replayed_is_given_to_those_that_wait() {
    let stage = stage(BESIDE).await;
    let paid = stage.send("PAID", "{}").await;
    stage.clock.move_by(1);
    stage.engine.start();
    stage.send("A", "{}").await;
    let looked = |run: &Run| run.due_ms > Some(run.created_ms);
    stage.until("beside", "it has looked back", looked).await;
    stage.engine.replay(paid).await.unwrap().unwrap();
    let done = |run: &Run| run.steps[0].state == StepState::Done;
    stage.until("beside", "it is given", done).await;
}
