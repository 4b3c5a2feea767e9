//! The tables of the embedded store and how older ones become newer ones. Migrations are numbered
//! and never change once released; a golden file of every version is opened by a test.

use rusqlite::Connection;

use crate::Error;

/// The migrations, from an empty file on.
const MIGRATIONS: &[&str] = &[include_str!("v1.sql"), include_str!("v2.sql")];

/// The newest version this build knows.
#[allow(clippy::cast_possible_truncation)]
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Brings the file up to the newest version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let found: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(super::failed)?;
    if found > NEWEST {
        return Err(Error::Newer { found, known: NEWEST });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let transaction = connection.transaction().map_err(super::failed)?;
        transaction.execute_batch(sql).map_err(super::failed)?;
        transaction.pragma_update(None, "user_version", index + 1).map_err(super::failed)?;
        transaction.commit().map_err(super::failed)?;
    }
    Ok(())
}
