"""The evidence that a candidate is better: the only statistics that promotion rests on.

Outcomes are paired by case and pass. W counts the pairs that the candidate passed and the baseline missed, L the
reverse. The odds e(W, L) = ∫₀¹ (1+x)^W (1−x)^L dx average the wealth of bets of size x on each pair that differs; if
the candidate is no better on these cases, their expectation at the end of any pass is at most 1, so by Ville's
inequality the chance that they ever reach B is at most 1/B, however often one looks, stops or resumes (Ville 1939;
Shafer 2021, "Testing by betting"; Waudby-Smith and Ramdas 2023). Assumed: cases are independent within a pass, and
the passes of both specs are interleaved.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.loop.distributions import incomplete_beta, t_tail
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

ALPHA = Fraction(1, 20)
"""The stated bound on the chance of ever promoting something false in the whole life of a history."""

SHIFTED_ODDS = 20.0
"""Odds at which a gain is claimed as "at least"."""

DRIFTS_S = 10.0
"""Seconds within which load and weather are the same for all."""

_GRID = 400
_CLEAR = 1e-6
"""Decimal logarithms of odds that differ by more than this differ for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTally:
    """One case: pairs that differ in either direction, and the passes of either side over the `common` pairs."""

    wins: int = 0
    losses: int = 0
    common: int = 0
    baseline_passes: int = 0
    candidate_passes: int = 0

    @property
    def difference(self) -> float:
        """The candidate's pass rate minus the baseline's."""
        return (self.candidate_passes - self.baseline_passes) / self.common if self.common else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A candidate beside the baseline over the whole passes of which at least half of the pairs count.

    `passes` is how many those are; `excluded` of their pairs had an error on either side, one that the candidate's
    change cannot cure. Passes of an outage, with fewer pairs, are `left_out`: they are no evidence, and do not spoil
    that of other passes.
    """

    cases: dict[str, CaseTally]
    passes: int
    excluded: int
    left_out: int = 0
    rescued: int = 0
    """How many pairs are wins because the baseline gave no answer."""
    apart: int = 0
    """How many of the passes asked one spec only after the other, so that load and drift may have hit one alone."""

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
        """Pairs that count: with an answer on both sides, or an error that the candidate's change can cure."""
        return sum(case.common for case in self.cases.values())

    @property
    def gain(self) -> float:
        """The difference of accuracies over the pairs."""
        return (self.wins - self.losses) / self.pairs if self.pairs else 0.0

    @property
    def excluded_share(self) -> float:
        """The share of pairs that lack an answer on one side."""
        return self.excluded / (self.excluded + self.pairs) if self.excluded else 0.0

    @property
    def odds(self) -> Fraction:
        """The odds that the candidate is better, against luck."""
        return odds(self.wins, self.losses)


def tally(
    baseline: Sequence[Trial],
    candidate: Sequence[Trial],
    cases: Sequence[str],
    *,
    curable: Collection[ErrorKind] = (),
) -> Tally:
    """Pair two specs' trials by case and run. Only runs count in which both have a trial of every case.

    A pair with an error on either side is left out, unless it is one of the `curable` kinds, which the candidate's
    change is about, such as time-outs when it waits longer: such an error counts as not passed. Which kinds those are
    follows from the two specs and is fixed before the first trial, so the bound on the odds holds as it does without.
    """

    def counts(trial: Trial) -> bool:
        return trial.outcome is not Outcome.ERROR or trial.error_kind in curable

    ours, theirs = _by_address(candidate), _by_address(baseline)
    runs = sorted({run for _, run in ours} & {run for _, run in theirs})
    whole = [run for run in runs if all((case, run) in ours and (case, run) in theirs for case in cases)]
    answered = {run: {case for case in cases if counts(theirs[case, run]) and counts(ours[case, run])} for run in whole}
    counted = {run: known for run, known in answered.items() if 2 * len(known) >= len(cases)}
    return Tally(
        cases={
            case: _case_tally([(theirs[case, run], ours[case, run]) for run, known in counted.items() if case in known])
            for case in cases
        },
        passes=len(counted),
        excluded=sum(len(cases) - len(known) for known in counted.values()),
        left_out=len(whole) - len(counted),
        rescued=sum(
            theirs[case, run].outcome is Outcome.ERROR and ours[case, run].outcome is Outcome.PASS
            for run, known in counted.items()
            for case in known
        ),
        apart=sum(
            _apart([theirs[case, run] for case in cases], [ours[case, run] for case in cases]) for run in counted
        ),
    )


def odds(wins: int, losses: int) -> Fraction:
    """e(W, L) = Σ_{k≤W} C(n+1, k) / ((n+1)·C(n, W)) with n = W + L, exactly."""
    n = wins + losses
    term = total = 1
    for k in range(wins):
        term = term * (n + 1 - k) // (k + 1)
        total += term
    return Fraction(total, (n + 1) * math.comb(n, wins))


def log10_odds(wins: float, losses: float) -> float:
    """The decimal logarithm of e(W, L), at once for any size; wins and losses need not be whole.

    With n = W + L, e = 2^(n+1) · B(W+1, L+1) · I_½(L+1, W+1); exact to about nine digits unless the losses are many
    times the wins, where the odds are next to nothing and the answer may be −∞.
    """
    share = incomplete_beta(losses + 1, wins + 1, 0.5)
    if share <= 0:
        return -math.inf
    log_beta = math.lgamma(wins + 1) + math.lgamma(losses + 1) - math.lgamma(wins + losses + 2)
    return ((wins + losses + 1) * math.log(2) + log_beta + math.log(share)) / math.log(10)


