"""A share of right answers, with an interval that accounts for correlated repeats of one case."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_selfopt.loop.distributions import wilson


class CaseAnswers(NamedTuple):
    """The passes and answers of a case, and what it counts in accuracy."""

    case: str
    passes: int
    trials: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Passes over answered trials of a number of cases; `low` and `high` are the 95 % interval for cases like these."""

    passes: int
    trials: int
    cases: int
    accuracy: float
    """Passes over `trials`, each with the weight of its case; 0 without any."""
    low: float
    high: float

    def overlaps(self, other: Score) -> bool:
        """Whether the intervals overlap, so that either may be better."""
        return self.low <= other.high and other.low <= self.high


def score_of(counts: Iterable[CaseAnswers]) -> Score:
    """Compute the score of cases; a case may occur more than once."""
    tried = [answers for answers in counts if answers.trials]
    if not tried:
        return Score(passes=0, trials=0, cases=0, accuracy=0.0, low=0.0, high=1.0)
    clusters = _clusters(tried)
    passed = math.fsum(cluster.passed for cluster in clusters)
    total = math.fsum(cluster.total for cluster in clusters)
    share = passed / total
    worth = _worth(clusters, share, total)
    low, high = wilson(worth * passed / total, worth)
    return Score(
        passes=sum(answers.passes for answers in tried),
        trials=sum(answers.trials for answers in tried),
        cases=len(clusters),
        accuracy=share,
        low=low,
        high=high,
    )


@dataclass(slots=True)
class _Cluster:
    """The answers to one case: the weight of those that are right, that of all, and the largest weight of one."""

    passed: float = 0.0
    total: float = 0.0
    weight: float = 0.0


def _clusters(tried: Sequence[CaseAnswers]) -> list[_Cluster]:
    by_case: defaultdict[str, _Cluster] = defaultdict(_Cluster)
    for answers in tried:
        cluster = by_case[answers.case]
        cluster.passed += answers.weight * answers.passes
        cluster.total += answers.weight * answers.trials
        cluster.weight = max(cluster.weight, answers.weight)
    return list(by_case.values())


def _worth(clusters: Sequence[_Cluster], share: float, total: float) -> float:
    """Return the effective number of independent trials: one per case if repeats agree, all if they are independent.

    The variance of the share is that of a ratio over clusters (Cochran 1977, section 11.2). Where weights differ, a
    trial counts as its share of the heaviest one: whatever the heavy cases are like, the variance is no larger.
    """
    count = len(clusters)
    heaviest = max(cluster.weight for cluster in clusters)
    independent = math.fsum(cluster.weight for cluster in clusters) / heaviest
    # If all results are equal, the correlation of repeats is unknown, and the minimum is assumed.
    if count < 2 or share in (0, 1):
        return independent
    most = total / heaviest
    squares = sum((cluster.passed - share * cluster.total) ** 2 for cluster in clusters)
    if not squares:
        return most
    variance = squares * count / (count - 1) / total**2
    return min(most, max(1.0, share * (1 - share) / variance))
