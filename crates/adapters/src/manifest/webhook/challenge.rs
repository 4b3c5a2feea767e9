//! The challenges of a `webhook`, and fixed answers.

use postroom_core::yaml::{Node, Source};

use super::super::names::Names;
use super::super::{bad, choice, credential, optional};
use super::scheme::Base;
use crate::scope::{ANSWER_ROOTS, CHALLENGE_ROOTS};
use crate::webhook::{Challenge, Content, Proof, Reply};

pub(super) fn all(source: &mut Source<'_>, node: &Node, base: &Base<'_>) -> Option<Vec<Challenge>> {
    let path = format!("{}.challenges", base.path);
    let nodes = source.list(node, &path)?;
    let mut challenges = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        challenges.push(challenge(source, node, &format!("{path}[{index}]"), base));
    }
    challenges.into_iter().collect()
}

fn challenge(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    base: &Base<'_>,
) -> Option<Challenge> {
    let mut fields = source.map(node, path)?;
    let method = fields.take("method").map_or(Some("POST"), |node| {
        choice(source, node, &format!("{path}.method"), &[("POST", "POST"), ("GET", "GET")])
    });
    let mut names = Names::new(CHALLENGE_ROOTS);
    let when = fields.need(source, "when");
    let when = when.and_then(|node| names.condition(source, node, &format!("{path}.when")));
    let unsigned = fields.take("unsigned");
    let unsigned = unsigned.and_then(|node| source.bool(node, &format!("{path}.unsigned")));
    let mut template = |name: &'static str| {
        let node = fields.take(name)?;
        Some(names.template(source, node, &format!("{path}.{name}")))
    };
    let (token, hmac, keep) = (template("token"), template("hmac"), template("keep"));
    let named = fields
        .take("credential")
        .map(|node| credential(source, node, &format!("{path}.credential"), base.credentials));
    let answer = fields.need(source, "answer");
    let roots = if hmac.is_some() { ANSWER_ROOTS } else { CHALLENGE_ROOTS };
    let answer = answer.and_then(|node| reply(source, node, &format!("{path}.answer"), roots));
    fields.finish(source);
    let (method, unsigned) = (method?, unsigned.unwrap_or(false));
    let wrong = [
        (token.is_some() != named.is_some(), "needs both `token` and `credential`, or neither"),
        (
            (method == "GET") != token.is_some(),
            "needs `token` if it is a GET, and only then: a GET is not signed",
        ),
        (unsigned && hmac.is_some(), "must not answer with `hmac` what anybody may ask"),
        (unsigned && method == "GET", "is `unsigned`, but shows a token"),
        (keep.is_some() != unsigned, "needs both `unsigned` and `keep`, or neither"),
    ];
    for (_, what) in wrong.iter().filter(|(wrong, _)| *wrong) {
        bad(source, node, format!("`{path}` {what}"), None);
    }
    let flat = |found: Option<Option<_>>| found.map_or(Some(None), |found| found.map(Some));
    let proof = match (token, named) {
        (Some(token), Some(named)) => Proof::Token(named?.name.clone(), token?),
        _ if unsigned => Proof::None,
        _ => Proof::Signature,
    };
    Some(Challenge {
        method,
        when: when?,
        proof,
        hmac: flat(hmac)?,
        keep: flat(keep)?,
        answer: answer?,
    })
}

/// What is answered: a status, and text or JSON.
pub(super) fn reply(
    source: &mut Source<'_>,
    node: &Node,
    path: &str,
    roots: &[&str],
) -> Option<Reply> {
    let mut fields = source.map(node, path)?;
    let mut names = Names::new(roots);
    let status = fields
        .take("status")
        .map_or(Some(200), |node| source.int(node, &format!("{path}.status"), 200, 299));
    let text = fields.take("text");
    let text = text.map(|node| names.template(source, node, &format!("{path}.text")));
    let kind = optional(source, &mut fields, "type");
    let json = fields.take("json").map(|node| names.mapping(source, node));
    fields.finish(source);
    if kind.is_some() && text.is_none() {
        bad(source, node, format!("`{path}.type` is the type of `text`, which is missing"), None);
    }
    let content = match (text, json) {
        (None, None) => Content::Empty,
        (Some(text), None) => {
            Content::Text(text?, kind.unwrap_or_else(|| "text/plain; charset=utf-8".to_owned()))
        }
        (None, Some(json)) => Content::Json(json),
        (Some(_), Some(_)) => {
            bad(source, node, format!("`{path}` has both `text` and `json`"), None);
            return None;
        }
    };
    Some(Reply { status: u16::try_from(status?).unwrap_or(200), content })
}
