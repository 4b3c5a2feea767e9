//! The schemas are true: what is right passes, what is wrong does not, and every mapping has the
//! keys its parser asks for, no more and no fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use boon::{Compiler, SchemaIndex, Schemas};
use postroom_adapters::Catalog;
use postroom_core::definition::{Defaults, Stored};
use postroom_core::run::RunState;
use postroom_core::yaml::{Source, to_json};
use postroom_core::{Problem, parse, problem};
use postroom_engine::Project;
use serde_json::Value;

use super::*;
use crate::commands::init;
use crate::{config, fixture};

const WORKFLOW: &str = include_str!("../../schemas/specimens/workflow.yaml");
const SPECIMENS: &[(FileKind, &str)] = &[
    (FileKind::Workflow, WORKFLOW),
    (FileKind::Config, include_str!("../../schemas/specimens/config.yaml")),
    (FileKind::Test, include_str!("../../schemas/specimens/test.yaml")),
    (FileKind::Adapter, include_str!("../../schemas/specimens/adapter.yaml")),
];

/// A key that no parser knows and that is near to none.
const STRANGER: &str = "qqqqqqqqqqqqqqqqqqqq";

fn schema(kind: FileKind) -> Value {
    let found = ALL.iter().find(|schema| schema.kind == kind).unwrap();
    serde_json::from_str(found.text).unwrap()
}

/// What a JSON Schema validator says.
struct Oracle {
    schemas: Schemas,
    by_kind: Vec<(FileKind, SchemaIndex)>,
}

impl Oracle {
    fn new() -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        let mut compile = |known: &Schema| {
            let address = format!("https://postroom.test/{}", known.file());
            compiler.add_resource(&address, schema(known.kind)).unwrap();
            (known.kind, compiler.compile(&address, &mut schemas).unwrap())
        };
        let by_kind = ALL.iter().map(&mut compile).collect();
        Self { schemas, by_kind }
    }

    fn check(&self, kind: FileKind, value: &Value) -> Result<(), String> {
        let (_, index) = self.by_kind.iter().find(|(known, _)| *known == kind).unwrap();
        self.schemas.validate(value, *index).map_err(|error| format!("{error:#}"))
    }
}

/// The documents of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    let read = |part: &str| to_json(&Source::new("a.yaml", part).parse().unwrap());
    text.split("\n---\n").map(read).collect()
}

/// What our parser says.
fn parsed(kind: FileKind, text: &str) -> Result<(), Vec<Problem>> {
    match kind {
        FileKind::Workflow => workflow(text).map(drop),
        FileKind::Config => {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("postroom.yaml");
            std::fs::write(&file, text).unwrap();
            config::load(Some(&file)).map(drop)
        }
        FileKind::Test => {
            let catalog = Arc::new(Catalog::builtin());
            let workflows = vec![workflow(WORKFLOW).unwrap()];
            let project = Project::new(workflows, catalog, BTreeMap::new()).unwrap();
            fixture::read(Path::new("t.yaml"), "t.yaml", text, &project).map(drop)
        }
        FileKind::Adapter => Catalog::default().add("a.yaml", text),
    }
}

fn workflow(text: &str) -> Result<(Stored, postroom_core::Workflow), Vec<Problem>> {
    let (file, text) = ("w.yaml".to_owned(), text.to_owned());
    let stored = Stored { v: 1, file, text, defaults: Defaults::default(), first_seen_ms: None };
    let workflow = parse::workflow(&stored)?;
    Ok((stored, workflow))
}

/// Which kind of file a document of ours is, by its first key.
fn kind_of(document: &Value) -> FileKind {
    let has = |key: &str| document.get(key).is_some();
    match () {
        () if has("workflow") && has("on") => FileKind::Workflow,
        // A manifest may say how connections are tested.
        () if has("adapter") => FileKind::Adapter,
        () if has("test") => FileKind::Test,
        () => FileKind::Config,
    }
}

