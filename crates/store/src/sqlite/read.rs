//! Reading: what is rebuilt at open, and the queries of lists.

use postroom_core::definition::Stored;
use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, EventId, Json, Run, RunId};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::failed;
use super::lines::Name;
use super::memory::{Keys, Numbers};
use super::rows::{self, EVENT_COLUMNS, RUN_COLUMNS, corrupt, state_number};
use crate::schedule::Waiting;
use crate::{Error, EventFilter, EventRow, Page, RunFilter};

/// Every run that has not ended, from the covering index alone.
pub(super) fn live(connection: &Connection, now_ms: i64) -> Result<Vec<Waiting>, Error> {
    // A run at work when the process died has no due time: it is due now.
    let sql = "SELECT id, due_ms, gate, gate_limit, state FROM runs INDEXED BY runs_live \
               WHERE state <= 2";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let due_ms: Option<i64> = row.get(1).map_err(failed)?;
        let gate: Option<[u8; 16]> = row.get(2).map_err(failed)?;
        let bound: Option<u32> = row.get(3).map_err(failed)?;
        let state: i64 = row.get(4).map_err(failed)?;
        let state = rows::state_of(state).ok_or_else(|| corrupt("run state", &state))?;
        let id = RunId(row.get(0).map_err(failed)?);
        let gate = gate.map(KeyHash).zip(bound);
        waiting.push(Waiting::new(due_ms.unwrap_or(now_ms), id, state, gate));
    }
    Ok(waiting)
}

/// Every de-duplication key that has not expired.
pub(super) fn keys(connection: &Connection, now_ms: i64) -> Result<Keys, Error> {
    let mut keys = Keys::default();
    let sql = "SELECT COALESCE(SUM(length(entries)), 0) / 40 FROM keys WHERE until_ms > ?1";
    let count: usize = connection.query_row(sql, [now_ms], |row| row.get(0)).map_err(failed)?;
    keys.reserve(count);
    let sql = "SELECT entries FROM keys WHERE until_ms > ?1 ORDER BY seq";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([now_ms]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let entries = row.get_ref(0).map_err(failed)?;
        let entries = entries.as_blob().map_err(|error| corrupt("keys", &error))?;
        let (entries, rest) = entries.as_chunks::<40>();
        if !rest.is_empty() {
            return Err(corrupt("keys", &"a row is cut off"));
        }
        for entry in entries {
            let (mut hash, mut target, mut until) = ([0; 16], [0; 16], [0; 8]);
            hash.copy_from_slice(&entry[..16]);
            target.copy_from_slice(&entry[16..32]);
            until.copy_from_slice(&entry[32..]);
            let until_ms = i64::from_be_bytes(until);
            if until_ms > now_ms {
                keys.insert(KeyHash(hash), target, until_ms);
            }
        }
    }
    Ok(keys)
}

/// Every shared number that still counts.
pub(super) fn numbers(connection: &Connection, now_ms: i64) -> Result<Numbers, Error> {
    let sql = "SELECT key, value, until_ms FROM counters WHERE until_ms > ?1";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let number = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
    let numbers = statement.query_map([now_ms], number).and_then(Iterator::collect);
    numbers.map_err(failed)
}

/// The greatest event id.
pub(super) fn last_event(connection: &Connection) -> Result<Name, Error> {
    let sql = "SELECT MAX(id) FROM events";
    let last: Option<Name> = connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    Ok(last.unwrap_or_default())
}

/// The correlation id of an event.
pub(super) fn correlation(connection: &Connection, event: Name) -> Result<Option<String>, Error> {
    let sql = "SELECT correlation FROM events WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.query_row([event], |row| row.get(0)).optional().map_err(failed)
}

/// The definition a run is on, whatever else of it can be read.
pub(super) fn definition_of(connection: &Connection, run: RunId) -> Result<Name, Error> {
    let sql = "SELECT definition FROM runs WHERE id = ?1";
    let found = connection.query_row(sql, [run.0], |row| row.get(0)).optional().map_err(failed)?;
    Ok(found.unwrap_or_default())
}

/// Runs by state.
pub(super) fn tally(connection: &Connection) -> Result<[u64; 6], Error> {
    let mut statement = connection.prepare("SELECT state, runs FROM tally").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut tally = [0; 6];
    while let Some(row) = rows.next().map_err(failed)? {
        let state: usize = row.get(0).map_err(failed)?;
        if let Some(total) = tally.get_mut(state) {
            *total = row.get(1).map_err(failed)?;
        }
    }
    Ok(tally)
}

