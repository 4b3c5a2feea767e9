//! Every public problem, in one table: a stable code, an HTTP status, what it means and what to do.
//! Files, the API and the command line all speak of problems by these codes; the docs page
//! `docs/problems.md` is this table.

use std::fmt;

use serde::Serialize;

mod checked;
mod dry;
mod failures;
mod going;
mod lints;
mod secrets;
mod sending;
mod table;
pub use checked::*;
pub use dry::*;
pub use failures::*;
pub use going::*;
pub use lints::*;
pub use secrets::*;
pub use sending::*;
pub use table::*;

/// Every problem there is.
pub static ALL: &[&Kind] = &joined::<COUNT>();

const TABLES: [&[&Kind]; 5] = [GENERAL, LINTS, FAILURES, SENDING, SECRETS];

const COUNT: usize =
    TABLES[0].len() + TABLES[1].len() + TABLES[2].len() + TABLES[3].len() + TABLES[4].len();

const fn joined<const N: usize>() -> [&'static Kind; N] {
    let mut all = [TABLES[0][0]; N];
    let (mut at, mut table) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            all[at] = TABLES[table][row];
            at += 1;
            row += 1;
        }
        table += 1;
    }
    all
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The stable code, e.g. `config/unknown-key`.
    pub code: &'static str,
    /// The HTTP status under which the API answers it.
    pub status: u16,
    /// A few words, the same for every occurrence.
    pub title: &'static str,
    /// What it means and what to do, in sentences.
    pub explain: &'static str,
}

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, relative to the project.
    pub file: String,
    /// Line; 0 where only the file is known.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// Length of what is meant, in bytes.
    #[serde(skip)]
    pub len: u32,
}

/// One occurrence of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which row of the table.
    pub kind: &'static Kind,
    /// What is wrong here.
    pub detail: String,
    /// What to do about it here.
    pub hint: Option<String>,
    /// Where, if it is in a file.
    pub place: Option<Place>,
    /// What is around the place. Boxed: problems are passed by value.
    context: Option<Box<Context>>,
}

/// What is around a place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Context {
    path: Option<String>,
    line: Option<String>,
}

impl Problem {
    /// An occurrence with its own words.
    #[must_use]
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, place: None, context: None }
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with what it is about within its file.
    #[must_use]
    pub fn of(mut self, path: impl Into<String>) -> Self {
        self.context.get_or_insert_default().path = Some(path.into());
        self
    }

    /// The same with the line of the file that its place is on.
    #[must_use]
    pub fn on_line(mut self, line: impl Into<String>) -> Self {
        self.context.get_or_insert_default().line = Some(line.into());
        self
    }

    /// What it is about within its file: `steps.tell.with.text`.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.context.as_ref()?.path.as_deref()
    }

    /// The line of the file that its place is on.
    #[must_use]
    pub fn line(&self) -> Option<&str> {
        self.context.as_ref()?.line.as_deref()
    }

    /// The same with a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            match place.line {
                0 => write!(f, "{}: ", place.file)?,
                line => write!(f, "{}:{line}:{}: ", place.file, place.column)?,
            }
        }
        write!(f, "{} [{}]", self.detail, self.kind.code)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// The row of a fault of an expression. Every code of theirs has one; a test compares.
#[must_use]
pub fn of_fault(code: &str) -> &'static Kind {
    by_code(code).unwrap_or(&INTERNAL)
}

/// The row of a code.
#[must_use]
pub fn by_code(code: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|kind| kind.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_explained() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in ALL {
            assert!(seen.insert(kind.code), "{} stands twice", kind.code);
            assert!(kind.explain.len() > 40, "{} needs an explanation", kind.code);
            assert!((400..600).contains(&kind.status), "{}", kind.code);
        }
    }

    #[test]
    fn a_problem_says_where_what_and_what_to_do() {
        let place = Place { file: "workflows/a.yaml".into(), line: 3, column: 5, len: 4 };
        let problem =
            Problem::new(&UNKNOWN_KEY, "unknown key `setps`").hint("did you mean `steps`?");
        assert_eq!(
            problem.at(place).to_string(),
            "workflows/a.yaml:3:5: unknown key `setps` [config/unknown-key]; did you mean `steps`?"
        );
    }
}
