//! The mapping language of Postroom: what stands inside `${{ }}`.
//!
//! CEL in look, JSON in its values: one number type, `?.`, `??`, lambdas and template strings. The
//! whole language is on one page, `docs/language.md`.
//!
//! Owns parsing, evaluation and the functions. Knows nothing of events or workflows: what can be
//! read is a [`Scope`] of named values. Pure: no I/O, no clock, no randomness. Bounded: sources,
//! nesting, steps and produced bytes have limits, and no input makes it panic or recurse without
//! end.
//!
//! ```
//! use postroom_expr::{Expr, JsonView, Limits, Scope, Value};
//!
//! let event = JsonView::parse(r#"{"type": "invoice.paid", "amount": 1999}"#)?;
//! let scope = Scope::new().with("event", Value::Json(event));
//! let expr = Expr::parse("event.amount / 100 > 10 && event.type.startsWith('invoice.')")
//!     .map_err(|faults| faults[0].clone())?;
//! assert_eq!(expr.eval(&scope, Limits::default())?.as_bool(), Some(true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod eval;
mod expr;
mod fault;
mod functions;
mod json;
mod lexer;
mod mapping;
mod nearest;
mod number;
mod omit;
mod parse;
mod reads;
mod scope;
mod shows;
mod template;
mod tree;
mod types;
mod value;

pub use check::{Checked, Env, Finding, Segment, Untyped, place_text};
pub use expr::{Expr, Limits};
pub use fault::{Fault, code};
pub use functions::{FUNCTIONS, Function, GROUPS, Group, moment_ms, moment_text};
pub use json::{Entries, Items, JsonFault, JsonView, Kind};
pub use mapping::{Mapping, MappingFault};
pub use nearest::nearest;
pub use number::{NoResult, Number};
pub use parse::{MAX_HEIGHT, MAX_NESTING, MAX_SOURCE_BYTES};
pub use reads::Read;
pub use scope::Scope;
pub use shows::Shown;
pub use template::{MAX_TEMPLATE_BYTES, Template};
pub use types::{Field, Misfit, Object, Rest, Type, Why};
pub use value::{Entry, TooLong, Value};
