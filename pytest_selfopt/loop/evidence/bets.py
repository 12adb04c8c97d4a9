"""What a comparison bets on: the mean difference of each group of cases in each pass.

A group is a set of cases that may stand or fall together: paraphrases, questions on one document, one template. A case
without a group is a group of its own. In a pass, let d̄_g in [−1, 1] be the mean over the counted pairs of group g of
their differences (+1: only the candidate passed, −1: only the baseline, 0: both or neither). The odds are

    e = ∫₀¹ Π (1 + x·d̄_g) dx over all groups g of all passes,

the mean wealth of bets of size x. They are an e-process of the null hypothesis that, in every pass, the mean over the G
groups of E[d̄_g | past] is at most 0, if groups are independent within a pass given the past. Proof: for x in [0, 1] no
factor is negative, and E[Π_g (1 + x·d̄_g) | past] = Π_g (1 + x·E[d̄_g | past]) by independence; by the inequality of
the arithmetic and the geometric mean that is at most (1 + x·Σ_g E[d̄_g | past]/G)^G ≤ 1. So the product over passes is
a supermartingale that begins with 1, and so is its mean over x, which was fixed beforehand. By Ville's inequality the
odds ever reach B with a probability of at most 1/B. Within a group nothing is assumed: its cases may be copies of each
other. What is bet on, the groups and the mean over those pairs that count, is fixed before the first trial. Without
groups d̄_g is +1, 0 or −1, and e = e(W, L). The odds of the reverse are those of the negated means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property

from pytest_selfopt.loop.evidence.odds import CLEAR, log10_odds, odds, reaches


@dataclass(frozen=True, kw_only=True)
class Bets:
    """The bets of a comparison that were not ties: of cases on their own, and of groups of several cases.

    `wins` and `losses` count the pairs of cases on their own, `means` how often groups had which mean difference other
    than 0, in the interval [−1, 1]. In forecasts the counts need not be whole.
    """

    wins: float
    losses: float
    means: Mapping[Fraction, float] = field(default_factory=dict)

    @cached_property
    def log10(self) -> float:
        """The decimal logarithm of the odds, with an error below `CLEAR`."""
        if not self.means:
            return log10_odds(self.wins, self.losses)
        return _log10_of_integral(self)

    @cached_property
    def odds(self) -> Fraction:
        """The odds against luck: exact without groups of several cases, otherwise rounded down by about `CLEAR`."""
        if not self.means:
            return odds(int(self.wins), int(self.losses))
        log = self.log10 - CLEAR
        whole = math.floor(log)
        return Fraction(10 ** (log - whole)) * Fraction(10) ** whole

    def reaches(self, needed: Fraction) -> bool:
        """Whether the odds are at least `needed`."""
        if not self.means:
            return reaches(int(self.wins), int(self.losses), needed)
        return self.odds >= needed

    @cached_property
    def reverse(self) -> Bets:
        """The bets that the candidate is worse."""
        means = {-mean: times for mean, times in self.means.items()}
        return Bets(wins=self.losses, losses=self.wins, means=means)

    @property
    def net(self) -> float:
        """The sum of all differences."""
        return self.wins - self.losses + math.fsum(mean * times for mean, times in self.means.items())

    @property
    def squares(self) -> float:
        """The sum of the squares of all differences."""
        return self.wins + self.losses + math.fsum(mean * mean * times for mean, times in self.means.items())

    @property
    def lead(self) -> float:
        """The sum of differences over the root of the sum of their squares; 0 if there are none."""
        squares = self.squares
        if not squares:
            return 0.0
        return self.net / math.sqrt(squares)

    def scaled(self, factor: float) -> Bets:
        """Return what would have been seen in `factor` times as many passes."""
        means = {mean: times * factor for mean, times in self.means.items()}
        return Bets(wins=self.wins * factor, losses=self.losses * factor, means=means)

    def hoped(self) -> Bets:
        """Return the same number of bets with a sum two standard errors higher, as far as that is possible.

        A standard error is the root of the sum of squares. The difference is added to the bets of each size in
        proportion to their share of the squares, by turning losses into wins.
        """
        squares = self.squares
        wins, losses = _shifted(self.wins, self.losses, 1.0, squares)
        means: dict[Fraction, float] = {}
        for size in sorted({abs(mean) for mean in self.means}):
            before = self.means.get(size, 0), self.means.get(-size, 0)
            means[size], means[-size] = _shifted(*before, float(size), squares)
        return Bets(wins=wins, losses=losses, means=means)

    def __add__(self, other: Bets) -> Bets:
        """Return both together."""
        means = dict(self.means)
        for mean, times in other.means.items():
            means[mean] = means.get(mean, 0) + times
        return Bets(wins=self.wins + other.wins, losses=self.losses + other.losses, means=means)


def _shifted(wins: float, losses: float, size: float, squares: float) -> tuple[float, float]:
    """Return wins and losses of bets of one size after a shift of the sum of all bets by twice √squares."""
    number = wins + losses
    if not number:
        return 0.0, 0.0
    lead = min(number, wins - losses + 2 * size * number / math.sqrt(squares))
    return (number + lead) / 2, (number - lead) / 2


def _log10_of_integral(bets: Bets) -> float:
    """Return the decimal logarithm of the integral by Gauss-Legendre quadrature with n nodes.

    That is exact for polynomials of degree 2n − 1, and the degree of the integrand is the number of bets. From 512 bets
    on it is an approximation: the logarithm of the integrand is concave, and with up to 20,000 bets its peak is wide
    enough for 256 nodes to leave an error far below `CLEAR`.
    """
    number = bets.wins + bets.losses + sum(bets.means.values())
    factors = [(float(mean), float(times)) for mean, times in bets.means.items()]
    factors += [(1.0, float(bets.wins)), (-1.0, float(bets.losses))]
    factors = [(mean, times) for mean, times in factors if times]
    nodes = _nodes(_size(number))
    logs = []
    for x, weight in nodes:
        logs.append(math.log(weight) + sum(times * math.log1p(x * mean) for mean, times in factors))
    # Relative to the largest term, so that no exponential overflows.
    top = max(logs)
    total = math.fsum(math.exp(log - top) for log in logs)
    return (top + math.log(total)) / math.log(10)


def _size(number: float) -> int:
    """Return how many nodes integrate the product of this many bets."""
    for size in (32, 64, 128):
        if number < 2 * size:
            return size
    return 256


@cache
def _nodes(size: int) -> tuple[tuple[float, float], ...]:
    """Return the nodes of Gauss-Legendre quadrature on [0, 1], with their weights.

    Roots of the Legendre polynomial P_n by Newton's method from cos(π(i − ¼)/(n + ½)); weights 1/((1 − z²)·P′_n(z)²)
    (Abramowitz and Stegun 25.4.29, 25.4.30).
    """
    nodes = []
    for index in range(1, size + 1):
        z = math.cos(math.pi * (index - 0.25) / (size + 0.5))
        for _ in range(5):
            value, slope = _legendre(size, z)
            z -= value / slope
        _, slope = _legendre(size, z)
        nodes.append(((z + 1) / 2, 1 / ((1 - z * z) * slope * slope)))
    return tuple(nodes)


def _legendre(degree: int, z: float) -> tuple[float, float]:
    """Return the Legendre polynomial of a degree at z, and its derivative, by Bonnet's recursion."""
    before, value = 1.0, z
    for n in range(1, degree):
        before, value = value, ((2 * n + 1) * z * value - n * before) / (n + 1)
    return value, degree * (z * value - before) / (z * z - 1)
