"""What decided cycles measured of specs, as far as the next cycle's candidates depend on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pytest_selfopt.console.verdict_text import costs_more, describe_ratio
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.diagnosis.troubles import UNMEASURED, Troubles
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import Json

MEASURED = "measured"
"""The field of a cycle's result that has the numbers of its specs, by phase and id."""


def measured_entry(metrics: Metrics, suite: str) -> dict[str, Json]:
    """Return what a cycle's result keeps of a spec; `suite` is the address of the suite that it was asked."""
    return {
        "suite": suite,
        "wrong": metrics.misses,
        "errors_by_kind": dict(metrics.errors_by_kind),
        "churn": metrics.spread.churn,
        "cost_of_1000_usd": metrics.cost_of_1000_usd,
    }


def troubles_of(ledger: Ledger | None, baseline: Spec, suite: str) -> Troubles:
    """Return the trouble that the last cycle with answers of a spec has measured, and that of this suite's answers."""
    entry = _measured(ledger, baseline.phase).get(baseline.id)
    if entry is None:
        return UNMEASURED
    wrong = None
    if entry["suite"] == suite:
        wrong = entry["wrong"]
    return Troubles(wrong=wrong, errors_by_kind=entry["errors_by_kind"], varies=entry["churn"] > 0)


def too_expensive(
    ledger: Ledger | None, baseline: Spec, candidates: Collection[str], limit: float | None
) -> dict[str, str]:
    """Return why candidates are not asked again: they cost more than `limit` times as much as the baseline."""
    if limit is None or not candidates:
        return {}
    measured = _measured(ledger, baseline.phase)
    before = measured.get(baseline.id, {}).get("cost_of_1000_usd")
    reasons: dict[str, str] = {}
    for spec in candidates:
        after = measured.get(spec, {}).get("cost_of_1000_usd")
        if costs_more(before, after, times=limit):
            ratio = describe_ratio(before, after)
            reasons[spec] = f"{spec} waits: it costs {ratio}; max_cost_ratio is {limit:g}"
    return reasons


def _measured(ledger: Ledger | None, phase: str) -> dict[str, Mapping[str, Any]]:
    """Return the last numbers of each spec of a phase, by id."""
    return dict(_entries(ledger, phase))


def _entries(ledger: Ledger | None, phase: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if ledger is None:
        return
    for cycle in ledger.cycles():
        # Results of older versions have no numbers.
        yield from (cycle["result"] or {}).get(MEASURED, {}).get(phase, {}).items()
