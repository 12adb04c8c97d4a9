"""The tables of the ledger, and opening its file."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from pytest_selfopt import clock
from pytest_selfopt.errors import NothingRecordedError, StateError
from pytest_selfopt.routing.atomic_files import ELSEWHERE, described, why_not_writable
from pytest_selfopt.routing.state_files import make_state_folder, secure_database

SCHEMA_VERSION = 9
PATIENCE_S = 10.0
"""Seconds for which a process waits for others that hold the file."""
_PAUSE_S = 0.01
BESIDE = ("-wal", "-shm", "-journal")
"""The ends of the names of the files that SQLite puts beside a database, with its mode."""

_TABLES = """
CREATE TABLE cycle (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- the number of the cycle
    started REAL NOT NULL, -- seconds since the epoch
    ended REAL, -- seconds since the epoch, missing while it runs or when it was cut off
    status TEXT NOT NULL, -- running, decided, partial, interrupted or stopped
    seed INTEGER NOT NULL, -- of the order in which specs are asked
    command TEXT NOT NULL, -- what was typed
    plan TEXT NOT NULL, -- JSON, by phase: baseline and candidates with why each is tried, or what a survey measures
    result TEXT -- JSON: what the cycle came to, and what the next one needs of it, missing until then
);
CREATE TABLE call (
    id TEXT PRIMARY KEY, -- a hash of cycle, phase, spec, case and run, so that no call counts twice
    cycle INTEGER NOT NULL REFERENCES cycle (id), -- the cycle that it was made in
    purpose TEXT NOT NULL, -- trial, stage (of a swarm, on the way to its answer), warmup or expected_failure
    phase TEXT NOT NULL, -- the phase that it was made for
    spec TEXT NOT NULL, -- the configuration that was asked
    "case" TEXT NOT NULL, -- the suite and the name of the case
    case_hash TEXT NOT NULL, -- a hash of what the case asks and expects
    run INTEGER NOT NULL, -- the place of the pass in its cycle, from 0
    restraint INTEGER NOT NULL, -- 1 where no tool should be called
    weight REAL NOT NULL DEFAULT 1, -- what the case counts in accuracy
    started REAL NOT NULL, -- seconds since the epoch, of the first attempt
    ended REAL NOT NULL, -- seconds since the epoch, of the last attempt
    attempts INTEGER NOT NULL, -- how many times it was sent
    first_try INTEGER NOT NULL DEFAULT 1, -- 1 when no attempt that reached the model failed before the one that counts
    waited_s REAL NOT NULL DEFAULT 0, -- seconds for which it waited for its turn
    queue_depth INTEGER NOT NULL DEFAULT 0, -- calls to the same model that waited behind it
    in_flight INTEGER NOT NULL, -- calls to the same model under way when it was sent, itself included
    lane TEXT NOT NULL, -- what shares warmth: one model on one server
    lane_seq INTEGER NOT NULL, -- its place in the lane, from 0
    latency_s REAL, -- seconds that the answer took, missing without one
    load_s REAL, -- seconds for which the server loaded the model, where it tells
    tokens_in INTEGER, -- tokens asked, where the server tells
    tokens_out INTEGER, -- tokens answered, where the server tells
    cost_usd REAL, -- USD, missing when unknown
    served_model TEXT NOT NULL, -- the model that the server says has answered
    finish_reason TEXT NOT NULL DEFAULT '', -- why the reply ended, such as stop or length, empty when unknown
    answer_id TEXT NOT NULL DEFAULT '', -- the id that the server gave the answer, empty without one
    copied TEXT NOT NULL DEFAULT '', -- by what the answer shows that it is a copy from a cache, empty when it is new
    reply TEXT, -- JSON: the answer and the sampling that was really sent, missing without an answer
    error TEXT, -- JSON: why there is no answer, missing when there is one
    attempt_errors TEXT NOT NULL, -- JSON: the attempts that failed before the last
    outcome TEXT, -- pass, miss or error, missing until it is judged
    error_kind TEXT, -- such as timeout or rate_limit, missing when it is no error
    called INTEGER, -- 1 when the answer calls a tool, or tries to, missing until it is judged
    reason TEXT -- why it is a miss or an error, missing until it is judged
);
CREATE INDEX call_by_cycle ON call (cycle, phase, spec, run);
CREATE INDEX call_by_answer ON call (answer_id) WHERE answer_id <> '';
CREATE TABLE comparison (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- its place among all that were ever opened
    test INTEGER UNIQUE, -- its place among those that spend a share of the error budget, missing when it spends none
    share REAL NOT NULL DEFAULT 0, -- the share of the error budget that it spends
    phase TEXT NOT NULL, -- the phase that it is about
    baseline TEXT NOT NULL, -- the spec that is compared with
    candidate TEXT NOT NULL, -- the spec that is compared
    suite_hash TEXT NOT NULL, -- a hash of the cases: with others it is another comparison
    state TEXT NOT NULL, -- open, held, exhausted (held, and more passes decide nothing), promoted or rejected
    cycles TEXT NOT NULL, -- JSON: the cycles whose trials belong to it
    wins INTEGER NOT NULL DEFAULT 0, -- answers that the candidate fixed
    losses INTEGER NOT NULL DEFAULT 0, -- answers that the candidate broke
    passes INTEGER NOT NULL DEFAULT 0, -- passes that both made
    sentence TEXT NOT NULL DEFAULT '', -- the verdict in words
    UNIQUE (phase, baseline, candidate, suite_hash)
);
CREATE TABLE decision (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of decisions
    cycle INTEGER NOT NULL REFERENCES cycle (id), -- the cycle that decided
    time REAL NOT NULL, -- seconds since the epoch
    phase TEXT NOT NULL, -- the phase that it is about
    kind TEXT NOT NULL, -- such as promote, trial, confirmed, rolled_back or expired
    spec TEXT NOT NULL, -- what the cycle left in force
    sentence TEXT NOT NULL, -- the decision in words
    detail TEXT NOT NULL -- JSON: the numbers that it rests on
);
"""
_QUESTIONS = """
CREATE TABLE question (
    case_hash TEXT PRIMARY KEY, -- as in the calls
    prompt TEXT NOT NULL, -- what is asked
    expected TEXT NOT NULL -- what is expected, in words
) WITHOUT ROWID;
"""
_STEPS = """
CREATE TABLE step (
    id TEXT PRIMARY KEY -- of the last step that changed this ledger and files together, and was completed
) WITHOUT ROWID;
"""
_LOG_LINES = """
CREATE TABLE log_line (
    number INTEGER PRIMARY KEY, -- its place in routing_decisions.jsonl, from 1, and 0 for the beginning
    hash TEXT NOT NULL, -- SHA-256 of the line
    expected TEXT -- the line, while it may not be in the log yet, missing afterwards
);
"""
_BEGINNING = "INSERT INTO log_line (number, hash) VALUES (0, '');"
"""The row that a new ledger has: one of an earlier version without it takes over the log that is there."""

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
    4: """
