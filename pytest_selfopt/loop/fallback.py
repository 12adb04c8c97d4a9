"""Which model may stand in for another: the best one that is known, and none that nobody measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_selfopt.loop.distributions import wilson

LEAST_TRIALS = 9
"""A model with fewer answers than this in a phase is not known there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackScore:
    """What a model did in a phase: `passes` of so many `answers`."""

    passes: int
    answers: int


def best_fallback(scores: Mapping[str, FallbackScore], *, minimum: float) -> str | None:
    """The model whose accuracy is above `minimum` with the most confidence; None without one.

    Ranked by the lower end of the 95 % Wilson interval, so that much evidence beats little; ties go by name.
    """
    able: dict[str, float] = {}
    for model, score in scores.items():
        low, _ = wilson(score.passes, score.answers)
        if score.answers >= LEAST_TRIALS and low > minimum:
            able[model] = low
    return min(able, key=lambda model: (-able[model], model), default=None)
