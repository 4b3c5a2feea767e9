//! A whole document of templates: what stands under `with:`.
//!
//! Owns rendering a tree of literals and templates to JSON text, leaving out what is `omit()`, and
//! naming the place of a fault. One evaluation's limits hold for the whole document.

use std::fmt;
use std::fmt::Write;

use crate::check::{Checked, Env};
use crate::eval::Meter;
use crate::expr::Limits;
use crate::fault::{Fault, code};
use crate::json::{JsonFault, JsonView, Kind};
use crate::reads::Read;
use crate::scope::Scope;
use crate::shows::{self, Shown};
use crate::template::{Template, too_long};
use crate::types::Type;
use crate::value::write_string;

/// How deep a mapping may be nested.
const MAX_DEPTH: usize = 128;

/// A tree of literals and templates.
#[derive(Clone, Debug)]
pub enum Mapping {
    /// JSON text, copied as it is. See [`Mapping::literal`].
    Literal(String),
    /// A string of the document, with or without `${{ }}`.
    Template(Template),
    /// A list.
    List(Vec<Mapping>),
    /// An object; keys are not templates.
    Object(Vec<(String, Mapping)>),
}

/// A fault somewhere in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingFault {
    /// Where, from the root of the mapping: `items[2].text`. Empty for the root itself.
    pub path: String,
    /// What; its span is in the text of the template at that place.
    pub fault: Fault,
}

impl MappingFault {
    /// The same fault, seen from a parent that holds the mapping under a name:
    /// `with.items[2].text`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.path = joined(parent, &self.path);
        self
    }
}

fn joined(parent: &str, path: &str) -> String {
    let bare = parent.is_empty() || path.is_empty() || path.starts_with('[');
    format!("{parent}{}{path}", if bare { "" } else { "." })
}

impl fmt::Display for MappingFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(out, "{}", self.fault),
            path => write!(out, "{path}: {}", self.fault),
        }
    }
}

impl std::error::Error for MappingFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// One step of a path.
#[derive(Clone, Copy)]
pub(crate) enum Step<'m> {
    Key(&'m str),
    Index(usize),
}

pub(crate) fn path_text(steps: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in steps {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Index(index) => write!(out, "[{index}]"),
            Step::Key(key) if key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c)) => {
                let dot = if out.is_empty() { "" } else { "." };
                write!(out, "{dot}{key}")
            }
            Step::Key(key) => write!(out, "[{key:?}]"),
        };
    }
    out
}

struct Render<'r, 's> {
    scope: &'r Scope<'s>,
    meter: Meter,
    limit: usize,
    out: String,
}

impl Mapping {
    /// A literal of JSON text.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn literal(json: &str) -> Result<Self, JsonFault> {
        JsonView::parse(json).map(|view| Self::Literal(view.raw().to_owned()))
    }

    /// The mapping that a JSON document describes: its strings are templates.
    ///
    /// # Errors
    /// Every fault of every template.
    pub fn from_json(view: JsonView<'_>) -> Result<Self, Vec<MappingFault>> {
        let mut faults = Vec::new();
        let mapping = from_json(view, String::new(), 0, &mut faults);
        if faults.is_empty() { Ok(mapping) } else { Err(faults) }
    }

    /// Evaluates every template and writes the document as JSON text.
    ///
    /// # Errors
    /// The first fault and its place.
    pub fn render(&self, scope: &Scope<'_>, limits: Limits) -> Result<String, MappingFault> {
        let mut render = Render {
            scope,
            meter: Meter::new(limits),
            limit: limits.output_bytes,
            out: String::new(),
        };
        let mut path = Vec::new();
        match render.write(self, &mut path) {
            Ok(true) => Ok(render.out),
            Ok(false) => {
                let span = match self {
                    Self::Template(template) => 0..template.source().len(),
                    _ => 0..0,
                };
                Err(MappingFault { path: String::new(), fault: crate::omit::misplaced(span) })
            }
            Err(fault) => Err(MappingFault { path: path_text(&path), fault }),
        }
    }

    /// Types it over names of which only the types are known, and holds it against what takes it.
    pub fn check(&self, env: &Env, wanted: &Type) -> Checked {
        crate::check::mapping(self, env, wanted)
    }

    /// What becomes part of its value, in the order of the document.
    pub fn shows(&self) -> Vec<Shown> {
        shows::of_mapping(self)
    }

    /// What its templates read: the place of the template, and the read with its span in its text.
    pub fn reads(&self) -> Vec<(String, Read)> {
        let mut reads = Vec::new();
        self.collect_reads(&mut Vec::new(), &mut reads);
        reads
    }

    /// Whether one of its templates reads a name of the scope.
    pub fn reads_name(&self, name: &str) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Template(template) => template.reads_name(name),
            Self::List(items) => items.iter().any(|item| item.reads_name(name)),
            Self::Object(entries) => entries.iter().any(|(_, value)| value.reads_name(name)),
        }
    }

    fn collect_reads<'m>(&'m self, path: &mut Vec<Step<'m>>, reads: &mut Vec<(String, Read)>) {
        match self {
            Self::Literal(_) => {}
            Self::Template(template) => {
                reads.extend(template.reads().into_iter().map(|read| (path_text(path), read)));
            }
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    item.collect_reads(path, reads);
                    path.pop();
                }
            }
            Self::Object(entries) => {
                for (key, value) in entries {
                    path.push(Step::Key(key));
                    value.collect_reads(path, reads);
                    path.pop();
                }
            }
        }
    }
}

