//! What the owner of a run knows of its steps: what they came to, which calls were made, which runs
//! they wait for. Read from the journal when the run is taken up, and kept as it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_core::journal::Kind;
use postroom_core::run::Spot;
use postroom_core::{Entry, Json, RunId, Workflow};

/// The items of a list, and what those that are done came to.
#[derive(Default)]
struct Items {
    list: Option<Arc<Vec<Json>>>,
    outputs: BTreeMap<usize, Option<Json>>,
}

/// A run that a step has called.
#[derive(Clone, Copy)]
pub(crate) struct Child {
    pub run: RunId,
    /// It acted as little as the run that called it.
    pub dry: bool,
}

/// What is known of the steps of a run.
pub(crate) struct Memory {
    /// Outputs of steps that are done.
    pub outputs: Vec<Option<Json>>,
    /// Results of calls already made by steps that are not done.
    called: BTreeMap<Spot, Vec<(String, Json)>>,
    /// Runs that steps wait for.
    children: BTreeMap<Spot, Child>,
    items: BTreeMap<usize, Items>,
}

impl Memory {
    /// What a journal says.
    pub fn of(workflow: &Workflow, journal: Vec<Entry>) -> Self {
        let mut memory = Self {
            outputs: vec![None; workflow.steps.len()],
            called: BTreeMap::new(),
            children: BTreeMap::new(),
            items: BTreeMap::new(),
        };
        for entry in journal {
            let Some(step) = entry.step.as_deref().and_then(|id| workflow.step(id)) else {
                // A refused request that is sent out again may be a corrected one: its calls are
                // made anew. The keys of those that succeeded make the provider answer the same.
                if entry.kind == Kind::Redriven {
                    memory.called.clear();
                }
                continue;
            };
            let spot = Spot { step, item: entry.item };
            match (entry.kind, entry.call) {
                (Kind::Done, _) => memory.done(spot, entry.output),
                // A call that was only planned is planned again, or made by now.
                (Kind::Called, Some(call)) if !entry.dry => {
                    entry.output.into_iter().for_each(|output| {
                        memory.called(spot, call.clone(), output);
                    });
                }
                (Kind::Waits, _) => {
                    let child = entry.child.map(|run| Child { run, dry: entry.dry });
                    child.into_iter().for_each(|child| memory.waits_for(spot, child));
                }
                _ => {}
            }
        }
        memory
    }

    /// A step is done.
    pub fn done(&mut self, spot: Spot, output: Option<Json>) {
        match spot.item {
            None => self.outputs[spot.step] = output,
            Some(item) => {
                self.items.entry(spot.step).or_default().outputs.insert(item, output);
            }
        }
    }

    /// One of several calls succeeded.
    pub fn called(&mut self, spot: Spot, call: String, output: Json) {
        self.called.entry(spot).or_default().push((call, output));
    }

    /// A step waits for a run.
    pub fn waits_for(&mut self, spot: Spot, child: Child) {
        self.children.insert(spot, child);
    }

    /// The calls already made by a step.
    pub fn calls(&self, spot: Spot) -> Vec<(String, Json)> {
        self.called.get(&spot).cloned().unwrap_or_default()
    }

    /// The run that a step waits for.
    pub fn child(&self, spot: Spot) -> Option<Child> {
        self.children.get(&spot).copied()
    }

    /// The list of a step, if it was made since the run was taken up.
    pub fn list(&self, step: usize) -> Option<Arc<Vec<Json>>> {
        self.items.get(&step)?.list.clone()
    }

    /// Keeps the list of a step.
    pub fn keep_list(&mut self, step: usize, list: Arc<Vec<Json>>) {
        self.items.entry(step).or_default().list = Some(list);
    }

    /// What the items of a step came to, in order.
    pub fn gathered(&self, step: usize, count: usize) -> String {
        let outputs = self.items.get(&step).map(|items| &items.outputs);
        let mut text = String::from("[");
        for item in 0..count {
            if item > 0 {
                text.push(',');
            }
            let output = outputs.and_then(|outputs| outputs.get(&item)).and_then(Option::as_ref);
            text.push_str(output.map_or("null", Json::text));
        }
        text.push(']');
        text
    }
}
