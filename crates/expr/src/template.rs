//! Text with `${{ }}` in it.
//!
//! Owns where expressions start and end in a text, the escape `$${{`, and the rule that a text
//! which is exactly one `${{ }}` keeps the kind of its value while any other becomes a string.

use std::sync::Arc;

use crate::check::{Checked, Env};
use crate::eval::Meter;
use crate::expr::{Expr, Limits};
use crate::fault::{Fault, code};
use crate::lexer;
use crate::parse;
use crate::reads::Read;
use crate::scope::Scope;
use crate::shows::Shown;
use crate::types::Type;
use crate::value::{Value, no_text};

/// The longest text of a template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 1024 * 1024;

/// A compiled text with `${{ }}` in it. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Template {
    source: Arc<str>,
    parts: Arc<[Part]>,
}

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Value(Expr),
}

impl Template {
    /// Compiles a text. Spans of faults are offsets into the whole text.
    ///
    /// # Errors
    /// Every fault of every expression in it.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        if text.len() > MAX_TEMPLATE_BYTES {
            let message = format!("this text is longer than {MAX_TEMPLATE_BYTES} bytes");
            return Err(vec![Fault::new(code::TOO_LARGE, 0..text.len(), message)]);
        }
        let source: Arc<str> = text.into();
        let (mut parts, mut faults) = (Vec::new(), Vec::new());
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${{") {
            let start = at + found;
            if text[at..start].ends_with('$') {
                literal.push_str(&text[at..start - 1]);
                literal.push_str("${{");
                at = start + 3;
                continue;
            }
            literal.push_str(&text[at..start]);
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal).into()));
            }
            let tokens = lexer::embedded(text, start + 3);
            let Some(end) = tokens.closed_at else {
                faults.extend(unclosed(text, start, tokens.faults));
                return Err(faults);
            };
            match parse::parse(Arc::clone(&source), tokens) {
                Ok(tree) => parts.push(Part::Value(Expr::new(tree))),
                Err(found) => faults.extend(found),
            }
            at = end;
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        if parts.len() > 1 {
            faults.extend(parts.iter().filter_map(|part| match part {
                Part::Value(expr) if expr.may_omit() => Some(expr.misplaced_omit()),
                _ => None,
            }));
        }
        if faults.is_empty() { Ok(Self { source, parts: parts.into() }) } else { Err(faults) }
    }

    /// Compiles a condition: a bare expression, or one in `${{ }}`.
    ///
    /// # Errors
    /// Every fault found; also when there is text beside the `${{ }}`, or several of them.
    pub fn condition(text: &str) -> Result<Expr, Vec<Fault>> {
        if !text.contains("${{") {
            let expr = Expr::parse(text)?;
            return if expr.may_omit() { Err(vec![expr.misplaced_omit()]) } else { Ok(expr) };
        }
        let template = Self::parse(text)?;
        let mut found: Option<&Expr> = None;
        for part in template.parts.iter() {
            match part {
                Part::Text(text) if text.trim().is_empty() => {}
                Part::Value(expr) if found.is_none() => found = Some(expr),
                _ => {
                    let message = "a condition is one expression";
                    let fault = Fault::new(code::SYNTAX, 0..text.len(), message);
                    return Err(vec![fault.hint("write `${{ … }}` once, around all of it")]);
                }
            }
        }
        match found {
            Some(expr) if expr.may_omit() => Err(vec![expr.misplaced_omit()]),
            Some(expr) => Ok(expr.clone()),
            None => Expr::parse(text),
        }
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether there is no expression in it.
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Evaluates: to the value of the expression where the text is exactly one `${{ }}`, to a
    /// string otherwise.
    ///
    /// # Errors
    /// The first fault, with its span in the whole text.
    pub fn eval<'a>(&'a self, scope: &Scope<'a>, limits: Limits) -> Result<Value<'a>, Fault> {
        let mut meter = Meter::new(limits);
        match self.eval_metered(scope, &mut meter)? {
            Some(value) => Ok(value),
            None => Err(match self.parts.first() {
                Some(Part::Value(expr)) => expr.misplaced_omit(),
                _ => crate::omit::misplaced(0..self.source.len()),
            }),
        }
    }

    /// Evaluates; `None` when the value is `omit()`.
    pub(crate) fn eval_metered<'a>(
        &'a self,
        scope: &Scope<'a>,
        meter: &mut Meter,
    ) -> Result<Option<Value<'a>>, Fault> {
        match self.parts.as_ref() {
            [] => Ok(Some(Value::text(""))),
            [Part::Text(text)] => Ok(Some(Value::text(text.as_ref()))),
            [Part::Value(expr)] => expr.eval_metered(scope, meter),
            parts => self.mixed(parts, scope, meter).map(|text| Some(Value::text(text))),
        }
    }

    fn mixed<'a>(
        &'a self,
        parts: &'a [Part],
        scope: &Scope<'a>,
        meter: &mut Meter,
    ) -> Result<String, Fault> {
        let mut out = String::new();
        for part in parts {
            let before = out.len();
            let span = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    0..self.source.len()
                }
                Part::Value(expr) => {
                    let value = expr.eval_metered(scope, meter)?;
                    let value = value.ok_or_else(|| expr.misplaced_omit())?;
                    let room = before.saturating_add(meter.room());
                    match value.write_text_within(&mut out, room) {
                        None => return Err(no_text(expr.span())),
                        Some(Ok(())) => {}
                        Some(Err(_)) => return Err(too_long(expr.span())),
                    }
                    expr.span()
                }
            };
            meter.build(out.len() - before).map_err(|_| too_long(span))?;
        }
        Ok(out)
    }

    /// Types it over names of which only the types are known. Spans are offsets into the whole
    /// text.
    pub fn check(&self, env: &Env) -> Checked {
        match self.parts.as_ref() {
            [Part::Value(expr)] => expr.check(env),
            [] => Checked::of(Type::texts([""])),
            [Part::Text(text)] => Checked::of(Type::texts([text.as_ref()])),
            parts => {
                let mut checked = Checked::of(Type::TEXT);
                for part in parts {
                    let Part::Value(expr) = part else { continue };
                    checked.absorb(expr.check_shown(env));
                }
                checked
            }
        }
    }

    /// Whether its value may be `omit()`.
    pub(crate) fn may_omit(&self) -> bool {
        matches!(self.parts.as_ref(), [Part::Value(expr)] if expr.may_omit())
    }

    /// The path of names that it is, if it is exactly one.
    pub(crate) fn path(&self) -> Option<Vec<String>> {
        match self.parts.as_ref() {
            [Part::Value(expr)] => expr.path(),
            _ => None,
        }
    }

    /// The text of its expression, if it is exactly one and short enough for a message.
    pub(crate) fn expression_text(&self) -> Option<String> {
        let [Part::Value(expr)] = self.parts.as_ref() else { return None };
        let text = self.source.get(expr.span())?;
        (text.chars().count() <= 60).then(|| text.to_owned())
    }

    /// What its expressions read; spans are offsets into the whole text.
    pub fn reads(&self) -> Vec<Read> {
        self.expressions().flat_map(Expr::reads).collect()
    }

    /// What becomes part of its value; spans are offsets into the whole text.
    pub fn shows(&self) -> Vec<Shown> {
        self.expressions().flat_map(Expr::shows).collect()
    }

    fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(expr) => Some(expr),
        })
    }

    /// Whether one of its expressions reads a name of the scope.
    pub fn reads_name(&self, name: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(expr) if expr.reads_name(name)))
    }
}

pub(crate) fn too_long(span: std::ops::Range<usize>) -> Fault {
    Fault::new(code::OUTPUT, span, "the text becomes longer than its limit")
        .hint("pass on less, or a reference to it")
}

/// The faults of an expression whose `}}` is missing.
fn unclosed(text: &str, start: usize, mut faults: Vec<Fault>) -> Vec<Fault> {
    if !faults.iter().any(|fault| fault.code == code::UNCLOSED) {
        let comment = text[start..].find("//").zip(text[start..].find("}}"));
        let hint = match comment {
            Some((comment, end)) if comment < end => {
                "close it with `}}` on a line of its own; the comment runs to the end of its line"
            }
            _ => "close it with `}}`; for these characters as text, write `$${{`",
        };
        let message = "this `${{` is never closed";
        faults.push(Fault::new(code::UNCLOSED, start..start + 3, message).hint(hint));
    }
    faults
}
