//! Retention: what may be forgotten, oldest first, a bounded number of rows at a time. Every walk
//! ends where nothing older can be, so that a call with nothing to do costs nothing.

use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::failed;
use crate::{Error, Pruned, Retention};

const ENDED: &str = "runs WHERE state IN (3, 5)";
const DEAD: &str = "runs INDEXED BY runs_dead WHERE state = 4";

/// Runs by state: before this group, and what the group has changed so far.
pub(super) struct Tally<'a> {
    pub before: [u64; 6],
    pub changes: &'a mut [i64; 6],
}

impl Tally<'_> {
    fn of(&self, states: &[usize]) -> u64 {
        states.iter().map(|n| self.before[*n].saturating_add_signed(self.changes[*n])).sum()
    }
}

/// Removes what may be forgotten, at most `retention.limit` by each rule.
pub(super) fn prune(
    connection: &Connection,
    retention: Retention,
    now_ms: i64,
    mut tally: Tally<'_>,
    cursor: &mut [u8; 16],
) -> Result<Pruned, Error> {
    let mut pruned = Pruned::default();
    let limit = u64::from(retention.limit);
    let classes = [
        (ENDED, &[3, 5][..], retention.ended_count, retention.ended_before_ms),
        (DEAD, &[4], retention.dead_count, retention.dead_before_ms),
    ];
    for (class, states, keep, before_ms) in classes {
        let surplus = keep.map_or(0, |keep| tally.of(states).saturating_sub(keep));
        let surplus = surplus.min(retention.limit.into());
        if surplus > 0 {
            let which = format!("{class} ORDER BY id LIMIT ?1");
            let removed = remove(connection, &which, params![surplus], &mut tally)?;
            pruned.runs += removed;
            pruned.more |= removed == limit;
        }
        if let Some(before_ms) = before_ms {
            // What was made later cannot have ended earlier.
            let which = format!("{class} AND finished_ms < ?1 AND id < ?2 ORDER BY id LIMIT ?3");
            let values = params![before_ms, first_id(before_ms), retention.limit];
            let removed = remove(connection, &which, values, &mut tally)?;
            pruned.runs += removed;
            pruned.more |= limit > 0 && removed == limit;
        }
    }
    if let Some(before_ms) = retention.events_before_ms {
        let more;
        (pruned.events, more) = remove_events(connection, before_ms, retention.limit, cursor)?;
        pruned.more |= more;
    }
    forget_keys(connection, now_ms, retention.limit)?;
    let sql = "DELETE FROM counters WHERE until_ms <= ?1";
    connection.execute(sql, [now_ms]).map_err(failed)?;
    Ok(pruned)
}

/// The smallest id that can have been made at a time.
fn first_id(at_ms: i64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&at_ms.max(0).to_be_bytes()[2..]);
    id
}

fn remove(
    connection: &Connection,
    which: &str,
    values: &[&dyn ToSql],
    tally: &mut Tally<'_>,
) -> Result<u64, Error> {
    let sql = format!("SELECT id, state FROM {which}");
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
        if let Some(change) = tally.changes.get_mut(*state) {
            *change -= 1;
        }
    }
    Ok(found.len() as u64)
}

/// How many events one call looks at, at least.
const LOOKED_AT: u32 = 10_000;

/// Removes the oldest events that have no run left. Runs share the first half of their event's
/// id. Where many old events are kept by their runs, the next call goes on behind them. Gives how
/// many went, and whether it stopped before it had seen all.
fn remove_events(
    connection: &Connection,
    before_ms: i64,
    limit: u32,
    cursor: &mut [u8; 16],
) -> Result<(u64, bool), Error> {
    let sql = "SELECT e.seq, e.id, EXISTS (SELECT 1 FROM runs r \
               WHERE r.id >= CAST(substr(e.id, 1, 8) || zeroblob(8) AS BLOB) \
               AND r.id <= CAST(substr(e.id, 1, 8) || x'ffffffffffffffff' AS BLOB) \
               AND r.event_seq = e.seq) FROM events e \
               WHERE e.id > ?1 AND e.id < ?2 AND e.received_ms < ?3 ORDER BY e.id LIMIT ?4";
    let look_at = limit.max(LOOKED_AT);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement
        .query(params![*cursor, first_id(before_ms), before_ms, look_at])
        .map_err(failed)?;
    let (mut seen, mut last, mut free) = (0, [0; 16], Vec::new());
    while free.len() < limit as usize
        && let Some(row) = rows.next().map_err(failed)?
    {
        seen += 1;
        last = row.get(1).map_err(failed)?;
        if !row.get(2).map_err(failed)? {
            free.push(row.get::<_, i64>(0).map_err(failed)?);
        }
    }
    let full = free.len() == limit as usize;
    if !full {
        *cursor = if seen == look_at { last } else { [0; 16] };
    }
    let mut statement =
        connection.prepare_cached("DELETE FROM events WHERE seq = ?1").map_err(failed)?;
    for seq in &free {
        statement.execute([seq]).map_err(failed)?;
    }
    Ok((free.len() as u64, limit > 0 && (full || seen == look_at)))
}

/// Keys lie in the order in which they came. Those before the first that still counts go.
fn forget_keys(connection: &Connection, now_ms: i64, limit: u32) -> Result<(), Error> {
    let sql = "SELECT seq FROM keys WHERE until_ms > ?1 ORDER BY seq LIMIT 1";
    let live: Option<i64> = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([now_ms], |row| row.get(0)).optional())
        .map_err(failed)?;
    // A key comes with an event or a run, so removing as many as may go of both keeps up.
    let sql = "DELETE FROM keys WHERE seq IN \
               (SELECT seq FROM keys WHERE seq < ?1 ORDER BY seq LIMIT ?2)";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let limit = u64::from(limit).saturating_mul(8);
    statement.execute(params![live.unwrap_or(i64::MAX), limit]).map_err(failed)?;
    Ok(())
}
