"""Phase 2, evaluate: compute the metrics of a spec from its trials."""

from __future__ import annotations

import bisect
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pytest_selfopt.loop.distributions import binomial_tail, wilson
from pytest_selfopt.loop.evidence.copies import copies, originals, replies
from pytest_selfopt.loop.evidence.spread import Spread, outcomes_by_run, spread
from pytest_selfopt.loop.evidence.tally import NO_GROUPS
from pytest_selfopt.trial import USUAL_ENDS, Outcome, Trial, refuses_request

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedCounts:
    """Sums of weights: `answers` over answered trials, `errors` over the others; `heaviest` is the largest weight."""

    answers: float
    passes: float
    first_attempt_passes: float
    errors: float
    heaviest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The metrics of one spec. Counts are by trial; weights of cases count in accuracy only.

    All shares but `error_share` are of answered trials: a call without an answer says nothing about the model.
    Of its `replies`, `copied` are copies from a cache: they count in nothing else.

    Latencies in seconds (of answered trials), cost in USD (None: partly unknown).
    """

    spec: str
    runs: tuple[int, ...]
    """The runs with an answer, in ascending order."""
    cases: int
    trials: int
    passes: int
    misses: int
    errors: int
    run_accuracies: tuple[float, ...]
    """The accuracy of each of `runs`."""
    spread: Spread
    restraint_trials: int
    """The number of answers to prompts that need no tool."""
    restraint_calls: int
    """The number of these in which the model called a tool, or tried to."""
    silent_misses: int
    """Misses in which a call was expected but not made."""
    wrong_calls: int
    """Misses in which a different call was expected."""
    latency_median_s: float | None
    latency_p95_s: float | None
    latency_p95_low_s: float | None
    """The lower 95 % confidence bound of the 95th percentile."""
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    known_cost_usd: float
    """The sum of the known costs."""
    unpriced: int
    """The number of calls of unknown cost."""
    errors_by_kind: Mapping[str, int]
    unusual_ends: Mapping[str, int]
    """The number of replies that ended neither by themselves nor with a call, by finish reason."""
    first_attempt_passes: int
    """Passes without a retry; attempts rejected by a rate limit never reached the model and do not count."""
    attempts: int
    most_in_flight: int
    served_models: tuple[str, ...]
    weighted: WeightedCounts | None = None
    """The same in weights; None if all weights are 1."""
    replies: int = 0
    copied: int = 0
    refusal: str = ""
    """What the server said first, if it refused every call."""

    @property
    def answers(self) -> int:
        """The number of trials with an answer, right or wrong."""
        return self.passes + self.misses

    @property
    def known_accuracy(self) -> float | None:
        """Passes over answers, each with the weight of its case; None without answers."""
        if not self.answers:
            return None
        if self.weighted is not None:
            return self.weighted.passes / self.weighted.answers
        return self.passes / self.answers

    @property
    def accuracy(self) -> float:
        """The accuracy, or 0 without answers."""
        return self.known_accuracy or 0.0

    @property
    def first_attempt_accuracy(self) -> float:
        """The accuracy without retries; 0 without answers."""
        if self.answers and self.weighted is not None:
            return self.weighted.first_attempt_passes / self.weighted.answers
        return _ratio(self.first_attempt_passes, self.answers)

    @property
    def restraint(self) -> float | None:
        """The share of the answers to prompts that need no tool in which none was called; None without any."""
        if not self.restraint_trials:
            return None
        return (self.restraint_trials - self.restraint_calls) / self.restraint_trials

    @property
    def cost_of_1000_usd(self) -> float | None:
        """The cost of 1,000 answers; None if it is unknown, or without answers."""
        if self.cost_usd is None or not self.answers:
            return None
        return 1_000 * self.cost_usd / self.answers

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy, as if all answers were independent.

        An answer counts as its share of the heaviest one. The variance Σw²p(1−p)/W² is at most max(w)/W · a(1−a), a
        being the expected accuracy, so the interval is true whatever the heavy cases are like.
        """
        counts = self.weighted
        if counts is not None:
            return wilson(counts.passes / counts.heaviest, counts.answers / counts.heaviest)
        return wilson(self.passes, self.answers)

    def could_reach(self, accuracy: float) -> bool:
        """Whether the accuracy would be at least this if all calls without an answer had been right."""
        counts = self.weighted
        if counts is not None:
            return counts.passes + counts.errors >= accuracy * (counts.answers + counts.errors)
        return self.passes + self.errors >= accuracy * self.trials

    @property
    def accuracy_median(self) -> float:
        """The median of the run accuracies; 0 without runs."""
        return median(self.run_accuracies) or 0.0

    @property
    def error_share(self) -> float:
        """Errors over trials; 0 without trials."""
        return _ratio(self.errors, self.trials)


