"""What a grader says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a reply is right; `reason` is one sentence for people when it is not."""

    passed: bool
    reason: str = ""


RIGHT = Judgement(passed=True)


def wrong(reason: str) -> Judgement:
    """A judgement against a reply."""
    return Judgement(passed=False, reason=reason)


def judged(reason: str) -> Judgement:
    """A judgement against a reply for a reason; without one the reply is right."""
    if reason:
        return wrong(reason)
    return RIGHT
