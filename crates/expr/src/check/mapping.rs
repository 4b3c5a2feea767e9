//! A document of templates held against what takes it.
//!
//! Owns what is said of a key that is missing, not taken, or of the wrong type, at its place in
//! the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Checked, Env, Finding};
use crate::fault::{Fault, code};
use crate::json::{JsonView, Kind};
use crate::mapping::{Mapping, Step, path_text};
use crate::nearest::nearest;
use crate::number::Number;
use crate::template::Template;
use crate::types::{Field, Misfit, Object, Rest, Type, Why};

/// How deep a mapping is looked into.
const MAX_DEPTH: usize = 128;

/// One step of a place in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The value of a key.
    Key(String),
    /// An item of a list.
    Index(usize),
}

/// A place in words: `items[2].text`.
#[must_use]
pub fn place_text(place: &[Segment]) -> String {
    let step = |segment| match segment {
        &Segment::Index(index) => Step::Index(index),
        Segment::Key(key) => Step::Key(key),
    };
    path_text(&place.iter().map(step).collect::<Vec<_>>())
}

/// Types a mapping and holds it against what is wanted.
pub(crate) fn run(mapping: &Mapping, env: &Env, wanted: &Type) -> Checked {
    let mut check = Check { env, place: Vec::new(), found: Checked::of(Type::Never) };
    check.found.ty = check.value(mapping, wanted);
    check.found
}

struct Check<'a> {
    env: &'a Env,
    place: Vec<Segment>,
    found: Checked,
}

impl Check<'_> {
    fn value(&mut self, mapping: &Mapping, wanted: &Type) -> Type {
        if self.place.len() > MAX_DEPTH {
            return Type::Dyn;
        }
        match mapping {
            Mapping::Object(entries) => self.object(entries, wanted),
            Mapping::List(items) => {
                let item = match of_kind(wanted, |ty| matches!(ty, Type::List(..))) {
                    Some(Type::List(item, _)) => item.as_ref().clone(),
                    _ => Type::Dyn,
                };
                let mut types = Vec::new();
                for (index, mapping) in items.iter().enumerate() {
                    self.place.push(Segment::Index(index));
                    types.push(self.value(mapping, &item));
                    self.place.pop();
                }
                let ty = Type::list(Type::union(types));
                self.kind(&ty, wanted);
                ty
            }
            Mapping::Template(template) => self.template(template, wanted),
            Mapping::Literal(json) => {
                let ty = JsonView::parse(json).map_or(Type::Dyn, literal);
                if let Err(misfit) = wanted.takes(&ty) {
                    self.misfit(&misfit, None);
                }
                ty
            }
        }
    }

    fn template(&mut self, template: &Template, wanted: &Type) -> Type {
        let mut checked = template.check(self.env);
        for finding in &mut checked.findings {
            finding.place.clone_from(&self.place);
        }
        for untyped in &mut checked.untyped {
            untyped.place.clone_from(&self.place);
        }
        let clean = checked.findings.is_empty();
        let ty = self.found.absorb(checked);
        if clean && let Err(misfit) = wanted.takes(&ty) {
            self.misfit(&misfit, Some(template));
        }
        ty
    }

    fn object(&mut self, entries: &[(String, Mapping)], wanted: &Type) -> Type {
        let known = match of_kind(wanted, |ty| matches!(ty, Type::Object(_))) {
            Some(Type::Object(object)) => Some(Arc::clone(object)),
            _ => None,
        };
        let mut fields: BTreeMap<Arc<str>, Field> = BTreeMap::new();
        let mut slips = Vec::new();
        for (key, mapping) in entries {
            self.place.push(Segment::Key(key.clone()));
            let (taken, required) = match known.as_ref().map(|object| taken(object, key)) {
                None => (Type::Dyn, false),
                Some(Some(field)) => field,
                Some(None) => {
                    slips.extend(self.unknown_key(known.as_deref(), key));
                    (Type::Dyn, false)
                }
            };
            let ty = self.value(mapping, &taken);
            let leaves_out = matches!(mapping, Mapping::Template(template) if template.may_omit());
            if leaves_out && required {
                self.left_out(mapping);
            }
            fields.insert(key.as_str().into(), Field { ty, required: !leaves_out });
            self.place.pop();
        }
        if let Some(known) = &known {
            for (key, field) in &known.fields {
                let slip = slips.iter().any(|near| **near == **key);
                if field.required && !fields.contains_key(key) && !slip {
                    self.missing(key);
                }
            }
        }
        let ty = Type::object(fields, Rest::Closed);
        match known {
            Some(_) => {}
            None => self.kind(&ty, wanted),
        }
        ty
    }

    /// Reports a list or object where neither is wanted.
    fn kind(&mut self, ty: &Type, wanted: &Type) {
        if wanted.is_dyn() || wanted.kinds().any_of(ty.kinds()) {
            // Told at its fields or items, unless there are several cases of it.
            let cases = wanted.members().iter().filter(|member| member.kinds() == ty.kinds());
            if cases.count() < 2 {
                return;
            }
        }
        if let Err(misfit) = wanted.takes(ty) {
            self.misfit(&misfit, None);
        }
    }

    fn missing(&mut self, key: &str) {
        let mut place = self.place.clone();
        place.push(Segment::Key(key.to_owned()));
        let message = format!("`{}` is missing", place_text(&place));
        let fault = Fault::new(code::INPUT_MISSING, 0..0, message);
        self.report(fault.hint(format!("add `{key}: …`")), false, Vec::new());
    }

    fn left_out(&mut self, mapping: &Mapping) {
        let span = match mapping {
            Mapping::Template(template) => 0..template.source().len(),
            _ => 0..0,
        };
        let message = format!("`{}` may be left out, but is needed", place_text(&self.place));
        let fault = Fault::new(code::INPUT_MISSING, span, message);
        self.report(fault.hint("give it a value in place of `omit()`"), false, Vec::new());
    }

    /// Reports a key that is not taken; gives back the key that may have been meant.
    fn unknown_key(&mut self, known: Option<&Object>, key: &str) -> Option<String> {
        let names: Vec<&str> =
            known.into_iter().flat_map(|object| object.fields.keys().map(AsRef::as_ref)).collect();
        let near = nearest(key, &names);
        let hint = match &near {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "nothing is taken here".to_owned(),
            None => format!("taken here: {}", names.join(", ")),
        };
        let message = format!("`{}` is not taken", place_text(&self.place));
        let fault = Fault::new(code::INPUT_UNKNOWN, 0..0, message).hint(hint);
        self.report(fault, true, Vec::new());
        near
    }

    fn misfit(&mut self, misfit: &Misfit, template: Option<&Template>) {
        let place = match (place_text(&self.place), misfit.path.as_str()) {
            (place, path) if place.is_empty() && path.is_empty() => "the value".to_owned(),
            (place, path) => format!("`{place}{path}`"),
        };
        let path = template.and_then(Template::path).unwrap_or_default();
        let single = template.and_then(Template::expression_text);
        let value = match (&single, misfit.path.is_empty()) {
            (Some(text), true) => format!("`{text}`"),
            _ => "this".to_owned(),
        };
        let (message, hint) = match &misfit.why {
            Why::Null => (
                format!("{place} cannot be null, but {value} may be"),
                Some("give it a value with `??`, or leave it out with `?? omit()`".to_owned()),
            ),
            Why::Kind { found, wanted } => (
                format!("{place} takes {}, but {value} is {}", wanted.phrase(), found.phrase()),
                conversion(wanted, found),
            ),
            Why::Missing { key } => (format!("{place} lacks `{key}`, which is needed"), None),
            Why::MaybeMissing { key } => (
                format!("{place} may lack `{key}`, which is needed"),
                Some("give each of its fields by itself".to_owned()),
            ),
            Why::Unknown { key, near } => (
                format!("{place} has `{key}`, which is not taken"),
                near.as_ref().map(|near| format!("did you mean `{near}`?")),
            ),
        };
        let code = match misfit.why {
            Why::Missing { .. } | Why::MaybeMissing { .. } => code::INPUT_MISSING,
            Why::Unknown { .. } => code::INPUT_UNKNOWN,
            Why::Null | Why::Kind { .. } => code::INPUT_TYPE,
        };
        let span = template.map_or(0..0, |template| 0..template.source().len());
        let fault = Fault::new(code, span, message).maybe_hint(hint);
        let null = misfit.why == Why::Null && misfit.path.is_empty();
        self.report(fault, false, if null { path } else { Vec::new() });
    }

    fn report(&mut self, fault: Fault, on_key: bool, path: Vec<String>) {
        self.found.findings.push(Finding { place: self.place.clone(), on_key, fault, path });
    }
}

