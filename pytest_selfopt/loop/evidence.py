"""The evidence that a candidate is better: the statistics behind promotions.

Outcomes are paired by case and pass. W counts the pairs that the candidate passed and the baseline missed, L the
reverse. The odds e(W, L) = ∫₀¹ (1+x)^W (1−x)^L dx average the wealth of bets of size x on each pair that differs; if
the candidate is no better on these cases, their expectation at the end of any pass is at most 1, so by Ville's
inequality the probability that they ever reach B is at most 1/B, however often the user looks, stops or resumes (Ville
1939; Shafer 2021, "Testing by betting"; Waudby-Smith and Ramdas 2023). Assumptions: cases are independent within a
pass, and the passes of both specs are interleaved.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from pytest_selfopt.loop.distributions import incomplete_beta, t_tail
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

ALPHA = Fraction(1, 20)
"""The bound on the probability of any false promotion in the whole life of a history."""

SHIFTED_ODDS = 20.0
"""Odds at which a gain is claimed as "at least"."""

DRIFTS_S = 10.0
"""Seconds within which load and other conditions count as equal."""

_GRID = 400
_CLEAR = 1e-6
"""The error bound of decimal logarithms of odds: larger differences are certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTally:
    """One case: the pairs that differ, by direction, and each side's passes over the `common` pairs."""

    wins: int = 0
    losses: int = 0
    common: int = 0
    baseline_passes: int = 0
    candidate_passes: int = 0

    @property
    def difference(self) -> float:
        """The candidate's pass rate minus the baseline's; 0 without pairs."""
        if not self.common:
            return 0.0
        return (self.candidate_passes - self.baseline_passes) / self.common


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A candidate paired with the baseline, over the whole passes in which at least half of the pairs count.

    `passes` is their number; `excluded` of their pairs have an error, on either side, that the candidate's change
    cannot cure. Passes of an outage, with fewer pairs, are `left_out`: they are not evidence, and do not spoil that of
    other passes.
    """

    cases: dict[str, CaseTally]
    passes: int
    excluded: int
    left_out: int = 0
    rescued: int = 0
    """The number of wins in which the baseline gave no answer."""
    apart: int = 0
    """The number of passes that asked one spec after the other, so that load and drift may have hit only one."""

    @property
    def wins(self) -> int:
        """Pairs that the candidate passed and the baseline missed."""
        return sum(case.wins for case in self.cases.values())

    @property
    def losses(self) -> int:
        """Pairs that the baseline passed and the candidate missed."""
        return sum(case.losses for case in self.cases.values())

    @property
    def pairs(self) -> int:
        """Pairs that count: those with an answer on both sides, or an error that the candidate's change can cure."""
        return sum(case.common for case in self.cases.values())

    @property
    def gain(self) -> float:
        """The difference of accuracies over the pairs; 0 without pairs."""
        pairs = self.pairs
        if not pairs:
            return 0.0
        return (self.wins - self.losses) / pairs

    @property
    def excluded_share(self) -> float:
        """The share of pairs that lack an answer on one side."""
        if not self.excluded:
            return 0.0
        return self.excluded / (self.excluded + self.pairs)

    @property
    def odds(self) -> Fraction:
        """The odds against luck that the candidate is better."""
        return odds(self.wins, self.losses)


def tally(
    baseline: Sequence[Trial],
    candidate: Sequence[Trial],
    cases: Sequence[str],
    *,
    curable: Collection[ErrorKind] = (),
) -> Tally:
    """Pair two specs' trials by case and run. Only runs with trials of every case on both sides count.

    A pair with an error on either side is left out, unless the error is of a `curable` kind, which the candidate's
    change may prevent, such as time-outs if it waits longer: such an error counts as not passed. The kinds follow from
    the two specs and are fixed before the first trial, so the bound on the odds still holds.
    """
    whole = _whole_passes(_by_run(baseline), _by_run(candidate), cases)
    by_case: defaultdict[str, list[_Pair]] = defaultdict(list)
    passes = excluded = rescued = apart = 0
    for pairs in whole:
        counted = {case: pair for case, pair in pairs.items() if _counts(pair, curable)}
        if 2 * len(counted) < len(cases):
            continue
        passes += 1
        excluded += len(cases) - len(counted)
        rescued += sum(map(_is_rescue, counted.values()))
        apart += _apart(list(pairs.values()))
        for case, pair in counted.items():
            by_case[case].append(pair)
    return Tally(
        cases={case: _case_tally(by_case[case]) for case in cases},
        passes=passes,
        excluded=excluded,
        left_out=len(whole) - passes,
        rescued=rescued,
        apart=apart,
    )


