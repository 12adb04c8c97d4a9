"""The metrics of specs, as rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.session.terminal.headlines import change_of

_COLUMNS: dict[str, Callable[[Metrics], str]] = {
    "accuracy": lambda metrics: _shown(metrics.known_accuracy, ".3f"),
    "restraint": lambda metrics: _shown(metrics.restraint, ".2f"),
    "errors": lambda metrics: str(metrics.errors),
    "no call": lambda metrics: str(metrics.silent_misses),
    "wrong call": lambda metrics: str(metrics.wrong_calls),
    "median": lambda metrics: _shown(metrics.latency_median_s, ".2f", " s"),
    "passes": lambda metrics: str(len(metrics.runs)),
}
DISPENSABLE = (
    "no call",
    "wrong call",
    "1st attempt",
    "passes",
    "median",
    "restraint",
    "errors",
)
"""The columns that a narrow terminal leaves out, in this order."""


def rows_of_phase(conclusion: Conclusion) -> list[tuple[str, ...]]:
    """Return the metrics of each spec of a phase, as rows."""
    names = {conclusion.baseline.id: "baseline"}
    for judgement in conclusion.judgements:
        names[judgement.spec] = change_of(conclusion, judgement)
    return rows_of({name: conclusion.metrics[spec] for spec, name in names.items()})


def rows_of(named: Mapping[str, Metrics]) -> list[tuple[str, ...]]:
    """Return the heads, and a row for each name."""
    columns = dict(_COLUMNS)
    if any(map(_had_retries, named.values())):
        columns["1st attempt"] = lambda metrics: f"{metrics.first_attempt_accuracy:.3f}"
    heads = list(columns)
    if any(metrics.weighted is not None for metrics in named.values()):
        heads[0] = "weighted accuracy"
    rows = [("", *heads)]
    for name, metrics in named.items():
        cells = [cell(metrics) for cell in columns.values()]
        rows.append((name, *cells))
    return rows


def _had_retries(metrics: Metrics) -> bool:
    """Whether an answer was right only after an attempt that failed."""
    return metrics.first_attempt_passes < metrics.passes


def _shown(number: float | None, form: str, unit: str = "") -> str:
    """Format a number with its unit; a dash for None."""
    if number is None:
        return "-"
    return f"{number:{form}}{unit}"
