"""Power analysis: which gain a cycle can detect, and with how many calls, before it begins."""

from __future__ import annotations

import bisect
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Protocol

from pytest_selfopt.loop.evidence.odds import bar, log10_odds
from pytest_selfopt.loop.evidence.prompts import log10_prompt_odds
from pytest_selfopt.loop.race import RaceState, Stage, most_passes, passes_left, step
from pytest_selfopt.loop.thresholds import Claim

LOWER_QUARTILE = 0.6745
"""Standard deviations between the mean and the lower quartile of a normal distribution."""
MOST_PROMPTS = 20_000
"""The largest number of prompts that is foreseen."""
STEADY, VARYING = 0.0, 0.3
"""Assumed churn of unmeasured answers: at temperature 0, and with sampling."""


class Chance(Protocol):
    """A source of numbers in [0, 1), such as `random.Random`."""

    def random(self) -> float:
        """Return the next number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The plan of a cycle.

    `first_test` is the number of its first comparison, `churn` the share of repeats of one prompt with one spec whose
    outcomes differ (0: never; 0.5: coin flips). A promotion takes the `least` passes, and so does a baseline that is
    not `known` from earlier cycles; without a `race` all candidates get them. With the claim on new prompts, gains are
    those on all prompts that could be asked, of which the `cases` are drawn. If cases are in
    `groups`, there are so many units of evidence (None: as many as cases), which are taken to be fixed as wholes and to
    flip as wholes, the worst that cases in groups can do.
    """

    cases: int
    candidates: int
    first_test: int = 1
    churn: float = STEADY
    least: int = 3
    race: bool = True
    known: bool = False
    claim: Claim = Claim.SUITE
    groups: int | None = None

    @property
    def last_bar(self) -> Fraction:
        """The odds that the last of its comparisons must reach."""
        return bar(self.first_test + self.candidates - 1)

    @property
    def units(self) -> int:
        """The number of groups, each of which counts once a pass."""
        return self.groups or self.cases

    @property
    def most(self) -> int:
        """The largest number of passes for a candidate."""
        if not self.race:
            return self.least
        return most_passes(self.candidates, self.least)

    @property
    def fewest_calls(self) -> int:
        """Calls of a cycle in which no candidate continues after the first pass."""
        if not self.race:
            return (self.candidates + 1) * self.least * self.cases
        return (self.candidates + self.baseline_passes) * self.cases

    @property
    def most_calls(self) -> int:
        """Calls of a cycle whose leader continues to the end."""
        if not self.race:
            return self.fewest_calls
        return (self.candidates + 1 + 2 * (self.most - 1)) * self.cases

    @property
    def baseline_passes(self) -> int:
        """The passes that the baseline gets although no candidate is left beside it."""
        if self.known:
            return 1
        return self.least


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """The probability that a candidate with this `gain` is promoted in one cycle, and the mean number of calls."""

    gain: float
    found: float
    calls: float


def power(gain: float, outlook: Outlook, *, times: int, rng: Chance) -> Power:
    """Simulate `times` cycles in which the last candidate gains `gain` and the others nothing."""
    promoted = calls = 0
    for _ in range(times):
        won, made = _race(gain, outlook, rng)
        promoted += won
        calls += made
    return Power(gain=gain, found=promoted / times, calls=calls / times)


def findable_gain(outlook: Outlook) -> float | None:
    """Approximate the smallest gain that one cycle detects with 75 % power, in whole prompts; None if above 1.0.

    After the leader's maximum of n passes over K prompts, or groups, W − L has mean nKg and variance nK(1 − g)·churn;
    g is detected if the lower quartile of W − L reaches the bar. Simulated races (`power`) agree to about one prompt.
    The claim on new prompts takes more, as `prompts_needed` says.
    """
    passes = outlook.most
    needed = math.log10(outlook.last_bar)

    def is_found(prompts: int) -> bool:
        if outlook.claim is Claim.NEW_PROMPTS:
            return _is_shown(prompts / outlook.units, outlook.units, outlook)
        fixed = prompts * passes
        noise = (outlook.units - prompts) * outlook.churn * passes
        differing = fixed + noise
        lead = fixed - LOWER_QUARTILE * math.sqrt(noise)
        return lead > 0 and log10_odds((differing + lead) / 2, (differing - lead) / 2) >= needed

    prompts = range(1, outlook.units + 1)
    index = bisect.bisect_left(prompts, True, key=is_found)
    if index == len(prompts):
        return None
    return prompts[index] / outlook.units


