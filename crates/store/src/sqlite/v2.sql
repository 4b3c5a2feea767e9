-- Version 2: the tables follow the log.

-- How far into the log these tables have come; changed in the transaction that brings them there.
CREATE TABLE log_position (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    applied INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO log_position (one, applied) VALUES (1, 0);

-- De-duplication keys, many to a row, in order of arrival; read once, at open. An entry is 40
-- bytes: hash, id of the event or run that had it first, until when in milliseconds since 1970.
CREATE TABLE keys (
    seq      INTEGER PRIMARY KEY,
    until_ms INTEGER NOT NULL,    -- of the entry that counts longest
    entries  BLOB NOT NULL
);
INSERT INTO keys (seq, until_ms, entries)
    SELECT seq, until_ms, CAST(hash || target || unhex(printf('%016x', until_ms)) AS BLOB)
    FROM dedupe ORDER BY seq;
DROP TABLE dedupe;

-- The journal of a run that went through its first states before its row was written: JSON list.
-- What it writes down later lies in `journal`.
ALTER TABLE runs ADD COLUMN first_entries TEXT;