pub(super) fn definitions(
    connection: &Connection,
    hashes: Option<&[DefinitionHash]>,
) -> Result<Vec<(String, Stored)>, Error> {
    let mut found: Vec<(String, String)> = Vec::new();
    let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    if hashes.is_none() {
        let mut statement = connection
            .prepare_cached("SELECT name, stored FROM definitions ORDER BY name, hash")
            .map_err(failed)?;
        let rows = statement.query_map([], pair).map_err(failed)?;
        found = rows.collect::<Result<_, _>>().map_err(failed)?;
    }
    for hash in hashes.unwrap_or_default() {
        let mut statement = connection
            .prepare_cached("SELECT name, stored FROM definitions WHERE hash = ?1")
            .map_err(failed)?;
        found.extend(statement.query_row([hash.0], pair).optional().map_err(failed)?);
    }
    let parse = |(name, text): (String, String)| {
        let stored = serde_json::from_str(&text).map_err(|error| corrupt("definition", &error))?;
        Ok((name, stored))
    };
    found.into_iter().map(parse).collect()
}

pub(super) fn event(connection: &Connection, id: EventId) -> Result<Option<EventRow>, Error> {
    let sql = format!("SELECT {EVENT_COLUMNS}, e.data FROM events e WHERE e.id = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let found = statement
        .query_row([id.0], |row| {
            let text: String = row.get(10)?;
            Ok(Json::parse(text)
                .map_err(|error| corrupt("event data", &error))
                .and_then(|data| rows::event(row, 0, data)))
        })
        .optional()
        .map_err(failed)?
        .transpose()?;
    Ok(found.map(|(event, routed)| EventRow { event, routed }))
}

/// Rows of a list: one more than asked for is read, to know whether there are more.
fn page<T>(
    mut rows: rusqlite::Rows<'_>,
    limit: usize,
    read: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    let mut page = Page { rows: Vec::new(), more: false };
    while let Some(row) = rows.next().map_err(failed)? {
        if page.rows.len() == limit {
            page.more = limit > 0;
            break;
        }
        page.rows.push(read(row)?);
    }
    Ok(page)
}

pub(super) fn events(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Page<EventRow>, Error> {
    let mut sql = format!("SELECT {EVENT_COLUMNS} FROM events e WHERE 1");
    let mut values: Vec<&dyn ToSql> = Vec::new();
    // What routed nothing has its own index; everything else is walked from the newest on.
    if filter.unrouted {
        sql += " AND e.routed = 0";
    }
    if let Some(before) = &filter.before {
        sql += " AND e.id < ?";
        values.push(&before.0);
    }
    let texts =
        [("source", &filter.source), ("type", &filter.kind), ("correlation", &filter.correlation)];
    for (column, text) in texts {
        if let Some(text) = text {
            sql += &format!(" AND e.{column} = ?");
            values.push(text);
        }
    }
    sql += " ORDER BY e.id DESC";
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = statement.query(&*values).map_err(failed)?;
    page(rows, filter.limit, |row| {
        let (event, routed) = rows::event(row, 0, Json::null())?;
        Ok(EventRow { event, routed })
    })
}

/// Up to this many runs that have not ended, they are listed by their own index.
const FEW: i64 = 20_000;

/// Which index a list of runs of one state walks; the newest first is what everything else does.
fn index_of(connection: &Connection, state: Option<RunState>) -> Result<&'static str, Error> {
    match state {
        Some(RunState::Dead) => Ok("INDEXED BY runs_dead"),
        Some(state) if !state.ended() => {
            let sql = "SELECT SUM(runs) FROM tally WHERE state <= 2";
            let live: i64 = connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .map_err(failed)?;
            Ok(if live <= FEW { "INDEXED BY runs_live" } else { "" })
        }
        _ => Ok(""),
    }
}

pub(super) fn runs(
    connection: &Connection,
    filter: &RunFilter,
) -> Result<Page<(Run, String)>, Error> {
    let index = index_of(connection, filter.state)?;
    let mut sql = format!(
        "SELECT {RUN_COLUMNS}, e.correlation FROM runs r {index} \
         CROSS JOIN events e ON e.seq = r.event_seq WHERE 1"
    );
    let mut values: Vec<&dyn ToSql> = Vec::new();
    if let Some(state) = filter.state {
        sql += &format!(" AND r.state = {}", state_number(state));
        sql += if state.ended() { "" } else { " AND r.state <= 2" };
    }
    // The runs of one event share the first half of its id.
    let half = filter.event.map(|event| {
        let (mut low, mut high) = (event.0, event.0);
        low[8..].fill(0);
        high[8..].fill(0xff);
        (low, high)
    });
    if let (Some((low, high)), Some(event)) = (&half, &filter.event) {
        sql += " AND r.id BETWEEN ? AND ? AND e.id = ?";
        values.extend([low as &dyn ToSql, high, &event.0]);
    }
    if let Some(before) = &filter.before {
        sql += " AND r.id < ?";
        values.push(&before.0);
    }
    if let Some(workflow) = &filter.workflow {
        sql += " AND r.workflow = ?";
        values.push(workflow);
    }
    if let Some(code) = &filter.code {
        sql += " AND json_extract(r.body, '$.failure.failure.code') = ?";
        values.push(code);
    }
    sql += " ORDER BY r.id DESC";
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = statement.query(&*values).map_err(failed)?;
    page(rows, filter.limit, |row| Ok((rows::run(row)?.0, row.get(11).map_err(failed)?)))
}
