"""Whether a model gets better or worse from cycle to cycle, by a test whose error rate is known.

The test is Mann's and Kendall's: of all pairs of cycles, how many more are ranked upwards than downwards, against what
orders of the same values come to by chance. The chance is exact, ties included: the number of inversions of a
shuffled sequence is distributed as the coefficients of a Gaussian multinomial (MacMahon 1916).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LEAST_CYCLES = 5
"""The fewest whose order can be as unlikely as `ALPHA`: two of the orders of five are monotone, 1 of 60."""
MOST_CYCLES = 30
"""What was longer ago says nothing about where a model is heading now."""
ALPHA = 0.05
"""How often a stable model may be said to improve or to decline."""
STEADY_WITHIN = 0.10
"""A change of the accuracy over the whole series that still counts as none."""
_Z = 1.959964


class TrendWord(StrEnum):
    """Where a model is heading."""

    IMPROVING = "improving"
    STABLE = "stable"
    DECLINING = "declining"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Where a model is heading, and on how many cycles that rests.

    `chance` is the probability of such an order, or a clearer one, when the order is pure chance. `change` is the
    interval (about 95 %) of how far the accuracy moved from the first of these cycles to the last.
    """

    word: TrendWord
    cycles: int
    chance: float | None = None
    change: tuple[float, float] | None = None

    @property
    def sentence(self) -> str:
        """The word and its grounds."""
        if self.chance is None or self.change is None:
            return f"too few evaluations to tell: {self.cycles} like cycles, at least {LEAST_CYCLES} are needed"
        word = str(self.word)
        if self.word is TrendWord.UNKNOWN:
            word = "too few evaluations to tell"
        low, high = self.change
        return f"{word}: moved by {low:+.2f} to {high:+.2f} in {self.cycles} like cycles, by chance {self.chance:.2g}"


def trend(accuracies: Sequence[float]) -> Trend:
    """The trend of accuracies on the same questions, one a cycle, oldest first; only the last `MOST_CYCLES` count.

    When the order of the cycles means nothing, it is called improving or declining in at most `ALPHA` of histories,
    however the accuracies themselves are spread.
    """
    values = accuracies[-MOST_CYCLES:]
    if len(values) < LEAST_CYCLES:
        return Trend(word=TrendWord.UNKNOWN, cycles=len(values))
    balance = _balance(values)
    ties = tuple(sorted(Counter(values).values()))
    chance = _chance(balance, ties)
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
    """How many more pairs are ranked upwards than downwards."""
    balance = 0
    for before, after in itertools.combinations(values, 2):
        balance += (after > before) - (after < before)
    return balance


def _chance(balance: int, ties: Sequence[int]) -> float:
    """The share of orders whose balance of pairs is as far from zero as this one."""
    orders = _inversions(ties)
    pairs = len(orders) - 1
    as_far = 0
    for inverted, number in enumerate(orders):
        if abs(pairs - 2 * inverted) >= abs(balance):
            as_far += number
    return as_far / sum(orders)


def _inversions(ties: Sequence[int]) -> list[int]:
    """How many orders of a multiset with these multiplicities have 0, 1, 2 … inversions."""
    numbers = [1]
    for size in range(2, sum(ties) + 1):
        numbers = _times(numbers, size)
    for tied in ties:
        for size in range(2, tied + 1):
            numbers = _divided(numbers, size)
    return numbers


def _times(numbers: Sequence[int], size: int) -> list[int]:
    """The polynomial times 1 + q + … + q^(size − 1)."""
    sums = [0, *itertools.accumulate(numbers)]
    last = len(numbers)
    product: list[int] = []
    # Each coefficient is a sum of up to `size` neighbours: the difference of two sums from the start.
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
    """The interval of the change over the whole series, from the slopes of all pairs (Sen 1968), rounded outwards."""
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
