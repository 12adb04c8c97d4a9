"""How the answers of a pass are drawn: each case by itself, or in families that share their luck."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tests.loop.worlds import names

Answers: TypeAlias = list[bool]
Draw: TypeAlias = Callable[[random.Random, Sequence[float], Sequence[Answers]], Answers]
"""From the pass rates of the cases, and the answers of this spec's passes so far in this cycle, to those of a pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """What the cases of a pass share, and whether the suite says so."""

    name: str
    draw: Draw
    family: int = 1
    declared: bool = False

    def groups(self, cases: int) -> dict[str, str]:
        """The group of each case, if the suite names them."""
        if not self.declared:
            return {}
        return {case: f"g{place // self.family}" for place, case in enumerate(names(cases))}


def _alone(rng: random.Random, rates: Sequence[float], _: Sequence[Answers]) -> Answers:
    return [rng.random() < rate for rate in rates]


def _in_families(size: int) -> Draw:
    def draw(rng: random.Random, rates: Sequence[float], _: Sequence[Answers]) -> Answers:
        lucks = [rng.random() for _ in range(-(-len(rates) // size))]
        return [lucks[place // size] < rate for place, rate in enumerate(rates)]

    return draw


ALONE = Luck(name="no families", draw=_alone)
FAMILIES = {
    (size, declared): Luck(
        name=f"families of {size}, {'declared' if declared else 'not declared'}",
        draw=_in_families(size),
        family=size,
        declared=declared,
    )
    for size in (2, 5, 10)
    for declared in (True, False)
}
"""By size, and whether the suite names the groups."""
LUCKS = (ALONE, *FAMILIES.values())
"""The rows of the tables; a way to draw that another question needs is a row more."""