def bar(comparison: int, alpha: Fraction = ALPHA) -> Fraction:
    """The odds that the j-th comparison ever opened has to reach: B(j) = (j+9)(j+10)/(10·α); Σ 1/B(j) = α."""
    return (comparison + 9) * (comparison + 10) / (10 * alpha)


def least_gain(evidence: Tally) -> float | None:
    """The largest g for which "the gain is at most g" has odds above 20 against it; None when none has.

    The odds against a gain of at most g average Π (1 + x(d − g)) over bets x in [0, 1/(1+g)], d being +1, 0 or −1
    for each pair: no factor is negative there and, if the gain over the cases of a pass is at most g, the product
    over the pass has an expectation of at most 1. With x = u/(1+g), u in [0, 1], every factor falls as g rises, so
    the largest g is found by halving.
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
    """What the cases say about prompts that were not asked: case-clustered paired t-test, one-sided `chance`."""

    up: int
    down: int
    cases: int
    chance: float


def new_prompts(evidence: Tally) -> NewPrompts:
    """Treat each case's difference as one observation, because repeats of a prompt are no new prompts.

    Where all n cases differ alike, t has no spread to divide by; the chance is then that of the signs, 1/2ⁿ.
    """
    differences = [case.difference for case in evidence.cases.values() if case.common]
    up = sum(difference > 0 for difference in differences)
    down = sum(difference < 0 for difference in differences)
    count = len(differences)
    mean = math.fsum(differences) / count if count else 0.0
    square = math.fsum((difference - mean) ** 2 for difference in differences)
    if count < 2 or square == 0:
        return NewPrompts(up=up, down=down, cases=count, chance=1.0 if mean <= 0 else 0.5**count)
    error = math.sqrt(square / (count - 1) / count)
    return NewPrompts(up=up, down=down, cases=count, chance=t_tail(mean / error, count - 1))


def reaches(wins: int, losses: int, needed: Fraction) -> bool:
    """Whether e(W, L) is at least `needed`: exact, but quick where the answer is clear."""
    margin = log10_odds(wins, losses) - math.log10(needed)
    return margin > 0 if abs(margin) > _CLEAR else odds(wins, losses) >= needed


def within_reach(wins: int, losses: int, passes: int, *, more: int, needed: Fraction) -> bool:
    """Whether `more` passes can still bring the odds to `needed`, hoping for two standard errors more than was seen.

    The evidence so far stays what it is; only of what is to come the difference per pass is taken to be
    (W − L + 2√(W + L)) / passes, at most everything that differs. A bar that is out of reach then is reached by a
    candidate as good as it looks in fewer than about 1 of 40 cases.
    """
    differing = wins + losses
    if passes == 0 or wins <= losses:
        return False
    hoped = min(float(differing), wins - losses + 2 * math.sqrt(differing))
    scale = more / passes
    future = (wins + scale * (differing + hoped) / 2, losses + scale * (differing - hoped) / 2)
    return log10_odds(*future) >= math.log10(needed) - _CLEAR


def passes_to_decide(evidence: Tally, needed: Fraction, *, most: int = 1000) -> int | None:
    """How many more passes (at least 1) like those so far until the odds reach `needed`; None beyond `most`.

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
    return futures[index] if index < most else None


def show_odds(value: Fraction) -> str:
    """Odds for people: whole numbers, powers of ten when they get long."""
    if value < 10:
        return f"{float(value):.1f}"
    if value < 10**6:
        return f"{int(value):,}"
    return f"10^{len(str(int(value))) - 1}"


def _by_address(trials: Sequence[Trial]) -> dict[tuple[str, int], Trial]:
    found: dict[tuple[str, int], Trial] = {}
    for trial in trials:
        found.setdefault((trial.case, trial.run), trial)
    return found


def _apart(one: Sequence[Trial], other: Sequence[Trial]) -> bool:
    """Whether all calls of one side began before the first of the other, and long enough before for drift."""
    begun, later = [trial.started for trial in one], [trial.started for trial in other]
    in_turns = max(begun) < min(later) or max(later) < min(begun)
    return len(one) > 1 and in_turns and abs(statistics.fmean(begun) - statistics.fmean(later)) > DRIFTS_S


def _case_tally(pairs: Sequence[tuple[Trial, Trial]]) -> CaseTally:
    passed = [(before.outcome is Outcome.PASS, after.outcome is Outcome.PASS) for before, after in pairs]
    return CaseTally(
        wins=sum(after and not before for before, after in passed),
        losses=sum(before and not after for before, after in passed),
        common=len(passed),
        baseline_passes=sum(before for before, _ in passed),
        candidate_passes=sum(after for _, after in passed),
    )


def _log_shifted(evidence: Tally, gain: float) -> float:
    """Log of the shifted odds, averaged over the middles of equal steps of x."""
    wins, losses = evidence.wins, evidence.losses
    ties = evidence.pairs - wins - losses
    widest = 1 / (1 + gain)
    logs = []
    for step in range(_GRID):
        x = widest * (step + 0.5) / _GRID
        logs.append(
            wins * math.log1p(x * (1 - gain)) + losses * math.log1p(-x * (1 + gain)) + ties * math.log1p(-x * gain)
        )
    top = max(logs)
    return top + math.log(math.fsum(math.exp(one - top) for one in logs) / _GRID)
