"""A share of right answers, with an interval that accounts for correlated repeats of one case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter

from pytest_selfopt.loop.distributions import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Passes over trials, from a number of cases; `low` and `high` are the 95 % interval for cases like these."""

    passes: int
    trials: int
    cases: int
    low: float
    high: float

    @property
    def accuracy(self) -> float:
        """Passes over trials; 0 without trials."""
        if not self.trials:
            return 0.0
        return self.passes / self.trials

    def overlaps(self, other: Score) -> bool:
        """Whether the intervals overlap, so that either may be better."""
        return self.low <= other.high and other.low <= self.high


def score_of(counts: Iterable[tuple[str, int, int]]) -> Score:
    """Compute the score of cases from names, passes and trials; a case may occur more than once."""
    by_case: dict[str, tuple[int, int]] = {}
    for case, passes, trials in counts:
        passes_before, trials_before = by_case.get(case, (0, 0))
        by_case[case] = (passes_before + passes, trials_before + trials)
    tried = [(passes, trials) for passes, trials in by_case.values() if trials]
    if not tried:
        return Score(passes=0, trials=0, cases=0, low=0.0, high=1.0)
    passes = sum(map(itemgetter(0), tried))
    trials = sum(map(itemgetter(1), tried))
    worth = _worth(tried, passes, trials)
    low, high = wilson(worth * passes / trials, worth)
    return Score(passes=passes, trials=trials, cases=len(tried), low=low, high=high)


def _worth(tried: list[tuple[int, int]], passes: int, trials: int) -> float:
    """Return the effective number of independent trials: one per case if repeats agree, all if they are independent.

    The variance of the share is that of a ratio over clusters (Cochran 1977, section 11.2).
    """
    count = len(tried)
    # If all results are equal, the correlation of repeats is unknown, and the minimum is assumed.
    if count < 2 or passes in (0, trials):
        return float(count)
    share = passes / trials
    squares = sum((passed - share * tries) ** 2 for passed, tries in tried)
    if not squares:
        return float(trials)
    variance = squares * count / (count - 1) / trials**2
    return min(float(trials), max(1.0, share * (1 - share) / variance))
