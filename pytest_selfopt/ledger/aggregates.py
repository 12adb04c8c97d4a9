"""Counts over all models in the ledger, made by SQLite without reading replies, which are most of a ledger.

A swarm member's first answer, to the bare question, counts like any other answer if it was judged.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.schema import connect
from pytest_selfopt.trial import USUAL_ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCount:
    """The outcomes of a case's trials with one spec in one cycle.

    Tokens and cost (USD) are sums over the answers for which they are known. `first` and `last` are the start of the
    first trial and the end of the last one, in seconds since the epoch.
    """

    cycle: int
    phase: str
    spec: str
    case: str
    case_hash: str
    restraint: bool
    weight: float
    """What the case counted in accuracy."""
    passes: int
    misses: int
    errors: int
    calls: int
    """The number of answers that call a tool, or try to."""
    tokens_in: int
    tokens_out: int
    cost_usd: float
    unpriced: int
    """The number of answers of unknown cost."""
    first: float
    last: float

    @property
    def answers(self) -> int:
        """The number of trials with an answer, right or wrong."""
        return self.passes + self.misses

    @property
    def trials(self) -> int:
        """The number of trials, including those without an answer."""
        return self.answers + self.errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The latencies of a spec's answers, in seconds."""

    spec: str
    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    """The number of a spec's trials with one kind of error."""

    spec: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCount:
    """The number of a spec's replies with one finish reason other than the usual ones."""

    spec: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The spec that a cycle left in force for a phase: its baseline, if it decided nothing."""

    cycle: int
    phase: str
    spec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The data of profiles. `picked` has the spec of each promotion, with the cycles behind it."""

    cases: tuple[CaseCount, ...]
    latencies: tuple[Latency, ...]
    errors: tuple[ErrorCount, ...]
    ends: tuple[EndCount, ...]
    in_force: tuple[InForce, ...]
    """Specs in force, oldest cycle first."""
    picked: frozenset[tuple[str, int]]
    phases: tuple[str, ...]
    """All phases that were measured."""


_CASES = """
SELECT cycle, phase, spec, "case", case_hash, max(restraint) AS restraint, max(weight) AS weight,
    sum(outcome = 'pass') AS passes, sum(outcome = 'miss') AS misses, sum(outcome = 'error') AS errors,
    coalesce(sum(outcome <> 'error' AND called), 0) AS calls,
    coalesce(sum(CASE WHEN outcome <> 'error' AND tokens_out IS NOT NULL THEN tokens_in END), 0) AS tokens_in,
    coalesce(sum(CASE WHEN outcome <> 'error' AND tokens_in IS NOT NULL THEN tokens_out END), 0) AS tokens_out,
    coalesce(sum(CASE WHEN outcome <> 'error' THEN cost_usd END), 0) AS cost_usd,
    sum(outcome <> 'error' AND cost_usd IS NULL) AS unpriced, min(started) AS first, max(ended) AS last
FROM call
WHERE (purpose = 'trial' OR (purpose = 'stage' AND id LIKE '%#0.%'))
    AND outcome IS NOT NULL AND copied = '' AND (:phase IS NULL OR phase = :phase)
    AND (:specs IS NULL OR spec IN (SELECT value FROM json_each(:specs)))
GROUP BY cycle, phase, spec, "case", case_hash
"""
# Percentiles are by nearest rank: the smallest value that at least that share does not exceed. The median of an even
# number of values is the mean of the middle two.
_LATENCIES = """
WITH ordered AS (
    SELECT spec, latency_s, row_number() OVER (PARTITION BY spec ORDER BY latency_s) AS place,
        count(*) OVER (PARTITION BY spec) AS number
    FROM call WHERE (purpose = 'trial' OR (purpose = 'stage' AND id LIKE '%#0.%'))
        AND outcome IN ('pass', 'miss') AND copied = '' AND latency_s IS NOT NULL
        AND (:phase IS NULL OR phase = :phase)
)
SELECT spec, avg(CASE WHEN place IN ((number + 1) / 2, (number + 2) / 2) THEN latency_s END) AS median_s,
    max(CASE WHEN place = (number * 95 + 99) / 100 THEN latency_s END) AS p95_s
FROM ordered GROUP BY spec
"""
_ERRORS = """
SELECT spec, coalesce(error_kind, 'unknown') AS kind, count(*) AS count
FROM call
WHERE (purpose = 'trial' OR (purpose = 'stage' AND id LIKE '%#0.%'))
    AND outcome = 'error' AND copied = '' AND (:phase IS NULL OR phase = :phase)
GROUP BY 1, 2
"""
_ENDS = """
SELECT spec, finish_reason AS reason, count(*) AS count
FROM call
WHERE (purpose = 'trial' OR (purpose = 'stage' AND id LIKE '%#0.%'))
    AND outcome IS NOT NULL AND copied = '' AND (:phase IS NULL OR phase = :phase)
    AND finish_reason NOT IN (SELECT value FROM json_each(:usual))
GROUP BY 1, 2
"""
_CYCLES = "SELECT id, plan, result FROM cycle ORDER BY id"
_PHASES = "SELECT DISTINCT phase FROM call WHERE purpose IN ('trial', 'stage') ORDER BY 1"
_PROMOTED = "SELECT candidate, cycles FROM comparison WHERE state = 'promoted'"


