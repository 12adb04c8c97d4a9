"""Phase 2, evaluate: from the trials of a spec to its numbers."""

from __future__ import annotations

import bisect
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.distributions import binomial_tail, chi_square_tail, wilson
from pytest_selfopt.trial import Outcome, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far the accuracies of the runs lie apart, and how far chance alone would put them.

    `variance` is the sample variance (R − 1) of the run accuracies over the `cases` that were answered in every run.
    `coin_flips` is V/K² with V = Σ over cases of s(R−s)/(R(R−1)), s passes in R runs: what independent answers of the
    same cases bring about by themselves. `chance` is the dispersion test's p: χ² = (R−1)·variance/(V/K²) on R−1
    degrees of freedom.
    """

    cases: int
    variance: float
    coin_flips: float
    chi_square: float
    chance: float

    @property
    def churn(self) -> float:
        """The share of repeats of a case whose outcomes differ, expected of two runs: 2V/K."""
        return 2 * self.coin_flips * self.cases

    @property
    def excess(self) -> float:
        """The variance beyond the coin flips, never negative."""
        return max(0.0, self.variance - self.coin_flips)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The numbers of one spec. Latencies in seconds (of answered trials), cost in USD (None: partly unknown)."""

    spec: str
    runs: tuple[int, ...]
    cases: int
    trials: int
    passes: int
    misses: int
    errors: int
    run_accuracies: tuple[float, ...]
    spread: Spread
    restraint: float | None
    restraint_trials: int
    restraint_calls: int
    """In how many of the restraint trials a tool was called or tried."""
    silent_misses: int
    """Misses in which a call was expected and none came."""
    wrong_calls: int
    """Misses in which a call was expected and another one came."""
    latency_median_s: float | None
    latency_p95_s: float | None
    latency_p95_low_s: float | None
    """The lower 95 % confidence bound of the 95th percentile."""
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    known_cost_usd: float
    """What the calls of known cost came to."""
    unpriced: int
    """How many calls are of unknown cost."""
    errors_by_kind: Mapping[str, int]
    first_attempt_passes: int
    """Passes that needed no second attempt (a rate limit turns away before the model is reached, and is none)."""
    attempts: int
    most_in_flight: int
    served_models: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Passes over trials; 0 without trials."""
        return self.passes / self.trials if self.trials else 0.0

    @property
    def first_attempt_accuracy(self) -> float:
        """What the accuracy would have been without retries."""
        return self.first_attempt_passes / self.trials if self.trials else 0.0

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy, as if all trials were independent."""
        return wilson(self.passes, self.trials)

    @property
    def accuracy_median(self) -> float:
        """The median of the run accuracies."""
        return statistics.median(self.run_accuracies) if self.run_accuracies else 0.0

    @property
    def error_share(self) -> float:
        """Errors over trials."""
        return self.errors / self.trials if self.trials else 0.0


def evaluate(spec: str, trials: Sequence[Trial], cases: Sequence[str]) -> Metrics:
    """Count one spec's trials over the planned `cases` (rows) and its runs (columns)."""
    outcomes = Counter(trial.outcome for trial in trials)
    by_run = outcomes_by_run(trials)
    answered = [trial for trial in trials if trial.outcome is not Outcome.ERROR]
    restraint = [trial for trial in answered if trial.restraint]
    missed = [trial for trial in answered if trial.outcome is Outcome.MISS and not trial.restraint]
    costs = [trial.cost_usd for trial in trials]
    known_costs = [cost for cost in costs if cost is not None]
    latencies = sorted(trial.latency_s for trial in answered if trial.latency_s is not None)
    return Metrics(
        spec=spec,
        runs=tuple(by_run),
        cases=len(cases),
        trials=len(trials),
        passes=outcomes[Outcome.PASS],
        misses=outcomes[Outcome.MISS],
        errors=outcomes[Outcome.ERROR],
        run_accuracies=tuple(
            sum(outcome is Outcome.PASS for outcome in run.values()) / len(run) for run in by_run.values()
        ),
        spread=spread(by_run),
        restraint=_share(restraint),
        restraint_trials=len(restraint),
        restraint_calls=sum(trial.called for trial in restraint),
        silent_misses=sum(not trial.called for trial in missed),
        wrong_calls=sum(trial.called for trial in missed),
        latency_median_s=statistics.median(latencies) if latencies else None,
        latency_p95_s=_nearest_rank(latencies, 0.95),
        latency_p95_low_s=_low_bound(latencies, 0.95),
        tokens_in=_sum(trial.tokens_in for trial in answered),
        tokens_out=_sum(trial.tokens_out for trial in answered),
        cost_usd=None if None in costs else sum(known_costs),
        known_cost_usd=sum(known_costs),
        unpriced=costs.count(None),
        errors_by_kind=dict(Counter(str(trial.error_kind) for trial in trials if trial.error_kind)),
        first_attempt_passes=sum(trial.outcome is Outcome.PASS and trial.first_try for trial in trials),
        attempts=sum(trial.attempts for trial in trials),
        most_in_flight=max((trial.in_flight for trial in trials), default=0),
        served_models=tuple(sorted({trial.served_model for trial in answered if trial.served_model})),
    )


