//! Killed again and again under load, nothing acknowledged is lost and nothing is done twice.

mod harness;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use harness::{Chance, Ledger, Meeting, Project, Stripe};
use parking_lot::Mutex;
use serde_json::{Value, json};

const KILLS: u64 = 24;
const CLIENTS: u64 = 4;
const SEED: u64 = 0x00c0_ffee_2026;

/// What the clients and the one who kills share.
#[derive(Default)]
struct Shared {
    meeting: Meeting,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Keys sent, and those of them that were acknowledged, with their correlation ids.
    sent: BTreeSet<String>,
    acknowledged: Vec<(String, String)>,
}

/// Sends events with keys of its own, one after the other, until it is over.
fn client(shared: &Shared, client: u64) {
    let mut number = 0;
    while let Some(place) = shared.meeting.place() {
        let key = format!("key-{client}-{number}");
        shared.state.lock().sent.insert(key.clone());
        number += 1;
        let body = json!({
            "event": "CREATE_STRIPE_INVOICE",
            "payload": {
                "customerId": format!("cus_{client}"),
                "amount": 100 + number,
                "currency": "usd",
                "idempotencyKey": key,
            },
        });
        // Without an answer nothing was promised.
        if let Some(answer) = place.send(&body.to_string()) {
            let correlation = answer.json()["correlationId"].as_str().unwrap_or("").to_owned();
            shared.state.lock().acknowledged.push((key, correlation));
            shared.meeting.answered();
        }
    }
}

fn project(stripe: &Stripe) -> Project {
    let options = "attempts: 20, backoff: {type: fixed, delay: 20}";
    let limit = "maxRequests: 1000000, windowMs: 1000";
    let config = format!(
        "queue: {{concurrency: 8, defaultJobOptions: {{{options}}}}}\nadapters:\n  - name: stripe\n    \
         provider: stripe\n    baseUrl: {}\n    rateLimit: {{{limit}}}\n",
        stripe.double.url()
    );
    Project::new(&config).env("STRIPE_API_KEY", "sk_test_crash")
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_done_twice() {
    let started = Instant::now();
    println!("seed {SEED:#x}");
    let mut chance = Chance(SEED);
    let stripe = Stripe::start();
    let project = project(&stripe);
    let shared = Arc::new(Shared::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || client(&shared, number))
        })
        .collect();
    shared.meeting.kill_again_and_again(&project, &mut chance, (KILLS, 40), |_| {});
    shared.meeting.end();
    clients.into_iter().for_each(|client| client.join().expect("a client"));

    let server = project.start();
    let runs = server.ended_runs();
    let state = shared.state.lock();
    check(&state, &runs, &stripe);
    println!(
        "{} events sent, {} acknowledged, {} runs, {} calls, {KILLS} kills, {:.1} s",
        state.sent.len(),
        state.acknowledged.len(),
        runs.len(),
        stripe.double.received().len(),
        started.elapsed().as_secs_f64()
    );
}

fn check(state: &State, runs: &[Value], stripe: &Stripe) {
    for run in runs {
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
    let of_runs: BTreeSet<&str> =
        runs.iter().filter_map(|run| run["correlation"].as_str()).collect();
    assert_eq!(of_runs.len(), runs.len(), "an event has two runs");
    for (key, correlation) in &state.acknowledged {
        assert!(of_runs.contains(correlation.as_str()), "{key} has no run");
    }
    let invoices = stripe.invoices();
    let count = |key: &str| {
        let of_key = format!(":{key}:");
        invoices.values().filter(|invoice| invoice.key.contains(&of_key)).count()
    };
    let acknowledged: BTreeSet<&str> =
        state.acknowledged.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(acknowledged.len(), state.acknowledged.len(), "a key was acknowledged twice");
    for key in &state.sent {
        let made = count(key);
        match acknowledged.contains(key.as_str()) {
            true => assert_eq!(made, 1, "{key} was acknowledged and has {made} invoices"),
            false => assert!(made <= 1, "{key} was not acknowledged and has {made} invoices"),
        }
    }
    assert_eq!(invoices.len(), runs.len());
    for (id, invoice) in &invoices {
        assert_eq!(invoice.status, "open", "{id}: {invoice:?}");
    }
}

/// A call, an event, another call; and a workflow that makes a call of the event.
fn linked(ledger: &Ledger) -> Project {
    let post = |id: &str| {
        let url = format!("{}/{id}", ledger.double.url());
        format!(
            "  - id: {id}\n    uses: http/request\n    with: {{ url: \"{url}\", method: POST, \
             json: {{ id: \"${{{{ event.data.id }}}}\" }}, idempotencyHeader: Idempotency-Key }}\n"
        )
    };
    let emit = "  - { id: tell, emit: TOLD, with: { id: \"${{ event.data.id }}\" } }\n";
    let (before, after, heard) = (post("before"), post("after"), post("heard"));
    let first = format!("workflow: first\non: [{{event: ORDER}}]\nsteps:\n{before}{emit}{after}");
    let second = format!("workflow: second\non: [{{event: TOLD, source: emit}}]\nsteps:\n{heard}");
    let options = "attempts: 20, backoff: {type: fixed, delay: 20}";
    Project::new(&format!("queue: {{concurrency: 4, defaultJobOptions: {{{options}}}}}\n"))
        .workflow("first", &first)
        .workflow("second", &second)
}

/// Orders sent in each life of the server; each makes three calls.
const ORDERS: usize = 5;

#[test]
fn a_step_that_emits_does_it_once_whenever_it_is_killed() {
    let mut chance = Chance(SEED ^ 0xe317);
    let ledger = Ledger::start();
    let project = linked(&ledger);
    let mut sent = Vec::new();
    for life in 0..KILLS {
        let server = project.start();
        let before = ledger.double.received().len();
        for number in 0..ORDERS {
            sent.push(server.send("ORDER", &json!({ "id": format!("{life}-{number}") })));
        }
        // All of them would make more calls than this.
        let more = usize::try_from(chance.below(3 * ORDERS as u64)).expect("small");
        ledger.double.wait_for(before + more);
        server.kill();
    }
    let server = project.start();
    let runs = server.ended_runs();
    assert!(runs.iter().all(|run| run["state"] == "succeeded"), "{runs:#?}");
    let (first, second): (Vec<&Value>, Vec<&Value>) =
        runs.iter().partition(|run| run["workflow"] == "first");
    let count = (first.len(), second.len());
    assert_eq!(count, (sent.len(), sent.len()), "each order has one run, each of them one event");
    for run in first {
        let run = server.read(&format!("/runs/{}", run["id"].as_str().expect("an id")));
        let emitted = run["emitted"].as_array().expect("what it emitted");
        let started = emitted.iter().map(|event| event["runs"].as_array().map(Vec::len));
        assert_eq!(started.collect::<Vec<_>>(), [Some(1)], "{run:#}");
    }
    let events = sent.iter().map(|correlation| {
        let found = server.read(&format!("/events?source=emit&correlation={correlation}"));
        found["data"].as_array().map(Vec::len)
    });
    assert!(events.into_iter().all(|count| count == Some(1)), "an event was emitted twice");
    let mut entries = ledger.entries();
    entries.sort();
    let all = ["/after", "/before", "/heard"].into_iter();
    let wanted: Vec<String> =
        all.flat_map(|path| vec![format!("POST {path}"); sent.len()]).collect();
    assert_eq!(entries, wanted, "each call took effect once");
}
