//! Outcomes: what an answer, or the lack of one, means for the step.
//!
//! Owns the order of decision: the rules of the call, then those of the adapter, then the status.
//! A rule whose condition cannot be evaluated on an answer (an HTML page where JSON was expected)
//! does not match it.

use postroom_core::{Failure, Json, Outcome};
use postroom_expr::{Scope, Template, Value};

use crate::adapter::{Action, Call, Expected, Idempotency, Rule, Wording};
use crate::answer::Answer;
use crate::build::shown;
use crate::exchange::{Context, HttpResponse, Lost};
use crate::pages::{Paged, Reading};
use crate::retry_after;
use crate::scope::LIMITS;

impl Action {
    /// What an answer to a call came to. The output of `Done` is the call's result.
    #[must_use]
    pub fn interpret(
        &self,
        call: usize,
        response: &HttpResponse,
        context: &Context<'_>,
    ) -> Outcome {
        let mut reading = Reading::default();
        match self.interpret_page(call, response, context, &mut reading) {
            Paged::Ended(outcome) => outcome,
            Paged::More => self.interpret_read(call, response, context, &reading),
        }
    }

    /// The same once the items of the answer are read.
    pub(crate) fn interpret_read(
        &self,
        call: usize,
        response: &HttpResponse,
        context: &Context<'_>,
        reading: &Reading,
    ) -> Outcome {
        let idempotency = self.idempotency(call, context);
        let call = match self.call(call) {
            Ok(call) => call,
            Err(failure) => return Outcome::Refused { failure },
        };
        let answer = Answer::read(response);
        let key = self.call_key(call, context);
        let items = call.pages.as_ref().map(|_| reading.items());
        let scope = self.answered(context, &key, &answer, reading);
        let scope = match &items {
            Some(items) => scope.with("items", Value::Json(items.view())),
            None => scope,
        };
        let (rule, then) = self.taken_for(&call.rules, answer.status, &scope, idempotency);
        if then == Expected::Done {
            return self.result(call, &answer, &scope, idempotency);
        }
        let failure = self.failure(rule, &answer, &scope, then);
        match then {
            Expected::Retry => {
                Outcome::Retry { after_ms: self.after_ms(rule, &answer, &scope), failure }
            }
            Expected::Unknown => Outcome::Unknown { failure },
            Expected::Refused | Expected::Done => Outcome::Refused { failure },
        }
    }

