//! Policies over hours in no time: events come at the times given, runs are looked at when they are
//! due or, after an outage, as late as is said.

use postroom_core::RunId;
use postroom_store::Command;
use tokio::sync::Semaphore;

use super::*;
use crate::clock::Clock;
use crate::owner;

/// An engine whose clock jumps, and what was sent through it.
struct Day {
    clock: Arc<Jumping>,
    store: Arc<Model>,
    engine: Engine,
    /// The run of each event.
    runs: Vec<RunId>,
}

impl Day {
    async fn new(clock: &Arc<Jumping>, text: &str) -> Self {
        let store = Arc::new(Model::new(Arc::new(Bell::default()) as _));
        let engine = engine(clock, &store, text).await;
        Self { clock: Arc::clone(clock), store, engine, runs: Vec::new() }
    }

    /// Another process takes over; it knows what the store knows.
    async fn restart(&mut self, text: &str) {
        self.engine = engine(&self.clock, &self.store, text).await;
    }

    /// Takes in an event so many seconds after noon, about a key.
    async fn event(&mut self, at_s: i64, key: &str) {
        self.clock.sleep_until(NOON_MS + at_s * 1_000).await;
        let arriving = Arriving {
            source: "ingest".to_owned(),
            kind: "A".to_owned(),
            data: Json::parse(format!("{{\"key\":\"{key}\"}}")).expect("JSON"),
            key: None,
            correlation: None,
            subject: None,
            time_ms: None,
        };
        let event = self.engine.ingest(arriving).await.expect("taken").event;
        self.runs.push(RunId::derive(event, "w"));
    }

    /// Looks at runs as they fall due, until so many seconds after noon.
    async fn until(&self, at_s: i64) {
        let (inner, until_ms) = (&self.engine.inner, NOON_MS + at_s * 1_000);
        loop {
            let room = |of: &Arc<Semaphore>| Arc::clone(of).acquire_owned();
            let (ahead, slot) = (room(&inner.ahead).await, room(&inner.slots).await);
            let place = owner::Place { ahead: ahead.expect("open"), slot: slot.expect("open") };
            let mut claimed = self.store.claim(1, 30_000, self.clock.now_ms()).await.expect("due");
            match (claimed.leases.pop(), claimed.next_due_ms) {
                (Some(lease), _) => {
                    Box::pin(owner::fetch(Arc::clone(inner), lease, place, None)).await;
                }
                (None, Some(due_ms)) if due_ms <= until_ms => self.clock.sleep_until(due_ms).await,
                _ => return self.clock.sleep_until(until_ms).await,
            }
        }
    }

    /// Events at these seconds after noon, with what is due looked at in between.
    async fn events(&mut self, times: &[i64]) {
        for at_s in times {
            self.until(*at_s).await;
            self.event(*at_s, "k").await;
        }
    }

    /// What became of the run of each event: when it started, in seconds after noon, or which run
    /// of which event it was cancelled for, and by whom.
    async fn ends(&self) -> Vec<String> {
        let mut ends = Vec::new();
        for run in &self.runs {
            let (run, _, journal) = self.store.run(*run).await.expect("read").expect("a run");
            let Some(first) = journal.first() else {
                ends.push(run.state.name().to_owned());
                continue;
            };
            let note = first.note.as_deref().unwrap_or_default();
            let other = self.runs.iter().position(|other| note.ends_with(&other.to_string()));
            ends.push(match (&first.actor, other) {
                (Some(actor), Some(other)) => format!("{actor} for {other}"),
                _ => ((first.at_ms - NOON_MS) / 1_000).to_string(),
            });
        }
        ends
    }
}

