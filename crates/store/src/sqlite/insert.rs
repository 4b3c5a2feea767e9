//! Rows into a table, several with one statement: what SQLite does once for each statement costs as
//! much as the row itself, and the place where the last row went is known only within one.

use std::borrow::Cow;

use rusqlite::{CachedStatement, Connection, Statement, ToSql};

use super::failed;
use super::lines::{EventLine, MoveLine, Name, StartLine};
use crate::Error;

/// How many rows one statement takes, where there are so many. Some 50 microseconds.
pub(super) const ROWS: usize = 16;

/// The values of a row, in the order of the columns.
pub(super) type Values<T, const N: usize> = for<'r> fn(&'r T) -> [&'r dyn ToSql; N];

/// Inserts rows of one table.
pub(super) struct Insert<'c, const N: usize> {
    one: CachedStatement<'c>,
    many: CachedStatement<'c>,
}

impl<'c, const N: usize> Insert<'c, N> {
    /// Readies the statements for the columns of a table.
    pub fn new(connection: &'c Connection, table: &str, columns: [&str; N]) -> Result<Self, Error> {
        let row = format!("({})", ["?"; N].join(", "));
        let prepared = |rows: usize| {
            let (columns, rows) = (columns.join(", "), vec![row.as_str(); rows].join(", "));
            // The whole transaction is given up on any fault, so that none needs to be able to
            // undo this statement alone: that would copy every page before it is changed.
            let sql = format!("INSERT OR FAIL INTO {table} ({columns}) VALUES {rows}");
            connection.prepare_cached(&sql).map_err(failed)
        };
        Ok(Self { one: prepared(1)?, many: prepared(ROWS)? })
    }

    /// Inserts rows, in their order.
    pub fn rows<T>(&mut self, rows: &[T], values: Values<T, N>) -> Result<(), Error> {
        let (many, rest) = rows.as_chunks::<ROWS>();
        many.iter().try_for_each(|rows| execute(&mut self.many, rows, values))?;
        rest.chunks(1).try_for_each(|row| execute(&mut self.one, row, values))
    }
}

fn execute<T, const N: usize>(
    statement: &mut Statement<'_>,
    rows: &[T],
    values: Values<T, N>,
) -> Result<(), Error> {
    let all = rows.iter().flat_map(values);
    for (index, value) in (1..).zip(all) {
        statement.raw_bind_parameter(index, value).map_err(failed)?;
    }
    statement.raw_execute().map(|_| ()).map_err(failed)
}

/// A row of `events`.
pub(super) type EventRow<'a> = (i64, EventLine<'a>);

/// A row of `runs`.
pub(super) struct NewRun<'a> {
    event_seq: i64,
    start: StartLine<'a>,
    now: MoveLine<'a>,
    gate: Option<Name>,
    gate_limit: Option<u32>,
    entries: Option<Cow<'a, str>>,
}

pub(super) const EVENT_COLUMNS: [&str; 12] = [
    "seq",
    "id",
    "source",
    "type",
    "time_ms",
    "received_ms",
    "correlation",
    "subject",
    "key",
    "cause",
    "routed",
    "data",
];

pub(super) fn event_values<'r>((seq, event): &'r EventRow<'_>) -> [&'r dyn ToSql; 12] {
    [
        seq,
        &event.id,
        &event.source,
        &event.kind,
        &event.time_ms,
        &event.received_ms,
        &event.correlation,
        &event.subject,
        &event.key,
        &event.cause,
        &event.routed,
        &event.data,
    ]
}

pub(super) const RUN_COLUMNS: [&str; 12] = [
    "id",
    "event_seq",
    "workflow",
    "definition",
    "state",
    "created_ms",
    "due_ms",
    "finished_ms",
    "gate",
    "gate_limit",
    "body",
    "first_entries",
];

pub(super) fn run_values<'r>(run: &'r NewRun<'_>) -> [&'r dyn ToSql; 12] {
    let NewRun { event_seq, start, now, gate, gate_limit, entries } = run;
    [
        &start.id,
        event_seq,
        &start.workflow,
        &now.definition,
        &now.state,
        &start.created_ms,
        &now.due_ms,
        &now.finished_ms,
        gate,
        gate_limit,
        &now.body,
        entries,
    ]
}

impl<'a> NewRun<'a> {
    /// A run that was started in this batch, as it is at its end.
    pub fn new(
        event_seq: i64,
        mut start: StartLine<'a>,
        moved: Option<MoveLine<'a>>,
        entries: Option<Cow<'a, str>>,
    ) -> Self {
        let now = moved.unwrap_or_else(|| MoveLine {
            id: start.id,
            from: start.state,
            state: start.state,
            definition: start.definition,
            due_ms: start.due_ms,
            finished_ms: start.finished_ms,
            body: std::mem::take(&mut start.body),
            journal: None,
        });
        let (gate, gate_limit) = start.gate.unzip();
        Self { event_seq, start, now, gate, gate_limit, entries }
    }
}
