//! What the database looks like, version by version.

/// The steps from each version to the next; the first makes version 1 of an empty database. One that was published is never
/// changed: a new step is added.
pub(super) const STEPS: &[&str] = &["
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    title TEXT NOT NULL,
    model TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Of the main conversation as it is now: counting them for a list would read every message
    messages INTEGER NOT NULL DEFAULT 0,
    -- Places are never given twice, also where the last message was removed
    next_place INTEGER NOT NULL DEFAULT 1,
    metadata TEXT NOT NULL
) STRICT;

CREATE TABLE messages (
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    -- Where it is read: its place, or for a summary that of the last message that it sums up
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    agent TEXT,
    is_compacted INTEGER NOT NULL DEFAULT 0,
    body TEXT NOT NULL,
    PRIMARY KEY (session, place),
    UNIQUE (session, id)
) STRICT;
CREATE INDEX messages_in_order ON messages (session, agent, is_compacted, position, place);

CREATE TABLE calls (
    number INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    -- As the model named it: nothing keeps a model from naming two calls alike
    id TEXT NOT NULL,
    agent TEXT,
    tool TEXT NOT NULL,
    args TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    is_cut INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    message TEXT
) STRICT;
CREATE INDEX calls_in_order ON calls (session, number);
CREATE INDEX calls_under_way ON calls (session, number) WHERE ended_at IS NULL;

CREATE TABLE agents (
    number INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    info TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    error TEXT,
    UNIQUE (session, id)
) STRICT;

CREATE TABLE spending (
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    cost REAL NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    PRIMARY KEY (session, model)
) STRICT, WITHOUT ROWID;

-- Without sessions: what was spent on a day stays spent when a session is deleted
CREATE TABLE days (
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    cost REAL NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    PRIMARY KEY (day, model)
) STRICT, WITHOUT ROWID;
"];

/// The latest version.
pub(super) fn latest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}
