//! Fuzzes the workflow parser with the text of a file.
//!
//! Nothing may panic, overflow the stack or run long. A text is read, or refused with problems that
//! each have a place inside the file. What is read can be read again, under the same hash.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom_core::definition::{Defaults, Stored};
use postroom_core::{graph, parse};

fuzz_target!(|text: &str| {
    let file = "w.yaml".to_owned();
    let stored = Stored::new(file, text.to_owned(), Defaults::default());
    match parse::workflow(&stored) {
        Ok(workflow) => {
            let needs: Vec<_> = workflow.steps.iter().map(|step| step.needs.clone()).collect();
            assert_eq!(graph::find_cycle(&needs), None);
            assert!(workflow.main_steps <= workflow.steps.len());
            let again = parse::workflow(&stored).expect("it was read before");
            assert!(workflow.same_steps(&again) && workflow.hash == again.hash);
        }
        Err(problems) => {
            // YAML ends a line at a carriage return, too.
            let lines = text.split(['\n', '\r']).count() + 1;
            let inside = |line: u32| line as usize <= lines;
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|p| p.place.as_ref().is_some_and(|at| inside(at.line))));
        }
    }
});
