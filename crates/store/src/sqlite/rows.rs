//! Between rows and the domain: how runs, events and journal entries lie in the tables.

use std::borrow::Cow;
use std::sync::Arc;

use postroom_core::definition::Mode;
use postroom_core::event::Cause;
use postroom_core::id::KeyHash;
use postroom_core::run::{Admission, RunFailure, RunState, StepRun, Word};
use postroom_core::{DefinitionHash, Entry, Event, EventId, Json, Run, RunId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::failed;
use crate::Error;

/// The part of a run that no query looks into. Fields are only ever added.
#[derive(Serialize, Deserialize)]
pub(super) struct Body<'a> {
    v: u8,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_empty")]
    steps: Cow<'a, [StepRun]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Cow<'a, RunFailure>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    redrives: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelling: Option<Box<Word>>,
    #[serde(default, skip_serializing_if = "Mode::is_live")]
    mode: Mode,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dry: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admission: Option<Box<Admission>>,
}

#[allow(clippy::ptr_arg, reason = "the signature serde asks for")]
fn is_empty(steps: &Cow<'_, [StepRun]>) -> bool {
    steps.is_empty()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The body column of a run.
pub(super) fn body(run: &Run) -> Result<String, Error> {
    let body = Body {
        v: 1,
        key: run.key.as_str().into(),
        steps: run.steps.as_slice().into(),
        failure: run.failure.as_ref().map(Cow::Borrowed),
        redrives: run.redrives,
        deadline_ms: run.deadline_ms,
        cancelling: run.cancelling.clone(),
        mode: run.mode,
        dry: run.dry,
        admission: run.admission.clone(),
    };
    serde_json::to_string(&body).map_err(|error| corrupt("run body", &error))
}

pub(super) fn corrupt(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Corrupt { reason: format!("{what}: {error}") }
}

/// The number of a state in the `state` column.
pub(super) fn state_number(state: RunState) -> u8 {
    let position = RunState::ALL.iter().position(|known| *known == state);
    position.and_then(|n| u8::try_from(n).ok()).unwrap_or(0)
}

/// The state of a number, if there is one.
pub(super) fn state_of(number: i64) -> Option<RunState> {
    usize::try_from(number).ok().and_then(|n| RunState::ALL.get(n)).copied()
}

pub(super) const RUN_COLUMNS: &str = "r.id, e.id, r.workflow, r.definition, r.state, \
     r.created_ms, r.due_ms, r.finished_ms, r.gate, r.gate_limit, r.body";

/// A run and its concurrency key from a row that starts with [`RUN_COLUMNS`].
pub(super) fn run(row: &Row<'_>) -> Result<(Run, Option<(KeyHash, u32)>), Error> {
    let text: String = row.get(10).map_err(failed)?;
    let body: Body<'_> =
        serde_json::from_str(&text).map_err(|error| corrupt("run body", &error))?;
    let state: i64 = row.get(4).map_err(failed)?;
    let gate: Option<[u8; 16]> = row.get(8).map_err(failed)?;
    let bound: Option<u32> = row.get(9).map_err(failed)?;
    let run = Run {
        id: RunId(row.get(0).map_err(failed)?),
        event: EventId(row.get(1).map_err(failed)?),
        workflow: row.get(2).map_err(failed)?,
        definition: DefinitionHash(row.get(3).map_err(failed)?),
        key: body.key.into_owned(),
        state: state_of(state).ok_or_else(|| corrupt("run state", &state))?,
        created_ms: row.get(5).map_err(failed)?,
        due_ms: row.get(6).map_err(failed)?,
        finished_ms: row.get(7).map_err(failed)?,
        steps: body.steps.into_owned(),
        failure: body.failure.map(Cow::into_owned),
        redrives: body.redrives,
        deadline_ms: body.deadline_ms,
        cancelling: body.cancelling,
        mode: body.mode,
        dry: body.dry,
        admission: body.admission,
    };
    Ok((run, gate.map(KeyHash).zip(bound)))
}

pub(super) const EVENT_COLUMNS: &str = "e.id, e.source, e.type, e.time_ms, e.received_ms, \
     e.correlation, e.subject, e.key, e.cause, e.routed";

/// An event without its data from a row whose columns from `at` on are [`EVENT_COLUMNS`].
pub(super) fn event(row: &Row<'_>, at: usize, data: Json) -> Result<(Event, u32), Error> {
    let cause: Option<String> = row.get(at + 8).map_err(failed)?;
    let cause: Option<Cause> = cause
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| corrupt("event cause", &error))?;
    let event = Event {
        id: EventId(row.get(at).map_err(failed)?),
        source: row.get(at + 1).map_err(failed)?,
        kind: row.get(at + 2).map_err(failed)?,
        time_ms: row.get(at + 3).map_err(failed)?,
        received_ms: row.get(at + 4).map_err(failed)?,
        correlation: row.get(at + 5).map_err(failed)?,
        subject: row.get(at + 6).map_err(failed)?,
        key: row.get(at + 7).map_err(failed)?,
        cause,
        data,
    };
    Ok((event, row.get(at + 9).map_err(failed)?))
}

/// A run with its event and its journal.
pub(super) struct Loaded {
    pub run: Run,
    pub gate: Option<(KeyHash, u32)>,
    pub event: Arc<Event>,
    pub journal: Vec<Entry>,
    pub rows: u32,
}

/// Reads a run with everything that belongs to it.
pub(super) fn load(connection: &Connection, id: RunId) -> Result<Option<Loaded>, Error> {
    let sql = format!(
        "SELECT {RUN_COLUMNS}, {EVENT_COLUMNS}, e.data, r.first_entries FROM runs r \
         JOIN events e ON e.seq = r.event_seq WHERE r.id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let found = statement
        .query_row([id.0], |row| {
            Ok(run(row).and_then(|(run, gate)| {
                let text: String = row.get(21).map_err(failed)?;
                let data = Json::parse(text).map_err(|error| corrupt("event data", &error))?;
                let (event, _) = event(row, 11, data)?;
                let first: Option<String> = row.get(22).map_err(failed)?;
                Ok((run, gate, event, first))
            }))
        })
        .optional()
        .map_err(failed)?
        .transpose()?;
    let Some((run, gate, event, first)) = found else { return Ok(None) };
    // A run that never started has written nothing, which saves the look-up.
    let is_new = run.steps.is_empty() && run.redrives == 0 && run.state == RunState::Queued;
    let (journal, rows) = if is_new { (Vec::new(), 0) } else { journal(connection, id, first)? };
    Ok(Some(Loaded { run, gate, event: Arc::new(event), journal, rows }))
}

/// What a run wrote down, and the number of the last row of it.
fn journal(
    connection: &Connection,
    id: RunId,
    first: Option<String>,
) -> Result<(Vec<Entry>, u32), Error> {
    let mut statement = connection
        .prepare_cached("SELECT n, entries FROM journal WHERE run = ?1 ORDER BY n")
        .map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    let read = |text: String| -> Result<Vec<Entry>, Error> {
        serde_json::from_str(&text).map_err(|error| corrupt("journal entry", &error))
    };
    let mut entries = first.map_or_else(|| Ok(Vec::new()), read)?;
    let mut last = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        last = row.get(0).map_err(failed)?;
        entries.extend(read(row.get(1).map_err(failed)?)?);
    }
    Ok((entries, last))
}
