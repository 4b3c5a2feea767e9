//! Calls of functions, methods and macros.
//!
//! Owns which functions exist in which form and with how many arguments, and the names that macros
//! bind. That is checked here, so that evaluation need not.

use super::Parser;
use crate::fault::code;
use crate::functions::{self, Form, Function, Run};
use crate::lexer::Tok;
use crate::nearest::nearest;
use crate::tree::{Macro, NodeId, NodeKind, Span};

impl Parser {
    /// `name(…)`; stands on the name.
    pub(super) fn free_call(&mut self) -> NodeId {
        let span = self.span();
        let name = self.text().to_owned();
        let function = functions::find(&name);
        self.advance();
        match function.map(|function| &function.run) {
            Some(Run::Has) => self.has(span),
            Some(Run::Omit) => {
                let (args, end) = self.arguments();
                if !args.is_empty() {
                    self.fault_at(code::ARGUMENTS, span, "`omit` takes no arguments", None);
                }
                self.add(NodeKind::Omit, span.to(end))
            }
            _ => {
                let (args, end) = self.arguments();
                self.call(function, &name, span, args, false, end)
            }
        }
    }

    /// `value.name(…)`; stands on the name.
    pub(super) fn method(&mut self, receiver: NodeId) -> NodeId {
        let span = self.span();
        let name = self.text().to_owned();
        let function = functions::find(&name);
        self.advance();
        if let Some(Function { run: Run::Macro(kind), .. }) = function {
            return self.macro_call(*kind, &name, receiver);
        }
        let mut args = vec![receiver];
        let (rest, end) = self.arguments();
        args.extend(rest);
        self.call(function, &name, span, args, true, end)
    }

    fn arguments(&mut self) -> (Vec<NodeId>, Span) {
        let opened = self.span();
        self.sequence(opened, ")", Self::expression)
    }

    fn call(
        &mut self,
        function: Option<&'static Function>,
        name: &str,
        span: Span,
        args: Vec<NodeId>,
        method: bool,
        end: Span,
    ) -> NodeId {
        let start = args.first().filter(|_| method).map_or(span, |first| self.span_of(*first));
        let whole = start.to(end);
        let Some(function) = function else {
            let kind = if method { "method" } else { "function" };
            let hint = suggestion(name);
            self.fault_at(
                code::UNKNOWN_FUNCTION,
                span,
                &format!("there is no {kind} `{name}`"),
                hint,
            );
            return self.add(NodeKind::Invalid, whole);
        };
        let signature = function.signature;
        let wrong_form = match function.form {
            Form::Method => !method,
            Form::Free => method,
            Form::Either => false,
        };
        if wrong_form {
            let kind = if method { "function, not a method" } else { "method, not a function" };
            let hint = Some(format!("write `{signature}`"));
            self.fault_at(code::ARGUMENTS, span, &format!("`{name}` is a {kind}"), hint);
            return self.add(NodeKind::Invalid, whole);
        }
        let (least, most) = function.arity;
        if !(usize::from(least)..=usize::from(most)).contains(&args.len()) {
            let offset = usize::from(method);
            let given = args.len() - offset;
            let wanted =
                match (usize::from(least) - offset.min(least.into()), usize::from(most) - offset) {
                    (0, 0) => "no arguments".to_owned(),
                    (1, 1) => "one argument".to_owned(),
                    (least, most) if least == most => format!("{least} arguments"),
                    (least, most) if most >= usize::from(functions::MANY) - 1 => {
                        format!("{least} or more arguments")
                    }
                    (least, most) => format!("{least} to {most} arguments"),
                };
            let message = format!("`{name}` takes {wanted}, not {given}");
            self.fault_at(code::ARGUMENTS, span, &message, Some(format!("write `{signature}`")));
            return self.add(NodeKind::Invalid, whole);
        }
        self.add(NodeKind::Call { function, args: args.into() }, whole)
    }

    fn has(&mut self, span: Span) -> NodeId {
        let (args, end) = self.arguments();
        let whole = span.to(end);
        let path = args.first().map(|first| &self.nodes[first.0 as usize].kind);
        match (args.len(), path) {
            (1, Some(NodeKind::Member { .. } | NodeKind::Index { .. })) => {
                self.add(NodeKind::Has(args[0]), whole)
            }
            (1, Some(NodeKind::Invalid)) => self.add(NodeKind::Invalid, whole),
            _ => {
                let hint = Some("write `has(a.b)`".to_owned());
                let message =
                    "`has` asks for one field: it takes a path with at least one `.` or `[ ]`";
                self.fault_at(code::ARGUMENTS, whole, message, hint);
                self.add(NodeKind::Invalid, whole)
            }
        }
    }

