//! Actions and their calls.

use std::sync::Arc;

use postroom_core::problem::{self, Problem};
use postroom_core::yaml::{Fields, Node, Source};
use postroom_expr::{Mapping, Template};
use serde_json::Value;

use super::names::Names;
use super::{bad, becomes, choice, identifier, line, reading, record, request, rules};
use crate::adapter::{Action, Call, Idempotency, Provider, RecordedFailure};
use crate::lookup::RecordedLookup;
use crate::scope::{PAGE_ROOTS, PAGED_ROOTS, REQUEST_ROOTS, RESPONSE_ROOTS, SANDBOX_ROOTS};

/// The most calls an action may make.
const MAX_CALLS: usize = 32;

/// Reads all actions.
pub(super) fn list(
    source: &mut Source<'_>,
    node: &Node,
    provider: &Arc<Provider>,
) -> Vec<Arc<Action>> {
    let Some(items) = source.list(node, "actions") else { return Vec::new() };
    let mut actions: Vec<(usize, Arc<Action>)> = Vec::new();
    for index in becomes::order(items) {
        let (node, path) = (&items[index], format!("actions[{index}]"));
        let Some(fields) = source.map(node, &path) else { continue };
        let others = (items, actions.as_slice());
        let Some(action) = action(source, fields, &path, provider, others) else { continue };
        let twice = actions
            .iter()
            .any(|(_, other)| other.name == action.name && other.version == action.version);
        if twice {
            let detail = format!("`{}@{}` stands twice", action.name, action.version);
            source.report(Problem::new(&problem::DUPLICATE_NAME, detail), node.at);
        }
        actions.push((index, Arc::new(action)));
    }
    actions.sort_by_key(|(index, _)| *index);
    becomes::instead(source, &provider.name, (items, &actions));
    actions.into_iter().map(|(_, action)| action).collect()
}

fn action(
    source: &mut Source<'_>,
    mut fields: Fields<'_>,
    path: &str,
    provider: &Arc<Provider>,
    others: (&[Node], &[(usize, Arc<Action>)]),
) -> Option<Action> {
    let at = |name: &str| format!("{path}.{name}");
    let name =
        fields.need(source, "action").and_then(|node| identifier(source, node, &at("action")));
    let version = fields
        .need(source, "version")
        .and_then(|node| source.int(node, &at("version"), 1, 1_000_000));
    let summary =
        fields.need(source, "summary").and_then(|node| line(source, node, &at("summary")));
    let input = fields
        .need(source, "input")
        .map(|node| crate::schema::read(source, node, &at("input")))
        .unwrap_or(Value::Null);
    let output = fields
        .need(source, "output")
        .map(|node| crate::schema::read(source, node, &at("output")))
        .unwrap_or(Value::Null);
    let destructive = fields
        .take("destructive")
        .map_or(Some(false), |node| source.bool(node, &at("destructive")));
    let deprecated = fields.take("deprecated");
    let deprecated = deprecated.map(|node| becomes::deprecated(source, node, &at("deprecated")));
    let becomes = fields.take("becomes").map(|node| {
        let (name, version) = (name.as_deref().unwrap_or_default(), version.unwrap_or(1));
        let old = becomes::Older { name, version, input: &input, output: &output };
        becomes::becomes(source, node, &at("becomes"), &old, others)
    });
    let own = match becomes {
        Some(_) => Own::default(),
        None => own(source, &mut fields, path, (provider, &input, name.as_deref())),
    };
    let Own { calls, returns, failures, lookups } = own;
    let example = fields
        .take("example")
        .and_then(|node| record::example(source, node, &at("example"), &calls));
    fields.finish(source);
    let becomes = becomes.map_or(Some(None), |read| read.map(Some))?;
    let performed = becomes.as_ref().map(|becomes| &becomes.action);
    Some(Action {
        adapter: provider.name.clone(),
        name: name?,
        version: u32::try_from(version?).unwrap_or(1),
        summary: summary?,
        input,
        output,
        destructive: destructive? || performed.is_some_and(|action| action.destructive),
        deprecated: deprecated.map_or(Some(None), |read| read.map(Some))?,
        becomes,
        calls,
        example,
        failures,
        lookups,
        returns,
        provider: Arc::clone(provider),
    })
}

/// What an action has that makes its calls itself.
#[derive(Default)]
struct Own {
    calls: Vec<Call>,
    returns: Option<Mapping>,
    failures: Vec<RecordedFailure>,
    lookups: Vec<RecordedLookup>,
}

fn own(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    (provider, input, name): (&Provider, &Value, Option<&str>),
) -> Own {
    let at = |name: &str| format!("{path}.{name}");
    let mut reader = Calls { provider, input, ids: Vec::new(), calls: Vec::new() };
    match fields.take("calls") {
        Some(node) => reader.list(source, node, &at("calls")),
        None => {
            let id = name.unwrap_or_default().to_owned();
            reader.call(source, fields, path, id);
        }
    }
    let Calls { ids, calls, .. } = reader;
    let within = Some((ids.as_slice(), input));
    let mut names = Names::new(REQUEST_ROOTS).within(within);
    let returns = fields.take("return");
    if returns.is_none() && calls.len() != 1 {
        let detail = format!("`{}` is missing: it says what the output is", at("return"));
        source.report(Problem::new(&problem::MISSING_KEY, detail), fields.at);
    }
    let returns = returns.map(|node| names.mapping(source, node));
    let failures = fields
        .take("failures")
        .map(|node| record::failures(source, node, &at("failures"), &calls))
        .unwrap_or_default();
    let lookups = fields.take("lookups");
    let lookups = lookups.map(|node| record::lookups(source, node, &at("lookups"), &calls));
    let lookups = lookups.unwrap_or_default();
    Own { calls, returns, failures, lookups }
}

