//! The policies of a workflow against what is known of its events.

use postroom_expr::{Env, Template, Type};

use super::Check;
use super::found::Place;
use crate::policy::Priority;
use crate::problem::{self, Problem};

/// Checks every policy.
pub(super) fn check(check: &mut Check<'_>, event: &Env) {
    let policies = &check.workflow.policies;
    if let Some(dedupe) = &policies.dedupe {
        let place = check.reporter.key_of("dedupe");
        // Without a key nothing is recognised again; that is no fault.
        check.key(&dedupe.key, event, &place, true);
    }
    let concurrency = policies.concurrency.as_ref().map(|policy| &policy.key);
    let debounce = policies.debounce.as_ref().and_then(|policy| policy.key.as_ref());
    let throttle = policies.throttle.as_ref().and_then(|policy| policy.key.as_ref());
    let keys = [("concurrency", concurrency), ("debounce", debounce), ("throttle", throttle)];
    for (policy, key) in keys {
        if let Some(key) = key {
            check.key(key, event, &Place::top(&[policy, "key"]), false);
        }
    }
    if let Some(Priority::Asked(seconds)) = &policies.priority {
        priority(check, seconds, event);
    }
}

fn priority(check: &mut Check<'_>, template: &Template, event: &Env) {
    let place = Place::top(&["priority"]);
    let checked = template.check(event);
    let misfit = Type::Number.takes(&checked.ty).is_err();
    let (clean, found) = (checked.findings.is_empty(), checked.ty.phrase());
    check.reporter.found(checked, &place);
    if clean && misfit {
        let detail = format!("a priority is a number of seconds, but this is {found}");
        let hint = "give it a value with `??`, or convert it with `double(…)`";
        let problem = Problem::new(&problem::EXPR_TYPE, detail).hint(hint);
        check.reporter.whole(problem, &place, template.source().len());
    }
}