/// Every YAML file of the repository that people may take for a model.
fn models() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = [
        "crates/adapters/manifests",
        "crates/postroom/builtin",
        "crates/postroom/templates",
        "examples/invoice",
        "examples/invoice/tests",
        "examples/onboarding",
        "examples/onboarding/tests",
        "examples/onboarding/workflows",
        "examples/orders",
        "examples/orders/tests",
        "examples/orders/workflows",
    ];
    let mut found = Vec::new();
    for folder in folders {
        let files = crate::files::of(&root.join(folder), &["yaml"], &mut Vec::new());
        assert!(!files.is_empty(), "{folder} has gone");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            found.push((file.display().to_string(), text));
        }
    }
    // Whole files within pages.
    for page in ["README.md", "docs/adapters.md", "docs/tests.md", "docs/flow.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let whole = |block: &&str| {
            let kinds =
                [("workflow:", "\nsteps:"), ("test:", "\nevent:"), ("adapter:", "\nactions:")];
            let first = block.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
            let has = |(key, other): (&str, &str)| first.starts_with(key) && block.contains(other);
            // An ellipsis stands for what is left out.
            kinds.into_iter().any(has) && !block.contains("[...]")
        };
        found.extend(blocks.filter(whole).map(|block| (page.to_owned(), block.to_owned())));
    }
    found
}

#[test]
fn what_is_right_passes() {
    let oracle = Oracle::new();
    let written = init::files().into_iter().filter(|(name, _)| name.ends_with(".yaml"));
    let written = written.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut seen = BTreeMap::new();
    for (file, text) in models().into_iter().chain(written) {
        for document in documents(&text) {
            let kind = kind_of(&document);
            oracle.check(kind, &document).unwrap_or_else(|why| panic!("{file}: {why}"));
            *seen.entry(format!("{kind:?}")).or_insert(0) += 1;
        }
    }
    assert!(seen.len() == ALL.len() && seen.values().all(|count| *count >= 3), "{seen:?}");
    for (kind, text) in SPECIMENS {
        oracle.check(*kind, &documents(text)[0]).unwrap_or_else(|why| panic!("{kind:?}: {why}"));
        parsed(*kind, text).unwrap_or_else(|found| panic!("{kind:?}: {found:?}"));
    }
    oracle.check(FileKind::Config, &Value::Null).unwrap();
    parsed(FileKind::Config, "").unwrap();
}

/// A workflow with these keys more.
fn flow(rest: &str) -> String {
    format!("{{workflow: w, on: [{{event: A}}], {rest}}}")
}

/// A workflow whose one step has these keys more.
fn step(rest: &str) -> String {
    flow(&format!("steps: [{{id: a, {rest}}}]"))
}

/// An adapter whose one action has these keys more.
fn action(rest: &str) -> String {
    format!(
        "{{adapter: a, title: A, docs: 'docs/a.md', base_url: 'https://a.example', actions: \
         [{{action: b, version: 1, summary: B, input: {{}}, output: {{}}, {rest}}}]}}"
    )
}

const GET: &str = "request: {method: GET, path: /a}";

