//! From files to a checked project: workflows, own adapters, connections, sources.

mod against;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use postroom_adapters::{Adapter, Catalog, RateLimit};
use postroom_core::definition::{Mode, Stored, Workflow};
use postroom_core::typecheck::Contracts;
use postroom_core::yaml::{Node, Source, Value};
use postroom_core::{Problem, parse, problem, schema, typecheck};
use postroom_engine::source::Takes;
use postroom_engine::{Connection, Project, Source as Intake};
use postroom_expr::Type;

use crate::config::{Config, ConnectionEntry, Loaded, Spot, read};
use crate::contracts::Schemas;
use crate::lints::Lints;
use crate::secrets::Keeper;
use crate::{contracts, files, intake};

pub(crate) use against::{Held, against};

/// Workflows that come with an `adapters` entry of a provider, with the schema of their event.
const BUILTIN: &[(&str, &str, &str, &str)] = &[(
    "stripe",
    "builtin/stripe.yaml",
    include_str!("../builtin/stripe.yaml"),
    include_str!("../builtin/CREATE_STRIPE_INVOICE.json"),
)];

pub(crate) const YAML: &[&str] = &["yaml", "yml"];

/// A workflow that was read, its stored form, and the tree of its file.
struct Defined {
    stored: Stored,
    workflow: Workflow,
    root: Node,
}

/// What reading and checking everything came to.
pub(crate) struct Examined {
    /// What an engine and a server are built from, unless there are problems.
    pub assembled: Option<Assembled>,
    /// What is wrong, by file and line.
    pub problems: Vec<Problem>,
    /// Reads of something of which nothing is known, by file and line.
    pub untyped: Vec<Problem>,
    /// What works and is most likely not meant so, by file and line.
    pub lints: Vec<Problem>,
    /// How many expressions were typed.
    pub expressions: usize,
}

/// Everything an engine and a server are built from.
pub(crate) struct Assembled {
    /// The checked project.
    pub project: Project,
    /// Where events come in.
    pub sources: Vec<Arc<Intake>>,
    /// Where its credentials come from.
    pub secrets: Keeper,
    /// What has to be said, one sentence each.
    pub notes: Vec<String>,
}

/// Reads and checks everything the configuration refers to.
///
/// # Errors
/// Every problem in every file.
pub(crate) fn assemble(loaded: &Loaded) -> Result<Assembled, Vec<Problem>> {
    let Examined { assembled, problems, lints, .. } = examine(loaded);
    let mut assembled = assembled.ok_or(problems)?;
    assembled.notes.extend(lints.iter().map(ToString::to_string));
    Ok(assembled)
}

/// A file of workflows as it would be.
pub(crate) struct Changed<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// Its text.
    pub text: &'a str,
}

/// Whether a workflow's file is none of the project's, because it comes with Postroom.
pub(crate) fn is_builtin(file: &str) -> bool {
    BUILTIN.iter().any(|(_, known, ..)| *known == file)
}

/// Reads and checks everything the configuration refers to, and says all that it learned.
pub(crate) fn examine(loaded: &Loaded) -> Examined {
    examine_with(loaded, None)
}

/// The same as if a file were as it is not yet.
pub(crate) fn examine_changed(loaded: &Loaded, changed: &Changed<'_>) -> Examined {
    examine_with(loaded, Some(changed))
}