def evaluate(
    spec: str, trials: Sequence[Trial], cases: Sequence[str], groups: Mapping[str, str] = NO_GROUPS
) -> Metrics:
    """Count one spec's trials over `cases` (rows) and its runs (columns); `groups` is the group of each case in one."""
    new = originals(trials)
    by_run = outcomes_by_run(new)
    answers_by_run = _answered_runs(by_run)
    outcomes = Counter(trial.outcome for trial in new)
    answered = [trial for trial in new if trial.outcome is not Outcome.ERROR]
    restraint = [trial for trial in answered if trial.restraint]
    missed = Counter(map(_called, filter(_is_missed_call, answered)))
    costs = [trial.cost_usd for trial in new]
    # Exact until it is rounded, so that it does not depend on the order of the trials.
    known_cost, unpriced = math.fsum(known(costs)), costs.count(None)
    latencies = sorted(known(map(_latency, answered)))
    return Metrics(
        spec=spec,
        runs=tuple(answers_by_run),
        cases=len(cases),
        trials=len(new),
        passes=outcomes[Outcome.PASS],
        misses=outcomes[Outcome.MISS],
        errors=outcomes[Outcome.ERROR],
        run_accuracies=_run_accuracies(new, answers_by_run),
        spread=spread(by_run, groups),
        restraint_trials=len(restraint),
        restraint_calls=sum(map(_called, restraint)),
        silent_misses=missed[False],
        wrong_calls=missed[True],
        latency_median_s=median(latencies),
        latency_p95_s=_nearest_rank(latencies, 0.95),
        latency_p95_low_s=_low_bound(latencies, 0.95),
        tokens_in=_sum(trial.tokens_in for trial in answered),
        tokens_out=_sum(trial.tokens_out for trial in answered),
        cost_usd=_if_complete(known_cost, unpriced),
        known_cost_usd=known_cost,
        unpriced=unpriced,
        errors_by_kind=_errors_by_kind(new),
        unusual_ends=_unusual_ends(new),
        first_attempt_passes=sum(trial.first_try for trial in filter(_passed, new)),
        attempts=sum(trial.attempts for trial in new),
        most_in_flight=max((trial.in_flight for trial in new), default=0),
        served_models=served_models(answered),
        weighted=_weighted_counts(new),
        replies=replies(trials),
        copied=copies(trials),
        refusal=find_refusal(new),
    )


def known(values: Iterable[_Value | None]) -> list[_Value]:
    """Return the values that are not None."""
    return [value for value in values if value is not None]


def median(values: Sequence[float]) -> float | None:
    """Return the median; None without values."""
    if not values:
        return None
    return statistics.median(values)


def served_models(trials: Iterable[Trial]) -> tuple[str, ...]:
    """Return the model names that servers reported, in alphabetical order."""
    models = {trial.served_model for trial in trials}
    return tuple(sorted(filter(None, models)))


def _called(trial: Trial) -> bool:
    return trial.called


def _latency(trial: Trial) -> float | None:
    return trial.latency_s


def _is_missed_call(trial: Trial) -> bool:
    """Whether a trial misses an expected call."""
    return trial.outcome is Outcome.MISS and not trial.restraint


