//! YAML text as a tree whose every node knows its place, and a reader over mappings that reports
//! every unknown key, missing key and wrong type instead of stopping at the first.
//!
//! The tree is the raw form of workflows, manifests and configuration. It never leaves a parser.

use postroom_expr::{Mapping, Read, Template, nearest};
use serde_saphyr::{Budget, Options};

use crate::problem::{self, Place, Problem};

mod description;
mod hints;
mod place;
mod tree;

pub use description::read as read_description;

/// How deep lists and mappings may nest. Each level costs the library up to 30 kB of stack in a
/// debug build, and threads have 2 MB.
const MAX_DEPTH: usize = 40;

/// The largest YAML file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The most scalars, lists and mappings of a YAML file.
const MAX_NODES: usize = 100_000;

/// The longest line that is shown with a problem, in bytes.
const MAX_LINE_BYTES: usize = 400;

/// Where a node starts and how long its text is. Lines and columns count from 1, columns in
/// characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// Line, from 1; 0 means unknown.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Offset in bytes.
    pub offset: u32,
    /// Length of the node's text in bytes.
    pub len: u32,
}

/// A YAML node and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// Where it stands.
    pub at: At,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`; `yes`, `no`, `on` and `off` are text.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order written.
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping entry and its place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The text of the key.
    pub name: String,
    /// Where it stands.
    pub at: At,
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Str(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl At {
    fn from_location(location: serde_saphyr::Location) -> Self {
        let span = location.span();
        let narrow = |n: u64| u32::try_from(n).unwrap_or(0);
        Self {
            line: narrow(location.line()),
            column: narrow(location.column()),
            offset: narrow(span.byte_offset().unwrap_or(0)),
            len: narrow(span.byte_len().unwrap_or(0)),
        }
    }
}

/// A file being read: its name and text for the places of problems, and the problems so far.
#[derive(Debug)]
pub struct Source<'a> {
    /// The name shown in problems, relative to the project.
    pub file: &'a str,
    /// The text of the file.
    pub text: &'a str,
    /// What was found wrong so far.
    pub problems: Vec<Problem>,
}

impl<'a> Source<'a> {
    /// A file about to be read.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    /// The tree of the text, or `None` with a problem noted. Syntax errors, duplicate keys, alias
    /// bombs and files over [`MAX_BYTES`] are problems.
    pub fn parse(&mut self) -> Option<Node> {
        self.parse_within(MAX_BYTES, MAX_NODES)
    }

    /// The same for a file that may be larger than what people write: a manifest that was made of
    /// a description with a thousand operations.
    pub fn parse_within(&mut self, max_bytes: usize, max_nodes: usize) -> Option<Node> {
        if self.text.len() > max_bytes {
            let detail =
                format!("the file has {} bytes, at most {max_bytes} are read", self.text.len());
            let found = Problem::new(&problem::YAML_SYNTAX, detail).hint("split it");
            self.problems.push(found.at(self.place(At::default())));
            return None;
        }
        let mut budget = Budget::default();
        budget.max_nodes = max_nodes;
        budget.max_depth = MAX_DEPTH;
        // Events and texts grow with the nodes.
        budget.max_events = budget.max_events.max(4 * max_nodes);
        budget.max_total_scalar_bytes = budget.max_total_scalar_bytes.max(max_bytes);
        budget.max_aliases = 200;
        let mut options = Options::default();
        options.budget = Some(budget);
        options.with_snippet = false;
        options.strict_booleans = true;
        options.reject_unsupported_tags = true;
        match serde_saphyr::from_str_with_options::<Node>(self.text, options) {
            Ok(node) => Some(node),
            Err(error) => {
                let at = error.location().map(At::from_location).unwrap_or_default();
                let detail = plain_message(&error.without_snippet().to_string());
                let hint = hints::syntax(&detail);
                self.report(Problem::new(&problem::YAML_SYNTAX, detail).hint(hint), at);
                None
            }
        }
    }

    /// The public place of a node.
    #[must_use]
    pub fn place(&self, at: At) -> Place {
        Place { file: self.file.to_owned(), line: at.line, column: at.column, len: at.len }
    }

    /// A problem with its place and the line it is on.
    #[must_use]
    pub fn placed(&self, problem: Problem, at: At) -> Problem {
        let problem = problem.at(self.place(at));
        match self.line(at) {
            Some(line) => problem.on_line(line),
            None => problem,
        }
    }

    /// The line of a node, cut to what fits on a screen.
    pub fn line(&self, at: At) -> Option<String> {
        let line = (at.line as usize).checked_sub(1)?;
        let offset = at.offset as usize;
        // The offset is known more often than not, and then nothing is searched.
        let start = self.text.get(..offset)?.rfind('\n').map_or(0, |found| found + 1);
        let text = match self.text.get(start..)?.lines().next() {
            Some(text) if offset > 0 || line == 0 => text,
            _ => self.text.lines().nth(line)?,
        };
        (text.len() <= MAX_LINE_BYTES).then(|| text.to_owned())
    }

    /// Notes a problem at a node.
    pub fn report(&mut self, problem: Problem, at: At) {
        let problem = self.placed(problem, at);
        self.problems.push(problem);
    }

    /// Notes that `node` is not what was wanted.
    pub fn wrong_type(&mut self, node: &Node, path: &str, wanted: &str) {
        let what = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
        let detail = format!("{what} must be {wanted}, but is {}", node.value.kind());
        let mut found = Problem::new(&problem::WRONG_TYPE, detail);
        found.hint = hints::wanted(wanted, &node.value).map(str::to_owned);
        self.report(found, node.at);
    }

    /// Notes the faults of an expression at the characters they point at. `offset` counts bytes
    /// from the start of the scalar's value.
    pub fn expression_faults(&mut self, node: &Node, faults: Vec<postroom_expr::Fault>) {
        for fault in faults {
            let at = self.inside(node, fault.span.start, fault.span.end);
            let kind = problem::of_fault(fault.code);
            let mut found = Problem::new(kind, fault.message);
            found.hint = fault.hint;
            self.report(found, at);
        }
    }

    /// The place of bytes `start..end` of a scalar's value. Exact where the value stands in the
    /// file as it is (plain and quoted scalars without escapes, block scalars), else the scalar's
    /// own place.
    pub(crate) fn inside(&self, node: &Node, start: usize, end: usize) -> At {
        let Value::Str(value) = &node.value else { return node.at };
        let Some(offset) = place::offset(self.text, node.at, value, start.min(value.len())) else {
            return node.at;
        };
        let Some(before) = self.text.get(..offset) else { return node.at };
        let column_text = &before[before.rfind('\n').map_or(0, |n| n + 1)..];
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        At {
            line: count(before.matches('\n').count() + 1),
            column: count(column_text.chars().count() + 1),
            offset: count(offset),
            len: count(end.saturating_sub(start)),
        }
    }

    /// Reads a mapping; anything else is a problem.
    pub fn map<'n>(&mut self, node: &'n Node, path: &str) -> Option<Fields<'n>> {
        match &node.value {
            Value::Map(entries) => {
                Some(Fields { at: node.at, path: path.to_owned(), entries, known: Vec::new() })
            }
            _ => {
                self.wrong_type(node, path, "a mapping");
                None
            }
        }
    }

    /// Reads a list; anything else is a problem.
    pub fn list<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => {
                self.wrong_type(node, path, "a list");
                None
            }
        }
    }

    /// Reads text; numbers and booleans are a problem, since `1.10` and `no` would change.
    pub fn text<'n>(&mut self, node: &'n Node, path: &str) -> Option<&'n str> {
        match &node.value {
            Value::Str(text) => Some(text),
            _ => {
                self.wrong_type(node, path, "text");
                None
            }
        }
    }

    /// Reads `true` or `false`.
    pub fn bool(&mut self, node: &Node, path: &str) -> Option<bool> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        self.wrong_type(node, path, "true or false");
        None
    }

    /// Reads a whole number within bounds.
    pub fn int(&mut self, node: &Node, path: &str, min: i64, max: i64) -> Option<i64> {
        match node.value {
            Value::Int(value) if (min..=max).contains(&value) => return Some(value),
            Value::Int(value) => {
                let detail = format!("`{path}` is {value}, but must lie between {min} and {max}");
                self.report(Problem::new(&problem::OUT_OF_RANGE, detail), node.at);
            }
            _ => self.wrong_type(node, path, "a whole number"),
        }
        None
    }

    /// Reads a duration such as `30s`, in milliseconds.
    pub fn duration_ms(&mut self, node: &Node, path: &str) -> Option<u64> {
        if let Value::Int(number) = node.value {
            let detail = format!("`{path}` has no unit");
            let found = Problem::new(&problem::WRONG_TYPE, detail)
                .hint(format!("write `{number}ms` or `{number}s`"));
            self.report(found, node.at);
            return None;
        }
        match crate::duration::parse_ms(self.text(node, path)?) {
            Ok(ms) => Some(ms),
            Err(why) => {
                let (why, hint) = why.split_once("; ").unwrap_or((&why, "write for example 30s"));
                let found = Problem::new(&problem::WRONG_TYPE, format!("`{path}`: {why}"));
                self.report(found.hint(hint), node.at);
                None
            }
        }
    }

    /// Compiles text with `${{ }}` inside.
    pub fn template(&mut self, node: &Node, path: &str) -> Option<Template> {
        let text = self.text(node, path)?;
        Template::parse(text).map_err(|faults| self.expression_faults(node, faults)).ok()
    }

    /// Compiles a condition: an expression with or without its `${{ }}`.
    pub fn condition(&mut self, node: &Node, path: &str) -> Option<postroom_expr::Expr> {
        let text = match &node.value {
            Value::Bool(value) => {
                if *value {
                    "true"
                } else {
                    "false"
                }
            }
            _ => self.text(node, path)?,
        };
        Template::condition(text).map_err(|faults| self.expression_faults(node, faults)).ok()
    }

    /// The places in the file of what an expression of a scalar reads.
    #[must_use]
    pub fn places(&self, node: &Node, reads: Vec<Read>) -> Vec<(At, Read)> {
        let place = |read: Read| (self.inside(node, read.span.start, read.span.end), read);
        reads.into_iter().map(place).collect()
    }

    /// Compiles a tree of values whose texts may hold `${{ }}`; what they read is added to `reads`.
    pub fn mapping(&mut self, node: &Node, reads: &mut Vec<(At, Read)>) -> Mapping {
        match &node.value {
            Value::Str(text) => match Template::parse(text) {
                Ok(template) => {
                    reads.extend(self.places(node, template.reads()));
                    Mapping::Template(template)
                }
                Err(faults) => {
                    self.expression_faults(node, faults);
                    Mapping::Literal("null".to_owned())
                }
            },
            Value::List(items) => {
                Mapping::List(items.iter().map(|item| self.mapping(item, reads)).collect())
            }
            Value::Map(entries) => Mapping::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.name.clone(), self.mapping(node, reads)))
                    .collect(),
            ),
            scalar => Mapping::Literal(scalar_json(scalar)),
        }
    }
}

/// Problem text of the YAML library without its own positions and without advice to programmers.
fn plain_message(text: &str) -> String {
    let first = text.lines().next().unwrap_or(text);
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let after = message.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let message = after.map_or(message, |(_, message)| message);
    let message = message.split(" at line ").next().unwrap_or(message);
    if let Some(rest) = message.strip_prefix("duplicate mapping key: ") {
        let key = rest.split(", set ").next().unwrap_or(rest);
        return format!("the key `{key}` stands twice");
    }
    if message.starts_with("budget breached: Depth") {
        return format!("lists and mappings nest deeper than {MAX_DEPTH} levels");
    }
    if message.starts_with("budget breached") {
        return "the file is too large once its aliases are replaced".to_owned();
    }
    if message.starts_with("multiple YAML documents") {
        return "the file holds several YAML documents, but one is read".to_owned();
    }
    message.replace(" rejected by the configured policy", " is not a JSON number")
}

fn scalar_json(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => {
            serde_json::Number::from_f64(*value).map_or_else(|| "null".into(), |n| n.to_string())
        }
        _ => "null".to_owned(),
    }
}

/// The JSON text of a tree, with texts taken as they stand.
#[must_use]
pub fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Str(text) => serde_json::Value::String(text.clone()),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|(key, node)| (key.name.clone(), to_json(node)));
            serde_json::Value::Object(pairs.collect())
        }
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
    }
}

/// The fields of a mapping, read by name. [`Fields::finish`] reports the names nobody asked for.
#[derive(Debug)]
pub struct Fields<'n> {
    /// Where the mapping stands.
    pub at: At,
    path: String,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of an optional field; `null` counts as absent.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        let (_, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// The value of a required field; its absence is a problem.
    pub fn need(&mut self, source: &mut Source<'_>, name: &'static str) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            let detail = format!("`{}` is missing", self.path_of(name));
            let found = Problem::new(&problem::MISSING_KEY, detail);
            source.report(found.hint(format!("add `{name}: …`")), self.at);
        }
        found
    }

    /// Every entry in order, for mappings whose keys are the user's own.
    pub fn all(&self) -> impl Iterator<Item = &'n (Key, Node)> + use<'n> {
        self.entries.iter()
    }

    /// The dotted path of a field.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Reports every key that was not asked for, with the nearest known one.
    pub fn finish(self, source: &mut Source<'_>) {
        for (key, _) in self.entries {
            if self.known.contains(&key.name.as_str()) {
                continue;
            }
            let detail = format!("unknown key `{}`", self.path_of(&key.name));
            let hint = match nearest(&key.name, self.known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            source.report(Problem::new(&problem::UNKNOWN_KEY, detail).hint(hint), key.at);
        }
    }
}
