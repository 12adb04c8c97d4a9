"""The answers of a cycle as people read them: one row after the other, because replies are most of a ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.describe import answered
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.database import NO_VALUES
from pytest_selfopt.ledger.schema import connect, why_unusable
from pytest_selfopt.trial_json import reply_from_json

# In the order of an index, so that SQLite sorts no replies; the columns in that of `StoredAnswer`.
_ANSWERS = """
SELECT spec, run, "case", case_hash, outcome, coalesce(reason, ''), coalesce(error_kind, ''), finish_reason,
    latency_s, tokens_in, tokens_out, cost_usd, attempts, reply, error
FROM call INDEXED BY call_by_cycle
WHERE cycle = ? AND phase = ? AND purpose = 'trial' AND outcome IS NOT NULL
ORDER BY spec, run
"""
_IN_OTHER_WORDS = ("tool_calls", "conversation", "refusal")


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A judged trial with its answer; latency in seconds, cost in USD, None where unknown."""

    spec: str
    run: int
    """The pass, from 0."""
    case: str
    case_hash: str
    outcome: str
    reason: str
    """Why it is a miss or an error; empty for a pass."""
    error_kind: str
    finish_reason: str
    latency_s: float | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    attempts: int
    reply: str | None
    """JSON, as the ledger has it; None without an answer."""
    error: str | None
    """JSON, likewise."""

    @property
    def text(self) -> str:
        """The calls and the text of the answer; the message of the error where there is none.

        Made when it is asked for, which takes most of the time of reading an answer. One that no version wrote, as in a
        damaged file, is said to be so: the others are worth reading.
        """
        try:
            return self._words()
        except NO_VALUES as problem:
            return f"the ledger's row of this answer is damaged ({type(problem).__name__}: {problem})"

    def _words(self) -> str:
        if self.reply is None:
            return str(json.loads(self.error or "{}").get("message", ""))
        value: dict[str, Any] = json.loads(self.reply)
        # Most are plain texts, and to make the whole reply of one takes three times as long.
        if any(value.get(name) for name in _IN_OTHER_WORDS):
            return answered(reply_from_json(value))
        return str(value.get("text", ""))


def each_answer(path: Path, cycle: int, phase: str) -> Iterator[StoredAnswer]:
    """Yield the judged trials of a phase in a cycle, spec by spec and pass by pass.

    Raises:
        StateError: if the ledger at `path` cannot be read.
    """
    with closing(connect(path)) as connection:
        connection.row_factory = None
        try:
            for row in connection.execute(_ANSWERS, (cycle, phase)):
                yield StoredAnswer(*row)
        except (sqlite3.Error, UnicodeDecodeError) as problem:
            raise StateError(f"cannot read the ledger {path}: {why_unusable(path, problem)}") from None
