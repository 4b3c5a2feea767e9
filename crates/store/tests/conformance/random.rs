//! Random sequences of operations: every backend gives the model's answers, also when it is closed
//! and opened again at any point. The seed of a failure is in its message.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::{EventId, RunId};
use postroom_store::{
    Arrival, Command, Count, EventFilter, Fence, Lease, Order, Retention, RunFilter, Store,
    Transition,
};

use crate::world::{
    InMemory, LEASE_MS, Like, OnDisk, START_MS, World, arrival, event, nth, sleep, to,
};

/// Numbers from a seed (splitmix64), the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.roll(len as u64)).unwrap()
    }
    fn ms(&mut self, sides: u64) -> i64 {
        i64::try_from(self.roll(sides)).unwrap()
    }
    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// What goes through the writer.
#[derive(Debug)]
enum Op {
    Record(Vec<Arrival>),
    Commit(Vec<Transition>),
    Control(Order),
    Reap,
    GiveBack(RunId, Fence),
}

impl Op {
    /// The answer in words.
    async fn send(self, store: Arc<dyn Store>, now_ms: i64) -> String {
        match self {
            Self::Record(arrivals) => format!("{:?}", store.record(arrivals).await),
            Self::Commit(transitions) => format!("{:?}", store.commit(transitions).await),
            Self::Control(order) => format!("{:?}", store.control(order).await),
            Self::Reap => format!("{:?}", store.reap(now_ms).await),
            Self::GiveBack(id, fence) => {
                format!("{:?}", store.extend(vec![(id, fence)], 0, now_ms).await)
            }
        }
    }
}

/// A lease of each store, because fences are each store's own.
struct Held {
    model: Lease,
    tested: Lease,
    /// The last transition that can have been written.
    last: u32,
    /// That gave the run back.
    over: bool,
}

