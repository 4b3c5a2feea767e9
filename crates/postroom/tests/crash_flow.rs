//! Killed again and again while runs go through lists, wait for times and events, ask, call and emit,
//! no run is lost or stuck, and everything takes effect exactly once.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use harness::{Chance, Fault, Ledger, Meeting, PATIENCE, Place, Project, Server};
use parking_lot::Mutex;
use serde_json::{Value, json};

const KILLS: u64 = 24;
const CLIENTS: u64 = 4;
const SEED: u64 = 0x00f1_0e5e_2026;

/// The most orders that have not been approved yet.
const OPEN: usize = 40;

/// Every kind of step, side by side where that is possible: while one branch calls, others wait.
const ORDER: &str = r#"
workflow: order
on: [{event: ORDER}]
steps:
  - { id: reserve, uses: http/request, with: { url: "@/reserve/${{ event.data.order }}", method: POST,
      idempotencyHeader: Idempotency-Key } }
  - { id: nap, needs: [reserve], wait: 50ms }
  - { id: paid, needs: [reserve], wait: { event: PAID, timeout: 1h,
      if: "${{ arrived.data.order == event.data.order }}" } }
  - { id: pick, needs: [reserve], each: "${{ event.data.items }}", concurrency: 2, uses: http/request,
      with: { url: "@/pick/${{ event.data.order }}/${{ item }}", method: POST,
      idempotencyHeader: Idempotency-Key } }
  - { id: pack, needs: [nap, paid, pick], each: "${{ event.data.items }}", concurrency: 2, call: pack,
      with: { order: "${{ event.data.order }}", item: "${{ item }}" } }
  - { id: sure, approve: { ask: "Ship ${{ event.data.order }}?", timeout: 1h } }
  - { id: say, emit: SHIPPED, with: { order: "${{ event.data.order }}" } }
  - { id: rest, wait: 20ms }
return:
  by: ${{ steps.paid.output.event?.data?.by }}
  parcels: ${{ steps.pack.output.map(p => p.parcel) }}
"#;

const PACK: &str = r#"
workflow: pack
on: call
steps:
  - { id: box, uses: http/request, with: { url: "@/pack/${{ event.data.order }}/${{ event.data.item }}",
      method: POST, idempotencyHeader: Idempotency-Key } }
return: { parcel: "${{ event.data.order }}/${{ event.data.item }}" }
"#;

const SHIPPED: &str = r#"
workflow: shipped
on: [{event: SHIPPED}]
steps:
  - { id: tell, uses: http/request, with: { url: "@/tell/${{ event.data.order }}", method: POST,
      idempotencyHeader: Idempotency-Key } }
"#;

/// What the clients and the one who kills share.
#[derive(Default)]
struct Shared {
    meeting: Meeting,
    /// Nothing new is ordered any more; what was ordered is brought to its end.
    closing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many items each order has, and its correlation id, once it was acknowledged.
    orders: BTreeMap<String, (usize, String)>,
    /// Payments that were acknowledged, those that nobody waited for any more included.
    paid: BTreeSet<String>,
    /// Orders whose question has been answered.
    approved: BTreeSet<String>,
}

/// One who orders, pays and approves.
struct Customer<'a> {
    shared: &'a Shared,
    chance: Chance,
    name: String,
    orders: usize,
    /// Sent, not acknowledged yet: sent again with the same key until it is.
    ordering: Option<(String, usize)>,
    /// Orders to be paid, with the key of the payment; some are paid twice.
    paying: Vec<(String, String)>,
}