def spread(by_run: Mapping[int, Mapping[str, Outcome]]) -> Spread:
    """The spread of run accuracies over the cases that have an answer in every run."""
    return spread_of(list(answered_rows(by_run).values()), len(by_run))


def spread_of(rows: Sequence[Sequence[bool]], runs: int) -> Spread:
    """The spread of run accuracies, from whether each case (row) passed in each of the `runs` (columns)."""
    count = len(rows)
    if runs < 2 or not count:
        return Spread(cases=count, variance=0.0, coin_flips=0.0, chi_square=0.0, chance=1.0)
    totals = [sum(column) for column in zip(*rows, strict=True)]
    variance = statistics.variance(total / count for total in totals)
    flips = coin_flips(rows) / count**2
    chi_square = (runs - 1) * variance / flips if flips else 0.0
    return Spread(
        cases=count,
        variance=variance,
        coin_flips=flips,
        chi_square=chi_square,
        chance=chi_square_tail(chi_square, runs - 1),
    )


def answered_rows(by_run: Mapping[int, Mapping[str, Outcome]]) -> dict[str, tuple[bool, ...]]:
    """For each case with an answer in every run, whether it passed, by run."""
    runs = list(by_run.values())
    cases = dict.fromkeys(case for run in runs for case in run)
    return {
        case: tuple(run[case] is Outcome.PASS for run in runs)
        for case in cases
        if all(run.get(case, Outcome.ERROR) is not Outcome.ERROR for run in runs)
    }


def coin_flips(rows: Iterable[Sequence[bool]]) -> float:
    """V: the expected variance of a run's number of passes when every answer is independent of the others.

    The sum is exact before it is rounded, so that it does not depend on the order in which trials came in.
    """
    counts = ((sum(row), len(row)) for row in rows)
    return math.fsum(passed * (runs - passed) / (runs * (runs - 1)) for passed, runs in counts if runs > 1)


def outcomes_by_run(trials: Sequence[Trial]) -> dict[int, dict[str, Outcome]]:
    """The matrix of outcomes, run by run in ascending order, the first trial of a cell counting."""
    found: defaultdict[int, dict[str, Outcome]] = defaultdict(dict)
    for trial in trials:
        found[trial.run].setdefault(trial.case, trial.outcome)
    return dict(sorted(found.items()))


def _share(restraint: Sequence[Trial]) -> float | None:
    if not restraint:
        return None
    return sum(trial.outcome is Outcome.PASS for trial in restraint) / len(restraint)


def _nearest_rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _low_bound(ordered: Sequence[float], share: float) -> float | None:
    """The lower 95 % confidence bound of a percentile, whatever the distribution.

    With n values the k-th in order lies above the percentile only if fewer than k of them lie below it: with
    probability P(Bin(n, share) < k). The largest k for which that is at most 5 % is taken; None when there is none.
    """
    count = len(ordered)
    ranks = range(1, count + 1)
    known = bisect.bisect_right(ranks, 0.05, key=lambda rank: binomial_tail(rank - 1, count, share))
    return ordered[known - 1] if known else None


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
