"""Whether a spec still answers as in earlier cycles, so that what is known of it need not be measured again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from pytest_selfopt.trial import Outcome, Trial

LEVEL = 0.05
"""The chance of a false alarm, which costs two more passes of the baseline."""

Rows: TypeAlias = Mapping[str, Counter[bool]]
"""How many of the answers of each case are right, and how many wrong."""


def has_moved(known: Sequence[Trial], now: Sequence[Trial]) -> bool:
    """Whether the trials of a spec differ from the `known` ones of the same cases, or hardly any gave an answer.

    If a case with t right answers of n answers as before, r of them new, each choice of r among the n is equally likely
    to be the new ones: the number right among these is hypergeometric. Cases are independent, so that the distribution
    of the sum over cases is the convolution, which is exact. Both tails count. A false alarm in groups of cases that
    move together, which the sum takes for independent, costs no more than another.
    """
    before, after = _rows(known), _rows(now)
    asked = {trial.case for trial in now}
    if 2 * len(before.keys() & after.keys()) < len(asked):
        return True
    return rows_differ(before, after)


def rows_differ(before: Rows, after: Rows) -> bool:
    """Whether the answers to the same cases differ more than by chance, at `LEVEL`."""
    right = 0
    chances = [1.0]
    for case in sorted(before.keys() & after.keys()):
        passed = before[case][True] + after[case][True]
        answers = before[case].total() + after[case].total()
        # What is always or never right moves nothing.
        if 0 < passed < answers:
            right += after[case][True]
            chances = _convolved(chances, _hypergeometric(passed, after[case].total(), answers))
    low, high = math.fsum(chances[: right + 1]), math.fsum(chances[right:])
    return 2 * min(low, high) <= LEVEL


def _rows(trials: Iterable[Trial]) -> Rows:
    """Return how many of the answers of each case with any are right, and how many wrong."""
    rows: dict[str, Counter[bool]] = {}
    for trial in trials:
        if trial.outcome is not Outcome.ERROR and not trial.copied:
            rows.setdefault(trial.case, Counter())[trial.outcome is Outcome.PASS] += 1
    return rows


def _hypergeometric(right: int, drawn: int, answers: int) -> list[float]:
    """Return the probability of 0, 1, … right answers among some that are drawn from all."""
    ways = math.comb(answers, drawn)
    return [math.comb(right, hits) * math.comb(answers - right, drawn - hits) / ways for hits in range(drawn + 1)]


def _convolved(chances: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the distribution of the sum of two independent numbers."""
    sums = [0.0] * (len(chances) + len(others) - 1)
    for place, chance in enumerate(chances):
        for other, factor in enumerate(others):
            sums[place + other] += chance * factor
    return sums
