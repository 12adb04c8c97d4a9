"""The data of a page's charts: a few numbers per spec and cycle, whatever the number of trials."""

from __future__ import annotations

from typing import Any

from pytest_selfopt.console.sanitize import defused
from pytest_selfopt.report.document import CurvePoint, Report
from pytest_selfopt.report.phase_document import IN_FORCE, PhaseReport, SpecReport


def chart_data(report: Report) -> dict[str, Any]:
    """Return the numbers by phase: `specs` for its charts, and `curve` for its accuracy over the cycles."""
    charts: dict[str, Any] = {}
    for phase in report.phases:
        specs = filter(None, (_spec(spec, is_in_force=phase.state_of(spec) == IN_FORCE) for spec in phase.specs))
        charts[phase.phase] = {"specs": list(specs), "curve": []}
    for point in report.curve:
        if point.phase not in charts:
            charts[point.phase] = {"specs": [], "curve": []}
        charts[point.phase]["curve"].append(_point(point))
    return charts


def can_weigh(phase: PhaseReport, what: str) -> bool:
    """Tell whether specs differ in `what` ("cost" or "latency"), so that it can be weighed against accuracy."""
    values = set()
    for spec in phase.specs:
        measured = spec.measured
        if measured is None:
            continue
        if what == "cost":
            values.add(measured.cost_of_1000_usd)
        else:
            values.add(measured.latency_median_s)
    return len(values - {None}) > 1


def _spec(spec: SpecReport, *, is_in_force: bool) -> dict[str, Any] | None:
    """Return the numbers to draw for a spec; None if it was not measured, or answered nothing."""
    measured = spec.measured
    if measured is None or measured.accuracy is None:
        return None
    return {
        "name": defused(spec.name),
        "role": spec.role,
        "inForce": is_in_force,
        "verdict": spec.verdict,
        "accuracy": measured.accuracy,
        "low": measured.low,
        "high": measured.high,
        "passes": measured.passes,
        "answers": measured.answers,
        "cost": measured.cost_of_1000_usd,
        "latency": measured.latency_median_s,
        "p95": measured.latency_p95_s,
        "frontByCost": spec.front_by_cost,
        "frontByLatency": spec.front_by_latency,
    }


def _point(point: CurvePoint) -> dict[str, Any]:
    return {
        "cycle": point.cycle,
        "name": defused(point.name),
        "suite": point.suite,
        "event": point.event,
        "believed": point.believed,
        "low": point.believed_low,
        "high": point.believed_high,
        "trials": point.believed_trials,
        "known": point.known,
        "knownLow": point.known_low,
        "knownHigh": point.known_high,
        "knownTrials": point.known_trials,
    }