    /// The scope of an answer.
    pub(crate) fn answered<'a>(
        &'a self,
        context: &Context<'a>,
        key: &'a str,
        answer: &'a Answer<'_>,
        reading: &'a Reading,
    ) -> Scope<'a> {
        let scope = self.scope(context, key).with("response", answer.value());
        scope.with("page", reading.page())
    }

    /// What an answer is taken for, and by which rule.
    pub(crate) fn taken_for<'a>(
        &'a self,
        rules: &'a [Rule],
        status: u16,
        scope: &Scope<'_>,
        idempotency: Idempotency,
    ) -> (Option<&'a Rule>, Expected) {
        let holds = |rule: &&Rule| {
            let value = rule.when.eval(scope, LIMITS);
            value.is_ok_and(|value| value.as_bool() == Some(true))
        };
        let rule = rules.iter().chain(&self.provider.rules).find(holds);
        (rule, rule.map_or_else(|| by_status(status, idempotency), |rule| rule.then))
    }

    /// What a call without an answer came to: tried again where that is safe, otherwise unknown.
    #[must_use]
    pub fn lost(&self, call: usize, context: &Context<'_>, lost: Lost, detail: &str) -> Outcome {
        let (code, what) = match lost {
            Lost::NotSent => ("call/not-sent", "could not be reached"),
            Lost::NoAnswer => ("call/no-answer", "closed the connection without an answer"),
            Lost::TimedOut => ("call/timeout", "did not answer in time"),
        };
        let title = &self.provider.title;
        let message = match detail {
            "" => format!("{title} {what}"),
            _ => format!("{title} {what}: {}", shown(detail)),
        };
        let failure = Failure::new(code, message);
        if lost == Lost::NotSent || self.idempotency(call, context).repeatable() {
            return Outcome::Retry { after_ms: None, failure };
        }
        Outcome::Unknown { failure: failure.with_hint(self.look()) }
    }

    /// What a call came to whose answer was lost in a way that comes again: it is not repeated.
    #[must_use]
    pub fn lost_for_good(
        &self,
        call: usize,
        context: &Context<'_>,
        lost: Lost,
        failure: Failure,
    ) -> Outcome {
        if lost == Lost::NotSent || self.idempotency(call, context).repeatable() {
            return Outcome::Refused { failure };
        }
        Outcome::Unknown { failure: failure.with_hint(self.look()) }
    }

    /// The result of a call that worked. Where the answer cannot be used although it says so, a
    /// call that may be repeated is; any other has taken effect and must not be.
    fn result(
        &self,
        call: &Call,
        answer: &Answer<'_>,
        scope: &Scope<'_>,
        idempotency: Idempotency,
    ) -> Outcome {
        let title = &self.provider.title;
        if answer.broken {
            let message = format!("{title} answered {} with broken JSON", answer.status);
            let failure = Failure::new("call/broken-answer", message).with_status(answer.status);
            return match idempotency.repeatable() {
                true => Outcome::Retry { after_ms: None, failure },
                false => Outcome::Unknown { failure: failure.with_hint(self.look()) },
            };
        }
        let output = match &call.result {
            Some(mapping) => self.render(mapping, scope, &format!("{}.result", call.id)),
            None => {
                let mut text = String::new();
                answer.body().write_json(&mut text);
                Json::parse(text).map_err(|error| Failure::new("internal", error.to_string()))
            }
        };
        match output {
            Ok(output) => Outcome::Done { output },
            Err(fault) => {
                let told = &fault.message;
                let message =
                    format!("{title} answered {} in an unknown shape: {told}", answer.status);
                let failure =
                    Failure::new("call/unexpected-answer", message).with_status(answer.status);
                match idempotency.repeatable() {
                    true => Outcome::Refused { failure },
                    false => Outcome::Unknown { failure: failure.with_hint(self.look()) },
                }
            }
        }
    }

    fn look(&self) -> String {
        let title = &self.provider.title;
        format!("look in {title} whether it took effect, then resolve the run")
    }

    pub(crate) fn failure(
        &self,
        rule: Option<&Rule>,
        answer: &Answer<'_>,
        scope: &Scope<'_>,
        then: Expected,
    ) -> Failure {
        let redirect = (300..400).contains(&answer.status);
        let words = |pick: fn(&Wording) -> Option<&Template>| {
            let own = rule.and_then(|rule| pick(&rule.wording));
            own.into_iter().chain(pick(&self.provider.wording)).find_map(|t| word(t, scope))
        };
        let code = words(|wording| wording.code.as_ref()).unwrap_or_else(|| match redirect {
            true => "http/redirect".to_owned(),
            false => format!("http/{}", answer.status),
        });
        let message = words(|wording| wording.message.as_ref())
            .unwrap_or_else(|| self.default_message(answer, redirect));
        let failure = Failure::new(shown(&code), shown_long(&message)).with_status(answer.status);
        let hint = words(|wording| wording.hint.as_ref()).or_else(|| match then {
            Expected::Unknown => Some(self.look()),
            _ if answer.status == 401 && !self.provider.auth.is_empty() => {
                Some("check the credentials of the connection".to_owned())
            }
            _ => None,
        });
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }

    fn default_message(&self, answer: &Answer<'_>, redirect: bool) -> String {
        let (title, status) = (&self.provider.title, answer.status);
        if redirect {
            let target = answer.header("location").map(|to| format!(" (to {})", shown(to)));
            let target = target.unwrap_or_default();
            return format!("{title} answered {status}{target}; redirects are not followed");
        }
        match answer.text.trim() {
            "" => format!("{title} answered {status}"),
            text => format!("{title} answered {status}: {}", shown(text)),
        }
    }

    fn after_ms(&self, rule: Option<&Rule>, answer: &Answer<'_>, scope: &Scope<'_>) -> Option<u64> {
        let own = rule.and_then(|rule| rule.after.as_ref()).and_then(|after| word(after, scope));
        let own = own.and_then(|text| retry_after::from_text(&text, answer.header("date")));
        own.or_else(|| retry_after::from_headers(|name| answer.header(name)))
    }
}

/// What a status means where no rule says otherwise. A gateway that gave up waiting does not know
/// whether the request took effect, so a call that may not be repeated is not.
fn by_status(status: u16, idempotency: Idempotency) -> Expected {
    match status {
        200..=299 => Expected::Done,
        408 | 425 | 429 => Expected::Retry,
        502 | 504 if !idempotency.repeatable() => Expected::Unknown,
        500..=599 => Expected::Retry,
        _ => Expected::Refused,
    }
}

/// The text of a template, if it has one on this answer.
fn word(template: &Template, scope: &Scope<'_>) -> Option<String> {
    let value: Value<'_> = template.eval(scope, LIMITS).ok()?;
    value.to_text().ok().filter(|text| !text.trim().is_empty())
}

/// A message as it is kept: at most 1000 characters, no control characters.
fn shown_long(text: &str) -> String {
    text.chars().take(1000).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
