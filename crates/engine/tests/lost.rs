//! A store whose answers get lost, and owners that are lost: nothing is written twice, and a run that
//! ends its owners is not handed out for ever.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod stage;

use std::sync::atomic::Ordering;

use postroom_core::journal::Kind;
use postroom_core::run::{Reason, Run, RunState};
use postroom_engine::{Arriving, Engine, Rejected, Settings};
use postroom_store::{RunFilter, Store};
use stage::{Hands, Losing, Stage};

const ECHO: &str = "
workflow: echo
on: [{event: A}]
steps:
  - { id: say, uses: local/echo, with: { n: \"${{ event.data.n }}\" } }
";

/// An engine over a store that loses nothing yet.
async fn engine(settings: Settings) -> (Engine, std::sync::Arc<Losing>) {
    let stage = Stage::with(ECHO, Hands::Turning, settings).await;
    (stage.engine, stage.store)
}

fn arriving(key: Option<&str>) -> Arriving {
    Arriving { key: key.map(str::to_owned), ..stage::arriving("A", r#"{"n":1}"#) }
}

async fn runs(store: &Losing) -> Vec<Run> {
    let filter = RunFilter { limit: 9, ..RunFilter::default() };
    store.runs(filter).await.unwrap().rows.into_iter().map(|(run, _)| run).collect()
}

#[tokio::test]
async fn an_event_whose_answer_is_lost_is_written_down_once() {
    for lost in 1..=3 {
        let (engine, store) = engine(Settings::default()).await;
        store.lose.store(lost, Ordering::SeqCst);
        let accepted = engine.ingest(arriving(None)).await.unwrap();
        assert_eq!((accepted.duplicate, accepted.runs), (false, 1), "{lost}");
        assert_eq!(runs(&store).await.len(), 1, "{lost}");
    }
}

#[tokio::test]
async fn a_sender_that_is_told_nothing_certain_may_send_again() {
    let (engine, store) = engine(Settings::default()).await;
    store.lose.store(4, Ordering::SeqCst);
    let rejected = engine.ingest(arriving(Some("k"))).await.unwrap_err();
    assert_eq!(rejected, Rejected::Lost("the line broke".to_owned()));
    let accepted = engine.ingest(arriving(Some("k"))).await.unwrap();
    assert!(accepted.duplicate);
    assert_eq!(runs(&store).await.len(), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_repeated_as_it_was() {
    for lost in [1, 2] {
        let (engine, store) = engine(Settings::default()).await;
        engine.ingest(arriving(None)).await.unwrap();
        store.lose.store(lost, Ordering::SeqCst);
        engine.start();
        store.ended.notified().await;
        let run = runs(&store).await.remove(0);
        assert_eq!(run.state, RunState::Succeeded, "{lost}");
        let (_, _, journal) = store.run(run.id).await.unwrap().unwrap();
        let kinds: Vec<Kind> = journal.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Done, Kind::Succeeded], "{lost}");
    }
}

#[tokio::test]
async fn a_run_whose_owners_are_lost_again_and_again_is_a_dead_letter() {
    for losses in [2, 3] {
        let (engine, store) = engine(Settings { losses: 3, ..Settings::default() }).await;
        engine.ingest(arriving(None)).await.unwrap();
        for _ in 0..losses {
            let claimed = store.claim(1, 1, engine.now_ms()).await.unwrap();
            assert_eq!(claimed.leases.len(), 1);
            assert_eq!(store.reap(engine.now_ms() + 1).await.unwrap(), 1);
        }
        engine.start();
        store.ended.notified().await;
        let run = runs(&store).await.remove(0);
        if losses < 3 {
            assert_eq!(run.state, RunState::Succeeded);
            continue;
        }
        assert_eq!(run.state, RunState::Dead);
        let failure = run.failure.unwrap();
        assert_eq!((failure.reason, failure.step), (Reason::Exhausted, None));
        assert_eq!(failure.failure.code, "run/owners-lost");
        assert!(failure.failure.hint.unwrap().contains("redrive"));
        let (_, _, journal) = store.run(run.id).await.unwrap().unwrap();
        let kinds: Vec<Kind> = journal.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Dead]);
        // A person's word gives it all its owners back.
        let command = postroom_engine::Command::Redrive { definition: None };
        engine.order(run.id, command, "ann", None).await.unwrap();
        store.ended.notified().await;
        assert_eq!(runs(&store).await.remove(0).state, RunState::Succeeded);
    }
}