async fn engine(clock: &Arc<Jumping>, store: &Arc<Model>, text: &str) -> Engine {
    let parts = Parts {
        store: Arc::clone(store) as _,
        bell: Arc::new(Bell::default()),
        clock: Arc::clone(clock) as _,
        secrets: Arc::new(Names),
        transport: Arc::new(Recorder::new(Script::default(), Arc::clone(clock), usize::MAX)),
        tokens: None,
        settings: Settings {
            concurrency: 1,
            seed: Some(clock.now_ms() as u64),
            ..Settings::default()
        },
    };
    Engine::new(parts, project(text)).await.expect("an engine")
}

fn workflow(policies: &str) -> String {
    format!(
        "workflow: w\non: [{{event: A}}]\n{policies}\nsteps:\n  - {{ id: a, uses: local/echo }}\n"
    )
}

/// Plays a day under policies.
fn day<T>(policies: &str, play: impl AsyncFnOnce(&mut Day) -> T) -> T {
    let clock = Arc::new(Jumping::from(NOON_MS));
    let text = workflow(policies);
    let played = clock.play(async { play(&mut Day::new(&clock, &text).await).await });
    played.ok().expect("it comes to an end")
}

/// What became of the runs of events at these seconds.
fn ends(policies: &str, times: &[i64]) -> Vec<String> {
    day(policies, async |day| {
        day.events(times).await;
        day.until(3_600).await;
        day.ends().await
    })
}

#[test]
fn a_run_starts_once_its_key_is_quiet() {
    let debounce = "debounce: { key: \"${{ event.data.key }}\", delay: 10s }";
    assert_eq!(ends(debounce, &[0, 5, 9]), ["debounce for 2", "debounce for 2", "19"]);
    // An event at the very moment comes too late.
    assert_eq!(ends(debounce, &[0, 10, 30]), ["10", "20", "40"]);
    assert_eq!(ends(debounce, &[0, 9]), ["debounce for 1", "19"]);
    let keys = day(debounce, async |day| {
        for (at_s, key) in [(0, "a"), (1, "b"), (2, "a"), (3, "c")] {
            day.event(at_s, key).await;
        }
        day.until(60).await;
        day.ends().await
    });
    assert_eq!(keys, ["debounce for 2", "11", "12", "13"]);
    // Without a key all runs of the workflow wait for each other.
    let all = day("debounce: { delay: 10s }", async |day| {
        for (at_s, key) in [(0, "a"), (1, "b"), (2, "c")] {
            day.event(at_s, key).await;
        }
        day.until(60).await;
        day.ends().await
    });
    assert_eq!(all, ["debounce for 2", "debounce for 2", "12"]);
}

#[test]
fn the_first_is_put_off_for_so_long_and_no_longer() {
    let times: Vec<i64> = (0..=50).step_by(5).collect();
    let bounded = ends("debounce: { delay: 10s, at_most: 25s }", &times);
    let started: Vec<&String> = bounded.iter().filter(|end| !end.contains(' ')).collect();
    // From the events at 0, 20 and 40 on.
    assert_eq!(started, ["25", "45", "60"], "{bounded:?}");
    assert_eq!(bounded[3], "25");
    let unbounded = ends("debounce: { delay: 10s }", &times);
    assert_eq!(unbounded.iter().filter(|end| !end.contains(' ')).collect::<Vec<_>>(), ["60"]);
}

#[test]
fn after_an_outage_the_newest_goes() {
    let late = |policies| {
        day(policies, async |day| {
            for at_s in [0, 5, 9] {
                day.event(at_s, "k").await;
            }
            day.clock.sleep_until(NOON_MS + 900_000).await;
            day.until(3_600).await;
            day.ends().await
        })
    };
    let unbounded = late("debounce: { delay: 10s }");
    assert_eq!(unbounded, ["debounce for 2", "debounce for 2", "900"]);
    // The second had to go at 15, before the third could.
    let bounded = late("debounce: { delay: 10s, at_most: 15s }");
    assert_eq!(bounded, ["debounce for 1", "900", "900"]);
}

