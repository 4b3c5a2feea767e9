//! Retention: what may be forgotten, oldest first, a bounded number of rows at a time.

use rusqlite::{Connection, OptionalExtension, params};

use super::failed;
use crate::{Error, Retention};

const ENDED: &str = "state IN (3, 5)";
const DEAD: &str = "state = 4";

/// Removes what may be forgotten, at most `retention.limit` runs and as many events.
pub(super) fn prune(
    connection: &Connection,
    retention: Retention,
    now_ms: i64,
    tally: &mut [i64; 6],
) -> Result<u64, Error> {
    let mut removed = 0;
    let classes = [
        (ENDED, retention.ended_count, retention.ended_before_ms),
        (DEAD, retention.dead_count, retention.dead_before_ms),
    ];
    for (class, keep, before_ms) in classes {
        if let Some(keep) = keep {
            // The newest run that is no longer kept; everything at or below it may go.
            let sql =
                format!("SELECT id FROM runs WHERE {class} ORDER BY id DESC LIMIT 1 OFFSET ?1");
            let edge: Option<[u8; 16]> = connection
                .prepare_cached(&sql)
                .and_then(|mut s| s.query_row([keep], |row| row.get(0)).optional())
                .map_err(failed)?;
            if let Some(edge) = edge {
                let sql = format!("{class} AND id <= ?1 ORDER BY id LIMIT ?2");
                removed += remove(connection, &sql, params![edge, retention.limit], tally)?;
            }
        }
        if let Some(before_ms) = before_ms {
            let sql = format!("{class} AND finished_ms < ?1 ORDER BY id LIMIT ?2");
            removed += remove(connection, &sql, params![before_ms, retention.limit], tally)?;
        }
    }
    if let Some(before_ms) = retention.events_before_ms {
        removed += remove_events(connection, before_ms, retention.limit)?;
    }
    let sql = "DELETE FROM dedupe WHERE seq IN \
               (SELECT seq FROM dedupe WHERE until_ms < ?1 ORDER BY seq LIMIT ?2)";
    removed += count(connection.execute(sql, params![now_ms, retention.limit]).map_err(failed)?);
    Ok(removed)
}

fn count(rows: usize) -> u64 {
    rows as u64
}

fn remove(
    connection: &Connection,
    which: &str,
    values: &[&dyn rusqlite::ToSql],
    tally: &mut [i64; 6],
) -> Result<u64, Error> {
    let sql = format!("SELECT id, state FROM runs WHERE {which}");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let found = statement
        .query_map(values, |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, usize>(1)?)))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed)?;
    for (id, state) in &found {
        for sql in ["DELETE FROM journal WHERE run = ?1", "DELETE FROM runs WHERE id = ?1"] {
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            statement.execute([id]).map_err(failed)?;
        }
        if let Some(total) = tally.get_mut(*state) {
            *total -= 1;
        }
    }
    Ok(count(found.len()))
}

/// Events arrive in order, so the oldest are the first rows; the first one that is too young or
/// has a run left ends the search. Runs share the first half of their event's id.
fn remove_events(connection: &Connection, before_ms: i64, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM events WHERE seq IN (SELECT e.seq FROM \
               (SELECT seq, id, received_ms FROM events ORDER BY seq LIMIT ?2) e \
               WHERE e.received_ms < ?1 AND NOT EXISTS (SELECT 1 FROM runs r \
               WHERE r.id >= CAST(substr(e.id, 1, 8) || zeroblob(8) AS BLOB) \
               AND r.id <= CAST(substr(e.id, 1, 8) || x'ffffffffffffffff' AS BLOB) \
               AND r.event_seq = e.seq))";
    Ok(count(connection.execute(sql, params![before_ms, limit]).map_err(failed)?))
}
