"""The result of a grader."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a reply is right; if not, `reason` is one sentence for people."""

    passed: bool
    reason: str = ""


RIGHT = Judgement(passed=True)


def wrong(reason: str) -> Judgement:
    """Return a judgement against a reply."""
    return Judgement(passed=False, reason=reason)


def judged(reason: str) -> Judgement:
    """Return a judgement against a reply for this reason, or in its favour if the reason is empty."""
    if reason:
        return wrong(reason)
    return RIGHT
