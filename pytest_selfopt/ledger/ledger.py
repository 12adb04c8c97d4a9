"""Writing to and reading from the ledger; safe to call from the threads that make the calls."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.schema import connect
from pytest_selfopt.trial import (
    CallError,
    CallResult,
    ErrorKind,
    Json,
    Outcome,
    Reply,
    Trial,
    reply_from_json,
    reply_to_json,
)

CycleStatus = Literal["running", "decided", "partial", "interrupted"]
ComparisonState = Literal["open", "held", "promoted", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One finished call as it is stored, before anybody judged it.

    `purpose` is "trial", or "warmup" for a call that is never in the statistics.
    """

    id: str
    purpose: Literal["trial", "warmup"]
    phase: str
    spec: str
    case: str
    case_hash: str
    run: int
    restraint: bool
    result: CallResult
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison of a candidate with a baseline on one suite: the unit that spends the error budget.

    `number` is its place j among all comparisons ever opened; `cycles` are those whose trials belong to it.
    """

    number: int
    phase: str
    baseline: str
    candidate: str
    suite_hash: str
    state: ComparisonState
    cycles: tuple[int, ...]
    wins: int = 0
    losses: int = 0
    passes: int = 0
    sentence: str = ""


class Ledger:
    """The open ledger. Every method that writes has committed when it returns.

    Raises (all methods):
        StateError: when the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the ledger at `path`."""
        self.path = path
        self._connection = connect(path)
        # One connection serves all threads; sqlite3 objects are not safe without this.
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; doing it twice is harmless."""
        with self._turn:
            self._connection.close()

    def start_cycle(self, *, started: float, seed: int, command: str, plan: dict[str, Json]) -> int:
        """Book a new cycle as running and return its number.

        The caller holds the lock, so a cycle that is still booked as running was cut off.
        """
        with self._writing() as connection:
            connection.execute("UPDATE cycle SET status = 'interrupted' WHERE status = 'running'")
            cursor = connection.execute(
                "INSERT INTO cycle (started, status, seed, command, plan) VALUES (?, 'running', ?, ?, ?)",
                (started, seed, command, _dump(plan)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def finish_cycle(
        self, cycle: int, *, ended: float, status: CycleStatus, result: dict[str, Json] | None = None
    ) -> None:
        """Book how a cycle ended."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE cycle SET ended = ?, status = ?, result = ? WHERE id = ?",
                (ended, status, _dump(result), cycle),
            )

    def cycles(self) -> tuple[dict[str, Any], ...]:
        """All cycles, oldest first, with `plan` and `result` decoded."""
        return tuple(
            {**dict(row), "plan": json.loads(row["plan"]), "result": json.loads(row["result"] or "null")}
            for row in self._read("SELECT * FROM cycle ORDER BY id")
        )

    def record_call(self, cycle: int, record: CallRecord) -> None:
        """Store a finished call. A second record of the same id changes nothing: the first one counts."""
        reply, result = record.result.reply or Reply(), record.result
        values = {
            "id": record.id,
            "cycle": cycle,
            "purpose": record.purpose,
            "phase": record.phase,
            "spec": record.spec,
            "case": record.case,
            "case_hash": record.case_hash,
            "run": record.run,
            "restraint": record.restraint,
            "started": result.started,
            "ended": result.ended,
            "attempts": result.attempts,
            "in_flight": result.in_flight,
            "lane": result.lane,
            "lane_seq": result.lane_seq,
            "latency_s": reply.latency_s if result.reply else None,
            "load_s": reply.load_s,
            "tokens_in": reply.tokens_in,
            "tokens_out": reply.tokens_out,
            "cost_usd": record.cost_usd,
            "served_model": _text(reply.served_model),
            "reply": _dump(reply_to_json(result.reply)) if result.reply else None,
            "error": _dump(asdict(result.error)) if result.error else None,
            "attempt_errors": _dump([asdict(error) for error in result.attempt_errors]),
        }
        names = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(f":{name}" for name in values)
        with self._writing() as connection:
            connection.execute(f"INSERT OR IGNORE INTO call ({names}) VALUES ({places})", values)  # noqa: S608 (names are ours)

    def record_outcome(self, call_id: str, trial: Trial) -> None:
        """Store how a recorded call was judged."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE call SET outcome = ?, error_kind = ?, called = ?, reason = ? WHERE id = ?",
                (trial.outcome, trial.error_kind, trial.called, _text(trial.reason), call_id),
            )

    def call_result(self, call_id: str) -> CallResult | None:
        """The stored result of a call, or None when it was never finished."""
        rows = self._read("SELECT * FROM call WHERE id = ?", (call_id,))
        return _result(rows[0]) if rows else None

    def trials(self, cycles: Sequence[int], phase: str) -> dict[int, tuple[Trial, ...]]:
        """The judged trials of a phase by cycle, in the order the calls were sent."""
        marks = ", ".join("?" * len(cycles))
        rows = self._read(
            f"SELECT * FROM call WHERE cycle IN ({marks}) AND phase = ? AND purpose = 'trial' "  # noqa: S608 (marks only)
            "AND outcome IS NOT NULL ORDER BY cycle, started, id",
            (*cycles, phase),
        )
        found: dict[int, list[Trial]] = {cycle: [] for cycle in cycles}
        for row in rows:
            found[row["cycle"]].append(_trial(row))
        return {cycle: tuple(trials) for cycle, trials in found.items()}

    def counts(self, cycle: int) -> dict[str, int]:
        """How many calls of a cycle ended in each outcome; "unjudged" are recorded calls that nobody judged."""
        rows = self._read(
            "SELECT coalesce(outcome, 'unjudged') AS outcome, count(*) AS number FROM call "
            "WHERE cycle = ? AND purpose = 'trial' GROUP BY 1",
            (cycle,),
        )
        return {row["outcome"]: row["number"] for row in rows}

    def comparisons(self, phase: str | None = None) -> tuple[Comparison, ...]:
        """All comparisons ever opened (of one phase), in their order."""
        rows = self._read("SELECT * FROM comparison WHERE ? IS NULL OR phase = ? ORDER BY number", (phase, phase))
        return tuple(Comparison(**{**dict(row), "cycles": tuple(json.loads(row["cycles"]))}) for row in rows)

    def open_comparison(self, *, phase: str, baseline: str, candidate: str, suite_hash: str, cycle: int) -> Comparison:
        """Open a comparison in a cycle, or go on with the one there is; it keeps its number for ever."""
        key = (phase, baseline, candidate, suite_hash)
        columns = "phase = ? AND baseline = ? AND candidate = ? AND suite_hash = ?"
        with self._writing() as connection:
            # Not INSERT OR IGNORE: an ignored insert would still use up a number.
            row = connection.execute(f"SELECT * FROM comparison WHERE {columns}", key).fetchone()  # noqa: S608 (ours)
            if row is None:
                connection.execute(
                    "INSERT INTO comparison (phase, baseline, candidate, suite_hash, state, cycles) "
                    "VALUES (?, ?, ?, ?, 'open', '[]')",
                    key,
                )
                row = connection.execute(f"SELECT * FROM comparison WHERE {columns}", key).fetchone()  # noqa: S608 (ours)
            cycles = [*json.loads(row["cycles"]), cycle]
            connection.execute(
                "UPDATE comparison SET state = 'open', cycles = ? WHERE number = ?",
                (_dump(list(cycles)), row["number"]),
            )
        return Comparison(**{**dict(row), "state": "open", "cycles": tuple(cycles)})

    def settle_comparison(
        self, number: int, *, state: ComparisonState, wins: int, losses: int, passes: int, sentence: str
    ) -> None:
        """Store where a comparison stands."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE comparison SET state = ?, wins = ?, losses = ?, passes = ?, sentence = ? WHERE number = ?",
                (state, wins, losses, passes, sentence, number),
            )

    def record_decision(
        self,
        cycle: int,
        *,
        time: float,
        phase: str,
        kind: str,
        spec: str,
        sentence: str,
        detail: dict[str, Json],
    ) -> int:
        """Store a decision and return its number."""
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO decision (cycle, time, phase, kind, spec, sentence, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (cycle, time, phase, kind, spec, sentence, _dump(detail)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as problem:
                raise StateError(f"cannot write to the ledger {self.path}: {problem}") from None

    def _read(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._turn:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as problem:
                raise StateError(f"cannot read the ledger {self.path}: {problem}") from None


def _dump(value: Json | list[dict[str, Any]] | dict[str, Any]) -> str:
    # ASCII, because a reply may hold lone surrogates, which SQLite's UTF-8 cannot.
    return json.dumps(value, ensure_ascii=True, sort_keys=True)


def _text(value: str) -> str:
    """The text with lone surrogates escaped, which SQLite's UTF-8 cannot hold."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _result(row: sqlite3.Row) -> CallResult:
    return CallResult(
        reply=reply_from_json(json.loads(row["reply"])) if row["reply"] else None,
        error=_error(json.loads(row["error"])) if row["error"] else None,
        started=row["started"],
        ended=row["ended"],
        attempt_errors=tuple(_error(entry) for entry in json.loads(row["attempt_errors"])),
        in_flight=row["in_flight"],
        lane=row["lane"],
        lane_seq=row["lane_seq"],
    )


def _error(value: dict[str, Any]) -> CallError:
    return CallError(**{**value, "kind": ErrorKind(value["kind"])})


def _trial(row: sqlite3.Row) -> Trial:
    values = {name: row[name] for name in Trial.__dataclass_fields__}
    values["outcome"] = Outcome(row["outcome"])
    values["error_kind"] = ErrorKind(row["error_kind"]) if row["error_kind"] else None
    values["restraint"], values["called"] = bool(row["restraint"]), bool(row["called"])
    return Trial(**values)