_Pair: TypeAlias = tuple[Trial, Trial]
"""The baseline's and the candidate's trial of one case in one pass."""
_Runs: TypeAlias = Mapping[int, Mapping[str, Trial]]


def _by_run(trials: Sequence[Trial]) -> _Runs:
    """Return the trials by run and case; the first of each cell counts."""
    runs: defaultdict[int, dict[str, Trial]] = defaultdict(dict)
    for trial in trials:
        runs[trial.run].setdefault(trial.case, trial)
    return runs


def _whole_passes(baseline: _Runs, candidate: _Runs, cases: Sequence[str]) -> list[dict[str, _Pair]]:
    """Return the pairs by case of each run with trials of every case on both sides, in ascending order."""
    every_case = set(cases)
    passes = []
    for run in sorted(baseline.keys() & candidate.keys()):
        before, after = baseline[run], candidate[run]
        if before.keys() >= every_case and after.keys() >= every_case:
            passes.append({case: (before[case], after[case]) for case in cases})
    return passes


def _counts(pair: _Pair, curable: Collection[ErrorKind]) -> bool:
    before, after = pair
    return _is_evidence(before, curable) and _is_evidence(after, curable)


def _is_evidence(trial: Trial, curable: Collection[ErrorKind]) -> bool:
    """Whether a trial has an answer, or an error that the candidate's change can cure."""
    return trial.outcome is not Outcome.ERROR or trial.error_kind in curable


def _is_rescue(pair: _Pair) -> bool:
    before, after = pair
    return before.outcome is Outcome.ERROR and after.outcome is Outcome.PASS


def odds(wins: int, losses: int) -> Fraction:
    """Return e(W, L) = Σ_{k≤W} C(n+1, k) / ((n+1)·C(n, W)) with n = W + L, exactly."""
    n = wins + losses
    term = total = 1
    for k in range(wins):
        term = term * (n + 1 - k) // (k + 1)
        total += term
    return Fraction(total, (n + 1) * math.comb(n, wins))


def log10_odds(wins: float, losses: float) -> float:
    """Return the decimal logarithm of e(W, L), fast for any size; wins and losses need not be whole.

    With n = W + L, e = 2^(n+1) · B(W+1, L+1) · I_½(L+1, W+1); exact to about nine digits unless the losses are many
    times the wins, where the odds are nearly 0 and the result may be −∞.
    """
    share = incomplete_beta(losses + 1, wins + 1, 0.5)
    if share <= 0:
        return -math.inf
    log_beta = math.lgamma(wins + 1) + math.lgamma(losses + 1) - math.lgamma(wins + losses + 2)
    return ((wins + losses + 1) * math.log(2) + log_beta + math.log(share)) / math.log(10)


def bar(comparison: int, alpha: Fraction = ALPHA) -> Fraction:
    """Return the odds that the j-th comparison ever opened must reach: B(j) = (j+9)(j+10)/(10·α); Σ 1/B(j) = α."""
    return (comparison + 9) * (comparison + 10) / (10 * alpha)


def least_gain(evidence: Tally) -> float | None:
    """Return the largest g for which "the gain is at most g" has odds above 20 against it; None if none has.

    The odds against a gain of at most g average Π (1 + x(d − g)) over bets x in [0, 1/(1+g)], where d is +1, 0 or −1
    for each pair: no factor is negative and, if the gain over the cases of a pass is at most g, the product over the
    pass has an expectation of at most 1. With x = u/(1+g), u in [0, 1], every factor falls as g rises, so bisection
    finds the largest g.
    """
    if evidence.pairs == 0 or _log_shifted(evidence, -0.999) <= math.log(SHIFTED_ODDS):
        return None
    low, high = -0.999, 0.999
    for _ in range(30):
        middle = (low + high) / 2
        if _log_shifted(evidence, middle) > math.log(SHIFTED_ODDS):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrompts:
    """The evidence on prompts that were not asked: case-clustered paired t-test, one-sided `chance`."""

    up: int
    down: int
    cases: int
    chance: float


def new_prompts(evidence: Tally) -> NewPrompts:
    """Treat each case's difference as one observation, because repeats of a prompt are not new prompts.

    If all n cases differ equally, t is undefined; the chance is then that of the signs, 1/2ⁿ.
    """
    differences = [case.difference for case in evidence.cases.values() if case.common]
    return NewPrompts(
        up=sum(difference > 0 for difference in differences),
        down=sum(difference < 0 for difference in differences),
        cases=len(differences),
        chance=_chance_of_mean(differences),
    )


