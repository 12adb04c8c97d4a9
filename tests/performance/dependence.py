"""How often something false is promoted if cases share their luck, and if somebody stops when it suits him.

No candidate differs from the baseline, so every promotion is false. A row is a `Luck` of `tests/loop/luck.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_selfopt.loop.gates.gate_result import Verdict
from tests.loop.analyst import promotes_in_the_end
from tests.loop.histories import CALIBRATED, EQUAL, WORLDS, Cycle, History
from tests.loop.luck import ALONE, LUCKS, Luck
from tests.loop.pairs import Pairs

SIZES = (12, 30, 100)
SEED = 20_261_130
CANDIDATES = 4

Life = Literal["cycle", "history", "analyst"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lots:
    """Many cycles, histories of 20 cycles, or analysts, in one world with one kind of luck."""

    life: Life
    luck: str
    world: str
    cases: int
    times: int

    def run(self) -> int:
        """How many promoted something."""
        luck = next(luck for luck in LUCKS if luck.name == self.luck)
        return sum(self._promotes(number, luck) for number in range(self.times))

    def _promotes(self, number: int, luck: Luck) -> bool:
        rng = random.Random(f"{SEED}/{self.life}/{self.luck}/{self.world}/{self.cases}/{number}")
        world = WORLDS[self.world]
        if self.life == "analyst":
            return promotes_in_the_end(rng, world, self.cases, luck=luck)
        if self.life == "history":
            history = History(rng, world, self.cases, limits=CALIBRATED, effects=EQUAL, endless=True, luck=luck)
            return history.run().false_promotions > 0
        baseline = world.baseline(rng, self.cases)
        cycle = Cycle(rng, baseline, CALIBRATED, luck)
        for place in range(CANDIDATES):
            cycle.add(str(place), baseline, Pairs(number=place + 1, cases=self.cases, groups=luck.groups(self.cases)))
        return Verdict.PROMOTE in cycle.run().values()


Run = Callable[[Sequence[Lots]], list[object]]


def families(run: Run, scale: int) -> Iterable[str]:
    """Yield the lines of the table on families."""
    yield "Equal candidates whose cases share their luck within passes: promoted in one cycle / in a history of 20"
    yield "  bounds for histories: 1 % with families of their own or declared ones, 5 % with others"
    yield from _table(run, ("cycle", "history"), LUCKS, {"cycle": 1000 // scale, "history": 400 // scale})


def stopping(run: Run, scale: int) -> Iterable[str]:
    """Yield the lines of the table on optional stopping."""
    yield "Equal candidates and an analyst who stops, goes on and picks at will: promoted"
    yield "  bound: 5 %"
    yield from _table(run, ("analyst",), (ALONE,), {"analyst": 400 // scale})


def _table(run: Run, lives: Sequence[Life], lucks: Sequence[Luck], times: dict[str, int]) -> Iterable[str]:
    jobs = [
        Lots(life=life, luck=luck.name, world=world, cases=cases, times=times[life])
        for luck in lucks
        for world in WORLDS
        for cases in SIZES
        for life in lives
    ]
    found = dict(zip(jobs, run(jobs), strict=True))
    yield f"{'luck':<30}{'world':<15}" + "".join(f"{cases:>18}" for cases in SIZES)
    for luck in lucks:
        for world in WORLDS:
            cells = []
            for cases in SIZES:
                of_cell = [job for job in jobs if (job.luck, job.world, job.cases) == (luck.name, world, cases)]
                cells.append(" / ".join(_share(found[job], job.times) for job in of_cell))
            yield f"{luck.name:<30}{world:<15}" + "".join(f"{cell:>18}" for cell in cells)


def _share(number: object, times: int) -> str:
    assert isinstance(number, int)
    return f"{number / times:.1%}"
