-- Version 1 of the embedded store. Times are milliseconds since 1970; ids are the 16 bytes of a
-- UUIDv7, so that both tables and indexes on them grow at their end.

CREATE TABLE events (
    seq         INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    source      TEXT NOT NULL,
    type        TEXT NOT NULL,
    time_ms     INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    correlation TEXT NOT NULL,
    subject     TEXT,
    key         TEXT,
    cause       TEXT,             -- JSON
    routed      INTEGER NOT NULL, -- runs it started
    data        TEXT NOT NULL     -- JSON as it arrived; never updated, so it shares the row
);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_unrouted ON events (id) WHERE routed = 0;

-- Narrow, because this row is the one that changes.
CREATE TABLE runs (
    id          BLOB PRIMARY KEY,
    event_seq   INTEGER NOT NULL,
    workflow    TEXT NOT NULL,
    definition  BLOB NOT NULL,
    state       INTEGER NOT NULL, -- index into RunState::ALL
    created_ms  INTEGER NOT NULL,
    due_ms      INTEGER,
    finished_ms INTEGER,
    gate        BLOB,             -- concurrency key
    gate_limit  INTEGER,
    body        TEXT NOT NULL     -- JSON: key, steps, failure, redrives
) WITHOUT ROWID;
-- Holds all that the schedule is rebuilt from.
CREATE INDEX runs_live ON runs (due_ms, gate, gate_limit, state) WHERE state <= 2;
CREATE INDEX runs_dead ON runs (id, finished_ms) WHERE state = 4;

-- One row for each commit of a run: a JSON list of journal entries.
CREATE TABLE journal (
    run     BLOB NOT NULL,
    n       INTEGER NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (run, n)
) WITHOUT ROWID;

-- De-duplication keys in order of arrival; read once, at open.
CREATE TABLE dedupe (
    seq      INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    target   BLOB NOT NULL       -- id of the event or run that had the key first
);

CREATE TABLE definitions (
    hash   BLOB PRIMARY KEY,
    name   TEXT NOT NULL,
    stored TEXT NOT NULL          -- JSON
) WITHOUT ROWID;

CREATE TABLE counters (
    key      TEXT PRIMARY KEY,
    value    INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Runs by state, kept with every commit so that counting costs nothing.
CREATE TABLE tally (
    state INTEGER PRIMARY KEY,
    runs  INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO tally (state, runs) VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0);
