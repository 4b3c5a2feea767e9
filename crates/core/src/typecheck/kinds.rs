//! Steps that go through a list, call a workflow, wait or ask: what they read, and what they give.

use postroom_expr::{Checked, Env, Template, Type, nearest};

use super::found::Place;
use super::{Check, Contracts, roots};
use crate::definition::{Approve, Await, Call, Each, Wait};
use crate::problem::{self, Problem};

impl Check<'_> {
    /// What is given is held against the schema of `call.WORKFLOW`, if there is one.
    pub(super) fn call(&mut self, id: &str, call: &Call, env: &Env, place: &Place) {
        let wanted = self.contracts.event(&call.event);
        self.reporter.found(call.with.check(env, wanted), &place.below("with"));
        let Some(known) = &self.contracts.calls else { return };
        if known.contains_key(&call.workflow) {
            return;
        }
        let name = &call.workflow;
        let detail =
            format!("step `{id}` calls `{name}`, and no workflow of that name can be called");
        let hint = match nearest(name, known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `call` under `on` of workflow `{name}`"),
        };
        let problem = Problem::new(&problem::NOT_CALLABLE, detail).hint(hint);
        self.reporter.whole(problem, &place.below("call"), name.len());
    }

    pub(super) fn wait(&mut self, wait: &Wait, env: &Env, place: &Place) {
        match wait {
            Wait::For(pause) => self.text(pause, env, &place.below("wait"), &[Type::TEXT]),
            Wait::Until(time) => {
                let place = place.below("wait").below("until");
                self.text(time, env, &place, &[Type::TEXT, Type::Number]);
            }
        }
    }

    fn text(&mut self, template: &Template, env: &Env, place: &Place, takes: &[Type]) {
        let checked = template.check(env);
        let wanted = Type::union(takes.iter().cloned());
        let misfit = checked.findings.is_empty() && wanted.takes(&checked.ty).is_err();
        let found = checked.ty.phrase();
        self.reporter.found(checked, place);
        if misfit {
            let detail = format!("this takes {}, but it is {found}", wanted.phrase());
            let hint = "a duration is written `3d`, a time `2026-01-31T12:00:00Z`";
            let problem = Problem::new(&problem::EXPR_TYPE, detail).hint(hint);
            self.reporter.whole(problem, place, template.source().len());
        }
    }

    pub(super) fn awaited(&mut self, wait: &Await, env: &Env, place: &Place) {
        self.text(&wait.timeout, env, &place.below("wait").below("timeout"), &[Type::TEXT]);
        let Some(condition) = &wait.condition else { return };
        let data = self.contracts.event(&wait.event).clone();
        let env = env.clone().with("arrived", roots::event(&wait.event, data));
        self.condition(condition, &env, &place.below("wait").below("if"));
    }

    pub(super) fn approve(&mut self, approve: &Approve, env: &Env, place: &Place) {
        self.reporter.found(approve.ask.check(env), &place.below("approve").below("ask"));
    }
}

/// What is known for one item of a list, and what is found wrong with the list.
pub(super) fn within(each: &Each, env: Env) -> (Env, Checked) {
    let checked = each.list.check(&env, &Type::list(Type::Dyn));
    let item = |member: &Type| match member {
        Type::List(item, _) => item.as_ref().clone(),
        _ => Type::Dyn,
    };
    let item = Type::union(checked.ty.members().iter().map(item));
    (env.with("item", item).with("index", Type::Int), checked)
}

/// What a call of a workflow gives: what its run comes to, or the run.
pub(super) fn of_call(call: &Call, contracts: &Contracts) -> Type {
    if !call.waits {
        return Type::closed([("run", Type::TEXT)]);
    }
    let known = contracts.calls.as_ref().and_then(|calls| calls.get(&call.workflow));
    known.cloned().unwrap_or(Type::Dyn)
}

/// What waiting for an event gives: the event, or null when the time was over.
pub(super) fn of_await(wait: &Await, contracts: &Contracts) -> Type {
    let data = contracts.event(&wait.event).clone();
    Type::closed([("event", roots::event(&wait.event, data).or_null()), ("timedOut", Type::Bool)])
}

/// What asking gives.
pub(super) fn of_approve() -> Type {
    Type::closed([
        ("approved", Type::Bool),
        ("by", Type::TEXT.or_null()),
        ("note", Type::TEXT.or_null()),
    ])
}
