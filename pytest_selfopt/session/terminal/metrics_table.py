"""What was measured of specs, as the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.session.terminal.headlines import change_of

_COLUMNS: dict[str, Callable[[Metrics], str]] = {
    "accuracy": lambda one: f"{one.accuracy:.3f}",
    "restraint": lambda one: "-" if one.restraint is None else f"{one.restraint:.2f}",
    "errors": lambda one: str(one.errors),
    "no call": lambda one: str(one.silent_misses),
    "wrong call": lambda one: str(one.wrong_calls),
    "median": lambda one: "-" if one.latency_median_s is None else f"{one.latency_median_s:.2f} s",
    "passes": lambda one: str(len(one.runs)),
}
DISPENSABLE = ("no call", "wrong call", "1st attempt", "passes", "median", "restraint", "errors")
"""Columns that a narrow terminal does without, in this order."""


def rows_of_phase(conclusion: Conclusion) -> list[tuple[str, ...]]:
    """The specs of a phase side by side: what was measured of each, and how its misses came about."""
    names = {conclusion.baseline.id: "baseline"}
    names |= {judgement.spec: change_of(conclusion, judgement) for judgement in conclusion.judgements}
    return rows_of({name: conclusion.metrics[spec] for spec, name in names.items()})


def rows_of(named: Mapping[str, Metrics]) -> list[tuple[str, ...]]:
    """The heads, and a row for each name."""
    columns = dict(_COLUMNS)
    if any(one.first_attempt_passes < one.passes for one in named.values()):
        columns["1st attempt"] = lambda one: f"{one.first_attempt_accuracy:.3f}"
    return [("", *columns), *((name, *(cell(one) for cell in columns.values())) for name, one in named.items())]
