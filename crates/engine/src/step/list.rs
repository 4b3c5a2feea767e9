//! Steps that are carried out for each item of a list: first the list is made, last what its items
//! came to is gathered.

use std::sync::Arc;
use std::time::Instant;

use postroom_core::definition::Each;
use postroom_core::run::Report;
use postroom_core::{Json, Outcome};

use super::{Attempt, Ended};

impl Attempt {
    /// Ends an attempt of a step as a whole: its list is made, or it is done.
    pub(super) fn list(self, each: &Each, started: Instant) -> Ended {
        let report = Report::default();
        if let Some(output) = self.item.clone() {
            // What the items came to was handed over in their place.
            return self.end(Outcome::Done { output }, report, started);
        }
        let list = match self.holds() {
            Ok(true) => self.view().list(self.spot.step, each),
            Ok(false) => return self.end(Outcome::Skipped, report, started),
            Err(outcome) => Err(outcome),
        };
        match list {
            Ok(list) if list.is_empty() => {
                let output = Json::from_value(&serde_json::json!([]));
                self.end(Outcome::Done { output }, report, started)
            }
            Ok(list) => {
                let count = list.len();
                let ended = self.end(Outcome::Items { count }, report, started);
                Ended { list: Some(Arc::new(list)), ..ended }
            }
            Err(outcome) => self.end(outcome, report, started),
        }
    }
}