fn examine_with(loaded: &Loaded, changed: Option<&Changed<'_>>) -> Examined {
    let config = &loaded.config;
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let folder = loaded.folder.join(&config.adapters);
    let catalog = catalog(&folder, &loaded.folder, &mut problems);
    let connections = connections(config, &loaded.folder, &catalog, &mut problems);
    let sources = intake::sources(config, &catalog, &mut problems);
    let complete = problems.is_empty();
    let folder = loaded.folder.join(&config.workflows);
    let mut workflows = workflows(&folder, loaded, changed, &mut problems);
    let Schemas { types: mut events, marked } = contracts::events(&loaded.folder, &mut problems);
    builtin(config, &mut workflows, &mut events, &mut notes, &mut problems);
    let read: Vec<&Workflow> = workflows.iter().map(|defined| &defined.workflow).collect();
    notes.extend(contracts::unused(events.keys(), &read));
    let mut contracts = contracts::of(read.into_iter(), &catalog, events);
    let adapter =
        |(name, known): (&String, &Arc<Connection>)| (name.clone(), known.adapter.clone());
    contracts.connections = Some(connections.iter().map(adapter).collect());
    contracts.calls = Some(called(&workflows, &contracts));
    let mut report = typecheck::Report::default();
    for Defined { stored, workflow, root } in &workflows {
        report.add(typecheck::workflow(workflow, root, &stored.text, &contracts));
    }
    let typecheck::Report { problems: found, mut untyped, expressions } = report;
    let placed: Vec<typecheck::Placed<'_>> =
        workflows.iter().map(|it| (&it.workflow, &it.root, it.stored.text.as_str())).collect();
    problems.extend(typecheck::circles(&placed));
    problems.extend(named_twice(&workflows));
    let tests = loaded.folder.join(&config.tests);
    let lints = Lints {
        catalog: &catalog,
        contracts: &contracts,
        connections: &connections,
        marked: &marked,
        tests: &tests,
    };
    let mut lints = lints.of(&placed);
    // Without all adapters and connections it would tell of what only seems to be missing.
    if complete {
        problems.extend(found);
    }
    let stored = workflows.into_iter().map(|defined| (defined.stored, defined.workflow)).collect();
    let project = match Project::new(stored, Arc::new(catalog), connections) {
        Ok(project) => Some(project),
        Err(found) if complete => {
            let known = |new: &Problem| problems.iter().any(|old| same(old, new));
            let found: Vec<Problem> = found.into_iter().filter(|new| !known(new)).collect();
            problems.extend(found);
            None
        }
        Err(_) => None,
    };
    in_order(&mut problems);
    in_order(&mut untyped);
    in_order(&mut lints);
    let assembled = project.filter(|_| problems.is_empty()).map(|project| {
        let secrets = Keeper::open(loaded, names(&project, &sources));
        notes.extend(dry(&project));
        notes.extend(off(&sources, &secrets));
        Assembled { project, sources, secrets, notes }
    });
    Examined { assembled, problems, untyped, lints, expressions }
}

/// What is said of sources that have no secret. What lies in Vault is not known before it is asked.
fn off(sources: &[Arc<Intake>], secrets: &Keeper) -> Vec<String> {
    let unknown = secrets.vault_at().is_some();
    let off = sources.iter().filter(|_| !unknown).filter_map(|source| source.off(secrets));
    off.map(|off| format!("{}; {}", off.detail, off.hint.unwrap_or_default())).collect()
}

/// What workflows that may be called come to, by name.
fn called(workflows: &[Defined], contracts: &Contracts) -> BTreeMap<String, Type> {
    let called = workflows.iter().filter(|defined| defined.workflow.callable());
    let returned = called.map(|Defined { stored, workflow, root }| {
        let ty = typecheck::returns(workflow, root, &stored.text, contracts);
        (workflow.name.clone(), ty)
    });
    returned.collect()
}

/// Workflows of one name, in the words of the engine, which knows no lines.
fn named_twice(workflows: &[Defined]) -> Vec<Problem> {
    let mut files: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for Defined { stored, workflow, root } in workflows {
        let Some(other) = files.insert(&workflow.name, &stored.file) else { continue };
        let detail = format!("{other} also defines workflow `{}`", workflow.name);
        let problem = Problem::new(&problem::DUPLICATE_NAME, detail);
        let problem = problem.hint("give one of them another name");
        let Value::Map(keys) = &root.value else { continue };
        let name = keys.iter().find(|(key, _)| key.name == "workflow");
        let at = name.map_or(root.at, |(_, node)| node.at);
        problems.push(Source::new(&stored.file, &stored.text).placed(problem, at));
    }
    problems
}

/// Whether two problems are one, told with and without its line.
fn same(one: &Problem, other: &Problem) -> bool {
    let file = |problem: &Problem| problem.place.as_ref().map(|place| place.file.clone());
    one.kind == other.kind && one.detail == other.detail && file(one) == file(other)
}

/// By file and line; what has no place comes first.
fn in_order(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        let key = |problem: &Problem| {
            problem.place.as_ref().map(|place| (place.file.clone(), place.line, place.column))
        };
        key(a).cmp(&key(b))
    });
}

