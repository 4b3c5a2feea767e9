//! Reading: what is rebuilt at open, and the queries of lists.

use postroom_core::definition::Stored;
use postroom_core::id::KeyHash;
use postroom_core::run::RunState;
use postroom_core::{DefinitionHash, EventId, Json, Run, RunId};
use rusqlite::{Connection, OptionalExtension, params};

use super::failed;
use super::memory::Keys;
use super::rows::{self, EVENT_COLUMNS, RUN_COLUMNS, corrupt, state_number};
use crate::schedule::Waiting;
use crate::{Error, EventFilter, EventRow, Page, RunFilter};

/// How many rows one page looks at before it answers with fewer rows than asked for.
const LOOKED_AT: usize = 20_000;

/// Every run that has not ended, from the covering index alone.
pub(super) fn live(connection: &Connection, now_ms: i64) -> Result<Vec<Waiting>, Error> {
    // The state is not in the index; a run at work when the process died has no due time.
    let sql = "SELECT id, due_ms, gate, gate_limit FROM runs INDEXED BY runs_live WHERE state <= 2";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let due_ms: Option<i64> = row.get(1).map_err(failed)?;
        let gate: Option<[u8; 16]> = row.get(2).map_err(failed)?;
        let bound: Option<u32> = row.get(3).map_err(failed)?;
        waiting.push(Waiting {
            due_ms: due_ms.unwrap_or(now_ms),
            id: RunId(row.get(0).map_err(failed)?),
            state: if due_ms.is_some() { RunState::Queued } else { RunState::Running },
            gate: gate.map(KeyHash).zip(bound),
            fresh: None,
        });
    }
    Ok(waiting)
}

/// Every de-duplication key that has not expired.
pub(super) fn keys(connection: &Connection, now_ms: i64) -> Result<Keys, Error> {
    let mut keys = Keys::default();
    let sql = "SELECT COALESCE(MAX(seq) - MIN(seq) + 1, 0) FROM dedupe";
    let rows: usize = connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    keys.reserve(rows);
    let sql = "SELECT hash, target, until_ms FROM dedupe WHERE until_ms > ?1 ORDER BY seq";
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut rows = statement.query([now_ms]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let hash = KeyHash(row.get(0).map_err(failed)?);
        keys.insert(hash, row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
    }
    Ok(keys)
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
    hashes: &[DefinitionHash],
) -> Result<Vec<(String, Stored)>, Error> {
    let mut found: Vec<(String, String)> = Vec::new();
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    if hashes.is_empty() {
        let mut statement = connection
            .prepare_cached("SELECT name, stored FROM definitions ORDER BY name, hash")
            .map_err(failed)?;
        let rows = statement.query_map([], pair).map_err(failed)?;
        found = rows.collect::<Result<_, _>>().map_err(failed)?;
    }
    for hash in hashes {
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

pub(super) fn events(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Page<EventRow>, Error> {
    // What routed nothing has its own index; everything else is walked from the newest on.
    let unrouted = if filter.unrouted { "AND e.routed = 0" } else { "" };
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM events e WHERE \
         e.seq < COALESCE((SELECT seq FROM events WHERE id = ?1), 9223372036854775807) \
         {unrouted} ORDER BY e.seq DESC LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let before = filter.before.map(|id| id.0);
    let mut rows = statement.query(params![before, LOOKED_AT]).map_err(failed)?;
    let mut page = Page { rows: Vec::new(), more: false };
    let mut looked_at = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        looked_at += 1;
        let (event, routed) = rows::event(row, 0, Json::null())?;
        if filter.fits(&event, routed) {
            if page.rows.len() == filter.limit {
                page.more = true;
                return Ok(page);
            }
            page.rows.push(EventRow { event, routed });
        }
    }
    page.more = looked_at == LOOKED_AT;
    Ok(page)
}

pub(super) fn runs(
    connection: &Connection,
    filter: &RunFilter,
) -> Result<Page<(Run, String)>, Error> {
    // The runs of one event share the first half of its id.
    let (low, high) = match filter.event {
        Some(event) => {
            let (mut low, mut high) = (event.0, event.0);
            low[8..].fill(0);
            high[8..].fill(0xff);
            (low, high)
        }
        None => ([0; 16], [0xff; 16]),
    };
    let high = filter.before.map_or(high, |before| before.0.min(high));
    let state = match filter.state {
        Some(state) => format!("AND r.state = {}", state_number(state)),
        None => String::new(),
    };
    let below = if filter.before.is_some() { "<" } else { "<=" };
    let sql = format!(
        "SELECT {RUN_COLUMNS}, e.correlation FROM runs r JOIN events e ON e.seq = r.event_seq \
         WHERE r.id >= ?1 AND r.id {below} ?2 {state} ORDER BY r.id DESC LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params![low, high, LOOKED_AT]).map_err(failed)?;
    let mut page = Page { rows: Vec::new(), more: false };
    let mut looked_at = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        looked_at += 1;
        let (run, _) = rows::run(row)?;
        if filter.fits(&run) {
            if page.rows.len() == filter.limit {
                page.more = true;
                return Ok(page);
            }
            page.rows.push((run, row.get(11).map_err(failed)?));
        }
    }
    page.more = looked_at == LOOKED_AT;
    Ok(page)
}