def _weighted_counts(trials: Sequence[Trial]) -> WeightedCounts | None:
    """Return the sums of weights, exact until they are rounded; None if all weights are 1."""
    if not _are_weighted(trials):
        return None
    passes = list(filter(_passed, trials))
    answered = math.fsum(trial.weight for trial in trials if trial.outcome is not Outcome.ERROR)
    return WeightedCounts(
        answers=answered,
        passes=math.fsum(map(_weight, passes)),
        first_attempt_passes=math.fsum(trial.weight for trial in passes if trial.first_try),
        errors=math.fsum(trial.weight for trial in trials if trial.outcome is Outcome.ERROR),
        heaviest=max(map(_weight, trials)),
    )


def _are_weighted(trials: Sequence[Trial]) -> bool:
    return any(trial.weight != 1 for trial in trials)


def _weight(trial: Trial) -> float:
    return trial.weight


def _answered_runs(by_run: Mapping[int, Mapping[str, Outcome]]) -> dict[int, dict[str, Outcome]]:
    """Return the outcomes of answered trials, by run; without runs that have none."""
    answered: dict[int, dict[str, Outcome]] = {}
    for run, outcomes in by_run.items():
        answers: dict[str, Outcome] = {
            case: outcome for case, outcome in outcomes.items() if outcome is not Outcome.ERROR
        }
        if answers:
            answered[run] = answers
    return answered


def _run_accuracies(trials: Sequence[Trial], by_run: Mapping[int, Mapping[str, Outcome]]) -> tuple[float, ...]:
    if not _are_weighted(trials):
        return tuple(map(_run_accuracy, by_run.values()))
    weights = {trial.case: trial.weight for trial in trials}
    shares: list[float] = []
    for run in by_run.values():
        passed = math.fsum(weights[case] for case, outcome in run.items() if outcome is Outcome.PASS)
        shares.append(passed / math.fsum(map(weights.__getitem__, run)))
    return tuple(shares)


def _run_accuracy(run: Mapping[str, Outcome]) -> float:
    return list(run.values()).count(Outcome.PASS) / len(run)


def _passed(trial: Trial) -> bool:
    return trial.outcome is Outcome.PASS


def _errors_by_kind(trials: Sequence[Trial]) -> dict[str, int]:
    kinds = filter(None, (trial.error_kind for trial in trials))
    return dict(Counter(map(str, kinds)))


def find_refusal(trials: Sequence[Trial]) -> str:
    """Return what the server said first, if it refused every call; else an empty string."""
    if trials and all(refuses_request(trial.error_kind, trial.reason) for trial in trials):
        return trials[0].reason
    return ""


def _unusual_ends(trials: Sequence[Trial]) -> dict[str, int]:
    ends = Counter(trial.finish_reason for trial in trials)
    return {reason: number for reason, number in ends.most_common() if reason not in USUAL_ENDS}


def _if_complete(cost: float, unpriced: int) -> float | None:
    """Return the sum of costs; None if some are unknown."""
    if unpriced:
        return None
    return cost


def _ratio(part: int, whole: int) -> float:
    if not whole:
        return 0.0
    return part / whole


def _nearest_rank(ordered: Sequence[float], share: float) -> float | None:
    if not ordered:
        return None
    rank = math.ceil(share * len(ordered))
    return ordered[rank - 1]


def _low_bound(ordered: Sequence[float], share: float) -> float | None:
    """Return the distribution-free lower 95 % confidence bound of a percentile.

    With n values the k-th in order lies above the percentile only if fewer than k of them lie below it: with
    probability P(Bin(n, share) < k). Take the largest k for which that is at most 5 %; None if there is none.
    """
    count = len(ordered)
    ranks = range(1, count + 1)
    rank = bisect.bisect_right(ranks, 0.05, key=lambda rank: binomial_tail(rank - 1, count, share))
    if not rank:
        return None
    return ordered[rank - 1]


def _sum(values: Iterable[int | None]) -> int | None:
    numbers = known(values)
    if not numbers:
        return None
    return sum(numbers)