/// The adapters of a project: those that come with Postroom, and its own.
///
/// # Errors
/// Every problem in its manifests.
pub(crate) fn adapters(loaded: &Loaded) -> Result<Catalog, Vec<Problem>> {
    let mut problems = Vec::new();
    let folder = loaded.folder.join(&loaded.config.adapters);
    let catalog = catalog(&folder, &loaded.folder, &mut problems);
    if problems.is_empty() { Ok(catalog) } else { Err(problems) }
}

fn catalog(folder: &Path, root: &Path, problems: &mut Vec<Problem>) -> Catalog {
    let mut catalog = Catalog::builtin();
    for path in files::of(folder, YAML, problems) {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let added = read(&path).and_then(|text| catalog.add(&name, &text));
        problems.extend(added.err().unwrap_or_default());
    }
    catalog
}

fn workflows(
    folder: &Path,
    loaded: &Loaded,
    changed: Option<&Changed<'_>>,
    problems: &mut Vec<Problem>,
) -> Vec<Defined> {
    let mut workflows = Vec::new();
    let mut paths = files::of(folder, YAML, problems);
    paths.extend(changed.map(|file| file.path.to_path_buf()));
    paths.sort();
    paths.dedup();
    for path in paths {
        let file = path.strip_prefix(&loaded.folder).unwrap_or(&path).display().to_string();
        let text = match changed.filter(|changed| changed.path == path) {
            Some(changed) => Ok(changed.text.to_owned()),
            None => read(&path),
        };
        let parsed = text.and_then(|text| define(file, text, &loaded.config));
        match parsed {
            Ok(workflow) => workflows.push(workflow),
            Err(found) => problems.extend(found),
        }
    }
    workflows
}

fn define(file: String, text: String, config: &Config) -> Result<Defined, Vec<Problem>> {
    let stored = Stored::new(file, text, config.defaults);
    parse::placed_workflow(&stored).map(|(workflow, root)| Defined { stored, workflow, root })
}

/// Adds the built-in workflows of the configured providers, but never beside a workflow of the
/// project that takes the same event: two would act on it.
fn builtin(
    config: &Config,
    workflows: &mut Vec<Defined>,
    events: &mut BTreeMap<String, Type>,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) {
    for (provider, file, text, data) in BUILTIN {
        if !config.builtin.iter().any(|known| known == provider) {
            continue;
        }
        let defined = match define((*file).to_owned(), (*text).to_owned(), config) {
            Ok(defined) => defined,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        let workflow = &defined.workflow;
        let own = workflows.iter().map(|defined| &defined.workflow).find(|own| {
            own.name == workflow.name
                || own.triggers.iter().any(|trigger| {
                    workflow.triggers.iter().any(|other| trigger.fits(&other.event, "ingest"))
                })
        });
        match own {
            Some(own) => notes.push(format!(
                "workflow `{}` takes the event of the built-in `{}`, which is left out",
                own.name, workflow.name
            )),
            None => {
                // What the project says of the event counts.
                for event in workflow.triggers.iter().map(|trigger| trigger.event.clone()) {
                    match contracts::event(file, data) {
                        Ok(schema) => drop(events.entry(event).or_insert(schema::to_type(&schema))),
                        Err(found) => problems.extend(found),
                    }
                }
                workflows.push(defined);
            }
        }
    }
}

pub(crate) fn adapter<'a>(
    catalog: &'a Catalog,
    provider: &str,
    (what, spot): (&str, &Spot),
    problems: &mut Vec<Problem>,
) -> Option<&'a Arc<Adapter>> {
    let found = catalog.adapter(provider);
    if found.is_none() {
        let mut problem = Problem::new(
            &problem::UNKNOWN_ADAPTER,
            format!("{what} names provider `{provider}`, which does not exist"),
        );
        let names = catalog.names();
        problem = problem.hint(match postroom_expr::nearest(provider, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", names.join(", ")),
        });
        // An entry with an endpoint is a source and a connection.
        let problem = spot.mark(problem);
        if !problems.iter().any(|known| known.kind == problem.kind && known.place == problem.place)
        {
            problems.push(problem);
        }
    }
    found
}

