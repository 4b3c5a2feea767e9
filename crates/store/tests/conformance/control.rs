//! `control`: a person's word, in every state a run can be in.

use postroom_core::journal::Kind;
use postroom_core::run::{RunState, StepState};
use postroom_core::{DefinitionHash, Json, RunId};
use postroom_store::{Command, Committed, Lease, Ordered};

use crate::Case;
use crate::world::{LEASE_MS, World, nth, sleep, to};

pub const CASES: &[Case] = &[
    ("control: a run nobody knows is missing", |w| {
        assert_eq!(w.cancel(RunId([3; 16])), Ordered::Missing);
        assert_eq!(w.redrive(RunId([3; 16])), Ordered::Missing);
    }),
    ("cancel: a queued run ends and is never handed out", |w| {
        let id = w.start("a");
        w.now_ms += 7;
        let Ordered::Done(run) = w.cancel(id) else { panic!("refused") };
        assert_eq!(
            (run.state, run.due_ms, run.finished_ms),
            (RunState::Cancelled, None, Some(w.now_ms))
        );
        assert_eq!(w.run(id).unwrap().0, *run);
        let entry = w.run(id).unwrap().2.remove(0);
        assert_eq!((entry.kind, entry.actor.as_deref()), (Kind::Cancelled, Some("ann")));
        assert_eq!(entry.note.as_deref(), Some("because"));
        w.now_ms += 1_000_000;
        assert!(w.claim(9).leases.is_empty());
        assert_eq!(w.claim(9).next_due_ms, None);
    }),
    ("cancel: a sleeping run ends", |w| {
        let id = asleep(w);
        assert!(done(&w.cancel(id)));
        w.now_ms += 1_000_000;
        assert!(w.claim(9).leases.is_empty());
        assert_eq!(w.count_of(RunState::Sleeping), 0);
    }),
    ("cancel: a run at work is taken from its owner", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.commit(to(&lease, RunState::Running, w.now_ms));
        assert!(done(&w.cancel(id)));
        assert_eq!(w.commit(to(&lease, RunState::Succeeded, w.now_ms)), Committed::Stale);
        assert_eq!(w.state(id), RunState::Cancelled);
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Cancelled]);
        let held = vec![(id, lease.fence)];
        assert_eq!(w.wait(w.store().extend(held, LEASE_MS, w.now_ms)), [false]);
        w.now_ms += 10 * LEASE_MS;
        assert_eq!(w.reap(), 0);
        assert!(w.claim(9).leases.is_empty());
    }),
    ("cancel: a claimed run that was never committed", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        assert!(done(&w.cancel(id)));
        assert_eq!(w.commit(to(&lease, RunState::Running, w.now_ms)), Committed::Stale);
        assert!(w.claim(9).leases.is_empty());
    }),
    ("resume: a run that waits goes on at once with what it is given", |w| {
        let id = asleep(w);
        let Ordered::Done(run) = w.resume(id) else { panic!("refused") };
        assert_eq!((run.due_ms, run.steps[0].state), (Some(w.now_ms), StepState::Done));
        let entry = w.run(id).unwrap().2.pop().unwrap();
        assert_eq!((entry.kind, entry.step.as_deref()), (Kind::Done, Some("pay")));
        assert_eq!(
            (entry.actor.as_deref(), entry.output),
            (Some("ann"), Some(Json::parse("{\"ok\":true}".to_owned()).unwrap()))
        );
        let lease = w.claim_one();
        assert_eq!((lease.run.id, lease.journal.len()), (id, 2));
        // It waits no longer.
        assert!(matches!(w.resume(id), Ordered::Refused(_)));
    }),
    ("resume: a run that somebody works on is not disturbed", |w| {
        let id = asleep(w);
        w.now_ms += 10_000;
        let lease = w.claim_one();
        assert!(matches!(w.resume(id), Ordered::Refused(_)));
        assert_eq!(w.commit(to(&lease, RunState::Succeeded, w.now_ms)), Committed::Written);
        assert!(matches!(w.resume(id), Ordered::Refused(_)));
        assert_eq!(w.resume(RunId([3; 16])), Ordered::Missing);
    }),
    ("cancel: a dead letter is given up on", |w| {
        let id = dead(w);
        assert!(done(&w.cancel(id)));
        assert_eq!(w.count_of(RunState::Dead), 0);
        assert_eq!(w.count_of(RunState::Cancelled), 1);
    }),
    ("cancel: what has ended otherwise is refused", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.succeed(&lease);
        let Ordered::Refused(run) = w.cancel(id) else { panic!("a success was cancelled") };
        assert_eq!(run.state, RunState::Succeeded);
        let other = w.start("a");
        assert!(done(&w.cancel(other)));
        assert!(!done(&w.cancel(other)));
        assert_eq!(w.kinds(other), [Kind::Cancelled]);
    }),
    ("cancel: a run whose owner was lost at work, after reaping", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.commit(to(&lease, RunState::Running, w.now_ms));
        w.now_ms += LEASE_MS;
        assert_eq!(w.reap(), 1);
        assert!(done(&w.cancel(id)));
        assert!(w.claim(9).leases.is_empty());
        assert!(done(&w.redrive(id)));
        assert_eq!(w.claimed_ids(9), [id]);
        assert!(w.claim(9).leases.is_empty());
    }),
    ("cancel: a run at work when the store was closed", |w| {
        let id = w.start("a");
        let lease = w.claim_one();
        w.commit(to(&lease, RunState::Running, w.now_ms));
        w.now_ms += LEASE_MS;
        w.reap();
        w.reopen();
        assert!(done(&w.cancel(id)));
        assert!(w.claim(9).leases.is_empty());
    }),
    ("redrive: a dead letter goes out again", |w| {
        let id = dead(w);
        w.now_ms += 5;
        let Ordered::Done(run) = w.redrive(id) else { panic!("refused") };
        assert_eq!((run.state, run.due_ms, run.redrives), (RunState::Queued, Some(w.now_ms), 1));
        assert_eq!((run.finished_ms, &run.failure), (None, &None));
        let lease = w.claim_one();
        assert_eq!(lease.run, *run);
        assert_eq!(lease.journal.len(), 2);
        w.succeed(&lease);
        assert_eq!(w.kinds(id), [Kind::Dead, Kind::Redriven, Kind::Succeeded]);
    }),
    ("redrive: survives", |w| {
        let id = dead(w);
        w.redrive(id);
        w.reopen();
        let lease = w.claim_one();
        assert_eq!((lease.run.id, lease.run.redrives), (id, 1));
        w.succeed(&lease);
    }),
    ("redrive: a sleeping run goes at once", |w| {
        let id = asleep(w);
        assert!(w.claim(9).leases.is_empty());
        w.now_ms += 1;
        let Ordered::Done(run) = w.redrive(id) else { panic!("refused") };
        assert_eq!((run.state, run.due_ms, run.redrives), (RunState::Sleeping, Some(w.now_ms), 0));
        let lease = w.claim_one();
        assert_eq!(lease.run, *run);
        w.succeed(&lease);
        w.now_ms += 1_000_000;
        assert!(w.claim(9).leases.is_empty());
    }),
    ("redrive: a cancelled run comes back", |w| {
        let id = w.start("a");
        w.cancel(id);
        assert!(done(&w.redrive(id)));
        assert_eq!(w.claimed_ids(9), [id]);
        assert!(w.claim(9).leases.is_empty());
    }),
    ("redrive: cancelled and sent out again within one moment, it goes once", |w| {
        let id = w.start("a");
        for _ in 0..3 {
            w.cancel(id);
            w.redrive(id);
        }
        let lease = w.claim_one();
        assert_eq!((lease.run.redrives, lease.journal.len()), (3, 6));
        assert!(w.claim(9).leases.is_empty());
        w.succeed(&lease);
        assert_eq!(w.kinds(id).len(), 7);
    }),
    ("redrive: refused while queued, held or succeeded", |w| {
        let id = w.start("a");
        assert!(!done(&w.redrive(id)));
        let lease = w.claim_one();
        assert!(!done(&w.redrive(id)));
        w.commit(to(&lease, RunState::Running, w.now_ms));
        assert!(!done(&w.redrive(id)));
        w.succeed(&lease);
        assert!(!done(&w.redrive(id)));
        assert_eq!(w.kinds(id), [Kind::Intent, Kind::Succeeded]);
    }),
    ("redrive: refused while a sleeping run is held", |w| {
        let id = asleep(w);
        w.now_ms += 10_000;
        let lease = w.claim_one();
        assert!(!done(&w.redrive(id)));
        w.succeed(&lease);
    }),
    ("redrive: on another definition", |w| {
        let id = dead(w);
        let definition = DefinitionHash([8; 16]);
        let command = Command::Redrive { definition: Some(definition) };
        let Ordered::Done(run) = w.order(id, command) else { panic!("refused") };
        assert_eq!(run.definition, definition);
        assert_eq!(w.run(id).unwrap().0.definition, definition);
        w.reopen();
        assert_eq!(w.claim_one().run.definition, definition);
    }),
    ("redrive: a run that could not start stays dead", |w| {
        let mut arrival = crate::world::Like::starting(w.arrival(), "a");
        let run = &mut arrival.starts[0].run;
        run.fail_at_birth(postroom_core::Failure::new("expr/type", "x"), w.now_ms);
        let id = run.id;
        w.record(vec![arrival]);
        assert!(!done(&w.redrive(id)));
        assert!(done(&w.cancel(id)));
        assert!(!done(&w.redrive(id)));
    }),
    ("control: an order gives a hint", |w| {
        let id = dead(w);
        let before = w.hints.given();
        w.redrive(id);
        assert!(w.hints.given() > before);
    }),
    ("control: sent together with a commit, one of them wins", |w| {
        for first in [true, false] {
            let id = w.start("a");
            let lease = w.claim_one();
            let (store, other) = (w.store(), w.store());
            let order = postroom_store::Order {
                run: id,
                command: Command::Cancel,
                actor: "ann".into(),
                note: None,
                now_ms: w.now_ms,
            };
            let commit = store.commit(vec![nth(1, to(&lease, RunState::Succeeded, w.now_ms))]);
            let control = other.control(order);
            let (written, ordered) = w.try_wait(async move {
                if first {
                    let (commit, control) = tokio::join!(commit, control);
                    (commit.unwrap()[0] == Committed::Written, done(&control.unwrap()))
                } else {
                    let (control, commit) = tokio::join!(control, commit);
                    (commit.unwrap()[0] == Committed::Written, done(&control.unwrap()))
                }
            });
            assert!(written != ordered, "{written} {ordered}");
            assert_eq!(w.kinds(id).len(), 1);
        }
    }),
];

fn done(ordered: &Ordered) -> bool {
    matches!(ordered, Ordered::Done(_))
}

fn ended(w: &mut World, state: RunState) -> Lease {
    w.start("a");
    let lease = w.claim_one();
    w.commit(to(&lease, state, w.now_ms));
    lease
}

fn dead(w: &mut World) -> RunId {
    ended(w, RunState::Dead).run.id
}

fn asleep(w: &mut World) -> RunId {
    w.start("a");
    let lease = w.claim_one();
    w.commit(sleep(&lease, w.now_ms + 10_000, w.now_ms));
    lease.run.id
}
