//! One compiled expression.
//!
//! Owns the public face of parser and evaluator. Compiled once, shared between threads, evaluated
//! over any number of scopes.

use std::fmt;
use std::sync::Arc;

use crate::check::{self, Checked, Env};
use crate::eval::{self, Meter};
use crate::fault::{Fault, Stop, code};
use crate::parse::{self, MAX_SOURCE_BYTES};
use crate::reads::{self, Read};
use crate::scope::Scope;
use crate::shows::{self, Shown};
use crate::tree::Tree;
use crate::value::Value;
use crate::{lexer, omit};

/// How much one evaluation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps: one per node evaluated, per item visited or produced, per 64 bytes of text produced
    /// and per 512 bytes of payload read over.
    pub fuel: u64,
    /// Bytes of text produced, all intermediate ones counted.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 100_000, output_bytes: 1024 * 1024 }
    }
}

/// A compiled expression. Cloning shares it.
#[derive(Clone)]
pub struct Expr {
    tree: Arc<Tree>,
}

impl Expr {
    /// Compiles a text that is one expression.
    ///
    /// # Errors
    /// Every fault found, in the order of the text; at least one.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        if source.len() > MAX_SOURCE_BYTES {
            let message = format!("this expression is longer than {MAX_SOURCE_BYTES} bytes");
            let fault = Fault::new(code::TOO_LARGE, 0..source.len(), message);
            return Err(vec![fault.hint("split it over several steps")]);
        }
        parse::parse(source.into(), lexer::whole(source)).map(Self::new)
    }

    pub(crate) fn new(tree: Tree) -> Self {
        Self { tree: Arc::new(tree) }
    }

    /// The text that all spans refer to. For an expression out of a template, the whole template.
    pub fn source(&self) -> &str {
        &self.tree.source
    }

    /// Evaluates over a scope. The value borrows from both: payloads and literals are not copied.
    ///
    /// # Errors
    /// The first fault, with the span of the node concerned.
    pub fn eval<'a>(&'a self, scope: &Scope<'a>, limits: Limits) -> Result<Value<'a>, Fault> {
        let mut meter = Meter::new(limits);
        match self.eval_metered(scope, &mut meter)? {
            Some(value) => Ok(value),
            None => Err(self.misplaced_omit()),
        }
    }

    /// Evaluates what may be `omit()`, which is `None`.
    pub(crate) fn eval_metered<'a>(
        &'a self,
        scope: &Scope<'a>,
        meter: &mut Meter,
    ) -> Result<Option<Value<'a>>, Fault> {
        match eval::run(&self.tree, scope, meter) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Omit) => Ok(None),
            Err(Stop::Fault(fault)) => Err(*fault),
        }
    }

    /// The fault for an expression that is omitted where that has no meaning.
    pub(crate) fn misplaced_omit(&self) -> Fault {
        omit::misplaced(self.span())
    }

    /// Whether the value of the expression may be `omit()`.
    pub(crate) fn may_omit(&self) -> bool {
        omit::may_omit(&self.tree, self.tree.root)
    }

    /// The bytes of the expression in its source.
    pub(crate) fn span(&self) -> std::ops::Range<usize> {
        self.tree.span(self.tree.root)
    }

    /// Types the expression over names of which only the types are known.
    pub fn check(&self, env: &Env) -> Checked {
        check::run(&self.tree, env)
    }

    /// Types an expression whose value becomes part of a text.
    pub(crate) fn check_shown(&self, env: &Env) -> Checked {
        check::run_shown(&self.tree, env)
    }

    /// What is known once the expression came out true, or false.
    pub(crate) fn assume(&self, env: &Env, truth: bool) -> Env {
        check::assume(&self.tree, env, truth)
    }

    /// The path of names that the expression is, if it is one.
    pub(crate) fn path(&self) -> Option<Vec<String>> {
        check::path(&self.tree)
    }

    /// What the expression reads from the scope: for each occurrence the longest path that is
    /// known without evaluating. Names bound by macros are not read from the scope.
    pub fn reads(&self) -> Vec<Read> {
        reads::of(&self.tree)
    }

    /// Whether it reads a name of the scope. Costs a look at every node, no more.
    pub fn reads_name(&self, name: &str) -> bool {
        reads::has(&self.tree, name)
    }

    /// What becomes part of the value, in the order of the source: what is read to be compared,
    /// counted, hashed or cut does not.
    pub fn shows(&self) -> Vec<Shown> {
        shows::of(&self.tree)
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Expr({:?})", self.source().get(self.span()).unwrap_or_default())
    }
}
