//! Error rules: which answers mean what, and where their words stand.

use postroom_core::yaml::{Fields, Node, Source, Value as Tree};
use postroom_expr::Template;
use serde_json::Value;

use super::choice;
use super::names::Names;
use crate::adapter::{Expected, Rule, Wording};
use crate::scope::RESPONSE_ROOTS;

/// What is known of an action at this place: the calls before, and the input's schema.
pub(super) type Within<'a> = Option<(&'a [String], &'a Value)>;

/// Reads an ordered list of rules.
pub(super) fn list(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    within: Within<'_>,
) -> Vec<Rule> {
    let outcomes = Expected::ALL.map(|expected| (expected.word(), expected));
    let mut names = Names::new(RESPONSE_ROOTS).within(within);
    let mut rules = Vec::new();
    for (index, node) in source.list(node, path).unwrap_or_default().iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(mut fields) = source.map(node, &path) else { continue };
        let when = fields
            .need(source, "when")
            .and_then(|node| names.condition(source, node, &format!("{path}.when")));
        let then = fields
            .need(source, "then")
            .and_then(|node| choice(source, node, &format!("{path}.then"), &outcomes));
        let wording = wording(source, &mut fields, &path, &mut names);
        let after = fields.take("after").and_then(|node| match node.value {
            Tree::Int(seconds) => Template::parse(&seconds.to_string()).ok(),
            _ => names.template(source, node, &format!("{path}.after")),
        });
        fields.finish(source);
        if let (Some(when), Some(then)) = (when, then) {
            rules.push(Rule { when, then, wording, after });
        }
    }
    rules
}

/// Reads the adapter's own words for failures.
pub(super) fn wording_of(source: &mut Source<'_>, node: &Node) -> Wording {
    let Some(mut fields) = source.map(node, "failure") else { return Wording::default() };
    let mut names = Names::new(RESPONSE_ROOTS);
    let wording = wording(source, &mut fields, "failure", &mut names);
    fields.finish(source);
    wording
}

fn wording(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    names: &mut Names<'_>,
) -> Wording {
    let mut read = |name: &'static str| {
        let node = fields.take(name)?;
        names.template(source, node, &format!("{path}.{name}"))
    };
    Wording { code: read("code"), message: read("message"), hint: read("hint") }
}
