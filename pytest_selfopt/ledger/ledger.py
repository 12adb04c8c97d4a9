"""Reading and writing the ledger, from any thread."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger import queries
from pytest_selfopt.ledger.comparisons import Comparison, ComparisonState, comparison_of, open_comparison
from pytest_selfopt.ledger.database import Database, UnstorableError
from pytest_selfopt.ledger.log_anchors import LogAnchors
from pytest_selfopt.ledger.records import (
    INSERT_CALL,
    SELECT_ALL_TRIALS,
    SELECT_EXPECTED_FAILURES,
    SELECT_JUDGED_CALLS,
    SELECT_TOKENS,
    SELECT_TOTALS,
    SELECT_TRIALS,
    Answered,
    CallRecord,
    CycleTotals,
    Question,
    TokensOfSpec,
    answered_of,
    dump,
    judged_call_of,
    result_of,
    result_without_reply,
    row_of,
    text,
    trial_of_cycle,
)
from pytest_selfopt.trial import CallResult, Json, Trial
from pytest_selfopt.trial_bounds import MOST_USD, amount

NAME_DIGITS = 16
"""Length of a cycle's name, which must be unique across projects."""

_UNSTORABLE = (UnstorableError, ValueError, TypeError, OverflowError, RecursionError)
"""What Python and SQLite raise for values that a row cannot hold."""
_UNRECORDED = "unrecorded"
"""The member of a cycle's result with the attempts of calls that were cut off."""

