"""The result of a grader."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_selfopt.errors import SelfoptError


class BrokenGrader(SelfoptError):
    """A grader cannot judge: a fault of the benchmark, not of the model."""


class SlowGrader(BrokenGrader):
    """A grader is not done within its limit of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a reply is right; if not, `reason` is one sentence for people.

    A reply is not `applicable` if it is not of the kind that is judged, such as a tool call where words are: then it is
    wrong for the expectation, and for the opposite of the expectation too.
    """

    passed: bool
    reason: str = ""
    applicable: bool = True


RIGHT = Judgement(passed=True)


def wrong(reason: str) -> Judgement:
    """Return a judgement against a reply."""
    return Judgement(passed=False, reason=reason)


def inapplicable(reason: str) -> Judgement:
    """Return a judgement against a reply of another kind than the one that is judged."""
    return Judgement(passed=False, reason=reason, applicable=False)


def judged(reason: str) -> Judgement:
    """Return a judgement against a reply for this reason, or in its favour if the reason is empty."""
    if reason:
        return wrong(reason)
    return RIGHT
