//! Look-ups: how to find out whether a call whose answer was lost took effect.

use postroom_core::{Failure, Json};
use postroom_expr::{Expr, Mapping};

use crate::adapter::{Action, Expected};
use crate::answer::Answer;
use crate::build::{Asked, Request};
use crate::exchange::{Context, HttpRequest, HttpResponse};
use crate::pages::Reading;
use crate::scope::LIMITS;

/// How a call is looked up.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// How long to wait before asking, in milliseconds.
    pub after_ms: u64,
    pub request: Request,
    /// Whether the answer shows that it took effect.
    pub found: Expr,
    /// The call's result, read out of the answer.
    pub result: Mapping,
}

/// A recorded answer to a look-up, and what it must be taken for.
#[derive(Clone, Debug)]
pub struct RecordedLookup {
    /// What was seen, in a few words.
    pub name: String,
    /// The index of the call that was looked up.
    pub call: usize,
    /// The answer.
    pub response: HttpResponse,
    /// Whether it shows that the call took effect.
    pub found: bool,
}

/// What a look-up came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// It took effect: its result.
    Found(Json),
    /// It did not, so it may be made again.
    Absent,
    /// The answer tells neither.
    Unclear(Failure),
}

impl Action {
    /// How long after a call without an answer it may be looked up, in milliseconds; `None` where
    /// the manifest knows no way.
    #[must_use]
    pub fn lookup_after_ms(&self, call: usize) -> Option<u64> {
        Some(self.calls.get(call)?.lookup.as_ref()?.after_ms)
    }

    /// The request that looks a call up.
    ///
    /// # Errors
    /// As [`Action::request`]; also where there is no look-up.
    pub fn lookup(&self, call: usize, context: &Context<'_>) -> Result<HttpRequest, Failure> {
        let call = self.call(call)?;
        let Some(lookup) = &call.lookup else { return Err(self.no_lookup(&call.id)) };
        let key = self.call_key(call, context);
        let scope = self.scope(context, &key);
        let place = format!("{}.lookup.request", call.id);
        let asked = Asked { place, request: &lookup.request, key: &key, honoured: false };
        self.built(&asked, context, &scope)
    }

    /// What the answer to a look-up tells.
    #[must_use]
    pub fn looked(&self, call: usize, response: &HttpResponse, context: &Context<'_>) -> Looked {
        let call = match self.call(call) {
            Ok(call) => call,
            Err(failure) => return Looked::Unclear(failure),
        };
        let Some(lookup) = &call.lookup else {
            return Looked::Unclear(self.no_lookup(&call.id));
        };
        let answer = Answer::read(response);
        let key = self.call_key(call, context);
        let reading = Reading::default();
        let scope = self.answered(context, &key, &answer, &reading);
        if let (rule, then @ (Expected::Retry | Expected::Refused | Expected::Unknown)) =
            self.taken_for(&[], answer.status, &scope, crate::Idempotency::Read)
        {
            return Looked::Unclear(self.failure(rule, &answer, &scope, then));
        }
        let found = lookup.found.eval(&scope, LIMITS).ok().and_then(|value| value.as_bool());
        match found {
            Some(false) => Looked::Absent,
            Some(true) => {
                match self.render(&lookup.result, &scope, &format!("{}.lookup.result", call.id)) {
                    Ok(result) => Looked::Found(result),
                    Err(failure) => Looked::Unclear(failure),
                }
            }
            None => {
                let message = format!("{self}, {}: the look-up's answer is of no use", call.id);
                Looked::Unclear(
                    Failure::new("call/unexpected-answer", message).with_status(answer.status),
                )
            }
        }
    }

    fn no_lookup(&self, call: &str) -> Failure {
        let message = format!("{self}: the manifest has no look-up for the call `{call}`");
        Failure::new("adapter/no-lookup", message)
    }
}
