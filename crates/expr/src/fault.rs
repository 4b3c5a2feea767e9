//! What went wrong, where, and how to mend it.
//!
//! Owns the one fault type of the language and its table of stable codes. Refuses to render: how a
//! fault is drawn under its line of YAML is the caller's business, so it carries byte offsets
//! only.

use std::fmt;
use std::ops::Range;

/// The stable codes of all faults. They are public: docs, alerts and tests refer to them.
pub mod code {
    /// The text is not a sentence of the language.
    pub const SYNTAX: &str = "expr/syntax";
    /// A string, template string or `${{` that never ends.
    pub const UNCLOSED: &str = "expr/unclosed";
    /// The source, its nesting or a JSON value is larger than the language accepts.
    pub const TOO_LARGE: &str = "expr/too-large";
    /// A function or method that does not exist.
    pub const UNKNOWN_FUNCTION: &str = "expr/unknown-function";
    /// A function called with too few, too many or misplaced arguments.
    pub const ARGUMENTS: &str = "expr/arguments";
    /// `omit()` where nothing could be left out.
    pub const OMIT: &str = "expr/omit";
    /// A name that the scope does not define.
    pub const UNKNOWN_NAME: &str = "expr/unknown-name";
    /// A field, key or index that the value does not have.
    pub const MISSING_FIELD: &str = "expr/missing-field";
    /// A null where a value is needed.
    pub const NULL: &str = "expr/null";
    /// A value of the wrong kind.
    pub const TYPE: &str = "expr/type";
    /// A value of the right kind that the operation cannot take (a bad date, a negative length).
    pub const VALUE: &str = "expr/value";
    /// A number outside the range that can be represented.
    pub const OVERFLOW: &str = "expr/overflow";
    /// A division or remainder by zero.
    pub const DIVISION: &str = "expr/division-by-zero";
    /// The evaluation took more steps than its limit.
    pub const FUEL: &str = "expr/fuel";
    /// The evaluation produced more bytes than its limit.
    pub const OUTPUT: &str = "expr/output";

    /// A field that no value of the type has, found by the checker.
    pub const UNKNOWN_FIELD: &str = "expr/unknown-field";
    /// A field that may not be there and is read as if it were, found by the checker.
    pub const MAYBE_MISSING: &str = "expr/maybe-missing";
    /// A value that may be null where null is not taken, found by the checker.
    pub const MAYBE_NULL: &str = "expr/maybe-null";
    /// A comparison whose answer is the same for every value, found by the checker.
    pub const NEVER: &str = "expr/never-holds";
    /// A key that is needed is not given, found by the checker.
    pub const INPUT_MISSING: &str = "input/missing";
    /// A key that is not taken, found by the checker.
    pub const INPUT_UNKNOWN: &str = "input/unknown";
    /// A value of another type than is taken, found by the checker.
    pub const INPUT_TYPE: &str = "input/type";

    /// Every code with its meaning, for the documentation.
    pub const ALL: &[(&str, &str)] = &[
        (SYNTAX, "the text is not a sentence of the language"),
        (UNCLOSED, "a string, template string or `${{` never ends"),
        (TOO_LARGE, "the source, its nesting or a JSON value is larger than accepted"),
        (UNKNOWN_FUNCTION, "no function or method has this name"),
        (ARGUMENTS, "too few, too many or misplaced arguments"),
        (OMIT, "`omit()` where nothing can be left out"),
        (UNKNOWN_NAME, "the name is not defined here"),
        (MISSING_FIELD, "the object has no such field, the list no such index"),
        (NULL, "a null where a value is needed"),
        (TYPE, "a value of the wrong kind"),
        (VALUE, "a value of the right kind that the operation cannot take"),
        (OVERFLOW, "a number outside the representable range"),
        (DIVISION, "division or remainder by zero"),
        (FUEL, "more steps than the limit"),
        (OUTPUT, "more bytes produced than the limit"),
        (UNKNOWN_FIELD, "no value of the type has this field"),
        (MAYBE_MISSING, "a field that may be missing is read as if it were there"),
        (MAYBE_NULL, "a value that may be null where null is not taken"),
        (NEVER, "a comparison whose answer is always the same"),
        (INPUT_MISSING, "a key that is needed is not given"),
        (INPUT_UNKNOWN, "a key that is not taken"),
        (INPUT_TYPE, "a value of another type than is taken"),
    ];
}

/// One problem of an expression: found while parsing, or while evaluating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable name of the kind of problem, one of [`code`].
    pub code: &'static str,
    /// Bytes of the given source text that the problem is about.
    pub span: Range<usize>,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// How to mend it, when that is known.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), hint: None }
    }

    /// The same fault with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same fault with a hint if there is one to give.
    #[must_use]
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(out, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// Why an evaluation ended without a value. Boxed: the happy path should not carry a fault's size.
#[derive(Debug)]
pub(crate) enum Stop {
    /// `omit()` was evaluated; the surrounding entry or item is left out.
    Omit,
    /// A fault.
    Fault(Box<Fault>),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}
