"""Formats of numbers and outcomes for people; unknown values are a dash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_selfopt.bounded_text import cut
from pytest_selfopt.console.quantities import (
    counted,
    describe_chance,
    format_cost,
    format_duration,
    format_known_cost,
    format_odds,
)
from pytest_selfopt.report.chart_data import can_weigh
from pytest_selfopt.report.document import CurvePoint, CycleLine, Spent
from pytest_selfopt.report.phase_document import Measured, PhaseReport, Strip

UNKNOWN = "–"
_BEGINNING = 90
"""The characters of a text of which only the beginning is shown."""


def share(value: float | None) -> str:
    """Format a share from 0 to 1, such as 0.425."""
    if value is None:
        return UNKNOWN
    return f"{value:.3f}"


def number(value: float | None) -> str:
    """Format the number or limit of a gate with its significant digits only."""
    if value is None:
        return UNKNOWN
    if abs(value) >= 1e9:
        return f"{value:.2g}"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 0.001:
        return f"{value:.3g}"
    return f"{value:.1g}"


def count(value: int | None) -> str:
    """Format a whole number with separators, such as 12,480."""
    if value is None:
        return UNKNOWN
    return f"{value:,}"


def seconds(value: float | None) -> str:
    """Format a latency, such as "2.42 s" or "85 ms"."""
    if value is None:
        return UNKNOWN
    if value >= 0.1:
        return f"{value:.2f} s"
    return f"{value * 1000:.0f} ms"


def cost(spent: Spent) -> str:
    """Format the cost in USD."""
    known = spent.known_cost_usd or 0.0
    if spent.unpriced >= spent.calls:
        known = 0.0
    return format_known_cost(known, spent.unpriced)


def odds(value: float | None) -> str:
    """Format odds against luck, such as 630:1."""
    if value is None:
        return UNKNOWN
    return f"{format_odds(value)}:1"


def chance(value: float | None) -> str:
    """Format a probability by chance; empty if it is unknown, or says nothing."""
    return describe_chance(value)


def words(name: str) -> str:
    """Turn a name of the code into words: min_samples is "min samples"."""
    return name.replace("_", " ")


def beginning(text: str) -> str:
    """Return the beginning of a text in quotation marks, on one line."""
    line = cut(" ".join(text.split()), _BEGINNING)
    return f"“{line}”"


def ended(reason: str) -> str:
    """Say how replies ended, by their finish reason: length is "ended at the limit of tokens"."""
    return _ENDED.get(reason) or f"ended with {words(reason)}"


_ENDED = {
    "length": "ended at the limit of tokens",
    "content_filter": "ended by a filter",
    "refusal": "ended by a refusal",
}


def moment(timestamp: str) -> str:
    """Format a timestamp without its seconds: 2026-11-27T06:19:23Z is "2026-11-27 06:19 UTC"."""
    day, _, clock = timestamp.partition("T")
    if not clock:
        return timestamp
    return f"{day} {clock[:5]} UTC"


def differs(strip: Strip) -> bool:
    """Tell whether specs differ on the cases of a strip, over the runs that each spec made."""
    shares = set()
    for outcomes in strip.outcomes:
        judged = outcomes.replace(".", "")
        if judged:
            shares.add(judged.count("P") / len(judged))
    return len(shares) > 1


def gate_names(phase: PhaseReport) -> list[str]:
    """Return the names of all gates of a phase's specs: those that a spec failed, the veto, then the others."""
    failed, all_names = [], []
    for spec in phase.specs:
        for gate in spec.gates:
            all_names.append(gate.name)
            if not gate.passed:
                failed.append(gate.name)
    veto = [name for name in all_names if name == "veto"]
    return list(dict.fromkeys([*failed, *veto, *all_names]))


def interval(measured: Measured) -> str:
    """Format the 95 % interval of an accuracy."""
    return f"{measured.low:.2f}–{measured.high:.2f}"


def believed(point: CurvePoint) -> str:
    """Format the accuracy as believed at the cycle, with its number of answers."""
    return f"{point.believed:.3f} ({point.believed_trials:,} answers)"


def known(point: CurvePoint) -> str:
    """Format the accuracy as known now from later cycles, with its number of answers."""
    if point.known is None:
        return "not measured since"
    return f"{point.known:.3f} ({point.known_trials:,} answers)"


def rise(line: CycleLine) -> str:
    """Format the accuracy in force before and after a cycle."""
    before, after = share(line.accuracy_before), share(line.accuracy_after)
    return f"{before} → {after}"


def rise_rests_on(line: CycleLine) -> str:
    """Format the numbers of answers behind these two accuracies."""
    before, after = count(line.trials_before), count(line.trials_after)
    return f"of {before} / {after} answers"


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        share, number, count, seconds, cost, odds, chance, words, beginning, ended, moment, differs,
        interval, believed, known, rise, rise_rests_on, can_weigh, gate_names,
    )
} | {"duration": format_duration, "money": format_cost, "counted": counted}  # fmt: skip
"""The filters of the templates, by name."""
