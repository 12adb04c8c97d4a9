"""How often something false is promoted if passes are copies of the first one: recognised ones, and ones that are not.

No candidate differs from the baseline, so every promotion is false. Trials go through the product's own pairing,
metrics, gates and race.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gate import comparing_gates, worst
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict
from pytest_selfopt.loop.race import Stage, passes_left, race_state, step
from pytest_selfopt.trial import Outcome, Trial
from tests.loop.histories import CALIBRATED, CYCLES, WORLDS, Model
from tests.loop.worlds import names

SIZES = (12, 30, 100)
SEED = 20_261_130
CANDIDATES = 3
BASELINE = "baseline"

Share = Literal["none", "half", "all"]
"""Which passes after the first are copies of it: every second one is "half"."""


class CopiedCycle:
    """A cycle of equal specs, some of whose passes are copies, marked or not."""

    def __init__(self, rng: random.Random, model: Model, share: Share, *, marked: bool) -> None:
        self._rng = rng
        self._model = model
        self._share = share
        self._marked = marked
        self._cases = names(len(model.rates))
        self._trials: dict[str, list[Trial]] = {}

    def promotes(self, first_test: int) -> bool:
        """Run the race; return whether a candidate is promoted. The first one's test has this number."""
        numbers = {f"c{place}": first_test + place for place in range(CANDIDATES)}
        live: Sequence[str] = tuple(numbers)
        passes = asked = 0
        while live:
            for spec in (BASELINE, *live):
                self._ask(spec, passes)
            passes += 1
            asked += 1 + len(live)
            early = passes < CALIBRATED.min_samples
            measured = {name: self._measured(name, number) for name, number in numbers.items()}
            standings = {name: race_state(one, self._gates(one), early=early) for name, one in measured.items()}
            live = step(standings, Stage(passes=passes, left=passes_left(asked, CANDIDATES))).live
        verdicts = [worst(self._gates(self._measured(name, number))) for name, number in numbers.items()]
        return Verdict.PROMOTE in verdicts

    def _ask(self, spec: str, run: int) -> None:
        trials = self._trials.setdefault(spec, [])
        copies = run > 0 and (self._share == "all" or (self._share == "half" and run % 2 == 1))
        sign = ""
        if copies and self._marked:
            sign = "a header"
        for place, case in enumerate(self._cases):
            outcome = Outcome.MISS
            if copies:
                outcome = trials[place].outcome
            elif self._rng.random() < self._model.rates[place]:
                outcome = Outcome.PASS
            trials.append(Trial(phase="atomic", spec=spec, case=case, run=run, outcome=outcome, copied=sign))

    def _measured(self, name: str, number: int) -> GateInput:
        return GateInput(
            spec=name,
            phase="atomic",
            metrics=evaluate(name, self._trials[name], self._cases),
            baseline=evaluate(BASELINE, self._trials[BASELINE], self._cases),
            evidence=tally(self._trials[BASELINE], self._trials[name], self._cases),
            needed=bar(number),
            early=True,
        )

    def _gates(self, measured: GateInput) -> tuple[GateResult, ...]:
        return comparing_gates(measured, CALIBRATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedLots:
    """Many cycles, or histories of 20 cycles each of which has new candidates, in one world."""

    cycles: int
    share: Share
    marked: bool
    world: str
    cases: int
    times: int

    def run(self) -> int:
        """How many promoted something."""
        return sum(map(self._promotes, range(self.times)))

    def _promotes(self, number: int) -> bool:
        rng = random.Random(f"{SEED}/{self.cycles}/{self.share}/{self.world}/{self.cases}/{number}")
        model = WORLDS[self.world].baseline(rng, self.cases)
        for cycle in range(self.cycles):
            ended = CopiedCycle(rng, model, self.share, marked=self.marked)
            if ended.promotes(cycle * CANDIDATES + 1):
                return True
        return False


Run = Callable[[Sequence[CopiedLots]], list[object]]
ROWS: tuple[tuple[str, Share, bool], ...] = (
    ("fresh", "none", True),
    ("half copied", "half", True),
    ("all copied", "all", True),
    ("half copied, not recognised", "half", False),
    ("all copied, not recognised", "all", False),
)


def copied_passes(run: Run, scale: int) -> Iterable[str]:
    """Yield the lines of the table on copies."""
    yield "Equal candidates whose passes after the first are copies of it: promoted in one cycle / in a history of 20"
    yield "  bound for histories: 5 %, unless copies are not recognised"
    lots = {1: max(1, 1000 // scale), CYCLES: max(1, 100 // scale)}
    jobs = [
        CopiedLots(cycles=cycles, share=share, marked=marked, world=world, cases=cases, times=times)
        for _, share, marked in ROWS
        for world in WORLDS
        for cases in SIZES
        for cycles, times in lots.items()
    ]
    found = dict(zip(jobs, run(jobs), strict=True))
    yield f"{'passes':<30}{'world':<15}" + "".join(f"{cases:>18}" for cases in SIZES)
    for name, share, marked in ROWS:
        for world in WORLDS:
            cells: list[str] = []
            for cases in SIZES:
                of_cell = [
                    job
                    for job in jobs
                    if (job.share, job.marked, job.world, job.cases) == (share, marked, world, cases)
                ]
                cells.append(" / ".join(_percent(found[job], job.times) for job in of_cell))
            yield f"{name:<30}{world:<15}" + "".join(f"{cell:>18}" for cell in cells)


def _percent(number: object, times: int) -> str:
    assert isinstance(number, int)
    return f"{number / times:.1%}"
