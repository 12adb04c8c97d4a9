"""The odds against luck, and the bar that they must reach.

W counts the pairs of outcomes that the candidate passed and the baseline missed, L the reverse. The odds e(W, L) =
∫₀¹ (1+x)^W (1−x)^L dx average the wealth of bets of size x on each pair that differs; if the candidate is no better on
these cases, their expectation at the end of any pass is at most 1, so by Ville's inequality the probability that they
ever reach B is at most 1/B, however often the user looks, stops or resumes (Ville 1939; Shafer 2021, "Testing by
betting"; Waudby-Smith and Ramdas 2023). Assumptions: cases are independent within a pass, and the passes of both specs
are interleaved. Cases that stand or fall together are bet on as groups: see `bets`, which has the proof.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from pytest_selfopt.loop.distributions import incomplete_beta

ALPHA = Fraction(1, 20)
"""The bound on the probability of any false promotion in the whole life of a history."""
CLEAR = 1e-6
"""The error bound of decimal logarithms of odds: larger differences are certain."""


def odds(wins: int, losses: int) -> Fraction:
    """Return e(W, L) = Σ_{k≤W} C(n+1, k) / ((n+1)·C(n, W)) with n = W + L, exactly."""
    n = wins + losses
    term = total = 1
    for k in range(wins):
        term = term * (n + 1 - k) // (k + 1)
        total += term
    return Fraction(total, (n + 1) * math.comb(n, wins))


@lru_cache(maxsize=4096, typed=True)
def log10_odds(wins: float, losses: float) -> float:
    """Return the decimal logarithm of e(W, L), fast for any size; wins and losses need not be whole.

    With n = W + L, e = 2^(n+1) · B(W+1, L+1) · I_½(L+1, W+1); exact to about nine digits unless the losses are many
    times the wins, where the odds are nearly 0 and the result may be −∞.
    """
    share = incomplete_beta(losses + 1, wins + 1, 0.5)
    if share <= 0:
        return -math.inf
    log_beta = math.lgamma(wins + 1) + math.lgamma(losses + 1) - math.lgamma(wins + losses + 2)
    return ((wins + losses + 1) * math.log(2) + log_beta + math.log(share)) / math.log(10)


def bar(comparison: int, alpha: Fraction = ALPHA) -> Fraction:
    """Return the odds that the j-th comparison ever opened must reach: B(j) = (j+9)(j+10)/(10·α); Σ 1/B(j) = α."""
    return (comparison + 9) * (comparison + 10) / (10 * alpha)


def reaches(wins: int, losses: int, needed: Fraction) -> bool:
    """Whether e(W, L) is at least `needed`: exact, but fast if the answer is clear."""
    margin = log10_odds(wins, losses) - math.log10(needed)
    if abs(margin) > CLEAR:
        return margin > 0
    return odds(wins, losses) >= needed
