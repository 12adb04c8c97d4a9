"""What decided cycles measured of specs, as far as the next cycle's candidates depend on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.console.verdict_text import costs_more, describe_ratio
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.diagnosis.troubles import UNMEASURED, Troubles
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import Json, Trial

MEASURED = "measured"
"""The field of a cycle's result that has the numbers of its specs, by phase and id."""
EARLIER_RUNS = 1_000
"""The factor that keeps runs of several cycles apart: run r of cycle c counts as c × this + r."""
_ENOUGH = 7
"""Passes of earlier cycles with which a baseline is compared, the newest first."""


def measured_entry(
    metrics: Metrics, suite: str, *, rests: str = "", passes: int = 0, moved: bool = False
) -> dict[str, Json]:
    """Return what a cycle's result keeps of a spec; `suite` is the address of the suite that it was asked.

    `rests` is the fingerprint of its provenance, `passes` are those of the cycle that later ones can rely on; `moved`
    says that the answers differ from those of earlier cycles.
    """
    return {
        "suite": suite,
        "rests": rests,
        "passes": passes,
        "moved": moved,
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


def known_cycles(ledger: Ledger | None, baseline: Spec, suite: str, rests: str, *, least: int) -> tuple[int, ...]:
    """Return the last cycles that measured a baseline in at least so many passes together; empty if there are none.

    They end where it was asked another suite, rested on something else, or moved.
    """
    if ledger is None:
        return ()
    cycles: list[int] = []
    passes = 0
    for cycle in reversed(ledger.cycles()):
        entry = (cycle["result"] or {}).get(MEASURED, {}).get(baseline.phase, {}).get(baseline.id)
        if entry is None:
            continue
        # Results of older versions do not say on what they rest.
        if entry["suite"] != suite or entry.get("rests") != rests:
            break
        if entry["passes"]:
            cycles.append(cycle["id"])
            passes += entry["passes"]
        if entry["moved"] or passes >= _ENOUGH:
            break
    if passes < least:
        return ()
    return tuple(reversed(cycles))


def known_trials(
    plan: PhasePlan, earlier: Mapping[int, Sequence[Trial]], suites: Sequence[Suite], cases: Sequence[str]
) -> tuple[Trial, ...]:
    """Return the baseline's trials of the known cycles, with run indices that are unique over cycles.

    `earlier` are the trials of earlier cycles. Empty if not every case was asked in the same words.
    """
    hashes = {case.key: case.content_hash for suite in suites for case in suite.cases}
    trials: list[Trial] = []
    for cycle in plan.known_cycles:
        for trial in earlier.get(cycle, ()):
            same = hashes.get(trial.case, trial.case_hash) == trial.case_hash
            if trial.spec == plan.baseline.id and trial.case in cases and same:
                trials.append(in_cycle(trial, cycle))
    if not {trial.case for trial in trials}.issuperset(cases):
        return ()
    return tuple(trials)


def in_cycle(trial: Trial, cycle: int) -> Trial:
    """Return a trial with a run index that is unique over cycles."""
    return replace(trial, run=cycle * EARLIER_RUNS + trial.run)


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


def known_churn(ledger: Ledger, baseline: Spec) -> float | None:
    """Return a baseline's share of differing repeats in the last decided cycle; None if not measured."""
    churns = last_result(ledger, "churn", baseline.phase, {})
    return _number(churns.get(baseline.id))


def last_churn(ledger: Ledger, phase: str) -> float | None:
    """Return the churn of the spec that the last decided cycle left in force for a phase."""
    churns = last_result(ledger, "churn", phase, {})
    return _number(next(iter(churns.values()), None))


def _number(value: object) -> float | None:
    """Return a number unchanged; None for anything else."""
    if isinstance(value, (int, float)):
        return value
    return None


def last_result(
    ledger: Ledger | None,
    field: str,
    phase: str,
    default: Any,
) -> Any:
    """Return a field of the last cycle's result for a phase; `default` if no cycle has it."""
    if ledger is None:
        return default
    last = default
    for cycle in ledger.cycles():
        result = cycle["result"] or {}
        of_phases = result.get(field) or {}
        if phase in of_phases:
            last = of_phases[phase]
    return last
