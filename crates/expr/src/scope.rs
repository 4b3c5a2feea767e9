//! The names an expression can read.
//!
//! Owns the look-up of root names. Knows none of them: what is called `event` or `steps` is the
//! caller's choice.

use std::borrow::Cow;

use crate::nearest::nearest;
use crate::value::Value;

/// Named root values.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    roots: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Scope<'a> {
    /// A scope without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// The scope with one more name. A name given twice takes the later value.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets the value of a name.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let name = name.into();
        match self.roots.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => self.roots.push((name, value)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.roots.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// All names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(|(name, _)| name.as_ref())
    }

    /// What to tell somebody who used a name that is not defined.
    pub(crate) fn hint(&self, name: &str) -> Option<String> {
        if let Some(near) = nearest(name, self.names()) {
            return Some(format!("did you mean `{near}`?"));
        }
        let names: Vec<String> = self.names().take(12).map(|name| format!("`{name}`")).collect();
        match names.is_empty() {
            true => None,
            false => Some(format!("defined here: {}", names.join(", "))),
        }
    }
}