def prompts_needed(gain: float, outlook: Outlook) -> int | None:
    """Approximate how many prompts show a `gain` on others like them with 75 % power; None above `MOST_PROMPTS`.

    Of K prompts that are drawn from those that could be asked, the number fixed has mean Kg and variance Kg(1 − g);
    after n passes the others differ by chance with a variance of churn/n each. The gain is shown if the lower quartile
    of the sum reaches the bar of the odds over prompts.
    """
    sizes = range(1, MOST_PROMPTS + 1)
    index = bisect.bisect_left(sizes, True, key=lambda cases: _is_shown(gain, cases, outlook))
    if index == len(sizes):
        return None
    return sizes[index]


def _is_shown(gain: float, cases: int, outlook: Outlook) -> bool:
    """Whether three of four cycles over this many prompts show the gain on others."""
    noise = outlook.churn / outlook.most
    luck = cases * (1 - gain) * (gain + noise)
    fixed = cases * gain - LOWER_QUARTILE * math.sqrt(luck)
    if fixed <= 0:
        return False
    others = (cases - fixed) / 2
    differences = defaultdict[float, float](float, {1.0: fixed})
    differences[math.sqrt(noise)] += others
    differences[-math.sqrt(noise)] += others
    return log10_prompt_odds(differences) >= math.log10(outlook.last_bar)


def _race(gain: float, outlook: Outlook, rng: Chance) -> tuple[bool, int]:
    """Return whether the better candidate won, and the number of calls."""
    if outlook.claim is Claim.NEW_PROMPTS:
        fixed = sum(rng.random() < gain for _ in range(outlook.units))
    else:
        fixed = math.floor(gain * outlook.units + rng.random())
    differences = [0] * (outlook.units - fixed)
    noise = _binomial(outlook.units - fixed, outlook.churn / 2)
    better = str(outlook.candidates - 1)
    standings = _start(outlook)
    live: Sequence[str] = tuple(standings)
    passes = asked = 0
    while live:
        passes += 1
        asked += 1 + len(live)
        for name in live:
            if name == better and outlook.claim is Claim.NEW_PROMPTS:
                wins, losses = _ask_again(differences, outlook.churn, rng)
            else:
                wins, losses = bisect.bisect(noise, rng.random()), bisect.bisect(noise, rng.random())
            if name == better:
                wins += fixed
            standings[name] = _after_pass(standings[name], wins, losses)
        if outlook.claim is Claim.NEW_PROMPTS:
            standings[better] = _with_claim(standings[better], fixed, differences, outlook)
        if passes >= outlook.least and standings[better].won:
            return True, asked * outlook.cases
        if outlook.race or passes >= outlook.least:
            live = step(standings, Stage(passes=passes, left=_left(outlook, asked), least=outlook.least)).live
    asked += max(0, outlook.baseline_passes - passes)
    return False, asked * outlook.cases


def _left(outlook: Outlook, asked: int) -> int:
    """Return the passes left for a leader after all specs were asked so many passes together."""
    if not outlook.race:
        return 0
    return passes_left(asked, outlook.candidates, outlook.least)


def _start(outlook: Outlook) -> dict[str, RaceState]:
    """Return all candidates before the first pass, each with the bar of its test."""
    standings = {}
    for place in range(outlook.candidates):
        needed = bar(outlook.first_test + place)
        standings[str(place)] = RaceState(wins=0, losses=0, passes=0, bar=needed)
    return standings


def _after_pass(standing: RaceState, wins: int, losses: int) -> RaceState:
    return RaceState(
        wins=standing.wins + wins,
        losses=standing.losses + losses,
        passes=standing.passes + 1,
        bar=standing.bar,
    )


def _ask_again(differences: list[int], churn: float, rng: Chance) -> tuple[int, int]:
    """Ask the prompts that are not fixed once more; add to their differences, and return the wins and losses."""
    wins = losses = 0
    for place in range(len(differences)):
        drawn = rng.random()
        if drawn < churn / 2:
            wins += 1
            differences[place] += 1
        elif drawn >= 1 - churn / 2:
            losses += 1
            differences[place] -= 1
    return wins, losses


def _with_claim(standing: RaceState, fixed: int, differences: Sequence[int], outlook: Outlook) -> RaceState:
    """Return the state of a candidate that waits for its claim on new prompts; in vain if answers repeat."""
    shares = Counter({1.0: float(fixed)})
    for difference in differences:
        shares[difference / standing.passes] += 1
    shown = log10_prompt_odds(shares) >= math.log10(standing.bar)
    return replace(standing, waits=not shown, out=not shown and not outlook.churn)


@cache
def _binomial(trials: int, share: float) -> tuple[float, ...]:
    """Return the cumulative binomial probabilities, for drawing by inversion of a number in [0, 1)."""
    if share <= 0:
        return (1.0,)
    chances = []
    for hits in range(trials + 1):
        misses = trials - hits
        log_ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(misses + 1)
        log_chance = log_ways + hits * math.log(share) + misses * math.log1p(-share)
        chances.append(math.exp(log_chance))
    return tuple(itertools.accumulate(chances))
