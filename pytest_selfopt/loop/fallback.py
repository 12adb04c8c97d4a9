"""Choice of a fallback: the best model measured in the phase, never an unmeasured one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_selfopt.loop.distributions import wilson

LEAST_TRIALS = 9
"""Answers in a phase below which a model does not count as measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackScore:
    """A model's `passes` among its `answers` in a phase."""

    passes: int
    answers: int


def best_fallback(scores: Mapping[str, FallbackScore], *, minimum: float) -> str | None:
    """Return the model whose accuracy is above `minimum` with the most confidence, or None.

    Ranked by the lower end of the 95 % Wilson interval, which favours more evidence; ties are broken by name.
    """
    able: dict[str, float] = {}
    for model, score in scores.items():
        low, _ = wilson(score.passes, score.answers)
        if score.answers >= LEAST_TRIALS and low > minimum:
            able[model] = low
    return min(able, key=lambda model: (-able[model], model), default=None)