/// What neither a parser nor a schema may take: unknown keys, wrong types and values.
fn misspelt() -> Vec<(FileKind, String)> {
    use FileKind::{Adapter, Config, Test, Workflow};
    let get = GET;
    vec![
        // Unknown keys.
        (Workflow, step("uses: local/echo, wiht: {}")),
        (Workflow, flow("steps: [], trigger: a")),
        (Config, "{queue: {concurency: 1}}".to_owned()),
        (Config, "{adapters: [{name: a, provider: stripe, endpiont: /a}]}".to_owned()),
        (Test, "{test: a, event: {type: A, payload: {}}}".to_owned()),
        (Test, "{test: a, event: {type: A}, expect: {request: []}}".to_owned()),
        (Test, "{test: a, event: {type: A}, answers: {call: {fial: 500}}}".to_owned()),
        (Adapter, action(&format!("{get}, exampel: {{}}"))),
        (Adapter, action("request: {method: GET, path: /a, jsno: {}}")),
        (Adapter, action(&format!("{get}, input: {{patern: a}}")).replacen("input: {}, ", "", 1)),
        // Wrong types and values.
        (Workflow, step("uses: echo")),
        (Workflow, step("uses: local/echo, timeout: 30")),
        (Workflow, step("uses: local/echo, retry: {attempts: 0}")),
        (Workflow, step("uses: local/echo, retry: {backoff: linear}")),
        (Workflow, step("uses: local/echo, needs: a")),
        (Workflow, step("uses: local/echo, with: [1]")),
        (Workflow, flow("steps: {id: a}")),
        (Workflow, flow("steps: [{id: return, emit: B}]")),
        (Workflow, step("wait: soon")),
        (Workflow, flow("steps: [], priority: high")),
        (Workflow, flow("steps: [], concurrency: {key: a, when_full: wait}")),
        (Workflow, flow("steps: [], throttle: {limit: 0, per: 1m}")),
        (Workflow, step("wait: {event: B, timeout: 3}")),
        (Workflow, step("wait: {event: B, timeout: soon}")),
        (Workflow, step("approve: {ask: a, default: perhaps}")),
        (Workflow, step("call: b, await: never")),
        (Workflow, step("emit: B, each: [1], concurrency: 0")),
        (Workflow, "{workflow: w, on: me, steps: []}".to_owned()),
        (Test, "{test: a, event: {type: A}, answers: {ask: {approved: maybe}}}".to_owned()),
        (Config, "{queue: {concurrency: many}}".to_owned()),
        (Config, "{server: {maxBodyBytes: 1}}".to_owned()),
        (Config, "{observability: {logging: {format: xml}}}".to_owned()),
        (Config, "{dev: {sandbox: often}}".to_owned()),
        (Config, "[]".to_owned()),
        (Test, "{test: 1, event: {type: A}}".to_owned()),
        (Test, "{test: a, event: {type: A}, answers: {call: {lost: never}}}".to_owned()),
        (Test, "{test: a, event: {type: A}, expect: {requests: {}}}".to_owned()),
        (Adapter, action("request: {method: FETCH, path: /a}")),
        (Adapter, action(get).replace("version: 1", "version: one")),
        (
            Adapter,
            action(&format!("{get}, output: {{type: strng}}")).replacen("output: {}, ", "", 1),
        ),
    ]
}

/// The same: missing keys, and keys that exclude each other.
fn incomplete() -> Vec<(FileKind, String)> {
    use FileKind::{Adapter, Config, Test, Workflow};
    let get = GET;
    vec![
        (Workflow, "{workflow: w, steps: []}".to_owned()),
        (Workflow, step("with: {}")),
        (Workflow, step("uses: local/echo, emit: B")),
        (Workflow, step("emit: B, retry: {attempts: 2}")),
        (Workflow, step("uses: local/echo, key: a")),
        (Workflow, step("uses: local/echo, await: true")),
        (Workflow, step("call: b, retry: {attempts: 2}")),
        (Workflow, step("wait: 3d, with: {}")),
        (Workflow, step("wait: 3d, each: [1]")),
        (Workflow, step("wait: {event: B}")),
        (Workflow, flow("steps: [], debounce: {at_most: 1m}")),
        (Workflow, flow("steps: [], throttle: {limit: 1}")),
        (Workflow, flow("steps: [], dedupe: {window: 1d}")),
        (Workflow, step("wait: {until: a, timeout: 3d}")),
        (Workflow, step("wait: {}")),
        (Workflow, step("approve: {timeout: 3d}")),
        (Workflow, step("approve: a, timeout: 3d")),
        (Workflow, step("emit: B, concurrency: 2")),
        (Test, "{test: a, event: {type: A}, later: [{type: B}]}".to_owned()),
        (Test, "{test: a, event: {type: A}, answers: {ask: {by: ann}}}".to_owned()),
        (Workflow, flow("steps: [], concurrency: {limit: 1}")),
        (Config, "{connections: {a: {baseUrl: b}}}".to_owned()),
        (Config, "{adapters: [{provider: stripe}]}".to_owned()),
        (Test, "{event: {type: A}}".to_owned()),
        (Test, "{test: a, event: {data: {}}}".to_owned()),
        (Test, "{test: a, event: {type: A}, answers: {call: {times: 2}}}".to_owned()),
        (Adapter, action("idempotency: none")),
        (Adapter, action(get).replace("title: A, ", "")),
        (Adapter, action("request: {method: GET, path: /a, url: b}")),
        (Adapter, action(&format!("{get}, calls: []"))),
    ]
}

