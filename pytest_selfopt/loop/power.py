"""Power analysis: which gain a cycle can detect, and with how many calls, before it begins."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from pytest_selfopt.loop.evidence.odds import bar, log10_odds
from pytest_selfopt.loop.race import RaceState, most_passes, step

LOWER_QUARTILE = 0.6745
"""Standard deviations between the mean and the lower quartile of a normal distribution."""
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
    outcomes differ (0: never; 0.5: coin flips). Without a `race` all candidates get the `least` passes.
    """

    cases: int
    candidates: int
    first_test: int = 1
    churn: float = STEADY
    least: int = 3
    race: bool = True

    @property
    def most(self) -> int:
        """The largest number of passes for a candidate."""
        if not self.race:
            return self.least
        return most_passes(self.candidates, self.least)

    @property
    def fewest_calls(self) -> int:
        """Calls of a cycle in which no candidate continues after the first passes."""
        return (self.candidates + 1) * self.least * self.cases

    @property
    def most_calls(self) -> int:
        """Calls of a cycle whose leader continues to the end."""
        return self.fewest_calls + 2 * (self.most - self.least) * self.cases


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
    """Approximate the smallest gain, in whole prompts, that one cycle detects with 75 % power; None if above 1.0.

    After the leader's maximum of n passes over K prompts, W − L has mean nKg and variance nK(1 − g)·churn; g is
    detected if the lower quartile of W − L reaches the bar. Simulated races (`power`) agree to about one prompt.
    """
    passes = outlook.most
    needed = math.log10(bar(outlook.first_test + outlook.candidates - 1))

    def is_found(prompts: int) -> bool:
        fixed = prompts * passes
        noise = (outlook.cases - prompts) * outlook.churn * passes
        differing = fixed + noise
        lead = fixed - LOWER_QUARTILE * math.sqrt(noise)
        return lead > 0 and log10_odds((differing + lead) / 2, (differing - lead) / 2) >= needed

    prompts = range(1, outlook.cases + 1)
    index = bisect.bisect_left(prompts, True, key=is_found)
    if index == len(prompts):
        return None
    return prompts[index] / outlook.cases


def _race(gain: float, outlook: Outlook, rng: Chance) -> tuple[bool, int]:
    """Return whether the better candidate won, and the number of calls."""
    fixed = math.floor(gain * outlook.cases + rng.random())
    noise = _binomial(outlook.cases - fixed, outlook.churn / 2)
    better = str(outlook.candidates - 1)
    standings = _start(outlook)
    live: Sequence[str] = tuple(standings)
    passes = calls = 0
    while live:
        passes += 1
        calls += (1 + len(live)) * outlook.cases
        for name in live:
            wins, losses = bisect.bisect(noise, rng.random()), bisect.bisect(noise, rng.random())
            if name == better:
                wins += fixed
            standings[name] = _after_pass(standings[name], wins, losses)
        if passes < outlook.least:
            continue
        if standings[better].won:
            return True, calls
        live = step(standings, passes=passes, most=outlook.most).live
    return False, calls


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
