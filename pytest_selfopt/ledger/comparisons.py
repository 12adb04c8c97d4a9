"""The comparisons of candidates with baselines: the units of the error budget, and the numbers that they get."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pytest_selfopt.ledger import queries
from pytest_selfopt.ledger.records import dump

ComparisonState = Literal["open", "held", "exhausted", "promoted", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison of a candidate with a baseline on one suite: the unit of the error budget.

    `number` counts all comparisons ever opened; `test` is its index j among those that spend a `share` of the error
    budget (None: it spends none and guarantees nothing); `cycles` are the cycles whose trials belong to it.
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


def comparison_of(row: sqlite3.Row) -> Comparison:
    """Return the comparison in a row of its table."""
    cycles = tuple(json.loads(row["cycles"]))
    return Comparison(**{**dict(row), "cycles": cycles})


def open_comparison(
    connection: sqlite3.Connection,
    key: tuple[str, str, str, str],
    *,
    cycle: int,
    share_of: Callable[[int], float] | None,
) -> Comparison:
    """Open a comparison within a transaction; see `Ledger.open_comparison`.

    `key` is its phase, baseline, candidate and suite hash.
    """
    row = _row_of(connection, key)
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


def _row_of(connection: sqlite3.Connection, key: tuple[str, str, str, str]) -> sqlite3.Row:
    """Return the row of a comparison, a new one if there is none."""
    # Not INSERT OR IGNORE: an ignored insert would still consume a number.
    row: sqlite3.Row | None = connection.execute(queries.FIND_COMPARISON, key).fetchone()
    if row is not None:
        return row
    connection.execute(
        "INSERT INTO comparison (phase, baseline, candidate, suite_hash, state, cycles) "
        "VALUES (?, ?, ?, ?, 'open', '[]')",
        key,
    )
    added: sqlite3.Row = connection.execute(queries.FIND_COMPARISON, key).fetchone()
    return added
