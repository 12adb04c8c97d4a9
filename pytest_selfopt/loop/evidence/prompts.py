"""The evidence on prompts: how many of them changed, and the odds that others like them gain, too.

Asking a prompt again shows more about this prompt, and nothing about others. A claim on prompts that were not asked
therefore rests on one bet per prompt, whose stake is its difference d of pass rates, between −1 and 1, over all its
pairs. Prompts of one group, which may stand or fall together, are one bet on their mean. The odds e =
∫₀¹ Π (1 + x·d) dx have, if the asked prompts are independent draws of prompts on which the candidate gains nothing on
average, an expectation of at most 1, whatever the distribution of d: rare prompts that it breaks, and the suite happens
not to contain, are allowed for, unlike in a t-test.

Looking after each pass costs nothing: given all later pairs, the expected d after n passes is that after n + 1, and the
prompts are independent, so that the product is a martingale in reverse. By Doob's inequality the chance that e reaches
B after any number of passes is at most 1/B (exchangeable Markov inequality; Manole and Ramdas 2023, Ramdas and Manole
2023).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.console.verdict_text import count_prompts
from pytest_selfopt.loop.evidence.odds import CLEAR
from pytest_selfopt.loop.evidence.tally import CaseTally, Tally

_STAKES = tuple((step + 0.5) / 64 for step in range(64))
"""The stakes x whose bets are averaged: as few as they are, their average is odds by itself."""
_HOPE = 2.0
"""Standard errors by which the difference may be better than it looks."""
_MOST_PROMPTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEvidence:
    """What the pairs say about prompts; prompts without a pair are not `asked`.

    A prompt is `up` if the candidate has it right more often than the baseline, over the same passes, and `down` if
    less often. If each of them differs in every pass, they are `steady`: fixed and broken. `log10_odds` are the decimal
    logarithm of the odds that other prompts like these gain, `hoped` the highest that more passes can bring them to.
    """

    asked: int
    up: int
    down: int
    steady: bool
    log10_odds: float
    hoped: float

    def __str__(self) -> str:
        return count_prompts(self.asked, self.up, self.down, steady=self.steady)

    @property
    def odds(self) -> float:
        """The odds as a number, at most 10^300, as larger ones would overflow."""
        return 10 ** min(self.log10_odds, 300.0)

    def reaches(self, needed: Fraction) -> bool:
        """Whether the gain is shown for other prompts like these."""
        return self.log10_odds >= math.log10(needed) - CLEAR

    def may_reach(self, needed: Fraction) -> bool:
        """Whether more passes over the same prompts can still show it."""
        return self.hoped >= math.log10(needed) - CLEAR


def prompt_evidence(evidence: Tally) -> PromptEvidence:
    """Return what the pairs say about prompts."""
    asked = [case for case in evidence.cases.values() if case.common]
    differences = [case.difference for case in asked]
    return PromptEvidence(
        asked=len(asked),
        up=sum(difference > 0 for difference in differences),
        down=sum(difference < 0 for difference in differences),
        steady=all(abs(difference) in (0, 1) for difference in differences),
        log10_odds=log10_prompt_odds(Counter(evidence.differences)),
        hoped=log10_prompt_odds(Counter(_hoped(asked))),
    )


def prompts_to_decide(evidence: Tally, needed: Fraction) -> int | None:
    """Return how many prompts in all, differing like those asked, show a gain on others; None if none are enough.

    The odds after s times as many prompts are convex in s and 1 at s = 0, so once above a bar they stay above it.
    """
    differences = evidence.differences
    if math.fsum(differences) <= 0:
        return None
    counts = Counter(differences)
    goal = math.log10(needed)
    low, high = 0, 1
    while log10_prompt_odds(_scaled(counts, high, len(differences))) < goal:
        low, high = high, 2 * high
        if high > _MOST_PROMPTS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if log10_prompt_odds(_scaled(counts, middle, len(differences))) < goal:
            low = middle
        else:
            high = middle
    asked = sum(case.common > 0 for case in evidence.cases.values())
    return math.ceil(high * asked / len(differences))


def _scaled(counts: Mapping[float, float], prompts: int, asked: int) -> dict[float, float]:
    return {difference: number * prompts / asked for difference, number in counts.items()}


def _hoped(asked: Sequence[CaseTally]) -> Iterable[float]:
    """Yield the differences after passes without end if they turn out two standard errors better than they look.

    Luck of the passes then no longer spreads the prompts, so their distances from the mean shrink by its share.
    """
    count = len(asked)
    if not count:
        return
    differences = [case.difference for case in asked]
    luck = math.fsum(map(_luck, asked)) / count
    mean = math.fsum(differences) / count
    spread = math.fsum((difference - mean) ** 2 for difference in differences) / count
    kept = 0.0
    if spread > luck:
        kept = math.sqrt(1 - luck / spread)
    better = mean + _HOPE * math.sqrt(luck / count)
    for difference in differences:
        yield max(-1.0, min(1.0, better + kept * (difference - mean)))


def _luck(case: CaseTally) -> float:
    """Return the variance of a case's difference over repeats of its passes; 0 if its pairs are all alike."""
    differing = case.wins + case.losses
    # A single pair tells nothing, and then counts as a coin flip.
    if case.common < 2:
        return 1.0
    variance = (differing - case.common * case.difference**2) / (case.common - 1)
    return max(0.0, variance) / case.common


def log10_prompt_odds(differences: Mapping[float, float]) -> float:
    """Return the decimal logarithm of the odds, averaged over the stakes.

    `differences` maps each d to the number of its prompts, which need not be whole.
    """
    logs = []
    for stake in _STAKES:
        gains = (number * math.log1p(stake * difference) for difference, number in differences.items())
        logs.append(math.fsum(gains))
    # Relative to the largest term, so that no exponential overflows.
    top = max(logs)
    total = math.fsum(math.exp(log - top) for log in logs)
    return (top + math.log(total / len(_STAKES))) / math.log(10)