def _chance_of_mean(differences: Sequence[float]) -> float:
    """Return the one-sided probability of a mean difference this high if the true mean is 0; 1 without observations."""
    count = len(differences)
    if not count:
        return 1.0
    mean = math.fsum(differences) / count
    square = math.fsum((difference - mean) ** 2 for difference in differences)
    if count >= 2 and square != 0:
        error = math.sqrt(square / (count - 1) / count)
        return t_tail(mean / error, count - 1)
    if mean <= 0:
        return 1.0
    return 0.5**count


def reaches(wins: int, losses: int, needed: Fraction) -> bool:
    """Whether e(W, L) is at least `needed`: exact, but fast if the answer is clear."""
    margin = log10_odds(wins, losses) - math.log10(needed)
    if abs(margin) > _CLEAR:
        return margin > 0
    return odds(wins, losses) >= needed


def within_reach(wins: int, losses: int, passes: int, *, more: int, needed: Fraction) -> bool:
    """Whether `more` passes can still bring the odds to `needed`, with a margin of two standard errors.

    The evidence so far counts as it is; the difference per future pass is assumed to be (W − L + 2√(W + L)) / passes,
    at most all pairs that differ. If the bar is then out of reach, a candidate as good as it looks would reach it in
    fewer than about 1 of 40 cases.
    """
    differing = wins + losses
    if passes == 0 or wins <= losses:
        return False
    hoped = min(float(differing), wins - losses + 2 * math.sqrt(differing))
    scale = more / passes
    more_wins = scale * (differing + hoped) / 2
    more_losses = scale * (differing - hoped) / 2
    future = log10_odds(wins + more_wins, losses + more_losses)
    return future >= math.log10(needed) - _CLEAR


def passes_to_decide(evidence: Tally, needed: Fraction, *, most: int = 1000) -> int | None:
    """Return how many more passes (at least 1) like those so far bring the odds to `needed`; None beyond `most`.

    The odds after s times as many pairs are convex in s and 1 at s = 0, so once above a bar they stay above it.
    """
    wins, losses, passes = evidence.wins, evidence.losses, evidence.passes
    if passes == 0 or wins <= losses:
        return None
    goal = math.log10(needed) - 1e-9

    def reached(more: int) -> bool:
        scale = (passes + more) / passes
        return log10_odds(wins * scale, losses * scale) >= goal

    futures = range(1, most + 1)
    index = bisect.bisect_left(futures, True, key=reached)
    if index == most:
        return None
    return futures[index]


def _apart(pairs: Sequence[_Pair]) -> bool:
    """Whether all calls of one side began before the first of the other, early enough for drift."""
    before = [trial.started for trial, _ in pairs]
    after = [trial.started for _, trial in pairs]
    in_turns = max(before) < min(after) or max(after) < min(before)
    if len(pairs) < 2 or not in_turns:
        return False
    # Not the mean of `statistics`, whose import takes longer than a command needs for all else.
    distance = (math.fsum(before) - math.fsum(after)) / len(pairs)
    return abs(distance) > DRIFTS_S


def _case_tally(pairs: Sequence[_Pair]) -> CaseTally:
    counts = Counter(map(_passed, pairs))
    wins, losses, both = counts[False, True], counts[True, False], counts[True, True]
    return CaseTally(
        wins=wins,
        losses=losses,
        common=len(pairs),
        baseline_passes=losses + both,
        candidate_passes=wins + both,
    )


def _passed(pair: _Pair) -> tuple[bool, bool]:
    """Return whether the baseline passed, and whether the candidate did."""
    before, after = pair
    return before.outcome is Outcome.PASS, after.outcome is Outcome.PASS


def _log_shifted(evidence: Tally, gain: float) -> float:
    """Return the log of the shifted odds, averaged over the midpoints of equal steps of x."""
    wins, losses = evidence.wins, evidence.losses
    ties = evidence.pairs - wins - losses
    widest = 1 / (1 + gain)
    logs = []
    for step in range(_GRID):
        x = widest * (step + 0.5) / _GRID
        won = wins * math.log1p(x * (1 - gain))
        lost = losses * math.log1p(-x * (1 + gain))
        tied = ties * math.log1p(-x * gain)
        logs.append(won + lost + tied)
    # Relative to the largest term, so that no exponential overflows.
    top = max(logs)
    total = math.fsum(math.exp(log - top) for log in logs)
    return top + math.log(total / _GRID)