#[test]
fn what_is_wrong_does_not() {
    let oracle = Oracle::new();
    for (kind, sound) in [
        (FileKind::Workflow, step("uses: local/echo")),
        (FileKind::Adapter, action(GET)),
        (FileKind::Test, "{test: a, event: {type: A}}".to_owned()),
        (FileKind::Config, "{queue: {concurrency: 1}}".to_owned()),
    ] {
        oracle.check(kind, &documents(&sound)[0]).unwrap_or_else(|why| panic!("{sound}: {why}"));
        parsed(kind, &sound).unwrap_or_else(|found| panic!("{sound}: {found:?}"));
    }
    for (kind, text) in misspelt().into_iter().chain(incomplete()) {
        assert!(parsed(kind, &text).is_err(), "the parser takes {kind:?} {text}");
        let document = &documents(&text)[0];
        assert!(oracle.check(kind, document).is_err(), "the schema takes {kind:?} {text}");
    }
}

/// Keys of a mapping, by where its schema stands in the document.
type Keys = BTreeMap<String, BTreeSet<String>>;

/// A schema and where it stands.
type Placed<'s> = (String, &'s Value);

/// What a schema is at one place: itself, what it refers to, and its alternatives.
fn expand<'s>(root: &'s Value, (at, schema): Placed<'s>, found: &mut Vec<Placed<'s>>) {
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = pointer.strip_prefix('#').unwrap();
        let target = root.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
        expand(root, (pointer.to_owned(), target), found);
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        let parts = schema.get(word).and_then(Value::as_array).into_iter().flatten();
        for (index, part) in parts.enumerate() {
            expand(root, (format!("{at}/{word}/{index}"), part), found);
        }
    }
    found.push((at, schema));
}

/// The schemas of a value below another.
fn below<'s>(schemas: &[Placed<'s>], key: Option<&str>) -> Vec<Placed<'s>> {
    let mut found = Vec::new();
    for (at, schema) in schemas {
        let word = match key {
            None => "items",
            Some(key) if schema.get("properties").is_some_and(|all| all.get(key).is_some()) => {
                let at = format!("{at}/properties/{key}");
                found.push((at, &schema["properties"][key]));
                continue;
            }
            Some(_) => "additionalProperties",
        };
        found.extend(schema.get(word).map(|schema| (format!("{at}/{word}"), schema)));
    }
    found
}

/// A mapping that allows no other keys than those it lists.
fn closed(schema: &Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
}

/// A schema that says nothing of a value, but perhaps something to a reader.
fn takes_anything(schema: &Value) -> bool {
    let said = schema.as_object();
    said.is_none_or(|said| said.keys().all(|word| word == "description"))
}

/// Visits every mapping of a document, with the schemas it has there.
fn walk<'s>(
    root: &'s Value,
    schemas: &[Placed<'s>],
    value: &Value,
    pointer: &str,
    visit: &mut impl FnMut(&str, &[Placed<'s>]),
) {
    let mut all = Vec::new();
    schemas.iter().for_each(|placed| expand(root, placed.clone(), &mut all));
    match value {
        Value::Object(entries) => {
            visit(pointer, &all);
            for (key, value) in entries {
                let inner = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                walk(root, &below(&all, Some(key)), value, &inner, visit);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(root, &below(&all, None), value, &format!("{pointer}/{index}"), visit);
            }
        }
        _ => {}
    }
}

/// The keys that the parser asks a mapping for, told because it holds one it does not know.
fn asked_for(kind: FileKind, specimen: &Value, pointer: &str) -> Option<BTreeSet<String>> {
    let mut changed = specimen.clone();
    let mapping = changed.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
    mapping.insert(STRANGER.to_owned(), Value::Bool(true));
    let problems = parsed(kind, &changed.to_string()).err().unwrap_or_default();
    let stranger =
        |found: &&Problem| found.kind == &problem::UNKNOWN_KEY && found.detail.contains(STRANGER);
    let found = problems.iter().find(stranger)?;
    let (_, known) = found.hint.as_deref()?.split_once(" here: ")?;
    Some(known.split(", ").map(str::to_owned).collect())
}

/// Words of JSON Schema that contracts may hold although they enforce nothing; the parser's hint
/// names those that are enforced.
const ANNOTATIONS: [&str; 5] = ["title", "description", "examples", "format", "deprecated"];

/// Every closed mapping of a schema and the keys it lists.
fn listed(schema: &Value, at: &str, found: &mut Keys) {
    if let (true, Some(properties)) = (closed(schema), schema.get("properties")) {
        let keys = properties.as_object().unwrap().keys().cloned().collect();
        found.insert(at.to_owned(), keys);
    }
    match schema {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, value)| listed(value, &format!("{at}/{key}"), found));
        }
        Value::Array(items) => {
            let each = |(n, value): (usize, &Value)| listed(value, &format!("{at}/{n}"), found);
            items.iter().enumerate().for_each(each);
        }
        _ => {}
    }
}

