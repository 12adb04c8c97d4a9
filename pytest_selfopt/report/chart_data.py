"""What the charts of a page draw: a few numbers a spec and cycle, however many trials there were."""

from __future__ import annotations

from typing import Any

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.report.document import CurvePoint, Report
from pytest_selfopt.report.phase_document import PhaseReport, SpecReport


def chart_data(report: Report) -> dict[str, Any]:
    """The numbers by phase: `specs` for the charts of a phase, and `curve` for its accuracy over the cycles."""
    phases = dict.fromkeys([*(one.phase for one in report.phases), *(one.phase for one in report.curve)])
    specs = {one.phase: [_spec(spec) for spec in one.specs if spec.measured] for one in report.phases}
    return {
        phase: {
            "specs": specs.get(phase, []),
            "curve": [_point(point) for point in report.curve if point.phase == phase],
        }
        for phase in phases
    }


def can_weigh(phase: PhaseReport, what: str) -> bool:
    """Whether specs differ in `what` ("cost" or "latency"), so that it can be weighed against accuracy."""
    name = "cost_of_1000_usd" if what == "cost" else "latency_median_s"
    values = {getattr(spec.measured, name) for spec in phase.specs if spec.measured}
    return len(values - {None}) > 1


def _spec(spec: SpecReport) -> dict[str, Any]:
    measured = spec.measured
    assert measured is not None
    return {
        "name": visible(spec.name),
        "role": spec.role,
        "inForce": spec.in_force,
        "verdict": spec.verdict,
        "accuracy": measured.accuracy,
        "low": measured.low,
        "high": measured.high,
        "passes": measured.passes,
        "trials": measured.trials,
        "cost": measured.cost_of_1000_usd,
        "latency": measured.latency_median_s,
        "p95": measured.latency_p95_s,
        "frontByCost": spec.front_by_cost,
        "frontByLatency": spec.front_by_latency,
    }


def _point(point: CurvePoint) -> dict[str, Any]:
    return {
        "cycle": point.cycle,
        "name": visible(point.name),
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
