//! A dress rehearsal of an action against what its manifest records: the example must yield the
//! output it states, and each failure the outcome it states.

use std::sync::Arc;

use postroom_core::{Failure, Json, Outcome};
use serde_json::Value;

use crate::adapter::{Action, Example, Expected, RecordedFailure};
use crate::becomes::Upgraded;
use crate::exchange::{Context, Planned};
use crate::lookup::{Looked, RecordedLookup};

/// The key of rehearsed steps.
const KEY: &str = "example-key";

impl Action {
    /// Plays the recorded example and failures, and tells what does not come out as stated. Empty
    /// when all is well; an action without an example is told as that.
    #[must_use]
    pub fn rehearse(self: &Arc<Self>) -> Vec<String> {
        let Some(example) = &self.example else {
            return vec![format!("{self} has no example")];
        };
        if self.becomes.is_some() {
            return match self.rehearse_upgraded(example) {
                Ok(output) => self.misfits(&output, example),
                Err(what) => vec![format!("{self}@{}: {what}", self.version)],
            };
        }
        let mut told = Vec::new();
        let config = self.example_config();
        let mut results: Vec<(String, Json)> = Vec::new();
        if let Err(failure) = self.check_input(&example.input) {
            told.push(format!("{self}, example.input: {}", failure.message));
        }
        for index in 0..self.calls.len() {
            let context = context(example, &results, &config);
            let failures = self.failures.iter().filter(|failure| failure.call == index);
            told.extend(failures.filter_map(|failure| self.rehearse_failure(failure, &context)));
            let lookups = self.lookups.iter().filter(|lookup| lookup.call == index);
            told.extend(lookups.filter_map(|lookup| self.rehearse_lookup(lookup, &context)));
            match self.rehearse_call(index, example, &context) {
                Ok(Some(output)) => results.push((self.calls[index].id.clone(), output)),
                Ok(None) => {}
                Err(what) => told.push(what),
            }
        }
        match self.output(&context(example, &results, &config)) {
            Err(failure) => told.push(failure.message),
            Ok(output) => told.extend(self.misfits(&output, example)),
        }
        told
    }

    /// The settings with which the examples are played.
    #[must_use]
    pub fn example_config(&self) -> Json {
        self.provider.example_config.clone()
    }

    /// What an output has that the example or the contract has not.
    fn misfits(&self, output: &Json, example: &Example) -> Vec<String> {
        let mut told = Vec::new();
        if value(output) != value(&example.output) {
            told.push(format!(
                "{self}: the output is {output:?}, but the example states {:?}",
                example.output
            ));
        }
        let misfits = crate::schema::check(&self.output, output.view(), "output");
        told.extend(misfits.into_iter().map(|misfit| format!("{self}: {}", misfit.message)));
        told
    }

    /// The example of an old version, answered as the example of the version that makes the calls.
    fn rehearse_upgraded(self: &Arc<Self>, example: &Example) -> Result<Json, String> {
        let said = |failure: Failure| failure.message;
        let Upgraded { action, input, back } =
            self.upgraded(example.input.clone()).map_err(said)?;
        let recorded = action.example.clone();
        let recorded = recorded.ok_or_else(|| format!("{action} has no example"))?;
        let asked = Example { input, ..recorded };
        let config = self.example_config();
        let mut results: Vec<(String, Json)> = Vec::new();
        for (index, call) in action.calls.iter().enumerate() {
            let done = action.rehearse_call(index, &asked, &context(&asked, &results, &config))?;
            results.extend(done.map(|output| (call.id.clone(), output)));
        }
        let output = action.output(&context(&asked, &results, &config)).map_err(said)?;
        back.output(output).map_err(said)
    }

    fn rehearse_call(
        &self,
        index: usize,
        example: &Example,
        context: &Context<'_>,
    ) -> Result<Option<Json>, String> {
        let id = &self.calls[index].id;
        match self.request(index, context) {
            Err(failure) => return Err(failure.message),
            Ok(Planned::Skip) => return Ok(None),
            Ok(Planned::Send(_)) => {}
        }
        let Some((_, response)) = example.responses.iter().find(|(call, _)| call == id) else {
            return Err(format!("{self}: the example has no answer for the call `{id}`"));
        };
        match self.interpret(index, response, context) {
            Outcome::Done { output } => Ok(Some(output)),
            other => Err(format!("{self}: the example's answer to `{id}` came to {other:?}")),
        }
    }

    fn rehearse_lookup(&self, wanted: &RecordedLookup, context: &Context<'_>) -> Option<String> {
        if let Err(failure) = self.lookup(wanted.call, context) {
            return Some(failure.message);
        }
        let looked = self.looked(wanted.call, &wanted.response, context);
        let fits = match &looked {
            Looked::Found(_) => wanted.found,
            Looked::Absent => !wanted.found,
            Looked::Unclear(_) => false,
        };
        (!fits).then(|| format!("{self}, {}: came to {looked:?}", wanted.name))
    }

    fn rehearse_failure(&self, wanted: &RecordedFailure, context: &Context<'_>) -> Option<String> {
        let outcome = self.interpret(wanted.call, &wanted.response, context);
        let (found, failure, after_ms) = match &outcome {
            Outcome::Done { .. } => (Expected::Done, None, None),
            Outcome::Retry { after_ms, failure } => (Expected::Retry, Some(failure), *after_ms),
            Outcome::Refused { failure } => (Expected::Refused, Some(failure), None),
            Outcome::Unknown { failure } => (Expected::Unknown, Some(failure), None),
            _ => {
                return Some(format!("{self}, {}: came to {outcome:?}", wanted.name));
            }
        };
        let code = failure.map(|failure| failure.code.as_str());
        let fits = found == wanted.outcome
            && (wanted.code.is_none() || wanted.code.as_deref() == code)
            && (wanted.after_ms.is_none() || wanted.after_ms == after_ms);
        (!fits).then(|| format!("{self}, {}: came to {outcome:?}", wanted.name))
    }
}

fn context<'a>(
    example: &'a Example,
    results: &'a [(String, Json)],
    config: &'a Json,
) -> Context<'a> {
    let base_url = Some("https://api.example.com");
    Context { input: &example.input, results, config, base_url, key: KEY }
}

/// Compared as values: `1` and `1.0` are written differently.
fn value(json: &Json) -> Option<Value> {
    serde_json::from_str(json.text()).ok()
}
