"""An analyst who stops, goes on and picks at will: the worst that optional stopping can do to the odds."""

from __future__ import annotations

import math
import random

from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.gates.gate_result import Verdict
from tests.loop.histories import CALIBRATED, Cycle, World
from tests.loop.luck import ALONE, Luck
from tests.loop.pairs import Pairs


def promotes_in_the_end(
    rng: random.Random, world: World, cases: int, *, candidates: int = 20, passes: int = 100, luck: Luck = ALONE
) -> bool:
    """Whether one of many candidates that change nothing is promoted by somebody who looks after every pass.

    After three passes of all he always asks the one that is nearest to its bar, and stops as soon as the gates let one
    through: no race, budget, `-x`, Ctrl-C or resumption can stop at a better moment for him.
    """
    baseline = world.baseline(rng, cases)
    cycle = Cycle(rng, baseline, CALIBRATED, luck)
    groups = luck.groups(cases)
    comparisons = {str(number): Pairs(number=number, cases=cases, groups=groups) for number in _numbers(candidates)}
    for name, pairs in comparisons.items():
        cycle.add(name, baseline, pairs)
    for _ in range(CALIBRATED.min_samples):
        cycle.ask(tuple(comparisons))
    ahead = {name: _ahead(pairs) for name, pairs in comparisons.items()}
    asked = list(comparisons)
    for _ in range(passes):
        if any(ahead[name] >= 0 and cycle.verdict(name) is Verdict.PROMOTE for name in asked):
            return True
        asked = [max(ahead, key=lambda name: ahead[name])]
        cycle.ask(asked)
        ahead[asked[0]] = _ahead(comparisons[asked[0]])
    return False


def _numbers(candidates: int) -> range:
    return range(1, candidates + 1)


def _ahead(pairs: Pairs) -> float:
    """The decimal logarithm of the odds over the bar."""
    return pairs.tally().bets.log10 - math.log10(bar(pairs.number))
