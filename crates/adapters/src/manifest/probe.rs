//! What a manifest says of testing a connection: the name of an action that changes nothing, and
//! what it is given.

use std::sync::Arc;

use postroom_core::Json;
use postroom_core::yaml::{Node, Source, to_json};

use super::bad;
use crate::adapter::{Action, Idempotency, Probe};

/// Reads `test`, once the actions are known.
pub(super) fn read(source: &mut Source<'_>, node: &Node, actions: &[Arc<Action>]) -> Option<Probe> {
    let mut fields = source.map(node, "test")?;
    let named = fields.need(source, "action");
    let given = fields.take("input");
    fields.finish(source);
    let (named, name) = named.and_then(|node| Some((node, source.text(node, "test.action")?)))?;
    let input = given.map_or_else(|| serde_json::json!({}), to_json);
    let input = Json::from_value(&input);
    let newest = actions.iter().filter(|action| action.name == name);
    let Some(action) = newest.max_by_key(|action| action.version) else {
        let hint = "name one of the actions of this file";
        bad(source, named, format!("there is no action `{name}`"), Some(hint.to_owned()));
        return None;
    };
    if !action.calls.iter().all(|call| call.idempotency == Idempotency::Read) {
        let detail = format!("`{name}` may change something, so it cannot test a connection");
        bad(source, named, detail, Some("name an action that only reads".to_owned()));
    }
    if let Err(failure) = action.check_input(&input) {
        bad(source, given.unwrap_or(node), failure.message, failure.hint);
    }
    Some(Probe { action: name.to_owned(), input })
}
