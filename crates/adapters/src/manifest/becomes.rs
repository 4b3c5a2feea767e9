//! What connects versions of an action: `becomes` and `deprecated`.

use std::cmp::Reverse;
use std::sync::Arc;

use postroom_core::definition::ActionRef;
use postroom_core::lint::Deprecated;
use postroom_core::schema::to_type;
use postroom_core::typecheck;
use postroom_core::yaml::{Node, Source, Value};
use postroom_expr::{Env, nearest};

use super::names::Names;
use super::{bad, line};
use crate::adapter::Action;
use crate::becomes::Becomes;

/// In which order actions are read: what an old version becomes is read before it.
pub(super) fn order(items: &[Node]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|index| {
        let becomes = entry(&items[*index], "becomes").is_some();
        (becomes, becomes.then(|| Reverse(version_of(&items[*index]))))
    });
    order
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
}

fn version_of(node: &Node) -> i64 {
    match entry(node, "version").map(|node| &node.value) {
        Some(Value::Int(version)) => *version,
        _ => 0,
    }
}

/// The version of an action with its name and contracts, as far as they are read.
pub(super) struct Older<'a> {
    pub name: &'a str,
    pub version: i64,
    pub input: &'a serde_json::Value,
    pub output: &'a serde_json::Value,
}

/// Reads `becomes`: which newer version, and the mappings there and back, each held against the
/// contracts of both. `items` are all actions as they stand in the file, `read` those read so far.
pub(super) fn becomes(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    old: &Older<'_>,
    (items, read): (&[Node], &[(usize, Arc<Action>)]),
) -> Option<Becomes> {
    let mut fields = source.map(node, path)?;
    let version = fields.need(source, "version");
    let input = fields.need(source, "input");
    let output = fields.need(source, "output");
    fields.finish(source);
    let action = version.and_then(|node| newer(source, node, path, old, (items, read)));
    let mapping = |source: &mut Source<'_>, node: &Node, roots: &[&str]| {
        let before = source.problems.len();
        let mapping = Names::new(roots).mapping(source, node);
        (source.problems.len() == before).then_some(mapping)
    };
    let given = input.and_then(|node| Some((node, mapping(source, node, &["input"])?)));
    let back = output.and_then(|node| Some((node, mapping(source, node, &["output", "input"])?)));
    let (action, (input_node, input), (output_node, output)) = (action?, given?, back?);
    let old_input = to_type(old.input);
    let env = Env::new().with("input", old_input);
    let wanted = to_type(&action.input);
    let at = |part: &str| format!("{path}.{part}");
    typecheck::mapping(source, input_node, &at("input"), (&input, &env, &wanted));
    let env = env.with("output", to_type(&action.output));
    let wanted = to_type(old.output);
    typecheck::mapping(source, output_node, &at("output"), (&output, &env, &wanted));
    Some(Becomes { action, input, output })
}

/// The newer version that is named.
fn newer(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    old: &Older<'_>,
    (items, read): (&[Node], &[(usize, Arc<Action>)]),
) -> Option<Arc<Action>> {
    let path = format!("{path}.version");
    let version = source.int(node, &path, 1, 1_000_000)?;
    if version <= old.version {
        let detail = format!("`{path}` is {version}, which is not newer than {}", old.version);
        let hint = "an old version becomes a newer one; chains go upwards, 1 to 2 to 3";
        bad(source, node, detail, Some(hint.to_owned()));
        return None;
    }
    let mut named = read.iter().map(|(_, action)| action).filter(|action| action.name == old.name);
    let found = named.find(|action| i64::from(action.version) == version);
    if found.is_some() {
        return found.cloned();
    }
    let same = |item: &&Node| {
        let name = entry(item, "action").map(|node| &node.value);
        matches!(name, Some(Value::Str(name)) if name == old.name)
    };
    let versions: Vec<i64> = items.iter().filter(same).map(version_of).collect();
    // One that is there and could not be read has told why.
    if !versions.contains(&version) {
        let known: Vec<String> = versions.iter().map(ToString::to_string).collect();
        let detail = format!("`{path}` is {version}, but `{}` has no such version", old.name);
        bad(source, node, detail, Some(format!("it has {}", known.join(", "))));
    }
    None
}

/// Reads `deprecated`. What is named instead is looked for by [`instead`], once all is read.
pub(super) fn deprecated(source: &mut Source<'_>, node: &Node, path: &str) -> Option<Deprecated> {
    let mut fields = source.map(node, path)?;
    let since = fields.need(source, "since").and_then(|node| date(source, node, path));
    let instead = fields.take("use").map(|node| {
        let text = source.text(node, &format!("{path}.use"))?;
        let found = ActionRef::parse(text);
        if found.is_none() {
            let detail = format!("`{path}.use` is `{text}`, which names no action");
            let hint = "write `adapter/action`, for example `stripe/create_invoice@2`";
            bad(source, node, detail, Some(hint.to_owned()));
        }
        found
    });
    let note =
        fields.need(source, "note").and_then(|node| line(source, node, &format!("{path}.note")));
    fields.finish(source);
    let instead = instead.map_or(Some(None), |found| found.map(Some));
    Some(Deprecated { since: since?, instead: instead?, note: note? })
}

fn date(source: &mut Source<'_>, node: &Node, path: &str) -> Option<String> {
    let text = source.text(node, &format!("{path}.since"))?;
    if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() {
        return Some(text.to_owned());
    }
    let detail = format!("`{path}.since` is `{text}`, which is no date");
    bad(source, node, detail, Some("write it like 2026-10-01".to_owned()));
    None
}

/// Looks whether what is named in place of deprecated actions is there, as far as it is of the same
/// adapter.
pub(super) fn instead(
    source: &mut Source<'_>,
    adapter: &str,
    (items, read): (&[Node], &[(usize, Arc<Action>)]),
) {
    for (index, action) in read {
        let Some(uses) = action.deprecated.as_ref().and_then(|it| it.instead.as_ref()) else {
            continue;
        };
        if uses.adapter != adapter {
            continue;
        }
        let node = entry(&items[*index], "deprecated").and_then(|node| entry(node, "use"));
        let Some(node) = node else { continue };
        let named = || read.iter().map(|(_, it)| it).filter(|it| it.name == uses.action);
        let newest = named().map(|it| it.version).max();
        let version = uses.version.or(newest);
        if !named().any(|it| Some(it.version) == version) {
            let detail = format!("`actions[{index}].deprecated.use`: there is no `{uses}`");
            let known: Vec<String> =
                read.iter().map(|(_, it)| format!("{it}@{}", it.version)).collect();
            let hint = match nearest(&uses.to_string(), known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", known.join(", ")),
            };
            bad(source, node, detail, Some(hint));
        } else if uses.action == action.name && version == Some(action.version) {
            let detail = format!("`{uses}` is deprecated and named in its own place");
            bad(source, node, detail, Some("name what is to be used instead".to_owned()));
        }
    }
}
