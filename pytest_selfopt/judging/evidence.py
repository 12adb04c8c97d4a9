"""What a judge's verdicts prove if people label the answers on which they rest.

Let a pair be a win if people pass only the candidate, and a loss if only the baseline. A judge sees a win or a loss if
its verdicts on both answers differ; people then label the pairs that differ. What is missing are losses that the judge
does not see. Let `lowest` ≤ P(seen | loss) and P(seen | win) ≤ `highest`, for every case, spec and pass: bounds that
follow from the rates that were measured (`Sight`), which may differ between the specs within these bounds.

**Null hypothesis**: in every pass the mean over cases of P(win) − P(loss), given the past, is at most 0 (the candidate
is no better in people's eyes), and the bounds hold.

**Seen pairs.** With w = lowest/highest, a pair counts +w if it differs and is a win by its labels, −1 if it differs and
is a loss, else 0. Its expectation is at most w·highest·P(win) − lowest·P(loss) = lowest·(P(win) − P(loss)), so under
the null hypothesis the mean over the cases is at most 0, and the integral of the wealth of bets on it is an e-process:
the proof in `loop.evidence.bets` needs no more. Nothing is assumed of how the errors of different cases differ, as long
as the bounds hold. Without labels no such bet is fair: a judge that passes wrong answers of the candidate a little more
often than those of the baseline wins any bet in the end.

**All pairs.** Where people label every pair, differences of ±1 are an e-process without any bound.

**Missing labels** are assumed to speak for the baseline. So each e-process is bounded by that with all labels, at
any time and however the answers to label were chosen, also by what other labels said: choosing proves nothing false.

**Answers that repeat.** If each spec gives a case the same reply in all passes, what the judge does not see it never
sees, and passes repeat its error. Under the null hypothesis there are then at least as many cases lost as won. With W
cases won and L lost among those that differ, at least W are lost in all, and only L or fewer of them seen with a
probability of at most P(Binomial(W, lowest) ≤ L), the `blind_chance`; 0 if W − L is more than the cases in which a loss
can hide. Cases are judged independently; of suites with groups of cases that is not assumed, and the chance is 1, so
that only all pairs prove anything.

The `odds` are the larger of e(all)/2 and min(e(seen)/2, 1/blind_chance). They ever reach B with a probability of at
most 1/B: by Ville's inequality 1/(2B) + 1/(2B), if the bounds hold in every pass; if answers repeat, by the blind
chance alone, for e(all) is then above 1 only if more cases are truly won than lost.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.judging.calibration import Calibration, Proportion
from pytest_selfopt.judging.pairs import JudgedPair, Labels
from pytest_selfopt.loop.distributions import binomial_tail
from pytest_selfopt.loop.evidence.bets import Bets

_STEPS = 1000
"""Weights are rounded down to thousandths."""
_HALF = math.log10(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Bounds on the chance that a judge sees a pair that differs in people's eyes."""

    lowest: float
    highest: float

    @property
    def weight(self) -> Fraction:
        """What a win that is seen counts, where a loss that is seen counts 1; rounded down."""
        return Fraction(math.floor(_STEPS * self.lowest / self.highest), _STEPS)


def sight(*calibrations: Calibration) -> Sight:
    """Return the bounds that follow from the 95 % intervals of both rates, for specs with one calibration or several.

    A pair is seen if both verdicts are right or, unless the judge cannot tell, both are wrong; given the case, the
    replies of both specs are independent. `lowest` takes only the former, at the lower ends of the intervals, and
    `highest` is the largest of TPR·TNR + (1 − TPR)(1 − TNR) within them: linear in either rate, so it is at a corner.
    """
    positive = _hull(calibration.true_positive_rate for calibration in calibrations)
    negative = _hull(calibration.true_negative_rate for calibration in calibrations)
    corners = [right * fail + (1 - right) * (1 - fail) for right in positive for fail in negative]
    return Sight(lowest=positive[0] * negative[0], highest=max(corners))


def _hull(rates: Iterable[Proportion]) -> tuple[float, float]:
    """Return the smallest interval with the intervals of all rates."""
    lows, highs = zip(*[rate.interval for rate in rates], strict=True)
    return min(lows), max(highs)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedEvidence:
    """What labels prove, with missing ones taken for the baseline's.

    `log10_odds` is the decimal logarithm of the odds. `wins` and `losses` are labelled pairs that differ, `unlabelled`
    the pairs that differ and lack a label that matters, and `hidden` the pairs in which a loss can hide.
    """

    log10_odds: float
    wins: int
    losses: int
    unlabelled: int
    hidden: int
    blind_chance: float

    def reaches(self, needed: Fraction) -> bool:
        """Whether the odds are at least `needed`."""
        return self.log10_odds >= math.log10(needed)


def judged_evidence(pairs: Sequence[JudgedPair], labels: Labels, bounds: Sight) -> JudgedEvidence:
    """Return what the pairs of whole passes prove, each without an error on either side."""
    seen = [pair for pair in pairs if pair.differs]
    hidden = [pair for pair in pairs if pair.may_hide_loss(labels)]
    blind = _blind_chance(seen, labels, bounds, hidden)
    of_seen = _bets(pairs, labels, bounds.weight, hides=False).log10 - _HALF
    of_all = _bets(pairs, labels, Fraction(1), hides=True).log10 - _HALF
    known = [pair.difference(labels) for pair in seen if _is_known(pair, labels)]
    return JudgedEvidence(
        log10_odds=max(of_all, min(of_seen, _log10_against(blind))),
        wins=known.count(1),
        losses=known.count(-1),
        unlabelled=len(seen) - len(known),
        hidden=len(hidden),
        blind_chance=blind,
    )


def _is_known(pair: JudgedPair, labels: Labels) -> bool:
    return all(key in labels for key in pair.keys)


def _bets(pairs: Iterable[JudgedPair], labels: Labels, weight: Fraction, *, hides: bool) -> Bets:
    """Return the bets on the mean of each group in each pass; on pairs that do not differ only if `hides`."""
    groups: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    means: Counter[Fraction] = Counter()
    wins = losses = 0
    for pair in pairs:
        difference = 0
        if hides or pair.differs:
            difference = pair.difference(labels)
        if pair.group:
            groups[pair.run, pair.group].append(difference)
        else:
            wins += difference > 0
            losses += difference < 0
    for differences in groups.values():
        total = weight * differences.count(1) - differences.count(-1)
        means[total / len(differences)] += 1
    if weight == 1:
        return Bets(wins=wins, losses=losses, means={mean: times for mean, times in means.items() if mean})
    means[weight] += wins
    return Bets(wins=0, losses=losses, means={mean: times for mean, times in means.items() if mean and times})


def _blind_chance(seen: Iterable[JudgedPair], labels: Labels, bounds: Sight, hidden: Iterable[JudgedPair]) -> float:
    """Return the chance that the judge would see so few losses if answers repeat and as many cases were lost as won."""
    nets: Counter[str] = Counter()
    grouped = False
    for pair in seen:
        nets[pair.case] += pair.difference(labels)
        grouped = grouped or bool(pair.group)
    won = sum(net > 0 for net in nets.values())
    lost = sum(net < 0 for net in nets.values())
    if grouped or won <= lost:
        return 1.0
    if won - lost > len({pair.case for pair in hidden}):
        return 0.0
    return binomial_tail(lost, won, bounds.lowest)


def _log10_against(chance: float) -> float:
    if not chance:
        return math.inf
    return -math.log10(chance)
