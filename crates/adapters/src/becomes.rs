//! Old versions of an action that a newer one performs: their input is mapped to the newer
//! contract, the newer version makes the calls, and its output is mapped back.
//!
//! Owns the way there and back. Who makes calls asks [`Action::upgraded`] first and has nothing to
//! do with old versions from then on; keys are those of the newer version by themselves.

use std::sync::Arc;

use postroom_core::lint::{Effects, Exposed};
use postroom_core::{Failure, Json};
use postroom_expr::{Mapping, Scope, Value};

use crate::adapter::Action;
use crate::effects::Written;
use crate::scope::LIMITS;

/// What an old version of an action becomes.
#[derive(Debug)]
pub struct Becomes {
    /// The version that performs it, or becomes another itself.
    pub action: Arc<Action>,
    /// The newer input, over `input`.
    pub(crate) input: Mapping,
    /// The old output, over `output` and `input`.
    pub(crate) output: Mapping,
}

/// An action and the input it is performed with.
#[derive(Debug)]
pub struct Upgraded {
    /// The version that makes the calls.
    pub action: Arc<Action>,
    /// Its input.
    pub input: Json,
    /// The way back to the contract that was asked for.
    pub back: Back,
}

/// The way back from a newer contract to the one that was asked for.
#[derive(Debug, Default)]
pub struct Back(Vec<(Arc<Action>, Json)>);

impl Action {
    /// Holds an input against the contract, and takes it to the version that makes the calls; each
    /// contract on the way is checked.
    ///
    /// # Errors
    /// When the input does not fit, or a mapping has no value for it.
    pub fn upgraded(self: &Arc<Self>, input: Json) -> Result<Upgraded, Failure> {
        let (mut action, mut input, mut back) = (Arc::clone(self), input, Vec::new());
        loop {
            action.check_input(&input).map_err(|failure| on_the_way(failure, &back))?;
            let Some(becomes) = &action.becomes else { break };
            let scope = Scope::new().with("input", Value::Json(input.view()));
            let newer = action.render(&becomes.input, &scope, "becomes.input")?;
            let next = Arc::clone(&becomes.action);
            back.push((std::mem::replace(&mut action, next), std::mem::replace(&mut input, newer)));
        }
        Ok(Upgraded { action, input, back: Back(back) })
    }

    /// The version whose calls are made: its own, unless it becomes another.
    #[must_use]
    pub fn performer(&self) -> &Self {
        let mut action = self;
        while let Some(becomes) = &action.becomes {
            action = &becomes.action;
        }
        action
    }
}

/// A newer contract that the mapped input does not fit is a matter of the manifest.
fn on_the_way(failure: Failure, back: &[(Arc<Action>, Json)]) -> Failure {
    let Some((old, _)) = back.last() else { return failure };
    let message =
        format!("{old}@{} becomes an input that is refused: {}", old.version, failure.message);
    let hint = "mend `becomes.input` in the manifest, or give the step an input that fits";
    Failure::new(failure.code, message).with_hint(hint)
}

impl Back {
    /// The output of the version that made the calls, as the contract that was asked for has it.
    ///
    /// # Errors
    /// When a mapping has no value for it.
    pub fn output(&self, output: Json) -> Result<Json, Failure> {
        let mut output = output;
        for (action, input) in self.0.iter().rev() {
            let Some(becomes) = &action.becomes else { continue };
            let scope = Scope::new()
                .with("input", Value::Json(input.view()))
                .with("output", Value::Json(output.view()));
            output = action.render(&becomes.output, &scope, "becomes.output")?;
        }
        Ok(output)
    }
}

impl Becomes {
    /// What the newer version does with what `with` becomes, said of the old inputs.
    pub(crate) fn effects(&self, with: &Mapping) -> Effects {
        let effects = self.action.effects(&self.known(with));
        let exposed = effects.exposed.iter().flat_map(|exposed| self.exposed(exposed)).collect();
        // Which old inputs decide about repeating cannot be told of those that do.
        let unrepeatable = effects.unrepeatable.map(|_| Vec::new());
        Effects { exposed, unrepeatable, ..effects }
    }

    /// The newer input as far as it is written out in `with`.
    fn known(&self, with: &Mapping) -> Mapping {
        let Mapping::Object(entries) = &self.input else { return self.input.clone() };
        let written = Written::of(with);
        let scope = Scope::new().with("input", Value::Json(written.input.view()));
        let mut known = Vec::new();
        for (key, value) in entries {
            let fixed = value.reads().iter().all(|(_, read)| written.knows(&read.path));
            let alone = Mapping::Object(vec![(key.clone(), value.clone())]);
            let text = fixed.then(|| alone.render(&scope, LIMITS).ok()).flatten();
            match text.and_then(|text| Json::parse(text).ok()) {
                Some(json) => {
                    let value =
                        json.view().get(key).map(|view| Mapping::Literal(view.raw().to_owned()));
                    known.extend(value.map(|value| (key.clone(), value)));
                }
                None => known.push((key.clone(), value.clone())),
            }
        }
        Mapping::Object(known)
    }

    /// The old inputs that come to stand where a newer one is exposed.
    fn exposed(&self, newer: &Exposed) -> Vec<Exposed> {
        let within = match &self.input {
            Mapping::Object(entries) => {
                let named = entries.iter().find(|(key, _)| newer.input.first() == Some(key));
                named.map(|(_, value)| value)
            }
            whole => Some(whole),
        };
        let shown = within.map(Mapping::shows).unwrap_or_default();
        let old = shown.into_iter().filter_map(|shown| match shown.path.split_first() {
            Some((root, path)) if root == "input" && !path.is_empty() => Some(path.to_vec()),
            _ => None,
        });
        old.map(|input| Exposed { input, how: newer.how }).collect()
    }
}

#[cfg(test)]
mod tests;
