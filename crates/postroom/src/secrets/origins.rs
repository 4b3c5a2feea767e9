//! What may be said of secrets: their names, where each one is found, and since when. Never a
//! value.

use postroom_engine::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{Found, Keeper};

/// Where a secret comes from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Its name.
    pub name: String,
    /// Every place that has it; the first counts.
    pub places: Vec<String>,
    /// When it was set, where that is known.
    pub set: Option<jiff::Timestamp>,
    /// Until when the value before counts too.
    pub previous: Option<jiff::Timestamp>,
    /// Whether the project refers to it.
    pub asked: bool,
}

impl Origin {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "from": self.places.first(),
            "shadowed": self.places.get(1..).unwrap_or_default(),
            "set": self.set.map(|time| time.to_string()),
            "previous_until": self.previous.map(|time| time.to_string()),
            "used": self.asked,
        })
    }
}

impl Keeper {
    /// Where every name comes from that the project refers to or that lies where secrets lie.
    pub fn origins(&self) -> Vec<Origin> {
        let asked = self.asked();
        let now_ms = SystemClock.now_ms();
        let origin = |name: String| {
            let places = self.places(&name);
            let first = places.first().map(|found: &Found| &found.entry);
            let set = first.and_then(|entry| entry.set);
            let previous = first.and_then(|entry| entry.previous.as_ref()).map(|(_, until)| *until);
            let previous = previous.filter(|until| until.as_millisecond() > now_ms);
            let asked = asked.contains(&name);
            let places = places.into_iter().map(|found| found.place.to_string()).collect();
            Origin { name, places, set, previous, asked }
        };
        self.names().into_iter().map(origin).collect()
    }
}

/// Sentences about the names that a project refers to.
pub(crate) fn told(origins: &[Origin], vault: Option<&str>) -> Vec<String> {
    let mut told = Vec::new();
    let used = || origins.iter().filter(|origin| origin.asked);
    let found: Vec<String> = used()
        .filter_map(|origin| Some(format!("{} from {}", origin.name, origin.places.first()?)))
        .collect();
    if !found.is_empty() {
        told.push(format!("secrets found: {}", found.join(", ")));
    }
    let missing: Vec<&str> =
        used().filter(|it| it.places.is_empty()).map(|origin| origin.name.as_str()).collect();
    if let (Some(vault), false) = (vault, missing.is_empty()) {
        told.push(format!(
            "not found here: {}; Vault at {vault} was not asked (`postroom connections list` asks)",
            missing.join(", ")
        ));
    } else if !missing.is_empty() {
        told.push(format!("secrets not set: {}", missing.join(", ")));
    }
    for origin in used().filter(|origin| origin.places.len() > 1) {
        let shadowed = origin.places[1..].join(" and ");
        told.push(format!(
            "{} is in {} too, which does not count: {} comes first",
            origin.name, shadowed, origin.places[0]
        ));
    }
    told
}
