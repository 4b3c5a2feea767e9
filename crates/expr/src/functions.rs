//! The functions of the language, in one table.
//!
//! Owns the table that the parser, the documentation and the tests walk, and what an
//! implementation may ask of its arguments. One file per group holds rows and implementations side
//! by side. Refuses anything that is not a pure function of its arguments: no clock, no
//! randomness, no environment.

mod convert;
mod dates;
mod encoding;
mod hashes;
mod lists;
mod numbers;
mod objects;
mod signature;
mod special;
mod texts;

pub use dates::{moment_ms, moment_text};
use std::borrow::Cow;

pub(crate) use self::lists::sort_values;
pub(crate) use self::signature::{Given, Gives, Signature, Takes};
use crate::eval::{Answer, Exhausted, Meter, article, exhausted_at};
use crate::fault::{Fault, Stop, code};
use crate::number::Number;
use crate::tree::{Macro, NodeId, Tree};
use crate::value::{Entry, Value};

/// The most arguments of a function that takes any number of them.
pub(crate) const MANY: u8 = 32;

/// One function, method or macro.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is called, and what kind of value it yields.
    pub signature: &'static str,
    /// What it does, as one sentence.
    pub doc: &'static str,
    /// An expression that shows it.
    pub example: &'static str,
    /// What the example evaluates to, as JSON.
    pub result: &'static str,
    pub(crate) form: Form,
    /// Least and most arguments, a method's receiver included.
    pub(crate) arity: (u8, u8),
    pub(crate) run: Run,
    /// What it takes and gives, for the checker.
    pub(crate) types: Signature,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `value.name(…)`
    Method,
    /// `name(…)`
    Free,
    /// Both.
    Either,
}

pub(crate) type Native = for<'c, 'a> fn(&mut Call<'c, 'a>) -> Answer<'a>;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    Native(Native),
    Macro(Macro),
    Has,
    Omit,
}

/// Functions that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Heading in the documentation.
    pub title: &'static str,
    /// Its rows of the table.
    pub functions: &'static [Function],
}

/// The table by group, in the order of the documentation.
pub const GROUPS: &[Group] = &[
    Group { title: "Fields and lists", functions: special::TABLE },
    Group { title: "Any value", functions: convert::TABLE },
    Group { title: "Strings", functions: texts::TABLE },
    Group { title: "Numbers", functions: numbers::TABLE },
    Group { title: "Lists", functions: lists::TABLE },
    Group { title: "Objects", functions: objects::TABLE },
    Group { title: "Encodings", functions: encoding::TABLE },
    Group { title: "Hashes", functions: hashes::TABLE },
    Group { title: "Dates", functions: dates::TABLE },
];

/// Every function of the language.
pub static FUNCTIONS: &[Function] = &flatten::<COUNT>();

const COUNT: usize = {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].functions.len();
        group += 1;
    }
    count
};

const fn flatten<const N: usize>() -> [Function; N] {
    let mut all = [GROUPS[0].functions[0]; N];
    let (mut at, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].functions.len() {
            all[at] = GROUPS[group].functions[row];
            at += 1;
            row += 1;
        }
        group += 1;
    }
    all
}

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// What the documentation says of a function: how it is called, what it does, an example, its
/// result.
type Words = [&'static str; 4];

const fn row(
    name: &'static str,
    form: Form,
    arity: (u8, u8),
    run: Run,
    types: Signature,
    words: Words,
) -> Function {
    let [signature, doc, example, result] = words;
    Function { name, signature, doc, example, result, form, arity, run, types }
}

const fn method(
    name: &'static str,
    arity: (u8, u8),
    run: Native,
    types: Signature,
    words: Words,
) -> Function {
    row(name, Form::Method, arity, Run::Native(run), types, words)
}

const fn free(
    name: &'static str,
    arity: (u8, u8),
    run: Native,
    types: Signature,
    words: Words,
) -> Function {
    row(name, Form::Free, arity, Run::Native(run), types, words)
}

const fn either(
    name: &'static str,
    arity: (u8, u8),
    run: Native,
    types: Signature,
    words: Words,
) -> Function {
    row(name, Form::Either, arity, Run::Native(run), types, words)
}

/// One call of a function: its arguments and what it may spend.
pub(crate) struct Call<'c, 'a> {
    pub args: &'c [Value<'a>],
    tree: &'c Tree,
    node: NodeId,
    arg_nodes: &'c [NodeId],
    meter: &'c mut Meter,
}

