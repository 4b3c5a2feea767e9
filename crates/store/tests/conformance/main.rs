//! One suite of named cases that every backend passes, and random sequences of operations that are
//! compared with the model, answer by answer. A new backend is one line in [`BACKENDS`].

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};

mod again;
mod control;
mod events;
mod gates;
mod numbers;
mod queue;
mod random;
mod record;
mod retention;
#[allow(dead_code, reason = "the tests of the embedded store use the rest")]
mod world;

use world::{Backend, World};

type Make = fn() -> Box<dyn Backend>;

/// Every backend: its name, and how to make an empty one.
const BACKENDS: &[(&str, Make)] = &[
    ("model", || Box::new(world::InMemory::default())),
    ("sqlite", || Box::new(world::OnDisk::new())),
];

/// Every case: its name, and what it does to an empty store.
type Case = (&'static str, fn(&mut World));

const CASES: &[&[Case]] = &[
    record::CASES,
    queue::CASES,
    again::CASES,
    gates::CASES,
    control::CASES,
    events::CASES,
    retention::CASES,
    numbers::CASES,
];

fn run_cases(name: &str) {
    let make = BACKENDS.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut failed = Vec::new();
    for (case, run) in CASES.iter().copied().flatten() {
        let passed = catch_unwind(AssertUnwindSafe(|| run(&mut World::new(make()))));
        if passed.is_err() {
            failed.push(*case);
        }
    }
    assert!(failed.is_empty(), "{name} fails {failed:#?}");
}

#[test]
fn names_of_cases_are_unique() {
    let names: Vec<&str> = CASES.iter().copied().flatten().map(|(name, _)| *name).collect();
    let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), unique.len());
    assert!(names.len() > 90, "{}", names.len());
}

#[test]
fn model_conforms() {
    run_cases("model");
}

#[test]
fn sqlite_conforms() {
    run_cases("sqlite");
}

#[test]
fn every_backend_has_its_test() {
    let names: Vec<&str> = BACKENDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["model", "sqlite"]);
}
