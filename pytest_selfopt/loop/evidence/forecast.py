"""Forecasts: whether further passes can bring the odds to their bar, and how many it takes."""

from __future__ import annotations

import bisect
import math
from fractions import Fraction

from pytest_selfopt.loop.evidence.bets import Bets
from pytest_selfopt.loop.evidence.odds import CLEAR
from pytest_selfopt.loop.evidence.tally import Tally


def within_reach(bets: Bets, passes: int, *, more: int, needed: Fraction, repeats: bool = False) -> bool:
    """Whether `more` passes can still bring the odds to `needed`, with a margin of two standard errors.

    If the answers so far are `repeats`, there is no margin: further passes repeat them, too.

    The evidence so far counts as it is; the difference per future pass is assumed to be (W − L + 2√(W + L)) / passes,
    at most all pairs that differ, and likewise for groups. If the bar is then out of reach, a candidate as good as it
    looks would reach it in fewer than about 1 of 40 cases.
    """
    if passes == 0 or bets.net <= 0:
        return False
    hoped = bets
    if not repeats:
        hoped = bets.hoped()
    future = bets + hoped.scaled(more / passes)
    return future.log10 >= math.log10(needed) - CLEAR


def passes_to_decide(evidence: Tally, needed: Fraction, *, most: int = 1000) -> int | None:
    """Return how many more passes (at least 1) like those so far bring the odds to `needed`; None beyond `most`.

    The odds after s times as many pairs are convex in s and 1 at s = 0, so once above a bar they stay above it.
    """
    bets, passes = evidence.bets, evidence.passes
    if passes == 0 or bets.net <= 0 or evidence.wins <= evidence.losses:
        return None
    goal = math.log10(needed) - 1e-9

    def reached(more: int) -> bool:
        return bets.scaled((passes + more) / passes).log10 >= goal

    futures = range(1, most + 1)
    index = bisect.bisect_left(futures, True, key=reached)
    if index == most:
        return None
    return futures[index]