/// The one member of a kind; nothing is held against one of several.
fn of_kind(wanted: &Type, is: impl Fn(&Type) -> bool) -> Option<&Type> {
    let mut found = wanted.members().iter().filter(|member| is(member));
    found.next().filter(|_| found.next().is_none())
}

/// What an object takes under a key, and whether it needs it.
fn taken(object: &Object, key: &str) -> Option<(Type, bool)> {
    match (object.fields.get(key), &object.rest) {
        (Some(field), _) => Some((field.ty.clone(), field.required)),
        (None, Rest::Open(ty)) => Some((ty.clone(), false)),
        (None, Rest::Undeclared) => Some((Type::Dyn, false)),
        (None, Rest::Closed) => None,
    }
}

fn conversion(wanted: &Type, found: &Type) -> Option<String> {
    let hint = match (wanted.without_null(), found) {
        (Type::Int, Type::Number) => "make it whole with `.round()` or `int(…)`",
        (Type::Int, Type::Text(_)) => "convert it with `int(…)`",
        (Type::Number, Type::Text(_)) => "convert it with `double(…)`",
        (Type::Text(None), Type::Int | Type::Number | Type::Bool) => {
            "convert it with `string(…)`; a literal is put in quotes"
        }
        (Type::Text(None), Type::List(..) | Type::Object(_)) => "as JSON text it is `json(…)`",
        (Type::List(..), Type::Text(_)) => "make a list of it with `.split(…)` or `[…]`",
        (Type::List(..), Type::Object(_)) => "make a list of it with `.entries()` or `[…]`",
        (Type::Bool, Type::Text(_)) => "convert it with `bool(…)`, or compare it",
        (Type::Text(Some(known)), Type::Text(Some(texts))) => {
            let odd = texts.iter().find(|text| !known.contains(text))?;
            return nearest(odd, known.iter()).map(|near| format!("did you mean '{near}'?"));
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The type of a value that is written out.
pub(crate) fn literal(view: JsonView<'_>) -> Type {
    match view.kind() {
        Kind::Null => Type::Null,
        Kind::Bool => Type::Bool,
        Kind::Number => match view.as_number() {
            Some(Number::Int(_)) => Type::Int,
            _ => Type::Number,
        },
        Kind::String => Type::texts([view.as_str().unwrap_or_default().as_ref()]),
        Kind::Array => Type::list(Type::union(view.items().map(literal))),
        Kind::Object => Type::closed(
            view.entries().map(|(key, value)| (key.as_ref().to_owned(), literal(value))),
        ),
    }
}