    /// Stands on the `(` after the macro's name.
    fn macro_call(&mut self, kind: Macro, name: &str, list: NodeId) -> NodeId {
        let opened = self.span();
        let lambda = *self.peek_ahead(2) == Tok::P("=>");
        let comma = *self.peek_ahead(2) == Tok::P(",");
        if *self.peek_ahead(1) != Tok::Ident || !(lambda || comma) {
            self.advance();
            let hint = format!("write `list.{name}(x => …)`, where `x` is each item in turn");
            let message = format!("`{name}` needs a name for the item first");
            let span = self.span();
            self.fault_at(code::ARGUMENTS, span, &message, Some(hint));
            self.reported_at = Some(self.at);
            self.recover();
            while self.eat(",") {
                self.recover();
            }
            self.reported_at = Some(self.at);
            let end = self.close(")", opened);
            let span = self.span_of(list).to(end);
            return self.add(NodeKind::Invalid, span);
        }
        self.advance();
        let variable = self.text().to_owned();
        self.advance();
        self.bound.push(variable);
        // Stands on the comma or arrow, which `sequence` takes for an opening bracket.
        let (bodies, end) = self.sequence(opened, ")", Self::expression);
        self.bound.pop();
        let span = self.span_of(list).to(end);
        let (filter, body) = match bodies.as_slice() {
            [body] => (None, *body),
            [filter, body] if kind == Macro::Map && comma => (Some(*filter), *body),
            _ => {
                let hint = Some(format!("write `list.{name}(x => …)`"));
                let message = format!("`{name}` takes a name and one expression");
                self.fault_at(code::ARGUMENTS, opened.to(end), &message, hint);
                return self.add(NodeKind::Invalid, span);
            }
        };
        self.add(NodeKind::Macro { kind, list, filter, body }, span)
    }
}

/// What other languages call a function that is here under a name no edit distance finds.
const FOREIGN: &[(&str, &str)] = &[
    ("length", "did you mean `size`?"),
    ("len", "did you mean `size`?"),
    ("count", "did you mean `size`?"),
    ("toString", "did you mean `string`, or a template string `…${x}…`?"),
    ("str", "did you mean `string`?"),
    ("format", "write a template string `…${x}…`; for dates, `formatDate`"),
    ("toUpperCase", "did you mean `upper`?"),
    ("upperAscii", "did you mean `upper`?"),
    ("uppercase", "did you mean `upper`?"),
    ("toLowerCase", "did you mean `lower`?"),
    ("lowerAscii", "did you mean `lower`?"),
    ("lowercase", "did you mean `lower`?"),
    ("includes", "did you mean `contains` (strings) or `x in list`?"),
    ("strip", "did you mean `trim`?"),
    ("toFixed", "did you mean `fixed`?"),
    ("some", "did you mean `exists`?"),
    ("any", "did you mean `exists`?"),
    ("every", "did you mean `all`?"),
    ("find", "write `list.filter(x => …).first()`"),
    ("parseInt", "did you mean `int`?"),
    ("parseFloat", "did you mean `double`?"),
    ("float", "did you mean `double`?"),
    ("number", "did you mean `double`?"),
    ("uint", "there is one number type; did you mean `int`?"),
    ("stringify", "did you mean `json`?"),
    ("toJson", "did you mean `json`?"),
    ("fromJson", "did you mean `parseJson`?"),
    ("encodeURIComponent", "did you mean `urlEncode`?"),
    ("matches", "there are no regular expressions; use `startsWith`, `endsWith` or `contains`"),
    ("match", "there are no regular expressions; use `startsWith`, `endsWith` or `contains`"),
    ("coalesce", "write `a ?? b`"),
    ("default", "write `a ?? b`"),
    ("timestamp", "did you mean `date`?"),
    ("duration", "durations are strings: `addDuration(date, '36h')`"),
    ("now", "the time is not a function: read it from the scope, so that a run can be repeated"),
    ("if", "a choice is written `condition ? value : other value`"),
    ("concat", "write `a + b`"),
    ("append", "write `list + [item]`"),
    ("push", "write `list + [item]`"),
    ("substr", "did you mean `substring`?"),
];

/// What to tell somebody who called a function that does not exist.
fn suggestion(name: &str) -> Option<String> {
    let foreign = |name: &str| {
        let found = FOREIGN.iter().find(|(known, _)| *known == name);
        found.map(|(_, hint)| (*hint).to_owned())
    };
    if let Some(hint) = foreign(name) {
        return Some(hint);
    }
    let own = functions::FUNCTIONS.iter().map(|known| known.name);
    let near = nearest(name, own.chain(FOREIGN.iter().map(|(known, _)| *known)))?;
    match functions::find(&near) {
        Some(known) => Some(format!("did you mean `{}`?", known.signature)),
        None => foreign(&near),
    }
}
