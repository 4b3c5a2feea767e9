//! The pure domain of Postroom: what an event, a workflow and a run are, and what may become of
//! them. Nothing here opens a socket or a file, reads a clock or draws a random number: time and
//! jitter arrive as arguments, side effects leave as data.

pub mod definition;
pub mod duration;
pub mod event;
pub mod graph;
pub mod id;
pub mod infer;
pub mod journal;
pub mod json;
pub mod lint;
pub mod outcome;
pub mod parse;
pub mod policy;
pub mod problem;
pub mod retry;
pub mod run;
pub mod schema;
pub mod scope;
pub mod trigger;
pub mod typecheck;
pub mod yaml;

pub use definition::Workflow;
pub use event::Event;
pub use id::{DefinitionHash, EventId, RunId};
pub use journal::Entry;
pub use json::Json;
pub use outcome::{Failure, Outcome};
pub use problem::Problem;
pub use run::Run;
