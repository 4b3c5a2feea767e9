//! The settings of a connection that are no secrets.

use postroom_core::Json;
use postroom_core::yaml::{Fields, Node, Source, to_json};

use super::line;
use crate::adapter::Setting;

/// Reads the settings by name.
pub(super) fn read(source: &mut Source<'_>, node: &Node) -> Vec<Setting> {
    let mut settings = Vec::new();
    let named = source.map(node, "settings");
    for (key, node) in named.iter().flat_map(Fields::all) {
        let path = format!("settings.{}", key.name);
        let Some(mut fields) = source.map(node, &path) else { continue };
        let required = fields.take("required");
        let required = required.map(|node| source.bool(node, &format!("{path}.required")));
        let summary = fields.need(source, "summary");
        let summary = summary.and_then(|node| line(source, node, &format!("{path}.summary")));
        let example = fields.need(source, "example").map(to_json);
        fields.finish(source);
        if let (Some(required), Some(summary), Some(example)) =
            (required.unwrap_or(Some(true)), summary, example)
        {
            settings.push(Setting { name: key.name.clone(), required, summary, example });
        }
    }
    settings
}

/// The settings with which examples are played.
pub(super) fn example(settings: &[Setting]) -> Json {
    if settings.is_empty() {
        return Json::null();
    }
    let entries = settings.iter().map(|it| (it.name.clone(), it.example.clone()));
    Json::from_value(&serde_json::Value::Object(entries.collect()))
}