impl Customer<'_> {
    /// Orders, pays and approves by chance, until everything is over.
    fn live(&mut self) {
        let mut closed = None;
        while let Some(place) = self.shared.meeting.place() {
            let closing = self.shared.closing.load(Ordering::SeqCst);
            let acted = match self.chance.below(10) {
                0..3 => self.order(&place, closing),
                3..6 => self.pay(&place),
                _ => self.approve(&place),
            };
            if !closing {
                continue;
            }
            let since = *closed.get_or_insert_with(Instant::now);
            let mine = self.ordering.is_none() && self.paying.is_empty();
            // Whoever waits for longer than that is told by the one who kills what hangs.
            if mine && (rests(&place) || since.elapsed() > PATIENCE) {
                return;
            }
            if !acted {
                place.log.pause();
            }
        }
    }

    /// Sends the event; its correlation id if it was acknowledged.
    fn send(&self, place: &Place, event: &str, payload: &Value) -> Option<String> {
        let answer = place.send(&json!({"event": event, "payload": payload}).to_string())?;
        self.shared.meeting.answered();
        answer.json()["correlationId"].as_str().map(str::to_owned)
    }

    fn order(&mut self, place: &Place, closing: bool) -> bool {
        let open = {
            let state = self.shared.state.lock();
            state.orders.len().saturating_sub(state.approved.len())
        };
        if self.ordering.is_none() && (closing || open >= OPEN) {
            return false;
        }
        let (order, items) = self.ordering.take().unwrap_or_else(|| {
            self.orders += 1;
            (format!("{}-{}", self.name, self.orders), 1 + self.chance.index(3))
        });
        let list: Vec<usize> = (0..items).collect();
        let payload = json!({"order": order, "items": list, "idempotencyKey": order});
        match self.send(place, "ORDER", &payload) {
            None => self.ordering = Some((order, items)),
            Some(correlation) => {
                self.shared.state.lock().orders.insert(order.clone(), (items, correlation));
                self.paying.push((order.clone(), order.clone()));
                if self.chance.below(6) == 0 {
                    self.paying.push((order.clone(), format!("{order}-again")));
                }
                // Often at once: before the run waits for it.
                if self.chance.below(3) == 0 {
                    self.pay(place);
                }
            }
        }
        true
    }

    /// Pays one of its orders, whether its run waits for that by now or not.
    fn pay(&mut self, place: &Place) -> bool {
        let Some((order, key)) = self.chance.take(&mut self.paying) else { return false };
        let payload = json!({"order": order, "by": "card", "idempotencyKey": key});
        match self.send(place, "PAID", &payload) {
            None => self.paying.push((order, key)),
            Some(correlation) => {
                self.shared.state.lock().paid.insert(correlation);
            }
        }
        true
    }

    /// Answers one of the questions that are asked.
    fn approve(&mut self, place: &Place) -> bool {
        let Some(asked) = place.api("GET", "/approvals?limit=50", "") else { return false };
        assert_eq!(asked.status, 200, "{}", asked.text());
        let mut asked = asked.json()["data"].as_array().cloned().unwrap_or_default();
        let Some(question) = self.chance.take(&mut asked) else { return false };
        let run = question["run"].as_str().expect("a run");
        let answer = place.api("POST", &format!("/runs/{run}/approve"), "{\"step\":\"sure\"}");
        if let Some(answer) = &answer {
            // Another one may have answered meanwhile, or an answer whose reply was lost counted.
            if answer.status != 200 {
                answer.problem(409, "run/nothing-waits");
            }
            self.shared.meeting.answered();
        }
        let ask = question["ask"].as_str().unwrap_or_default();
        let order = ask.trim_start_matches("Ship ").trim_end_matches('?');
        self.shared.state.lock().approved.insert(order.to_owned());
        true
    }
}

/// Whether no run is under way.
fn rests(place: &Place) -> bool {
    let Some(answer) = place.api("GET", "/stats", "") else { return false };
    let stats = answer.json();
    ["queued", "running", "sleeping"].iter().all(|state| stats["runs"][state] == 0)
}

fn project(ledger: &Ledger) -> Project {
    let options = "attempts: 20, backoff: {type: fixed, delay: 20}";
    let config = format!("queue: {{concurrency: 8, defaultJobOptions: {{{options}}}}}\n");
    let at = |text: &str| text.replace('@', &ledger.double.url());
    Project::new(&config)
        .workflow("order", &at(ORDER))
        .workflow("pack", &at(PACK))
        .workflow("shipped", &at(SHIPPED))
}

/// Some requests to come go wrong.
fn trouble(ledger: &Ledger, chance: &mut Chance) {
    let refusal = Ledger::refusal(500, "not now");
    let faults = [
        Fault::Instead(refusal),
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Hold,
        Fault::HoldAnswer,
    ];
    ledger.double.mend();
    for path in ["/reserve/", "/pick/", "/pack/", "/tell/"] {
        let fault = &faults[chance.index(5)];
        ledger.double.fault(path, chance.index(3), fault);
    }
}

#[test]
fn runs_that_wait_ask_call_and_emit_survive_and_take_effect_once() {
    let started = Instant::now();
    println!("seed {SEED:#x}");
    let mut chance = Chance(SEED);
    let ledger = Ledger::start();
    let project = project(&ledger);
    let shared = Arc::new(Shared::default());
    let customers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (shared, chance) = (Arc::clone(&shared), Chance(SEED + 1 + number));
            std::thread::spawn(move || {
                let (name, paying) = (format!("o{number}"), Vec::new());
                let shared = &*shared;
                Customer { shared, chance, name, orders: 0, ordering: None, paying }.live();
            })
        })
        .collect();
    let kills = (KILLS, 30);
    shared.meeting.kill_again_and_again(&project, &mut chance, kills, |chance| {
        trouble(&ledger, chance);
    });
    let killed = started.elapsed();
    ledger.double.mend();
    ledger.double.release();
    let server = project.start();
    shared.closing.store(true, Ordering::SeqCst);
    shared.meeting.serve_at(Some(&server));
    customers.into_iter().for_each(|customer| customer.join().expect("a customer"));
    let state = shared.state.lock();
    let runs = server.ended_runs();
    check_runs(&server, &state, &runs);
    check_effects(&ledger, &state);
    println!(
        "{} orders, {} payments, {} events, {} runs, {} calls, {KILLS} kills, {:.1} s to the last, \
         {:.1} s in all",
        state.orders.len(),
        state.paid.len(),
        server.all("/events?").len(),
        runs.len(),
        ledger.double.received().len(),
        killed.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
}