/// Calls being read: each may read the results of those before it.
struct Calls<'a> {
    provider: &'a Provider,
    input: &'a Value,
    ids: Vec<String>,
    calls: Vec<Call>,
}

impl Calls<'_> {
    fn list(&mut self, source: &mut Source<'_>, node: &Node, path: &str) {
        let Some(items) = source.list(node, path) else { return };
        if items.len() > MAX_CALLS {
            let detail = format!("`{path}` has more than {MAX_CALLS} calls");
            source.report(Problem::new(&problem::OUT_OF_RANGE, detail), node.at);
            return;
        }
        for (index, node) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(mut fields) = source.map(node, &path) else { continue };
            let id = fields
                .need(source, "id")
                .and_then(|node| identifier(source, node, &format!("{path}.id")));
            if id.as_ref().is_some_and(|id| self.ids.contains(id)) {
                let detail =
                    format!("two calls are called `{}`", id.as_deref().unwrap_or_default());
                source.report(Problem::new(&problem::DUPLICATE_NAME, detail), node.at);
            }
            self.call(source, &mut fields, &path, id.unwrap_or_default());
            fields.finish(source);
        }
    }

    /// Reads a call out of its own mapping, or out of the action that makes no other.
    fn call(&mut self, source: &mut Source<'_>, fields: &mut Fields<'_>, path: &str, id: String) {
        let within = Some((self.ids.as_slice(), self.input));
        let pages = fields.take("pages");
        let (asks, answers) = match pages {
            Some(_) => (PAGE_ROOTS, PAGED_ROOTS),
            None => (REQUEST_ROOTS, RESPONSE_ROOTS),
        };
        let mut asked = Names::new(asks).within(within);
        let mut answered = Names::new(answers).within(within);
        let mut made_up = Names::new(SANDBOX_ROOTS).within(within);
        let condition =
            fields.take("if").map(|node| asked.condition(source, node, &format!("{path}.if")));
        let native = fields.take("native");
        let native = native
            .map(|node| choice(source, node, &format!("{path}.native"), &[("smtp", ())]).is_some());
        let node = fields.need(source, "request");
        let request = node.and_then(|node| {
            let path = format!("{path}.request");
            match native {
                None => request::read(source, node, &path, self.provider, &mut asked),
                Some(known) => request::native(source, node, &path, &mut asked).filter(|_| known),
            }
        });
        let key_read = asked.key_read || self.provider.key_header.is_some();
        let method = request.as_ref().map(|request| &request.method);
        let idempotency = idempotency(source, fields, path, method, key_read, &mut asked);
        let result = fields.take("result").map(|node| answered.mapping(source, node));
        let rules = fields
            .take("errors")
            .map(|node| rules::list(source, node, &format!("{path}.errors"), within))
            .unwrap_or_default();
        let sandbox = fields.take("sandbox").map(|node| made_up.mapping(source, node));
        let at = |part: &str| format!("{path}.{part}");
        let pages = pages
            .map(|node| reading::pages(source, node, &at("pages"), idempotency.as_ref(), within));
        let lookup = fields.take("lookup").map(|node| {
            let repeats = idempotency.as_ref();
            reading::lookup(source, node, &at("lookup"), self.provider, repeats, within)
        });
        let condition = condition.map_or(Some(None), |found| found.map(Some));
        self.ids.push(id.clone());
        let (Some(request), Some((idempotency, by_input)), Some(condition)) =
            (request, idempotency, condition)
        else {
            return;
        };
        self.calls.push(Call {
            id,
            idempotency,
            by_input,
            condition,
            request,
            result,
            rules,
            sandbox,
            pages: pages.flatten(),
            lookup: lookup.flatten(),
        });
    }
}

/// What repeating a call does. Only a literal GET or HEAD need not say.
fn idempotency(
    source: &mut Source<'_>,
    fields: &mut Fields<'_>,
    path: &str,
    method: Option<&Template>,
    key_read: bool,
    names: &mut Names<'_>,
) -> Option<(Idempotency, Option<Template>)> {
    let path = format!("{path}.idempotency");
    let Some(node) = fields.take("idempotency") else {
        let method = method?.source();
        if ["GET", "HEAD"].contains(&method) {
            return Some((Idempotency::Read, None));
        }
        let detail = format!("`{path}` is missing: what happens when this call is made twice?");
        let hint = "`key` if the provider honours an idempotency key, `natural` if repeating has \
                    no further effect, `read` if it changes nothing, else `none`";
        source.report(Problem::new(&problem::MISSING_KEY, detail).hint(hint), fields.at);
        return None;
    };
    let template = names.template(source, node, &path)?;
    if !template.is_literal() {
        return Some((Idempotency::None, Some(template)));
    }
    let table = Idempotency::ALL.map(|idempotency| (idempotency.word(), idempotency));
    let found = choice(source, node, &path, &table)?;
    if found == Idempotency::Key && !key_read {
        let detail = format!("`{path}` is `key`, but no key is sent");
        let hint = "name the header in `key_header`, or put `${{ key }}` into the request";
        bad(source, node, detail, Some(hint.to_owned()));
    }
    Some((found, None))
}