fn connections(
    config: &Config,
    folder: &Path,
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Arc<Connection>> {
    let mut connections = BTreeMap::new();
    for entry in &config.connections {
        let what = format!("connection `{}`", entry.name);
        let Some(adapter) = adapter(catalog, &entry.provider, (&what, &entry.spot), problems)
        else {
            continue;
        };
        connections
            .insert(entry.name.clone(), Arc::new(connection(entry, adapter, folder, problems)));
    }
    connections
}

fn connection(
    entry: &ConnectionEntry,
    adapter: &Adapter,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Connection {
    let mut connection = Connection::default_of(adapter);
    connection.name.clone_from(&entry.name);
    connection.base_url.clone_from(&entry.base_url);
    connection.config = entry.config.clone();
    if let Err(found) = adapter.check_settings(&entry.name, &entry.config) {
        problems.push(entry.spot.mark(found));
    }
    connection.mode = entry.mode;
    connection.allow.clone_from(&entry.allow);
    match entry.authority(folder) {
        Ok(authority) => connection.authority = authority,
        Err(found) => problems.push(found),
    }
    for (credential, (name, spot)) in &entry.credentials {
        if connection.credentials.insert(credential.clone(), name.clone()).is_none() {
            let known: Vec<&str> = adapter.credentials.iter().map(|c| c.name.as_str()).collect();
            let detail = format!("connection `{}` has no credential `{credential}`", entry.name);
            let hint = format!("known: {}", known.join(", "));
            let found = Problem::new(&problem::UNKNOWN_KEY, detail).hint(hint);
            problems.push(spot.mark(found));
        }
    }
    if let Some(own) = &entry.oauth {
        match &mut connection.oauth {
            Some(oauth) => {
                oauth.authorize = own.authorize.clone().or(oauth.authorize.take());
                oauth.token = own.token.clone().unwrap_or_else(|| std::mem::take(&mut oauth.token));
                oauth.scopes =
                    own.scopes.clone().unwrap_or_else(|| std::mem::take(&mut oauth.scopes));
            }
            None => {
                let detail = format!(
                    "connection `{}` has `oauth`, but adapter `{}` knows no OAuth2",
                    entry.name, adapter.name
                );
                let found = Problem::new(&problem::UNSUPPORTED, detail);
                problems
                    .push(own.spot.mark(found.hint("remove it, or add `oauth` to the adapter")));
            }
        }
    }
    if let Some((requests, window_ms)) = entry.limit {
        connection.limits = vec![RateLimit { requests, window_ms }];
    }
    connection
}

/// What is said of everything that only plans.
fn dry(project: &Project) -> Vec<String> {
    let workflows = project.workflows.iter().filter(|(_, known)| known.mode == Mode::Dry);
    let workflows = workflows.map(|(_, known)| {
        let name = &known.name;
        format!("workflow `{name}` has `mode: dry`: what it would send or emit is only planned")
    });
    let connections = project.connections.values().filter(|known| known.mode == Mode::Dry);
    let connections = connections.map(|known| {
        let name = &known.name;
        format!("connection `{name}` has `mode: dry`: what would change anything is only planned")
    });
    workflows.chain(connections).collect()
}

/// Every name that a connection or source refers to.
fn names(project: &Project, sources: &[Arc<Intake>]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for connection in project.connections.values() {
        let adapter = project.catalog.adapter(&connection.adapter);
        // What signs webhooks is of use to sources only, which name it themselves.
        let signs = |name: &str| {
            let webhook = adapter.and_then(|adapter| adapter.webhook.as_ref());
            let of_calls =
                |adapter: &Arc<Adapter>| adapter.auth.iter().any(|slot| slot.credential == name);
            webhook.is_some_and(|it| it.credentials().iter().any(|known| known.name == name))
                && !adapter.is_some_and(of_calls)
        };
        let called = connection.credentials.iter().filter(|(name, _)| !signs(name));
        names.extend(called.map(|(_, kept)| kept.clone()));
    }
    for source in sources {
        match &source.takes {
            Takes::Envelope { token } => names.extend(token.clone()),
            Takes::Webhook(mounted) => {
                names.extend(mounted.secrets.iter().map(|(_, name)| name.clone()));
            }
        }
    }
    names
}