/// The runs of a workflow by the correlation id of their event.
fn by_correlation<'a>(runs: &'a [Value], workflow: &str) -> BTreeMap<&'a str, Vec<&'a Value>> {
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run["workflow"] == workflow) {
        found.entry(run["correlation"].as_str().expect("an id")).or_default().push(run);
    }
    found
}

/// Every order has its runs, each of them once, and each has ended well.
fn check_runs(server: &Server, state: &State, runs: &[Value]) {
    for run in runs {
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
    assert_eq!(server.read("/approvals")["data"], json!([]));
    assert_eq!(server.read("/dead-letters")["data"], json!([]));
    let of = |workflow: &str| by_correlation(runs, workflow);
    let (orders, packs, shipped) = (of("order"), of("pack"), of("shipped"));
    let woken = of("postroom.wake");
    assert_eq!((orders.len(), shipped.len()), (state.orders.len(), state.orders.len()));
    assert!(woken.keys().copied().eq(state.paid.iter().map(String::as_str)), "each is given once");
    assert!(woken.values().all(|runs| runs.len() == 1));
    let emitted = server.all("/events?type=SHIPPED");
    let mut said: Vec<&str> = emitted.iter().filter_map(|e| e["correlation"].as_str()).collect();
    said.sort_unstable();
    assert!(said.iter().eq(orders.keys()), "each is said once: {} {}", said.len(), orders.len());
    for (order, (items, correlation)) in &state.orders {
        let correlation = correlation.as_str();
        assert_eq!(orders[correlation].len(), 1, "{order}");
        assert_eq!(shipped[correlation].len(), 1, "{order}");
        assert_eq!(packs[correlation].len(), *items, "{order}");
        let id = orders[correlation][0]["id"].as_str().expect("an id");
        check_run(&server.read(&format!("/runs/{id}")), order, *items, &packs[correlation]);
    }
}

/// The journal of an order says that each step was done once, and its output comes from all.
fn check_run(run: &Value, order: &str, items: usize, packs: &[&Value]) {
    let parcels: Vec<String> = (0..items).map(|item| format!("{order}/{item}")).collect();
    assert_eq!(run["output"], json!({"by": "card", "parcels": parcels}), "{run:#}");
    let journal = run["journal"].as_array().expect("a journal");
    let label = |entry: &Value| {
        let item = entry["item"].as_u64().map(|item| format!("[{item}]")).unwrap_or_default();
        format!("{}{item}", entry["step"].as_str().unwrap_or_default())
    };
    let of = |kind: &'static str| journal.iter().filter(move |entry| entry["kind"] == kind);
    let mut done: Vec<String> = of("done").map(label).collect();
    done.sort();
    let each = |step: &'static str| (0..items).map(move |item| format!("{step}[{item}]"));
    let whole = ["nap", "pack", "paid", "pick", "reserve", "rest", "return", "say", "sure"];
    let mut steps: Vec<String> =
        whole.map(str::to_owned).into_iter().chain(each("pick")).chain(each("pack")).collect();
    steps.sort();
    assert_eq!(done, steps, "{run:#}");
    let called: BTreeSet<&str> = of("waits").filter_map(|entry| entry["child"].as_str()).collect();
    let packs: BTreeSet<&str> = packs.iter().filter_map(|run| run["id"].as_str()).collect();
    assert_eq!(called, packs, "{run:#}");
}

/// Every call has taken effect once: each key stands for one call of one run.
fn check_effects(ledger: &Ledger, state: &State) {
    let mut effects = ledger.entries();
    effects.sort();
    let of_order = |(order, (items, _)): (&String, &(usize, String))| {
        let of_item = |item: usize| ["pick", "pack"].map(|at| format!("POST /{at}/{order}/{item}"));
        let of_whole = ["reserve", "tell"].map(|at| format!("POST /{at}/{order}"));
        of_whole.into_iter().chain((0..*items).flat_map(of_item)).collect::<Vec<_>>()
    };
    let mut expected: Vec<String> = state.orders.iter().flat_map(of_order).collect();
    expected.sort();
    for pair in effects.windows(2) {
        assert_ne!(pair[0], pair[1], "it took effect twice");
    }
    assert_eq!(effects, expected);
}