/// The oracle and a backend, fed the same.
struct Pair {
    model: World,
    tested: World,
    dice: Dice,
    now_ms: i64,
    made: u64,
    events: Vec<EventId>,
    runs: Vec<RunId>,
    /// What owners hold, or held.
    leases: Vec<Held>,
    log: Vec<String>,
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self {
            model: World::new(Box::new(InMemory::default())),
            tested: World::new(Box::new(OnDisk::new())),
            dice: Dice(seed),
            now_ms: START_MS,
            made: 0,
            events: Vec::new(),
            runs: Vec::new(),
            leases: Vec::new(),
            log: Vec::new(),
        }
    }

    fn both<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ask: impl Fn(&World) -> T) -> T {
        let (expected, found) = (ask(&self.model), ask(&self.tested));
        self.log.push(format!("{} {what} -> {expected:?}", self.now_ms));
        if expected != found {
            let log = &self.log[self.log.len().saturating_sub(25)..];
            panic!("{what}\n model {expected:?}\nsqlite {found:?}\nbefore it:\n{}", log.join("\n"));
        }
        expected
    }

    fn pass_time(&mut self) {
        self.now_ms += match self.dice.roll(20) {
            0 => LEASE_MS,
            1..=8 => self.dice.ms(40),
            _ => 0,
        };
        self.model.now_ms = self.now_ms;
        self.tested.now_ms = self.now_ms;
    }

    fn step(&mut self) {
        self.pass_time();
        match self.dice.roll(42) {
            0..=8 => self.record(),
            9..=17 => self.claim(),
            18..=26 => self.commit(),
            27..=29 => self.control(),
            30 => self.extend(),
            31 => drop(self.both("reap", World::reap)),
            32 => self.count(),
            33 => self.lead(),
            34 => self.prune(),
            35 => self.look_at_one(),
            36 => self.list(),
            38..=40 => self.together(),
            37 if self.dice.one_in(4) => self.reopen(),
            _ => self.stats(),
        }
    }

    /// The same arrivals, made twice, since they are used up.
    fn arrivals(&mut self, most: u64) -> (Vec<Arrival>, Vec<Arrival>) {
        let mut pairs = (Vec::new(), Vec::new());
        for _ in 0..=self.dice.roll(most) {
            let again = self.dice.one_in(12) && self.made > 0;
            let n = if again { self.dice.roll(self.made) + 1 } else { self.made + 1 };
            self.made = self.made.max(n);
            let keyed = self.dice.one_in(3).then(|| self.dice.roll(9));
            let run_keyed = self.dice.one_in(4).then(|| self.dice.roll(9));
            let gate = self.dice.one_in(3).then(|| self.dice.roll(3));
            let (starts, dead) = (self.dice.roll(4), self.dice.one_in(9));
            let (later, window) = (self.dice.ms(60), self.dice.ms(200));
            let at_ms = self.now_ms;
            let make = || {
                let mut one = arrival(event(n, at_ms));
                if again {
                    // An id does not change when its event comes again.
                    one.event_mut().id = event(n, START_MS).id;
                }
                for workflow in 0..starts.min(2) {
                    one = one.starting(["a", "b"][usize::try_from(workflow).unwrap()]);
                }
                if let Some(key) = keyed {
                    one = one.keyed(&key.to_string());
                }
                if let Some(key) = run_keyed {
                    one = one.run_keyed(&key.to_string());
                }
                one.dedupe_until_ms = at_ms + window;
                for start in &mut one.starts {
                    start.run.due_ms = Some(at_ms + later);
                    start.concurrency = gate.map(|key| {
                        (KeyHash::of(&["gate"], &key.to_string()), u32::try_from(key).unwrap() + 1)
                    });
                }
                if dead && let Some(start) = one.starts.first_mut() {
                    let failure = postroom_core::Failure::new("expr/type", "x");
                    start.run.fail_at_birth(failure, at_ms);
                }
                one
            };
            let one = make();
            self.events.push(one.event.id);
            self.runs.extend(one.starts.iter().map(|start| start.run.id));
            pairs.0.push(one);
            pairs.1.push(make());
        }
        pairs
    }

    fn record(&mut self) {
        let (for_model, for_tested) = self.arrivals(3);
        self.ask(vec![(Op::Record(for_model), Op::Record(for_tested))]);
    }

    /// Asks the model one after the other, and the backend all together: what is written in one
    /// group behaves as if it were written one by one.
    fn ask(&mut self, ops: Vec<(Op, Op)>) {
        let (for_model, for_tested): (Vec<Op>, Vec<Op>) = ops.into_iter().unzip();
        let what = format!("{for_model:?}").chars().take(600).collect::<String>();
        let now_ms = self.now_ms;
        let mut expected = Vec::new();
        for op in for_model {
            expected.push(self.model.try_wait(op.send(self.model.store(), now_ms)));
        }
        let store = self.tested.store();
        let found = self.tested.try_wait(async {
            let mut asked = Vec::new();
            for op in for_tested {
                asked.push(tokio::spawn(op.send(Arc::clone(&store), now_ms)));
            }
            let mut found = Vec::new();
            for reply in asked {
                found.push(reply.await.unwrap());
            }
            found
        });
        drop(store);
        self.compare(&what, &expected, &found);
    }

    fn together(&mut self) {
        let mut ops = Vec::new();
        for _ in 0..self.dice.roll(6) + 2 {
            match self.dice.roll(8) {
                0..=1 => {
                    let (for_model, for_tested) = self.arrivals(2);
                    ops.push((Op::Record(for_model), Op::Record(for_tested)));
                }
                2..=4 => ops.extend(self.transitions()),
                5..=6 => {
                    let order = self.some_order();
                    ops.push((Op::Control(order.clone()), Op::Control(order)));
                }
                _ if self.dice.one_in(2) => ops.push((Op::Reap, Op::Reap)),
                _ => ops.extend(self.return_one()),
            }
        }
        self.ask(ops);
    }

    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        self.log.push(format!("{} {what} -> {expected:?}", self.now_ms));
        let log = self.log[self.log.len().saturating_sub(25)..].join("\n");
        assert!(expected == found, "{what}\n model {expected:?}\nsqlite {found:?}\n{log}");
    }

    fn claim(&mut self) {
        let limit = self.dice.index(5);
        let (expected, found) = (self.model.claim(limit), self.tested.claim(limit));
        let shown = |lease: &Lease| {
            let (run, journal) = (lease.run.clone(), lease.journal.clone());
            (run, lease.event.id, lease.event.data.clone(), journal, lease.losses)
        };
        let answer = (expected.leases.iter().map(shown).collect::<Vec<_>>(), expected.next_due_ms);
        let other = (found.leases.iter().map(shown).collect::<Vec<_>>(), found.next_due_ms);
        self.compare(&format!("claim {limit}"), &answer, &other);
        let pairs = expected.leases.into_iter().zip(found.leases);
        self.leases.extend(pairs.map(|(model, tested)| Held {
            model,
            tested,
            last: 0,
            over: false,
        }));
    }

    fn commit(&mut self) {
        let ops = self.transitions();
        self.ask(ops.into_iter().collect());
    }

    /// The number of a transition: mostly the next one, or the last one again.
    fn number(&mut self, n: usize, gives_back: bool) -> u32 {
        let held = &mut self.leases[n];
        match self.dice.roll(20) {
            0 => held.last + 2,
            1 => held.last.saturating_sub(1),
            2..=5 => held.last,
            6..=13 if held.over => held.last,
            _ => {
                if !held.over {
                    held.last += 1;
                    held.over = gives_back;
                    return held.last;
                }
                held.last + 1
            }
        }
    }

    /// One right that is given back.
    fn return_one(&mut self) -> Option<(Op, Op)> {
        let n = self.leases.len().checked_sub(1).map(|last| self.dice.index(last + 1))?;
        let held = &self.leases[n];
        let op = |lease: &Lease| Op::GiveBack(lease.run.id, lease.fence);
        Some((op(&held.model), op(&held.tested)))
    }

    /// Some commits of some owners, late ones among them.
    fn transitions(&mut self) -> Option<(Op, Op)> {
        if self.leases.is_empty() {
            return None;
        }
        let mut pairs = (Vec::new(), Vec::new());
        for _ in 0..=self.dice.roll(3) {
            let n = self.dice.index(self.leases.len());
            let (state, later) = (self.dice.roll(9), self.dice.ms(80));
            let silent = self.dice.one_in(5);
            let emits =
                if self.dice.one_in(4) { self.arrivals(2) } else { (Vec::new(), Vec::new()) };
            let now_ms = self.now_ms;
            let seq = self.number(n, state > 2);
            let make = |lease: &Lease, emits| -> Transition {
                let mut transition = match state {
                    0..=2 => to(lease, RunState::Running, now_ms),
                    3..=4 => sleep(lease, now_ms + later, now_ms),
                    5..=7 => to(lease, RunState::Succeeded, now_ms),
                    _ => to(lease, RunState::Dead, now_ms),
                };
                if silent {
                    transition.entries.clear();
                }
                transition.emits = emits;
                nth(seq, transition)
            };
            pairs.0.push(make(&self.leases[n].model, emits.0));
            pairs.1.push(make(&self.leases[n].tested, emits.1));
        }
        // Some owners never hear that they are done, and try again.
        if self.leases.len() > 12 {
            let n = self.dice.index(self.leases.len());
            self.leases.remove(n);
        }
        Some((Op::Commit(pairs.0), Op::Commit(pairs.1)))
    }

    fn some_run(&mut self) -> RunId {
        if self.runs.is_empty() || self.dice.one_in(30) {
            return RunId([3; 16]);
        }
        let newest = self.runs.len() - self.runs.len().min(15);
        self.runs[newest + self.dice.index(self.runs.len() - newest)]
    }

    fn some_order(&mut self) -> Order {
        let run = self.some_run();
        let command = match self.dice.roll(4) {
            0 => Command::Cancel,
            3 => {
                let (step, output) = ("pay".to_owned(), postroom_core::Json::null());
                Command::Resume { step, spot: postroom_core::run::Spot::step(0), output }
            }
            1 => Command::Redrive { definition: None },
            _ => Command::Redrive { definition: Some(postroom_core::DefinitionHash([9; 16])) },
        };
        let note = self.dice.one_in(2).then(|| "why".to_owned());
        Order { run, command, actor: "ann".into(), note, now_ms: self.now_ms }
    }

    fn control(&mut self) {
        for _ in 0..=self.dice.roll(3) {
            let order = self.some_order();
            self.ask(vec![(Op::Control(order.clone()), Op::Control(order))]);
        }
    }

    fn extend(&mut self) {
        if self.dice.one_in(2) {
            let given = self.return_one();
            return self.ask(given.into_iter().collect());
        }
        let (lease_ms, now_ms) = ((1 + self.dice.ms(2)) * LEASE_MS, self.now_ms);
        let wrong = self.dice.one_in(5);
        let fence = |fence: Fence| if wrong { Fence(fence.0 + 1) } else { fence };
        let of = |lease: &Lease| (lease.run.id, fence(lease.fence));
        let expected = self.leases.iter().map(|held| of(&held.model)).collect();
        let found = self.leases.iter().map(|held| of(&held.tested)).collect();
        let expected = self.model.wait(self.model.store().extend(expected, lease_ms, now_ms));
        let found = self.tested.wait(self.tested.store().extend(found, lease_ms, now_ms));
        self.compare("extend", &expected, &found);
    }

    fn count(&mut self) {
        let mut counts = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            counts.push(Count {
                key: self.dice.roll(4).to_string(),
                add: self.dice.ms(8) - 2,
                at_most: self.dice.one_in(2).then(|| self.dice.ms(20)),
                until_ms: self.now_ms + self.dice.ms(100),
            });
        }
        let now_ms = self.now_ms;
        let what = format!("count {counts:?}");
        self.both(&what, |w| w.wait(w.store().counters(counts.clone(), now_ms)));
    }

    fn lead(&mut self) {
        let holder = ["one", "two"][self.dice.index(2)];
        let until_ms = self.now_ms + self.dice.ms(100);
        let now_ms = self.now_ms;
        self.both("lead", |w| w.wait(w.store().lead("cron", holder, until_ms, now_ms)));
    }

    fn prune(&mut self) {
        let at = |dice: &mut Dice, now: i64| dice.one_in(2).then(|| now - dice.ms(500));
        let retention = Retention {
            ended_count: self.dice.one_in(3).then(|| self.dice.roll(60)),
            dead_count: self.dice.one_in(3).then(|| self.dice.roll(20)),
            ended_before_ms: at(&mut self.dice, self.now_ms),
            dead_before_ms: at(&mut self.dice, self.now_ms),
            events_before_ms: at(&mut self.dice, self.now_ms),
            limit: u32::try_from(self.dice.roll(20)).unwrap() + 1,
        };
        self.both(&format!("prune {retention:?}"), |w| w.pruned(retention));
        // What repeats the end of a run that is forgotten may be told either way.
        let model = &self.model;
        self.leases.retain(|held| model.run(held.model.run.id).is_some());
    }

    fn look_at_one(&mut self) {
        let id = self.some_run();
        self.both(&format!("run {id}"), |w| w.run(id));
        if let Some(id) = self.events.get(self.dice.index(self.events.len() + 1)).copied() {
            self.both(&format!("event {id}"), |w| w.wait(w.store().event(id)));
        }
    }

    fn list(&mut self) {
        let before = self.dice.one_in(2).then(|| self.some_run());
        let state = RunState::ALL.get(self.dice.index(9)).copied();
        let workflow = self.dice.one_in(4).then(|| "a".to_owned());
        let code = self.dice.one_in(4).then(|| "card_declined".to_owned());
        let event = self.dice.one_in(4).then(|| self.events.last().copied()).flatten();
        let limit = self.dice.index(30);
        let filter = RunFilter { state, workflow, event, code, before, limit };
        self.both(&format!("{filter:?}"), |w| w.wait(w.store().runs(filter.clone())));
        let before = self.dice.one_in(2).then(|| self.events.last().copied()).flatten();
        let unrouted = self.dice.one_in(2);
        let filter = EventFilter { unrouted, before, limit, ..EventFilter::default() };
        self.both(&format!("{filter:?}"), |w| w.wait(w.store().events(filter.clone())));
    }

    fn stats(&mut self) {
        self.both("stats", |w| {
            let stats = w.wait(w.store().stats());
            (stats.runs, stats.at_work, stats.oldest_due_ms)
        });
    }

    /// Closes and opens both.
    fn reopen(&mut self) {
        self.log.push("reopen".to_owned());
        self.model.reopen();
        self.tested.reopen();
        self.now_ms = self.tested.now_ms;
        // What their owners hold by now is worth nothing, which they will hear.
    }

    /// Everything there is, compared.
    fn finish(&mut self) {
        let all = RunFilter { limit: 100_000, ..RunFilter::default() };
        let runs = self.both("all runs", |w| w.wait(w.store().runs(all.clone())));
        for (run, _) in runs.rows {
            self.both("each run", |w| w.run(run.id));
        }
        let all = EventFilter { limit: 100_000, ..EventFilter::default() };
        self.both("all events", |w| w.wait(w.store().events(all.clone())));
        self.stats();
        let by_state: BTreeMap<RunState, u64> =
            self.both("counts", |w| w.wait(w.store().stats()).runs);
        assert!(by_state.values().sum::<u64>() > 20, "{by_state:?}: the sequence did too little");
    }
}

fn sequence(seed: u64, steps: usize) {
    let mut pair = Pair::new(seed);
    for _ in 0..steps {
        pair.step();
    }
    pair.finish();
}

#[test]
fn sqlite_answers_as_the_model_does() {
    for seed in 0..8 {
        eprintln!("seed {seed}");
        sequence(seed, 1_500);
    }
}