impl Render<'_, '_> {
    /// Writes one value; false when it is `omit()`. On a fault, `path` stays at its place.
    fn write<'m>(&mut self, mapping: &'m Mapping, path: &mut Vec<Step<'m>>) -> Result<bool, Fault> {
        if path.len() > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Fault::new(code::TOO_LARGE, 0..0, message));
        }
        match mapping {
            Mapping::Literal(json) => self.out.push_str(json),
            Mapping::Template(template) => {
                let Some(value) = template.eval_metered(self.scope, &mut self.meter)? else {
                    return Ok(false);
                };
                let span = 0..template.source().len();
                let written = value.write_json_within(&mut self.out, self.limit);
                written.map_err(|_| too_long(span))?;
            }
            Mapping::List(items) => {
                self.out.push('[');
                let mut empty = true;
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    empty &= !self.entry(None, item, empty, path)?;
                    path.pop();
                }
                self.out.push(']');
            }
            Mapping::Object(entries) => {
                self.out.push('{');
                let mut empty = true;
                for (key, value) in entries {
                    path.push(Step::Key(key));
                    empty &= !self.entry(Some(key), value, empty, path)?;
                    path.pop();
                }
                self.out.push('}');
            }
        }
        if self.out.len() > self.limit { Err(too_long(0..0)) } else { Ok(true) }
    }

    /// Writes an entry with its comma and key, or nothing.
    fn entry<'m>(
        &mut self,
        key: Option<&str>,
        value: &'m Mapping,
        first: bool,
        path: &mut Vec<Step<'m>>,
    ) -> Result<bool, Fault> {
        let before = self.out.len();
        if !first {
            self.out.push(',');
        }
        if let Some(key) = key {
            write_string(key, &mut self.out);
            self.out.push(':');
        }
        let written = self.write(value, path)?;
        if !written {
            self.out.truncate(before);
        }
        Ok(written)
    }
}

fn from_json(
    view: JsonView<'_>,
    path: String,
    depth: usize,
    faults: &mut Vec<MappingFault>,
) -> Mapping {
    if depth > MAX_DEPTH {
        let message = format!("nested deeper than {MAX_DEPTH} levels");
        faults.push(MappingFault { path, fault: Fault::new(code::TOO_LARGE, 0..0, message) });
        return Mapping::Literal("null".to_owned());
    }
    let below = |step: Step<'_>| joined(&path, &path_text(&[step]));
    match view.kind() {
        Kind::String => match Template::parse(&view.as_str().unwrap_or_default()) {
            Ok(template) => Mapping::Template(template),
            Err(found) => {
                faults.extend(
                    found.into_iter().map(|fault| MappingFault { path: path.clone(), fault }),
                );
                Mapping::Literal("null".to_owned())
            }
        },
        Kind::Array => Mapping::List(
            view.items()
                .enumerate()
                .map(|(index, item)| from_json(item, below(Step::Index(index)), depth + 1, faults))
                .collect(),
        ),
        Kind::Object => Mapping::Object(
            view.entries()
                .map(|(key, value)| {
                    let place = below(Step::Key(&key));
                    (key.into_owned(), from_json(value, place, depth + 1, faults))
                })
                .collect(),
        ),
        _ => Mapping::Literal(view.raw().to_owned()),
    }
}
