"""What the pairs show beyond luck: the least gain on these cases, and whether it is one on new prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.distributions import t_tail
from pytest_selfopt.loop.evidence.tally import Tally

SHIFTED_ODDS = 20.0
"""Odds at which a gain is claimed as "at least"."""
_GRID = 400


def least_gain(evidence: Tally) -> float | None:
    """Return the largest g for which "the gain is at most g" has odds above 20 against it; None if none has.

    The odds against a gain of at most g average Π (1 + x(d − g)) over bets x in [0, 1/(1+g)], where d is +1, 0 or −1
    for each pair: no factor is negative and, if the gain over the cases of a pass is at most g, the product over the
    pass has an expectation of at most 1. With x = u/(1+g), u in [0, 1], every factor falls as g rises, so bisection
    finds the largest g.
    """
    if evidence.pairs == 0 or _log_shifted(evidence, -0.999) <= math.log(SHIFTED_ODDS):
        return None
    low, high = -0.999, 0.999
    for _ in range(30):
        middle = (low + high) / 2
        if _log_shifted(evidence, middle) > math.log(SHIFTED_ODDS):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrompts:
    """The evidence on prompts that were not asked: case-clustered paired t-test, one-sided `chance`."""

    up: int
    down: int
    cases: int
    chance: float


def new_prompts(evidence: Tally) -> NewPrompts:
    """Treat each case's difference as one observation, because repeats of a prompt are not new prompts.

    If all n cases differ equally, t is undefined; the chance is then that of the signs, 1/2ⁿ.
    """
    differences = [case.difference for case in evidence.cases.values() if case.common]
    return NewPrompts(
        up=sum(difference > 0 for difference in differences),
        down=sum(difference < 0 for difference in differences),
        cases=len(differences),
        chance=_chance_of_mean(differences),
    )


def _chance_of_mean(differences: Sequence[float]) -> float:
    """Return the one-sided probability of a mean difference this high if the true mean is 0; 1 without observations."""
    count = len(differences)
    if not count:
        return 1.0
    mean = math.fsum(differences) / count
    square = math.fsum((difference - mean) ** 2 for difference in differences)
    if count >= 2 and square != 0:
        error = math.sqrt(square / (count - 1) / count)
        return t_tail(mean / error, count - 1)
    if mean <= 0:
        return 1.0
    return 0.5**count


def _log_shifted(evidence: Tally, gain: float) -> float:
    """Return the log of the shifted odds, averaged over the midpoints of equal steps of x."""
    wins, losses = evidence.wins, evidence.losses
    ties = evidence.pairs - wins - losses
    widest = 1 / (1 + gain)
    logs = []
    for step in range(_GRID):
        x = widest * (step + 0.5) / _GRID
        won = wins * math.log1p(x * (1 - gain))
        lost = losses * math.log1p(-x * (1 + gain))
        tied = ties * math.log1p(-x * gain)
        logs.append(won + lost + tied)
    # Relative to the largest term, so that no exponential overflows.
    top = max(logs)
    total = math.fsum(math.exp(log - top) for log in logs)
    return top + math.log(total / _GRID)