#[test]
fn every_mapping_has_the_keys_its_parser_asks_for() {
    for (kind, text) in SPECIMENS {
        let (root, specimen) = (schema(*kind), documents(text).remove(0));
        let mut asked = Keys::new();
        let mut visit = |pointer: &str, schemas: &[Placed<'_>]| {
            // Of several alternatives the one that has the keys of the specimen.
            let here = specimen.pointer(pointer).and_then(Value::as_object).unwrap();
            let fits = |schema: &Value| {
                let known = schema.get("properties").and_then(Value::as_object);
                closed(schema) && here.keys().all(|key| known.is_some_and(|k| k.contains_key(key)))
            };
            let mut own: Vec<&str> =
                schemas.iter().filter(|(_, s)| fits(s)).map(|(at, _)| at.as_str()).collect();
            // Two alternatives may refer to the same mapping.
            own.dedup();
            match (asked_for(*kind, &specimen, pointer), own.as_slice()) {
                (Some(keys), [at]) => asked.entry((*at).to_owned()).or_default().extend(keys),
                (None, []) => {}
                // One alternative is a mapping of ours, another takes whatever is there.
                (None, _) if schemas.iter().any(|(_, schema)| takes_anything(schema)) => {}
                (keys, at) => panic!(
                    "{kind:?} {pointer}: the parser asks for {keys:?}, which stand in {at:?}"
                ),
            }
        };
        walk(&root, &[(String::new(), &root)], &specimen, "", &mut visit);
        if *kind == FileKind::Adapter {
            let contract = asked.get_mut("/$defs/contract").unwrap();
            contract.extend(ANNOTATIONS.map(str::to_owned));
        }
        let mut in_schema = Keys::new();
        listed(&root, "", &mut in_schema);
        for (at, keys) in &in_schema {
            let Some(asked) = asked.get(at) else {
                panic!("{kind:?}: the specimen has no {at}, so that nothing checks its keys")
            };
            assert_eq!(keys, asked, "{kind:?} {at}: left the schema, right the parser");
        }
        assert_eq!(in_schema.len(), asked.len(), "{kind:?}");
    }
}

#[test]
fn states_are_those_of_runs() {
    let states: Vec<&str> = RunState::ALL.iter().map(|state| state.name()).collect();
    let test = schema(FileKind::Test);
    assert_eq!(test.pointer("/$defs/run/properties/state/enum").unwrap(), &Value::from(states));
}

#[test]
fn a_file_that_init_writes_names_the_schema_that_is_written_with_it() {
    let files: BTreeMap<&str, &str> = init::files().into_iter().collect();
    let mut kinds = BTreeSet::new();
    for (name, text) in &files {
        let first = text.lines().next().unwrap_or_default();
        let Some(path) = first.strip_prefix("# yaml-language-server: $schema=") else { continue };
        let folder = Path::new(name).parent().unwrap();
        let path = folder.join(path).display().to_string().replace("workflows/../", "");
        let path = path.replace("tests/../", "");
        let found = ALL.iter().find(|schema| path == schema.path);
        let found = found.unwrap_or_else(|| panic!("{name} names {path}"));
        assert_eq!(found.kind, kind_of(&documents(text)[0]), "{name}");
        assert_eq!(files.get(path.as_str()), Some(&found.text), "{path} is not written");
        kinds.insert(found.file());
    }
    assert_eq!(kinds.len(), 3, "{kinds:?}");
}