impl<'c, 'a> Call<'c, 'a> {
    pub fn new(
        tree: &'c Tree,
        node: NodeId,
        arg_nodes: &'c [NodeId],
        args: &'c [Value<'a>],
        meter: &'c mut Meter,
    ) -> Self {
        Self { args, tree, node, arg_nodes, meter }
    }

    pub fn has(&self, index: usize) -> bool {
        index < self.args.len()
    }

    /// A fault about one argument; 0 is a method's receiver.
    pub fn fault(&self, index: usize, code: &'static str, message: impl Into<String>) -> Fault {
        let node = self.arg_nodes.get(index).copied().unwrap_or(self.node);
        Fault::new(code, self.tree.span(node), message)
    }

    /// Any result but a value: a fault about an argument's content.
    pub fn bad<T>(&self, index: usize, message: impl Into<String>) -> Result<T, Stop> {
        Err(self.fault(index, code::VALUE, message).into())
    }

    fn wrong_kind(&self, index: usize, wanted: &str) -> Stop {
        let found = self.args.get(index).map_or("nothing", Value::type_name);
        let name = match &self.tree.node(self.node).kind {
            crate::tree::NodeKind::Call { function, .. } => function.name,
            _ => "",
        };
        let excerpt =
            self.arg_nodes.get(index).map(|node| self.tree.excerpt(*node)).unwrap_or_default();
        let message = format!("`{name}` needs {wanted}, but `{excerpt}` is {}", article(found));
        let (code, hint) = match (found, wanted) {
            ("null", "a string") => (code::NULL, Some("if it may be null, write `(… ?? '')`")),
            ("null", "a list") => (code::NULL, Some("if it may be null, write `(… ?? [])`")),
            ("null", _) => (code::NULL, Some("give it a value with `??`")),
            ("number", "a string") => (code::TYPE, Some("convert it with `string(…)`")),
            ("string", "a number") => (code::TYPE, Some("convert it with `double(…)`")),
            ("string", "a whole number") => (code::TYPE, Some("convert it with `int(…)`")),
            _ => (code::TYPE, None),
        };
        self.fault(index, code, message).maybe_hint(hint.map(str::to_owned)).into()
    }

    /// A string argument.
    pub fn text(&self, index: usize) -> Result<Cow<'c, str>, Stop> {
        let args = self.args;
        args.get(index).and_then(Value::as_str).ok_or_else(|| self.wrong_kind(index, "a string"))
    }

    /// A number argument.
    pub fn number(&self, index: usize) -> Result<Number, Stop> {
        self.args
            .get(index)
            .and_then(Value::as_number)
            .ok_or_else(|| self.wrong_kind(index, "a number"))
    }

    /// A whole number argument.
    pub fn whole(&self, index: usize) -> Result<i64, Stop> {
        match self.number(index)? {
            Number::Int(int) => Ok(int),
            Number::Float(_) => Err(self.wrong_kind(index, "a whole number")),
        }
    }

    /// A whole number argument that counts something.
    pub fn count(&self, index: usize) -> Result<usize, Stop> {
        let whole = self.whole(index)?;
        match usize::try_from(whole) {
            Ok(count) => Ok(count),
            Err(_) => self.bad(index, format!("{whole} is negative")),
        }
    }

    /// A list argument.
    pub fn list(&mut self, index: usize) -> Result<Cow<'c, [Value<'a>]>, Stop> {
        let args = self.args;
        self.read_over(index)?;
        let items = args.get(index).and_then(Value::items);
        let items = items.ok_or_else(|| self.wrong_kind(index, "a list"))?;
        self.spend(items.len())?;
        Ok(items)
    }

    /// An object argument.
    pub fn object(&mut self, index: usize) -> Result<Cow<'c, [Entry<'a>]>, Stop> {
        let args = self.args;
        self.read_over(index)?;
        let entries = args.get(index).and_then(Value::entries);
        let entries = entries.ok_or_else(|| self.wrong_kind(index, "an object"))?;
        self.spend(entries.len())?;
        Ok(entries)
    }

    /// An argument of a payload is read to its end.
    fn read_over(&mut self, index: usize) -> Result<(), Stop> {
        let Some(Value::Json(view)) = self.args.get(index) else { return Ok(()) };
        let read = self.meter.read(view.raw().len());
        read.map_err(|exhausted| self.exhausted(exhausted))
    }

    fn exhausted(&self, exhausted: Exhausted) -> Stop {
        exhausted_at(exhausted, self.tree, self.node)
    }

    /// Takes fuel for items visited or produced.
    pub fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.meter.spend(steps).map_err(|exhausted| exhausted_at(exhausted, self.tree, self.node))
    }

    /// Takes room for a text that is about to be produced.
    pub fn build(&mut self, bytes: usize) -> Result<(), Stop> {
        self.meter.build(bytes).map_err(|exhausted| exhausted_at(exhausted, self.tree, self.node))
    }

    /// The JSON text of a value, within the room that is left.
    pub fn json_text(&mut self, value: &Value<'a>) -> Result<String, Stop> {
        let mut out = String::new();
        if value.write_json_within(&mut out, self.meter.room()).is_err() {
            return Err(self.exhausted(Exhausted::Output));
        }
        self.build(out.len())?;
        Ok(out)
    }

    /// The text of an argument as it would stand in a template string.
    pub fn text_of(&mut self, index: usize, value: &Value<'a>) -> Result<String, Stop> {
        if value.is_null() {
            return Err(self.wrong_kind(index, "something with a text"));
        }
        match value.as_str() {
            Some(text) => {
                self.build(text.len())?;
                Ok(text.into_owned())
            }
            None => self.json_text(value),
        }
    }

    /// Whether two values are equal.
    pub fn equal(&mut self, a: &Value<'a>, b: &Value<'a>) -> Result<bool, Stop> {
        use crate::eval::Unequalled;
        match crate::eval::equal(a, b, self.meter) {
            Ok(equal) => Ok(equal),
            Err(Unequalled::Exhausted(exhausted)) => Err(self.exhausted(exhausted)),
            Err(Unequalled::TooDeep) => {
                Err(self.fault(0, code::TOO_LARGE, "values are nested too deep to compare").into())
            }
        }
    }
}

/// A finished string as an answer.
fn answer<'a>(text: impl Into<String>) -> Answer<'a> {
    Ok(Value::Str(Cow::Owned(text.into())))
}
