"""A share of right answers with an interval that minds how repeats of one case hang together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_selfopt.loop.distributions import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Passes over trials, over so many cases; `low` and `high` are its 95 % interval for cases like these."""

    passes: int
    trials: int
    cases: int
    low: float
    high: float

    @property
    def accuracy(self) -> float:
        """Passes over trials; 0 without trials."""
        return self.passes / self.trials if self.trials else 0.0

    def overlaps(self, other: Score) -> bool:
        """Whether the intervals leave open which of the two is better."""
        return self.low <= other.high and other.low <= self.high


def score_of(counts: Iterable[tuple[str, int, int]]) -> Score:
    """The score of cases from their names, passes and trials; a case may stand there more than once."""
    by_case: dict[str, tuple[int, int]] = {}
    for case, passes, trials in counts:
        before = by_case.get(case, (0, 0))
        by_case[case] = (before[0] + passes, before[1] + trials)
    known = [one for one in by_case.values() if one[1]]
    passes, trials = sum(one[0] for one in known), sum(one[1] for one in known)
    worth = _worth(known, passes, trials)
    low, high = wilson(worth * passes / trials, worth) if trials else (0.0, 1.0)
    return Score(passes=passes, trials=trials, cases=len(known), low=low, high=high)


def _worth(known: list[tuple[int, int]], passes: int, trials: int) -> float:
    """How many independent trials would tell as much: one a case if repeats agree, all of them if they vary freely.

    The variance of the share is that of a ratio over clusters (Cochran 1977, section 11.2).
    """
    count = len(known)
    # Where everything is alike nothing is seen of how repeats hang together, and the fewest are assumed.
    if count < 2 or passes in (0, trials):
        return float(count)
    share = passes / trials
    squares = sum((one[0] - share * one[1]) ** 2 for one in known)
    if not squares:
        return float(trials)
    variance = squares * count / (count - 1) / trials**2
    return min(float(trials), max(1.0, share * (1 - share) / variance))
