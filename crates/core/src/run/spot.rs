//! Where in a run something happens: a step, or an item of a step that has a list.

use super::{Run, StepRun, StepState};

/// A step by its place in the definition, and which item of its list, if it is about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The step.
    pub step: usize,
    /// The item of its list.
    pub item: Option<usize>,
}

impl Spot {
    /// A step as a whole.
    #[must_use]
    pub fn step(step: usize) -> Self {
        Self { step, item: None }
    }

    /// An item of a step's list.
    #[must_use]
    pub fn item(step: usize, item: usize) -> Self {
        Self { step, item: Some(item) }
    }

    /// The name by which people and keys call it: `remind`, or `remind[3]` for an item. No name
    /// of a step holds a bracket.
    #[must_use]
    pub fn label(self, id: &str) -> String {
        label(id, self.item)
    }

    /// The step and the item that a label names.
    #[must_use]
    pub fn of_label(label: &str) -> (&str, Option<usize>) {
        match label.strip_suffix(']').and_then(|label| label.split_once('[')) {
            Some((id, item)) => (id, item.parse().ok()),
            None => (label, None),
        }
    }
}

/// See [`Spot::label`].
pub(crate) fn label(id: &str, item: Option<usize>) -> String {
    match item {
        None => id.to_owned(),
        Some(item) => format!("{id}[{item}]"),
    }
}

impl StepRun {
    /// Whether an attempt is under way; its items are not looked at.
    #[must_use]
    pub fn open(&self) -> bool {
        matches!(self.state, StepState::Running | StepState::Intent)
    }

    /// Whether it or one of its items has an attempt under way.
    pub(super) fn at_work(&self) -> bool {
        self.open() || self.items.iter().any(Self::open)
    }

    /// Whether it came to an end that lets others go on.
    #[must_use]
    pub fn over(&self) -> bool {
        matches!(self.state, StepState::Done | StepState::Skipped)
    }

    /// Whether it failed for good, or its answer was lost.
    pub(super) fn failed(&self) -> bool {
        matches!(self.state, StepState::Failed | StepState::Unknown)
    }

    /// Its own due time and those of its items.
    pub(super) fn dues(&self) -> impl Iterator<Item = i64> {
        self.due_ms.into_iter().chain(self.items.iter().filter_map(|item| item.due_ms))
    }

    /// Does something to it and to each of its items.
    pub(super) fn each_mut(&mut self, mut what: impl FnMut(&mut Self)) {
        what(self);
        self.items.iter_mut().for_each(what);
    }
}

impl Run {
    /// Where a step or an item stands, if there is such a one.
    #[must_use]
    pub fn at(&self, spot: Spot) -> Option<&StepRun> {
        let step = self.steps.get(spot.step)?;
        spot.item.map_or(Some(step), |item| step.items.get(item))
    }

    pub(super) fn at_mut(&mut self, spot: Spot) -> Option<&mut StepRun> {
        let step = self.steps.get_mut(spot.step)?;
        match spot.item {
            None => Some(step),
            Some(item) => step.items.get_mut(item),
        }
    }

    /// Every step, each followed by its items.
    #[must_use]
    pub fn spots(&self) -> Vec<Spot> {
        let of_step = |(step, at): (usize, &StepRun)| {
            let items = (0..at.items.len()).map(move |item| Spot::item(step, item));
            std::iter::once(Spot::step(step)).chain(items)
        };
        self.steps.iter().enumerate().flat_map(of_step).collect()
    }
}
