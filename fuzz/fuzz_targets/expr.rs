//! Fuzzes the mapping language: a payload and a template, separated by a NUL.
//!
//! Nothing may panic, overflow the stack or run long; faults point into the text; what is rendered is
//! JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom_expr::{JsonView, Limits, Mapping, Scope, Template, Value};

fuzz_target!(|data: &str| {
    let (payload, text) = data.split_once('\0').unwrap_or(("null", data));
    let event = match JsonView::parse(payload) {
        Ok(view) => Value::Json(view),
        Err(_) => Value::Null,
    };
    let scope = Scope::new().with("event", event).with("x", Value::Int(2));
    for text in [text.to_owned(), format!("${{{{{text}}}}}")] {
        let template = match Template::parse(&text) {
            Ok(template) => template,
            Err(faults) => {
                assert!(faults.iter().all(|fault| text.get(fault.span.clone()).is_some()));
                continue;
            }
        };
        assert!(template.reads().iter().all(|read| text.get(read.span.clone()).is_some()));
        match Mapping::Template(template).render(&scope, Limits::default()) {
            Ok(json) => assert!(JsonView::parse(&json).is_ok()),
            Err(fault) => assert!(text.get(fault.fault.span).is_some()),
        }
    }
});