#[test]
fn a_run_cancelled_by_a_person_stands_in_for_nobody() {
    let debounce = "debounce: { delay: 10s }";
    let found = day(debounce, async |day| {
        day.events(&[0, 5]).await;
        let newer = day.runs[1];
        day.engine.order(newer, Command::Cancel, "ann", None).await.expect("cancelled");
        day.until(60).await;
        day.ends().await
    });
    assert_eq!(found, ["10", "5"]);
}

#[test]
fn who_was_sent_out_again_waits_for_nobody() {
    let found = day("debounce: { delay: 10s }", async |day| {
        day.events(&[0, 5]).await;
        day.until(12).await;
        let first = day.runs[0];
        let redrive = Command::Redrive { definition: None };
        day.engine.order(first, redrive, "ann", None).await.expect("sent out again");
        day.until(14).await;
        let (first, _, journal) = day.store.run(first).await.expect("read").expect("a run");
        (first.state, journal.last().map(|entry| entry.at_ms - NOON_MS), day.ends().await)
    });
    let ends = vec!["debounce for 1".to_owned(), "queued".to_owned()];
    assert_eq!(found, (RunState::Succeeded, Some(12_000), ends));
}

#[test]
fn so_many_start_in_a_period_and_the_others_wait_in_order() {
    let throttle = "throttle: { limit: 2, per: 10s }";
    let ends_of = |times: &[i64]| ends(throttle, times);
    assert_eq!(ends_of(&[1, 2, 3, 4, 5, 12]), ["1", "2", "10", "10", "20", "20"]);
    assert_eq!(ends_of(&[1, 2, 11, 12, 21]), ["1", "2", "11", "12", "21"]);
    let many: Vec<i64> = vec![3; 200];
    let found = ends_of(&many);
    let expected = (0..200).map(|n| if n < 2 { 3 } else { n / 2 * 10 }.to_string());
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn keys_have_their_own_periods() {
    let throttle = "throttle: { key: \"${{ event.data.key }}\", limit: 1, per: 1m }";
    let found = day(throttle, async |day| {
        for (at_s, key) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            day.until(at_s).await;
            day.event(at_s, key).await;
        }
        day.until(600).await;
        day.ends().await
    });
    assert_eq!(found, ["1", "2", "60", "4"]);
}

#[test]
fn an_outage_does_not_let_more_start_at_once() {
    let late = day("throttle: { limit: 2, per: 10s }", async |day| {
        for at_s in 1..=5 {
            day.event(at_s, "k").await;
        }
        day.clock.sleep_until(NOON_MS + 31_000).await;
        day.until(600).await;
        day.ends().await
    });
    assert_eq!(late, ["31", "31", "40", "40", "50"]);
}

#[test]
fn starts_are_counted_and_lines_keep_their_order_over_a_restart() {
    let throttle = "throttle: { limit: 2, per: 10s }";
    let found = day(throttle, async |day| {
        day.events(&[1, 2, 3, 4, 5, 6, 7]).await;
        day.until(12).await;
        day.restart(&workflow(throttle)).await;
        day.events(&[13]).await;
        day.until(600).await;
        day.ends().await
    });
    assert_eq!(found, ["1", "2", "10", "10", "20", "20", "30", "30"]);
}

#[test]
fn policies_go_together() {
    let found = ends(
        "debounce: { delay: 5s }\nthrottle: { limit: 1, per: 1m }\npriority: 30\n\
         concurrency: { key: k, when_full: cancel-older }",
        &[0, 1, 10, 20, 21],
    );
    // The third is put off until its turn at 60. By then the last has come, which stands in for it.
    assert_eq!(found, ["debounce for 1", "6", "debounce for 4", "debounce for 4", "120"]);
}

#[test]
fn a_priority_moves_no_run_to_another_time() {
    for priority in [0, 30, -30] {
        assert_eq!(ends(&format!("priority: {priority}"), &[1, 2]), ["1", "2"], "{priority}");
    }
    let both = "debounce: { delay: 10s }\npriority: 30";
    assert_eq!(ends(both, &[1]), ["11"]);
}
