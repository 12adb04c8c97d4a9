"""The outcome of a session, as `--selfopt-json` writes it: what all exports for build servers render."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Outcome = Mapping[str, Any]
"""The value that `--selfopt-json` writes, in the form of `report/outcome.schema.json`."""

CASE, RESULT, MISSED = "selfopt.case", "selfopt.outcome", "miss"
"""Properties of a trial's test in pytest's own report: its case, and how it ended, such as by a wrong answer."""
SUITE = "selfopt gates"
"""The suite of the gates, beside those of the tests."""
BEYOND_DOUBT = "REJECT"
"""The verdict asked for by a gate that failed, and not only for lack of evidence."""


def gates_of(outcome: Outcome) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Yield each gate with its phase and spec."""
    for phase in outcome["phases"]:
        for spec in phase["specs"]:
            for gate in spec["gates"]:
                yield phase, spec["spec"], gate


def specs_in_force(phase: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what was measured of the spec in force in a phase."""
    for spec in phase["specs"]:
        if spec["spec"] == phase["in_force"]:
            yield spec


def gates_in_force(phase: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the gates of the spec in force in a phase."""
    for spec in specs_in_force(phase):
        yield from spec["gates"]


def kind_of(gate: Mapping[str, Any]) -> str:
    """Return JUnit's word for a gate's result, failure or error; empty if the gate passed."""
    if gate["passed"]:
        return ""
    if gate["asks"] == BEYOND_DOUBT:
        return "failure"
    return "error"


def place_of(phase: Mapping[str, Any], spec: str) -> tuple[str, ...]:
    """Return the place of a spec's tests: the phase, and for candidates the spec.

    What is in force has the same place after a promotion, so that its tests keep their names.
    """
    if spec == phase["in_force"]:
        return (phase["phase"],)
    return (phase["phase"], spec)


def is_uncompared(phase: Mapping[str, Any]) -> bool:
    """Whether a gate was to compare a phase with what was recorded, and there was nothing."""
    cases = phase.get("compared_cases")
    return cases is not None and not cases["compared"]


def lost_first(cases: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the cases that are not always right, or less often than before: first those that have lost most."""
    worse = [case for case in cases if case["passes"] < case["trials"] or _loss(case) > 0]
    return sorted(worse, key=_loss, reverse=True)


def _loss(case: Mapping[str, Any]) -> float:
    """Return by how much the share of right answers fell; below 0 where nothing is known of before."""
    before = case.get("before")
    answers = case["trials"] - case["errors"]
    if not before or not answers:
        return -1.0
    return float(before["passes"] / before["answers"] - case["passes"] / answers)
