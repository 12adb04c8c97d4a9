"""The trend of a model's accuracy over cycles, by a test with a known error rate.

The test is Mann-Kendall's: the number of pairs of cycles that rise minus those that fall, compared with random orders
of the same values. Its p-value is exact, ties included: the inversions of a shuffled sequence are distributed as the
coefficients of a Gaussian multinomial (MacMahon 1916).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

LEAST_CYCLES = 5
"""The smallest number whose order can reach `ALPHA`: two of the 120 orders of five are monotone, 1 in 60."""
MOST_CYCLES = 30
"""The number of latest cycles that count; older ones say nothing about the present trend."""
ALPHA = 0.05
"""The largest share of stable models that may be called improving or declining."""
STEADY_WITHIN = 0.10
"""The largest change of accuracy over the whole series that still counts as stable."""
_Z = 1.959964


class TrendWord(StrEnum):
    """The direction of a trend."""

    IMPROVING = "improving"
    STABLE = "stable"
    DECLINING = "declining"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The trend of a model, and the number of cycles behind it.

    `chance` is the probability of an order at least this clear if the order is random. `change` is the interval (about
    95 %) of the change in accuracy from the first of these cycles to the last.
    """

    word: TrendWord
    cycles: int
    chance: float | None = None
    change: tuple[float, float] | None = None

    @property
    def sentence(self) -> str:
        """Return the trend for people, with its basis."""
        if self.chance is None or self.change is None:
            return f"too few evaluations to tell: {self.cycles} comparable cycles, at least {LEAST_CYCLES} are needed"
        word = str(self.word)
        if self.word is TrendWord.UNKNOWN:
            word = "too few evaluations to tell"
        low, high = self.change
        return f"{word}: moved by {low:+.2f} to {high:+.2f} in {self.cycles} comparable cycles, p = {self.chance:.2g}"


def trend(accuracies: Sequence[float]) -> Trend:
    """Compute the trend of accuracies on the same questions, one per cycle, oldest first; the last `MOST_CYCLES` count.

    If the order of the cycles is random, at most `ALPHA` of histories are called improving or declining, whatever the
    distribution of the accuracies.
    """
    values = accuracies[-MOST_CYCLES:]
    if len(values) < LEAST_CYCLES:
        return Trend(word=TrendWord.UNKNOWN, cycles=len(values))
    balance = _balance(values)
    ties = tuple(sorted(Counter(values).values()))
    chance = _chance(abs(balance), ties)
    change = _change(values, ties)
    word = TrendWord.UNKNOWN
    if chance <= ALPHA and balance > 0:
        word = TrendWord.IMPROVING
    elif chance <= ALPHA:
        word = TrendWord.DECLINING
    elif max(-change[0], change[1]) < STEADY_WITHIN:
        word = TrendWord.STABLE
    return Trend(word=word, cycles=len(values), chance=chance, change=change)


def _balance(values: Sequence[float]) -> int:
    """Return the number of rising pairs minus falling pairs."""
    balance = 0
    for before, after in itertools.combinations(values, 2):
        balance += (after > before) - (after < before)
    return balance


@lru_cache(maxsize=1024)
def _chance(distance: int, ties: tuple[int, ...]) -> float:
    """Return the share of orders whose balance is at least this far from zero."""
    orders = _inversions(ties)
    pairs = len(orders) - 1
    as_far = 0
    for inverted, number in enumerate(orders):
        if abs(pairs - 2 * inverted) >= distance:
            as_far += number
    return as_far / sum(orders)


@lru_cache(maxsize=256)
def _inversions(ties: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of orders of a multiset with these multiplicities that have 0, 1, 2 … inversions."""
    numbers = list(_distinct(sum(ties)))
    for tied in ties:
        for size in range(2, tied + 1):
            numbers = _divided(numbers, size)
    return tuple(numbers)


@cache
def _distinct(count: int) -> tuple[int, ...]:
    """Return the numbers of orders of distinct values, at most `MOST_CYCLES`, that have 0, 1, 2 … inversions."""
    if count <= 1:
        return (1,)
    return tuple(_times(_distinct(count - 1), count))


def _times(numbers: Sequence[int], size: int) -> list[int]:
    """Multiply a polynomial by 1 + q + … + q^(size − 1)."""
    sums = [0, *itertools.accumulate(numbers)]
    last = len(numbers)
    product: list[int] = []
    # Each coefficient is a sum of up to `size` neighbours: the difference of two prefix sums.
    for end in range(1, last + size):
        start = max(0, end - size)
        product.append(sums[min(end, last)] - sums[start])
    return product


def _divided(numbers: Sequence[int], size: int) -> list[int]:
    """The inverse of `_times`."""
    quotient: list[int] = []
    for place in range(len(numbers) - size + 1):
        start = max(0, place - size + 1)
        quotient.append(numbers[place] - sum(quotient[start:place]))
    return quotient


def _change(values: Sequence[float], ties: Sequence[int]) -> tuple[float, float]:
    """Return the interval of the change over the whole series from all pairs' slopes (Sen 1968), rounded outwards."""
    count = len(values)
    slopes = []
    for i, j in itertools.combinations(range(count), 2):
        slope = (values[j] - values[i]) / (j - i)
        slopes.append(slope)
    slopes.sort()
    variance = (_spread(count) - sum(map(_spread, ties))) / 18
    within = _Z * math.sqrt(variance)
    place = max(0, math.floor((len(slopes) - within) / 2) - 1)
    return slopes[place] * (count - 1), slopes[-1 - place] * (count - 1)


def _spread(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)