def read_counts(path: Path, phase: str | None = None) -> Counts:
    """Count the judged trials in the ledger at `path`, of one phase or of all, without warm-ups.

    Raises:
        StateError: if the ledger cannot be read.
    """
    with closing(connect(path)) as connection:
        try:
            return _counts(connection, phase)
        except sqlite3.Error as problem:
            raise StateError(f"cannot read the ledger {path}: {problem}") from None


def _counts(connection: sqlite3.Connection, phase: str | None) -> Counts:
    of_phase = {"phase": phase}
    read = connection.execute
    # One consistent snapshot, even while a cycle writes.
    read("BEGIN")
    cases = map(_case, read(_CASES, {"phase": phase, "specs": None}))
    latencies = [Latency(**dict(row)) for row in read(_LATENCIES, of_phase)]
    errors = [ErrorCount(**dict(row)) for row in read(_ERRORS, of_phase)]
    usual = json.dumps(sorted(USUAL_ENDS))
    ends = [EndCount(**dict(row)) for row in read(_ENDS, {**of_phase, "usual": usual})]
    in_force = chain.from_iterable(map(_in_force, read(_CYCLES)))
    picked = chain.from_iterable(map(_picked, read(_PROMOTED)))
    phases = map(itemgetter("phase"), read(_PHASES))
    return Counts(
        cases=tuple(cases),
        latencies=tuple(latencies),
        errors=tuple(errors),
        ends=tuple(ends),
        in_force=tuple(in_force),
        picked=frozenset(picked),
        phases=tuple(phases),
    )


def read_cases(path: Path, specs: Iterable[str]) -> tuple[CaseCount, ...]:
    """Count the outcomes of cases with these specs, by cycle and phase.

    Raises:
        StateError: if the ledger at `path` cannot be read.
    """
    with closing(connect(path)) as connection:
        try:
            rows = connection.execute(_CASES, {"phase": None, "specs": json.dumps(list(specs))})
            return tuple(map(_case, rows))
        except sqlite3.Error as problem:
            raise StateError(f"cannot read the ledger {path}: {problem}") from None


def _case(row: sqlite3.Row) -> CaseCount:
    values: dict[str, Any] = dict(row)
    return CaseCount(**{**values, "restraint": bool(values["restraint"])})


def _in_force(row: sqlite3.Row) -> Iterator[InForce]:
    plan = json.loads(row["plan"])
    result = json.loads(row["result"] or "null") or {}
    left = result.get("in_force") or {}
    for phase, planned in plan.items():
        spec = left.get(phase) or _baseline(planned)
        if isinstance(spec, str):
            yield InForce(cycle=row["id"], phase=phase, spec=spec)


def _baseline(planned: Any) -> Any:
    """Return a cycle's baseline, if its plan names one."""
    if not isinstance(planned, dict):
        return None
    return planned.get("baseline")


def _picked(row: sqlite3.Row) -> Iterator[tuple[str, int]]:
    """Yield the promoted spec with each cycle behind its promotion."""
    for cycle in json.loads(row["cycles"]):
        yield row["candidate"], cycle
