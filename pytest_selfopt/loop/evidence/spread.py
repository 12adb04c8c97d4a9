"""The outcomes of a spec as runs × cases, and the spread of its runs' accuracies."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from pytest_selfopt.loop.distributions import chi_square_tail
from pytest_selfopt.loop.evidence.tally import NO_GROUPS, families_of
from pytest_selfopt.trial import Outcome, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The spread of the runs' accuracies, and the spread that chance alone would cause.

    `variance` is the sample variance (R − 1) of the run accuracies over the `cases` that were answered in every run.
    `coin_flips` is V/K² with V = Σ over cases of s(R−s)/(R(R−1)), s passes in R runs: the variance if repeats of a case
    are independent. A group of cases adds the variance of its number of passes, so that nothing is assumed of the cases
    in it. `flipping` is V/K over single cases. `chance` is the dispersion test's p: χ² = (R−1)·variance/(V/K²) on R−1
    degrees of freedom.
    """

    cases: int
    variance: float
    coin_flips: float
    flipping: float
    chi_square: float
    chance: float

    @property
    def churn(self) -> float:
        """The expected share of cases whose outcomes differ between two runs: 2V/K."""
        return 2 * self.flipping

    @property
    def excess(self) -> float:
        """The variance in excess of the coin flips, never negative."""
        return max(0.0, self.variance - self.coin_flips)


def spread(by_run: Mapping[int, Mapping[str, Outcome]], groups: Mapping[str, str] = NO_GROUPS) -> Spread:
    """Return the spread of run accuracies over the cases with an answer in every run."""
    rows = answered_rows(by_run)
    return spread_of(list(rows.values()), len(by_run), group_rows(rows, groups))


def group_rows(rows: Mapping[str, Sequence[bool]], groups: Mapping[str, str]) -> list[Sequence[int]]:
    """Return the number of passes by run of each group of cases; a case without a group is one of its own."""
    families = families_of(rows, groups)
    together = set(itertools.chain.from_iterable(families.values()))
    alone = [row for case, row in rows.items() if case not in together]
    sums = [list(map(sum, zip(*map(rows.__getitem__, family), strict=True))) for family in families.values()]
    return [*alone, *sums]


def spread_of(rows: Sequence[Sequence[bool]], runs: int, groups: Sequence[Sequence[int]] | None = None) -> Spread:
    """Return the spread of run accuracies, given whether each case (row) passed in each of the `runs` (columns).

    `groups` are the passes by run of each group, and of each case in none; None if no case is in a group.
    """
    count = len(rows)
    if runs < 2 or not count:
        return Spread(cases=count, variance=0.0, coin_flips=0.0, flipping=0.0, chi_square=0.0, chance=1.0)
    totals = map(sum, zip(*rows, strict=True))
    variance = statistics.variance(total / count for total in totals)
    alone = coin_flips(rows)
    flips = alone / count**2
    if groups is not None and len(groups) < count:
        flips = coin_flips(groups) / count**2
    chi_square = 0.0
    if flips:
        chi_square = (runs - 1) * variance / flips
    return Spread(
        cases=count,
        variance=variance,
        coin_flips=flips,
        flipping=alone / count,
        chi_square=chi_square,
        chance=chi_square_tail(chi_square, runs - 1),
    )


def answered_rows(by_run: Mapping[int, Mapping[str, Outcome]]) -> dict[str, tuple[bool, ...]]:
    """Return the passes by run of each case with an answer in every run."""
    runs = list(by_run.values())
    rows = {}
    for case in dict.fromkeys(itertools.chain.from_iterable(runs)):
        outcomes = [run.get(case, Outcome.ERROR) for run in runs]
        if Outcome.ERROR not in outcomes:
            rows[case] = tuple(map(_is_pass, outcomes))
    return rows


def coin_flips(rows: Iterable[Sequence[int]]) -> float:
    """Return V, the expected variance of a run's number of passes if all answers are independent.

    A row has the number of passes of a case, or of a group, in each run.

    The sum is exact until it is rounded, so that it does not depend on the order of the trials.
    """
    return math.fsum(map(_row_variance, rows))


def _row_variance(row: Sequence[int]) -> float:
    """Return the sample variance of a row, for one case s(R−s)/(R(R−1)); 0 for fewer than two runs."""
    passed, runs = sum(row), len(row)
    if runs < 2:
        return 0.0
    squares: int = sum(map(mul, row, row))
    return (runs * squares - passed**2) / (runs * (runs - 1))


def outcomes_by_run(trials: Sequence[Trial]) -> dict[int, dict[str, Outcome]]:
    """Return the matrix of outcomes, by run in ascending order; the first trial of a cell counts."""
    by_run: defaultdict[int, dict[str, Outcome]] = defaultdict(dict)
    for trial in trials:
        by_run[trial.run].setdefault(trial.case, trial.outcome)
    return dict(sorted(by_run.items()))


def _is_pass(outcome: Outcome) -> bool:
    return outcome is Outcome.PASS
