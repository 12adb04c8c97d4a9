"""What a gate gets, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence.tally import Tally
from pytest_selfopt.loop.evidence.together import Together
from pytest_selfopt.loop.thresholds import Limits


class Verdict(StrEnum):
    """The verdict on a candidate."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The result of one gate: its number, its limit and a sentence.

    `asks` is the verdict it asks for if it fails; a `certain` REJECT holds however few passes there were; `lasting`
    says why more passes cannot help, if that is so.
    """

    name: str
    passed: bool
    value: float | None
    limit: float | None
    sentence: str
    asks: Verdict = Verdict.HOLD
    certain: bool = False
    lasting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInput:
    """The input of a gate: the metrics of one spec and, for a candidate, those of the baseline and their pairs.

    `needed` are the odds that a candidate must reach, `missing` counts planned trials that never arrived. `together`
    says whether cases move together although no group says so (None: not measured, or nothing varies).

    A candidate that may leave `early`, before there are enough passes, is judged by what cannot turn any more until
    then; once it `has_left`, no further pass is made of it.
    """

    spec: str
    phase: str
    metrics: Metrics
    baseline: Metrics | None = None
    evidence: Tally | None = None
    needed: Fraction | None = None
    missing: int = 0
    together: Together | None = None
    early: bool = False
    has_left: bool = False


Measured = GateInput
"""The public name."""
Gate = Callable[[GateInput, Limits], GateResult | None]
"""A gate returns None if it does not apply."""
ProjectGates = Callable[[GateInput], Sequence[GateResult]]
"""The project's own gates."""


def no_project_gates(_: GateInput) -> Sequence[GateResult]:
    """Return no results: the default for projects without gates."""
    return ()


def lasting_reason(results: Sequence[GateResult]) -> str:
    """Return why more passes cannot help a candidate; empty if they may."""
    for result in results:
        if not result.passed and result.lasting:
            return result.lasting
    return ""


def reject_or_hold(*, reject: bool) -> Verdict:
    """Return the verdict that a failed gate asks for: REJECT, or HOLD if the evidence is insufficient."""
    if reject:
        return Verdict.REJECT
    return Verdict.HOLD
