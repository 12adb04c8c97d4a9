"""The least gain on these cases that the pairs show beyond luck."""

from __future__ import annotations

import math

from pytest_selfopt.loop.evidence.tally import Tally

SHIFTED_ODDS = 20.0
"""Odds at which a gain is claimed as "at least"."""
_GRID = 400
_HALVINGS = 16
"""After them the gain is at most 0.00003 too small, which stays true; it is shown with two decimals."""


def least_gain(evidence: Tally) -> float | None:
    """Return the largest g for which "the gain is at most g" has odds above 20 against it; None if none has.

    The odds against a gain of at most g average Π (1 + x(d − g)) over bets x in [0, 1/(1+g)], where d is +1, 0 or −1
    for each pair, and the mean of its pairs for a group: no factor is negative and, if the mean gain over the groups of
    a pass is at most g, the product over the pass has an expectation of at most 1. With x = u/(1+g), u in [0, 1], every
    factor falls as g rises, so bisection finds the largest g.
    """
    if evidence.pairs == 0 or _log_shifted(evidence, -0.999) <= math.log(SHIFTED_ODDS):
        return None
    low, high = -0.999, 0.999
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _log_shifted(evidence, middle) > math.log(SHIFTED_ODDS):
            low = middle
        else:
            high = middle
    return low


def _log_shifted(evidence: Tally, gain: float) -> float:
    """Return the log of the shifted odds, averaged over the midpoints of equal steps of x."""
    bets = evidence.bets
    factors = [(1.0, bets.wins), (-1.0, bets.losses), (0.0, evidence.ties)]
    factors += [(float(mean), times) for mean, times in bets.means.items()]
    shifted = [(difference - gain, times) for difference, times in factors if times]
    widest = 1 / (1 + gain)
    logs = []
    for step in range(_GRID):
        x = widest * (step + 0.5) / _GRID
        wealth = 0.0
        for shift, times in shifted:
            wealth += times * math.log1p(x * shift)
        logs.append(wealth)
    # Relative to the largest term, so that no exponential overflows.
    top = max(logs)
    total = math.fsum(math.exp(log - top) for log in logs)
    return top + math.log(total / _GRID)