ALTER TABLE call ADD COLUMN finish_reason TEXT NOT NULL DEFAULT '';
""",
    5: """
ALTER TABLE call ADD COLUMN weight REAL NOT NULL DEFAULT 1;
""",
    6: """
ALTER TABLE call ADD COLUMN answer_id TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN copied TEXT NOT NULL DEFAULT '';
UPDATE call SET answer_id = coalesce(json_extract(reply, '$.provider_id'), '') WHERE reply IS NOT NULL;
CREATE INDEX call_by_answer ON call (answer_id) WHERE answer_id <> '';
""",
    7: _STEPS,
    8: _LOG_LINES,
}
"""The statements that upgrade a ledger from each version to the next."""


def require_ledger(path: Path) -> Path:
    """The path of a ledger that is there.

    Raises:
        NothingRecordedError: when there is none.
    """
    if not path.exists():
        raise NothingRecordedError("ledger", path.parent)
    return path


def connect(path: Path) -> sqlite3.Connection:
    """Open the ledger at `path`, creating it and its folder if missing.

    A finished commit survives the death of the process (write-ahead log, `synchronous = NORMAL`).

    Raises:
        StateError: if the file cannot be opened, is a link or not a ledger, or a newer version wrote it.
    """
    try:
        make_state_folder(path.parent)
        secure_database(path, BESIDE)
        connection = sqlite3.connect(path, timeout=PATIENCE_S, check_same_thread=False, isolation_level=None)
    except OSError as problem:
        raise StateError(f"cannot open the ledger {path}: {described(problem, path.parent)}{ELSEWHERE}") from None
    except sqlite3.Error as problem:
        raise StateError(f"cannot open the ledger {path}: {why_unusable(path, problem)}") from None
    try:
        _prepare(connection, path)
    except (sqlite3.Error, UnicodeDecodeError) as problem:
        connection.close()
        raise StateError(f"cannot use the ledger {path}: {why_unusable(path, problem)}; it was not changed") from None
    except StateError:
        connection.close()
        raise
    return connection


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_PRIMARY = 0xFF
"""The part of SQLite's error code that says what kind of error it is."""


def why_unusable(path: Path, problem: sqlite3.Error | UnicodeDecodeError) -> str:
    """Say why a ledger cannot be read or written, and what to do about it.

    SQLite's own message is not UTF-8 if it names a damaged part of the file; one without a code is Python's, of a text
    that is not.
    """
    code = getattr(problem, "sqlite_errorcode", None)
    is_no_text = isinstance(problem, UnicodeDecodeError) or str(problem).startswith("Could not decode")
    if is_no_text or (code is not None and code & _PRIMARY in _DAMAGED):
        return f"{problem}; move it away to start a new one"
    if code is not None and code & _PRIMARY == sqlite3.SQLITE_FULL:
        return f"{problem}; free space for {path.parent}"
    cause = why_not_writable(path)
    if cause is not None:
        return f"{problem} ({described(cause, path.parent)}{ELSEWHERE})"
    if code is not None and code & _PRIMARY in _NOT_WRITABLE:
        return f"{problem}; {path.parent} and its files have to be writable{ELSEWHERE}"
    return str(problem)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    _keep_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    if _version_of(connection) < SCHEMA_VERSION:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have upgraded it while this one waited.
        for statement in _missing(_version_of(connection)):
            connection.execute(statement)
        connection.execute("COMMIT")
    version = _version_of(connection)
    if version > SCHEMA_VERSION:
        raise StateError(
            f"the ledger {path} has version {version}, but this pytest-selfopt reads up to {SCHEMA_VERSION}; "
            "use the newer pytest-selfopt that wrote it"
        )


def _keep_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL mode, which persists; SQLite does not wait here as it does for locks."""
    until = clock.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY or clock.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _version_of(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _missing(version: int) -> list[str]:
    """Return the upgrade statements from a version, one by one: a script would end the transaction first.

    They are split at semicolons; comments must contain none.
    """
    if version >= SCHEMA_VERSION:
        return []
    script = _TABLES + _QUESTIONS + _STEPS + _LOG_LINES + _BEGINNING
    if version:
        steps = range(version, SCHEMA_VERSION)
        script = "".join(map(_UPGRADES.__getitem__, steps))
    return [*script.split(";"), f"PRAGMA user_version = {SCHEMA_VERSION}"]
