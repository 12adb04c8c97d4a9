"""The tables of the ledger, and opening the file they live in."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from pytest_selfopt.errors import StateError

SCHEMA_VERSION = 4
PATIENCE_S = 10.0
"""How long a process waits for others that have the file."""
_PAUSE_S = 0.01

_TABLES = """
CREATE TABLE cycle (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started REAL NOT NULL,
    ended REAL,
    status TEXT NOT NULL,
    seed INTEGER NOT NULL,
    command TEXT NOT NULL,
    plan TEXT NOT NULL,
    result TEXT
);
CREATE TABLE call (
    id TEXT PRIMARY KEY,
    cycle INTEGER NOT NULL REFERENCES cycle (id),
    purpose TEXT NOT NULL,
    phase TEXT NOT NULL,
    spec TEXT NOT NULL,
    "case" TEXT NOT NULL,
    case_hash TEXT NOT NULL,
    run INTEGER NOT NULL,
    restraint INTEGER NOT NULL,
    started REAL NOT NULL,
    ended REAL NOT NULL,
    attempts INTEGER NOT NULL,
    first_try INTEGER NOT NULL DEFAULT 1,
    waited_s REAL NOT NULL DEFAULT 0,
    queue_depth INTEGER NOT NULL DEFAULT 0,
    in_flight INTEGER NOT NULL,
    lane TEXT NOT NULL,
    lane_seq INTEGER NOT NULL,
    latency_s REAL,
    load_s REAL,
    tokens_in INTEGER,
    tokens_out INTEGER,
    cost_usd REAL,
    served_model TEXT NOT NULL,
    reply TEXT,
    error TEXT,
    attempt_errors TEXT NOT NULL,
    outcome TEXT,
    error_kind TEXT,
    called INTEGER,
    reason TEXT
);
CREATE INDEX call_by_cycle ON call (cycle, phase, spec, run);
CREATE TABLE comparison (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    test INTEGER UNIQUE,
    share REAL NOT NULL DEFAULT 0,
    phase TEXT NOT NULL,
    baseline TEXT NOT NULL,
    candidate TEXT NOT NULL,
    suite_hash TEXT NOT NULL,
    state TEXT NOT NULL,
    cycles TEXT NOT NULL,
    wins INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    passes INTEGER NOT NULL DEFAULT 0,
    sentence TEXT NOT NULL DEFAULT '',
    UNIQUE (phase, baseline, candidate, suite_hash)
);
CREATE TABLE decision (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cycle INTEGER NOT NULL REFERENCES cycle (id),
    time REAL NOT NULL,
    phase TEXT NOT NULL,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL,
    sentence TEXT NOT NULL,
    detail TEXT NOT NULL
);
"""
_QUESTIONS = """
CREATE TABLE question (
    case_hash TEXT PRIMARY KEY,
    prompt TEXT NOT NULL,
    expected TEXT NOT NULL
) WITHOUT ROWID;
"""

_UPGRADES = {
    1: """
ALTER TABLE call ADD COLUMN first_try INTEGER NOT NULL DEFAULT 1;
ALTER TABLE call ADD COLUMN waited_s REAL NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN queue_depth INTEGER NOT NULL DEFAULT 0;
""",
    2: """
ALTER TABLE comparison ADD COLUMN test INTEGER;
ALTER TABLE comparison ADD COLUMN share REAL NOT NULL DEFAULT 0;
UPDATE comparison SET test = number, share = 0.5 / ((number + 9) * (number + 10));
CREATE UNIQUE INDEX comparison_by_test ON comparison (test);
""",
    3: _QUESTIONS,
}
"""What turns a ledger of a version into one of the next."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the ledger at `path`, creating it and its folder when they are missing.

    A finished commit survives the death of the process (write-ahead log, `synchronous = NORMAL`).

    Raises:
        StateError: when the file cannot be opened, is no ledger, or was written by a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=PATIENCE_S, check_same_thread=False, isolation_level=None)
    except (OSError, sqlite3.Error) as problem:
        raise StateError(f"cannot open the ledger {path}: {problem}; is its folder writable?") from None
    try:
        _prepare(connection, path)
    except sqlite3.Error as problem:
        connection.close()
        raise StateError(
            f"cannot use the ledger {path}: {problem}; move it away to begin a new one, nothing in it was changed"
        ) from None
    except StateError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    _keep_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    if _version_of(connection) < SCHEMA_VERSION:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have done it while this one waited for its turn.
        for statement in _missing(_version_of(connection)):
            connection.execute(statement)
        connection.execute("COMMIT")
    version = _version_of(connection)
    if version > SCHEMA_VERSION:
        raise StateError(
            f"the ledger {path} has version {version}, this pytest-selfopt reads up to {SCHEMA_VERSION}; "
            "use the newer pytest-selfopt that wrote it"
        )


def _keep_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Put the file into its mode, which it keeps; SQLite does not wait for that as it waits for locks."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _version_of(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _missing(version: int) -> list[str]:
    """The statements that a ledger of a version lacks, one by one: a script would end the transaction first."""
    if version >= SCHEMA_VERSION:
        return []
    script = "".join(_UPGRADES[one] for one in range(version, SCHEMA_VERSION)) if version else _TABLES + _QUESTIONS
    return [*script.split(";"), f"PRAGMA user_version = {SCHEMA_VERSION}"]
