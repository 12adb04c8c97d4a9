"""Writing to and reading from the ledger; safe to call from the threads that make the calls."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger import queries
from pytest_selfopt.ledger.records import (
    INSERT_CALL,
    SELECT_ALL_TRIALS,
    SELECT_JUDGED_CALLS,
    SELECT_TOKENS,
    SELECT_TOTALS,
    SELECT_TRIALS,
    CallRecord,
    CycleTotals,
    Question,
    TokensOfSpec,
    dump,
    judged_call_of,
    make_trial,
    result_of,
    row_of,
    text,
)
from pytest_selfopt.ledger.schema import connect
from pytest_selfopt.trial import CallResult, Json, Trial

NAME_DIGITS = 16
"""Of a cycle's name among all cycles of all projects."""

PAGE_ROWS = 200
"""How many rows are read at a time where a ledger is read row by row."""

CycleStatus = Literal["running", "decided", "partial", "interrupted", "stopped"]
ComparisonState = Literal["open", "held", "promoted", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison of a candidate with a baseline on one suite: the unit that spends the error budget.

    `number` is its place among all comparisons ever opened, `test` its place j among those that spend a `share` of
    the error budget (None: it spends none, and guarantees nothing); `cycles` are those whose trials belong to it.
    """

    number: int
    test: int | None
    share: float
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """The warm-up call of a spec."""

    phase: str
    spec: str
    result: CallResult

    def to_json(self) -> dict[str, Json]:
        """Whether it was answered, how long that took (seconds), and what went wrong."""
        reply, error = self.result.reply, self.result.error
        seconds = self.result.ended - self.result.started
        load_s = message = None
        if reply:
            load_s = reply.load_s
        if error:
            message = f"{error.kind}: {error.message}"
        return {
            "spec": self.spec,
            "answered": reply is not None,
            "latency_s": round(seconds, 3),
            "load_s": load_s,
            "error": message,
        }


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
        with undisturbed, self._turn:
            self._connection.close()

    def start_cycle(self, *, started: float, seed: int, command: str, plan: dict[str, Json]) -> int:
        """Book a new cycle as running and return its number.

        The caller holds the lock, so a cycle that is still booked as running was cut off.
        """
        with self._writing() as connection:
            connection.execute("UPDATE cycle SET status = 'interrupted' WHERE status = 'running'")
            cursor = connection.execute(
                "INSERT INTO cycle (started, status, seed, command, plan) VALUES (?, 'running', ?, ?, ?)",
                (started, seed, text(command), dump(plan)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def resume_cycle(self, cycle: int) -> None:
        """Book a cycle that was cut off as running again; what it had decided before it was, it decides anew."""
        with self._writing() as connection:
            connection.execute("UPDATE cycle SET status = 'running', ended = NULL WHERE id = ?", (cycle,))
            connection.execute("DELETE FROM decision WHERE cycle = ?", (cycle,))

    def name_of(self, cycle: int) -> str:
        """A name of a cycle that no other has, of this or another ledger."""
        row = self._read("SELECT started, seed, command FROM cycle WHERE id = ?", (cycle,))[0]
        content = json.dumps([cycle, *row]).encode()
        return hashlib.sha256(content).hexdigest()[:NAME_DIGITS]

    def store_result(self, cycle: int, result: dict[str, Json]) -> None:
        """Store what a cycle came to, which is not ended yet."""
        with self._writing() as connection:
            connection.execute("UPDATE cycle SET result = ? WHERE id = ?", (dump(result), cycle))

    def finish_cycle(self, cycle: int, *, ended: float, status: CycleStatus) -> None:
        """Book how a cycle ended."""
        with self._writing() as connection:
            connection.execute("UPDATE cycle SET ended = ?, status = ? WHERE id = ?", (ended, status, cycle))

    def cycles(self) -> tuple[dict[str, Any], ...]:
        """All cycles, oldest first, with `plan` and `result` decoded."""
        return tuple(map(_cycle, self._read(queries.CYCLES)))

    def record_calls(self, cycle: int, records: Sequence[CallRecord]) -> None:
        """Store finished calls. A second record of the same id changes nothing: the first one counts.

        When not all of them can be stored, those before the one that cannot are.
        """
        rows = [row_of(cycle, record) for record in records]
        try:
            self._insert_calls(rows)
        except StateError:
            for row in rows:
                self._insert_calls([row])

    def _insert_calls(self, rows: Sequence[tuple[object, ...]]) -> None:
        with self._writing() as connection:
            connection.executemany(INSERT_CALL, rows)

    def record_outcomes(self, judged: Sequence[tuple[str, Trial]]) -> None:
        """Store how recorded calls, named by their ids, were judged."""
        rows = []
        for call, trial in judged:
            row = (trial.outcome, trial.error_kind, trial.called, text(trial.reason), call)
            rows.append(row)
        with self._writing() as connection:
            connection.executemany(
                "UPDATE call SET outcome = ?, error_kind = ?, called = ?, reason = ? WHERE id = ?",
                rows,
            )

    def record_questions(self, questions: Iterable[Question]) -> None:
        """Store what cases ask and expect; those that are known stay as they are."""
        rows = [(question.case_hash, text(question.prompt), text(question.expected)) for question in questions]
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO question (case_hash, prompt, expected) VALUES (?, ?, ?)",
                rows,
            )

    def questions(self, hashes: Sequence[str]) -> dict[str, Question]:
        """What cases ask and expect, by hash; of those that versions before 4 asked, nothing is known."""
        query = "SELECT * FROM question WHERE case_hash IN (SELECT value FROM json_each(?))"
        rows = self._read(query, (json.dumps(list(hashes)),))
        return {row["case_hash"]: Question(**dict(row)) for row in rows}

    def totals(self, cycle: int | None = None) -> CycleTotals:
        """What a cycle took, or all of them together."""
        return CycleTotals(**dict(self._read(SELECT_TOTALS, (cycle,) * 4)[0]))

    def results(self, cycle: int) -> dict[str, CallResult]:
        """The results of all finished calls of a cycle by id, warm-up calls included."""
        rows = self._read("SELECT * FROM call WHERE cycle = ?", (cycle,))
        return {row["id"]: result_of(row) for row in rows}

    def spent(self, cycle: int) -> tuple[int, float]:
        """Attempts and USD that went into a cycle; a call of unknown cost counts as much as the dearest known one."""
        row = self._read(queries.SPENT, (cycle,))[0]
        return row["attempts"], row["cost"]

    def warmups(self, cycle: int) -> tuple[Warmup, ...]:
        """How the warm-up calls of a cycle went, in the order they were sent."""
        rows = self._read(queries.WARMUPS, (cycle,))
        return tuple(map(_warmup, rows))

    def trials(self, cycles: Sequence[int], phase: str) -> dict[int, tuple[Trial, ...]]:
        """The judged trials of a phase by cycle, in the order the calls were sent."""
        by_cycle: dict[int, list[Trial]] = {cycle: [] for cycle in cycles}
        for row in self._stream(SELECT_TRIALS, (json.dumps(list(cycles)), phase)):
            values = dict(row)
            by_cycle[values.pop("cycle")].append(make_trial(values))
        return {cycle: tuple(trials) for cycle, trials in by_cycle.items()}

    def each_trial(self, cycles: Sequence[int]) -> Iterator[tuple[int, Trial]]:
        """The judged trials of cycles with their cycle, one at a time, in the order the calls were sent."""
        for row in self._stream(SELECT_ALL_TRIALS, (json.dumps(list(cycles)),)):
            values = dict(row)
            yield values.pop("cycle"), make_trial(values)

    def each_judged_call(self, cycle: int, phase: str, spec: str) -> Iterator[tuple[Trial, CallResult]]:
        """The trials of a spec with the calls that they judge, one at a time, run by run."""
        return map(judged_call_of, self._stream(SELECT_JUDGED_CALLS, (cycle, phase, spec)))

    def answers_by_spec(self, phase: str) -> dict[str, tuple[int, int]]:
        """Passes and answers of each spec in a phase, over all cycles."""
        rows = self._read(queries.ANSWERS_BY_SPEC, (phase,))
        return {row["spec"]: (row["passes"], row["answers"]) for row in rows}

    def tokens(self, phase: str | None = None) -> tuple[TokensOfSpec, ...]:
        """The tokens that the answered calls of each spec took on average, in a phase or in all of them."""
        rows = self._read(SELECT_TOKENS, (phase, phase))
        return tuple(TokensOfSpec(**dict(row)) for row in rows)

    def fewest_prompt_tokens(self, phase: str) -> dict[tuple[str, str], int]:
        """The fewest tokens in that an answered call took, by spec and the hash of its case."""
        rows = self._read(queries.FEWEST_PROMPT_TOKENS, (phase,))
        return {(row["spec"], row["case_hash"]): row["fewest"] for row in rows}

    def counts(self, cycle: int) -> dict[str, int]:
        """How many calls of a cycle ended in each outcome; "unjudged" are recorded calls that nobody judged."""
        rows = self._read(queries.OUTCOMES, (cycle,))
        return {row["outcome"]: row["number"] for row in rows}

    def comparisons(self, phase: str | None = None) -> tuple[Comparison, ...]:
        """All comparisons ever opened (of one phase), in their order."""
        rows = self._read(queries.COMPARISONS, (phase, phase))
        return tuple(map(_comparison, rows))

    def open_comparison(
        self,
        *,
        phase: str,
        baseline: str,
        candidate: str,
        suite_hash: str,
        cycle: int,
        share_of: Callable[[int], float] | None,
    ) -> Comparison:
        """Open a comparison in a cycle, or go on with the one there is; it keeps its number for ever.

        `share_of` tells the share of the error budget that the j-th test spends; None opens one that spends none.
        When such a one is opened as a test later, it begins anew: which of them are, may have followed from their
        trials.
        """
        key = (phase, baseline, candidate, suite_hash)
        with self._writing() as connection:
            # Not INSERT OR IGNORE: an ignored insert would still use up a number.
            row = connection.execute(queries.FIND_COMPARISON, key).fetchone()
            if row is None:
                connection.execute(
                    "INSERT INTO comparison (phase, baseline, candidate, suite_hash, state, cycles) "
                    "VALUES (?, ?, ?, ?, 'open', '[]')",
                    key,
                )
                row = connection.execute(queries.FIND_COMPARISON, key).fetchone()
            cycles = json.loads(row["cycles"])
            test, share = row["test"], row["share"]
            if share_of is not None and test is None:
                cycles = []
                test = connection.execute("SELECT coalesce(max(test), 0) + 1 FROM comparison").fetchone()[0]
                share = share_of(test)
            if cycle not in cycles:
                cycles.append(cycle)
            connection.execute(
                "UPDATE comparison SET state = 'open', cycles = ?, test = ?, share = ? WHERE number = ?",
                (dump(cycles), test, share, row["number"]),
            )
        opened = {"state": "open", "cycles": tuple(cycles), "test": test, "share": share}
        return Comparison(**{**dict(row), **opened})

    def settle_comparison(
        self, number: int, *, state: ComparisonState, wins: int, losses: int, passes: int, sentence: str
    ) -> None:
        """Store where a comparison stands."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE comparison SET state = ?, wins = ?, losses = ?, passes = ?, sentence = ? WHERE number = ?",
                (state, wins, losses, passes, sentence, number),
            )

    def take_back(self, test: int, *, sentence: str) -> None:
        """Settle a comparison that was promoted as lost, so that what was rolled back is not promoted again at once."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE comparison SET state = 'rejected', sentence = ? WHERE test = ? AND state = 'promoted'",
                (sentence, test),
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
                (cycle, time, phase, kind, spec, sentence, dump(detail)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with undisturbed, self._turn:
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
        with undisturbed, self._turn:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as problem:
                raise StateError(f"cannot read the ledger {self.path}: {problem}") from None

    def _stream(self, query: str, values: Sequence[object]) -> Iterator[sqlite3.Row]:
        """The rows page by page, so that no more of them are in memory."""
        try:
            with undisturbed, self._turn:
                cursor = self._connection.execute(query, values)
            while True:
                with undisturbed, self._turn:
                    page = cursor.fetchmany(PAGE_ROWS)
                if not page:
                    return
                yield from page
        except sqlite3.Error as problem:
            raise StateError(f"cannot read the ledger {self.path}: {problem}") from None


def _cycle(row: sqlite3.Row) -> dict[str, Any]:
    plan = json.loads(row["plan"])
    result = json.loads(row["result"] or "null")
    return {**dict(row), "plan": plan, "result": result}


def _warmup(row: sqlite3.Row) -> Warmup:
    return Warmup(phase=row["phase"], spec=row["spec"], result=result_of(row))


def _comparison(row: sqlite3.Row) -> Comparison:
    cycles = tuple(json.loads(row["cycles"]))
    return Comparison(**{**dict(row), "cycles": cycles})