CycleStatus = Literal["running", "decided", "partial", "interrupted", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """A spec's warm-up call."""

    phase: str
    spec: str
    result: CallResult

    def to_json(self) -> dict[str, Json]:
        """Return whether it was answered, its duration in seconds, and its error."""
        reply, error = self.result.received, self.result.error
        seconds = self.result.ended - self.result.started
        load_s = message = None
        if reply:
            load_s = reply.load_s
        # A warm-up that was cut off has warmed the model, too.
        elif error:
            message = f"{error.kind}: {error.message}"
        return {
            "spec": self.spec,
            "answered": reply is not None,
            "latency_s": round(seconds, 3),
            "load_s": load_s,
            "error": message,
        }


def existing_ledger(path: Path) -> AbstractContextManager[Ledger | None]:
    """Open the ledger at `path`, without making one; None if there is none.

    Raises:
        StateError: if it cannot be read.
    """
    if not path.exists():
        return nullcontext()
    return Ledger(path)


class Ledger:
    """The open ledger. Every writing method commits before it returns, except within a `step`.

    Raises (all methods):
        StateError: if the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the ledger at `path`."""
        self.path = path
        self._database = Database(path)
        self.log = LogAnchors(self._database)
        """What is known of the decisions log."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second call is harmless."""
        self._database.close()

    def start_cycle(self, *, started: float, seed: int, command: str, plan: dict[str, Json]) -> int:
        """Record a new cycle as running and return its number.

        The caller holds the lock, so any cycle still recorded as running was interrupted.
        """
        with self._database.writing() as connection:
            connection.execute("UPDATE cycle SET status = 'interrupted' WHERE status = 'running'")
            cursor = connection.execute(
                "INSERT INTO cycle (started, status, seed, command, plan) VALUES (?, 'running', ?, ?, ?)",
                (started, seed, text(command), dump(plan)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def resume_cycle(self, cycle: int) -> None:
        """Record an interrupted cycle as running again, and delete its decisions, which it makes anew.

        Calls that found no server are forgotten, so that they are made again; all calls, if none was answered.
        """
        with self._database.writing() as connection:
            connection.execute(queries.FORGET_OUTAGE, (cycle,))
            connection.execute("UPDATE cycle SET status = 'running', ended = NULL WHERE id = ?", (cycle,))
            connection.execute("DELETE FROM decision WHERE cycle = ?", (cycle,))

    def name_of(self, cycle: int) -> str:
        """Return a name of a cycle that is unique across ledgers."""
        row = self._database.read("SELECT started, seed, command FROM cycle WHERE id = ?", (cycle,))[0]
        content = json.dumps([cycle, *row]).encode()
        return hashlib.sha256(content).hexdigest()[:NAME_DIGITS]

    def store_result(self, cycle: int, result: dict[str, Json]) -> None:
        """Store the result of a cycle before it ends."""
        with self._database.writing() as connection:
            connection.execute("UPDATE cycle SET result = ? WHERE id = ?", (dump(result), cycle))

    def finish_cycle(self, cycle: int, *, ended: float, status: CycleStatus) -> None:
        """Record the end of a cycle."""
        with self._database.writing() as connection:
            connection.execute("UPDATE cycle SET ended = ?, status = ? WHERE id = ?", (ended, status, cycle))

    def mark_interrupted(self, cycle: int, *, ended: float) -> None:
        """Record that a cycle could not be concluded; one that is decided stays so."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE cycle SET ended = ?, status = 'interrupted' WHERE id = ? AND status != 'decided'",
                (ended, cycle),
            )

    def cycles(self) -> tuple[dict[str, Any], ...]:
        """Return all cycles, oldest first, with `plan` and `result` decoded."""
        return tuple(self._database.decoded(_cycle, self._database.read(queries.CYCLES)))

    def record_calls(self, cycle: int, records: Sequence[CallRecord]) -> dict[str, CallResult]:
        """Store finished calls. The first record of an id counts; further ones change nothing.

        A call whose values no row can hold is stored as an error, and costs no other call its row: return these
        results by id. If the file cannot be written, the records before that are stored.
        """
        try:
            self._insert_calls(cycle, records)
        except (StateError, *_UNSTORABLE):
            return self._record_one_by_one(cycle, records)
        return {}

    def _record_one_by_one(self, cycle: int, records: Sequence[CallRecord]) -> dict[str, CallResult]:
        replaced: dict[str, CallResult] = {}
        for record in records:
            try:
                self._insert_calls(cycle, [record])
            except _UNSTORABLE as problem:
                replaced[record.id] = result_without_reply(record.result, problem)
                cost_usd = amount(record.cost_usd, MOST_USD)
                self._insert_calls(cycle, [replace(record, result=replaced[record.id], cost_usd=cost_usd)])
        return replaced

    def _insert_calls(self, cycle: int, records: Sequence[CallRecord]) -> None:
        rows = [row_of(cycle, record) for record in records]
        with self._database.writing() as connection:
            connection.executemany(INSERT_CALL, rows)

    def record_outcomes(self, judged: Sequence[tuple[str, Trial]]) -> None:
        """Store the outcomes of recorded calls, by id."""
        rows = []
        for call, trial in judged:
            row = (trial.outcome, trial.error_kind, trial.called, text(trial.reason), call)
            rows.append(row)
        with self._database.writing() as connection:
            connection.executemany(
                "UPDATE call SET outcome = ?, error_kind = ?, called = ?, reason = ? WHERE id = ?",
                rows,
            )

    def record_questions(self, questions: Iterable[Question]) -> None:
        """Store what cases ask and expect; known cases stay unchanged."""
        rows = [(question.case_hash, text(question.prompt), text(question.expected)) for question in questions]
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO question (case_hash, prompt, expected) VALUES (?, ?, ?)",
                rows,
            )

    def questions(self, hashes: Sequence[str]) -> dict[str, Question]:
        """Return what cases ask and expect, by hash; ledgers before version 4 did not store it."""
        query = "SELECT * FROM question WHERE case_hash IN (SELECT value FROM json_each(?))"
        rows = self._database.read(query, (json.dumps(list(hashes)),))
        return {row["case_hash"]: Question(**dict(row)) for row in rows}

    def totals(self, cycle: int | None = None) -> CycleTotals:
        """Return the totals of a cycle, or of all cycles."""
        return CycleTotals(**dict(self._database.read(SELECT_TOTALS, (cycle,) * 4)[0]))

    def results(self, cycle: int) -> dict[str, CallResult]:
        """Return the results of all finished calls of a cycle by id, including warm-up calls."""
        rows = self._database.read("SELECT * FROM call WHERE cycle = ?", (cycle,))
        return dict(self._database.decoded(_result, rows))

    def answered(self, ids: Sequence[str], *, outside: int) -> dict[str, list[Answered]]:
        """Return the replies with these ids of their servers, oldest first, but for those of the cycle `outside`."""
        found: dict[str, list[Answered]] = {}
        rows = self._database.read(queries.ANSWERED, (json.dumps(list(ids)), outside))
        for answer_id, answered in self._database.decoded(answered_of, rows):
            found.setdefault(answer_id, []).append(answered)
        return found

    def spent(self, cycle: int) -> tuple[int, float]:
        """Return the attempts and USD of a cycle, with what `add_unrecorded` has stored.

        Calls of unknown cost count as the most expensive known one.
        """
        row = self._database.read(queries.SPENT, (cycle,))[0]
        attempts, usd = self._unrecorded(cycle)
        return row["attempts"] + attempts, row["cost"] + usd

    def add_unrecorded(self, cycle: int, *, attempts: int, usd: float) -> None:
        """Add attempts of a stopped cycle that no recorded call has, and their USD, to what `spent` returns.

        A call that the end of the budget cuts off between a billed attempt and its retry is made again, but paid for.
        """
        before = self._unrecorded(cycle)
        self.store_result(cycle, {_UNRECORDED: {"attempts": before[0] + attempts, "usd": before[1] + usd}})

    def _unrecorded(self, cycle: int) -> tuple[int, float]:
        rows = self._database.read("SELECT result FROM cycle WHERE id = ?", (cycle,))
        (unrecorded,) = self._database.decoded(_unrecorded, rows)
        return unrecorded

    def warmups(self, cycle: int) -> tuple[Warmup, ...]:
        """Return the warm-up calls of a cycle, in the order they were sent."""
        rows = self._database.read(queries.WARMUPS, (cycle,))
        return tuple(self._database.decoded(_warmup, rows))

    def trials(self, cycles: Sequence[int], phase: str) -> dict[int, tuple[Trial, ...]]:
        """Return the judged trials of a phase by cycle, in the order their calls were sent."""
        by_cycle: dict[int, list[Trial]] = {cycle: [] for cycle in cycles}
        rows = self._database.stream(SELECT_TRIALS, (json.dumps(list(cycles)), phase))
        for cycle, trial in self._database.decoded(trial_of_cycle, rows):
            by_cycle[cycle].append(trial)
        return {cycle: tuple(trials) for cycle, trials in by_cycle.items()}

    def each_trial(self, cycles: Sequence[int]) -> Iterator[tuple[int, Trial]]:
        """Yield the judged trials with their cycles, in the order their calls were sent."""
        rows = self._database.stream(SELECT_ALL_TRIALS, (json.dumps(list(cycles)),))
        return self._database.decoded(trial_of_cycle, rows)

    def each_judged_call(self, cycle: int, phase: str, spec: str) -> Iterator[tuple[Trial, CallResult]]:
        """Yield the trials of a spec with the calls they judge, run by run."""
        rows = self._database.stream(SELECT_JUDGED_CALLS, (cycle, phase, spec))
        return self._database.decoded(judged_call_of, rows)

    def expected_failures(self, cycle: int, phase: str) -> dict[str, tuple[int, int]]:
        """Return the right answers and all trials of each case that was expected to fail, in the order asked."""
        rows = self._database.read(SELECT_EXPECTED_FAILURES, (cycle, phase))
        return {row["case"]: (row["passes"], row["trials"]) for row in rows}

    def answers_by_spec(self, phase: str) -> dict[str, tuple[int, int]]:
        """Return passes and answers of each spec in a phase, over all cycles."""
        rows = self._database.read(queries.ANSWERS_BY_SPEC, (phase,))
        return {row["spec"]: (row["passes"], row["answers"]) for row in rows}

    def tokens(self, phase: str | None = None) -> tuple[TokensOfSpec, ...]:
        """Return the mean tokens of each spec's answered calls, in a phase or in all phases."""
        rows = self._database.read(SELECT_TOKENS, (phase, phase))
        return tuple(TokensOfSpec(**dict(row)) for row in rows)

    def fewest_prompt_tokens(self, phase: str) -> dict[tuple[str, str], int]:
        """Return the minimum of tokens in among answered calls, by spec and case hash."""
        rows = self._database.read(queries.FEWEST_PROMPT_TOKENS, (phase,))
        return {(row["spec"], row["case_hash"]): row["fewest"] for row in rows}

    def counts(self, cycle: int) -> dict[str, int]:
        """Return the number of a cycle's calls by outcome; "unjudged" are recorded calls without a verdict."""
        rows = self._database.read(queries.OUTCOMES, (cycle,))
        return {row["outcome"]: row["number"] for row in rows}

    def comparisons(self, phase: str | None = None) -> tuple[Comparison, ...]:
        """Return all comparisons ever opened, or those of one phase, in order."""
        rows = self._database.read(queries.COMPARISONS, (phase, phase))
        return tuple(self._database.decoded(comparison_of, rows))

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
        """Open a comparison in a cycle, or continue an existing one, which keeps its number.

        `share_of` returns the share of the error budget that the j-th test spends; None opens a comparison that spends
        none. If that comparison is opened as a test later, it starts without its trials, since they may have been the
        reason to test it.
        """
        key = (phase, baseline, candidate, suite_hash)
        with self._database.writing() as connection:
            return open_comparison(connection, key, cycle=cycle, share_of=share_of)

    def release_comparison(self, number: int) -> None:
        """Forget that a comparison was opened: without an answer it has spent nothing of the error budget."""
        with self._database.writing() as connection:
            connection.execute(queries.RELEASE_COMPARISON, (number,))

    def settle_comparison(
        self, number: int, *, state: ComparisonState, wins: int, losses: int, passes: int, sentence: str
    ) -> None:
        """Store the state of a comparison."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE comparison SET state = ?, wins = ?, losses = ?, passes = ?, sentence = ? WHERE number = ?",
                (state, wins, losses, passes, text(sentence), number),
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
        with self._database.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO decision (cycle, time, phase, kind, spec, sentence, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (cycle, time, phase, kind, spec, text(sentence), dump(detail)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def step(self, step: str) -> AbstractContextManager[None]:
        """Commit what is written in the block together; see `Database.step`."""
        return self._database.step(step)

    def has_step(self, step: str) -> bool:
        """Whether this was the last step that was committed."""
        return bool(self._database.read("SELECT 1 FROM step WHERE id = ?", (step,)))


def _cycle(row: sqlite3.Row) -> dict[str, Any]:
    plan = json.loads(row["plan"])
    result = json.loads(row["result"] or "null")
    return {**dict(row), "plan": plan, "result": result}


def _result(row: sqlite3.Row) -> tuple[str, CallResult]:
    return row["id"], result_of(row)


def _unrecorded(row: sqlite3.Row) -> tuple[int, float]:
    unrecorded = (json.loads(row["result"] or "null") or {}).get(_UNRECORDED, {})
    return unrecorded.get("attempts", 0), unrecorded.get("usd", 0.0)


def _warmup(row: sqlite3.Row) -> Warmup:
    return Warmup(phase=row["phase"], spec=row["spec"], result=result_of(row))
